//! The place of the keys that verify tokens, and the keys that were read there.

use super::key::Key;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::{Error, Timestamp, World};
use stepwright_http::reqwest;

/// The bytes of the largest JWKS.
const JWKS_BYTES_MAX: usize = 256 * 1024;

/// The time in which a JWKS must arrive.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The age at which keys are read again, so that one that was withdrawn is forgotten.
const REFRESH: Duration = Duration::from_mins(5);

/// The least time between two readings. Tokens of unknown keys cost no more.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The age at which keys count no more, if their place cannot be read.
const STALE: Duration = Duration::from_hours(24);

/// The place of keys.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Keys that do not change.
    Fixed(Arc<[Arc<Key>]>),
    /// A JWKS in a file.
    File(PathBuf),
    /// A JWKS at an address.
    Url(String),
}

/// Keys that are read again from time to time.
#[derive(Debug)]
pub(super) struct Keys {
    source: Source,
    world: World,
    known: Mutex<Known>,
    /// One reading at a time.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    keys: Option<Arc<[Arc<Key>]>>,
    /// The time of the keys.
    read: Option<Timestamp>,
    /// The time of the last attempt to read them.
    tried: Option<Timestamp>,
}

impl Keys {
    pub(super) fn new(source: Source, world: World) -> Self {
        Self { source, world, known: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// Returns the keys that may have signed a token which names this key. A token that names none
    /// can be verified if there is only one key.
    pub(super) async fn named(&self, id: Option<&str>) -> Vec<Arc<Key>> {
        let of = |keys: Option<Arc<[Arc<Key>]>>| -> Vec<Arc<Key>> {
            let keys = keys.as_deref().unwrap_or_default();
            match id {
                Some(id) => {
                    let named = keys.iter().filter(|key| key.id().is_none_or(|known| known == id));
                    named.cloned().collect()
                }
                None if keys.len() == 1 => keys.to_vec(),
                None => Vec::new(),
            }
        };
        let named = of(self.current(REFRESH).await);
        // A key that is new at the place.
        if named.is_empty() { of(self.current(COOL_DOWN).await) } else { named }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// If there are none.
    pub(super) async fn load(&self) -> Result<(), Error> {
        let keys = self.read().await?;
        self.keep(Some(keys));
        Ok(())
    }

    /// Returns the keys, which are read again if they have reached this age.
    async fn current(&self, age: Duration) -> Option<Arc<[Arc<Key>]>> {
        if let Source::Fixed(keys) = &self.source {
            return Some(keys.clone());
        }
        let is_due = |known: &Known| {
            let now = self.world.now();
            let is_past =
                |time: Option<Timestamp>, age| time.is_none_or(|time| now.since(time) >= age);
            is_past(known.read, age) && is_past(known.tried, COOL_DOWN)
        };
        if is_due(&self.known()) {
            let _turn = self.reading.lock().await;
            if is_due(&self.known()) {
                let read = self.read().await;
                if let Err(error) = &read {
                    tracing::warn!("{}", error.report());
                }
                self.keep(read.ok());
            }
        }
        let known = self.known();
        let is_fresh = known.read.is_some_and(|read| self.world.now().since(read) < STALE);
        known.keys.filter(|_| is_fresh)
    }

    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, keys: Option<Arc<[Arc<Key>]>>) {
        let now = self.world.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.tried = Some(now);
        if keys.is_some() {
            known.keys = keys;
            known.read = Some(now);
        }
    }

    async fn read(&self) -> Result<Arc<[Arc<Key>]>, Error> {
        let (place, text) = match &self.source {
            Source::Fixed(keys) => return Ok(keys.clone()),
            Source::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
                (path.display().to_string(), text)
            }
            Source::Url(url) => (url.clone(), fetch(url).await),
        };
        let failed = |why: &str| {
            let error = Error::usage(format!("the JWKS at `{place}` cannot be used: {why}"));
            error.with_hint("it must be `{\"keys\": […]}` with public keys: see docs/server.md")
        };
        let text = text.map_err(|why| failed(&why))?;
        let keys = Key::of_jwks(&text).ok_or_else(|| failed("it is not a list of keys"))?;
        if keys.is_empty() {
            return Err(failed("no key in it can verify signatures"));
        }
        Ok(keys.into_iter().map(Arc::new).collect())
    }
}

async fn fetch(url: &str) -> Result<String, String> {
    let shown = |error: &reqwest::Error| stepwright_http::causes(error);
    let client = stepwright_http::builder().map_err(|error| error.to_string())?;
    let client = client.timeout(FETCH_TIMEOUT).build().map_err(|error| shown(&error))?;
    let mut answer = client.get(url).send().await.map_err(|error| shown(&error))?;
    if !answer.status().is_success() {
        return Err(format!("the answer is {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| shown(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > JWKS_BYTES_MAX {
            return Err(format!("it has more than {JWKS_BYTES_MAX} bytes"));
        }
    }
    String::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())
}
