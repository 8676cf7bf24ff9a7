//! The HTTP client of Stepwright's models, tools and files.
//!
//! One library and one TLS configuration for the whole project: the certificates that the platform
//! trusts, or Mozilla's where the platform has none, as in a minimal container. The platform's
//! certificates are read once in a process, when the first client is made.
//!
//! This crate is for the other crates of the project, and exports its library to them.

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, LazyLock};

pub use reqwest;

/// The user agent of Stepwright.
pub const USER_AGENT: &str = concat!("stepwright/", env!("CARGO_PKG_VERSION"));

// Reading the platform's certificates takes milliseconds.
static TLS: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(tls);

/// The reason why HTTPS is impossible on this machine.
#[derive(Clone, Debug)]
pub struct NoHttps(rustls::Error);

impl Display for NoHttps {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Error for NoHttps {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the settings that all clients begin with: TLS, the user agent, HTTP/1.1, the proxies of
/// the environment, and no redirects, because a redirect sends a request to another server. Bodies
/// arrive as the server sent them.
///
/// ```
/// let client = stepwright_http::builder()?.build()?;
/// let request = client.get("https://example.org/").build()?;
/// assert_eq!(request.url().path(), "/");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Fails if TLS cannot be configured on this machine.
pub fn builder() -> Result<ClientBuilder, NoHttps> {
    let tls = TLS.clone().map_err(NoHttps)?;
    Ok(ClientBuilder::new()
        .tls_backend_preconfigured(tls)
        .no_gzip()
        .redirect(Policy::none())
        .user_agent(USER_AGENT))
}

/// Returns the causes of an error that say the most: the innermost one, after the one around it if
/// that adds something. The outermost ones only repeat the address, which may hold a secret.
pub fn causes(error: &reqwest::Error) -> String {
    let mut reasons = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        reasons.push(error.to_string());
        cause = error.source();
    }
    let innermost = reasons.pop().unwrap_or_else(|| error.to_string());
    match reasons.pop() {
        // Causes often repeat what is beneath them.
        Some(outer) if outer.contains(&innermost) => outer,
        Some(outer) => format!("{outer}: {innermost}"),
        None => innermost,
    }
}

/// TLS by `ring`.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let config = match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        Err(_) => config.with_root_certificates(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }),
    };
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec!["http/1.1".into()];
    Ok(config)
}
