//! The arguments of commands that serve workflows.

use super::{Definition, Doors, In, Kept};
use crate::database::Database;
use crate::dispatcher_address::DispatcherAddress;
use clap::Args;
#[cfg(feature = "mcp")]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(super) const WORKER: &str = "\
Any number of workers on any number of machines share the runs of one database. `run` and `serve`
submit them, with the same --dispatcher URL. A worker that dies or is cut off loses its runs to
others within seconds. On Ctrl-C and SIGTERM it leaves those that do not end within five seconds.

Examples:
  stepwright worker digest.yaml review.yaml --dispatcher postgres://anna@db.example/agents
  stepwright worker train.yaml --queues gpu,default --dispatcher postgres://anna@db.example/agents
  stepwright run digest.yaml docs --dispatcher postgres://anna@db.example/agents
  stepwright serve digest.yaml --dispatcher postgres://anna@db.example/agents";

/// The options with which a command reads the workflow files that it serves.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// The model of all agents as `provider:model`; overrides the files
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Allow steps that run commands; without it, a file with such steps is refused
    #[arg(long)]
    allow_shell: bool,
    #[command(flatten)]
    doors: Doors,
    /// The directory that steps and tools read and write, and cannot leave; by default the current
    /// directory
    #[arg(long, value_name = "DIR")]
    base_dir: Option<PathBuf>,
}

impl Reading {
    /// Returns the arguments of one of the files.
    pub(crate) fn definition(&self, file: &Path) -> Definition {
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

/// The arguments of `worker`.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The workflow files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The dispatcher: the queue of the PostgreSQL database with the runs, as
    /// `postgres://user:password@host/database`, or one beside the database of `--db`.
    /// `stepwright-restate` has `restate://…`
    #[arg(long, value_name = "URL", value_parser = DispatcherAddress::parse)]
    pub(crate) dispatcher: DispatcherAddress,
    /// The PostgreSQL database with the runs, if it is not that of the dispatcher; the default is
    /// `STEPWRIGHT_DB`
    #[arg(long, value_name = "DB", value_parser = super::database())]
    db: Option<Database>,
    /// The largest number of runs to drive at once
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) concurrency: u16,
    /// The queues to serve: the worker carries out the steps with such a `queue:`, and hands runs
    /// over to other workers for the rest. Steps without one are in the queue `default`, which is
    /// the only one served by default
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = queue)]
    pub(crate) queues: Vec<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Reads the name of a queue.
fn queue(text: &str) -> Result<String, String> {
    match stepwright::dispatch::queue_mistake(text) {
        None => Ok(text.to_owned()),
        Some(why) => Err(why.to_owned()),
    }
}

pub(super) const WORKERS: &str = "\
Examples:
  stepwright workers --db postgres://anna@db.example/agents
  stepwright workers --db postgres://anna@db.example/agents --json";

/// The arguments of `workers`.
#[derive(Debug, Args)]
pub(crate) struct Workers {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: In,
}

impl Worker {
    /// Returns the place of the runs.
    pub(crate) fn kept(&self) -> Kept {
        let (session_id, user_id, lock_wait, no_db) = (None, None, None, false);
        Kept { session_id, user_id, db: self.db.clone(), lock_wait, no_db }
    }
}

#[cfg(feature = "mcp")]
/// The value of `--agents` without names, which stands for all agents.
pub(crate) const ALL: &str = "*";

#[cfg(feature = "mcp")]
pub(super) const MCP: &str = "\
Each workflow is a tool, and each call is a run of it. With --agents, so is each agent. Programs
such as editors start this command themselves. With --http they reach it at http://ADDR/mcp; with an
address of another machine, each request needs the token in `STEPWRIGHT_MCP_TOKEN`.

Examples:
  stepwright mcp digest.yaml review.yaml
  stepwright mcp team.yaml --agents
  stepwright mcp team.yaml --agents=planner,editor
  stepwright mcp digest.yaml --http 127.0.0.1:8808 --operate";

#[cfg(feature = "mcp")]
pub(super) const LOGIN: &str = "\
The login belongs to this server of this file: other files cannot use it. The tokens are kept in
your state folder, in a file that only you can read, and are refreshed when they expire.

Examples:
  stepwright login issues.yaml
  stepwright login issues.yaml github";

/// The arguments of `login`.
#[cfg(feature = "mcp")]
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

#[cfg(feature = "mcp")]
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
#[cfg(feature = "mcp")]
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
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

#[cfg(feature = "serve")]
pub(super) const SERVE: &str = "\
The page is at http://127.0.0.1:7777, beside an API for programs and the API of AgentOS. Each agent
of the files is served too. Without keys the server is for this machine only; once there are keys,
each request needs one.

Examples:
  stepwright serve digest.yaml review.yaml
  stepwright serve --demo
  stepwright keys create anna --role operator
  stepwright serve digest.yaml --host 0.0.0.0 --allow-host flows.example.org --auth
  stepwright serve digest.yaml --jwt-jwks https://login.example.org/keys --jwt-audience flows";

/// The arguments of `serve`.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Serve {
    /// The workflow files
    #[arg(value_name = "FILE", required_unless_present = "demo")]
    pub(crate) files: Vec<PathBuf>,
    /// Serve sample workflows too, which need no key and no network
    #[arg(long)]
    pub(crate) demo: bool,
    /// Listen at this address; one that other machines reach needs keys
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) host: std::net::IpAddr,
    /// Listen at this port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 7777)]
    pub(crate) port: u16,
    /// Require a key of each request, even if there are none yet
    #[arg(long, conflicts_with = "insecure")]
    pub(crate) auth: bool,
    /// Let other machines reach the server without keys
    #[arg(long)]
    pub(crate) insecure: bool,
    #[command(flatten)]
    pub(crate) tokens: Tokens,
    /// Allow this name in the address, besides those of this machine; can be given several times
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// Allow pages of this origin, such as `https://app.example.org`, in place of agent-ui at
    /// `http://localhost:3000`. Can be given several times
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// The address at which people reach the server, for links in notifications, such as
    /// `https://flows.example.org`; by default the one at which it listens
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Make agents and teams tools at `/mcp` too; a call of one passes by the reviews of workflows
    #[cfg(feature = "mcp")]
    #[arg(long)]
    pub(crate) mcp_agents: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Store runs and sessions in this SQLite file, which is created if it does not exist, or in
    /// the PostgreSQL database at this URL. The default is that of `run`
    #[arg(long, value_name = "DB", value_parser = super::database())]
    db: Option<Database>,
    /// Wait so long while another process writes to the SQLite file; the default is `5s`
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    lock_wait: Option<std::time::Duration>,
    /// Store nothing: runs end with this command
    #[arg(long, conflicts_with_all = ["db", "lock_wait"])]
    no_db: bool,
    /// Submit runs to a dispatcher, and drive none: each `stepwright worker` of the same address
    /// drives some. It is the queue of the PostgreSQL database at this URL, which stores the runs
    /// too, or a dispatcher beside a PostgreSQL `--db`. `stepwright-restate` has `restate://…`
    #[arg(
        long,
        value_name = "URL",
        value_parser = DispatcherAddress::parse,
        conflicts_with = "no_db"
    )]
    pub(crate) dispatcher: Option<DispatcherAddress>,
}

/// The rules for JSON Web Tokens, if clients of `serve` send them.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the names of the options begin with it")]
pub(crate) struct Tokens {
    /// Accept tokens signed by a key of this JWKS: an address, or a file
    #[arg(long, value_name = "URL|FILE", group = "jwt", requires = "jwt_audience")]
    pub(crate) jwt_jwks: Option<String>,
    /// Accept tokens signed by the public key in this PEM file
    #[arg(long, value_name = "FILE", group = "jwt", requires = "jwt_audience")]
    pub(crate) jwt_key: Option<PathBuf>,
    /// Accept tokens signed with the secret in this file, without the end of its line
    #[arg(long, value_name = "FILE", group = "jwt", requires = "jwt_audience")]
    pub(crate) jwt_secret: Option<PathBuf>,
    /// Accept tokens for this audience, their `aud`; can be given several times
    #[arg(long, value_name = "AUDIENCE", requires = "jwt")]
    pub(crate) jwt_audience: Vec<String>,
    /// Accept tokens of this issuer only, their `iss`
    #[arg(long, value_name = "ISSUER", requires = "jwt")]
    pub(crate) jwt_issuer: Option<String>,
    /// Accept this algorithm, such as `RS256`, and no other; can be given several times. By
    /// default all that fit the key
    #[arg(long, value_name = "NAME", requires = "jwt")]
    pub(crate) jwt_algorithm: Vec<stepwright_server::JwtAlgorithm>,
    /// Accept tokens whose times are off by this much; the default is `30s`
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = crate::duration::parse,
        requires = "jwt"
    )]
    pub(crate) jwt_skew: Option<std::time::Duration>,
}

#[cfg(feature = "serve")]
impl Serve {
    /// Returns the place of the runs.
    pub(crate) fn kept(&self) -> Kept {
        let Self { db, lock_wait, no_db, .. } = self;
        let (session_id, user_id) = (None, None);
        Kept { session_id, user_id, db: db.clone(), lock_wait: *lock_wait, no_db: *no_db }
    }
}

/// The arguments of `keys`.
#[cfg(feature = "serve")]
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Keys {
    /// Make a key, and write it to stdout; it is shown only once
    Create(KeyMade),
    /// List the keys: id, role, name, user and end, with tabs between them
    List(KeyList),
    /// Revoke a key; servers refuse it at once
    Revoke(KeyRevoked),
}

/// A key to make.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct KeyMade {
    /// The name of the key, for people
    pub(crate) name: String,
    /// `viewer` sees runs, `operator` starts and changes them, `approver` answers their requests,
    /// `admin` does everything
    #[arg(long, default_value = "viewer")]
    pub(crate) role: stepwright_server::Role,
    /// Only runs and sessions of this user; by default those of all users
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<stepwright::UserId>,
    /// Refuse the key after this time; by default it does not expire
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub(crate) expires: Option<std::time::Duration>,
}

/// The arguments of `keys list`.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct KeyList {}

/// A key to revoke.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct KeyRevoked {
    /// The id of the key, as `keys list` shows it
    pub(crate) id: String,
}
