//! OAuth for servers at an address.

mod http;
mod login;
mod policy;
mod store;

pub use login::LOGIN_TIMEOUT;
pub(crate) use login::log_in;

use rmcp::transport::auth::{AuthorizationManager, ClientCredentialsConfig, OAuthClientConfig};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::TokenFile;

/// The bytes of a hash in the name of a file of tokens: too many for two to be the same by chance.
const FILE_HASH_BYTES: usize = 16;

/// Settings of OAuth for an MCP server at an address.
///
/// By default a person logs in, once, with [`McpServer::log_in`](crate::McpServer::log_in). The
/// tokens are kept in a file that only its user can read, and are refreshed when they expire. The
/// client registers itself where the authorization server lets it.
///
/// ```
/// use stepwright_mcp::{McpServer, OAuth};
/// let tokens = OAuth::new("tokens/github.json").scopes(["repo"]);
/// let github = McpServer::url("github", "https://api.githubcopilot.com/mcp/").oauth(tokens);
/// // A program without a person has credentials of its own.
/// let service = OAuth::client_credentials("an id", "a secret");
/// let files = McpServer::url("files", "https://files.example.org/mcp").oauth(service);
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct OAuth {
    grant: Grant,
    client: Option<Client>,
    scopes: Vec<String>,
}

#[derive(Clone, PartialEq)]
enum Grant {
    /// A person logs in. The tokens are kept in this file.
    Login(PathBuf),
    /// The client has credentials of its own.
    Credentials,
}

/// A client that the authorization server knows.
#[derive(Clone, PartialEq)]
struct Client {
    id: String,
    secret: Option<String>,
}

impl OAuth {
    /// Keeps the tokens of a login in this file, which is made when a person logs in.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { grant: Grant::Login(file.into()), client: None, scopes: Vec::new() }
    }

    /// Keeps the tokens in a file of this folder that these texts name, the first of which stands
    /// in its name. Other texts are another file.
    ///
    /// ```
    /// use stepwright_mcp::OAuth;
    /// let mine = OAuth::within("tokens", &["github", "mine.yaml"]);
    /// let yours = OAuth::within("tokens", &["github", "yours.yaml"]);
    /// assert_ne!(format!("{mine:?}"), format!("{yours:?}"));
    /// ```
    pub fn within(folder: impl AsRef<Path>, texts: &[&str]) -> Self {
        let hash = Sha256::digest(serde_json::json!(texts).to_string());
        let mut name = texts.first().copied().unwrap_or_default().replace(['/', '\\', '\0'], "_");
        name.push('-');
        for byte in hash.iter().take(FILE_HASH_BYTES) {
            let _ = write!(name, "{byte:02x}");
        }
        Self::new(folder.as_ref().join(format!("{name}.json")))
    }

    /// Uses credentials of the program itself: no person logs in, and nothing is kept.
    pub fn client_credentials(id: impl Into<String>, secret: impl Into<String>) -> Self {
        let client = Client { id: id.into(), secret: Some(secret.into()) };
        Self { grant: Grant::Credentials, client: Some(client), scopes: Vec::new() }
    }

    /// Names a client that the authorization server knows, in place of one that registers itself.
    /// `id` may be the `https` address of a client metadata document.
    pub fn client(mut self, id: impl Into<String>, secret: Option<String>) -> Self {
        self.client = Some(Client { id: id.into(), secret });
        self
    }

    /// Asks for these scopes. By default those that the server names.
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Returns `true` if a person logs in.
    pub(crate) fn needs_login(&self) -> bool {
        matches!(self.grant, Grant::Login(_))
    }

    /// Returns the settings that are no secrets, for the digest.
    pub(crate) fn told(&self) -> serde_json::Value {
        let client = self.client.as_ref().map(|client| &client.id);
        serde_json::json!({
            "grant": if self.needs_login() { "login" } else { "client_credentials" },
            "client": client,
            "scopes": self.scopes,
        })
    }

    /// Returns the mistake in the settings.
    pub(crate) fn mistake(&self) -> Option<String> {
        if let Grant::Login(file) = &self.grant
            && file.file_name().is_none()
        {
            return Some("OAuth needs a file for its tokens".to_owned());
        }
        let client = self.client.as_ref()?;
        if client.id.trim().is_empty() {
            return Some("the id of its OAuth client is empty".to_owned());
        }
        let has_secret = client.secret.as_ref().is_some_and(|secret| !secret.is_empty());
        (!self.needs_login() && !has_secret)
            .then(|| "client credentials need the secret of the client".to_owned())
    }

    fn file(&self, url: &str) -> Option<TokenFile> {
        match &self.grant {
            Grant::Login(file) => Some(TokenFile::new(file.clone(), url.to_owned())),
            Grant::Credentials => None,
        }
    }

    /// Returns what gives each request its token, and refreshes it.
    pub(crate) async fn manager(&self, url: &str) -> Result<AuthorizationManager, String> {
        let mut manager = new_manager(url).await?;
        let Some(file) = self.file(url) else {
            self.exchange(&mut manager, url).await?;
            return Ok(manager);
        };
        let secret = file.secret().await.map_err(|error| error.to_string())?;
        manager.set_credential_store(file);
        let is_known = manager.initialize_from_store().await.map_err(|error| told(&error))?;
        if is_known && let Some(secret) = secret {
            // A client with a secret shows it when it refreshes a token.
            let (id, _) = manager.get_credentials().await.map_err(|error| told(&error))?;
            let config = OAuthClientConfig::new(id, url).with_client_secret(secret);
            manager.configure_client(config).map_err(|error| told(&error))?;
        }
        Ok(manager)
    }

    /// Gets a token for the program itself.
    async fn exchange(&self, manager: &mut AuthorizationManager, url: &str) -> Result<(), String> {
        let Some(Client { id, secret: Some(secret) }) = self.client.clone() else {
            return Err("client credentials need a client with a secret".to_owned());
        };
        let found = manager.resolve_metadata().await.map_err(|error| told(&error))?;
        manager.set_metadata(found.metadata);
        let scopes = match self.scopes.as_slice() {
            [] => manager.select_initial_scopes(&[]).await,
            scopes => scopes.to_vec(),
        };
        let resource = Some(url.to_owned());
        let config = ClientCredentialsConfig::ClientSecret {
            client_id: id,
            client_secret: secret,
            scopes,
            resource,
        };
        manager.configure_client_credentials(&config).map_err(|error| told(&error))?;
        manager.exchange_client_credentials(&config).await.map_err(|error| told(&error))?;
        Ok(())
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client.as_ref().map(|client| &client.id);
        let mut shown = f.debug_struct("OAuth");
        if let Grant::Login(file) = &self.grant {
            shown.field("file", file);
        }
        shown.field("client", &client).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

async fn new_manager(url: &str) -> Result<AuthorizationManager, String> {
    let client = http::Client::new(url)?;
    let made = AuthorizationManager::new_with_oauth_http_client(url, Arc::new(client)).await;
    made.map_err(|error| told(&error))
}

/// Returns an error with its causes.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    crate::explained::explained(error)
}
