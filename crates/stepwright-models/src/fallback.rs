//! A chain of models, of which the next one answers where one is down.

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stepwright_core::message::StopReason;
use stepwright_core::model::{
    AnyModel, Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream, RequestGate,
};

/// The maximum number of models in a chain.
pub const MODELS_MAX: usize = 16;

/// A failure of a model after which the next one of a chain is asked.
///
/// ```
/// use stepwright_models::FallbackReason;
/// assert_eq!(FallbackReason::named("refused"), Some(FallbackReason::Refused));
/// assert!(!FallbackReason::USUAL.contains(&FallbackReason::Refused));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackReason {
    /// The provider has too much to do.
    Overloaded,
    /// The provider takes no more requests for a while.
    RateLimited,
    /// The account is out of quota or money.
    Quota,
    /// The model was silent for too long.
    Timeout,
    /// The provider cannot be reached, or ends its answer before it has begun.
    Transport,
    /// The model or a filter of its provider would not answer.
    Refused,
}

impl FallbackReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Overloaded,
        Self::RateLimited,
        Self::Quota,
        Self::Timeout,
        Self::Transport,
        Self::Refused,
    ];

    /// The reasons of a chain for which none were set: all but [`FallbackReason::Refused`].
    pub const USUAL: [Self; 5] =
        [Self::Overloaded, Self::RateLimited, Self::Quota, Self::Timeout, Self::Transport];

    /// Returns the name as in files, such as `rate_limited`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Refused => "refused",
        }
    }

    /// Returns the reason with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    fn of(error: &ModelError) -> Option<Self> {
        let is_quota = error.status == Some(402) || error.message.contains("insufficient_quota");
        Some(match error.kind {
            _ if is_quota => Self::Quota,
            ModelErrorKind::Overloaded => Self::Overloaded,
            ModelErrorKind::RateLimited => Self::RateLimited,
            ModelErrorKind::Timeout => Self::Timeout,
            ModelErrorKind::Transport => Self::Transport,
            ModelErrorKind::Refused => Self::Refused,
            _ => return None,
        })
    }
}

/// Models in order of preference. A request goes to the first one; if that is overloaded, out of
/// quota or cannot be reached, and has not said anything yet, it goes to the next. An answer names
/// the model that gave it. Other failures, such as a request that is invalid, are final.
/// [`Fallback::on`] chooses the failures, and [`Fallback::restarts`] replaces also a model that
/// fails in the middle of its answer.
///
/// ```
/// use stepwright_core::model::{AnyModel, Model as _, ModelError, ModelErrorKind, ModelRequest};
/// use stepwright_models::Fallback;
/// use stepwright_testing::model::{Reply, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let busy = ModelError::new(ModelErrorKind::Overloaded, "too busy");
/// let first = AnyModel::new(ScriptedModel::new([Reply::from(busy)]).named("first"));
/// let second = AnyModel::new(ScriptedModel::new(["hello"]).named("second"));
/// let model = AnyModel::new(Fallback::new(first, [second]));
/// let answer = model.complete(ModelRequest::default()).await.unwrap();
/// assert_eq!(answer.turn.text(), "hello");
/// assert_eq!(answer.model.unwrap(), "scripted:second");
/// assert_eq!(answer.warning.unwrap(), "`scripted:first` did not answer: too busy");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fallback {
    id: Arc<str>,
    models: Arc<[AnyModel]>,
    notice: Option<Arc<str>>,
    reasons: Arc<[FallbackReason]>,
    restarts: bool,
}

impl Fallback {
    /// Creates a chain that begins with `first`. Models after the first [`MODELS_MAX`] are left
    /// out.
    pub fn new(first: AnyModel, others: impl IntoIterator<Item = AnyModel>) -> Self {
        let models: Vec<AnyModel> = std::iter::once(first).chain(others).take(MODELS_MAX).collect();
        let ids: Vec<&str> = models.iter().map(Model::id).collect();
        let id = ids.join(", else ").into();
        // A stand-in may answer, even if it is not the first choice.
        let notice = models.iter().find_map(|model| model.notice()).map(Into::into);
        let reasons = Arc::new(FallbackReason::USUAL);
        Self { id, models: models.into(), notice, reasons, restarts: false }
    }

    /// Sets the failures after which the next model is asked, instead of
    /// [`FallbackReason::USUAL`].
    ///
    /// ```
    /// use stepwright_core::model::{AnyModel, Model as _, ModelError, ModelErrorKind};
    /// use stepwright_core::model::ModelRequest;
    /// use stepwright_models::{Fallback, FallbackReason};
    /// use stepwright_testing::model::{Reply, ScriptedModel};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let no = ModelError::new(ModelErrorKind::Refused, "I would rather not");
    /// let careful = AnyModel::new(ScriptedModel::new([Reply::from(no)]).named("careful"));
    /// let other = AnyModel::new(ScriptedModel::new(["hello"]).named("other"));
    /// let model = Fallback::new(careful, [other]).on(FallbackReason::ALL);
    /// let answer = AnyModel::new(model).complete(ModelRequest::default()).await.unwrap();
    /// assert_eq!(answer.turn.text(), "hello");
    /// # }
    /// ```
    #[must_use]
    pub fn on(mut self, reasons: impl IntoIterator<Item = FallbackReason>) -> Self {
        self.reasons = reasons.into_iter().collect();
        self
    }

    /// Sets whether the next model is asked also if one fails in the middle of its answer. Then the
    /// answer begins again, with [`ModelEvent::Restarted`], and readers drop the text that they
    /// have seen of it. An answer that ends too early counts as [`FallbackReason::Transport`].
    ///
    /// ```
    /// use stepwright_core::model::{AnyModel, Model as _, ModelRequest};
    /// use stepwright_models::{Fallback, guarded};
    /// use stepwright_testing::model::{Reply, ScriptedModel};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let breaks = ScriptedModel::new([Reply::text("half an ans").and_cut()]).named("first");
    /// let other = AnyModel::new(ScriptedModel::new(["a whole answer"]).named("other"));
    /// let model = Fallback::new(AnyModel::new(guarded(breaks)), [other]).restarts(true);
    /// let answer = AnyModel::new(model).complete(ModelRequest::default()).await.unwrap();
    /// assert_eq!(answer.turn.text(), "a whole answer");
    /// # }
    /// ```
    #[must_use]
    pub fn restarts(mut self, restarts: bool) -> Self {
        self.restarts = restarts;
        self
    }

    fn chain(&self, request: ModelRequest, gate: Option<Arc<dyn RequestGate>>) -> ModelStream {
        Chain {
            models: self.models.clone(),
            next: 0,
            request,
            gate,
            stream: stream::empty().boxed(),
            failures: Vec::new(),
            reasons: self.reasons.clone(),
            restarts: self.restarts,
            has_spoken: false,
        }
        .boxed()
    }

    /// Returns the models, in order.
    pub fn models(&self) -> &[AnyModel] {
        &self.models
    }
}

impl Model for Fallback {
    fn id(&self) -> &str {
        &self.id
    }

    fn ids(&self) -> Vec<&str> {
        self.models.iter().flat_map(Model::ids).collect()
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        self.chain(request, None)
    }

    fn stream_through(&self, request: ModelRequest, gate: Arc<dyn RequestGate>) -> ModelStream {
        self.chain(request, Some(gate))
    }

    fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    fn check(&self, request: &ModelRequest) -> Result<(), ModelError> {
        self.models.iter().try_for_each(|model| model.check(request))
    }
}

/// The answer of the first model that gives one.
struct Chain {
    models: Arc<[AnyModel]>,
    /// The number of models that were asked.
    next: usize,
    request: ModelRequest,
    gate: Option<Arc<dyn RequestGate>>,
    stream: BoxStream<'static, Result<ModelEvent, ModelError>>,
    /// The failures of the models before.
    failures: Vec<String>,
    /// The failures after which the next model is asked.
    reasons: Arc<[FallbackReason]>,
    /// `true` if the next model is asked also in the middle of an answer.
    restarts: bool,
    /// `true` if the model that is asked has said something.
    has_spoken: bool,
}

impl Stream for Chain {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.next == 0 {
            this.ask();
        }
        loop {
            let item = match ready!(this.stream.poll_next_unpin(cx)) {
                // What it consumed is counted, as that of a failed request.
                Some(Ok(ModelEvent::Done(done)))
                    if done.stop == StopReason::Refused && !this.request_is_spent() =>
                {
                    let error = ModelError::new(ModelErrorKind::Refused, "it refused to answer");
                    let error = ModelError { usage: Box::new(done.usage), ..error };
                    if this.is_passed_on(&error) {
                        Some(Err(error))
                    } else {
                        Some(Ok(ModelEvent::Done(done)))
                    }
                }
                item => item,
            };
            if let (Some(Err(error)), Some(gate)) = (&item, &this.gate) {
                let model = &this.models[this.next - 1];
                // A chain within this one has noted it.
                if model.ids().len() == 1 {
                    gate.failed(model.id(), error);
                }
            }
            match item {
                Some(Err(error)) if !this.request_is_spent() && this.is_passed_on(&error) => {
                    let id = this.models[this.next - 1].id();
                    let has_spoken = std::mem::take(&mut this.has_spoken);
                    let what = if has_spoken { "broke off" } else { "did not answer" };
                    this.failures.push(format!("`{id}` {what}: {error}"));
                    this.ask();
                    if has_spoken {
                        return Poll::Ready(Some(Ok(ModelEvent::Restarted(Box::new(error)))));
                    }
                }
                Some(Ok(ModelEvent::Done(mut completion))) => {
                    let id = this.models[this.next - 1].id();
                    completion.model.get_or_insert_with(|| id.to_owned());
                    let warnings = this.failures.drain(..).chain(completion.warning.take());
                    let warnings: Vec<String> = warnings.collect();
                    completion.warning = (!warnings.is_empty()).then(|| warnings.join("; "));
                    return Poll::Ready(Some(Ok(ModelEvent::Done(completion))));
                }
                Some(Ok(event)) => {
                    if !matches!(event, ModelEvent::Heartbeat) && !this.request_is_spent() {
                        this.has_spoken = true;
                        if !this.restarts {
                            // What it said cannot be taken back.
                            this.models = this.models[..this.next].into();
                        }
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                Some(Err(mut error)) => {
                    if !this.failures.is_empty() {
                        let id = this.models[this.next - 1].id();
                        let before = this.failures.join("; ");
                        error.message = format!("{before}; `{id}`: {}", error.message);
                    }
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Chain {
    /// Asks the next model.
    fn ask(&mut self) {
        let (model, request) = (&self.models[self.next], self.request.clone());
        self.stream = match &self.gate {
            None => model.stream(request),
            Some(gate) if self.next == 0 => model.stream_through(request, gate.clone()),
            Some(gate) => {
                // The first of a chain within this one passes here.
                let first = model.ids().first().copied().unwrap_or_else(|| model.id());
                let answer = model.stream_through(request.clone(), gate.clone());
                gate.pass(first, &request, answer)
            }
        };
        self.next += 1;
    }

    /// Returns `true` for a failure after which the next model is asked.
    fn is_passed_on(&self, error: &ModelError) -> bool {
        // Nothing of an answer that has not begun needs to be taken back.
        let may_restart = self.restarts || !self.has_spoken;
        let is_cut = may_restart && error.kind == ModelErrorKind::Truncated;
        let reason =
            if is_cut { Some(FallbackReason::Transport) } else { FallbackReason::of(error) };
        reason.is_some_and(|reason| self.reasons.contains(&reason))
    }

    /// Returns `true` if there is no model left to ask.
    fn request_is_spent(&self) -> bool {
        self.next >= self.models.len()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("asked", &self.next).finish_non_exhaustive()
    }
}
