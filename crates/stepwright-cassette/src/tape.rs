//! The player of a recording: answers requests by path, and notes those that it does not have.

use crate::clock::PlaybackClock;
use crate::derive::Class;
use crate::difference::{Difference, likeness};
use crate::format::{Entry, Heard, Recorded, bounded};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_core::path::CALLED_WORKFLOW;
use stepwright_core::playback::{Answered, Asked, Playback};
use stepwright_core::sent::SentMessage;
use stepwright_core::{BoxFuture, Exchange, StepError, StepPath, Timestamp};
use tokio::sync::Notify;

/// The treatment of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Notes the requests beside the answers of a journal.
    Capture,
    /// Compares the requests.
    Compare,
    /// Replaces requests that have changed, and keeps their answers.
    Update,
}

/// A recording at play. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tape(Arc<Shared>);

struct Shared {
    clock: PlaybackClock,
    begun: Timestamp,
    mode: Mode,
    values: Vec<Recorded>,
    messages: Vec<Heard>,
    history: Vec<Exchange>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    effects: Vec<Entry>,
    /// The effects at a path that are still to come.
    queues: HashMap<(StepPath, Class), VecDeque<usize>>,
    used: Vec<bool>,
    values_used: Vec<(StepPath, String)>,
    /// The values that are kept while the recording is made.
    kept: Vec<Recorded>,
    history_used: bool,
    /// The numbers of the requests to models at each path.
    asked: HashMap<StepPath, usize>,
    /// The messages that were given, by their places.
    given: Vec<bool>,
    differences: Vec<Difference>,
}

/// The used parts of a recording.
pub(crate) struct Played {
    pub(crate) effects: Vec<Entry>,
    pub(crate) values: Vec<Recorded>,
    pub(crate) history: Vec<Exchange>,
}

impl Tape {
    pub(crate) fn new(
        mode: Mode,
        (clock, begun): (PlaybackClock, Timestamp),
        effects: Vec<(Class, Entry)>,
        values: Vec<Recorded>,
        (messages, history): (Vec<Heard>, Vec<Exchange>),
    ) -> Self {
        let mut queues: HashMap<_, VecDeque<usize>> = HashMap::new();
        for (nth, (class, entry)) in effects.iter().enumerate() {
            queues.entry((entry.at.clone(), *class)).or_default().push_back(nth);
        }
        let used = vec![false; effects.len()];
        let effects = effects.into_iter().map(|(_, entry)| entry).collect();
        let state = State {
            effects,
            queues,
            used,
            values_used: Vec::new(),
            kept: Vec::new(),
            history_used: false,
            asked: HashMap::new(),
            given: vec![false; messages.len()],
            differences: Vec::new(),
        };
        let state = Mutex::new(state);
        let changed = Notify::new();
        Self(Arc::new(Shared { clock, begun, mode, values, messages, history, state, changed }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a difference. The run goes no further where it is.
    pub(crate) fn differs(&self, difference: Difference) {
        self.state().differences.push(difference);
        self.0.changed.notify_one();
    }

    /// Waits for the first difference.
    pub(crate) async fn differed(&self) {
        while self.state().differences.is_empty() {
            self.0.changed.notified().await;
        }
    }

    pub(crate) fn differences(&self) -> Vec<Difference> {
        self.state().differences.clone()
    }

    /// Waits until a moment of the recording.
    pub(crate) fn until(&self, after_ms: u64, order: u64) -> BoxFuture<'static, ()> {
        let Shared { clock, begun, .. } = &*self.0;
        clock.until(begun.plus(Duration::from_millis(after_ms)), order)
    }

    /// Returns the parts that the run has used, in their order.
    pub(crate) fn played(&self) -> Played {
        let state = self.state();
        let used = state.effects.iter().zip(&state.used);
        let effects = used.filter(|(_, used)| **used).map(|(entry, _)| entry.clone()).collect();
        let is_used = |value: &&Recorded| {
            state.values_used.iter().any(|(at, key)| *at == value.at && *key == value.key)
        };
        let values = self.0.values.iter().filter(is_used).chain(&state.kept).cloned().collect();
        let history = if state.history_used { self.0.history.clone() } else { Vec::new() };
        Played { effects, values, history }
    }

    /// Finds the answer to a request. `None` if the effect is composed of recorded ones.
    fn find(&self, at: &StepPath, asked: Asked) -> Option<Found> {
        let Asked { kind, request } = asked;
        let (class, request) = (Class::of(kind), bounded(request));
        let mut state = self.state();
        if class == Class::Tool && state.is_composed(at) {
            return None;
        }
        let next = state.queues.get(&(at.clone(), class)).and_then(|queue| queue.front()).copied();
        let Some(nth) = next else {
            let difference = state.unknown(at, kind, class, &request);
            drop(state);
            self.differs(difference);
            return Some(Found::Never);
        };
        let entry = &mut state.effects[nth];
        match self.0.mode {
            Mode::Capture => {
                (entry.kind, entry.request) = (kind.to_owned(), request);
                if class == Class::Step && kind != "function" {
                    // A built-in function makes its output of the answer alone.
                    entry.answer = entry.answer.take().map(|output| output["content"].clone());
                }
            }
            _ if entry.kind == kind && entry.request == request => {}
            Mode::Update if entry.kind == kind => entry.request = request,
            _ => {
                let difference = if entry.kind == kind {
                    Difference::of(at.as_str(), &about(kind), &entry.request, &request)
                } else {
                    let one = json!({entry.kind.clone(): entry.request});
                    Difference::of(at.as_str(), "the effect", &one, &json!({kind: request}))
                };
                drop(state);
                self.differs(difference);
                return Some(Found::Never);
            }
        }
        let (order, found) = (nth as u64, entry.clone());
        state.used[nth] = true;
        if class == Class::Model {
            *state.asked.entry(at.clone()).or_default() += 1;
        }
        if let Some(queue) = state.queues.get_mut(&(at.clone(), class)) {
            queue.pop_front();
        }
        Some(Found::Entry(Box::new(found), order))
    }
}

enum Found {
    Entry(Box<Entry>, u64),
    /// The run stops here.
    Never,
}

/// Returns the words for a request of this kind.
fn about(kind: &str) -> String {
    match kind {
        "model" => "the request to the model".to_owned(),
        "tool" => "the call of the tool".to_owned(),
        "function" => "the input of the function".to_owned(),
        kind => format!("the request of `{kind}`"),
    }
}

impl State {
    /// Returns `true` if a call is made of other effects: of requests to models, as an agent as a
    /// tool, or of the steps of a workflow.
    fn is_composed(&self, call: &StepPath) -> bool {
        let workflow = call.child(CALLED_WORKFLOW);
        let mut recorded = self.queues.keys();
        recorded.any(|(at, class)| {
            workflow.contains(at) || (*class == Class::Model && call.contains(at))
        })
    }

    /// Returns the difference of a request that has no answer at its path.
    fn unknown(&self, at: &StepPath, kind: &str, class: Class, came: &Value) -> Difference {
        let of_kind = self
            .effects
            .iter()
            .filter(|entry| entry.kind == kind || (entry.kind.is_empty() && class == Class::Step));
        let nearest = of_kind.max_by(|one, other| {
            let near = |entry: &Entry| (entry.at == *at, likeness(&entry.request, came));
            let (one, other) = (near(one), near(other));
            one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        let mut difference = Difference {
            at: at.to_string(),
            what: about(kind),
            recorded: None,
            came: Some(came.clone()),
            nearest: None,
        };
        if let Some(nearest) = nearest.filter(|nearest| !nearest.request.is_null()) {
            difference.recorded = Some(nearest.request.clone());
            if nearest.at == *at {
                difference.what = format!("{}, once more than was recorded,", about(kind));
            } else {
                difference.nearest = Some(nearest.at.to_string());
                difference.what = format!("{}, which was not recorded at this path,", about(kind));
            }
        }
        difference
    }
}

impl Playback for Tape {
    fn answer<'a>(&'a self, at: &'a StepPath, asked: Asked) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let (entry, order) = match self.find(at, asked)? {
                Found::Entry(entry, order) if !entry.unanswered => (entry, order),
                _ => std::future::pending().await,
            };
            self.until(entry.after_ms, order).await;
            Some(match entry.error {
                Some(data) => Err(StepError { data }),
                None => Ok(entry.answer.unwrap_or_default()),
            })
        })
    }

    fn recorded(&self, at: &StepPath, key: &str) -> Option<Value> {
        let found = self.0.values.iter().find(|value| value.at == *at && value.key == key)?;
        let mut state = self.state();
        state.values_used.push((at.clone(), key.to_owned()));
        Some(found.value.clone())
    }

    fn messages(&self, at: &StepPath) -> Vec<SentMessage> {
        let mut state = self.state();
        let asked = state.asked.get(at).copied().unwrap_or_default();
        let mut messages = Vec::new();
        for (heard, given) in self.0.messages.iter().zip(&mut state.given) {
            if !*given && heard.at == *at && heard.after <= asked {
                *given = true;
                messages.push(heard.message.clone());
            }
        }
        messages
    }

    fn history(&self) -> Vec<Exchange> {
        self.state().history_used = true;
        self.0.history.clone()
    }

    fn is_made(&self) -> bool {
        self.0.mode == Mode::Capture
    }

    fn keep(&self, at: &StepPath, key: &str, value: Value) {
        let kept = &mut self.state().kept;
        // Another attempt of a step asks again.
        kept.retain(|known| known.at != *at || known.key != key);
        kept.push(Recorded { at: at.clone(), key: key.to_owned(), value });
    }
}
