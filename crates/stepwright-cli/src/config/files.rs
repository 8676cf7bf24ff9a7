//! Finds and reads configuration files.

use super::{FILE, Place, Setting, SettingValue};
use crate::folders;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use stepwright::{Error, ErrorId};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest configuration file. It is read before each command.
const BYTES_MAX: u64 = 256 * 1024;

/// The key of the folders whose projects may set permissions.
const TRUST: &str = "trust";

/// The option of a file of permissions, and that for the file of a project, which can only narrow.
const PERMISSIONS: &str = "permissions";
const PROJECT_PERMISSIONS: &str = "project-permissions";

/// The mark of a folder in which the search for the file of a project ends.
const ROOT: &str = ".git";

/// The configuration files, and their settings.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The file of the user, which may not exist.
    pub(crate) user: Option<PathBuf>,
    /// The file of the project, if there is one.
    pub(crate) project: Option<PathBuf>,
    /// The settings of the user, then those of the project, which win.
    pub(crate) settings: Vec<Setting>,
}

/// Reads the configuration files of the user and of the project.
///
/// # Errors
/// If a file cannot be read, or is not a valid configuration.
pub(crate) fn load() -> Result<Found, Error> {
    let user = folders::configuration().map(|folder| folder.join(FILE));
    let project = project();
    let mut found = Found { user, project, settings: Vec::new() };
    let mut trusted = Vec::new();
    if let Some(file) = &found.user
        && let Some(text) = read(file)?
    {
        let (settings, trust) = parse(&text, file, true, false)?;
        found.settings.extend(settings);
        trusted = trust;
    }
    // The user may work in the folder of the configuration.
    if let Some(file) = found.project.clone().filter(|file| Some(file) != found.user.as_ref())
        && let Some(text) = read(&file)?
    {
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        let is_trusted = folder.is_some_and(|folder| {
            trusted
                .iter()
                .filter_map(|trust| trust.canonicalize().ok())
                .any(|t| folder.starts_with(t))
        });
        found.settings.extend(parse(&text, &file, false, !is_trusted)?.0);
    }
    Ok(found)
}

/// Returns the file of the project: in the current directory, or in a directory above it up to the
/// root of its repository.
fn project() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    if here.join(FILE).is_file() {
        return Some(here.join(FILE));
    }
    // Without a repository, a directory above belongs to anything.
    let root = here.ancestors().position(|folder| folder.join(ROOT).exists())?;
    let mut folders = here.ancestors().take(root + 1);
    folders.find(|folder| folder.join(FILE).is_file()).map(|folder| folder.join(FILE))
}

fn read(file: &Path) -> Result<Option<String>, Error> {
    let wrong = |why: String| {
        Error::usage(format!("{}: {why}", file.display())).with_id(ErrorId::CONFIGURATION_INVALID)
    };
    match fs::metadata(file) {
        Ok(about) if about.len() > BYTES_MAX => {
            return Err(wrong(format!("a configuration file has at most {BYTES_MAX} bytes")));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    }
    fs::read_to_string(file).map(Some).map_err(|error| wrong(format!("cannot be read: {error}")))
}

/// Parses a file. Returns its settings and the folders that the user trusts.
fn parse(
    text: &str,
    file: &Path,
    is_of_user: bool,
    is_untrusted: bool,
) -> Result<(Vec<Setting>, Vec<PathBuf>), Error> {
    let place = |at: usize| {
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        Place { file: file.to_owned(), line, is_untrusted }
    };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        place(at).wrong(&format!("this is not TOML: {}", error.message()))
    })?;
    let (mut settings, mut trust) = (Vec::new(), Vec::new());
    let mut tables = vec![(Vec::new(), table.get_ref())];
    while let Some((command, table)) = tables.pop() {
        for (key, value) in table {
            let place = place(key.span().start);
            let mut key = key.get_ref().to_string();
            // Those of a project stand beside those of the user, and do not replace them.
            if key == PERMISSIONS && !is_of_user && is_untrusted {
                PROJECT_PERMISSIONS.clone_into(&mut key);
            }
            if key == PROJECT_PERMISSIONS && is_of_user {
                let wrong = place.wrong("`project-permissions` is for the file of a project");
                return Err(wrong.with_hint("write `permissions`, which holds for all projects"));
            }
            if key == TRUST && command.is_empty() {
                if !is_of_user {
                    let wrong = place.wrong("a project cannot trust itself");
                    let hint = "`trust` stands in your own configuration file";
                    return Err(wrong.with_hint(hint));
                }
                let folders = values(value, &place, &key)?;
                let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
                trust.extend(folders.into_iter().map(|folder| match folder.strip_prefix("~/") {
                    Some(beneath) => home.join(beneath),
                    None => PathBuf::from(folder),
                }));
                continue;
            }
            let value = match value.get_ref() {
                DeValue::Table(inner) => {
                    tables.push(([command.clone(), vec![key]].concat(), inner));
                    continue;
                }
                DeValue::Boolean(is_set) => SettingValue::Flag(*is_set),
                _ => SettingValue::Values(values(value, &place, &key)?),
            };
            settings.push(Setting { command: command.clone(), key, value, place });
        }
    }
    // A setting for one command is more exact than one for all, and comes later.
    settings.sort_by_key(|setting| (setting.command.len(), setting.place.line));
    Ok((settings, trust))
}

/// Returns the value of an option as texts: one, or those of a list.
fn values(value: &Spanned<DeValue<'_>>, place: &Place, key: &str) -> Result<Vec<String>, Error> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        _ => None,
    };
    let values = match value.get_ref() {
        DeValue::Array(list) => list.iter().map(|item| one(item.get_ref())).collect(),
        single => one(single).map(|text| vec![text]),
    };
    values.ok_or_else(|| {
        let wrong = place.wrong(&format!("`{key}` is neither a text nor a number nor a list"));
        wrong.with_hint(format!("write `{key} = \"…\"`"))
    })
}
