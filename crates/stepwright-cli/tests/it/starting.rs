//! Help to start: a first workflow, the skill, the pages, the manual, and completions.

use crate::support::{ASKING, GREETING, Place, Ran};
use serde_json::Value;
use std::fs;

#[test]
fn a_first_workflow_passes_the_check_and_runs() {
    let place = Place::with(GREETING);
    let made = place.ran(["init", "first"]).ended(0);
    assert!(
        made.stderr.contains("wrote first/workflow.yaml\nwrote first/AGENTS.md\n"),
        "{made:#?}"
    );
    place.ran(["check", "first"]).ended(0);
    let run = ["run", "first/workflow.yaml", "A town builds a bridge.", "--run-id", "r-1"];
    place.ran(run).ended(3);
    // Its runs are its own.
    assert!(place.path("first/.stepwright/runs.db").is_file());
    let mut go_on = place.command(["continue", "last", "--approve", "save"]);
    Ran::of(go_on.current_dir(place.path("first"))).ended(0);
    assert!(fs::read_to_string(place.path("article.md")).unwrap().contains("bridge"));
    // Nothing is overwritten, and nothing is written if one file is there.
    let again = place.ran(["init", "first"]).ended(2);
    assert!(
        again.stderr.contains("error[SW0124]: `first/workflow.yaml` exists already"),
        "{again:#?}"
    );
    place.write("AGENTS.md", "mine");
    place.ran(["init"]).ended(2);
    assert!(!place.path("workflow.yaml").exists());
    assert_eq!(fs::read_to_string(place.path("AGENTS.md")).unwrap(), "mine");
}

/// Returns the code blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let parts = text.split("```").skip(1).step_by(2);
    parts.filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn every_example_of_the_skill_passes_the_check() {
    let place = Place::with(GREETING);
    place.ran(["skill", "install"]).ended(0);
    let file = place.path(".claude/skills/stepwright/SKILL.md");
    let skill = fs::read_to_string(&file).unwrap();
    assert_eq!(skill, place.ran(["skill", "show"]).ended(0).stdout);
    assert!(skill.starts_with("---\nname: stepwright\ndescription: "), "{skill}");
    let examples = blocks(&skill, "yaml");
    assert!(examples.len() > 3, "{skill}");
    for example in examples {
        let checked = place.ran_on(&["check", "-"], example.as_bytes());
        assert_eq!(checked.code, 0, "{example}\n{checked:#?}");
    }
    place.ran(["skill", "install"]).ended(2);
    place.write(".claude/skills/stepwright/SKILL.md", "old");
    place.ran(["skill", "install", "--force"]).ended(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), skill);
    place.ran(["skill", "install", "--dir", "others"]).ended(0);
    assert!(place.path("others/stepwright/SKILL.md").is_file());
}

#[test]
fn the_commands_in_the_templates_are_accepted() {
    let place = Place::with(GREETING);
    let skill = place.ran(["skill", "show"]).ended(0).stdout;
    place.ran(["init", "first"]).ended(0);
    let agents = fs::read_to_string(place.path("first/AGENTS.md")).unwrap();
    let mut count = 0;
    for line in
        [skill.as_str(), agents.as_str()].iter().flat_map(|text| text.split('`').skip(1).step_by(2))
    {
        let Some(rest) = line.strip_prefix("stepwright ") else { continue };
        count += 1;
        // The first word is a command, and each option is one of it.
        let words: Vec<&str> = rest.split_whitespace().collect();
        let help = place.ran([words[0], "--help"]).ended(0).stdout;
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{line}");
        }
    }
    assert!(count > 8, "{count}");
}

#[test]
fn the_pages_are_in_the_command() {
    let place = Place::with(GREETING);
    let listed = place.ran(["docs"]).ended(0).stdout;
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let llms = fs::read_to_string(docs.join("../llms.txt")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(&docs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        count += 1;
        let topic = path.file_stem().unwrap().to_str().unwrap();
        assert!(listed.lines().any(|line| line.starts_with(&format!("{topic} "))), "{topic}");
        let page = place.ran(["docs", topic]).ended(0).stdout;
        assert_eq!(page, fs::read_to_string(&path).unwrap(), "{topic}");
        assert!(llms.contains(&format!("(docs/{topic}.md)")), "llms.txt does not name {topic}");
    }
    assert!(count > 15, "{count}");
    assert_eq!(place.ran(["docs", "llms.txt"]).ended(0).stdout, llms);
    let unknown = place.ran(["docs", "worklow-files"]).ended(2);
    let says =
        "error[SW0123]: there is no page `worklow-files`\nhelp: did you mean `workflow-files`?\n";
    assert_eq!(unknown.stderr, says);
}

#[test]
fn capabilities_describe_every_command_and_exit_code() {
    let place = Place::with(GREETING);
    let json = place.ran(["capabilities", "--json"]).ended(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let commands = json["commands"].as_array().unwrap();
    let run = commands.iter().find(|command| command["name"] == "run").unwrap();
    let arguments = run["arguments"].as_array().unwrap();
    assert!(arguments.iter().any(|argument| argument["name"] == "--no-db"));
    for code in ["0", "1", "2", "3", "4", "5", "6", "7"] {
        assert!(json["exit_codes"][code].is_string(), "{code}: {}", json["exit_codes"]);
    }
    assert_eq!(json["dispatchers"], serde_json::json!(["postgres"]));
    assert!(json["providers"].as_array().unwrap().iter().any(|name| name == "openai"));
    let models = json["models"].as_object().unwrap();
    assert!(models.keys().eq(["auto", "offline"]), "{models:?}");
    let shown = place.ran(["capabilities"]).ended(0).stdout;
    assert!(shown.contains("file format  1"));
    assert!(shown.contains("models       auto, offline\n"), "{shown}");
    assert!(shown.contains("dispatchers  postgres\n"), "{shown}");
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::with(GREETING);
    let page = place.ran(["man"]).ended(0).stdout;
    assert!(page.contains(".TH stepwright 1"), "{page}");
    place.ran(["man", "--dir", "man"]).ended(0);
    for name in ["stepwright", "stepwright-run", "stepwright-sessions-list"] {
        let page = fs::read_to_string(place.path("man").join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS"), "{name}: {page}");
    }
}

#[test]
fn a_shell_completes_the_ids_of_runs_and_the_requests_of_a_run() {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--run-id", "nightly-1"]).ended(3);
    place.run(["--allow-shell", "--run-id", "other", "--db", "a.db"]).ended(3);
    let completed = |line: &[&str]| {
        let mut command = place.command(["--", "stepwright"]);
        command.args(line).env("COMPLETE", "bash");
        let nth = line.len().to_string();
        command.env("_CLAP_COMPLETE_INDEX", nth).env("_CLAP_IFS", "\n");
        Ran::of(&mut command).ended(0).stdout
    };
    let runs = completed(&["show", ""]);
    assert!(runs.contains("nightly-1") && runs.contains("last"), "{runs}");
    let elsewhere = completed(&["show", "--db", "a.db", ""]);
    assert!(elsewhere.contains("other") && !elsewhere.contains("nightly"), "{elsewhere}");
    let asked = completed(&["continue", "nightly-1", "--approve", ""]);
    assert!(asked.contains("publish!confirm"), "{asked}");
    for option in [["rerun", "nightly-1", "--from"], ["fork", "nightly-1", "--at"]] {
        let steps = completed(&[&option[..], &[""]].concat());
        assert!(steps.lines().any(|step| step == "count"), "{steps}");
    }
    // A database that is not there completes nothing, and says nothing.
    let none = completed(&["show", "--db", "none.db", "x"]);
    assert_eq!(none.trim(), "");
    assert!(!place.path("none.db").exists());
}

#[test]
fn the_first_workflow_names_the_schema_beside_it() {
    let place = Place::with(GREETING);
    place.ran(["init", "first"]).ended(0);
    let flow = fs::read_to_string(place.path("first/workflow.yaml")).unwrap();
    let named = flow.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=");
    let beside = fs::read_to_string(place.path("first").join(named.unwrap())).unwrap();
    let written = place.ran(["schema"]).ended(0).stdout;
    assert_eq!(beside, written);
    let schema: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(schema["properties"]["format"]["const"], 1);
    assert!(schema["definitions"]["step"]["properties"]["agent"]["description"].is_string());
    // Nothing that it refers to is elsewhere.
    assert!(!written.contains("\"$ref\": \"http"), "{written}");
    place.write("first/stepwright.schema.json", "old");
    place.ran(["schema", "--file", "first/stepwright.schema.json"]).ended(0);
    let again = fs::read_to_string(place.path("first/stepwright.schema.json")).unwrap();
    assert_eq!(again, written);
    place.ran(["schema", "--file", "nowhere/s.json"]).ended(2);
}

const OLD: &str = "\
# An old file.
format: 1
name: Old   # with a comment
steps:
  - {name: a, value: '{{ input }}'}   # a template
  - {name: b, template: \"= size(input)\"}
  - name: c
    if: yes
    then: [{name: d, value: no}]
  - name: e
    loop: {at_most: 2, until: \"size(content) > 2\"}
    do: [{name: f, template: x, timout: 30 seconds}]
";

const NEW: &str = "\
# An old file.
format: 1
name: Old   # with a comment
steps:
  - {name: a, value: '= input'}   # a template
  - {name: b, template: '{{ input | length }}'}
  - name: c
    if: true
    then: [{name: d, value: false}]
  - name: e
    loop: {at_most: 2, until: '= size(content) > 2'}
    do: [{name: f, template: x, timeout: 30s}]
";

#[test]
fn an_old_file_is_corrected_and_keeps_its_comments() {
    let place = Place::with(GREETING);
    place.write("old.yaml", OLD);
    let shown = place.ran(["fix", "--check", "old.yaml"]).ended(1);
    assert!(
        shown
            .stdout
            .contains("@@ -5 +5 @@\n-  - {name: a, value: '{{ input }}'}   # a template\n+"),
        "{shown:#?}"
    );
    assert!(shown.stderr.contains("old.yaml: would change 7 places"), "{shown:#?}");
    assert_eq!(fs::read_to_string(place.path("old.yaml")).unwrap(), OLD);
    let fixed = place.ran(["fix", "old.yaml"]).ended(0);
    assert!(fixed.stderr.contains("old.yaml: changed 7 places"), "{fixed:#?}");
    assert_eq!(fs::read_to_string(place.path("old.yaml")).unwrap(), NEW);
    place.ran(["check", "old.yaml"]).ended(0);
    // A file without such mistakes stays as it is.
    assert_eq!(place.ran(["fix", "--check", "old.yaml"]).ended(0).stdout, "");
}

#[test]
fn what_is_not_certain_is_told_and_stays() {
    let place = Place::with(GREETING);
    let text = "format: 1\nname: T\nsteps:\n  - {name: a, value: '{{ a }}-{{ b }}'}\n  \
                - {name: b, value: '{{ input | upper }}'}\n  - {name: c, qqqq: 1}\n";
    place.write("t.yaml", text);
    let left = place.ran(["fix", "t.yaml"]).ended(2);
    assert!(left.stderr.contains("there is no kind of step `qqqq`"), "{left:#?}");
    assert_eq!(fs::read_to_string(place.path("t.yaml")).unwrap(), text);
    place.ran(["fix", "nowhere.yaml"]).ended(2);
}
