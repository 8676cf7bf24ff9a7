//! Adds the settings of configuration files to the command line.

use super::options::{check, find, resolved, takes};
use super::{Found, Setting, SettingValue};
use crate::database;
use crate::dispatcher_address::DispatcherAddress;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use stepwright::{Error, ErrorId};

/// The options of the database, which the environment variable overrides.
const DATABASE: [&str; 2] = ["db", "no-db"];

/// Returns the command line with the options of the configuration files that it does not have.
/// `given` is valid by itself.
///
/// # Errors
/// If a setting is invalid.
pub(crate) fn arguments(
    root: &Command,
    given: &[OsString],
    found: &Found,
) -> Result<Vec<OsString>, Error> {
    let Ok(matches) = root.clone().try_get_matches_from(given) else { return Ok(given.to_vec()) };
    let (words, matches) = innermost(&matches);
    for setting in &found.settings {
        check(root, setting)?;
    }
    let Some(command) = find(root, &words) else { return Ok(given.to_vec()) };
    let at = place(given, &words);
    let mut extra: Vec<OsString> = Vec::new();
    let holding = effective(found, &words);
    let is_stored = has_queue(command, matches, &holding);
    for setting in holding {
        if takes(command, &setting.key).is_none()
            || is_overridden(command, matches, &setting.key)
            || (is_stored && setting.key == "db")
        {
            continue;
        }
        let own = words_of(setting);
        let all = [&given[..at], &extra, &own, &given[at..]].concat();
        if let Err(error) = root.clone().try_get_matches_from(&all) {
            return Err(refused(setting, &error));
        }
        extra.extend(own);
    }
    Ok([&given[..at], &extra, &given[at..]].concat())
}

/// Returns the settings that hold for a command: of each option the last one.
fn effective<'f>(found: &'f Found, words: &[String]) -> Vec<&'f Setting> {
    let mut holding: Vec<&Setting> = Vec::new();
    for setting in &found.settings {
        if words.starts_with(&setting.command) || setting.command.is_empty() {
            holding.retain(|earlier| earlier.key != setting.key);
            holding.push(setting);
        }
    }
    holding
}

/// Returns `true` if runs are stored in the database of a queue, whatever `db` is.
fn has_queue(command: &Command, matches: &ArgMatches, holding: &[&Setting]) -> bool {
    const KEY: &str = "dispatcher";
    if takes(command, KEY).is_none() {
        return false;
    }
    let given = matches.try_get_one::<DispatcherAddress>(KEY).ok().flatten().cloned();
    let set = || {
        let setting = holding.iter().find(|setting| setting.key == KEY)?;
        DispatcherAddress::parse(resolved(setting).first()?).ok()
    };
    matches!(given.or_else(set), Some(DispatcherAddress::Database(_)))
}

/// Returns the words of the command that was called, and its arguments.
fn innermost(matches: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut words, mut inner) = (Vec::new(), matches);
    while let Some((name, below)) = inner.subcommand() {
        words.push(name.to_owned());
        inner = below;
    }
    (words, inner)
}

/// Returns `true` if the command line or the environment says otherwise.
fn is_overridden(command: &Command, matches: &ArgMatches, key: &str) -> bool {
    if DATABASE.contains(&key)
        && std::env::var_os(database::VARIABLE).is_some_and(|db| !db.is_empty())
    {
        return true;
    }
    let is_given = |arg: &clap::Arg| {
        let known = matches.try_contains_id(arg.get_id().as_str()).is_ok();
        known && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let Some(own) = command.get_arguments().find(|arg| arg.get_long() == Some(key)) else {
        return false;
    };
    let conflicts = |one: &clap::Arg, other: &clap::Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    let others = command.get_arguments().filter(|arg| is_given(arg));
    is_given(own) || others.into_iter().any(|arg| conflicts(own, arg) || conflicts(arg, own))
}

/// Returns the place after the words of the command.
fn place(given: &[OsString], words: &[String]) -> usize {
    let mut at = 1;
    for word in words {
        let mut rest = given[at..].iter();
        let next = rest.position(|given| given == OsStr::new(word)).unwrap_or_default();
        at += next + 1;
    }
    at.min(given.len())
}

/// Returns the words of an option on the command line.
fn words_of(setting: &Setting) -> Vec<OsString> {
    let key = &setting.key;
    match &setting.value {
        SettingValue::Flag(true) => vec![format!("--{key}").into()],
        SettingValue::Flag(false) => Vec::new(),
        SettingValue::Values(_) => {
            resolved(setting).into_iter().map(|value| format!("--{key}={value}").into()).collect()
        }
    }
}

/// Makes the error of a setting that the option does not take.
fn refused(setting: &Setting, error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let wrong = setting.place.wrong(&format!("`{}`: {first}", setting.key));
    wrong.with_id(ErrorId::CONFIGURATION_INVALID)
}
