//! Retries, forks and undos that are killed in each kind of container. The provider's log tells
//! that no completed request is repeated.

use super::provider::{Provider, keys};
use super::{Kept, Process, check};
use crate::support::{Place, Ran};
use std::collections::BTreeSet;
use std::process::Command;
use stepwright::{Event, EventKind};
use stepwright_testing::postgres;

/// A container around steps.
struct Around {
    name: &'static str,
    /// The container, with its steps in place of `BODY`, each on lines with this indent.
    yaml: &'static str,
    indent: usize,
    /// The path of the steps of the first turn, item or branch.
    path: &'static str,
    /// The part of the prompts that differs, so that each turn and item asks something else.
    turn: &'static str,
    /// The number of times that the steps run.
    times: usize,
    /// `true` if they run for each item, also if they fail for another one.
    is_each: bool,
}

const AROUND: &[Around] = &[
    Around {
        name: "steps",
        yaml: "  - name: box\n    steps:\nBODY",
        indent: 6,
        path: "box",
        turn: "once",
        times: 1,
        is_each: false,
    },
    Around {
        name: "parallel",
        yaml: "  - name: box\n    parallel: {concurrency: 1}\n    branches:\n\
               \x20     - {name: memory, agent: writer, prompt: 'Remember {{ input }}'}\n\
               \x20     - name: line\n        steps:\nBODY",
        indent: 10,
        path: "box/line",
        turn: "once",
        times: 1,
        is_each: false,
    },
    Around {
        name: "loop",
        yaml: "  - name: box\n    loop: {at_most: 2}\n    do:\nBODY",
        indent: 6,
        path: "box#1",
        turn: "{{ iteration }}",
        times: 2,
        is_each: false,
    },
    Around {
        name: "condition",
        yaml: "  - name: box\n    if: '= size(input) > 0'\n    then:\nBODY",
        indent: 6,
        path: "box",
        turn: "once",
        times: 1,
        is_each: false,
    },
    Around {
        name: "router",
        yaml: "  - name: box\n    router: '= \"line\"'\n    choices:\n\
               \x20     - name: line\n        steps:\nBODY\
               \x20     - {name: other, template: not here}\n",
        indent: 10,
        path: "box/line",
        turn: "once",
        times: 1,
        is_each: false,
    },
    Around {
        name: "map",
        yaml: "  - name: box\n    map: {over: '= [\"x\", \"y\"]', concurrency: 1}\n    do:\nBODY",
        indent: 6,
        path: "box#1",
        turn: "{{ item }}",
        times: 2,
        is_each: true,
    },
    Around {
        name: "workflow",
        yaml: "  - {name: box, workflow: ./inner.yaml}\n",
        indent: 2,
        path: "box",
        turn: "once",
        times: 1,
        is_each: false,
    },
];

const HEAD: &str = "\
format: 1
name: Taken Up
on_interrupted: retry
model: openai-chat:scripted
agents: {writer: {instructions: Write one line.}}
steps:
";

/// The steps of a run that fails until there is a file, and then waits for its model.
const FAILS_ONCE: &[&str] = &[
    "- {name: inner, agent: writer, prompt: 'Inner TURN'}",
    "- {name: flaky, shell: 'test -f ../fixed.txt && echo fine'}",
    "- {name: held, agent: writer, prompt: 'Wait TURN, after {{ steps.inner }}'}",
];

/// The steps of a run that ends as soon as its model answers.
const WORKS: &[&str] = &[
    "- {name: inner, agent: writer, prompt: 'Inner TURN'}",
    "- {name: held, agent: writer, prompt: 'Wait TURN, after {{ steps.inner }}'}",
];

/// The steps of a run that fails, and undoes two of them. The model of the second is waited for.
const FAILS: &[&str] = &[
    "- name: inner",
    "  agent: writer",
    "  prompt: 'Inner TURN'",
    "  undo: {name: back, agent: writer, prompt: 'Wait to undo TURN: {{ previous }}'}",
    "- name: second",
    "  agent: writer",
    "  prompt: 'Second TURN'",
    "  undo: {name: back, agent: writer, prompt: 'Undo TURN: {{ previous }}'}",
    "- {name: broken, shell: 'test -f ../fixed.txt && echo fine'}",
];

/// A folder with the files of a run of these steps in this container.
struct Taken<'a> {
    place: &'a Place,
    kept: Kept,
    folder: String,
    provider: &'a Provider,
    processes: usize,
}

impl<'a> Taken<'a> {
    fn new(
        place: &'a Place,
        kept: Kept,
        provider: &'a Provider,
        around: &Around,
        body: &[&str],
    ) -> Self {
        let folder = format!("{}-{}", around.name, body.len());
        std::fs::create_dir(place.path(&folder)).unwrap();
        let pad = " ".repeat(around.indent);
        let lines = body.iter().map(|line| format!("{pad}{}\n", line.replace("TURN", around.turn)));
        let body: String = lines.collect();
        let begin = "  - {name: before, agent: writer, prompt: 'Before {{ input }}'}\n";
        let end = "  - {name: after, agent: writer, prompt: 'After {{ previous }}'}\n";
        let container = around.yaml.replace("BODY", &body);
        place.write(&format!("{folder}/flow.yaml"), format!("{HEAD}{begin}{container}{end}"));
        place.write(&format!("{folder}/inner.yaml"), format!("{HEAD}{body}"));
        Self { place, kept, folder, provider, processes: 0 }
    }

    /// Starts the command in the folder. Returns its name for the provider.
    fn start(&mut self, arguments: &[&str]) -> (String, Process) {
        let mut command: Command = self.place.command(arguments);
        command.current_dir(self.place.path(&self.folder));
        command.args(["--db", &self.kept.0, "--allow-shell"]);
        let by = format!("{}.{}", self.folder, self.processes);
        self.processes += 1;
        let process = Process::start(&mut command, self.provider, &by);
        (by, process)
    }

    /// Runs the command to its end, and answers all that it asks.
    fn ran(&mut self, arguments: &[&str]) -> (String, Ran) {
        let (by, process) = self.start(arguments);
        self.provider.lets_go(&by);
        (by, process.ended())
    }

    /// Runs the command until its model is waited for, and kills it.
    #[track_caller]
    fn killed(&mut self, arguments: &[&str]) -> String {
        let (by, mut process) = self.start(arguments);
        let provider = self.provider;
        self.provider.waits_for(|log| {
            let open = |call: &&super::provider::Call| call.by == by && call.waits;
            log.iter().find(open).map(|_| ())
        });
        assert!(process.kill());
        provider.lets_go(&by);
        by
    }

    fn facts(&self, run: &str) -> Vec<Event> {
        self.kept.facts(run)
    }

    /// Asserts that a process asked for nothing that these facts have, and nothing twice.
    #[track_caller]
    fn asked_nothing_of(&self, by: &str, facts: &[Event]) {
        let known = answered(facts);
        let mut asked = BTreeSet::new();
        for call in self.provider.calls(by).iter().filter(|call| call.by == by) {
            assert!(!known.contains(&call.key), "{by}: its answer was recorded: {call:#?}");
            assert!(asked.insert(call.key.clone()), "{by} asked twice: {call:#?}");
        }
    }

    /// Returns the number of calls of a process.
    fn calls(&self, by: &str) -> usize {
        self.provider.calls(by).iter().filter(|call| call.by == by).count()
    }
}

/// The keys of the answers that are recorded.
fn answered(facts: &[Event]) -> BTreeSet<String> {
    let answers = facts.iter().filter_map(|fact| match &fact.kind {
        EventKind::ModelRequestCompleted { answer, .. } => Some(answer),
        _ => None,
    });
    answers.map(|answer| keys(&serde_json::to_string(answer).unwrap()).swap_remove(0)).collect()
}

fn in_each_container(place: &Place, kept: impl Fn(&str) -> Kept, test: impl Fn(Kept, &Around)) {
    assert!(place.path("flow.yaml").exists());
    for around in AROUND {
        test(kept(around.name), around);
    }
}

fn on_each_store(test: impl Fn(&Place, Kept, &Provider, &Around)) {
    let provider = Provider::start();
    let place = Place::with("");
    let file = |name: &str| Kept::file(&place, &format!("{name}.db"));
    in_each_container(&place, file, |kept, around| test(&place, kept, &provider, around));
    let Some(server) = postgres::server() else { return };
    let (provider, place) = (Provider::start(), Place::with(""));
    let server = |_: &str| Kept(server.database() + "?connect_timeout=60");
    in_each_container(&place, server, |kept, around| test(&place, kept, &provider, around));
}

#[test]
fn a_retry_that_is_killed_in_a_container_repeats_no_request() {
    on_each_store(|place, kept, provider, around| {
        let mut run = Taken::new(place, kept, provider, around, FAILS_ONCE);
        let _ = std::fs::remove_file(place.path("fixed.txt"));
        let (first, failed) = run.ran(&["run", "flow.yaml", "ants", "--run-id", "r-1"]);
        assert_eq!(failed.code, 1, "{}: {failed:#?}", around.name);
        let facts = run.facts("r-1");
        assert_eq!(run.calls(&first), answered(&facts).len(), "{}", around.name);
        place.write("fixed.txt", "");
        let retry = run.killed(&["resume", "r-1", "--retry"]);
        run.asked_nothing_of(&retry, &facts);
        assert_eq!(run.calls(&retry), 1, "{}: only what follows is asked", around.name);
        let facts = run.facts("r-1");
        let (last, done) = run.ran(&["resume", "r-1"]);
        assert_eq!(done.code, 0, "{}: {done:#?}", around.name);
        run.asked_nothing_of(&last, &facts);
        // What was waited for, what later turns and items ask, and the last step. The first
        // requests of other items had their answers before.
        let asked = if around.is_each { around.times + 1 } else { 2 * around.times };
        assert_eq!(run.calls(&last), asked, "{}", around.name);
        check(&run.facts("r-1"));
    });
}

#[test]
fn a_fork_that_is_killed_in_a_container_repeats_no_request() {
    on_each_store(|place, kept, provider, around| {
        let mut run = Taken::new(place, kept, provider, around, WORKS);
        let (_, done) = run.ran(&["run", "flow.yaml", "ants", "--run-id", "r-1"]);
        assert_eq!(done.code, 0, "{}: {done:#?}", around.name);
        let origin = run.facts("r-1");
        let at = format!("{}/held", around.path);
        let fork = run.killed(&["fork", "r-1", "--at", &at, "--run-id", "r-2"]);
        let facts = run.facts("r-2");
        let is_fork = |fact: &Event| matches!(fact.kind, EventKind::WorkflowForked { .. });
        let shared = facts.iter().position(is_fork).unwrap();
        // The step of the fork is done again, also if the shared facts have its answer.
        let kept = facts[..shared].iter().filter(|fact| fact.path.as_str() != at);
        let kept: Vec<Event> = kept.cloned().collect();
        assert!(!answered(&kept).is_empty());
        run.asked_nothing_of(&fork, &kept);
        assert_eq!(run.calls(&fork), 1, "{}: the step of the fork", around.name);
        let (last, forked) = run.ran(&["resume", "r-2"]);
        assert_eq!(forked.code, 0, "{}: {forked:#?}", around.name);
        assert_eq!(forked.stdout, done.stdout, "{}", around.name);
        run.asked_nothing_of(&last, &kept);
        // Items beside it had completed.
        let asked = if around.is_each { 2 } else { 2 * around.times };
        assert_eq!(run.calls(&last), asked, "{}", around.name);
        check(&run.facts("r-2"));
        assert_eq!(run.facts("r-1"), origin, "{}", around.name);
    });
}

#[test]
fn an_undo_that_is_killed_in_a_container_repeats_no_request() {
    on_each_store(|place, kept, provider, around| {
        let mut run = Taken::new(place, kept, provider, around, FAILS);
        let _ = std::fs::remove_file(place.path("fixed.txt"));
        let first = run.killed(&["run", "flow.yaml", "ants", "--run-id", "r-1"]);
        let facts = run.facts("r-1");
        let undone = |facts: &[Event]| {
            let is_undo = |fact: &&Event| {
                fact.path.as_str().contains("/undo/")
                    && matches!(fact.kind, EventKind::StepCompleted { .. })
            };
            facts.iter().filter(is_undo).count()
        };
        assert_eq!(undone(&facts), 1, "{}: {facts:#?}", around.name);
        assert_eq!(answered(&facts).len() + 1, run.calls(&first), "{}", around.name);
        let (last, failed) = run.ran(&["resume", "r-1"]);
        assert_eq!(failed.code, 1, "{}: {failed:#?}", around.name);
        run.asked_nothing_of(&last, &facts);
        let begun = if around.is_each { around.times } else { 1 };
        assert_eq!(run.calls(&last), 2 * begun - 1, "{}: what was not undone", around.name);
        let facts = run.facts("r-1");
        assert_eq!(undone(&facts), 2 * begun, "{}", around.name);
        check(&facts);
        assert!(matches!(facts.last().unwrap().kind, EventKind::WorkflowError { .. }));
    });
}
