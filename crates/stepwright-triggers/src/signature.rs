//! Signatures of requests: HMAC-SHA256 in the three forms that services send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::time::Duration;
use stepwright_core::Timestamp;

/// The largest difference between the time in a signature and now.
const WINDOW: Duration = Duration::from_mins(5);

/// The beginning of secrets of Standard Webhooks, whose rest is base64.
const STANDARD_PREFIX: &str = "whsec_";

/// The form of a signature of a request.
///
/// ```
/// use stepwright_triggers::Signature;
/// assert_eq!(Signature::default(), Signature::Standard);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// The one of Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`. A
    /// request that is more than five minutes old is refused.
    #[default]
    Standard,
    /// The one of GitHub: `X-Hub-Signature-256`. It has no time, so a body that was received within
    /// a day is not received again.
    GitHub,
    /// The one of Slack: `X-Slack-Signature` and `X-Slack-Request-Timestamp`. A request that is
    /// more than five minutes old is refused.
    Slack,
}

/// The headers of a request.
pub(crate) struct Headers<'a>(pub(crate) &'a [(String, String)]);

impl<'a> Headers<'a> {
    /// Returns the first header of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Verifies the signature of a request. Returns the reason that it is refused.
pub(crate) fn verify(
    signature: Signature,
    secret: &str,
    headers: &Headers<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), &'static str> {
    const ABSENT: &str = "the request has no signature";
    const WRONG: &str = "the signature of the request is wrong";
    let is_right = match signature {
        Signature::Standard => {
            let id = headers.get("webhook-id").ok_or(ABSENT)?;
            let time = headers.get("webhook-timestamp").ok_or(ABSENT)?;
            let all = headers.get("webhook-signature").ok_or(ABSENT)?;
            check_time(time, now)?;
            let key = standard_key(secret);
            // During a change of secrets a sender signs with both.
            all.split(' ').any(|one| {
                let given = one.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
                given.is_some_and(|given| {
                    is_mac(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body], &given)
                })
            })
        }
        Signature::GitHub => {
            let given = headers.get("x-hub-signature-256").ok_or(ABSENT)?;
            let given = given.strip_prefix("sha256=").and_then(unhex);
            given.is_some_and(|given| is_mac(secret.as_bytes(), &[body], &given))
        }
        Signature::Slack => {
            let time = headers.get("x-slack-request-timestamp").ok_or(ABSENT)?;
            let given = headers.get("x-slack-signature").ok_or(ABSENT)?;
            check_time(time, now)?;
            let given = given.strip_prefix("v0=").and_then(unhex);
            given.is_some_and(|given| {
                is_mac(secret.as_bytes(), &[b"v0:", time.as_bytes(), b":", body], &given)
            })
        }
    };
    if is_right { Ok(()) } else { Err(WRONG) }
}

/// Returns the header `webhook-signature` of a request, as Standard Webhooks have it.
pub(crate) fn sign(secret: &str, id: &str, time: &str, body: &[u8]) -> String {
    let key = standard_key(secret);
    let signed = mac(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    let signed = signed.map(|mac| STANDARD.encode(mac.finalize().into_bytes()));
    format!("v1,{}", signed.unwrap_or_default())
}

/// Checks that a time in seconds is near now.
fn check_time(time: &str, now: Timestamp) -> Result<(), &'static str> {
    let seconds: u64 = time.parse().map_err(|_| "the time of the signature is no number")?;
    if now.seconds().saturating_sub(seconds) > WINDOW.as_secs() {
        return Err("the signature of the request is more than five minutes old");
    }
    if seconds.saturating_sub(now.seconds()) > WINDOW.as_secs() {
        return Err("the time of the signature is more than five minutes in the future");
    }
    Ok(())
}

/// Returns the key of a secret of Standard Webhooks.
fn standard_key(secret: &str) -> Vec<u8> {
    let decoded = secret.strip_prefix(STANDARD_PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
    decoded.unwrap_or_else(|| secret.as_bytes().to_vec())
}

/// Compares in constant time.
fn is_mac(key: &[u8], parts: &[&[u8]], given: &[u8]) -> bool {
    mac(key, parts).is_some_and(|mac| mac.verify_slice(given).is_ok())
}

/// Returns the code of these parts. A key of any length will do.
fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

/// Reads hexadecimal digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
