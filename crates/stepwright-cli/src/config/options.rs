//! The options that a configuration file can set, from the definition of the command line.

use super::{Setting, SettingValue};
use crate::database::Database;
use clap::{ArgAction, Command};
use std::path::{Component, Path};
use stepwright::{Error, ErrorId};

/// Options about one run, one answer or one file. A file that set them would act for the person.
const OF_ONE_RUN: [&str; 21] = [
    "accept-changes",
    "after",
    "always",
    "answers",
    "append",
    "approve",
    "by",
    "done",
    "edit",
    "increment",
    "input-file",
    "interrupted",
    "merge",
    "reject",
    "retry",
    "run-id",
    "select",
    "set",
    "skip",
    "submit",
    "yes",
];

/// Options of every command that are no settings.
const NO_SETTINGS: [&str; 2] = ["help", "version"];

/// Options with which a file could widen what the user allows. A project may set them only if the
/// user trusts it.
const PERMISSIONS: [&str; 20] = [
    "allow-host",
    "allow-origin",
    "allow-path",
    "allow-shell",
    "base-dir",
    "env-file",
    "http",
    "jwt-algorithm",
    "jwt-audience",
    "jwt-issuer",
    "jwt-jwks",
    "jwt-key",
    "jwt-secret",
    "jwt-skew",
    "mcp-agents",
    "operate",
    "pass-env",
    "permissions",
    "prices",
    "public-url",
];

/// Options whose values are paths, relative to the configuration file.
const PATHS: [&str; 11] = [
    "allow-path",
    "base-dir",
    "db",
    "dir",
    "env-file",
    "jwt-jwks",
    "jwt-key",
    "jwt-secret",
    "permissions",
    "prices",
    "project-permissions",
];

/// The largest edit distance at which a similar option is suggested.
const DIFFERENCE_MAX: usize = 3;

/// The kind of value that an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Flag,
    One,
    Several,
}

/// Returns the kind of value of an option of this command.
pub(super) fn takes(command: &Command, key: &str) -> Option<Takes> {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(key))?;
    Some(match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count => Takes::Flag,
        ArgAction::Append => Takes::Several,
        _ => Takes::One,
    })
}

/// Returns the command with these words.
pub(super) fn find<'c>(root: &'c Command, words: &[String]) -> Option<&'c Command> {
    words.iter().try_fold(root, |command, word| command.find_subcommand(word))
}

/// Returns the commands below one, each with its words.
pub(super) fn all(root: &Command) -> Vec<(Vec<String>, &Command)> {
    let mut found = vec![(Vec::new(), root)];
    let mut at = 0;
    while at < found.len() {
        let (words, command) = found[at].clone();
        for inner in command.get_subcommands() {
            let name = inner.get_name().to_owned();
            found.push(([words.clone(), vec![name]].concat(), inner));
        }
        at += 1;
    }
    found
}

/// Checks that the option exists, that a configuration file can set it, and that its value has the
/// right form.
///
/// # Errors
/// If not.
pub(super) fn check(root: &Command, setting: &Setting) -> Result<(), Error> {
    let Setting { command, key, value, place } = setting;
    if OF_ONE_RUN.contains(&key.as_str()) {
        let wrong = place.wrong(&format!("`{key}` cannot be set in a file"));
        return Err(wrong.with_hint(format!("pass `--{key}` on the command line each time")));
    }
    let commands = if command.is_empty() {
        all(root)
    } else if let Some(found) = find(root, command) {
        vec![(command.clone(), found)]
    } else {
        let wrong = place.wrong(&format!("there is no command `{}`", command.join(" ")));
        let all = all(root);
        return Err(match near(command.last(), all.iter().map(|(_, c)| c.get_name())) {
            Some(near) => wrong.with_hint(format!("did you mean `[{near}]`?")),
            None => wrong.with_hint("`stepwright --help` lists the commands"),
        });
    };
    let found = commands.iter().find_map(|(_, command)| takes(command, key));
    let is_setting = !NO_SETTINGS.contains(&key.as_str());
    let Some(takes) = found.filter(|_| is_setting) else {
        let of = match command.as_slice() {
            [] => String::new(),
            words => format!(" of `stepwright {}`", words.join(" ")),
        };
        let wrong = place.wrong(&format!("`{key}` is not an option{of}"));
        let names = commands.iter().flat_map(|(_, command)| command.get_arguments());
        let names = names.filter_map(clap::Arg::get_long);
        return Err(match near(Some(key), names) {
            Some(near) => wrong.with_hint(format!("did you mean `{near}`?")),
            None => wrong
                .with_hint("a key is the long name of an option: `stream = true` for `--stream`"),
        });
    };
    match (takes, value) {
        (Takes::Flag, SettingValue::Flag(_)) | (Takes::Several, SettingValue::Values(_)) => {}
        (Takes::One, SettingValue::Values(values)) if values.len() == 1 => {}
        (Takes::Flag, _) => {
            let wrong = place.wrong(&format!("`{key}` is true or false, not `{value}`"));
            return Err(wrong.with_hint(format!("write `{key} = true`")));
        }
        (Takes::One, SettingValue::Values(_)) => {
            return Err(place.wrong(&format!("`{key}` takes one value, not a list")));
        }
        (_, SettingValue::Flag(_)) => {
            let wrong = place.wrong(&format!("`{key}` takes a value, not `{value}`"));
            return Err(wrong.with_hint(format!("write `{key} = \"…\"`")));
        }
    }
    if place.is_untrusted && widens(setting) {
        let what = format!(
            "{}:{}: `{key}` could widen what you allow, and this project is not trusted",
            place.file.display(),
            place.line
        );
        let folder = place.file.parent().unwrap_or(Path::new(".")).display();
        return Err(Error::usage(what).with_id(ErrorId::CONFIGURATION_UNTRUSTED).with_hint(
            format!(
                "pass it on the command line, or add `trust = [\"{folder}\"]` to your own \
                 configuration file: `stepwright config` names it"
            ),
        ));
    }
    Ok(())
}

/// Returns `true` if an untrusted project must not set this.
fn widens(setting: &Setting) -> bool {
    let values = match &setting.value {
        SettingValue::Flag(is_set) => return *is_set && is_permission(&setting.key),
        SettingValue::Values(values) => values,
    };
    // A database elsewhere would receive everything that runs read and write.
    let is_elsewhere = |db: &String| match Database::named(db.into()) {
        Database::Server(_) => true,
        Database::File { path, .. } => {
            path.is_absolute() || path.components().any(|part| part == Component::ParentDir)
        }
    };
    let names_one = matches!(setting.key.as_str(), "db" | "dispatcher");
    is_permission(&setting.key) || (names_one && values.iter().any(is_elsewhere))
}

fn is_permission(key: &str) -> bool {
    PERMISSIONS.contains(&key)
}

/// Returns the values with paths that are relative to the configuration file.
pub(super) fn resolved(setting: &Setting) -> Vec<String> {
    let SettingValue::Values(values) = &setting.value else { return Vec::new() };
    let folder = setting.place.file.parent().unwrap_or(Path::new(""));
    let resolve = |value: &String| {
        let is_path = PATHS.contains(&setting.key.as_str())
            && !(is_address(&setting.key) && value.contains("://"));
        if is_path { folder.join(value).display().to_string() } else { value.clone() }
    };
    values.iter().map(resolve).collect()
}

/// Returns `true` for an option whose value may be an address in place of a path.
fn is_address(key: &str) -> bool {
    matches!(key, "db" | "jwt-jwks")
}

fn near<'n>(key: Option<impl AsRef<str>>, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let key = key?;
    let names = names.map(|name| (strsim::damerau_levenshtein(key.as_ref(), name), name));
    let near = names.filter(|(difference, _)| *difference <= DIFFERENCE_MAX).min();
    near.map(|(_, name)| name)
}
