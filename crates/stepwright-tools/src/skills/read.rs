//! Reads skills from folders. All of a skill is read at once, so that a run sees what its
//! definition had, whatever happens to the folder meanwhile.

use super::{
    Content, SKILL_FILE_BYTES_MAX, SKILL_FILES_MAX, SKILL_TEXT_BYTES_MAX, SKILLS_BYTES_MAX,
    SKILLS_MAX, Skill, front,
};
use crate::beneath::{Beneath, Denied, EntryKind};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// The file that makes a folder a skill.
pub(super) const FILE: &str = "SKILL.md";

/// The folder whose files need not be texts.
const ASSETS: &str = "assets/";

/// The maximum depth of folders in a skill.
const DEPTH_MAX: usize = 8;

/// The amounts that may still be read.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The number of skills.
    pub skills: usize,
    /// The number of bytes.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { skills: SKILLS_MAX, bytes: SKILLS_BYTES_MAX }
    }
}

/// A mistake in a skill.
#[derive(Debug)]
pub struct SkillMistake {
    /// The path of the file or the folder, from the one that was read.
    pub path: String,
    /// The text of the file and the place in it, as a start and a length in bytes. `None` if the
    /// mistake is about the file itself.
    pub place: Option<(String, usize, usize)>,
    /// The message: a fragment without a full stop. It does not name the file.
    pub message: String,
    /// The hint at what to do.
    pub help: Option<String>,
}

impl SkillMistake {
    fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), place: None, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Reads the skill in a folder, or the skills in the folders of a folder.
///
/// # Errors
/// Returns all mistakes in them.
pub fn read(folder: &Beneath, budget: &mut Budget) -> Result<Vec<Skill>, Vec<SkillMistake>> {
    let here = entries(folder, "").map_err(|mistake| vec![mistake])?;
    if here.iter().any(|(name, _)| name == FILE) {
        let name = folder.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        return one(folder, name, "", budget).map(|skill| vec![skill]);
    }
    let (mut skills, mut mistakes) = (Vec::new(), Vec::new());
    let folders = here.into_iter().filter(|(_, kind)| *kind != EntryKind::Other);
    for (name, kind) in folders.filter(|(name, _)| !name.starts_with('.')) {
        match folder.within(Path::new(&name)) {
            Ok(within) => match one(&within, &name, &name, budget) {
                Ok(skill) => skills.push(skill),
                Err(told) => mistakes.extend(told),
            },
            // A link to a file.
            Err(Denied::Failed(error))
                if kind == EntryKind::Link && error.kind() == std::io::ErrorKind::NotADirectory => {
            }
            Err(denied) => mistakes.push(refused(&name, &denied)),
        }
    }
    if skills.is_empty() && mistakes.is_empty() {
        let help = format!("a skill is a folder with a `{FILE}`");
        mistakes.push(SkillMistake::new("", "there is no skill in this folder").help(help));
    }
    if mistakes.is_empty() { Ok(skills) } else { Err(mistakes) }
}

/// Reads one skill. `shown` is the path of its folder in messages.
fn one(
    folder: &Beneath,
    name: &str,
    shown: &str,
    budget: &mut Budget,
) -> Result<Skill, Vec<SkillMistake>> {
    let Some(left) = budget.skills.checked_sub(1) else {
        let message = format!("there are more than {SKILLS_MAX} skills");
        let help = "give each agent the skills that it needs";
        return Err(vec![SkillMistake::new(shown, message).help(help)]);
    };
    budget.skills = left;
    let path = joined(shown, FILE);
    let here = entries(folder, shown).map_err(|mistake| vec![mistake])?;
    if !here.iter().any(|(name, _)| name == FILE) {
        let other = here.iter().find(|(name, _)| name.eq_ignore_ascii_case(FILE));
        let help = match other {
            Some((name, _)) => format!("rename `{name}` to `{FILE}`"),
            None => "add one, or list the skills themselves instead of the folder above".to_owned(),
        };
        let mistake = SkillMistake::new(shown, format!("the folder has no `{FILE}`"));
        return Err(vec![mistake.help(help)]);
    }
    let mut mistakes = Vec::new();
    let mut files = BTreeMap::new();
    let mut count = 0;
    gather(folder, ("", shown), 0, &mut count, budget, &mut files, &mut mistakes);
    // Where it could not be read, that has been reported.
    let Some(Content::Text(text)) = files.remove(FILE) else { return Err(mistakes) };
    let text = text.to_string();
    match front::parse(&text, name) {
        Ok((front, body)) if mistakes.is_empty() => Ok(Skill {
            name: front.name,
            description: front.description,
            notes: front.notes,
            body: text[body..].trim().to_owned(),
            text,
            files,
        }),
        Ok(_) => Err(mistakes),
        Err(wrong) => {
            let told = wrong.into_iter().map(|wrong| SkillMistake {
                path: path.clone(),
                place: Some((text.clone(), wrong.start, wrong.len)),
                message: wrong.message,
                help: wrong.help,
            });
            mistakes.extend(told);
            Err(mistakes)
        }
    }
}

/// Reads the files in a folder of a skill, and in those beneath it. `within` is the path in the
/// skill, and that of the skill in messages.
fn gather(
    folder: &Beneath,
    (within, shown): (&str, &str),
    depth: usize,
    count: &mut usize,
    budget: &mut Budget,
    files: &mut BTreeMap<String, Content>,
    mistakes: &mut Vec<SkillMistake>,
) {
    let path = if within.is_empty() { "." } else { within };
    let here = match folder.entries(Path::new(path)) {
        Ok(here) => here,
        Err(denied) => return mistakes.push(refused(&joined(shown, within), &denied)),
    };
    let mut here = here;
    here.sort();
    for entry in here {
        let Some(name) = entry.name.to_str() else {
            let name = joined(shown, &joined(within, &entry.name.to_string_lossy()));
            let mistake = SkillMistake::new(&name, "its name is not UTF-8 text");
            mistakes.push(mistake.help("rename it"));
            continue;
        };
        // Of the system, of version control, and of Python.
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        let within = joined(within, name);
        let path = joined(shown, &within);
        let is_dir = match entry.kind {
            EntryKind::Directory => true,
            EntryKind::Other => false,
            EntryKind::Link => match folder.is_dir(Path::new(&within)) {
                Ok(true) => {
                    let mistake = SkillMistake::new(&path, "it is a link to a folder");
                    mistakes.push(mistake.help("copy the folder there"));
                    continue;
                }
                Ok(false) => false,
                Err(denied) => {
                    mistakes.push(refused(&path, &denied));
                    continue;
                }
            },
        };
        if is_dir {
            if depth == DEPTH_MAX {
                let message = format!("it is more than {DEPTH_MAX} folders deep");
                mistakes.push(SkillMistake::new(&path, message).help("make it less deep"));
                continue;
            }
            gather(folder, (&within, shown), depth + 1, count, budget, files, mistakes);
            continue;
        }
        *count += 1;
        if *count > SKILL_FILES_MAX {
            if *count == SKILL_FILES_MAX + 1 {
                let message = format!("the skill has more than {SKILL_FILES_MAX} files");
                mistakes.push(SkillMistake::new(shown, message).help("make two skills of it"));
            }
            return;
        }
        match content(folder, &within, budget) {
            Ok(content) => drop(files.insert(within, content)),
            Err((message, help)) => {
                let mistake = SkillMistake::new(&path, message);
                mistakes.push(SkillMistake { help, ..mistake });
            }
        }
    }
}

/// Reads a file of a skill. Returns the reason and the help if it cannot be one.
fn content(
    folder: &Beneath,
    within: &str,
    budget: &mut Budget,
) -> Result<Content, (String, Option<String>)> {
    let told = |denied: &Denied| {
        let mistake = refused(within, denied);
        (mistake.message, mistake.help)
    };
    let found = folder.file(Path::new(within)).map_err(|denied| told(&denied))?;
    let most = if within == FILE { SKILL_TEXT_BYTES_MAX } else { SKILL_FILE_BYTES_MAX };
    let bound = most.min(budget.bytes);
    let mut bytes = Vec::new();
    // The size from the file system may be wrong by now.
    let read = found.file.take(bound + 1).read_to_end(&mut bytes);
    read.map_err(|error| told(&Denied::Failed(error)))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > bound {
        return Err(if bound < most {
            let message = format!("all skills together have more than {SKILLS_BYTES_MAX} bytes");
            (message, Some("give each agent the skills that it needs".into()))
        } else if within == FILE {
            let help = "move parts of it to files in `references`, and name them there";
            (format!("it has more than {most} bytes"), Some(help.into()))
        } else {
            (format!("it has more than {most} bytes"), Some("shorten it, or leave it out".into()))
        });
    }
    budget.bytes -= size;
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => return Ok(Content::Text(text.into())),
        Ok(text) => text.into_bytes(),
        Err(error) => {
            if !within.starts_with(ASSETS) {
                return Err(not_text(&error));
            }
            error.into_bytes()
        }
    };
    if within.starts_with(ASSETS) {
        return Ok(Content::Binary(bytes.into()));
    }
    let help = "save it as text; files that are none belong into `assets`";
    Err(("it is not a text: it has a NUL byte".into(), Some(help.into())))
}

fn not_text(error: &std::string::FromUtf8Error) -> (String, Option<String>) {
    let bytes = error.as_bytes();
    let at = error.utf8_error().valid_up_to();
    let line = bytes[..at].split(|byte| *byte == b'\n').count();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let message = format!("it is not UTF-8 text: line {line} has the byte {byte:#04x}");
    (message, Some("save it as UTF-8; files that are no texts belong into `assets`".into()))
}

fn refused(path: &str, denied: &Denied) -> SkillMistake {
    let mistake = SkillMistake::new(path, denied.why());
    match denied {
        Denied::Outside => {
            SkillMistake::new(path, "it is a link that leads outside").help("copy what it leads to")
        }
        Denied::Irregular(_) => mistake.help("a skill has files and folders"),
        Denied::Failed(_) => mistake,
    }
}

/// Returns the names in a folder with their kinds, sorted.
fn entries(folder: &Beneath, shown: &str) -> Result<Vec<(String, EntryKind)>, SkillMistake> {
    let mut here = folder.entries(Path::new(".")).map_err(|denied| refused(shown, &denied))?;
    here.sort();
    let named = here.into_iter().map(|entry| {
        let name = entry.name.into_string().map_err(|name| {
            let name = joined(shown, &name.to_string_lossy());
            SkillMistake::new(&name, "its name is not UTF-8 text").help("rename it")
        })?;
        Ok((name, entry.kind))
    });
    named.collect()
}

fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}
