//! The programs that make sandboxes.

use crate::environment::is_passed;
use std::ffi::OsString;
use std::fmt;

/// A program that makes sandboxes.
///
/// ```
/// use stepwright_process::Backend;
/// assert_eq!(Backend::Bubblewrap.to_string(), "bubblewrap");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Backend {
    /// `bwrap`, with the programs of this system. It has no images.
    Bubblewrap,
    /// `podman`, with an image.
    Podman,
    /// `docker`, with an image.
    Docker,
}

impl Backend {
    /// The backends, in the order in which they are looked for.
    pub const ALL: [Self; 3] = [Self::Bubblewrap, Self::Podman, Self::Docker];

    /// Returns the name of its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bwrap",
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }

    /// Returns `true` if its program is in `PATH`.
    pub(crate) fn is_installed(self) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| dir.join(self.program()).is_file())
    }

    /// Returns the variables of this process that its program gets: those that every program needs,
    /// and those that say where its images and its daemon are.
    pub(crate) fn variables(self) -> Vec<(OsString, OsString)> {
        let is_one = |name: &str| is_passed(name, &[]) || is_of_client(name);
        let is_one = |name: &OsString| match self {
            // A folder of this machine, which is not in the sandbox.
            Self::Bubblewrap => name.to_str().is_some_and(|it| is_one(it) && !is_temporary(it)),
            Self::Podman | Self::Docker => name.to_str().is_some_and(is_one),
        };
        std::env::vars_os().filter(|(name, _)| is_one(name)).collect()
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Podman => "podman",
            Self::Docker => "docker",
        })
    }
}

/// The beginnings of the names of variables that docker and podman read.
const OF_CLIENTS: [&str; 5] = ["DOCKER_", "CONTAINER", "_CONTAINERS", "STORAGE_", "XDG_"];

/// The beginnings of the names of variables by which the shell and the loader of programs load
/// code.
const OF_LOADERS: [&str; 5] = ["LD_", "DYLD_", "BASH", "GLIBC_", "GCONV_"];

fn is_of_client(name: &str) -> bool {
    OF_CLIENTS.iter().any(|begin| name.starts_with(begin))
        || ["DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"].contains(&name)
}

fn is_temporary(name: &str) -> bool {
    ["TMPDIR", "TEMP", "TMP"].contains(&name)
}

/// Returns `true` for a variable that would change the program that makes the sandbox, which runs
/// outside of it, if that had it.
pub(crate) fn changes_program(name: &str) -> bool {
    is_passed(name, &[])
        || is_of_client(name)
        || OF_LOADERS.iter().any(|begin| name.starts_with(begin))
        || ["ENV", "GODEBUG", "IFS", "LOCPATH", "PS4", "SHELLOPTS"].contains(&name)
}
