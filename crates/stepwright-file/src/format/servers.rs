//! MCP servers as a file declares them.

use super::{Text, Word};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepwright_core::OnInterrupted;

/// An MCP server that a file declares.
pub(crate) struct Declaration {
    pub(crate) name: Word,
    /// The file that declares it.
    #[cfg_attr(not(feature = "mcp"), allow(dead_code, reason = "for logins"))]
    pub(crate) file: PathBuf,
    pub(crate) recipe: Recipe,
    pub(crate) choice: Choice,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_interrupted: Option<OnInterrupted>,
    pub(crate) resources: bool,
    pub(crate) answers_questions: bool,
    /// `true` if it comes from a file of another program, which may have servers for others.
    pub(crate) is_imported: bool,
    pub(crate) is_used: AtomicBool,
    /// The server, once an agent is built that has it. All agents of the file share it.
    #[cfg(feature = "mcp")]
    pub(crate) server: std::sync::OnceLock<stepwright_mcp::McpServer>,
}

#[derive(Debug)]
#[cfg_attr(not(feature = "mcp"), allow(dead_code, reason = "read to find mistakes"))]
pub(crate) enum Recipe {
    Command { program: Text, args: Vec<Text>, env: Vec<(String, Text)> },
    Url { url: Text, headers: Vec<(String, Text)>, oauth: Option<Login> },
}

/// The login of a server at an address.
#[derive(Debug)]
#[cfg_attr(not(feature = "mcp"), allow(dead_code, reason = "read to find mistakes"))]
pub(crate) struct Login {
    /// The client, unless it registers itself.
    pub(crate) client: Option<LoginClient>,
    pub(crate) scopes: Vec<String>,
    /// `true` if a person logs in.
    pub(crate) is_by_person: bool,
}

/// A client that the authorization server knows.
#[derive(Debug)]
#[cfg_attr(not(feature = "mcp"), allow(dead_code, reason = "read to find mistakes"))]
pub(crate) struct LoginClient {
    pub(crate) id: Text,
    pub(crate) secret: Option<Text>,
}

impl Default for Login {
    fn default() -> Self {
        Self { client: None, scopes: Vec::new(), is_by_person: true }
    }
}

/// The choice of tools, of a server or of an agent.
#[derive(Debug, Default)]
#[cfg_attr(not(feature = "mcp"), allow(dead_code, reason = "read to find mistakes"))]
pub(crate) struct Choice {
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) exclude: Vec<String>,
    pub(crate) confirm: Vec<String>,
    pub(crate) prefix: Option<String>,
}

impl Declaration {
    pub(crate) fn new(name: Word, recipe: Recipe, file: PathBuf) -> Self {
        Self {
            name,
            file,
            recipe,
            choice: Choice::default(),
            timeout: None,
            on_interrupted: None,
            resources: false,
            answers_questions: true,
            is_imported: false,
            is_used: AtomicBool::new(false),
            #[cfg(feature = "mcp")]
            server: std::sync::OnceLock::new(),
        }
    }

    /// Returns `true` if an agent has tools of it.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_imported(&self) -> bool {
        self.is_imported
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaration")
            .field("name", &self.name.text)
            .field("recipe", &self.recipe)
            .field("choice", &self.choice)
            .field("timeout", &self.timeout)
            .field("on_interrupted", &self.on_interrupted)
            .field("resources", &self.resources)
            .field("answers_questions", &self.answers_questions)
            .finish_non_exhaustive()
    }
}
