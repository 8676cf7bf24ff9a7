//! The algorithms of signatures.

use std::fmt;
use std::str::FromStr;

macro_rules! algorithms {
    ($($name:ident = $text:literal, $about:literal;)*) => {
        /// An algorithm that may sign tokens. `none` is not among them.
        ///
        /// ```
        /// use stepwright_server::JwtAlgorithm;
        /// assert_eq!("ES256".parse(), Ok(JwtAlgorithm::Es256));
        /// assert!("none".parse::<JwtAlgorithm>().is_err());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum JwtAlgorithm {
            $(#[doc = $about] $name,)*
        }

        impl JwtAlgorithm {
            const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the name in the header of a token.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

algorithms! {
    Hs256 = "HS256", "HMAC with SHA-256, and a shared secret.";
    Hs384 = "HS384", "HMAC with SHA-384, and a shared secret.";
    Hs512 = "HS512", "HMAC with SHA-512, and a shared secret.";
    Rs256 = "RS256", "RSA PKCS #1 v1.5 with SHA-256.";
    Rs384 = "RS384", "RSA PKCS #1 v1.5 with SHA-384.";
    Rs512 = "RS512", "RSA PKCS #1 v1.5 with SHA-512.";
    Ps256 = "PS256", "RSA PSS with SHA-256.";
    Ps384 = "PS384", "RSA PSS with SHA-384.";
    Ps512 = "PS512", "RSA PSS with SHA-512.";
    Es256 = "ES256", "ECDSA on P-256 with SHA-256.";
    Es384 = "ES384", "ECDSA on P-384 with SHA-384.";
    EdDsa = "EdDSA", "Ed25519.";
}

impl JwtAlgorithm {
    /// Returns `true` if its key is a secret that both sides have.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Returns all with shared secrets, or all with public keys.
    pub(crate) fn all(is_shared: bool) -> Vec<Self> {
        Self::ALL.iter().copied().filter(|one| one.is_shared() == is_shared).collect()
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JwtAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied().find(|one| one.as_str() == text);
        known.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|one| one.as_str()).collect();
            format!("`{text}` is not one of {}", names.join(", "))
        })
    }
}
