//! Command lines that continue a run, for people to copy.

use crate::args::Doors;
use crate::database::Database;
use serde_json::Value;
use std::fmt::Write as _;
use stepwright::{RunId, RunOutput};
use stepwright_core::Requirement;
use stepwright_core::requirement::RequirementKind;

/// The hint for a run that is not stored.
pub(crate) const FORGOTTEN: &str =
    "do it again with `--db DB`; without a database the run is forgotten with this command";

/// The options of the command lines about a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResumeCommand {
    /// The database, unless the environment names it.
    pub(crate) db: Option<Database>,
    /// The workflow file, if the run's metadata does not name it.
    pub(crate) file: Option<String>,
    /// `true` if the file runs commands.
    pub(crate) allow_shell: bool,
    /// The other permissions of the file.
    pub(crate) doors: Doors,
}

impl ResumeCommand {
    /// Returns a command such as `stepwright resume r-7 --db runs.db`.
    pub(crate) fn resume(&self, run: &str) -> String {
        format!("stepwright resume {}{}", quoted(run), self.options())
    }

    /// Returns the command that retries a failed run.
    pub(crate) fn retry(&self, run: &str) -> String {
        format!("{} --retry", self.resume(run))
    }

    /// Returns the command that begins a new run from a step.
    pub(crate) fn rerun(&self, run: &str, path: &str) -> String {
        let from =
            if path.is_empty() { String::new() } else { format!(" --from {}", quoted(path)) };
        format!("stepwright rerun {}{}{from}", quoted(run), self.options())
    }

    /// Returns the command that shows a run.
    pub(crate) fn show(&self, run: &str) -> String {
        let db = Self { db: self.db.clone(), ..Self::default() };
        format!("stepwright show {}{}", quoted(run), db.options())
    }

    /// Returns the command that continues any waiting run, with `RUN_ID` as a placeholder.
    pub(crate) fn any(&self) -> String {
        format!("stepwright continue RUN_ID{}", self.options())
    }

    /// Returns the command that continues a waiting run, with an answer if it needs one.
    pub(crate) fn go_on(&self, output: &RunOutput) -> String {
        let mut asked = output.requirements.iter();
        if let Some(asked) = asked.clone().find(|asked| asked.needs_person()) {
            return self.answer(&output.run_id, asked);
        }
        let event = asked.find_map(|asked| self.emit(asked));
        event.unwrap_or_else(|| self.resume(output.run_id.as_str()))
    }

    /// Returns the command that sends the event that a run waits for.
    pub(crate) fn emit(&self, asked: &Requirement) -> Option<String> {
        let RequirementKind::Event { name, key, .. } = &asked.kind else { return None };
        let key = key.as_ref().map(|key| format!(" --key {}", quoted(key))).unwrap_or_default();
        let db = Self { db: self.db.clone(), ..Self::default() };
        Some(format!("stepwright emit {}{key} -i JSON{}", quoted(name), db.options()))
    }

    /// Returns the command that answers a pending request.
    pub(crate) fn answer(&self, run: &RunId, asked: &Requirement) -> String {
        let options = self.options();
        format!("stepwright continue {}{options} {}", quoted(run.as_str()), answer(asked))
    }

    fn options(&self) -> String {
        let mut words = String::new();
        if let Some(db) = &self.db {
            let _ = write!(words, " --db {}", quoted(&db.as_option()));
        }
        if let Some(file) = &self.file {
            let _ = write!(words, " --file {}", quoted(file));
        }
        if self.allow_shell {
            words += " --allow-shell";
        }
        for path in &self.doors.allow_path {
            let _ = write!(words, " --allow-path {}", quoted(&path.display().to_string()));
        }
        for name in &self.doors.pass_env {
            let _ = write!(words, " --pass-env {}", quoted(name));
        }
        for (option, file) in [
            ("permissions", &self.doors.permissions),
            ("project-permissions", &self.doors.project_permissions),
            ("prices", &self.doors.prices),
        ] {
            if let Some(file) = file {
                let _ = write!(words, " --{option} {}", quoted(&file.display().to_string()));
            }
        }
        words
    }
}

/// Returns the options for the first possible answer.
fn answer(asked: &Requirement) -> String {
    if let RequirementKind::Interrupted { .. } = asked.kind {
        return format!("--done {}", quoted(&format!("{}=OUTPUT", asked.id)));
    }
    if let RequirementKind::Budget { .. } = asked.kind {
        return format!("--submit {}", quoted(&format!("{}=N", asked.id)));
    }
    let word = asked.answers().first().copied().unwrap_or_default();
    let value = match word {
        "submit" => format!("={}", form(asked)),
        "select" => "=CHOICE".to_owned(),
        _ => String::new(),
    };
    format!("--{word} {}", quoted(&format!("{}{value}", asked.id)))
}

/// Returns the JSON to submit, with the fields of a form.
fn form(asked: &Requirement) -> String {
    let RequirementKind::UserInput { schema } = &asked.kind else { return "JSON".to_owned() };
    let Some(properties) = schema["properties"].as_object() else { return "JSON".to_owned() };
    let fields = properties.iter().map(|(name, property)| {
        let value = match property["type"].as_str() {
            Some("integer" | "number") => "0",
            Some("boolean") => "true",
            Some("array") => "[]",
            Some("object") => "{}",
            _ => "\"…\"",
        };
        format!("{}: {value}", Value::from(name.as_str()))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// Quotes a word for shells.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_something_else() {
        let shown = ["a.db", "b!confirm", "", "it's", "$HOME"].map(quoted);
        assert_eq!(shown, ["a.db", "'b!confirm'", "''", r"'it'\''s'", "'$HOME'"]);
    }
}
