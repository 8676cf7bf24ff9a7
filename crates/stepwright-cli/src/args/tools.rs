//! The arguments of commands that need no run.

use super::{Doors, In, OneRun, Rules};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use stepwright::UserId;
use stepwright::file::{Diagnostics, Options};

pub(super) const CHECK: &str = "\
A folder is searched for workflow files: YAML and JSON files with a `format`. The check runs
nothing, and needs neither keys nor permission to run commands: the tree shows what the file runs.

Examples:
  stepwright check digest.yaml
  stepwright check flows --format json
  cat digest.yaml | stepwright check -";

pub(super) const CONFIG: &str = "\
Settings are read from `stepwright/stepwright.toml` in your configuration folder, and from
`stepwright.toml` of the project: in the current directory, or above it up to the root of the
repository. A key is the long name of an option; a table is about one command:

  model = \"openai:gpt-5-mini\"
  [chat]
  user = \"Ada\"

The command line wins over the environment, the environment over the project, and the project over
you. `permissions` of a project can only narrow yours, and other permissions are refused, unless you
list its folder under `trust`.";

pub(super) const DOCS: &str = "\
Examples:
  stepwright docs
  stepwright docs workflow-files";

pub(super) const ATTACH: &str = "\
Ctrl-C leaves the run as it is. The text of agents is shown where the run is driven.

Examples:
  stepwright attach last
  stepwright attach r-7 --db runs.db";

pub(super) const FIX: &str = "\
What changes is shown as a difference; comments and everything else stay as they are. With `--check`
nothing is written, and the exit code is 1 if something would change.

Examples:
  stepwright fix digest.yaml
  stepwright fix --check flows/digest.yaml";

pub(super) const SCHEMA: &str = "\
Editors with a YAML language server complete and check a file that names the schema in its first
line: `# yaml-language-server: $schema=stepwright.schema.json`.

Examples:
  stepwright schema > stepwright.schema.json
  stepwright schema --file flows/stepwright.schema.json";

pub(super) const SKILL: &str = "\
Examples:
  stepwright skill install
  stepwright skill show";

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The files and folders; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The model of all agents as `provider:model`; overrides the file
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) doors: Doors,
    /// The directory that steps and tools read and write, and cannot leave; by default the current
    /// directory
    #[arg(long, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
    /// The form of the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: CheckFormat,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
}

/// The form of the result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// The tree of steps, or mistakes with excerpts
    Human,
    /// The tree of steps, or the mistakes, as JSON
    Json,
}

impl Check {
    /// Returns the options to read the files with. A check runs nothing.
    ///
    /// # Errors
    /// Fails with the mistakes in the files of permissions and prices.
    pub(crate) fn options(&self) -> Result<Options, Diagnostics> {
        let Rules { permissions, project, prices } = self.doors.rules()?;
        Ok(Options {
            permissions,
            project_permissions: project,
            prices,
            allow_shell: false,
            only_checks: true,
            playback: false,
            allow_path: self.doors.allow_path.clone(),
            pass_env: self.doors.pass_env.clone(),
            base_dir: self.base_dir.clone(),
            model: self.model.clone(),
            ..Options::default()
        })
    }

    /// Returns `true` if the result is written as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json || self.format == CheckFormat::Json
    }
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) run: OneRun,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) kept: In,
    /// Only runs of this user
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<UserId>,
    /// The maximum number of runs, up to 1000
    #[arg(long, value_name = "N", default_value_t = super::runs::LISTED)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    /// Write the settings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Docs {
    /// The page; without it, all pages are listed
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command into this directory, which is created if it does not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Capabilities {
    /// Write everything as JSON: commands, options, exit codes, providers, pages
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory, which is created if it does not exist; by default the current one
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Fix {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Show what would change, and write nothing
    #[arg(long, alias = "diff")]
    pub(crate) check: bool,
    /// Let the file include prompts and other workflows from this directory too. Can be given
    /// several times
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_path: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Write it to this file, in place of an earlier version, and not to stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Skill {
    /// Write the skill to stdout
    Show,
    /// Write the skill into the folder of skills
    Install(SkillInstall),
}

#[derive(Debug, Args)]
pub(crate) struct SkillInstall {
    /// The folder of skills; by default `.claude/skills` in the current directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Replace an earlier version of the skill
    #[arg(long)]
    pub(crate) force: bool,
}
