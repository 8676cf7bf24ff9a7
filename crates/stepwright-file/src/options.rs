//! Options for reading files.

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
    /// The names of environment variables to pass to commands. Commands always get the few that
    /// every program needs (`PATH`, `HOME`, `LANG`, `TZ` and the like). Other variables are
    /// withheld, because they may contain API keys.
    pub pass_env: Vec<String>,
    /// The model of all agents. Overrides those in the file.
    pub model: Option<String>,
    /// The permissions of the caller. A file can only narrow them with its own. With them, commands
    /// are judged one by one, and [`Options::allow_shell`] allows all of them.
    pub permissions: Option<Permissions>,
    /// `true` if no person can be asked: an effect that needs a permission is refused then.
    pub unattended: bool,
    /// The prices of models. They override the built-in ones.
    pub prices: Option<Prices>,
}
