//! The source of a run's definition, which is stored as plain data in the metadata of the run.

use crate::args::{self, Doors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use stepwright::file::ChangedPrompt;

/// The key in the metadata of a run.
const KEY: &str = "definition";

/// The workflow file with which a run began, and the options with which it was read.
///
/// Permissions are not restored from it. The person who resumes the run must grant them again.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct DefinitionSource {
    /// The workflow file.
    pub(crate) file: PathBuf,
    /// The directory that steps read and write.
    pub(crate) base_dir: PathBuf,
    /// The model from the command line, which overrides those of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// `true` if the file was allowed to run commands. Used to show the command that resumes the
    /// run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_shell: bool,
    /// The other permissions of the file: its include paths, and the variables of its commands.
    /// Used for the same purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow_path: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pass_env: Vec<String>,
    /// The file of permissions and that of prices, for the same purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permissions: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project_permissions: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prices: Option<PathBuf>,
    /// The prompt that replaces the one of a step, of a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<Prompt>,
    /// The agent of the file that is the whole workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
}

/// A prompt that replaces the one of a step.
#[derive(Debug, Deserialize, Serialize)]
struct Prompt {
    step: Vec<String>,
    text: String,
}

impl DefinitionSource {
    /// Returns the metadata for a run of this file. Empty if a path is not valid Unicode.
    pub(crate) fn metadata(definition: &args::Definition) -> Map<String, Value> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base_dir = definition.base_dir.as_deref().unwrap_or(Path::new("."));
        let origin = Self {
            file: absolute(&definition.file),
            // Removes the trailing dot of `/a/.`.
            base_dir: absolute(base_dir).components().collect(),
            model: definition.model.clone(),
            allow_shell: definition.allow_shell,
            allow_path: definition.doors.allow_path.iter().map(|path| absolute(path)).collect(),
            pass_env: definition.doors.pass_env.clone(),
            permissions: definition.doors.permissions.as_deref().map(absolute),
            project_permissions: definition.doors.project_permissions.as_deref().map(absolute),
            prices: definition.doors.prices.as_deref().map(absolute),
            prompt: definition
                .prompt
                .clone()
                .map(|ChangedPrompt { step, text }| Prompt { step, text }),
            agent: definition.agent.clone(),
        };
        let origin = serde_json::to_value(origin).ok();
        origin.map(|origin| (KEY.to_owned(), origin)).into_iter().collect()
    }

    /// Returns the prompt that replaces the one of a step.
    pub(crate) fn prompt(&self) -> Option<ChangedPrompt> {
        let Prompt { step, text } = self.prompt.as_ref()?;
        Some(ChangedPrompt { step: step.clone(), text: text.clone() })
    }

    /// Returns the permissions that the file had.
    pub(crate) fn doors(&self) -> Doors {
        Doors {
            allow_path: self.allow_path.clone(),
            pass_env: self.pass_env.clone(),
            permissions: self.permissions.clone(),
            project_permissions: self.project_permissions.clone(),
            prices: self.prices.clone(),
        }
    }

    /// Reads the source from the metadata of a run. `None` if a Rust program started the run.
    pub(crate) fn of(metadata: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(metadata.get(KEY)?).ok()
    }
}
