//! Webhooks: requests of other services, each of which begins a run, or is an event for runs.

use crate::ids::check_name;
use crate::input::MakeInput;
use crate::signature::Signature;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use stepwright_core::wait::check_event_name;
use stepwright_core::{BoxFuture, Content, Error, SessionId};

/// Decides if a request begins a run.
type Accepts = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<bool, Error>> + Send + Sync>;

/// Returns the key of an event.
type Keys = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Option<String>, Error>> + Send + Sync>;

/// Names a delivery.
type Names = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<String, Error>> + Send + Sync>;

/// The event that each request of a webhook is.
#[derive(Clone)]
pub(crate) struct Emits {
    pub(crate) name: Arc<str>,
    pub(crate) key: Option<Keys>,
}

/// A webhook of a workflow. Its address has a random token, which the server makes.
///
/// ```
/// use stepwright_core::Content;
/// use stepwright_triggers::{Signature, Webhook};
/// let pushed = Webhook::new("push")?
///     .signed(Signature::GitHub, "a secret that GitHub knows")
///     .only_if(|request| async move { Ok(request["headers"]["x-github-event"] == "push") })
///     .input_from(|request| async move { Ok(Content::from(request["body"]["after"].clone())) });
/// assert_eq!(pushed.name(), "push");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
///
/// The functions get the request as `{"body", "headers", "query", "delivery"}`. The names of
/// headers are in lower case; headers with credentials are left out. A JSON body and a form are
/// values, and any other body is a text.
#[derive(Clone)]
#[must_use]
pub struct Webhook {
    name: Arc<str>,
    pub(crate) signed: Option<(Signature, Arc<str>)>,
    pub(crate) make_input: MakeInput,
    pub(crate) accepts: Option<Accepts>,
    pub(crate) names: Option<Names>,
    pub(crate) session: Option<SessionId>,
    pub(crate) emits: Option<Emits>,
}

impl Webhook {
    /// Creates a webhook without a signature: each request with its address begins a run. The input
    /// is the body.
    ///
    /// # Errors
    /// If the name is not made of 1 to 64 letters, digits, `-` and `_` of ASCII: it is a part of
    /// the ids of runs.
    pub fn new(name: impl AsRef<str>) -> Result<Self, Error> {
        let name = name.as_ref();
        check_name("webhook", name)?;
        Ok(Self {
            name: name.into(),
            signed: None,
            make_input: Arc::new(|request| {
                Box::pin(async move { Ok(Content::from(request["body"].clone())) })
            }),
            accepts: None,
            names: None,
            session: None,
            emits: None,
        })
    }

    /// Makes each request an event for the runs of the workflow that wait for it, instead of the
    /// beginning of a run: [`StepContext::wait_for`](stepwright_core::StepContext::wait_for). Its
    /// payload is what [`Webhook::input_from`] makes, and its id is that of the delivery.
    ///
    /// ```
    /// use stepwright_triggers::Webhook;
    /// let paid = Webhook::new("paid")?.emits("order.paid")?.event_key(|request| async move {
    ///     Ok(request["body"]["order"].as_str().map(str::to_owned))
    /// });
    /// # assert_eq!(paid.name(), "paid");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If it is no valid name of an event.
    pub fn emits(mut self, event: impl Into<Arc<str>>) -> Result<Self, Error> {
        let name = event.into();
        check_event_name(&name)?;
        self.emits = Some(Emits { name, key: None });
        Ok(self)
    }

    /// Sets a function that makes the key of the event from the request. It has no effect without
    /// [`Webhook::emits`].
    pub fn event_key<F, R>(mut self, key: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, Error>> + Send + 'static,
    {
        if let Some(emits) = &mut self.emits {
            emits.key =
                Some(Arc::new(move |request| -> BoxFuture<'static, _> { Box::pin(key(request)) }));
        }
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Accepts only requests that are signed with this secret.
    pub fn signed(mut self, signature: Signature, secret: impl Into<Arc<str>>) -> Self {
        self.signed = Some((signature, secret.into()));
        self
    }

    /// Sets a function that makes the input of each run from the request.
    pub fn input_from<F, R>(mut self, make: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, Error>> + Send + 'static,
    {
        self.make_input = Arc::new(move |request| -> BoxFuture<'static, Result<Content, Error>> {
            Box::pin(make(request))
        });
        self
    }

    /// Sets a condition. A request for which it is `false` is answered, and begins no run.
    pub fn only_if<F, R>(mut self, accepts: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<bool, Error>> + Send + 'static,
    {
        self.accepts = Some(Arc::new(move |request| -> BoxFuture<'static, Result<bool, Error>> {
            Box::pin(accepts(request))
        }));
        self
    }

    /// Sets a function that names a delivery. A second request of the same name begins no run. By
    /// default it is the id in the signature, or the header `Idempotency-Key`.
    pub fn delivery_id<F, R>(mut self, name: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, Error>> + Send + 'static,
    {
        self.names = Some(Arc::new(move |request| -> BoxFuture<'static, Result<String, Error>> {
            Box::pin(name(request))
        }));
        self
    }

    /// Sets the session that its runs continue. By default each has a session of its own.
    ///
    /// # Errors
    /// If it is no valid id of a session.
    pub fn session_id(mut self, session: impl AsRef<str>) -> Result<Self, Error> {
        self.session = Some(SessionId::new(session)?);
        Ok(self)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret is not for logs.
        let signature = self.signed.as_ref().map(|(signature, _)| signature);
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("signature", &signature)
            .finish_non_exhaustive()
    }
}
