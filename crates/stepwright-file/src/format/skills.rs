//! The skills of an agent.

use super::reader::Reader;
use super::{AgentTool, Chosen, Word};
use crate::access::{ALL_BYTES_MAX, Refused};
use crate::beneath::MISSING;
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::system::Granted;
use crate::tree::Node;
use std::sync::Arc;
use stepwright_agent::AgentBuilder;
use stepwright_core::ErrorId;
use stepwright_tools::__private::skills::{self, Budget, Scripts, Skill, SkillMistake, SkillsOf};

/// The word for the tools of skills in messages.
const SKILLS: &str = "skills";

/// The reason that the model gets where commands are not allowed.
const NO_COMMANDS: &str = "scripts cannot be run here, because this workflow may not run commands; \
                           `--allow-shell` allows them";

/// The skills of an agent in a file.
#[derive(Debug)]
struct FileSkills {
    skills: Arc<[Skill]>,
    /// `true` if scripts may run where their permissions allow it.
    runs: bool,
}

impl FileSkills {
    fn kit(&self, granted: Option<&Granted>) -> SkillsOf {
        let scripts = match granted.filter(|_| self.runs) {
            Some(granted) => {
                let (folder, env) = (granted.folder.clone(), granted.pass_env.clone());
                Scripts::Run { folder, env }
            }
            None => Scripts::Refused(NO_COMMANDS),
        };
        SkillsOf { skills: self.skills.clone(), scripts }
    }
}

impl AgentTool for FileSkills {
    fn known_as(&self) -> &'static [&'static str] {
        self.kit(None).names()
    }

    fn only_reads(&self) -> bool {
        self.known_as().len() < 3
    }

    fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder {
        agent.skills(self.kit(Some(granted)))
    }
}

impl Reader<'_> {
    /// Takes the list of folders with skills, and adds their tools to those of the agent.
    pub(super) fn skills(&mut self, node: &Node, tools: &mut Vec<Chosen>) {
        let Some(list) = self.list(node, SKILLS) else { return };
        let mut all: Vec<Skill> = Vec::new();
        let mut budget = Budget::default();
        for node in list {
            let Some(word) = self.word(node, "a folder of skills") else { continue };
            for skill in self.skills_of(&word, &mut budget) {
                if all.iter().any(|other| other.name == skill.name) {
                    let message = format!("there are two skills `{}`", skill.name);
                    let mistake = self.mistake(word.span, message).label("another one is in here");
                    self.push(mistake.help("leave one of them out"));
                } else {
                    all.push(skill);
                }
            }
        }
        if list.is_empty() {
            let mistake = self.mistake(node.span, "`skills` has no folders");
            self.push(mistake.help("list folders, or leave it out: `skills: [./skills]`"));
        }
        if all.is_empty() {
            return;
        }
        // With permissions, each command is judged when it is about to run.
        let runs = self.options.allow_shell || self.options.permissions.is_some();
        let tool = Box::new(FileSkills { skills: all.into(), runs });
        let word = Word { text: SKILLS.to_owned(), span: node.span };
        let chosen = Chosen { word: SKILLS, tool, options: None };
        self.told_apart(tools, Some(&chosen), &word);
        tools.push(chosen);
    }

    /// Reads the skills in a folder.
    fn skills_of(&mut self, word: &Word, budget: &mut Budget) -> Vec<Skill> {
        let path = word.text.as_str();
        let folder = match self.home.dir(path, &self.options.allow_path) {
            Ok(folder) => folder,
            Err(Refused { why, help }) => {
                let (why, help) = if why == MISSING {
                    let place = self.dir.join(path).display().to_string();
                    ("there is no such folder".to_owned(), Some(format!("looked for {place}")))
                } else {
                    (why, help)
                };
                let message = format!("cannot read the skills in `{path}`: {why}");
                let mistake = self.mistake(word.span, message).coded(ErrorId::INCLUDE_REFUSED);
                self.push(mistake.maybe_help(help));
                return Vec::new();
            }
        };
        budget.bytes = ALL_BYTES_MAX.saturating_sub(self.state.bytes);
        let before = budget.bytes;
        let read = skills::read(&folder, budget);
        self.state.bytes += before - budget.bytes;
        match read {
            Ok(skills) => skills,
            Err(wrong) => {
                for wrong in wrong {
                    let mistake = self.mistake_in_skill(word, wrong);
                    self.push(mistake);
                }
                Vec::new()
            }
        }
    }

    fn mistake_in_skill(&self, word: &Word, wrong: SkillMistake) -> Diagnostic {
        let SkillMistake { path, place, message, help } = wrong;
        let shown = self.dir.join(&word.text).join(path).display().to_string();
        let mistake = if let Some((text, start, len)) = place {
            let source = Arc::new(Source::new(shown, text));
            Diagnostic::new(ErrorId::SKILL_INVALID, &source, Span::new(start, len), message)
        } else {
            let message = format!("cannot use the skill: `{shown}`: {message}");
            self.mistake(word.span, message).coded(ErrorId::SKILL_INVALID)
        };
        mistake.maybe_help(help)
    }
}
