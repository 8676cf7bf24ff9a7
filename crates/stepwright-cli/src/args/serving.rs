//! The arguments of commands that serve workflows.

use super::{Definition, Doors, Kept};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) const MCP: &str = "\
Each workflow is a tool, and each call is a run of it. Programs such as editors start this command
themselves. With --http they reach it at http://ADDR/mcp; with an address of another machine, each
request needs the token in `STEPWRIGHT_MCP_TOKEN`.

Examples:
  stepwright mcp digest.yaml review.yaml
  stepwright mcp digest.yaml --http 127.0.0.1:8808 --operate";

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
        }
    }
}
