//! The arguments about knowledge bases.

use super::{Definition, Doors};
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
The knowledge bases are those that a workflow file declares under `knowledge:`. Their documents are
files beneath the folder of that file. A document that did not change is not embedded again.

Examples:
  stepwright knowledge update desk.yaml
  stepwright knowledge add desk.yaml docs/new.md --name handbook
  stepwright knowledge search desk.yaml 'How long can goods be sent back?'
  stepwright knowledge list desk.yaml --json
  stepwright knowledge remove desk.yaml docs/old.md";

#[derive(Debug, Subcommand)]
pub(crate) enum Knowledge {
    /// Bring knowledge bases up to date with their documents; without a name all of the file
    Update {
        #[command(flatten)]
        base: BaseOf,
        #[command(flatten)]
        told: ToldOf,
    },
    /// Add documents that the sources of the file do not match
    Add {
        #[command(flatten)]
        base: BaseOf,
        /// The documents, beneath the folder of the workflow file
        #[arg(value_name = "DOCUMENT", required = true)]
        documents: Vec<PathBuf>,
        #[command(flatten)]
        told: ToldOf,
    },
    /// Remove documents, by their names in `list`
    Remove {
        #[command(flatten)]
        base: BaseOf,
        /// The names of the documents
        #[arg(value_name = "DOCUMENT", required = true)]
        documents: Vec<String>,
        #[command(flatten)]
        told: ToldOf,
    },
    /// List the documents; without a name those of all knowledge bases
    List {
        #[command(flatten)]
        base: BaseOf,
        #[command(flatten)]
        told: ToldOf,
    },
    /// Search, as agents do
    Search {
        #[command(flatten)]
        base: BaseOf,
        /// The question
        query: String,
        /// The maximum number of passages
        #[arg(long, value_name = "N", default_value_t = stepwright::knowledge::PASSAGES)]
        limit: usize,
        #[command(flatten)]
        told: ToldOf,
    },
}

/// A knowledge base of a workflow file.
#[derive(Debug, Args)]
pub(crate) struct BaseOf {
    /// The workflow file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The knowledge base; can be left out if the file has only one
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) doors: Doors,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ToldOf {
    /// Write the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl BaseOf {
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
