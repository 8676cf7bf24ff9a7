//! Links that answer one pending request each: for a person without a key, as in a message of a
//! chat.
//!
//! The token in the address is random and is the whole right, so the store has its hash only. A
//! link works once, and the store decides which of two answers is first.

use crate::auth;
use crate::limits::{LINK_LIFE_MAX, NOTIFIED_LINK_LIFE};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_core::store::{SharedValue, ValueChange};
use stepwright_core::{AnyStore, Error, ErrorKind, Requirement, RunId, Timestamp, World};
use stepwright_engine::Runs;

/// The kind of shared values that are links.
const KIND: &str = "link";

/// The beginning of each token, by which scanners for secrets find it.
const PREFIX: &str = "swl_";

/// The number of old links that one new link looks at.
const SWEPT: usize = 50;

/// A link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) run: RunId,
    /// The pending request.
    pub(crate) request: String,
    /// The number of the fact that made the request. The same request made anew has another one,
    /// and asks about something that the person with the link was not shown. A link without it is
    /// dead.
    #[serde(default)]
    pub(crate) asked_at: Option<u64>,
    /// The person that the link is for, whose name the answer has.
    pub(crate) to: String,
    /// The caller who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    pub(crate) expires_at: Timestamp,
    /// The time at which it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used_at: Option<Timestamp>,
}

/// A link as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) link: Link,
    key: String,
    version: i64,
}

/// The links of a store.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    store: AnyStore,
    world: World,
}

/// The address of a server as people reach it, such as `https://flows.example.org`. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base(Arc<OnceLock<String>>);

impl Base {
    pub(crate) fn of(url: Option<String>) -> Self {
        let base = Self::default();
        if let Some(url) = url {
            let _ = base.0.set(url.trim_end_matches('/').to_owned());
        }
        base
    }

    /// Notes the address at which the server listens, if it has no other. One that stands for all
    /// addresses of the machine is not an address for people.
    pub(crate) fn listens_at(&self, address: SocketAddr) {
        if !address.ip().is_unspecified() {
            let _ = self.0.set(format!("http://{address}"));
        }
    }

    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Links {
    /// Makes a link in a message about a pause, for the person that the workflow names. Returns its
    /// address, or `None` if the request cannot be answered by a link, or the server does not know
    /// its own address.
    pub(crate) async fn notified(
        &self,
        base: &Base,
        run: RunId,
        asked: &Requirement,
        to: &str,
    ) -> Result<Option<String>, Error> {
        let Some(base) = base.get().filter(|_| !asked.answers().is_empty()) else {
            return Ok(None);
        };
        let end = self.end(NOTIFIED_LINK_LIFE);
        let expires_at = asked.due.map_or(end, |due| due.min(end));
        let (request, to) = (asked.id.to_string(), to.to_owned());
        let asked_at = Runs::of(self.store.clone()).load(&run).await?.asked_at(&request);
        let link = Link { run, request, asked_at, to, by: None, expires_at, used_at: None };
        Ok(Some(format!("{base}/v1/links/{}", self.add(&link).await?)))
    }

    pub(crate) fn of(store: AnyStore, world: World) -> Self {
        Self { store, world }
    }

    /// Returns the end of a link that lives so long, at most.
    pub(crate) fn end(&self, life: Duration) -> Timestamp {
        self.world.wall().plus(life.min(LINK_LIFE_MAX))
    }

    pub(crate) fn is_over(&self, link: &Link) -> bool {
        self.world.wall() >= link.expires_at
    }

    /// Stores a link, and returns its token, which is stored nowhere.
    pub(crate) async fn add(&self, link: &Link) -> Result<String, Error> {
        let token = auth::random_token(PREFIX);
        let key = hash(&token);
        self.save(&key, Some(link), None).await?;
        self.sweep(&key).await?;
        Ok(token)
    }

    /// Finds the link with this token, also if it was used or is over.
    pub(crate) async fn find(&self, token: &str) -> Result<Option<Held>, Error> {
        if !token.starts_with(PREFIX) {
            return Ok(None);
        }
        let found = self.store.shared_value(KIND, &hash(token)).await?;
        found.as_ref().map(read).transpose()
    }

    /// Marks a link as used. Returns `None` if another answer was first.
    pub(crate) async fn take(&self, held: &Held) -> Result<Option<Held>, Error> {
        let used = Link { used_at: Some(self.world.wall()), ..held.link.clone() };
        let version = self.save(&held.key, Some(&used), Some(held.version)).await?;
        Ok(version.map(|version| Held { link: used, key: held.key.clone(), version }))
    }

    /// Makes a link that was taken usable again: its answer was refused.
    pub(crate) async fn give_back(&self, held: &Held) -> Result<(), Error> {
        let link = Link { used_at: None, ..held.link.clone() };
        self.save(&held.key, Some(&link), Some(held.version)).await.map(|_| ())
    }

    /// Removes links that are over, among those behind `key`. Keys are random, so that each link is
    /// looked at sooner or later.
    async fn sweep(&self, key: &str) -> Result<(), Error> {
        for value in self.store.shared_values(KIND, key, SWEPT).await? {
            let held = read(&value)?;
            if self.is_over(&held.link) {
                self.save(&held.key, None, Some(held.version)).await?;
            }
        }
        Ok(())
    }

    /// Returns the new version, or `None` if another process was first.
    async fn save(
        &self,
        key: &str,
        link: Option<&Link>,
        seen: Option<i64>,
    ) -> Result<Option<i64>, Error> {
        let value = link.map(serde_json::to_string).transpose().map_err(|error| {
            Error::new(ErrorKind::Store, "a link cannot be written").with_source(error)
        })?;
        let version = i64::from_ne_bytes(self.world.chance().to_ne_bytes());
        let value = value.map(Into::into);
        let change = ValueChange { kind: KIND.into(), key: key.into(), value, seen, version };
        Ok(self.store.change_value(change).await?.then_some(version))
    }
}

fn read(value: &SharedValue) -> Result<Held, Error> {
    let link = serde_json::from_str(&value.value).map_err(|error| {
        Error::new(ErrorKind::Store, "the state of a link is damaged").with_source(error)
    })?;
    Ok(Held { link, key: value.key.to_string(), version: value.version })
}

/// Returns the SHA-256 of a token in hexadecimal digits. A lookup by it tells nothing of the token.
fn hash(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
