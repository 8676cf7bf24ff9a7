//! The login of a person.

use super::{Client, Grant, OAuth, new_manager, told};
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use rmcp::transport::auth::{
    AuthorizationCallback, CredentialStore as _, OAuthClientConfig, WWWAuthenticateParams,
};
use std::collections::BTreeSet;
use std::time::Duration;
use stepwright_http::reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The time in which a person logs in.
pub const LOGIN_TIMEOUT: Duration = Duration::from_mins(10);

/// The name under which the client registers.
const CLIENT_NAME: &str = "Stepwright";

/// The path at which the browser brings the answer.
const PATH: &str = "/callback";

/// The longest request of the browser, in bytes, and the time for it.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Lets a person log in. `show` gets the address to open.
pub(crate) async fn log_in(
    oauth: &OAuth,
    server: &str,
    challenge: Option<String>,
    show: impl FnOnce(&str),
) -> Result<(), String> {
    let Grant::Login(_) = &oauth.grant else {
        return Err("it has credentials of its own, so no person logs in".to_owned());
    };
    let Some(file) = oauth.file(server) else { return Ok(()) };
    let failed = |error: std::io::Error| format!("cannot listen for the browser: {error}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let redirect = format!("http://127.0.0.1:{port}{PATH}");
    let mut manager = new_manager(server).await?;
    manager.set_credential_store(file.clone());
    // The server says where to log in, and for what.
    let token = manager.get_access_token().await.ok();
    let challenge = match challenge {
        Some(challenge) => Some(challenge),
        None => asked_for(server, token.as_deref()).await,
    };
    let found = manager.resolve_metadata_from_challenge(challenge.as_deref()).await;
    manager.set_metadata(found.map_err(|error| told(&error))?.metadata);
    let mut scopes = match oauth.scopes.as_slice() {
        [] => manager.select_initial_scopes(&[]).await,
        scopes => scopes.to_vec(),
    };
    if challenge.as_deref().is_some_and(|it| is_too_small(it, server)) {
        // A token with more scopes has those of the one before.
        let before = file.load().await.ok().flatten();
        let granted = before.map(|before| before.granted_scopes).unwrap_or_default();
        scopes.extend(granted);
        let mut seen = BTreeSet::new();
        scopes.retain(|scope| seen.insert(scope.clone()));
    }
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let config = if let Some(Client { id, secret }) = &oauth.client {
        let config = OAuthClientConfig::new(id, &redirect);
        match secret {
            Some(secret) => config.with_client_secret(secret),
            None => config,
        }
    } else {
        let registered = manager.register_client(CLIENT_NAME, &redirect, &scopes).await;
        registered
            .map_err(|error| format!("{}; name a client that the server knows", told(&error)))?
    };
    file.registered(config.client_secret.clone());
    manager.configure_client(config).map_err(|error| told(&error))?;
    let url = manager.get_authorization_url(&scopes).await.map_err(|error| told(&error))?;
    let Some(state) = Url::parse(&url).ok().and_then(|url| parameter(&url, "state")) else {
        return Err("the address of the login has no `state`".to_owned());
    };
    show(&url);
    let answer = tokio::time::timeout(LOGIN_TIMEOUT, answered(&listener, &redirect, &state));
    let answer = answer.await.map_err(|_| format!("no login within {LOGIN_TIMEOUT:?}"))?;
    let (mut browser, answer) = answer.map_err(failed)?;
    let exchanged = async {
        let callback = accepted(&answer)?;
        let (code, state) = (&callback.code, &callback.csrf_token);
        let issuer = callback.issuer.as_deref();
        let tokens = manager.exchange_code_for_token_with_issuer(code, state, issuer).await;
        tokens.map(drop).map_err(|error| told(&error))
    };
    let exchanged = exchanged.await;
    let text = match &exchanged {
        Ok(()) => "You are logged in. You can close this page.",
        Err(_) => "The login failed. The program that asked for it says why.",
    };
    respond(&mut browser, "200 OK", text).await;
    exchanged
}

/// Returns the challenge with which the server refuses a request, with this token if there is one.
async fn asked_for(server: &str, token: Option<&str>) -> Option<String> {
    let request =
        stepwright_http::builder().ok()?.build().ok()?.post(server).timeout(REQUEST_TIMEOUT);
    let request = request
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}"#);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.ok()?;
    let is_refused = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let challenge = response.headers().get(WWW_AUTHENTICATE).filter(|_| is_refused)?;
    challenge.to_str().ok().map(ToOwned::to_owned)
}

/// Returns `true` for the challenge of a server that wants a token with more scopes.
fn is_too_small(challenge: &str, server: &str) -> bool {
    Url::parse(server)
        .is_ok_and(|url| WWWAuthenticateParams::parse(challenge, &url).is_insufficient_scope())
}

/// Reads the answer of the authorization server.
fn accepted(answer: &Url) -> Result<AuthorizationCallback, String> {
    if let Some(error) = parameter(answer, "error") {
        let about = parameter(answer, "error_description");
        let about = about.map(|about| format!(": {about}")).unwrap_or_default();
        return Err(format!("the authorization server refused the login: {error}{about}"));
    }
    AuthorizationCallback::from_redirect_url(answer.as_str()).map_err(|error| told(&error))
}

fn parameter(url: &Url, wanted: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

/// Waits for the browser with the answer to this login. Requests to other paths, such as one for an
/// icon, and answers to other logins are not found.
async fn answered(
    listener: &TcpListener,
    redirect: &str,
    state: &str,
) -> Result<(TcpStream, Url), std::io::Error> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let head = tokio::time::timeout(REQUEST_TIMEOUT, head(&mut stream)).await;
        let Ok(Some(target)) = head else { continue };
        let Ok(base) = Url::parse(redirect) else { continue };
        match base.join(&target) {
            Ok(url)
                if url.path() == PATH
                    && url.host_str() == base.host_str()
                    && parameter(&url, "state").as_deref() == Some(state) =>
            {
                return Ok((stream, url));
            }
            _ => respond(&mut stream, "404 Not Found", "There is nothing here.").await,
        }
    }
}

/// Reads the head of a request, and returns its target.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).await.ok()?;
        if count == 0 || read.len() > REQUEST_BYTES_MAX {
            return None;
        }
        read.extend_from_slice(&part[..count]);
    }
    let text = String::from_utf8(read).ok()?;
    let mut words = text.lines().next()?.split(' ');
    let is_get = words.next() == Some("GET");
    words.next().filter(|target| is_get && target.starts_with('/')).map(ToOwned::to_owned)
}

async fn respond(stream: &mut TcpStream, status: &str, text: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        text.len()
    );
    // A browser that is gone needs no answer.
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
    let _ = stream.shutdown().await;
}
