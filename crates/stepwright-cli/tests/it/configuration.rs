//! `stepwright.toml` of the user and of the project, and `--env-file`.

use crate::support::{AGENTS, FAILING, GREETING, Place, Ran};
use std::fs;
use std::path::PathBuf;

/// Writes the file of the user.
fn of_user(place: &Place, text: &str) -> PathBuf {
    let [_, (_, folder), _] = place.folders_of_user();
    let file = folder.join("stepwright/stepwright.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_setting_stands_for_an_option_and_the_command_line_wins() {
    let place = Place::with(GREETING);
    place.write("stepwright.toml", "db = \"kept.db\"\n[run]\nrun-id = \"x\"\n");
    // An option about one run is no setting.
    let wrong = place.run(["Ada"]).ended(2);
    let says = "stepwright.toml:3: `run-id` cannot be set in a file\nhelp: pass `--run-id` on the \
                command line each time\n";
    assert!(wrong.stderr.contains(says), "{wrong:#?}");
    place.write("stepwright.toml", "db = \"kept.db\"\n[run]\njson = true\n[runs]\nlimit = 1\n");
    let ran = place.run(["Ada"]).ended(0);
    assert!(ran.stdout.contains("\"event\":\"WorkflowStarted\""), "{ran:#?}");
    assert!(place.path("kept.db").is_file());
    place.run(["Ben", "--db", "other.db"]).ended(0);
    assert_eq!(place.runs_in("kept.db").len(), 1);
    // An option that excludes another one wins over the setting of that one.
    let streamed = place.run(["Cleo", "--stream"]).ended(0);
    assert_eq!(streamed.stdout, "Hello Cleo!\n");
    let unstored = place.run(["Dora", "--no-db"]).ended(0);
    assert!(unstored.stdout.contains("Dora"));
    assert_eq!(place.runs_in("kept.db").len(), 2);
    // The environment wins over files.
    let mut command = place.command(["run", "flow.yaml", "Eve"]);
    Ran::of(command.env("STEPWRIGHT_DB", "env.db")).ended(0);
    assert!(place.path("env.db").is_file());
    let listed = place.ran(["runs", "--db", "kept.db"]).ended(0).stdout;
    assert_eq!(listed.lines().count(), 2, "the heading and one run: {listed}");
}

#[test]
fn the_project_wins_over_the_user_and_a_command_over_all_commands() {
    let place = Place::with(AGENTS);
    of_user(&place, "model = \"offline\"\nallow-shell = true\n[run]\nevents = true\n");
    place.write("stepwright.toml", "events = true\nno-db = true\n[run]\nevents = false\n");
    let ran = place.run([""; 0]).ended(0);
    assert!(!ran.stderr.contains("workflow started"), "{ran:#?}");
    let shown = place.ran(["config"]).ended(0).stdout;
    assert!(shown.contains("stepwright/stepwright.toml\nproject  "), "{shown}");
    let line = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(&format!("{key} ")));
        line.unwrap_or_else(|| panic!("no {key}: {shown}")).to_owned()
    };
    assert!(line("allow-shell").contains("stepwright/stepwright.toml:2"));
    assert!(line("run.events").contains("false") && line("run.events").ends_with(":4"));
    let json = place.ran(["config", "--json"]).ended(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let model = json["settings"].as_array().unwrap().iter().find(|one| one["key"] == "model");
    assert_eq!(model.unwrap()["value"], "offline");
    assert_eq!(model.unwrap()["line"], 1);
}

#[test]
fn mistakes_in_a_configuration_name_file_and_line() {
    for (text, says) in [
        ("a = \n", "stepwright.toml:1: this is not TOML: "),
        (
            "\nmodell = \"x\"\n",
            "stepwright.toml:2: `modell` is not an option\nhelp: did you mean `model`?",
        ),
        (
            "[rum]\njson = true\n",
            "stepwright.toml:2: there is no command `rum`\nhelp: did you mean `[run]`?",
        ),
        (
            "[runs]\nstream = true\n",
            "stepwright.toml:2: `stream` is not an option of `stepwright runs`",
        ),
        ("json = \"yes\"\n", "stepwright.toml:1: `json` is true or false, not `yes`"),
        ("model = true\n", "stepwright.toml:1: `model` takes a value, not `true`"),
        ("model = [\"a\", \"b\"]\n", "stepwright.toml:1: `model` takes one value, not a list"),
        ("db = 2020-01-01\n", "stepwright.toml:1: `db` is neither a text nor a number nor a list"),
        ("\n\ntimeout = \"10\"\n", "stepwright.toml:3: `timeout`: invalid value '10'"),
        ("approve = [\"publish\"]\n", "stepwright.toml:1: `approve` cannot be set in a file"),
        ("yes = true\n", "stepwright.toml:1: `yes` cannot be set in a file"),
        ("trust = [\".\"]\n", "stepwright.toml:1: a project cannot trust itself"),
        ("help = true\n", "stepwright.toml:1: `help` is not an option"),
    ] {
        let place = Place::with(GREETING);
        place.write("stepwright.toml", text);
        let wrong = place.run(["Ada"]).ended(2);
        assert!(
            wrong.stderr.contains("error[SW0120]: ") && wrong.stderr.contains(says),
            "{text}: {wrong:#?}"
        );
        assert_eq!(wrong.stdout, "");
    }
}

#[test]
fn a_project_cannot_widen_what_the_user_allows_unless_it_is_trusted() {
    for text in [
        "allow-shell = true",
        "allow-path = [\"..\"]",
        "base-dir = \"/\"",
        "pass-env = [\"SECRET\"]",
        "env-file = [\"keys.env\"]",
        "db = \"postgres://elsewhere.example/runs\"",
        "db = \"../../runs.db\"",
        "db = \"/tmp/runs.db\"",
    ] {
        let place = Place::with(FAILING);
        place.write("stepwright.toml", text);
        let refused = place.run(["--no-db"]).ended(2);
        assert!(refused.stderr.contains("error[SW0121]: "), "{text}: {refused:#?}");
        assert!(refused.stderr.contains("stepwright.toml:1: "), "{text}: {refused:#?}");
        assert!(refused.stderr.contains("add `trust = [\""), "{text}: {refused:#?}");
    }
    let place = Place::with("format: 1\nname: S\nsteps: [{name: a, shell: 'echo hi'}]\n");
    place.write("stepwright.toml", "allow-shell = true\n");
    let here = fs::canonicalize(place.path(".")).unwrap();
    of_user(&place, &format!("trust = [\"{}\"]\n", here.display()));
    assert_eq!(place.run([""; 0]).ended(0).stdout, "hi\n");
    // What the user sets for all projects is allowed.
    of_user(&place, "allow-shell = true\n");
    fs::remove_file(place.path("stepwright.toml")).unwrap();
    assert_eq!(place.run([""; 0]).ended(0).stdout, "hi\n");
}

#[test]
fn the_configuration_of_a_project_is_found_up_to_the_root_of_its_repository() {
    let place = Place::with(GREETING);
    place.write("stepwright.toml", "[run]\njson = true\n");
    fs::create_dir_all(place.path("deep/er")).unwrap();
    let run = || {
        let mut command = place.command(["run", "../../flow.yaml", "Ada"]);
        Ran::of(command.current_dir(place.path("deep/er"))).ended(0).stdout
    };
    // Without a repository, the folders above may belong to anything.
    assert_eq!(run(), "Hello Ada!\n");
    fs::create_dir(place.path(".git")).unwrap();
    assert!(run().contains("WorkflowStarted"));
    fs::create_dir(place.path("deep/.git")).unwrap();
    assert_eq!(run(), "Hello Ada!\n");
}

#[test]
fn a_file_gives_variables_where_it_is_asked_for() {
    let flow = "format: 1\nname: E\nsteps: [{name: a, shell: 'echo \"$GREETING $NAME\"'}]\n";
    let place = Place::with(flow);
    place.write(".env", "# words\nexport GREETING='Good day'\nNAME=\"Ada\" # a name\n");
    let run = |arguments: &[&str]| {
        let own = ["run", "flow.yaml", "--allow-shell", "--pass-env", "GREETING"];
        let mut command = place.command([&own[..], &["--pass-env", "NAME"], arguments].concat());
        command.env_remove("GREETING").env("NAME", "Ben");
        Ran::of(&mut command)
    };
    assert_eq!(run(&[]).ended(0).stdout, " Ben\n", "it is not read by itself");
    // The environment wins.
    assert_eq!(run(&["--env-file", ".env"]).ended(0).stdout, "Good day Ben\n");
    place.write("bad.env", "A=1\nsecret-without-name\n");
    let bad = run(&["--env-file", "bad.env"]).ended(2);
    assert!(bad.stderr.contains("error[SW0122]: bad.env:2: this line has no `=`"), "{bad:#?}");
    assert!(!bad.stderr.contains("secret-without-name"), "{bad:#?}");
    let none = run(&["--env-file", "none.env"]).ended(2);
    assert!(none.stderr.contains("none.env: cannot be read"), "{none:#?}");
}
