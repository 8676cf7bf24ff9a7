//! The TLS configuration.

use rustls::{ClientConfig, Error, RootCertStore};
use std::sync::Arc;

/// Returns a TLS configuration that trusts the platform's certificates, or Mozilla's where the
/// platform has none, as in a minimal container.
pub(crate) fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let config = if let Ok(verifier) = rustls_platform_verifier::Verifier::new(provider) {
        config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<RootCertStore>();
        config.with_root_certificates(roots)
    };
    Ok(config.with_no_client_auth())
}
