//! The messages of errors of the SDK.

/// Returns the message of an error with its causes, of which many repeat the one beneath.
pub(crate) fn explained(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    // The messages around an error of HTTP have the address, in which a key may be.
    let mut of_http: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = of_http {
        if let Some(error) = error.downcast_ref::<stepwright_http::reqwest::Error>() {
            return stepwright_http::causes(error);
        }
        of_http = error.source();
    }
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}
