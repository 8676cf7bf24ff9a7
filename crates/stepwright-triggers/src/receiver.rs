//! Receives the requests of webhooks, and begins their runs or sends their events.
//!
//! The id of a run is computed from the delivery, so that the store refuses a second run of it,
//! however many servers receive it.

use crate::entries::{Entries, Entry};
use crate::ids::{id_of, run_id};
use crate::signature::{Headers, Signature, verify};
use crate::tokens::{StoredWebhook, Tokens, hash};
use crate::webhook::{Emits, Webhook};
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::Duration;
use stepwright_core::store::FirstClaim;
use stepwright_core::{AnyStore, Error, ErrorId, RunId, Timestamp, World};
use stepwright_engine::{Run, Workflow};

/// The time within which the same body is not received again, where its signature has no time.
const REPLAY: Duration = Duration::from_hours(24);

/// The time within which a delivery begins no second run, also after its run was deleted. While the
/// run is stored, there is no end: its id is that of the delivery.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// The time after which a request that began no run counts no more.
const ATTEMPT: Duration = Duration::from_secs(30);

/// The longest name of a delivery, in bytes.
const DELIVERY_BYTES_MAX: usize = 512;

/// The hexadecimal digits of the hash of a delivery in the id of its run.
const DELIVERY_DIGITS: usize = 32;

/// Headers that no function sees: they prove who sends, and must not get into a run.
const HIDDEN: [&str; 6] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "webhook-signature",
    "x-hub-signature-256",
    "x-slack-signature",
];

/// Receives the requests of webhooks. Cheap to clone.
///
/// ```
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::{Workflow, real_world};
/// use stepwright_triggers::{Delivery, Received, Receiver, Webhook};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = AnyStore::new(Memory::default());
/// let workflow = Workflow::builder("hello").store(store.clone()).step(greet).build()?;
/// let receiver = Receiver::new(store, real_world()).add(&workflow, Webhook::new("hook")?);
/// let token = receiver.register().await?.remove(0).token.unwrap();
/// let delivery = Delivery { body: b"Ada".to_vec(), ..Delivery::default() };
/// let Received::Begun(run) = receiver.receive(&token, delivery).await? else { panic!() };
/// assert!(run.as_str().starts_with("hello.hook."));
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Receiver {
    tokens: Tokens,
    entries: Entries<Webhook>,
}

/// A request of a service.
///
/// ```
/// use stepwright_triggers::Delivery;
/// let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
/// let delivery = Delivery { headers, body: b"{}".to_vec(), ..Delivery::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The query of the address.
    pub query: String,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

/// The result of a request.
///
/// ```
/// use stepwright_triggers::Received;
/// fn is_new(received: &Received) -> bool {
///     matches!(received, Received::Begun(_))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A run began.
    Begun(RunId),
    /// The delivery was received before, and this is its run.
    Duplicate(RunId),
    /// It was an event, which these runs received.
    Emitted(Vec<RunId>),
    /// The condition of the webhook is not true for it.
    Ignored,
    /// Slack asks if the address is right, and wants this back.
    Challenge(String),
}

/// The reason that a request was refused.
///
/// ```
/// use stepwright_triggers::Refused;
/// fn is_attack(refused: &Refused) -> bool {
///     matches!(refused, Refused::Forged(_))
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// No webhook has the token.
    Unknown,
    /// The signature is absent, wrong or too old.
    Forged(&'static str),
    /// The body cannot be read.
    Unreadable(String),
    /// The run cannot begin.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such webhook"),
            Self::Forged(why) => f.write_str(why),
            Self::Unreadable(why) => f.write_str(why),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

impl Receiver {
    /// Creates a receiver without webhooks. The store is that of the workflows.
    pub fn new(store: AnyStore, world: World) -> Self {
        Self { tokens: Tokens { store, world }, entries: Entries::default() }
    }

    /// Adds a webhook of a workflow. A later one of the same name replaces it.
    pub fn add(self, workflow: &Workflow, webhook: Webhook) -> Self {
        self.add_prepared(workflow, webhook, |run| run)
    }

    /// Adds a webhook of a workflow, and a function that sets options of its runs, such as their
    /// metadata.
    pub fn add_prepared(
        mut self,
        workflow: &Workflow,
        webhook: Webhook,
        prepare: impl Fn(Run) -> Run + Send + Sync + 'static,
    ) -> Self {
        let id = id_of(workflow.id(), webhook.name());
        self.entries.add(id, workflow, webhook, prepare);
        self
    }

    /// Returns `true` if it has no webhook.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns `true` if it has this webhook.
    pub fn has(&self, id: &str) -> bool {
        self.entries.find(id).is_some()
    }

    /// Returns the webhooks in the store.
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Stores the webhooks, and makes tokens for those that are new. Returns its webhooks.
    ///
    /// A stored webhook that its workflow does not have any more is left out of lists, and removed
    /// after a week: until then, another server may still have it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn register(&self) -> Result<Vec<StoredWebhook>, Error> {
        let mut all = Vec::new();
        for Entry { id, workflow, trigger, .. } in self.entries.iter() {
            all.extend(self.tokens.add(id, workflow.id(), trigger.name()).await?);
        }
        let workflows: Vec<_> = self.entries.iter().map(|entry| entry.workflow.id()).collect();
        self.tokens.keep(&workflows, &self.entries.ids()).await?;
        Ok(all)
    }

    /// Returns its webhooks as they are stored.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn stored(&self) -> Result<Vec<StoredWebhook>, Error> {
        self.tokens.of_ids(|id| self.has(id)).await
    }

    /// Receives a request with this token in its address.
    ///
    /// # Errors
    /// [`Refused`] says why.
    pub async fn receive(&self, token: &str, delivery: Delivery) -> Result<Received, Refused> {
        if self.is_empty() {
            return Err(Refused::Unknown);
        }
        let (id, is_gone) = self.tokens.find(token).await?.ok_or(Refused::Unknown)?;
        let entry = self.entries.find(&id).ok_or(Refused::Unknown)?;
        if is_gone {
            // This server still has it.
            self.tokens.add(&id, entry.workflow.id(), entry.trigger.name()).await?;
        }
        let Webhook { signed, accepts, names, .. } = &entry.trigger;
        let headers = Headers(&delivery.headers);
        let now = self.tokens.world.wall();
        if let Some((signature, secret)) = signed {
            verify(*signature, secret, &headers, &delivery.body, now).map_err(Refused::Forged)?;
        }
        let body = body(&headers, &delivery.body)?;
        let signature = signed.as_ref().map(|(signature, _)| *signature);
        if signature == Some(Signature::Slack) && body["type"] == "url_verification" {
            let challenge = body["challenge"].as_str().unwrap_or_default();
            return Ok(Received::Challenge(challenge.to_owned()));
        }
        let given = named(signature, &headers, &body);
        let mut request = request(&delivery, &body, given.as_deref());
        if let Some(accepts) = accepts
            && !accepts(request.clone()).await?
        {
            return Ok(Received::Ignored);
        }
        let is_named = names.is_some() || given.is_some();
        let name = match (names, given) {
            (Some(names), _) => names(request.clone()).await?,
            (None, Some(given)) => given,
            (None, None) => self.tokens.world.run_id().to_string(),
        };
        if name.is_empty() || name.len() > DELIVERY_BYTES_MAX {
            let what = format!(
                "the id of a delivery has {} bytes; it must have from 1 to {DELIVERY_BYTES_MAX}",
                name.len()
            );
            return Err(Refused::Unreadable(what));
        }
        request["delivery"] = name.clone().into();
        if let Some(emits) = &entry.trigger.emits {
            // The name of a delivery of GitHub is not signed, so a copy could come under another.
            let of = if signature == Some(Signature::GitHub) {
                &*delivery.body
            } else {
                name.as_bytes()
            };
            let id = format!("{id}.{}", &hash(of)[..DELIVERY_DIGITS]);
            return Ok(Received::Emitted(emit(entry, emits, id, &request).await?));
        }
        let digits = &hash(name.as_bytes())[..DELIVERY_DIGITS];
        let run = run_id(entry.workflow.id(), entry.trigger.name(), digits)?;
        let mut keys = Vec::new();
        if is_named {
            keys.push((format!("webhook:{id}:id:{digits}"), REMEMBERED));
        }
        // The name of a delivery of GitHub is not signed: a copy could come under another name.
        if signature == Some(Signature::GitHub) {
            keys.push((format!("webhook:{id}:{}", hash(&delivery.body)), REPLAY));
        }
        for (key, within) in &keys {
            if let Some(earlier) = self.earlier(key, *within, &run, now).await? {
                return Ok(Received::Duplicate(earlier));
            }
        }
        let begun = begin(entry, &run, &request).await;
        match begun {
            Ok(run) => Ok(Received::Begun(run)),
            // Another request of this server was first, and its run may not be stored yet.
            Err(error) if error.id() == ErrorId::RUN_ID_TAKEN => Ok(Received::Duplicate(run)),
            // Another server was first, with the first fact or just before it.
            Err(error) => {
                if self.tokens.store.run(&run).await.map_err(Error::from)?.is_some() {
                    return Ok(Received::Duplicate(run));
                }
                // There is no run that a later delivery could be a duplicate of.
                for (key, _) in &keys {
                    self.tokens.store.leave(key, run.as_str()).await.map_err(Error::from)?;
                }
                Err(error.into())
            }
        }
    }

    /// Claims a key for the run of a delivery, or returns the run that has it. If that one was
    /// deleted, it is the run that the delivery would have.
    async fn earlier(
        &self,
        key: &str,
        within: Duration,
        run: &RunId,
        now: Timestamp,
    ) -> Result<Option<RunId>, Error> {
        let attempt = u64::try_from(ATTEMPT.as_millis()).unwrap_or_default();
        let claim = FirstClaim {
            scope: key.into(),
            holder: run.as_str().into(),
            driver: format!("webhook:{run}").into(),
            at: now,
            until: now.plus(within),
            stale: Timestamp(now.0.saturating_sub(attempt)),
            dead: Vec::new(),
        };
        let first = self.tokens.store.first(claim).await?;
        Ok(match first.as_deref() {
            None => None,
            Some("") => Some(run.clone()),
            Some(first) => Some(RunId::new(first)?).filter(|first| first != run),
        })
    }
}

/// Begins the run of a delivery.
async fn begin(entry: &Entry<Webhook>, id: &RunId, request: &Value) -> Result<RunId, Error> {
    let input = (entry.trigger.make_input)(request.clone()).await?;
    let about = json!({"webhook": entry.trigger.name(), "delivery": request["delivery"]});
    let mut run = entry.workflow.run(input).run_id(id);
    if let Some(session) = &entry.trigger.session {
        run = run.session_id(session);
    }
    let data = Map::from_iter([("trigger".to_owned(), about)]);
    let handle = (entry.prepare)(run.additional_data(data)).background().await?;
    Ok(handle.run_id().clone())
}

/// Sends the event that a delivery is, and returns the runs that received it.
async fn emit(
    entry: &Entry<Webhook>,
    emits: &Emits,
    id: String,
    request: &Value,
) -> Result<Vec<RunId>, Error> {
    let payload = (entry.trigger.make_input)(request.clone()).await?.to_value();
    let mut event = entry.workflow.emit(emits.name.clone()).id(id).payload(payload);
    if let Some(key) = &emits.key
        && let Some(key) = key(request.clone()).await?
    {
        event = event.key(key);
    }
    Ok(event.by(format!("webhook {}", entry.id)).await?.received)
}

/// Reads a body by its media type.
fn body(headers: &Headers<'_>, body: &[u8]) -> Result<Value, Refused> {
    let media = headers.get("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" || media.ends_with("+json") {
        return stepwright_core::json::parse_slice(body)
            .map_err(|error| Refused::Unreadable(format!("the body is not JSON: {error}")));
    }
    if media == "application/x-www-form-urlencoded" {
        let mut form = fields(body);
        // GitHub and Slack send JSON in a form.
        if let Some(Value::String(payload)) = form.get("payload") {
            let value = stepwright_core::json::parse_if_json(payload).map_err(|error| {
                Refused::Unreadable(format!("`payload` of the body cannot be used: {error}"))
            })?;
            if let Some(value) = value {
                form.insert("payload".to_owned(), value);
            }
        }
        return Ok(form.into());
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(Refused::Unreadable("the body is not UTF-8".to_owned())),
    }
}

fn fields(encoded: &[u8]) -> Map<String, Value> {
    let pairs = form_urlencoded::parse(encoded);
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect()
}

/// Returns the name that the service gives to the delivery.
fn named(signature: Option<Signature>, headers: &Headers<'_>, body: &Value) -> Option<String> {
    let header = match signature {
        Some(Signature::Standard) => "webhook-id",
        Some(Signature::GitHub) => "x-github-delivery",
        Some(Signature::Slack) => match body["event_id"].as_str() {
            Some(event) => return Some(event.to_owned()),
            // Other requests are named by their signature, which has a time. It proves who sends,
            // so only its hash gets into the run.
            None => {
                return headers.get("x-slack-signature").map(|signed| hash(signed.as_bytes()));
            }
        },
        None => "idempotency-key",
    };
    headers.get(header).map(str::to_owned)
}

/// Returns a request as the functions of a webhook get it.
fn request(delivery: &Delivery, body: &Value, name: Option<&str>) -> Value {
    let mut headers = Map::new();
    for (name, value) in &delivery.headers {
        let name = name.to_ascii_lowercase();
        if !HIDDEN.contains(&&*name) {
            headers.entry(name).or_insert_with(|| value.as_str().into());
        }
    }
    let query = fields(delivery.query.as_bytes());
    json!({"body": body, "headers": headers, "query": query, "delivery": name})
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.entries.ids();
        f.debug_struct("Receiver").field("webhooks", &ids).finish_non_exhaustive()
    }
}
