//! `stepwright explain`, and the codes of mistakes on the command line.

use crate::support::{GREETING, Place};

#[test]
fn a_code_is_explained_however_it_is_typed() {
    let place = Place::with(GREETING);
    let page = place.ran(["explain", "SW0701"]).ended(0);
    assert!(page.stdout.starts_with("SW0701: the run was not found\n\n"), "{page:#?}");
    assert!(page.stdout.contains("stepwright runs --db runs.db"), "{page:#?}");
    assert_eq!(page.stderr, "");
    for code in ["sw701", "Sw0701", "701", "0701"] {
        assert_eq!(place.ran(["explain", code]).ended(0).stdout, page.stdout);
    }
}

#[test]
fn all_codes_are_listed_by_area() {
    let list = Place::with(GREETING).ran(["explain"]).ended(0);
    assert!(list.stdout.starts_with("The command line\n  SW0101  "), "{list:#?}");
    assert!(list.stdout.contains("\n\nStores\n  SW0801  "), "{list:#?}");
    for entry in stepwright::codes::all() {
        let line = format!("  {}  {}\n", entry.id, entry.title);
        assert!(list.stdout.contains(&line), "{line} {list:#?}");
    }
}

#[test]
fn an_unknown_code_is_an_error_with_the_nearest_ones() {
    let place = Place::with(GREETING);
    let unknown = place.ran(["explain", "SW0799"]).ended(2);
    assert!(
        unknown.stderr.starts_with("error[SW0115]: there is no error code `SW0799`\nhelp: "),
        "{unknown:#?}"
    );
    assert!(unknown.stderr.contains("`SW0801` (the database cannot be used)"), "{unknown:#?}");
    assert_eq!(unknown.stdout, "");
    let word = place.ran(["explain", "nothing"]).ended(2);
    assert!(
        word.stderr.starts_with("error[SW0115]: `nothing` is not an error code such as `SW0701`\n"),
        "{word:#?}"
    );
}

#[test]
fn mistakes_on_the_command_line_have_codes() {
    let place = Place::with(GREETING);
    for (arguments, code) in [
        (&["rum"][..], "SW0101"),
        (&["run", "flow.yaml", "--modle", "x"], "SW0101"),
        (&["run", "flow.yaml", "--timeout", "10"], "SW0102"),
        (&["show"], "SW0103"),
        (&["run", "flow.yaml", "a", "--input-file", "b"], "SW0104"),
        (&["run", "flow.yaml", "--no-db", "--session-id", "s-1"], "SW0105"),
    ] {
        let ran = place.ran(arguments).ended(2);
        assert!(ran.stderr.starts_with(&format!("error[{code}]: ")), "{arguments:?} {ran:#?}");
        assert_eq!(ran.stdout, "");
    }
    let similar = place.ran(["run", "flow.yaml", "--modle", "x"]);
    assert!(
        similar.stderr.contains("\nhelp: a similar argument exists: '--model'"),
        "{similar:#?}"
    );
    let help = place.ran(["--help"]).ended(0);
    assert!(help.stdout.contains("stepwright explain SW0701") && help.stderr.is_empty());
}
