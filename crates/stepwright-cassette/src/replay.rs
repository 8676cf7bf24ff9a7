//! Replays cassettes.

use crate::clock::PlaybackClock;
use crate::derive::Class;
use crate::difference::Difference;
use crate::drive::{Driven, play};
use crate::format::{self, Cassette, golden_of};
use crate::golden::{Golden, Whole};
use crate::tape::{Mode, Played, Tape};
use serde::Serialize;
use std::path::{Path, PathBuf};
use stepwright_core::{Error, ErrorId, Event};
use stepwright_engine::WorkflowBuilder;

pub(crate) const ABOUT_GOLDEN: &str = "What happened in a recorded run, by path. Written by
`stepwright test from-run`; `stepwright test --update` writes it anew.";

/// A replay of a cassette.
///
/// ```no_run
/// use stepwright_cassette::Replay;
/// let report = Replay::of("tests/news.cassette.yaml").run()?;
/// assert!(report.differences.is_empty(), "{report}");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a replay does nothing until `run`"]
#[derive(Debug)]
pub struct Replay {
    path: PathBuf,
    update: bool,
}

/// The result of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The cassette.
    pub file: PathBuf,
    /// The differences, the nearest to the beginning of the run first. Empty if the replay equals
    /// the recording.
    pub differences: Vec<Difference>,
    /// `true` if the golden tree was written anew.
    pub updated: bool,
}

impl Replay {
    /// Creates a replay of the cassette at `path`.
    pub fn of(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), update: false }
    }

    /// Writes the golden tree anew instead of reporting differences. Requests that have changed
    /// replace the recorded ones, and keep their answers.
    pub fn update(mut self, update: bool) -> Self {
        self.update = update;
        self
    }

    /// Replays the workflow file that the cassette names.
    ///
    /// # Errors
    /// Fails if the cassette or its workflow file cannot be read. Differences are no error.
    pub fn run(self) -> Result<Report, Error> {
        let cassette = Cassette::read(&self.path)?;
        let Some(file) = &cassette.file else {
            let what = format!("`{}` is of a workflow of a program", self.path.display());
            let hint = "replay it in a test of the program: `stepwright_testing::replay_workflow`";
            return Err(Error::usage(what).with_id(ErrorId::CASSETTE_UNFIT).with_hint(hint));
        };
        let builder = file.builder(&self.path)?;
        self.play(cassette, builder)
    }

    /// Replays this workflow of the program. Its store and its world are those of the replay.
    ///
    /// # Errors
    /// The errors of [`Replay::run`].
    pub fn run_workflow(self, workflow: WorkflowBuilder) -> Result<Report, Error> {
        let cassette = Cassette::read(&self.path)?;
        self.play(cassette, workflow)
    }

    fn play(self, mut cassette: Cassette, builder: WorkflowBuilder) -> Result<Report, Error> {
        let Self { path, update } = self;
        let beside = golden_of(&path);
        let value = format::read_value(&beside, "golden")?;
        let golden = Golden::from_value(&value).ok_or_else(|| {
            let what = format!("`{}` is no golden tree", beside.display());
            Error::usage(what).with_id(ErrorId::CASSETTE_INVALID)
        })?;
        let clock = PlaybackClock::new(cassette.begun_ms);
        let mode = if update { Mode::Update } else { Mode::Compare };
        let tape = tape_of(&cassette, mode, &clock);
        let driven = play(&cassette, builder, &tape, &clock)?;
        let (whole, differences) = (whole(&cassette), tape.differences());
        let mut report = Report { file: path, differences, updated: false };
        if !update {
            let first = golden.difference(&driven.facts, &whole, driven.has_ended);
            if let Some(first) = first {
                report.differences.insert(0, first);
            }
        } else if driven.has_ended {
            let now = Golden::of(&driven.facts, &whole);
            let Played { effects, values, history } = tape.played();
            let changed = now.to_value() != golden.to_value() || is_changed(&cassette, &effects);
            (cassette.effects, cassette.values, cassette.history) = (effects, values, history);
            if changed {
                cassette.write(&report.file)?;
                format::write_value(&beside, &now.to_value(), ABOUT_GOLDEN)?;
                report.updated = true;
            }
        }
        Ok(report)
    }
}

fn is_changed(cassette: &Cassette, effects: &[format::Entry]) -> bool {
    let requests = |all: &[format::Entry]| -> Vec<_> {
        all.iter().map(|entry| (entry.at.clone(), entry.request.clone())).collect()
    };
    requests(&cassette.effects) != requests(effects)
}

pub(crate) fn tape_of(cassette: &Cassette, mode: Mode, clock: &PlaybackClock) -> Tape {
    let effects = cassette.effects.iter();
    let effects = effects.map(|entry| (Class::of(&entry.kind), entry.clone())).collect();
    let beside = (cassette.messages.clone(), cassette.history.clone());
    Tape::new(mode, (clock.clone(), cassette.begun_ms), effects, cassette.values.clone(), beside)
}

/// Returns the executions that the cassette answers whole.
pub(crate) fn whole(cassette: &Cassette) -> Whole {
    let of = |kind: &str| {
        let entries = cassette.effects.iter().filter(|entry| entry.kind == kind);
        entries.map(|entry| entry.at.clone()).collect()
    };
    Whole { steps: of("function"), calls: of("tool") }
}

/// Compares the facts of a replay with those of a journal.
pub(crate) fn compare(journal: &[Event], driven: &Driven, whole: &Whole) -> Option<Difference> {
    Golden::of(journal, whole).difference(&driven.facts, whole, driven.has_ended)
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.file.display();
        match (&*self.differences, self.updated) {
            ([], false) => write!(f, "ok       {file}"),
            ([], true) => write!(f, "updated  {file}"),
            (differences, _) => {
                write!(f, "differs  {file}")?;
                for difference in differences {
                    for line in difference.to_string().lines() {
                        write!(f, "\n  {line}")?;
                    }
                }
                Ok(())
            }
        }
    }
}
