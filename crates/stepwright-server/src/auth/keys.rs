//! API keys, in a file.

use super::Role;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use stepwright_core::{Error, Timestamp};
use stepwright_engine::real_world;

/// The beginning of each key, by which scanners for secrets find it.
const PREFIX: &str = "sw";

/// The hexadecimal digits of the id of a key.
const ID_DIGITS: usize = 8;

/// A key without its secret.
///
/// ```
/// use stepwright_server::ApiKey;
/// fn is_of(key: &ApiKey, user: &str) -> bool {
///     key.user.as_deref() == Some(user)
/// }
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ApiKey {
    /// The id, which the key itself begins with.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The only user whose runs and sessions its holder sees. `None` for those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The time from which on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The SHA-256 of the whole key, in hexadecimal digits.
    hash: String,
}

/// The settings of a new key.
///
/// ```
/// use stepwright_server::{NewKey, Role};
/// let key = NewKey { name: "ci".into(), role: Role::Operator, user: None, expires_at: None };
/// ```
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The name for people.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The only user whose runs and sessions its holder sees.
    pub user: Option<String>,
    /// The time from which on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// The API keys in a file, which holds hashes only.
///
/// ```
/// use stepwright_server::{ApiKeys, NewKey, Role};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("keys.json");
/// let keys = ApiKeys::in_file(path);
/// let new = NewKey { name: "ci".into(), role: Role::Viewer, user: None, expires_at: None };
/// let (key, secret) = keys.create(new)?;
/// assert!(secret.starts_with("sw_"));
/// assert_eq!(keys.list()?[0].name, "ci");
/// assert!(keys.revoke(&key.id)?);
/// assert!(keys.list()?.is_empty());
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ApiKeys {
    path: PathBuf,
}

#[derive(Default, Deserialize, Serialize)]
struct Content {
    keys: Vec<ApiKey>,
}

impl ApiKeys {
    /// Uses this file, which need not exist.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes a key. Returns it with its secret, which is stored nowhere.
    ///
    /// # Errors
    /// If the name is empty or has control characters, if the file cannot be read or written, or if
    /// another command changes it.
    pub fn create(&self, new: NewKey) -> Result<(ApiKey, String), Error> {
        if new.name.trim().is_empty() || new.name.contains(char::is_control) {
            let what = format!("`{}` is no name of a key", new.name.escape_debug());
            return Err(Error::usage(what).with_hint("use words, such as `ci`"));
        }
        let id = random()[..ID_DIGITS].to_owned();
        let secret = random_token(&format!("{PREFIX}_{id}_"));
        let NewKey { name, role, user, expires_at } = new;
        let created_at = real_world().wall();
        let hash = hash(&secret);
        let key = ApiKey { id, name, role, user, created_at, expires_at, hash };
        self.change(|keys| keys.push(key.clone()))?;
        Ok((key, secret))
    }

    /// Lists the keys, the oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(&self) -> Result<Vec<ApiKey>, Error> {
        read(&self.path)
    }

    /// Revokes a key. Servers refuse it at once. Returns `false` if there is none with this id.
    ///
    /// # Errors
    /// As [`ApiKeys::create`].
    pub fn revoke(&self, id: &str) -> Result<bool, Error> {
        if !self.list()?.iter().any(|key| key.id == id) {
            return Ok(false);
        }
        self.change(|keys| keys.retain(|key| key.id != id))?;
        Ok(true)
    }

    /// Writes a new file and puts it in the place of the old one. The new file is the lock.
    fn change(&self, change: impl FnOnce(&mut Vec<ApiKey>)) -> Result<(), Error> {
        let failed = |error: std::io::Error| {
            let what = format!("cannot write the keys to `{}`", self.path.display());
            Error::usage(what).with_source(error)
        };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut file = match private(&beside) {
            Err(error) if error.kind() == IoErrorKind::AlreadyExists => {
                let what = format!("another command changes `{}`", self.path.display());
                let hint = format!("if there is none, delete `{}`", beside.display());
                return Err(Error::usage(what).with_hint(hint));
            }
            opened => opened.map_err(failed)?,
        };
        let written = read(&self.path).and_then(|mut keys| {
            change(&mut keys);
            let text = serde_json::to_string_pretty(&Content { keys }).unwrap_or_default();
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            std::fs::rename(&beside, &self.path).map_err(failed)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        written
    }
}

#[expect(clippy::disallowed_methods, reason = "a secret, which no replay repeats")]
fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Makes a token with 244 random bits.
pub(crate) fn random_token(prefix: &str) -> String {
    format!("{prefix}{}{}", random(), random())
}

/// Creates a file that only its owner can read.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read(path: &Path) -> Result<Vec<ApiKey>, Error> {
    let failed = || format!("cannot read the keys in `{}`", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let content: Result<Content, _> = serde_json::from_str(&text);
            content
                .map(|content| content.keys)
                .map_err(|error| Error::usage(failed()).with_source(error))
        }
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::usage(failed()).with_source(error)),
    }
}

fn hash(secret: &str) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(secret) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Compares without an early end, so that the time tells nothing.
fn is_same(one: &str, other: &str) -> bool {
    let differs = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differs == 0
}

/// The keys of a server: those in the file, read again when the file has changed.
#[derive(Debug)]
pub(crate) struct Keys {
    path: PathBuf,
    /// `true` if a caller needs a key although there is none.
    is_required: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    of: Option<(SystemTime, u64)>,
    keys: Vec<ApiKey>,
    /// `true` once there was a key. From then on a caller needs one, also if all are revoked.
    is_closed: bool,
}

impl Known {
    /// Reads the file again if it has changed.
    fn update(&mut self, path: &Path) {
        let file = std::fs::metadata(path).ok();
        let of = file.and_then(|file| Some((file.modified().ok()?, file.len())));
        if of.is_none() || self.of != of {
            // An unreadable file admits no key, and no caller without one.
            let keys = read(path).unwrap_or_else(|error| {
                tracing::error!("{}", error.report());
                self.is_closed = true;
                Vec::new()
            });
            self.is_closed |= !keys.is_empty();
            (self.of, self.keys) = (of, keys);
        }
    }
}

impl Keys {
    pub(crate) fn in_file(path: PathBuf, is_required: bool) -> Self {
        Self { path, is_required, known: Mutex::default() }
    }

    /// Returns the keys, to list and change them.
    pub(crate) fn all(&self) -> ApiKeys {
        ApiKeys::in_file(&self.path)
    }

    /// Returns `true` if a caller needs no key: there is none, and none is required.
    pub(crate) fn is_open(&self) -> bool {
        if self.is_required {
            return false;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.update(&self.path);
        !known.is_closed
    }

    /// Returns the key with this secret, if it holds.
    pub(crate) fn find(&self, secret: &str) -> Option<ApiKey> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.update(&self.path);
        let hash = hash(secret);
        let found = known.keys.iter().rfind(|key| is_same(&key.hash, &hash))?;
        let now = real_world().wall();
        found.expires_at.is_none_or(|end| now < end).then(|| found.clone())
    }
}
