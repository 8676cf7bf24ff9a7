//! An identity provider, which signs tokens and publishes its keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_core::world::Clock;
use stepwright_core::{BoxFuture, Timestamp, World};
use stepwright_server::Jwt;

/// The audience of the server.
pub(crate) const AUDIENCE: &str = "flows";

/// The time at which the clock stands first, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The public key of [`signed_by_rsa`], in PEM.
pub(crate) const RSA_PEM: &str = include_str!("rsa.pem");

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW * 1000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn world(&self) -> World {
        World::new(self.clone(), 1)
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// A key of an issuer.
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    key: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(id: &'static str, seed: u8) -> Self {
        Self { id, key: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    /// Returns the public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let x = BASE64.encode(self.key.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "use": "sig", "x": x})
    }

    pub(crate) fn public(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// Signs these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&json!({"alg": "EdDSA", "kid": self.id}).to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        signed(header, claims, |message| self.key.sign(message).as_ref().to_owned())
    }
}

fn signed(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = BASE64.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Signs with a secret, as HS256.
pub(crate) fn signed_by_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
    signed(&header.to_string(), &claims.to_string(), |message| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_owned()
    })
}

/// Signs with the RSA key of the tests, as RS256.
pub(crate) fn signed_by_rsa(claims: &Value) -> String {
    let key = RsaKeyPair::from_pkcs8(include_bytes!("rsa.pk8")).unwrap();
    signed(&json!({"alg": "RS256"}).to_string(), &claims.to_string(), |message| {
        let mut signature = vec![0; key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
        signature
    })
}

/// Returns the claims of a valid token of this user.
pub(crate) fn claims(user: &str, scopes: &[&str]) -> Value {
    json!({
        "sub": user, "aud": AUDIENCE, "iat": NOW, "nbf": NOW, "exp": NOW + 3600, "scopes": scopes,
    })
}

/// Writes a JWKS, and returns its path.
pub(crate) fn publish(folder: &Path, keys: &[Value]) -> PathBuf {
    let path = folder.join("jwks.json");
    std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    path
}

/// Returns rules with one key in a file, and a clock.
pub(crate) fn rules(folder: &Path, signer: &Signer, hand: &Hand) -> Jwt {
    let path = publish(folder, &[signer.jwk()]);
    Jwt::jwks_file(path).audience(AUDIENCE).world(hand.world())
}
