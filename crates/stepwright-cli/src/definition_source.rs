//! Where the definition of a run is found again: plain data in the metadata of the run.

use crate::args::{self, Doors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The key in the metadata of a run.
const KEY: &str = "definition";

/// With which file a run began, and how that was read.
///
/// What the file may do is not taken from here: to take the run up, one allows it again.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct DefinitionSource {
    /// The workflow file.
    pub(crate) file: PathBuf,
    /// The directory that steps read and write.
    pub(crate) base_dir: PathBuf,
    /// The model of all agents, if the file does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Whether the file was allowed to run commands: to say how the run is taken up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_shell: bool,
    /// From where else the file was allowed to take others, and which variables its commands were
    /// given: for the same reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow_path: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pass_env: Vec<String>,
}

impl DefinitionSource {
    /// The metadata of a run of this file. Nothing where a path cannot be written as text.
    pub(crate) fn metadata(definition: &args::Definition) -> Map<String, Value> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base_dir = definition.base_dir.as_deref().unwrap_or(Path::new("."));
        let origin = Self {
            file: absolute(&definition.file),
            // `/a/.` is `/a`.
            base_dir: absolute(base_dir).components().collect(),
            model: definition.model.clone(),
            allow_shell: definition.allow_shell,
            allow_path: definition.doors.allow_path.iter().map(|path| absolute(path)).collect(),
            pass_env: definition.doors.pass_env.clone(),
        };
        let origin = serde_json::to_value(origin).ok();
        origin.map(|origin| (KEY.to_owned(), origin)).into_iter().collect()
    }

    /// What the file was allowed.
    pub(crate) fn doors(&self) -> Doors {
        Doors { allow_path: self.allow_path.clone(), pass_env: self.pass_env.clone() }
    }

    /// What is known of a run with this metadata: nothing if a program began it.
    pub(crate) fn of(metadata: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(metadata.get(KEY)?).ok()
    }
}
