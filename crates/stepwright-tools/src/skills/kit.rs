//! The tools of skills.

use super::read::{Budget, SkillMistake, read};
use super::script::Call;
use super::{Content, Skill};
use crate::beneath::Beneath;
use crate::effects::{SCRIPT, called};
use crate::files::{FILE_PART_BYTES_MAX, lines_with_notes};
use crate::folder::{Folder, Lines};
use crate::kit::{KitTool, mistake, told};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_agent::{FunctionTool, ToolSet, Toolkit};
use stepwright_core::permission::Effect;
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, Fingerprint, StepContext};

/// The text before the descriptions of the skills.
const TOLD: &str = "You have skills: instructions for kinds of tasks, some of them with files. \
                    Before you begin with a task that a skill is for, call `load_skill` with its \
                    name, and do as it says.";

/// A toolkit of skills, in the open format of `SKILL.md` files: `load_skill`, `read_skill_file`,
/// and with [`Skills::run_scripts`] also `run_skill_script`.
///
/// The model reads the name and the description of each skill. It loads the instructions when a
/// task needs them, and reads files beside them as the instructions say.
///
/// The folders are read when the agent is built. The content of all files is part of the
/// definition, so a run is not resumed with changed skills unless the change is accepted.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Skills;
/// # let dir = tempfile::tempdir().unwrap();
/// # let skills = dir.path().join("skills");
/// # std::fs::create_dir_all(skills.join("greeting")).unwrap();
/// # let text = "---\nname: greeting\ndescription: Greets people.\n---\nSay hello.\n";
/// # std::fs::write(skills.join("greeting/SKILL.md"), text).unwrap();
/// // skills/greeting/SKILL.md:
/// // ---
/// // name: greeting
/// // description: Greets people.
/// // ---
/// // Say hello.
/// let agent = Agent::builder("Host").model("offline")?.skills(Skills::beneath(&skills)).build()?;
/// let names: Vec<&str> = agent.tools().iter().map(|tool| &*tool.name).collect();
/// assert_eq!(names, ["load_skill"]);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the skills do nothing until they are given to an agent: `.skills(…)`"]
pub struct Skills {
    dirs: Vec<PathBuf>,
    run_in: Option<PathBuf>,
}

impl Skills {
    /// Creates a toolkit of the skills in a folder: the folder of a skill, or one with folders of
    /// skills.
    pub fn beneath(dir: impl Into<PathBuf>) -> Self {
        Self { dirs: vec![dir.into()], run_in: None }
    }

    /// Adds the skills in another folder.
    pub fn and(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dirs.push(dir.into());
        self
    }

    /// Lets the model run the scripts of the skills, in this folder. Permissions see the command:
    /// see [the page about skills](https://github.com/stepwright/stepwright/blob/main/docs/skills.md).
    /// Default: the model can read the scripts and not run them.
    pub fn run_scripts(mut self, dir: impl Into<PathBuf>) -> Self {
        self.run_in = Some(dir.into());
        self
    }
}

impl Toolkit for Skills {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        Ok(self.tool_set()?.tools)
    }

    fn tool_set(self) -> Result<ToolSet, Error> {
        let mut budget = Budget::default();
        let mut skills: Vec<Skill> = Vec::new();
        for dir in &self.dirs {
            let shown = dir.display();
            let folder = Beneath::open(dir).map_err(|error| {
                mistake(format!("the folder of skills `{shown}` cannot be read: {error}"))
            })?;
            let more = read(&folder, &mut budget).map_err(|wrong| refused(dir, &wrong))?;
            for skill in more {
                if skills.iter().any(|other| other.name == skill.name) {
                    let wrong = mistake(format!("there are two skills `{}`", skill.name));
                    return Err(wrong.with_hint("leave one of them out"));
                }
                skills.push(skill);
            }
        }
        let scripts = match self.run_in {
            Some(dir) => Scripts::Run { folder: Arc::new(Folder::new(Some(dir))), env: Vec::new() },
            None => Scripts::Off,
        };
        SkillsOf { skills: skills.into(), scripts }.tool_set()
    }
}

/// Returns the error for skills with mistakes.
fn refused(dir: &Path, wrong: &[SkillMistake]) -> Error {
    let lines = wrong.iter().map(|wrong| {
        let path = dir.join(&wrong.path).display().to_string();
        let place = wrong.place.as_ref().map_or_else(String::new, |(text, start, _)| {
            let before = &text[..text.floor_char_boundary(*start)];
            format!(":{}", before.matches('\n').count() + 1)
        });
        let help = wrong.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
        format!("`{path}`{place}: {}{help}", wrong.message)
    });
    mistake(lines.collect::<Vec<_>>().join("\n  - "))
}

/// The access of the model to scripts.
#[derive(Clone, Debug)]
pub enum Scripts {
    /// It has no tool for that.
    Off,
    /// Its calls are refused, with this reason.
    Refused(&'static str),
    /// It may run them in this folder.
    Run {
        folder: Arc<Folder>,
        /// The names of the environment variables that scripts get, besides the usual ones.
        env: Vec<String>,
    },
}

/// Skills that were read.
#[derive(Clone, Debug)]
pub struct SkillsOf {
    pub skills: Arc<[Skill]>,
    pub scripts: Scripts,
}

impl SkillsOf {
    /// Returns the names of the tools.
    pub fn names(&self) -> &'static [&'static str] {
        const ALL: &[&str] = &["load_skill", "read_skill_file", "run_skill_script"];
        match (self.has_files(), self.has_scripts()) {
            (_, true) => ALL,
            (true, false) => &ALL[..2],
            (false, false) => &ALL[..1],
        }
    }

    fn has_files(&self) -> bool {
        self.skills.iter().any(|skill| !skill.files.is_empty())
    }

    fn has_scripts(&self) -> bool {
        let is_off = matches!(self.scripts, Scripts::Off);
        !is_off && self.skills.iter().any(|skill| skill.scripts().next().is_some())
    }

    /// Returns the text that the model reads with each request.
    fn told(&self) -> String {
        let mut text = format!("{TOLD}\n");
        for skill in self.skills.iter() {
            let _ = write!(text, "\n- {}: {}", skill.name, skill.description);
        }
        text
    }

    /// Returns the content of all files.
    fn content(&self) -> Fingerprint {
        let mut content = Fingerprint::default();
        for skill in self.skills.iter() {
            let name = &skill.name;
            content = content.with(format!("skill {name}"), &skill.text);
            for (path, file) in &skill.files {
                content = content.with_bytes(format!("skill {name}, {path}"), file.bytes());
            }
        }
        content
    }
}

impl Toolkit for SkillsOf {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        let mut tools = vec![load(&self)];
        if self.has_files() {
            tools.push(read_file(&self));
        }
        if self.has_scripts() {
            tools.push(run_script(&self));
        }
        Ok(tools)
    }

    fn tool_set(self) -> Result<ToolSet, Error> {
        let mut set = ToolSet::default();
        set.instructions = Some(self.told());
        set.content = self.content();
        set.tools = self.tools()?;
        Ok(set)
    }
}

// A doc comment on these structs would become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LoadSkill {
    /// The name of the skill.
    skill: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadSkillFile {
    /// The name of the skill.
    skill: String,
    /// The path of the file in the skill, such as `references/forms.md`.
    path: String,
    /// The number of the first line to read, from 1. Default: 1.
    #[schemars(range(min = 1))]
    offset: Option<u64>,
    /// The number of lines to read. Default: as many as one answer may have.
    #[schemars(range(min = 1))]
    limit: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunSkillScript {
    /// The name of the skill.
    skill: String,
    /// The path of the script in the skill, such as `scripts/fill.py`.
    script: String,
    /// The arguments of the script.
    args: Option<Vec<String>>,
    /// The text that the script reads from its standard input.
    stdin: Option<String>,
}

fn find<'a>(skills: &'a [Skill], name: &str) -> Result<&'a Skill, ToolError> {
    skills.iter().find(|skill| skill.name == name.trim()).ok_or_else(|| {
        let known: Vec<String> = skills.iter().map(|skill| format!("`{}`", skill.name)).collect();
        ToolError::Failed(format!("there is no skill `{name}`; there are {}", known.join(", ")))
    })
}

fn load(kit: &SkillsOf) -> AnyTool {
    let (skills, runs) = (kit.skills.clone(), matches!(kit.scripts, Scripts::Run { .. }));
    let tool = FunctionTool::new(
        "load_skill",
        "Loads the instructions of a skill, and the list of its files.",
        move |args: LoadSkill| {
            let skills = skills.clone();
            async move { find(&skills, &args.skill).map(|skill| loaded(skill, runs)) }
        },
    );
    KitTool::within(tool.read_only())
}

/// Returns the instructions of a skill, and the list of its files.
fn loaded(skill: &Skill, runs: bool) -> String {
    let mut text = skill.body.clone();
    for (name, note) in &skill.notes {
        let _ = write!(text, "\n\n{name}: {note}");
    }
    if skill.files.is_empty() {
        return text;
    }
    text.push_str("\n\nThe files of this skill, which `read_skill_file` reads");
    text.push_str(match skill.scripts().next() {
        Some(_) if runs => "; `run_skill_script` runs those in `scripts`:",
        Some(_) => "; those in `scripts` cannot be run here:",
        None => ":",
    });
    for (path, content) in &skill.files {
        let _ = write!(text, "\n- {path}");
        if let Content::Binary(bytes) = content {
            let _ = write!(text, " ({} bytes, not a text)", bytes.len());
        }
    }
    text
}

fn read_file(kit: &SkillsOf) -> AnyTool {
    let skills = kit.skills.clone();
    let tool = FunctionTool::new(
        "read_skill_file",
        "Reads a file of a skill, or some of its lines. A long file is read in parts.",
        move |args: ReadSkillFile| {
            let skills = skills.clone();
            async move { part_of(&skills, &args) }
        },
    );
    KitTool::within(tool.read_only())
}

fn part_of(skills: &[Skill], args: &ReadSkillFile) -> Result<String, ToolError> {
    let skill = find(skills, &args.skill)?;
    let (first, most) = (args.offset.unwrap_or(1), args.limit.unwrap_or(u64::MAX));
    for (name, number) in [("offset", first), ("limit", most)] {
        if number == 0 {
            return Err(ToolError::Arguments(format!("`{name}` must be at least 1")));
        }
    }
    let path = args.path.strip_prefix("./").unwrap_or(&args.path);
    if path == super::read::FILE {
        return Ok(skill.body.clone());
    }
    // The files were read before, so no path leads anywhere else.
    match skill.files.get(path) {
        Some(Content::Text(text)) => Ok(lines_with_notes(first, lines(text, first, most))),
        Some(Content::Binary(bytes)) => {
            let message = format!("`{path}` is not a text; it has {} bytes", bytes.len());
            Err(ToolError::Failed(message))
        }
        None => {
            let known: Vec<String> = skill.files.keys().map(|path| format!("`{path}`")).collect();
            let known = match known.as_slice() {
                [] => "it has none".to_owned(),
                known => format!("it has {}", known.join(", ")),
            };
            let name = &skill.name;
            Err(ToolError::Failed(format!("the skill `{name}` has no file `{path}`; {known}")))
        }
    }
}

/// Returns lines of a text: those from `first`, at most `most`, as many as one answer may have.
fn lines(text: &str, first: u64, most: u64) -> Lines {
    let skipped = usize::try_from(first - 1).unwrap_or(usize::MAX);
    let room = usize::try_from(FILE_PART_BYTES_MAX).unwrap_or(usize::MAX);
    let (mut part, mut count, mut is_cut, mut more) = (String::new(), 0, false, false);
    for line in text.split_inclusive('\n').skip(skipped) {
        if count == most || is_cut {
            more = true;
            break;
        }
        if part.len() + line.len() > room {
            more = true;
            if part.is_empty() {
                // The first line alone is too long.
                part.push_str(&line[..line.floor_char_boundary(room)]);
                (count, is_cut) = (1, true);
            }
            break;
        }
        part.push_str(line);
        count += 1;
    }
    Lines { text: part, count, more, is_cut, note: None }
}

fn run_script(kit: &SkillsOf) -> AnyTool {
    let (skills, scripts) = (kit.skills.clone(), kit.scripts.clone());
    let tool = FunctionTool::new(
        "run_skill_script",
        "Runs a script of a skill with these arguments, and returns its output.",
        move |args: RunSkillScript, cx: StepContext| {
            let (skills, scripts) = (skills.clone(), scripts.clone());
            async move {
                let skill = find(&skills, &args.skill)?;
                let given = args.args.unwrap_or_default();
                let call = Call::new(skill, &args.script, &given)?;
                let (folder, env) = match scripts {
                    Scripts::Run { folder, env } => (folder, env),
                    Scripts::Refused(why) => return Err(ToolError::Failed(why.to_owned())),
                    Scripts::Off => return Err(ToolError::Failed("scripts cannot be run".into())),
                };
                let dir = folder.of_step(&cx).and_then(|folder| folder.root()).map_err(told)?;
                call.run(dir, env, args.stdin.unwrap_or_default(), &cx).await
            }
        },
    );
    let skills = kit.skills.clone();
    KitTool::with_access(tool, move |arguments| Some(effect(&skills, arguments)))
}

/// Returns the effect of a call. One that fails before its script begins is a call by its name.
fn effect(skills: &[Skill], arguments: &Value) -> Effect {
    let args = serde_json::from_value::<RunSkillScript>(arguments.clone()).ok();
    let command = args.and_then(|args| {
        let skill = find(skills, &args.skill).ok()?;
        let given = args.args.unwrap_or_default();
        Some(Call::new(skill, &args.script, &given).ok()?.effect())
    });
    command.unwrap_or_else(|| called(Effect::call(SCRIPT[0], arguments), SCRIPT))
}
