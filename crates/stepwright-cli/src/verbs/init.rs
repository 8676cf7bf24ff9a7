//! `stepwright init` and `stepwright skill install`.

use crate::args::{Init, Skill, SkillInstall};
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::resume_command::quoted;
use crate::ui::terminal::{Stderr, write};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use stepwright::{Error, ErrorId};

/// The file with the JSON Schema of the format. The starter names it in its first line.
const SCHEMA: &str = "stepwright.schema.json";

/// The starter: a workflow, instructions for coding assistants, and the folder of the runs, which
/// is not put under version control. The schema of this version is written beside them, so that an
/// editor finds it without a network.
const STARTER: [(&str, &str); 3] = [
    ("workflow.yaml", include_str!("../../templates/workflow.yaml")),
    ("AGENTS.md", include_str!("../../templates/AGENTS.md")),
    (".stepwright/.gitignore", "*\n"),
];

/// The skill with which a coding assistant writes workflows.
const SKILL: &str = include_str!("../../templates/SKILL.md");

/// The folder of skills that coding assistants read in a project.
const SKILLS: &str = ".claude/skills";

/// Writes the starter into a directory.
pub(crate) fn init(arguments: &Init, stderr: Stderr) -> Exit {
    let dir = arguments.dir.clone().unwrap_or_default();
    let schema = super::schema::text();
    let files = [&STARTER[..], &[(SCHEMA, &schema)]].concat();
    finish(stderr, make(&dir, &files), |_| {
        let file = quoted(&dir.join("workflow.yaml").display().to_string());
        write(&format!("to go on: stepwright check {file}"));
        write(&format!("          stepwright run {file} 'A town builds a bridge.'"));
    })
}

/// Shows the skill, or installs it.
pub(crate) fn skill(command: &Skill, stderr: Stderr) -> Exit {
    match command {
        Skill::Show => {
            let mut stdout = Stdout::new();
            stdout.write(SKILL);
            stdout.end(stderr, Exit::Completed)
        }
        Skill::Install(SkillInstall { dir, force }) => {
            let dir = dir.clone().unwrap_or_else(|| PathBuf::from(SKILLS)).join("stepwright");
            if *force && let Err(error) = removed(&dir.join("SKILL.md")) {
                stderr.error(&error);
                return Exit::Usage;
            }
            finish(stderr, make(&dir, &[("SKILL.md", SKILL)]), |_| {})
        }
    }
}

fn removed(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(file, error)),
        _ => Ok(()),
    }
}

/// Lists the files that were written, or reports the error.
fn finish(
    stderr: Stderr,
    made: Result<Vec<PathBuf>, Error>,
    then: impl FnOnce(&[PathBuf]),
) -> Exit {
    match made {
        Ok(files) => {
            for file in &files {
                write(&format!("wrote {}", file.display()));
            }
            then(&files);
            Exit::Completed
        }
        Err(error) => {
            stderr.error(&error);
            Exit::Usage
        }
    }
}

/// Writes files into a directory. Nothing is written if one of them exists.
fn make(dir: &Path, files: &[(&str, &str)]) -> Result<Vec<PathBuf>, Error> {
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| dir.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        let what = format!("`{}` exists already, and nothing was written", path.display());
        let error = Error::usage(what).with_id(ErrorId::FILE_EXISTS);
        return Err(error.with_hint("move it away, or choose another directory"));
    }
    for (path, (_, text)) in paths.iter().zip(files) {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        }
        // It fails if the file has been made meanwhile.
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(path, error))?;
    }
    Ok(paths)
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let what = format!("`{}` cannot be written", path.display());
    Error::usage(what).with_id(ErrorId::FILE_EXISTS).with_source(error)
}
