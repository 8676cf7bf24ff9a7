//! Runs that are retried, run again from a step, forked, compared, upgraded and explained.

use crate::support::{Place, code};
use std::process::Stdio;

/// The second step fails until there is a file.
const FLAKY: &str = "\
format: 1
name: Rerun
steps:
  - {name: costly, shell: 'echo paid >> costly.log; echo costly'}
  - {name: flaky, shell: 'echo x >> tried.log; test -f fixed.txt && echo fine'}
  - {name: last, template: '{{ steps.costly }} and {{ steps.flaky }} for {{ input }}'}
";

fn lines(place: &Place, file: &str) -> usize {
    std::fs::read_to_string(place.path(file)).unwrap_or_default().lines().count()
}

/// A run `r-1` that has failed at its second step.
fn failed() -> Place {
    let place = Place::with(FLAKY);
    let ran = place.run(["you", "--allow-shell", "--db", "a.db", "--run-id", "r-1"]);
    ran.ended(1);
    place
}

fn steps(place: &Place, run: &str) -> String {
    place.on_db(&["events", run]).ended(0).stdout
}

#[test]
fn a_failed_run_is_retried_and_pays_only_for_what_failed() {
    let place = failed();
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    let hint = "to retry it: stepwright resume r-1 --db a.db --allow-shell --retry\n";
    assert!(shown.contains(hint), "{shown}");
    let plain = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(1);
    assert!(plain.stderr.contains("run `r-1` has ended already: it failed"), "{plain:#?}");
    assert!(plain.stderr.contains("--retry"), "{plain:#?}");
    let again = place.on_db(&["resume", "r-1", "--allow-shell", "--retry"]).ended(1);
    assert!(again.stderr.contains("flaky"), "{again:#?}");
    place.write("fixed.txt", "");
    let done = place.on_db(&["resume", "r-1", "--allow-shell", "--retry"]).ended(0);
    assert_eq!(done.stdout, "costly and fine for you\n");
    assert_eq!((lines(&place, "costly.log"), lines(&place, "tried.log")), (1, 3));
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
    let events = steps(&place, "r-1");
    assert_eq!(events.matches("workflow retried: flaky begins again").count(), 2, "{events}");
    place.on_db(&["verify", "r-1"]).ended(0);
    let over = place.on_db(&["resume", "r-1", "--allow-shell", "--retry"]).ended(2);
    assert!(over.stderr.contains("run `r-1` has completed"), "{over:#?}");
    assert!(over.stderr.contains("stepwright rerun"), "{over:#?}");
}

#[test]
fn a_cancelled_run_is_retried_only_where_that_is_said() {
    let place = Place::with(FLAKY);
    place.write("fixed.txt", "");
    let asking = FLAKY.replace("fine'}", "fine', human_review: {requires_confirmation: Go?}}");
    place.write("flow.yaml", asking);
    place.run(["you", "--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    place.on_db(&["cancel", "r-1"]).ended(0);
    let refused = place.on_db(&["resume", "r-1", "--allow-shell", "--retry"]).ended(2);
    assert!(refused.stderr.contains("--retry=cancelled"), "{refused:#?}");
    // It asks again: the request of the cancelled run is void.
    place.on_db(&["resume", "r-1", "--allow-shell", "--retry=cancelled"]).ended(3);
    let done = place.on_db(&["continue", "r-1", "--allow-shell", "--approve", "flaky"]).ended(0);
    assert_eq!(done.stdout, "costly and fine for you\n");
    assert_eq!(lines(&place, "costly.log"), 1);
}

#[test]
fn a_run_killed_during_its_retry_is_resumed() {
    let place = failed();
    let held = FLAKY.replace("test -f fixed.txt", "while ! test -e fixed.txt; do sleep 0.01; done");
    place.write("flow.yaml", held);
    let arguments = ["resume", "r-1", "--allow-shell", "--retry", "--accept-changes"];
    let mut command = place.command(arguments);
    command.args(["--db", "a.db"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    place.waits_for("r-1", |events| {
        let after = events.split_once("workflow retried").map(|(_, after)| after);
        after.is_some_and(|after| after.contains("started flaky"))
    });
    child.kill().unwrap();
    assert_eq!(code(child.wait().unwrap()), 137);
    place.write("fixed.txt", "");
    let asked = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(7);
    assert!(asked.stderr.contains("flaky!interrupted"), "{asked:#?}");
    let resumed = ["resume", "r-1", "--allow-shell", "--interrupted", "retry"];
    let done = place.on_db(&resumed).ended(0);
    assert_eq!(done.stdout, "costly and fine for you\n");
    assert_eq!(lines(&place, "costly.log"), 1);
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
}

#[test]
fn a_step_is_run_again_in_a_new_run() {
    let place = failed();
    place.write("fixed.txt", "");
    let arguments = ["rerun", "r-1", "--from", "flaky", "--run-id", "r-2", "--allow-shell"];
    let done = place.on_db(&arguments).ended(0);
    assert_eq!(done.stdout, "costly and fine for you\n");
    assert_eq!(lines(&place, "costly.log"), 1);
    let shown = place.on_db(&["show", "r-2"]).ended(0).stdout;
    assert!(shown.contains("origin      r-1 (its first 4 facts)\n"), "{shown}");
    let list = place.on_db(&["runs"]).ended(0).stdout;
    assert!(list.contains("ORIGIN") && list.contains("r-2  completed  rerun"), "{list}");
    let json = place.on_db(&["runs", "--json"]).ended(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["origin"], serde_json::json!({"run": "r-1", "until": 4}));
    assert!(steps(&place, "r-2").contains("workflow forked from r-1 at flaky"));
    place.on_db(&["verify", "r-2"]).ended(0);
    let anew = place.on_db(&["rerun", "r-1", "--run-id", "r-3", "--allow-shell"]).ended(0);
    assert_eq!(anew.stdout, "costly and fine for you\n");
    assert_eq!(lines(&place, "costly.log"), 2);
    let wrong = place.on_db(&["rerun", "r-1", "--from", "flaki", "--allow-shell"]).ended(2);
    assert!(wrong.stderr.contains("run `r-1` has not begun `flaki`"), "{wrong:#?}");
    assert!(wrong.stderr.contains("it has begun `flaky`, `costly`"), "{wrong:#?}");
    let odd = place.on_db(&["rerun", "r-1", "--from", "a//b", "--allow-shell"]).ended(2);
    assert!(odd.stderr.contains("`a//b` is not the path of a step"), "{odd:#?}");
}

#[test]
fn a_fork_goes_on_with_what_was_changed() {
    let place = failed();
    place.write("fixed.txt", "");
    let fork = |more: &[&str]| {
        let arguments = [&["fork", "r-1", "--allow-shell", "--at", "last"], more].concat();
        place.on_db(&arguments)
    };
    let unbegun = fork(&[]).ended(2);
    assert!(unbegun.stderr.contains("has not begun `last`"), "{unbegun:#?}");
    place.on_db(&["resume", "r-1", "--allow-shell", "--retry"]).ended(0);
    let other = fork(&["--set", "input=them", "--run-id", "r-2"]).ended(0);
    assert_eq!(other.stdout, "costly and fine for them\n");
    assert_eq!((lines(&place, "costly.log"), lines(&place, "tried.log")), (1, 2));
    for (set, why) in [
        ("output=x", "only the input can be set"),
        ("input", "it has no `=`"),
        ("input.name=x", "what should have `name` is no object"),
    ] {
        let refused = fork(&["--set", set]).ended(2);
        assert!(refused.stderr.contains(why), "{set}: {refused:#?}");
    }
    let taken = fork(&["--run-id", "r-1"]).ended(2);
    assert!(taken.stderr.contains("there is a run `r-1` already"), "{taken:#?}");
    place.write("flow.yaml", FLAKY.replace("{{ input }}", "all of {{ input }}"));
    let changed = fork(&["--run-id", "r-3"]).ended(2);
    assert!(changed.stderr.contains("has changed"), "{changed:#?}");
    let accepted = fork(&["--run-id", "r-3", "--accept-changes"]).ended(0);
    assert_eq!(accepted.stdout, "costly and fine for all of you\n");

    let compared = place.on_db(&["compare", "r-1", "r-2"]).ended(0).stdout;
    assert!(compared.contains("first difference\n  the input of the run differs\n"), "{compared}");
    let compared = place.on_db(&["compare", "r-1", "r-3"]).ended(0).stdout;
    assert!(compared.contains("  `last`: its outputs differ\n"), "{compared}");
    assert!(compared.contains("origin") && compared.contains("output of r-3\n"), "{compared}");
    let json = place.on_db(&["compare", "r-1", "r-3", "--json"]).ended(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["first_difference"]["path"], "last");
    assert_eq!(json["second"]["origin"]["run"], "r-1");
}

#[test]
fn a_fork_changes_members_of_the_input_that_are_there() {
    let say = "format: 1\nname: Say\nsteps:\n  - {name: say, template: '{{ input.topic }}'}\n";
    let place = Place::with(say);
    place.on_db(&["run", "flow.yaml", "-i", "topic=ants", "--run-id", "r-1"]).ended(0);
    let fork = |set: &str| place.on_db(&["fork", "r-1", "--at", "say", "--set", set]);
    assert_eq!(fork("input.topic=bees").ended(0).stdout, "bees\n");
    let misspelt = fork("input.topci=bees").ended(2);
    assert!(misspelt.stderr.contains("there is no `topci`, only `topic`"), "{misspelt:#?}");
}

#[test]
fn a_run_is_explained_in_one_text_with_the_next_commands() {
    let place = failed();
    let text = place.on_db(&["explain", "r-1"]).ended(0).stdout;
    for part in [
        "Run r-1 of workflow Rerun (rerun): failed.\n",
        "## Input of the run\nyou\n",
        "## Failing step\nflaky\n",
        "## Output of the step before, costly\ncostly\n",
        "## Error\nerror[",
        "stepwright resume r-1 --db a.db --allow-shell --retry\n",
        "stepwright rerun r-1 --db a.db --allow-shell --from flaky\n",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(text.len() < 13_000);
    let code = place.on_db(&["explain", "SW0701"]).ended(0).stdout;
    assert!(code.starts_with("SW0701: "), "{code}");
    let none = place.on_db(&["explain", "r-9"]).ended(2);
    assert!(none.stderr.contains("run `r-9` was not found"), "{none:#?}");
    let neither = place.ran(["explain", "nonsense"]).ended(2);
    assert!(neither.stderr.contains("is not an error code"), "{neither:#?}");
}

/// It waits at its second step.
const WAITING: &str = "\
format: 1
name: Wait
steps:
  - {name: first, template: 'one of {{ input }}'}
  - {name: ask, template: '{{ previous }}', human_review: {requires_confirmation: Go?}}
  - {name: last, template: 'so {{ previous }}'}
";

#[test]
fn a_waiting_run_moves_to_a_file_in_which_its_past_is_the_same() {
    let place = Place::with(WAITING);
    place.run(["you", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    let same = place.on_db(&["upgrade", "r-1"]).ended(0);
    assert!(same.stderr.contains("goes on with this workflow file already"), "{same:#?}");
    place.write("flow.yaml", WAITING.replace("one of", "two of"));
    let refused = place.on_db(&["upgrade", "r-1"]).ended(2);
    assert!(refused.stderr.contains("run `r-1` cannot be moved"), "{refused:#?}");
    assert!(refused.stderr.contains("`first`"), "{refused:#?}");
    let before = "  - {name: first";
    place.write(
        "flow.yaml",
        WAITING.replace(before, &format!("  - {{name: new, template: x}}\n{before}")),
    );
    let refused = place.on_db(&["upgrade", "r-1"]).ended(2);
    assert!(refused.stderr.contains("`new` stands where `first` was"), "{refused:#?}");
    place.write("flow.yaml", WAITING.replace("so {{", "thus {{"));
    place.on_db(&["upgrade", "r-1"]).ended(3);
    let done = place.on_db(&["continue", "r-1", "--approve", "ask"]).ended(0);
    assert_eq!(done.stdout, "thus one of you\n");
}

#[test]
fn another_users_run_is_neither_retried_nor_forked_nor_compared() {
    let place = Place::with(FLAKY);
    let begin = ["you", "--allow-shell", "--db", "a.db", "--run-id", "r-1", "--user-id", "anna"];
    place.run(begin).ended(1);
    for arguments in [
        &["resume", "r-1", "--allow-shell", "--retry"][..],
        &["rerun", "r-1", "--allow-shell"],
        &["fork", "r-1", "--allow-shell", "--at", "flaky"],
        &["upgrade", "r-1", "--allow-shell"],
        &["explain", "r-1"],
        &["compare", "r-1", "r-1"],
    ] {
        let refused = place.on_db(&[arguments, &["--user", "ben"]].concat()).ended(2);
        assert!(refused.stderr.contains("run `r-1` was not found"), "{refused:#?}");
    }
    assert_eq!(place.runs_in("a.db").len(), 1);
    place.write("fixed.txt", "");
    let arguments = ["fork", "r-1", "--allow-shell", "--user", "anna", "--run-id", "r-2"];
    place.on_db(&arguments).ended(0);
    let shown = place.on_db(&["show", "r-2", "--user", "anna"]).ended(0).stdout;
    assert!(shown.contains("user        anna\n"), "{shown}");
}

/// Two agents, who quote what they are told.
const TOLD: &str = "\
format: 1
name: Told
model: offline
agents: {writer: {instructions: One sentence.}}
steps:
  - {name: draft, agent: writer, prompt: 'Rust is fast.'}
  - steps:
      - {name: page, agent: writer, prompt: 'Rust is small.'}
    name: pages
";

#[test]
fn a_prompt_is_replaced_also_where_the_agent_or_the_step_comes_by_use() {
    let library = "\
format: 1
name: Library
model: offline
agents: {writer: {instructions: One sentence.}}
steps:
  - {name: page, agent: writer, prompt: 'Rust is small.'}
  - {name: bare, agent: writer}
";
    for (used, step) in [
        ("{use: library.yaml#page, name: own}", "own"),
        ("{use: library.yaml#page}", "page"),
        ("{use: library.yaml#bare}", "bare"),
        ("{name: box, steps: [{use: library.yaml#page}]}", "box/page"),
    ] {
        let place = Place::with(&format!("format: 1\nname: Told\nsteps:\n  - {used}\n"));
        place.write("library.yaml", library);
        place.run(["in", "--db", "a.db", "--run-id", "r-1"]).ended(0);
        let fork = ["fork", "r-1", "--run-id", "r-2", "--at", step, "--prompt", "Rust is old."];
        let other = place.on_db(&fork).ended(0).stdout;
        assert!(other.contains("Rust is old."), "{used}: {other}");
        let again = place.on_db(&["rerun", "r-2", "--from", step]).ended(0).stdout;
        assert_eq!(again, other, "{used}");
    }
}

#[test]
fn a_fork_has_another_prompt_and_keeps_it_when_it_is_resumed() {
    let place = Place::with(TOLD);
    let first = place.run(["in", "--db", "a.db", "--run-id", "r-1"]).ended(0).stdout;
    let fork = |more: &[&str]| place.on_db(&[&["fork", "r-1"][..], more].concat());
    let changed = ["--at", "pages/page", "--prompt", "Rust is old.", "--run-id", "r-2"];
    let other = fork(&changed).ended(0).stdout;
    assert_ne!(first, other);
    let events = steps(&place, "r-2");
    assert_eq!(events.matches("started draft").count(), 1, "{events}");
    // The same prompt is there when the fork is taken up again.
    let again = place.on_db(&["rerun", "r-2", "--from", "pages/page"]).ended(0).stdout;
    assert_eq!(again, other);
    let wrong = fork(&["--at", "draft", "--prompt", "Rust is {{ nothing"]).ended(2);
    assert!(wrong.stderr.contains("--prompt"), "{wrong:#?}");
    let nowhere = fork(&["--at", "pages", "--prompt", "x"]).ended(2);
    assert!(nowhere.stderr.contains("step `pages` has no agent"), "{nowhere:#?}");
    let unbegun = fork(&["--prompt", "x"]).ended(2);
    assert!(unbegun.stderr.contains("--at"), "{unbegun:#?}");
}
