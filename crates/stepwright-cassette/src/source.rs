//! The workflow file of a cassette, and the options with which it is read.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use stepwright_core::permission::Permissions;
use stepwright_core::redact::redact;
use stepwright_core::{Error, ErrorId};
use stepwright_engine::WorkflowBuilder;
use stepwright_file::{ChangedPrompt, Definition, Options, Variables};

/// The workflow file of a cassette. Paths are relative to the folder of the cassette.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSource {
    pub(crate) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<Prompt>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow_shell: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow_path: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unattended: bool,
    /// The values of the variables that the file declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    /// The names of its secrets. Their values are in no recording.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
}

/// A prompt that replaces the one of a step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    step: Vec<String>,
    text: String,
}

impl FileSource {
    /// Describes the file at `path`, as it was read with `options`, for a cassette at `cassette`.
    pub(crate) fn of(path: &Path, options: &Options, cassette: &Path) -> Result<Self, Error> {
        let folder = absolute(cassette.parent().unwrap_or(Path::new("")))?;
        let read = Definition::read(path, &Options { playback: true, ..options.clone() });
        let definition = read.map_err(|mistakes| unusable(path, &mistakes.to_string()))?;
        let value = |name: &String| {
            let given = options.variables.get(name).map(ToOwned::to_owned);
            let given = given.or_else(|| std::env::var(name).ok())?;
            Some((name.clone(), redact(&given).into_owned()))
        };
        let allow_path = options.allow_path.iter().map(|path| relative(path, &folder));
        Ok(Self {
            path: relative(path, &folder)?,
            model: options.model.clone(),
            prompt: options
                .prompt
                .clone()
                .map(|ChangedPrompt { step, text }| Prompt { step, text }),
            allow_shell: options.allow_shell,
            allow_path: allow_path.collect::<Result<_, _>>()?,
            permissions: options.permissions.clone(),
            unattended: options.unattended,
            env: definition.env_names().iter().filter_map(value).collect(),
            secrets: definition.secret_names(),
        })
    }

    /// Reads the file for a playback.
    pub(crate) fn builder(&self, cassette: &Path) -> Result<WorkflowBuilder, Error> {
        let folder = cassette.parent().unwrap_or(Path::new(""));
        let path = folder.join(&self.path);
        let secrets = self.secrets.iter().map(|name| (name.clone(), format!("<{name}>")));
        let env = self.env.iter().map(|(name, value)| (name.clone(), value.clone()));
        let prompt = self.prompt.clone();
        let options = Options {
            allow_shell: self.allow_shell,
            allow_path: self.allow_path.iter().map(|path| folder.join(path)).collect(),
            variables: env.chain(secrets).collect::<Variables>(),
            model: self.model.clone(),
            prompt: prompt.map(|Prompt { step, text }| ChangedPrompt { step, text }),
            playback: true,
            permissions: self.permissions.clone(),
            unattended: self.unattended,
            ..Options::default()
        };
        let definition = Definition::read(&path, &options)
            .map_err(|mistakes| unusable(&path, &mistakes.to_string()))?;
        definition.builder()
    }
}

fn unusable(path: &Path, why: &str) -> Error {
    let what = format!("the workflow file `{}` of the test cannot be used:\n{why}", path.display());
    Error::usage(what.trim_end().to_owned()).with_id(ErrorId::CASSETTE_UNFIT)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().map_err(|error| {
        let what = format!("`{}` cannot be found: {error}", path.display());
        Error::usage(what).with_id(ErrorId::CASSETTE_INVALID)
    })
}

/// Returns a path relative to a folder, with `/` between its parts.
fn relative(path: &Path, folder: &Path) -> Result<String, Error> {
    let path = absolute(path)?;
    let common = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| "..".to_owned());
    let down = path.components().skip(common).filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    Ok(up.chain(down).collect::<Vec<_>>().join("/"))
}
