//! Keys that verify signatures.

use super::algorithm::JwtAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The bytes of the shortest modulus of RSA: 2048 bits.
const MODULUS_BYTES_MIN: usize = 256;

/// The bytes of the shortest shared secret, as RFC 7518 asks for with SHA-256.
pub(super) const SECRET_BYTES_MIN: usize = 32;

/// The most keys of a JWKS. Further ones are ignored.
pub(super) const KEYS_MAX: usize = 100;

/// The beginnings of public keys in DER, up to the bytes of the key.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Behind four bytes with the length, and before five with that of the key.
const RSA: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A key, which decides on the algorithms that it can be used with. A token cannot choose another
/// one, such as HMAC with the text of a public key.
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm, if its JWKS names one.
    only: Option<JwtAlgorithm>,
    material: Material,
}

enum Material {
    Secret(Vec<u8>),
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// `RSAPublicKey` in DER.
    RsaDer(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key of a JWKS.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    /// Returns the key for a shared secret.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        Self { id: None, only: None, material: Material::Secret(secret.to_owned()) }
    }

    /// Reads a public key in PEM. `None` if it is none that can be used.
    pub(super) fn of_pem(pem: &str) -> Option<Self> {
        let (label, rest) = pem.split_once("-----BEGIN ")?.1.split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        let material = match label {
            "RSA PUBLIC KEY" => Material::RsaDer(der),
            "PUBLIC KEY" => of_der(&der)?,
            _ => return None,
        };
        if let Material::RsaDer(der) = &material
            && der.len() < MODULUS_BYTES_MIN
        {
            return None;
        }
        Some(Self { id: None, only: None, material })
    }

    /// Reads the keys of a JWKS. Keys that cannot verify signatures are left out.
    pub(super) fn of_jwks(text: &str) -> Option<Vec<Self>> {
        let document: Value = serde_json::from_str(text).ok()?;
        let keys = document.get("keys")?.as_array()?.iter();
        let keys = keys.filter_map(|key| Jwk::deserialize(key).ok()?.key());
        Some(keys.take(KEYS_MAX).collect())
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns `true` if the signature is one of this key.
    pub(super) fn verifies(&self, alg: JwtAlgorithm, message: &[u8], signed: &[u8]) -> bool {
        use JwtAlgorithm as Alg;
        if self.only.is_some_and(|only| only != alg) {
            return false;
        }
        let public = |by: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(by, key).verify(message, signed).is_ok()
        };
        match (&self.material, alg) {
            (Material::Secret(secret), alg) => hmac_of(alg).is_some_and(|by| {
                // In constant time.
                hmac::verify(&hmac::Key::new(by, secret), message, signed).is_ok()
            }),
            (Material::Rsa(n, e), alg) => rsa_of(alg).is_some_and(|by| {
                RsaPublicKeyComponents { n, e }.verify(by, message, signed).is_ok()
            }),
            (Material::RsaDer(der), alg) => rsa_of(alg).is_some_and(|by| public(by, der)),
            (Material::P256(key), Alg::Es256) => public(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Material::P384(key), Alg::Es384) => public(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Material::Ed25519(key), Alg::EdDsa) => public(&signature::ED25519, key),
            _ => false,
        }
    }
}

impl Jwk {
    fn key(self) -> Option<Key> {
        if self.r#use.is_some_and(|r#use| r#use != "sig") {
            return None;
        }
        let only = self.alg.map(|alg| alg.parse().ok()).map_or(Some(None), |alg| alg.map(Some))?;
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let material = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => {
                let mut n = bytes(self.n)?;
                n.drain(..n.iter().take_while(|byte| **byte == 0).count());
                if n.len() < MODULUS_BYTES_MIN {
                    return None;
                }
                Material::Rsa(n, bytes(self.e)?)
            }
            ("EC", Some("P-256")) => Material::P256(point(&bytes(self.x)?, &bytes(self.y)?, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(&bytes(self.x)?, &bytes(self.y)?, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(self.x)?),
            // A secret in a JWKS is no secret.
            _ => return None,
        };
        Some(Key { id: self.kid, only, material })
    }
}

/// Returns a point of a curve as SEC 1 has it, without compression.
fn point(x: &[u8], y: &[u8], size: usize) -> Option<Vec<u8>> {
    (x.len() == size && y.len() == size).then(|| [&[4], x, y].concat())
}

fn of_der(der: &[u8]) -> Option<Material> {
    let rest = |prefix: &[u8], size: usize| {
        der.strip_prefix(prefix).filter(|rest| rest.len() == size).map(<[u8]>::to_owned)
    };
    if let Some(key) = rest(&P256, 65) {
        return Some(Material::P256(key));
    }
    if let Some(key) = rest(&P384, 97) {
        return Some(Material::P384(key));
    }
    if let Some(key) = rest(&ED25519, 32) {
        return Some(Material::Ed25519(key));
    }
    let rsa = der.get(4..)?.strip_prefix(&RSA)?;
    // A bit string of the key, with two bytes of length and no unused bits.
    match rsa {
        [0x03, 0x82, _, _, 0x00, key @ ..] => Some(Material::RsaDer(key.to_owned())),
        _ => None,
    }
}

fn hmac_of(alg: JwtAlgorithm) -> Option<hmac::Algorithm> {
    match alg {
        JwtAlgorithm::Hs256 => Some(hmac::HMAC_SHA256),
        JwtAlgorithm::Hs384 => Some(hmac::HMAC_SHA384),
        JwtAlgorithm::Hs512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn rsa_of(alg: JwtAlgorithm) -> Option<&'static RsaParameters> {
    match alg {
        JwtAlgorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        JwtAlgorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        JwtAlgorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        JwtAlgorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        JwtAlgorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        JwtAlgorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A secret is not for logs.
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
