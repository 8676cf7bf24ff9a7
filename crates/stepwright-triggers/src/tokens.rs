//! The tokens in the addresses of webhooks.

use crate::ids::GONE;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::store::{SharedValue, ValueChange};
use stepwright_core::{AnyStore, Error, ErrorId, ErrorKind, Timestamp, WorkflowId, World};

/// The kind of shared values that are tokens of webhooks.
const KIND: &str = "webhook";

/// The number of tokens that one query reads.
const PAGE: usize = 1_000;

/// The beginning of each token, by which scanners for secrets find it.
const PREFIX: &str = "swh_";

/// The token of a webhook. Only its hash is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    workflow: WorkflowId,
    name: Arc<str>,
    hash: String,
    created_at: Timestamp,
    /// The moment since which no server that starts has the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone_since: Option<Timestamp>,
}

/// The webhooks in a store, for readers that have no definition: list them, and renew a token.
///
/// ```
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::{Workflow, real_world};
/// use stepwright_triggers::{Receiver, Tokens, Webhook};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let store = AnyStore::new(Memory::default());
/// # let workflow = Workflow::builder("digest").store(store.clone()).step(greet).build()?;
/// let receiver = Receiver::new(store.clone(), real_world()).add(&workflow, Webhook::new("push")?);
/// let first = receiver.register().await?.remove(0).token.unwrap();
/// let tokens = Tokens::of(store, real_world());
/// assert_eq!(tokens.list().await?[0].id, "digest.push");
/// assert_ne!(tokens.renew("digest.push").await?, first);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Tokens {
    pub(crate) store: AnyStore,
    pub(crate) world: World,
}

/// A webhook as its store has it.
///
/// ```
/// use stepwright_triggers::StoredWebhook;
/// fn is_new(webhook: &StoredWebhook) -> bool {
///     webhook.token.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredWebhook {
    /// The id: that of the workflow and the name, with a full stop between them.
    pub id: String,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The name.
    pub name: String,
    /// The time at which its token was made.
    pub created_at: Timestamp,
    /// The token, if it was made just now. It is stored nowhere.
    pub token: Option<String>,
}

impl Tokens {
    /// Returns the webhooks in a store.
    pub fn of(store: AnyStore, world: World) -> Self {
        Self { store, world }
    }

    /// Lists the webhooks, by workflow and name, without those that no server has any more.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self) -> Result<Vec<StoredWebhook>, Error> {
        let all = self.all().await?.into_iter();
        let there = all.filter(|(_, stored, _)| stored.gone_since.is_none());
        Ok(there.map(|(id, stored, _)| stored.shown(&id, None)).collect())
    }

    /// Lists the webhooks with these ids.
    pub(crate) async fn of_ids(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<StoredWebhook>, Error> {
        let all = self.all().await?.into_iter().filter(|(id, ..)| is_wanted(id));
        Ok(all.map(|(id, stored, _)| stored.shown(&id, None)).collect())
    }

    /// Makes a new token for a webhook. The one before is refused from now on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no webhook with this id.
    pub async fn renew(&self, id: &str) -> Result<String, Error> {
        loop {
            let found = self.store.shared_value(KIND, id).await?;
            let found = found.ok_or_else(|| not_found(id))?;
            let before = read(&found)?;
            let (token, hash) = made();
            let stored = Stored { hash, created_at: self.world.wall(), ..before };
            if self.save(id, Some(&stored), Some(found.version)).await? {
                return Ok(token);
            }
        }
    }

    /// Stores a webhook, with a new token if it has none. Returns `None`, and logs it, if what is
    /// stored of it cannot be read: it must not stop the others.
    pub(crate) async fn add(
        &self,
        id: &str,
        workflow: &WorkflowId,
        name: &str,
    ) -> Result<Option<StoredWebhook>, Error> {
        loop {
            if let Some(found) = self.store.shared_value(KIND, id).await? {
                let Some(mut stored) = sound(&found) else { return Ok(None) };
                if stored.gone_since.take().is_none()
                    || self.save(id, Some(&stored), Some(found.version)).await?
                {
                    return Ok(Some(stored.shown(id, None)));
                }
                continue;
            }
            let (token, hash) = made();
            let (workflow, name) = (workflow.clone(), name.into());
            let created_at = self.world.wall();
            let stored = Stored { workflow, name, hash, created_at, gone_since: None };
            if self.save(id, Some(&stored), None).await? {
                return Ok(Some(stored.shown(id, Some(token))));
            }
        }
    }

    /// Returns the id of the webhook that has this token, and `true` if another server says that it
    /// is gone.
    pub(crate) async fn find(&self, token: &str) -> Result<Option<(String, bool)>, Error> {
        let hash = hash(token.as_bytes());
        let all = self.all().await?;
        // What is compared are hashes of random texts, so its time tells nothing of a token.
        let found = all.into_iter().find(|(_, stored, _)| stored.hash == hash);
        Ok(found.map(|(id, stored, _)| (id, stored.gone_since.is_some())))
    }

    /// Marks the webhooks of these workflows that are not among `ids`, and removes those that were
    /// marked a week ago.
    pub(crate) async fn keep(&self, workflows: &[&WorkflowId], ids: &[&str]) -> Result<(), Error> {
        let now = self.world.wall();
        for (id, mut stored, version) in self.all().await? {
            if !workflows.contains(&&stored.workflow) || ids.contains(&&*id) {
                continue;
            }
            match stored.gone_since {
                None => {
                    stored.gone_since = Some(now);
                    self.save(&id, Some(&stored), Some(version)).await?;
                }
                Some(since) if now.since(since) > GONE => {
                    self.save(&id, None, Some(version)).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<(String, Stored, i64)>, Error> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.store.shared_values(KIND, &after, PAGE).await?;
            for value in &page {
                if let Some(stored) = sound(value) {
                    all.push((value.key.to_string(), stored, value.version));
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => last.key.as_ref().clone_into(&mut after),
                _ => return Ok(all),
            }
        }
    }

    async fn save(
        &self,
        id: &str,
        stored: Option<&Stored>,
        seen: Option<i64>,
    ) -> Result<bool, Error> {
        let value = stored.map(serde_json::to_string).transpose().map_err(|error| {
            let what = format!("webhook `{id}` cannot be written");
            Error::new(ErrorKind::Store, what).with_source(error)
        })?;
        let version = i64::from_ne_bytes(self.world.chance().to_ne_bytes());
        let value = value.map(Into::into);
        let change = ValueChange { kind: KIND.into(), key: id.into(), value, seen, version };
        Ok(self.store.change_value(change).await?)
    }
}

impl Stored {
    fn shown(self, id: &str, token: Option<String>) -> StoredWebhook {
        let Self { workflow, name, created_at, .. } = self;
        StoredWebhook { id: id.to_owned(), workflow, name: name.to_string(), created_at, token }
    }
}

/// Reads a webhook. One that is damaged is logged: it must not stop the others.
fn sound(value: &SharedValue) -> Option<Stored> {
    read(value).inspect_err(|error| tracing::warn!(target: "stepwright", "{}", error.report())).ok()
}

fn read(value: &SharedValue) -> Result<Stored, Error> {
    serde_json::from_str(&value.value).map_err(|error| {
        let what = format!("the state of webhook `{}` is damaged", value.key);
        Error::new(ErrorKind::Store, what).with_source(error)
    })
}

/// Makes a token with 244 random bits, and its hash.
fn made() -> (String, String) {
    #[expect(clippy::disallowed_methods, reason = "a secret, which no replay repeats")]
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let token = format!("{PREFIX}{}{}", random(), random());
    let hash = hash(token.as_bytes());
    (token, hash)
}

/// Returns the SHA-256 of bytes in hexadecimal digits.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn not_found(id: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("webhook `{id}` was not found"));
    error
        .with_id(ErrorId::WEBHOOK_NOT_FOUND)
        .with_hint("`stepwright webhooks list` lists those that are there")
}
