//! A run that ends as if nothing had happened, whatever happens.

use super::provider::{Provider, keys};
use super::{Kept, Process, check, resume_command, run_command};
use crate::support::{Place, Ran};
use std::collections::{BTreeMap, BTreeSet};
use stepwright::{Event, EventKind};

/// Agents one after the other, beside each other, in turns, and with tools; and commands, each of
/// which leaves a line in a file.
pub(super) const FLOW: &str = "\
format: 1
name: Many Ways
on_interrupted: retry
model: openai-chat:scripted
agents:
  writer: {instructions: Write one line.}
  reader: {instructions: Read the notes first., tools: [read_file]}
steps:
  - {name: plan, agent: writer, prompt: 'Plan {{ input }}'}
  - name: facts
    parallel: {}
    branches:
      - {name: notes, agent: reader, prompt: 'Read about {{ input }}'}
      - {name: memory, agent: writer, prompt: 'Remember {{ input }}'}
      - {name: mark, shell: 'echo facts/mark $BY >> marks.txt; echo marked'}
  - name: revise
    loop: {at_most: 5, until: '= content.contains(\"FINAL\")', forward: true}
    do:
      - {name: write, agent: writer, prompt: 'Turn {{ iteration }}. Improve: {{ previous }}'}
      - name: count
        shell:
          command: 'echo \"revise#$1/count $BY\" >> marks.txt; cat'
          args: ['{{ iteration }}']
          stdin: '{{ previous }}'
  - {name: last, shell: 'echo last $BY >> marks.txt; echo done'}
  - name: page
    template: >-
      {{ steps.plan }} / {{ steps.facts.notes }} / {{ steps.facts.memory }} /
      {{ steps.facts.mark }} / {{ steps.revise }} / {{ steps.last }}
";

/// The steps that leave a line: which step, and the process that did it.
const MARKS: [&str; 5] =
    ["facts/mark", "last", "revise#1/count", "revise#2/count", "revise#3/count"];

/// The result of a run that no kill disturbs.
pub(super) struct Undisturbed {
    pub(super) output: String,
    pub(super) calls: usize,
    keys: BTreeSet<String>,
}

impl Undisturbed {
    /// Runs it in a place of its own.
    pub(super) fn run(provider: &Provider) -> Self {
        let place = Place::with(FLOW);
        let kept = Kept::file(&place, "a.db");
        let mut run = Survivor::new(&place, kept, "undisturbed");
        let ran = run.go_on(provider).1.ended().ended(0);
        let calls = provider.calls("undisturbed");
        let keys: BTreeSet<String> = calls.iter().map(|call| call.key.clone()).collect();
        assert_eq!((calls.len(), keys.len()), (7, 7), "{calls:#?}");
        assert_eq!(asked_again(&run.kept.facts("undisturbed")), 2);
        let reference = Self { output: ran.stdout.clone(), calls: calls.len(), keys };
        run.has_ended_well(provider, &reference, &ran);
        reference
    }
}

/// A run, and the processes that drove it.
pub(super) struct Survivor<'a> {
    place: &'a Place,
    kept: Kept,
    run: String,
    /// The processes, and what was recorded before each of them began.
    drivers: Vec<(String, Vec<Event>)>,
}

impl<'a> Survivor<'a> {
    pub(super) fn new(place: &'a Place, kept: Kept, run: &str) -> Self {
        std::fs::create_dir(place.path(run)).unwrap();
        place.write(&format!("{run}/notes.txt"), "Ants carry leaves.");
        Self { place, kept, run: run.to_owned(), drivers: Vec::new() }
    }

    /// Begins it, or takes it up if it has begun: under which name, and by which process.
    pub(super) fn go_on(&mut self, provider: &Provider) -> (String, Process) {
        let facts = self.kept.facts(&self.run);
        let by = format!("{}.{}", self.run, self.drivers.len());
        let mut command = if facts.is_empty() {
            let mut command = run_command(self.place, &self.kept, &self.run);
            command.args(["--base-dir", &self.run]);
            command
        } else {
            resume_command(self.place, &self.kept, &self.run)
        };
        let process = Process::start(command.env("BY", &by), provider, &by);
        self.drivers.push((by.clone(), facts));
        (by, process)
    }

    /// Asserts that all is as if nothing had happened, and gives how many calls were repeated.
    #[track_caller]
    pub(super) fn has_ended_well(
        &self,
        provider: &Provider,
        undisturbed: &Undisturbed,
        ran: &Ran,
    ) -> usize {
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert_eq!(ran.stdout, undisturbed.output, "{ran:#?}");
        let facts = self.kept.facts(&self.run);
        check(&facts);
        assert!(matches!(facts.last().unwrap().kind, EventKind::WorkflowCompleted { .. }));
        let answers = recorded(&facts);
        assert!(answers.keys().eq(&undisturbed.keys), "{answers:#?}");
        assert!(answers.values().all(|count| *count == 1), "recorded twice: {answers:#?}");
        // A process that was killed may have recorded less than it was told.
        assert_eq!(provider.refused(&self.run), 2);
        assert!(asked_again(&facts) <= 2, "{facts:#?}");
        let calls = provider.calls(&format!("{}.", self.run));
        let marks = std::fs::read_to_string(self.place.path(&format!("{}/marks.txt", self.run)));
        let marks = marks.unwrap();
        let done: BTreeSet<&str> =
            marks.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(done.iter().eq(&MARKS), "{marks}");
        for (by, before) in &self.drivers {
            let known = recorded(before);
            let mut asked = BTreeSet::new();
            for call in calls.iter().filter(|call| call.by == *by) {
                assert!(
                    undisturbed.keys.contains(&call.key),
                    "an undisturbed run does not ask that: {call:#?}"
                );
                assert!(!known.contains_key(&call.key), "its answer was there: {call:#?}");
                assert!(asked.insert(&call.key), "{by} asked it twice: {call:#?}");
            }
            for path in MARKS {
                let mine = format!("{path} {by}");
                let times = marks.lines().filter(|line| *line == mine).count();
                let was_done = before.iter().any(|fact| {
                    fact.path.as_str() == path
                        && matches!(fact.kind, EventKind::StepCompleted { .. })
                });
                assert!(times <= usize::from(!was_done), "{by} did {path} {times} times: {marks}");
            }
        }
        calls.len() - undisturbed.calls
    }
}

/// Returns the number of times that a model that was too busy is asked again.
fn asked_again(facts: &[Event]) -> usize {
    let again = |fact: &&Event| matches!(fact.kind, EventKind::ModelRequestRetrying { .. });
    facts.iter().filter(again).count()
}

/// The keys of the answers that are recorded, and how often each is.
fn recorded(facts: &[Event]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for fact in facts {
        if let EventKind::ModelRequestCompleted { answer, .. } = &fact.kind {
            let key = keys(&serde_json::to_string(answer).unwrap()).swap_remove(0);
            *found.entry(key).or_default() += 1;
        }
    }
    found
}
