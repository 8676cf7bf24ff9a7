//! Knowledge bases, on the command line.

use crate::support::Place;
use serde_json::{Value, json};

const FLOW: &str = "\
format: 1
name: Desk
model: offline
knowledge:
  handbook: {database: handbook.db, sources: ['docs/*.md'], embedder: offline}
agents:
  desk: {knowledge: [handbook]}
steps: [{agent: desk}]
";

fn place() -> Place {
    let place = Place::with(FLOW);
    std::fs::create_dir(place.path("docs")).unwrap();
    place.write("docs/returns.md", "# Returns\n\nGoods can be sent back for 30 days.\n");
    place.write("docs/office.md", "# Office\n\nThe office opens at nine.\n");
    place
}

fn json_of(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.ran([&["knowledge"], arguments, &["--json"]].concat()).ended(0);
    serde_json::from_str(&ran.stdout).expect(&ran.stdout)
}

#[test]
fn a_knowledge_base_is_filled_listed_searched_and_emptied() {
    let place = place();
    let missing = place.ran(["knowledge", "list", "flow.yaml"]).ended(2);
    assert!(missing.stderr.contains("`handbook` has no database yet"), "{missing:#?}");
    let run = place.ran(["run", "flow.yaml", "hello", "--no-db"]).ended(2);
    assert!(run.stderr.contains("stepwright knowledge update"), "{run:#?}");

    let updated = place.ran(["knowledge", "update", "flow.yaml"]).ended(0).stdout;
    let wanted = "+ docs/office.md\n+ docs/returns.md\nhandbook: 2 new, 0 updated, 0 removed, 0 \
                  unchanged; 2 chunks written\n";
    assert_eq!(updated, wanted);
    let again = json_of(&place, &["update", "flow.yaml"]);
    assert_eq!((&again[0]["unchanged"], &again[0]["chunks"]), (&json!(2), &json!(0)));

    let found = json_of(&place, &["search", "flow.yaml", "sent back", "--limit", "1"]);
    assert_eq!(found[0]["source"], "docs/returns.md");
    let found = place.ran(["knowledge", "search", "flow.yaml", "sent back"]).ended(0).stdout;
    assert!(found.starts_with("[1] docs/returns.md  Returns\nGoods can be sent back"), "{found}");

    place.write("note.md", "The key is under the mat.");
    let added = json_of(&place, &["add", "flow.yaml", "note.md", "--name", "handbook"]);
    assert_eq!(added[0]["new"], json!(["note.md"]));
    let unknown = ["knowledge", "remove", "flow.yaml", "note.md", "nothing.md"];
    let unknown = place.ran(unknown).ended(2);
    assert!(unknown.stderr.contains("`handbook` has no document `nothing.md`"), "{unknown:#?}");
    place.ran(["knowledge", "remove", "flow.yaml", "note.md"]).ended(0);
    let listed = json_of(&place, &["list", "flow.yaml"]);
    let documents = listed[0]["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 2, "all or nothing: the first name was not removed alone");
    let list = place.ran(["knowledge", "list", "flow.yaml"]).ended(0).stdout;
    assert!(list.starts_with("KNOWLEDGE  DOCUMENT"), "{list}");
}

#[test]
fn a_name_that_no_knowledge_base_has_is_told_with_those_that_there_are() {
    let place = place();
    let wrong = place.ran(["knowledge", "update", "flow.yaml", "--name", "hand"]).ended(2);
    assert!(wrong.stderr.contains("has no knowledge base `hand`"), "{wrong:#?}");
    assert!(wrong.stderr.contains("help: it has `handbook`"), "{wrong:#?}");
    place.write("none.yaml", "format: 1\nname: N\nsteps: [{name: a, template: b}]\n");
    let none = place.ran(["knowledge", "list", "none.yaml"]).ended(2);
    assert!(none.stderr.contains("`none.yaml` has no knowledge base"), "{none:#?}");
}
