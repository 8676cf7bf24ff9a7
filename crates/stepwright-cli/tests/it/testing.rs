//! `stepwright test`: runs become tests, and tests find what has changed.

use crate::support::Place;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

const GREETING: &str = "\
format: 1
name: Greeting
model: offline
agents: {writer: {instructions: Answer in 1 sentence.}}
steps:
  - {name: who, shell: {command: 'echo \"$WHO\"', env: {WHO: '{{ input }}'}}}
  - {name: text, agent: writer, prompt: 'Hello {{ steps.who }}. Be welcome.'}
  - {name: kept, write_file: {path: greeting.txt, text: '{{ steps.text }}'}}
  - {name: said, template: '{{ steps.text }}'}
";

fn recorded() -> Place {
    let place = Place::with(GREETING);
    place.run(["Ada", "--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(0);
    let made = place.on_db(&["test", "from-run", "r-1", "--output", "hello.cassette.yaml"]);
    let made = made.ended(0);
    assert_eq!(made.stdout, "hello.cassette.yaml\nhello.golden.yaml\n");
    assert!(made.stderr.contains("3 effects were recorded"), "{made:#?}");
    std::fs::remove_file(place.path("greeting.txt")).unwrap();
    place
}

#[test]
fn a_run_becomes_a_test_that_needs_nothing() {
    let place = recorded();
    // Neither the database nor a permission is needed, and nothing is written.
    std::fs::remove_file(place.path("a.db")).unwrap();
    let ran = place.ran(["test", "hello.cassette.yaml"]).ended(0);
    assert_eq!(ran.stdout, "ok       hello.cassette.yaml\n");
    assert!(!place.path("greeting.txt").exists());
    let ran = place.ran(["test", ".", "--json"]).ended(0);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told[0]["result"], "ok");
    assert_eq!(told[0]["file"], "./hello.cassette.yaml");
}

#[test]
fn a_difference_has_its_place_and_exit_code_1() {
    let place = recorded();
    place.write("flow.yaml", GREETING.replace("Hello {{", "Good morning {{"));
    let ran = place.ran(["test", "hello.cassette.yaml"]).ended(1);
    assert_eq!(
        ran.stdout,
        "\
differs  hello.cassette.yaml
  at `text`: `RunStarted`, `message` differs
    recorded: \"Hello Ada. Be welcome.\"
    came:     \"Good morning Ada. Be welcome.\"
  at `text`: the request to the model, `messages.0` differs
    recorded: \"Hello Ada. Be welcome.\"
    came:     \"Good morning Ada. Be welcome.\"
"
    );
    assert!(ran.stderr.contains("take it over with `--update`"), "{ran:#?}");
    let ran = place.ran(["test", "hello.cassette.yaml", "--json"]).ended(1);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let first = &told[0]["differences"][0];
    assert_eq!((&told[0]["result"], &first["at"]), (&"differs".into(), &"text".into()));
    assert_eq!(first["recorded"], "Hello Ada. Be welcome.");
    assert_eq!(first["came"], "Good morning Ada. Be welcome.");

    let ran = place.ran(["test", "--update", "hello.cassette.yaml"]).ended(0);
    assert_eq!(ran.stdout, "updated  hello.cassette.yaml\n");
    place.ran(["test", "hello.cassette.yaml"]).ended(0);
}

#[test]
fn every_cassette_of_a_folder_is_replayed_whatever_the_others_do() {
    let place = recorded();
    std::fs::create_dir_all(place.path("tests/deep")).unwrap();
    for name in ["hello.cassette.yaml", "hello.golden.yaml"] {
        let text = std::fs::read_to_string(place.path(name)).unwrap();
        place.write(&format!("tests/deep/{name}"), text.replace("flow.yaml", "../../flow.yaml"));
    }
    place.write("tests/broken.cassette.yaml", "cassette: [");
    let ran = place.ran(["test", "tests", "hello.cassette.yaml"]).ended(2);
    assert!(ran.stderr.contains("error[SW0125]"), "{ran:#?}");
    let ok = "ok       tests/deep/hello.cassette.yaml\nok       hello.cassette.yaml\n";
    assert_eq!(ran.stdout, ok);
    let none = place.ran(["test", "empty"]);
    assert_eq!(none.code, 2, "{none:#?}");
    std::fs::create_dir(place.path("empty")).unwrap();
    let none = place.ran(["test", "empty"]).ended(2);
    assert!(none.stderr.contains("there is no cassette in `empty`"), "{none:#?}");
    assert!(none.stderr.contains("stepwright test from-run"), "{none:#?}");
}

#[test]
fn what_cannot_become_a_test_is_refused_with_the_reason() {
    let place = recorded();
    let exists = ["test", "from-run", "r-1", "--output", "hello.cassette.yaml"];
    let refused = place.on_db(&exists).ended(2);
    assert!(refused.stderr.contains("exists already"), "{refused:#?}");
    let refused = place.on_db(&["test", "from-run", "r-1", "--output", "hello.yaml"]).ended(2);
    assert!(refused.stderr.contains("end it in `.cassette.yaml`"), "{refused:#?}");
    place.write("flow.yaml", GREETING.replace("Hello {{", "Good morning {{"));
    let refused = place.on_db(&["test", "from-run", "r-1"]).ended(2);
    assert!(refused.stderr.contains("error[SW0126]"), "{refused:#?}");
    assert!(refused.stderr.contains("a replay of it differs"), "{refused:#?}");
    assert!(refused.stderr.contains("Good morning Ada"), "{refused:#?}");
    assert!(!place.path("r-1.cassette.yaml").exists());

    let asks = "\
format: 1
name: Asks
steps: [{name: greet, template: Hello, human_review: {requires_confirmation: Go on?}}]
";
    place.write("asks.yaml", asks);
    place.ran(["run", "asks.yaml", "", "--db", "a.db", "--run-id", "r-2"]).ended(3);
    let refused = place.on_db(&["test", "from-run", "r-2"]).ended(2);
    assert!(refused.stderr.contains("it has not ended"), "{refused:#?}");
    place.on_db(&["continue", "r-2", "--approve", "greet"]).ended(0);
    // Without a name, the cassette is named after the run.
    place.on_db(&["test", "from-run", "r-2"]).ended(0);
    place.ran(["test", "r-2.cassette.yaml"]).ended(0);
}

/// A model without a key, of a provider that cannot be reached.
#[test]
fn a_test_needs_no_key() {
    let place = recorded();
    for name in ["flow.yaml", "hello.cassette.yaml", "hello.golden.yaml"] {
        let text = std::fs::read_to_string(place.path(name)).unwrap();
        let text = text.replace("offline:extract", "anthropic:claude-none");
        place.write(name, text.replace("model: offline", "model: 'anthropic:claude-none'"));
    }
    let mut check = place.command(["run", "flow.yaml", "Ada", "--allow-shell", "--no-db"]);
    check.env_remove("ANTHROPIC_API_KEY");
    assert_eq!(crate::support::Ran::of(&mut check).code, 2);
    let mut test = place.command(["test", "hello.cassette.yaml"]);
    test.env_remove("ANTHROPIC_API_KEY");
    crate::support::Ran::of(&mut test).ended(0);
}

/// The commands of `docs/testing.md`, and the output that it shows.
#[test]
fn the_page_about_tests_shows_what_the_command_does() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/testing.md")).unwrap();
    let blog = std::fs::read_to_string(format!("{ROOT}/examples/workflows/blog.yaml")).unwrap();
    let place = Place::with(&blog);
    std::fs::create_dir_all(place.path("examples/workflows")).unwrap();
    std::fs::create_dir_all(place.path("tests")).unwrap();
    place.write("examples/workflows/blog.yaml", &blog);
    let block = |begins: &str| {
        let (_, rest) = page.split_once(begins).unwrap();
        rest.split_once("```").unwrap().0.trim().to_owned()
    };
    for line in block("```sh\n").lines().filter(|line| line.starts_with("stepwright ")) {
        let words = line.replace("\"Why ants carry leaves\"", "Why_ants_carry_leaves");
        let words = words.split(' ').skip(1).map(|word| word.replace('_', " "));
        place.ran(words).ended(0);
    }
    let changed =
        blog.replace("prompt: \"{{ input }}\"", "prompt: 'Write about this: {{ input }}'");
    assert_ne!(changed, blog);
    place.write("examples/workflows/blog.yaml", changed);
    let shown = block("```console\n");
    let (command, shown) = shown.split_once('\n').unwrap();
    let ran = place.ran(command.split(' ').skip(2)).ended(1);
    assert_eq!(format!("{}{}", ran.stdout, ran.stderr).trim_end(), shown);
}
