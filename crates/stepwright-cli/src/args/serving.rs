//! The arguments of commands that serve workflows.

use super::{Definition, Doors, Kept};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The value of `--agents` without names, which stands for all agents.
pub(crate) const ALL: &str = "*";

pub(super) const MCP: &str = "\
Each workflow is a tool, and each call is a run of it. With --agents, so is each agent. Programs
such as editors start this command themselves. With --http they reach it at http://ADDR/mcp; with an
address of another machine, each request needs the token in `STEPWRIGHT_MCP_TOKEN`.

Examples:
  stepwright mcp digest.yaml review.yaml
  stepwright mcp team.yaml --agents
  stepwright mcp team.yaml --agents=planner,editor
  stepwright mcp digest.yaml --http 127.0.0.1:8808 --operate";

pub(super) const LOGIN: &str = "\
The login belongs to this server of this file: other files cannot use it. The tokens are kept in
your state folder, in a file that only you can read, and are refreshed when they expire.

Examples:
  stepwright login issues.yaml
  stepwright login issues.yaml github";

/// The arguments of `login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The workflow file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The MCP server, by its name in the file; can be left out if only one has a login
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) doors: Doors,
}

impl Login {
    pub(crate) fn definition(&self) -> Definition {
        Definition {
            file: self.file.clone(),
            model: None,
            // Nothing of the file is run.
            allow_shell: true,
            doors: self.doors.clone(),
            base_dir: None,
            prompt: None,
            agent: None,
        }
    }
}

/// The arguments of `mcp`.
#[derive(Debug, Args)]
pub(crate) struct Mcp {
    /// The workflow files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Serve over HTTP at this address, and not over stdin and stdout; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Allow this name in the address, besides those of this machine; can be given several times
    #[arg(long, value_name = "HOST", requires = "http")]
    pub(crate) allow_host: Vec<String>,
    /// Allow pages of this origin, such as `https://app.example.org`; by default pages are refused.
    /// Can be given several times
    #[arg(long, value_name = "ORIGIN", requires = "http")]
    pub(crate) allow_origin: Vec<String>,
    /// Serve agents of the files as tools too: all of them, or only those that are named here. A
    /// call of an agent passes by the steps around it, and their reviews
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = ALL
    )]
    pub(crate) agents: Vec<String>,
    /// Add tools that answer, retry, fork and cancel runs; without it, they only list and show them
    #[arg(long)]
    pub(crate) operate: bool,
    /// The model of all agents as `provider:model`; overrides the files
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Allow steps that run commands; without it, a file with such steps is refused
    #[arg(long)]
    pub(crate) allow_shell: bool,
    #[command(flatten)]
    pub(crate) doors: Doors,
    /// The directory that steps and tools read and write, and cannot leave; by default the current
    /// directory
    #[arg(long, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

impl Mcp {
    /// Returns the arguments of one of the files.
    pub(crate) fn definition(&self, file: &std::path::Path) -> Definition {
        Definition {
            file: file.to_owned(),
            model: self.model.clone(),
            allow_shell: self.allow_shell,
            doors: self.doors.clone(),
            base_dir: self.base_dir.clone(),
            prompt: None,
            agent: None,
        }
    }
}
