//! Options for reading files.

use crate::host::Functions;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use stepwright_core::cost::Prices;
use stepwright_core::permission::Permissions;

/// Options for reading files, with their permissions.
///
/// ```
/// use stepwright_file::{Definition, Options};
/// let text = "
/// format: 1
/// name: Today
/// steps:
///   - {name: say, shell: echo hello}
/// ";
/// let mistakes = Definition::parse(text, "today.yaml", &Options::default()).unwrap_err();
/// let first = mistakes.iter().next().unwrap();
/// assert_eq!(first.message, "this file runs commands, which is not allowed");
/// let trusted = Options { allow_shell: true, ..Options::default() };
/// assert_eq!(Definition::parse(text, "today.yaml", &trusted)?.name(), "Today");
/// # Ok::<(), stepwright_file::Diagnostics>(())
/// ```
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Options {
    /// `true` if steps may run commands. Otherwise a file with such steps is refused.
    pub allow_shell: bool,
    /// The directory that steps and tools read and write, and cannot leave. The default is the
    /// current directory. Prompts and other workflows are found relative to the file that names
    /// them.
    pub base_dir: Option<PathBuf>,
    /// The directories from which a file may include prompts and other workflows, besides its own
    /// folder. References cannot lead elsewhere, because a workflow file may not be trustworthy.
    pub allow_path: Vec<PathBuf>,
    /// The names of environment variables that the file may read and pass to commands. It always
    /// has the few that every program needs (`PATH`, `HOME`, `LANG`, `TZ` and the like). Other
    /// variables are withheld, because they may contain API keys.
    pub pass_env: Vec<String>,
    /// Values for the names that the file declares under `env` and `secrets`, in place of the
    /// environment of this process. What is given here is allowed.
    pub variables: Variables,
    /// The folder that keeps the tokens of logins at MCP servers. Each login belongs to one server
    /// of one file: another file cannot use it.
    pub token_dir: Option<PathBuf>,
    /// The model of all agents. Overrides those in the file.
    pub model: Option<String>,
    /// Another prompt for one step of the file.
    pub prompt: Option<ChangedPrompt>,
    /// `true` if the file is checked and not run. A check accepts steps that run commands, and
    /// models whose key is missing. The definition then shows its steps, and cannot be built.
    pub only_checks: bool,
    /// `true` if a recording answers for all models and effects: see
    /// [`Player`](stepwright_core::playback::Player). No key is needed then, and no request can
    /// reach a provider.
    pub playback: bool,
    /// The permissions of the caller. A file can only narrow them with its own. With them, commands
    /// are judged one by one, and [`Options::allow_shell`] allows all of them.
    pub permissions: Option<Permissions>,
    /// The permissions of the project, which can only narrow those of the caller: each effect needs
    /// the permission of both. With them alone, the caller is asked about every effect.
    pub project_permissions: Option<Permissions>,
    /// `true` if no person can be asked: an effect that needs a permission is refused then.
    pub unattended: bool,
    /// The functions of this program that steps can call by name.
    pub functions: Functions,
    /// The prices of models. They override the built-in ones.
    pub prices: Option<Prices>,
}

/// A prompt that replaces the one of a step: see [`Options::prompt`].
///
/// ```
/// use stepwright_file::{ChangedPrompt, Definition, Options};
/// let text = "
/// format: 1
/// name: News
/// model: offline
/// agents: {writer: {}}
/// steps:
///   - {name: write, agent: writer, prompt: 'Write about {{ input }}.'}
/// ";
/// let changed = ChangedPrompt { step: vec!["write".into()], text: "Sing of {{ input }}.".into() };
/// let options = Options { prompt: Some(changed), ..Options::default() };
/// let definition = Definition::parse(text, "news.yaml", &options)?;
/// let plain = Definition::parse(text, "news.yaml", &Options::default())?;
/// assert_ne!(definition.builder()?.build()?.digest(), plain.builder()?.build()?.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedPrompt {
    /// The names from the outside in to the step, without numbers of turns and items.
    pub step: Vec<String>,
    /// The prompt: a template, as in a file.
    pub text: String,
}

/// Values for the variables and secrets that a file declares. The debug output shows names only.
///
/// ```
/// use stepwright_file::{Definition, Options, Variables};
/// let text = "
/// format: 1
/// name: Greeting
/// env: [PLACE]
/// steps:
///   - {name: greet, template: 'Hello from {{ env.PLACE }}!'}
/// ";
/// let variables = Variables::from([("PLACE", "Bergen")]);
/// let options = Options { variables, ..Options::default() };
/// let workflow = Definition::parse(text, "greeting.yaml", &options)?.build()?;
/// assert_eq!(workflow.run("").blocking()?.content.text(), "Hello from Bergen!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Returns the value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<N: Into<String>, V: Into<String>, const COUNT: usize> From<[(N, V); COUNT]> for Variables {
    fn from(variables: [(N, V); COUNT]) -> Self {
        variables.into_iter().collect()
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
