//! Makes a cassette of a run.

use crate::clock::PlaybackClock;
use crate::derive::{Derived, derive};
use crate::drive::play;
use crate::format::{self, Cassette, VERSION, clean, golden_of};
use crate::golden::Golden;
use crate::replay::{ABOUT_GOLDEN, compare, whole};
use crate::source::FileSource;
use crate::tape::{Mode, Played, Tape};
use futures_util::StreamExt as _;
use serde_json::Value;
use std::path::{Path, PathBuf};
use stepwright_core::session::HISTORY_RUNS_MAX;
use stepwright_core::store::RunFilter;
use stepwright_core::{Error, ErrorId, Event, EventKind, Exchange, RunId};
use stepwright_engine::{Runs, WorkflowBuilder};
use stepwright_file::Options;

/// The largest recorded answer, in bytes. A test with a larger one is too large to read.
pub const RECORDED_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The journal of a run that becomes a test, with the earlier runs of its session.
///
/// ```
/// use stepwright_cassette::Journal;
/// use stepwright_core::{AnyStore, Memory, RunId};
/// use stepwright_engine::Runs;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let runs = Runs::of(AnyStore::new(Memory::default()));
/// assert!(Journal::of(&runs, &RunId::new("r-7").unwrap()).await.is_err());
/// # }
/// ```
#[derive(Debug)]
pub struct Journal {
    run: RunId,
    facts: Vec<Event>,
    history: Vec<Exchange>,
}

/// The definition of the run.
#[derive(Debug)]
pub enum Source<'a> {
    /// A workflow file, and the options with which it was read.
    File(&'a Path, &'a Options),
    /// A workflow of the program.
    Workflow(Box<WorkflowBuilder>),
}

/// The files of a new test.
#[derive(Clone, Debug)]
pub struct Made {
    /// The cassette.
    pub cassette: PathBuf,
    /// The golden tree.
    pub golden: PathBuf,
    /// The number of recorded effects.
    pub effects: usize,
}

impl Journal {
    /// Loads the journal of a run.
    ///
    /// # Errors
    /// The errors of [`Runs::row`], and those of the store.
    pub async fn of(runs: &Runs, run: &RunId) -> Result<Self, Error> {
        let row = runs.row(run).await?;
        let mut events = runs.recorded(run, 0).await?;
        let mut facts: Vec<Event> = Vec::new();
        while let Some(event) = events.next().await {
            facts.push(event?);
        }
        if facts.iter().any(|fact| !fact.kind.stored_media().is_empty()) {
            // A cassette has its media itself: a replay has no store.
            let mut live = Vec::new();
            for media in runs.media(run).await? {
                if let Some(stored) = media.stored() {
                    let mut stored = stored.clone();
                    stored.fill(runs.media_bytes(run, &media).await?);
                    live.push(stored);
                }
            }
            for fact in &mut facts {
                fact.kind.inline_media(&live);
            }
        }
        let began = facts.first().map(|fact: &Event| fact.time).unwrap_or_default();
        let filter = RunFilter {
            session_id: Some(row.session_id.clone()),
            workflow_id: Some(row.workflow_id.clone()),
            ..RunFilter::default()
        };
        let mut history = Vec::new();
        // Runs of one millisecond are told apart by their places in the list.
        let mut is_after = true;
        for earlier in runs.list(filter).await? {
            if earlier.run_id == *run {
                is_after = false;
                continue;
            }
            let ended = earlier.updated_at < began || (!is_after && earlier.updated_at == began);
            let is_before = earlier.status.is_terminal() && ended;
            if is_before && history.len() < HISTORY_RUNS_MAX as usize {
                history.push(Exchange::of(runs.get(&earlier.run_id).await?));
            }
        }
        history.reverse();
        Ok(Self { run: run.clone(), facts, history })
    }
}

/// Writes a cassette of the run to `path`, and the golden tree beside it. The run is replayed once:
/// a run that a replay does not repeat is refused.
///
/// # Errors
/// Fails if the run has not ended, if its definition has changed, or if a replay of it differs.
pub fn record(journal: &Journal, source: Source<'_>, path: &Path) -> Result<Made, Error> {
    let Journal { run, facts, history } = journal;
    let refused = |why: String| {
        Error::usage(format!("run `{run}` cannot become a test: {why}"))
            .with_id(ErrorId::CASSETTE_UNFIT)
    };
    let of_decider = |kind: &EventKind| match kind {
        EventKind::DeciderRecorded { fact } => {
            matches!(**fact, EventKind::MessageReceived { .. })
        }
        _ => false,
    };
    if facts.iter().any(|fact| of_decider(&fact.kind)) {
        let why = "an agent that decides for a container got a message, which a replay would not \
                   have";
        return Err(refused(why.to_owned())
            .with_hint("begin a run that has the text in its input, and make that one a test"));
    }
    let derived = derive(facts).ok_or_else(|| {
        refused("it has not ended".to_owned()).with_hint("wait for its end, or cancel it")
    })?;
    let Derived { started, begun, facts, effects, values, people, messages, cancelled_after_ms } =
        derived;
    let (file, builder) = match source {
        Source::File(file, options) => {
            let file = FileSource::of(file, options, path)?;
            let builder = file.builder(path)?;
            (Some(file), builder)
        }
        Source::Workflow(builder) => (None, *builder),
    };
    let mut state = serde_json::to_value(&*started.state).unwrap_or_default();
    state = clean(state);
    let history = serde_json::to_value(history).ok().map(clean);
    let history = history.and_then(|history| serde_json::from_value(history).ok());
    let mut cassette = Cassette {
        cassette: VERSION,
        workflow: started.workflow_id.to_string(),
        file,
        run_id: run.clone(),
        session_id: started.session_id.clone(),
        user_id: started.user_id.clone(),
        begun_ms: begun,
        timeout_ms: started.timeout_ms,
        input: (*started.input).clone(),
        state: match state {
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        },
        history: history.unwrap_or_default(),
        effects: Vec::new(),
        values: Vec::new(),
        people,
        messages,
        cancelled_after_ms,
    };
    let clock = PlaybackClock::new(begun);
    let beside = (cassette.messages.clone(), cassette.history.clone());
    let tape = Tape::new(Mode::Capture, (clock.clone(), begun), effects, values, beside);
    let driven = play(&cassette, builder, &tape, &clock)?;
    let Played { effects, values, history } = tape.played();
    (cassette.effects, cassette.values, cassette.history) = (effects, values, history);
    let whole = whole(&cassette);
    let first = compare(&facts, &driven, &whole).or(tape.differences().into_iter().next());
    if let Some(difference) = first {
        return Err(refused(format!("a replay of it differs\n{difference}")).with_hint(
            "give it the definition with which it ran; steps that depend on the clock or on \
             chance by themselves cannot be replayed",
        ));
    }
    check_sizes(&cassette, &refused)?;
    let golden = golden_of(path);
    cassette.write(path)?;
    let tree = Golden::of(&driven.facts, &whole);
    format::write_value(&golden, &tree.to_value(), ABOUT_GOLDEN)?;
    Ok(Made { cassette: path.to_owned(), golden, effects: cassette.effects.len() })
}

fn check_sizes(cassette: &Cassette, refused: &dyn Fn(String) -> Error) -> Result<(), Error> {
    for entry in &cassette.effects {
        let bytes = entry.answer.as_ref().map_or(0, |answer| answer.to_string().len());
        if bytes > RECORDED_ANSWER_BYTES_MAX {
            let at = &entry.at;
            return Err(refused(format!(
                "the answer of `{}` at `{at}` has {bytes} bytes; the limit is \
                 {RECORDED_ANSWER_BYTES_MAX}",
                entry.kind
            )));
        }
    }
    Ok(())
}
