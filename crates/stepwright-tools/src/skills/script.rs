//! Runs the scripts of skills.

use super::Skill;
use crate::effects::{SCRIPT, called};
use crate::temporary::{new_folder, remove};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepwright_core::permission::{CommandLine, Effect, EffectWord};
use stepwright_core::redact::Secrets;
use stepwright_core::tool::ToolError;
use stepwright_core::{ErrorId, StepContext, StepError};
use stepwright_process::command::{Command, Program, run};

/// The largest output of a script, in bytes. Models pay for every word.
pub const SCRIPT_OUTPUT_BYTES_MAX: u64 = 200_000;

/// The variable with the folder of the skill.
const FOLDER: &str = "SKILL_DIR";

/// The maximum time of a script. The timeout of the tool is the one that counts.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// The programs that run files of these kinds, unless the first line of the file names another.
const PROGRAMS: [(&str, &str); 8] = [
    ("py", "python3"),
    ("sh", "sh"),
    ("bash", "bash"),
    ("js", "node"),
    ("mjs", "node"),
    ("cjs", "node"),
    ("rb", "ruby"),
    ("pl", "perl"),
];

/// A script with its arguments.
pub(super) struct Call<'a> {
    pub(super) skill: &'a Skill,
    /// The path of the script in the skill.
    pub(super) script: &'a str,
    /// The program that runs it, with its own arguments.
    pub(super) program: Vec<String>,
    pub(super) args: &'a [String],
}

impl<'a> Call<'a> {
    /// Finds a script of a skill: by its path, or by its path beneath `scripts`.
    pub(super) fn new(
        skill: &'a Skill,
        script: &str,
        args: &'a [String],
    ) -> Result<Self, ToolError> {
        let path = script.strip_prefix("./").unwrap_or(script);
        let is_it = |known: &&str| *known == path || known.strip_prefix("scripts/") == Some(path);
        let Some(script) = skill.scripts().find(is_it) else {
            let known: Vec<String> = skill.scripts().map(|path| format!("`{path}`")).collect();
            let known = match known.as_slice() {
                [] => "it has none".to_owned(),
                known => format!("it has {}", known.join(", ")),
            };
            let name = &skill.name;
            let message = format!("the skill `{name}` has no script `{path}`; {known}");
            return Err(ToolError::Failed(message));
        };
        let Some(super::Content::Text(text)) = skill.files.get(script) else {
            return Err(ToolError::Failed(format!("`{script}` is not a text")));
        };
        let program = program(script, text).ok_or_else(|| {
            let known: Vec<String> = PROGRAMS.iter().map(|(end, _)| format!("`.{end}`")).collect();
            ToolError::Failed(format!(
                "no program is known that runs `{script}`; scripts begin with `#!` and a program, or \
                 end with one of {}",
                known.join(", ")
            ))
        })?;
        Ok(Self { skill, script, program, args })
    }

    /// Returns the effect, as permissions judge it: the command `python3 NAME/scripts/fill.py …`.
    /// Rules that deny and ask find the script without its program, too.
    pub(super) fn effect(&self) -> Effect {
        let script = format!("{}/{}", self.skill.name, self.script);
        let words = |program: &[String]| {
            let words = program.iter().chain([&script]).chain(self.args);
            words.cloned().collect::<Vec<String>>()
        };
        let mut line = CommandLine::of_words(words(&self.program));
        line.inside.push(words(&[]).into_iter().map(EffectWord::Text).collect());
        called(Effect::command(SCRIPT[0], line), SCRIPT)
    }

    /// Runs the script in `dir`. Dropping the future kills it with all that it has started.
    pub(super) async fn run(
        &self,
        dir: PathBuf,
        pass_env: Vec<String>,
        stdin: String,
        cx: &StepContext,
    ) -> Result<String, ToolError> {
        let copy = Copy::of(self.skill).map_err(|error| {
            ToolError::Failed(format!("the skill cannot be copied to where it runs: {error}"))
        })?;
        let script = copy.dir.join(self.script).display().to_string();
        let words = self.program.iter().chain([&script]).chain(self.args).cloned();
        let command = Command {
            program: Program::Argv(words.collect()),
            env: vec![(FOLDER.to_owned(), copy.dir.display().to_string())],
            pass_env,
            stdin,
            dir,
            shown: vec![copy.dir.clone()],
            timeout: NEVER,
            max_bytes: SCRIPT_OUTPUT_BYTES_MAX,
            any_status: true,
            shortens: true,
            secrets: Secrets::default(),
        };
        let done = run(command, cx).await.map_err(told)?;
        drop(copy);
        let part = |name: &str, text: &str| match text.trim() {
            "" => String::new(),
            text => format!("\n{name}:\n{text}"),
        };
        if done.status != 0 {
            let (out, errors) = (part("stdout", &done.stdout), part("stderr", &done.stderr));
            let status = done.status;
            let message = format!("the script ended with the exit code {status}{errors}{out}");
            return Err(ToolError::Failed(message));
        }
        Ok(match (done.stdout.is_empty(), done.stderr.trim().is_empty()) {
            (true, true) => "done, without output".to_owned(),
            (_, true) => done.stdout,
            _ => format!("{}{}", done.stdout, part("stderr", &done.stderr)).trim().to_owned(),
        })
    }
}

/// Returns the error for the model. Only a lost journal ends the step.
fn told(error: StepError) -> ToolError {
    if error.data.id == Some(ErrorId::STEP_STOPPED) {
        return ToolError::Fatal(error);
    }
    ToolError::Failed(error.data.message.clone())
}

/// Returns the program that runs a script, with its own arguments.
fn program(path: &str, text: &str) -> Option<Vec<String>> {
    if let Some(line) = text.strip_prefix("#!") {
        let mut words = line.lines().next().unwrap_or_default().split_whitespace();
        let first = words.next()?;
        let rest = words.map(str::to_owned);
        if Path::new(first).file_name().is_some_and(|name| name == "env") {
            let words: Vec<String> = rest.skip_while(|word| word == "-S").collect();
            return Some(words).filter(|words| !words.is_empty());
        }
        return Some(std::iter::once(first.to_owned()).chain(rest).collect());
    }
    let end = Path::new(path).extension()?.to_str()?;
    let known = PROGRAMS.iter().find(|(known, _)| *known == end);
    known.map(|(_, program)| vec![(*program).to_owned()])
}

/// A copy of a skill in a folder of its own, which no other user can read. Dropping it removes the
/// folder.
struct Copy {
    dir: PathBuf,
}

impl Copy {
    fn of(skill: &Skill) -> io::Result<Self> {
        let copy = Self { dir: new_folder("skill")? };
        let files = skill.files.iter().map(|(path, content)| (path.as_str(), content.bytes()));
        for (path, bytes) in files.chain([(super::read::FILE, skill.text.as_bytes())]) {
            let path = copy.dir.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)?;
        }
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A script may have made files that cannot be removed. They are in a folder for such files.
        remove(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn a_script_names_its_program_in_its_first_line_or_by_its_end() {
        for (path, text, wanted) in [
            ("scripts/a.py", "print(1)", "python3"),
            ("scripts/a.py", "#!/usr/bin/env python3.12 -u\nprint(1)", "python3.12 -u"),
            ("scripts/a", "#!/usr/bin/env -S uv run\n", "uv run"),
            ("scripts/a.sh", "#!/bin/bash -e\n", "/bin/bash -e"),
            ("scripts/a", "echo", ""),
            ("scripts/a.xyz", "", ""),
            ("scripts/a", "#!", ""),
            ("scripts/a", "#!/usr/bin/env\n", ""),
        ] {
            let words = program(path, text).unwrap_or_default();
            assert_eq!(words.join(" "), wanted, "{path}: {text}");
        }
    }
}
