//! Configuration files: `stepwright.toml` of the user, and of the project. Each key is the name of
//! an option, and stands for it where the command line does not have it.

mod apply;
mod files;
mod options;

pub(crate) use apply::arguments;
pub(crate) use files::{Found, load};

use std::path::PathBuf;
use stepwright::{Error, ErrorId};

/// The name of a configuration file, in the folder of a project and in that of the user.
pub(crate) const FILE: &str = "stepwright.toml";

/// A setting in a configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The command that it is about, such as `["run"]`. Empty for all commands with this option.
    pub(crate) command: Vec<String>,
    /// The long name of the option.
    pub(crate) key: String,
    pub(crate) value: SettingValue,
    pub(crate) place: Place,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingValue {
    Flag(bool),
    /// One value, or several for an option that can be repeated.
    Values(Vec<String>),
}

/// A place in a configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// `true` for the file of a project that the user does not trust.
    pub(crate) is_untrusted: bool,
}

impl Place {
    /// Makes the error of a setting at this place.
    pub(crate) fn wrong(&self, what: &str) -> Error {
        Error::usage(format!("{}:{}: {what}", self.file.display(), self.line))
            .with_id(ErrorId::CONFIGURATION_INVALID)
    }
}

impl std::fmt::Display for SettingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(is_set) => write!(f, "{is_set}"),
            Self::Values(values) => f.write_str(&values.join(", ")),
        }
    }
}
