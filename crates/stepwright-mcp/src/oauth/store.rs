//! The file with the tokens of one server.

use async_trait::async_trait;
use rmcp::transport::auth::{
    AuthError, CredentialRefreshGuard, CredentialStore, StoredCredentials,
};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The content of the file.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The address of the server: tokens are for it alone.
    server: String,
    /// The secret that the authorization server gave the client when it registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<StoredCredentials>,
}

/// A file with the tokens of one server, which only its user can read.
#[derive(Clone)]
pub(super) struct TokenFile {
    path: PathBuf,
    server: String,
    /// The secret of a client that has just registered.
    registered: Arc<Mutex<Option<String>>>,
}

impl TokenFile {
    pub(super) fn new(path: PathBuf, server: String) -> Self {
        Self { path, server, registered: Arc::default() }
    }

    /// Notes the secret of the client whose tokens are saved next.
    pub(super) fn registered(&self, secret: Option<String>) {
        *self.registered.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    /// Returns the secret of the client that has the tokens.
    pub(super) async fn secret(&self) -> Result<Option<String>, AuthError> {
        Ok(self.kept().await?.and_then(|kept| kept.client_secret))
    }

    async fn kept(&self) -> Result<Option<Kept>, AuthError> {
        self.blocking(Self::read).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, AuthError> {
        let file = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            work(&file).map_err(|error| format!("`{}`: {error}", file.path.display()))
        });
        let done = done.await.unwrap_or_else(|error| Err(error.to_string()));
        done.map_err(AuthError::CredentialStoreError)
    }

    fn read(&self) -> std::io::Result<Option<Kept>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kept: Kept = serde_json::from_str(&text)?;
        // Tokens of another server would tell that server's secrets to this one.
        Ok((kept.server == self.server).then_some(kept))
    }

    fn write(&self, kept: &Kept) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent().filter(|it| !it.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        // A reader sees the old tokens or the new ones, and never a part.
        let new = beside(&self.path, "new");
        let _ = fs::remove_file(&new);
        let mut file = private(&new, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(&serde_json::to_vec_pretty(kept)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

/// Returns the path of a file beside another one.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Opens a file that only its user can read.
fn private(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[async_trait]
impl CredentialStore for TokenFile {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        Ok(self.kept().await?.and_then(|kept| kept.credentials))
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.blocking(move |file| {
            let before = file.read()?.unwrap_or_default();
            let is_same =
                before.credentials.is_some_and(|before| before.client_id == credentials.client_id);
            let client_secret = registered.or(before.client_secret.filter(|_| is_same));
            let server = file.server.clone();
            file.write(&Kept { server, client_secret, credentials: Some(credentials) })
        })
        .await
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.blocking(|file| match fs::remove_file(&file.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// Lets one process at a time refresh a token: a refresh token may be good for one use.
    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let lock = self.blocking(|file| {
            if let Some(folder) = file.path.parent().filter(|it| !it.as_os_str().is_empty()) {
                make_folder(folder)?;
            }
            let path = beside(&file.path, "lock");
            let lock = private(&path, OpenOptions::new().write(true).create(true))?;
            lock.lock()?;
            Ok(lock)
        });
        Ok(Some(CredentialRefreshGuard::new(lock.await?)))
    }
}
