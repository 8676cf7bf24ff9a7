//! Variables from files: `--env-file`. The command starts itself again with them, because a process
//! cannot change its own variables safely once it has threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use stepwright::{Error, ErrorId, ErrorKind};

/// The variable that tells the second start that the files were read.
const READ: &str = "STEPWRIGHT_ENV_FILES_READ";

/// The largest file of variables.
const BYTES_MAX: u64 = 1024 * 1024;

/// Starts the command again with the variables of these files, unless that was done. A variable
/// that the environment has already keeps its value, and later files win over earlier ones.
///
/// # Errors
/// If a file cannot be read or is invalid.
pub(crate) fn apply(files: &[PathBuf]) -> Result<(), Error> {
    if files.is_empty() || std::env::var_os(READ).is_some() {
        return Ok(());
    }
    let mut variables = BTreeMap::new();
    for file in files {
        variables.extend(read(file)?);
    }
    variables.retain(|name, _| std::env::var_os(name).is_none());
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Run, "the command cannot start itself again with `--env-file`")
            .with_id(ErrorId::ENVIRONMENT_FILE_INVALID)
            .with_source(error)
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).envs(variables).env(READ, "1");
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        // It returns only if it fails.
        Err(failed(command.exec()))
    }
    #[cfg(not(unix))]
    {
        let status = command.status().map_err(failed)?;
        std::process::exit(status.code().unwrap_or(1));
    }
}

fn read(file: &Path) -> Result<BTreeMap<String, String>, Error> {
    let wrong = |why: String| {
        Error::usage(format!("{}{why}", file.display())).with_id(ErrorId::ENVIRONMENT_FILE_INVALID)
    };
    let size = fs::metadata(file).map_err(|error| wrong(format!(": cannot be read: {error}")))?;
    if size.len() > BYTES_MAX {
        return Err(wrong(format!(": a file of variables has at most {BYTES_MAX} bytes")));
    }
    let text =
        fs::read_to_string(file).map_err(|error| wrong(format!(": cannot be read: {error}")))?;
    parse(&text).map_err(|(line, why)| {
        wrong(format!(":{line}: {why}")).with_hint("write each variable as `NAME=VALUE` on a line")
    })
}

/// Parses lines of `NAME=VALUE`. Values may stand in quotes; `export` before a name and comments
/// are passed over. Nothing is expanded.
fn parse(text: &str) -> Result<BTreeMap<String, String>, (usize, String)> {
    let mut variables = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=') else {
            // The line may contain a secret, so it is not shown.
            return Err((at + 1, "this line has no `=`".to_owned()));
        };
        let name = name.trim_end();
        let is_name = |name: &str| {
            let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
            name.starts_with(is_start)
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !is_name(name) {
            return Err((
                at + 1,
                "this line does not begin with the name of a variable".to_owned(),
            ));
        }
        let value = value_of(value.trim()).map_err(|why| (at + 1, why.to_owned()))?;
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

fn value_of(value: &str) -> Result<String, &'static str> {
    let open = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = open else {
        // A comment stands after a space.
        let end = value.find(" #").unwrap_or(value.len());
        return Ok(value[..end].trim_end().to_owned());
    };
    let (mut text, mut chars) = (String::new(), value[1..].chars());
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => {
                let rest = chars.as_str().trim();
                let is_end = rest.is_empty() || rest.starts_with('#');
                return if is_end { Ok(text) } else { Err("there is text after the quotes") };
            }
            '\\' if quote == '"' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("the quotes are not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_shells_write_them() {
        let text =
            "# keys\nA=1\nexport B = two words # why\nC=\"a\\nb # c\" # d\nD='$HOME'\nE=\nF=a=b\n";
        let read = parse(text).unwrap();
        let of = |name: &str| read[name].as_str();
        assert_eq!(
            ["A", "B", "C", "D", "E", "F"].map(of),
            ["1", "two words", "a\nb # c", "$HOME", "", "a=b"]
        );
    }

    #[test]
    fn a_line_that_is_no_variable_is_refused_without_showing_it() {
        for (text, line) in [("A=1\nsecret", 2), ("1A=x", 1), ("A=\"x", 1), ("A='x' y", 1)] {
            let (at, why) = parse(text).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
