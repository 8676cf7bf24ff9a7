//! Images and files, into runs and out of them.

use crate::support::Place;

const DESCRIBE: &str = "
format: 1
name: Describe
media:
  photo: image
  notes: {type: file, optional: true, many: true}
steps:
  - {name: say, template: 'Asked: {{ input }}'}
";

/// A picture that is too large for a fact.
fn photo() -> Vec<u8> {
    let mut photo = b"\x89PNG\r\n".to_vec();
    photo.extend((0..60_000_u32).flat_map(u32::to_le_bytes));
    photo
}

#[test]
fn a_file_is_given_to_a_run_named_by_show_and_written_again() {
    let place = Place::with(DESCRIBE);
    place.write("photo.png", photo());
    place.write("a.md", "# Notes\n");
    let given = ["-i", "photo=@photo.png", "-i", "notes=@a.md", "-i", "notes=https://a.test/b.csv"];
    let ran = place
        .on_db(&[&["run", "flow.yaml", "What is this?", "--run-id", "r-1"][..], &given].concat());
    assert_eq!(ran.ended(0).stdout, "Asked: What is this?\n");

    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("photo.png: image/png, 240006 bytes, sha256 "), "{shown}");
    assert!(shown.contains("a.md: text/markdown, 8 bytes, sha256 "), "{shown}");
    assert!(shown.contains("https://a.test/b.csv"), "{shown}");
    // No fact and no event has the bytes.
    let events = place.on_db(&["events", "r-1", "--json"]).ended(0).stdout;
    assert!(events.len() < 5_000, "{} bytes", events.len());
    place.on_db(&["verify", "r-1"]).ended(0);

    let saved = place.on_db(&["show", "r-1", "--save-media", "out"]).ended(0).stdout;
    assert!(saved.contains("1-photo.png") && saved.contains("2-a.md"), "{saved}");
    assert!(saved.contains("not in the run: "), "{saved}");
    assert_eq!(std::fs::read(place.path("out/1-photo.png")).unwrap(), photo());

    // It moves with its run, and is erased with it.
    let exported = place.on_db(&["export", "r-1"]).ended(0).stdout;
    place.write("runs.jsonl", &exported);
    place.ran(["import", "runs.jsonl", "--db", "b.db"]).ended(0);
    place.ran(["show", "r-1", "--save-media", "moved", "--db", "b.db"]).ended(0);
    assert_eq!(std::fs::read(place.path("moved/1-photo.png")).unwrap(), photo());
    place.on_db(&["erase", "--run", "r-1", "--yes"]).ended(0);
    let left = std::fs::metadata(place.path("a.db")).unwrap().len();
    // The tables alone have 200 kB, and the photo has 240.
    assert!(left < 300_000, "{left} bytes");
}

#[test]
fn media_that_cannot_be_given_are_told() {
    let place = Place::with(DESCRIBE);
    place.write("photo.png", photo());
    for (arguments, why) in [
        (&["Hi"][..], "the input has no image, and the workflow needs `photo`"),
        (&["Hi", "-i", "photo=photo.png"], "`-i photo=photo.png` names no file"),
        (&["Hi", "-i", "photo=@none.png"], "the file `none.png` cannot be read"),
        (
            &["Hi", "-i", "photo=@photo.png", "-i", "photo=@photo.png"],
            "the input has 2 of the kind image; the limit is 1",
        ),
        (&["Hi", "-i", "topic=ants"], "`-i topic=ants` cannot be used with `INPUT`"),
    ] {
        let ran = place.on_db(&[&["run", "flow.yaml"], arguments].concat()).ended(2);
        assert!(ran.stderr.contains(why), "{arguments:?}: {ran:#?}");
    }
}
