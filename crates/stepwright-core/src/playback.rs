//! Playback: a run whose effects are answered from a recording, and not by the world.
//!
//! The steps of such a run are executed as always: templates, expressions, prompts and conditions
//! are computed. Only where an effect would begin, the executor asks the [`Player`] of the run. A
//! player is a value of the host program, so a run without one pays a lookup and nothing else.

use crate::BoxFuture;
use crate::context::StepContext;
use crate::failure::StepError;
use crate::path::StepPath;
use crate::sent::SentMessage;
use crate::session::{Exchange, HISTORY_RUNS_MAX};
use crate::status::RunStatus;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A request that a recording answers.
///
/// ```
/// use stepwright_core::playback::Asked;
/// let asked = Asked { kind: "shell", request: serde_json::json!({"command": "wc -w"}) };
/// assert_eq!(asked.request["command"], "wc -w");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The kind of the effect: `model`, `tool`, `function`, or the name of a built-in function.
    pub kind: &'static str,
    /// The content of the request.
    pub request: Value,
}

/// The result of asking a recording. `None` if the effect is composed of others that the recording
/// has, so that it is carried out.
///
/// [`Player`] has an example.
pub type Answered = Option<Result<Value, StepError>>;

/// A source of recorded answers.
///
/// ```
/// use stepwright_core::playback::{Answered, Asked, Playback};
/// use stepwright_core::{BoxFuture, StepPath};
/// /// Answers every request with its own kind.
/// struct Echo;
/// impl Playback for Echo {
///     fn answer<'a>(&'a self, _: &'a StepPath, asked: Asked) -> BoxFuture<'a, Answered> {
///         Box::pin(async move { Some(Ok(asked.kind.into())) })
///     }
/// }
/// ```
pub trait Playback: Send + Sync + 'static {
    /// Answers a request of the step or the call at `at`. A future that is never ready stands for
    /// an effect that the recording saw begin, and did not see end.
    fn answer<'a>(&'a self, at: &'a StepPath, asked: Asked) -> BoxFuture<'a, Answered>;

    /// Returns the recorded result of the `once` with this key.
    fn recorded(&self, _at: &StepPath, _key: &str) -> Option<Value> {
        None
    }

    /// Returns the messages that the agent at `at` got after as many requests to its model as it
    /// has made until now, and that it was not given yet.
    fn messages(&self, _at: &StepPath) -> Vec<SentMessage> {
        Vec::new()
    }

    /// Returns the earlier runs of the session, the oldest first.
    fn history(&self) -> Vec<Exchange> {
        Vec::new()
    }

    /// Returns `true` while the recording is made of a journal: what no journal has is then asked
    /// of the world, and kept with [`Playback::keep`].
    fn is_made(&self) -> bool {
        false
    }

    /// Keeps a value under `key`, which [`Playback::recorded`] returns in later playbacks.
    fn keep(&self, _at: &StepPath, _key: &str, _value: Value) {}
}

/// The player of a run. Set it with `state` on the run: it is a value of the host program.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::playback::Player;
/// use stepwright_core::values::HostValues;
/// use stepwright_core::StepContext;
/// # use stepwright_core::playback::{Answered, Asked, Playback};
/// # use stepwright_core::{BoxFuture, StepPath};
/// # struct Echo;
/// # impl Playback for Echo {
/// #     fn answer<'a>(&'a self, _: &'a StepPath, asked: Asked) -> BoxFuture<'a, Answered> {
/// #         Box::pin(async move { Some(Ok(asked.kind.into())) })
/// #     }
/// # }
/// let mut values = HostValues::default();
/// values.set(Player::new(Echo));
/// let cx = StepContext::detached("count").with_state(values);
/// let answered = cx.played("shell", || "wc -w".into()).now_or_never().unwrap();
/// assert_eq!(answered.unwrap().unwrap(), "shell");
/// assert!(StepContext::detached("count").played("shell", || "".into()).now_or_never()
///     .unwrap().is_none());
/// ```
#[derive(Clone)]
pub struct Player(Arc<dyn Playback>);

impl Player {
    /// Creates a player of this recording.
    pub fn new(recording: impl Playback) -> Self {
        Self(Arc::new(recording))
    }

    fn recording(&self) -> &dyn Playback {
        &*self.0
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").finish_non_exhaustive()
    }
}

impl StepContext {
    /// Asks the recording of a playback for the answer to an effect. Returns `None` in every other
    /// run: carry out the effect then. For executors that have effects.
    pub async fn played(&self, kind: &'static str, request: impl FnOnce() -> Value) -> Answered {
        let player = self.state::<Player>()?;
        let asked = Asked { kind, request: request() };
        player.recording().answer(self.path(), asked).await
    }

    /// Returns the history of a run that is played back.
    pub(crate) fn played_history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> Option<Arc<[Exchange]>> {
        let mut all = self.state::<Player>()?.recording().history();
        all.retain(|run| !completed_only || run.status == RunStatus::Completed);
        let runs = runs.min(HISTORY_RUNS_MAX) as usize;
        Some(all.split_off(all.len().saturating_sub(runs)).into())
    }

    /// Returns the messages that an agent of a run that is played back gets now. `None` in every
    /// other run.
    pub(crate) fn played_messages(&self) -> Option<Vec<SentMessage>> {
        Some(self.state::<Player>()?.recording().messages(self.path()))
    }

    /// Returns the recorded result of a `once` of a run that is played back, if there is one.
    pub(crate) fn played_value(&self, key: &str) -> Option<Value> {
        self.state::<Player>()?.recording().recorded(self.path(), key)
    }

    /// Returns `true` if this is the playback that makes a recording. See [`Playback::is_made`].
    pub fn is_recording_made(&self) -> bool {
        self.state::<Player>().is_some_and(|player| player.recording().is_made())
    }

    /// Keeps a value that no journal has in the recording that is made, for [`recorded`].
    ///
    /// [`recorded`]: StepContext::recorded
    pub fn keep_in_recording(&self, key: &str, value: Value) {
        if let Some(player) = self.state::<Player>() {
            player.recording().keep(self.path(), key, value);
        }
    }

    /// Returns `true` if the effects of this run are answered from a recording.
    pub fn is_played(&self) -> bool {
        self.state::<Player>().is_some()
    }
}

/// Work on another thread, which the virtual clock of a playback cannot see. While one is held, the
/// time of a playback stands still.
///
/// ```
/// use stepwright_core::playback::Busy;
/// let busy = Busy::begin();
/// assert!(Busy::is_any());
/// drop(busy);
/// ```
#[derive(Debug)]
#[must_use = "the work counts as long as this is kept"]
pub struct Busy(());

static BUSY: AtomicUsize = AtomicUsize::new(0);

impl Busy {
    /// Notes that such work begins.
    pub fn begin() -> Self {
        BUSY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// Returns `true` if there is any in this process.
    pub fn is_any() -> bool {
        BUSY.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::SeqCst);
    }
}
