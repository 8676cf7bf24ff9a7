//! JSON Web Tokens.
//!
//! `ring`, by which TLS works already, verifies the signatures. The crates for tokens bring a
//! second cryptography along, ask the clock of the machine, or choose a provider for the whole
//! process.
//!
//! The key decides on the algorithm, not the token. A claim that is absent grants nothing.

mod algorithm;
mod key;
mod source;

pub use algorithm::JwtAlgorithm;

use super::scopes::Scopes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use key::{Key, SECRET_BYTES_MIN};
use serde_json::{Map, Value};
use source::{Keys, Source};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{Error, UserId, World};
use stepwright_engine::real_world;

/// The bytes of the longest token.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The difference of two clocks, if the settings name none.
const SKEW: Duration = Duration::from_secs(30);

/// The largest difference of two clocks.
const SKEW_MAX: Duration = Duration::from_mins(10);

/// Subjects that `AgentOS` keeps for itself.
const RESERVED: [&str; 2] = ["sa:", "__scheduler__"];

/// The rules for tokens of an identity provider: see
/// [`ServerBuilder::jwt`](crate::ServerBuilder::jwt).
///
/// ```
/// use std::time::Duration;
/// use stepwright_server::{Jwt, JwtAlgorithm};
/// let rules = Jwt::jwks_url("https://login.example.org/.well-known/jwks.json")?
///     .audience("flows")
///     .issuer("https://login.example.org")
///     .algorithms([JwtAlgorithm::Rs256])
///     .clock_skew(Duration::from_secs(10));
/// assert!(Jwt::jwks_url("http://login.example.org/jwks.json").is_err());
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Jwt {
    source: Source,
    is_shared: bool,
    audiences: Vec<String>,
    issuer: Option<String>,
    algorithms: Vec<JwtAlgorithm>,
    skew: Duration,
    world: World,
}

impl Jwt {
    fn of(source: Source, is_shared: bool) -> Self {
        let (audiences, issuer, algorithms) = (Vec::new(), None, JwtAlgorithm::all(is_shared));
        Self { source, is_shared, audiences, issuer, algorithms, skew: SKEW, world: real_world() }
    }

    /// Verifies tokens by the JWKS at this address, which is read again every five minutes.
    ///
    /// # Errors
    /// If the address is neither `https://` nor one of this machine.
    pub fn jwks_url(url: impl Into<String>) -> Result<Self, Error> {
        let url = url.into();
        let parsed = stepwright_http::reqwest::Url::parse(&url).ok();
        let is_safe = parsed.is_some_and(|url| match url.scheme() {
            "https" => true,
            "http" => matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
            _ => false,
        });
        if !is_safe {
            let error = Error::usage(format!("`{url}` is no address of a JWKS"));
            return Err(error.with_hint("it begins with `https://`"));
        }
        Ok(Self::of(Source::Url(url), false))
    }

    /// Verifies tokens by the JWKS in this file, which is read again every five minutes.
    pub fn jwks_file(path: impl Into<PathBuf>) -> Self {
        Self::of(Source::File(path.into()), false)
    }

    /// Verifies tokens by a public key in PEM: RSA of at least 2048 bits, P-256, P-384 or Ed25519.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn public_key(pem: &str) -> Result<Self, Error> {
        let key = Key::of_pem(pem).ok_or_else(|| {
            let error = Error::usage("the key for tokens is no public key in PEM");
            error.with_hint(
                "it begins with `-----BEGIN PUBLIC KEY-----` and is RSA of at least 2048 bits, \
                 P-256, P-384 or Ed25519",
            )
        })?;
        Ok(Self::of(Source::Fixed(Arc::new([Arc::new(key)])), false))
    }

    /// Verifies tokens by a secret that their issuer has too.
    ///
    /// # Errors
    /// If it has less than 32 bytes.
    pub fn secret(secret: &[u8]) -> Result<Self, Error> {
        if secret.len() < SECRET_BYTES_MIN {
            let what = format!(
                "the secret for tokens has {} bytes; it needs at least {SECRET_BYTES_MIN}",
                secret.len()
            );
            return Err(Error::usage(what).with_hint("`openssl rand -hex 32` makes one"));
        }
        Ok(Self::of(Source::Fixed(Arc::new([Arc::new(Key::of_secret(secret))])), true))
    }

    /// Accepts tokens for this audience, the claim `aud`. At least one must be set.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens of this issuer only, the claim `iss`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Accepts these algorithms only. The default is all that fit the key.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = JwtAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets by how much the clock of the issuer may differ. The default is 30 seconds.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Sets the clock, for tests.
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// Checks the rules, and makes them ready for use.
    pub(crate) fn verifier(self) -> Result<Verifier, Error> {
        let Self { source, is_shared, audiences, issuer, algorithms, skew, world } = self;
        if audiences.is_empty() {
            let error = Error::usage("tokens need an audience");
            let hint = "name the one that their issuer writes into `aud`; without it, tokens that \
                        were made for other services would be accepted";
            return Err(error.with_hint(hint));
        }
        if let Some(wrong) = algorithms.iter().find(|one| one.is_shared() != is_shared) {
            let what = format!("`{wrong}` cannot be used with this key");
            let fit: Vec<_> = JwtAlgorithm::all(is_shared).iter().map(|it| it.as_str()).collect();
            return Err(Error::usage(what).with_hint(format!("use {}", fit.join(", "))));
        }
        if algorithms.is_empty() {
            return Err(Error::usage("tokens need an algorithm").with_hint("allow `RS256`"));
        }
        if skew > SKEW_MAX {
            let what = format!("the clock skew of tokens is {} seconds", skew.as_secs());
            let hint = format!("it can be {} at most", SKEW_MAX.as_secs());
            return Err(Error::usage(what).with_hint(hint));
        }
        let keys = Keys::new(source, world.clone());
        Ok(Verifier { keys, audiences, issuer, algorithms, skew, world })
    }
}

/// Verifies tokens.
#[derive(Debug)]
pub(crate) struct Verifier {
    keys: Keys,
    audiences: Vec<String>,
    issuer: Option<String>,
    algorithms: Vec<JwtAlgorithm>,
    skew: Duration,
    world: World,
}

/// The holder of a token.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) subject: Arc<str>,
    pub(crate) scopes: Scopes,
}

/// The reason that a token is refused: for the log, and not for the caller.
type Why = &'static str;

impl Verifier {
    /// Reads the keys, so that a mistake shows at once.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        self.keys.load().await
    }

    /// Returns the holder of a token, if it is valid.
    pub(crate) async fn holder(&self, token: &str) -> Option<Holder> {
        let holder = self.verified(token).await;
        if let Err(why) = holder {
            tracing::info!(why, "a token was refused");
        }
        holder.ok()
    }

    async fn verified(&self, token: &str) -> Result<Holder, Why> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("it is too long");
        }
        let (message, signed) = token.rsplit_once('.').ok_or("it has no signature")?;
        let (header, claims) = message.split_once('.').ok_or("it has no claims")?;
        let header = object(header).ok_or("its header is no JSON object")?;
        let named = header.get("alg").and_then(Value::as_str).ok_or("it names no algorithm")?;
        let alg = self.algorithms.iter().copied().find(|alg| alg.as_str() == named);
        let alg = alg.ok_or("its algorithm is not allowed")?;
        if header.contains_key("crit") {
            return Err("it demands extensions");
        }
        let id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return Err("the name of its key is no text"),
        };
        let signed = URL_SAFE_NO_PAD.decode(signed).map_err(|_| "its signature is no base64")?;
        let keys = self.keys.named(id).await;
        if keys.is_empty() {
            return Err("its key is not known");
        }
        if !keys.iter().any(|key| key.verifies(alg, message.as_bytes(), &signed)) {
            return Err("its signature is wrong");
        }
        self.accepted(&object(claims).ok_or("its claims are no JSON object")?)
    }

    /// Checks the claims of a token whose signature is right.
    fn accepted(&self, claims: &Map<String, Value>) -> Result<Holder, Why> {
        let number = |name: &str, why| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(why),
        };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of many thousand years fit")]
        let now = self.world.wall().0 as f64 / 1000.0;
        let skew = self.skew.as_secs_f64();
        let end = number("exp", "its end is no number")?.ok_or("it has no end")?;
        if now >= end + skew {
            return Err("it has expired");
        }
        for name in ["nbf", "iat"] {
            if number(name, "its beginning is no number")?.is_some_and(|time| time > now + skew) {
                return Err("it is not valid yet");
            }
        }
        let is_ours = |audience: &Value| {
            audience.as_str().is_some_and(|text| self.audiences.iter().any(|own| own == text))
        };
        match claims.get("aud") {
            Some(Value::Array(all)) if all.iter().any(is_ours) => {}
            Some(one) if is_ours(one) => {}
            _ => return Err("it is for another audience"),
        }
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err("it is of another issuer");
        }
        let subject = claims.get("sub").and_then(Value::as_str).ok_or("it has no subject")?;
        if UserId::new(subject).is_err() || RESERVED.iter().any(|it| subject.starts_with(it)) {
            return Err("its subject cannot be a user");
        }
        Ok(Holder { subject: subject.into(), scopes: Scopes::of_claims(claims) })
    }
}

/// Reads a part of a token. A name that is there twice makes it useless.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match stepwright_core::json::parse(std::str::from_utf8(&bytes).ok()?) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
