//! Bytes of media that a store keeps by their hash.

use crate::fingerprint::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The largest media item whose bytes stand in a fact. Those of a larger one are in the store, once
/// for each hash.
pub const MEDIA_INLINE_BYTES_MAX: usize = 16 * 1024;

/// The largest media item that a store keeps.
pub const MEDIA_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A reference to the bytes of a media item that the store of its run keeps.
///
/// As JSON it has the hash and the size. In the process that has made it, it has the bytes too.
///
/// ```
/// use stepwright_core::media::StoredMedia;
/// let stored = StoredMedia::of(b"abc"[..].into());
/// assert_eq!(
///     serde_json::to_value(&stored).unwrap(),
///     serde_json::json!({
///         "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
///         "bytes": 3,
///     }),
/// );
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct StoredMedia {
    /// The SHA-256 of the bytes, in hexadecimal.
    pub sha256: Arc<str>,
    /// The number of bytes.
    pub bytes: u64,
    #[serde(skip)]
    live: Option<Live>,
}

/// Bytes in memory.
#[derive(Clone)]
struct Live(Arc<[u8]>);

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("in memory")
    }
}

/// A reference as it is stored.
#[derive(Deserialize)]
struct Written {
    sha256: Arc<str>,
    bytes: u64,
}

impl TryFrom<Written> for StoredMedia {
    type Error = String;

    fn try_from(Written { sha256, bytes }: Written) -> Result<Self, String> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if sha256.len() != 64 || !sha256.bytes().all(is_digit) {
            return Err("`sha256` must have 64 hexadecimal digits in lower case".to_owned());
        }
        Ok(Self { sha256, bytes, live: None })
    }
}

impl PartialEq for StoredMedia {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256 && self.bytes == other.bytes
    }
}

impl Eq for StoredMedia {}

impl StoredMedia {
    /// Creates a reference to these bytes, which stay in memory.
    pub fn of(bytes: Arc<[u8]>) -> Self {
        let sha256 = hex(Sha256::digest(&bytes).as_slice()).into();
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { sha256, bytes: count, live: Some(Live(bytes)) }
    }

    /// Returns the bytes, if they are in memory.
    pub fn live(&self) -> Option<&Arc<[u8]>> {
        self.live.as_ref().map(|Live(bytes)| bytes)
    }

    /// Gives the reference its bytes, which a store has returned for its hash.
    pub fn fill(&mut self, bytes: Arc<[u8]>) {
        self.live = Some(Live(bytes));
    }

    /// Returns as many zeros as there are bytes, for a store that reads into them with
    /// `Arc::get_mut`: larger media are not to be copied.
    ///
    /// ```
    /// # use stepwright_core::media::StoredMedia;
    /// let stored = StoredMedia::of(b"abc"[..].into());
    /// let mut bytes = stored.space();
    /// std::sync::Arc::get_mut(&mut bytes).unwrap().copy_from_slice(b"abc");
    /// assert!(stored.fits(&bytes));
    /// ```
    pub fn space(&self) -> Arc<[u8]> {
        let bytes = self.bytes.min(MEDIA_BYTES_MAX);
        zeros(usize::try_from(bytes).unwrap_or_default())
    }

    /// Returns `true` if these bytes have the hash of the reference.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        hex(Sha256::digest(bytes).as_slice()) == *self.sha256
    }
}

/// Allocates bytes once.
pub(super) fn zeros(bytes: usize) -> Arc<[u8]> {
    // From an iterator of known length: a vector would be copied.
    std::iter::repeat_n(0, bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_its_hash_and_its_size_and_no_path() {
        let stored = StoredMedia::of(vec![1; 20_000].into());
        let text = serde_json::to_string(&stored).unwrap();
        let read: StoredMedia = serde_json::from_str(&text).unwrap();
        assert_eq!(read, stored);
        assert!(read.live().is_none() && stored.live().is_some());

        let path = r#"{"sha256": "../../../../etc/passwd", "bytes": 1}"#;
        let error = serde_json::from_str::<StoredMedia>(path).unwrap_err();
        assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
    }
}
