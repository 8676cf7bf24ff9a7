//! Keys that a file holds, or that a command prints.

use crate::environment::Environment;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// The longest key, in bytes. Certificates in JSON have a few kilobytes.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// The longest time for a command to print a key. A person may have to unlock a password manager.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

// A password manager asks once, and not for each agent.
static PRINTED: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

/// Returns `true` if one of these variables is set, or one that names a file or a command for it.
pub(crate) fn is_set(environment: &Environment, variables: &[&str]) -> bool {
    let ends = ["", "_FILE", "_COMMAND"];
    let mut names = variables.iter().flat_map(|name| ends.map(|end| format!("{name}{end}")));
    names.any(|name| environment.get(&name).is_some())
}

/// Returns the secret in the first of these variables that is set, or whose file or command is.
///
/// # Errors
/// Returns the reason if a file or a command gives no secret.
pub(crate) fn first(
    environment: &Environment,
    variables: &[&str],
) -> Result<Option<String>, String> {
    for name in variables {
        let found = match environment.get(name) {
            Some(value) => Some(value),
            None => of(environment, name)?,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Returns the key that the file in `VARIABLE_FILE` holds, or that the command in
/// `VARIABLE_COMMAND` prints. `None` if neither variable is set; otherwise the reason why there is
/// no key.
fn of(environment: &Environment, variable: &str) -> Result<Option<String>, String> {
    let name = format!("{variable}_FILE");
    if let Some(path) = environment.get(&name) {
        let key = in_file(&path).map_err(|why| format!("the file in `{name}` {why}"))?;
        return Ok(Some(key));
    }
    let name = format!("{variable}_COMMAND");
    let Some(command) = environment.get(&name) else { return Ok(None) };
    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = printed.get(&command) {
        return Ok(Some(key.clone()));
    }
    let key = by_command(&command).map_err(|why| format!("the command in `{name}` {why}"))?;
    printed.insert(command, key.clone());
    Ok(Some(key))
}

fn in_file(path: &str) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut text = String::new();
    let read = file.take(KEY_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    key(&text, "holds")
}

fn by_command(command: &str) -> Result<String, String> {
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command);
    // Its questions and errors are for the person at the terminal.
    shell.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = shell.spawn().map_err(|error| format!("does not start: {error}"))?;
    let output = child.stdout.take();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.map(|output| output.take(KEY_BYTES_MAX + 1).read_to_string(&mut text));
        // Nothing waits for a command that took too long.
        let _ = tell.send(matches!(read, Some(Ok(_))).then_some(text));
    });
    let Ok(text) = told.recv_timeout(COMMAND_TIMEOUT) else {
        // It may have ended by itself at this very moment.
        let _ = child.kill();
        return Err(format!("printed no key within {} s", COMMAND_TIMEOUT.as_secs()));
    };
    let text = text.ok_or("printed something that is not text")?;
    if text.len() as u64 > KEY_BYTES_MAX {
        // It waits for its output to be read.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("failed: {status}"));
    }
    key(&text, "printed")
}

fn key(text: &str, verb: &str) -> Result<String, String> {
    if text.len() as u64 > KEY_BYTES_MAX {
        return Err(format!("{verb} more than {KEY_BYTES_MAX} bytes, which is no key"));
    }
    match text.trim() {
        "" => Err(format!("{verb} nothing")),
        key => Ok(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(end: &'static str, value: &str) -> Result<Option<String>, String> {
        let name = if end == "_FILE" { "K_FILE" } else { "K_COMMAND" };
        of(&Environment::of([(name, value)]), "K")
    }

    #[test]
    fn a_key_is_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, "sk-1\n").unwrap();
        assert_eq!(asked("_FILE", path), Ok(Some("sk-1".into())));
        std::fs::write(path, " \n").unwrap();
        assert_eq!(asked("_FILE", path).unwrap_err(), "the file in `K_FILE` holds nothing");
        let missing = asked("_FILE", "/no/such/file").unwrap_err();
        assert!(missing.starts_with("the file in `K_FILE` cannot be read: "), "{missing}");
        assert_eq!(of(&Environment::of([]), "K"), Ok(None));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_printed_by_a_command_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let command = format!("echo asked >> {}; echo sk-2", log.display());
        for _ in 0..3 {
            assert_eq!(asked("_COMMAND", &command), Ok(Some("sk-2".into())));
        }
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "asked\n");
        let failed = asked("_COMMAND", "echo sk-3; exit 4").unwrap_err();
        assert_eq!(failed, "the command in `K_COMMAND` failed: exit status: 4");
        let endless = asked("_COMMAND", "yes").unwrap_err();
        assert!(endless.contains("`K_COMMAND`"), "{endless}");
        let silent = asked("_COMMAND", "true").unwrap_err();
        assert_eq!(silent, "the command in `K_COMMAND` printed nothing");
    }
}
