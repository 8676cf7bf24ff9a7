//! Reads a step of a coding agent.

use super::{Agent, HarnessStep, NAMES, QUESTIONS, Questions};
use crate::format::reader::{Fields, Reader};
use crate::format::{Builtin, Kind, Text};
use crate::schema;
use crate::source::Span;
use crate::suggest::listed;
use crate::system::Folder;
use crate::template::Flavour;
use crate::tree::{Node, Yaml};
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::{ErrorId, Fingerprint};

impl Reader<'_> {
    /// Parses `agent: {harness: claude-code, dir: service}`.
    pub(crate) fn harness_step(
        &mut self,
        word: &'static str,
        value: &Node,
        prompt: Option<Text>,
    ) -> Option<Kind> {
        if cfg!(not(feature = "harness")) {
            let mistake = self.mistake(value.span, "coding agents were left out of this program");
            self.push(mistake.help("build it with the feature `harness`"));
        }
        let mut fields = Fields::of(self, value, "a coding agent")?;
        let help = format!("write `agent: {{harness: claude-code}}`; there are {}", listed(&NAMES));
        let named = fields.need(self, "harness", &help);
        let agent = named.and_then(|(key, node)| self.harness(key.span, node));
        let dir = fields.template(self, "dir", Flavour::Plain);
        let worktree_at = fields.place("worktree");
        let worktree = fields.bool(self, "worktree").unwrap_or(false);
        let session = fields.word(self, "session");
        let model_at = fields.place("model");
        let model = fields.word(self, "model").map(|word| word.text);
        let instructions = fields.take("instructions");
        let instructions =
            instructions.and_then(|(_, node)| self.text_or_file(node, "instructions"));
        let instructions = instructions.map(|(word, _)| word.text);
        let read_only = fields.bool(self, "read_only").unwrap_or(false);
        let questions_at = fields.place("questions");
        let questions = fields.choice(self, "questions", &QUESTIONS);
        let env = fields.take("env").map(|(_, node)| self.variables(node)).unwrap_or_default();
        let output = fields.take("output").and_then(|(_, node)| self.schema(node, "output"));
        fields.finish(self);
        if let Some(dir) = &dir {
            self.check_dir(dir);
        }
        if let (Some(session), Some(at), true) = (&session, worktree_at, worktree) {
            let message = "a step with `session` has no `worktree`";
            let mistake = self.mistake(at, message).coded(ErrorId::SETTING_USELESS);
            let help = format!("it goes on where `{}` was; leave it out", session.text);
            self.push(mistake.help(help));
        }
        let agent = agent?;
        if let (Agent::Acp(_), Some(at)) = (&agent, model_at) {
            let mistake = self.mistake(at, "an ACP agent takes no `model`");
            let help = "it has its model from its own settings, or by an argument of its command";
            self.push(mistake.coded(ErrorId::SETTING_USELESS).help(help));
        }
        if let (Agent::Named(name), Some(at)) = (&agent, questions_at)
            && name == "codex"
        {
            let mistake = self.mistake(at, "`codex` asks no questions");
            let help = "its sandbox lets it write in `dir`; `read_only: true` forbids that";
            self.push(mistake.coded(ErrorId::SETTING_USELESS).help(help));
        }
        let output = match output {
            Some(output) => {
                let compiled = schema::compile(&output).ok()?;
                Some((output, Arc::new(compiled)))
            }
            None => None,
        };
        let content = content_of(value, instructions.as_deref());
        let questions = questions.unwrap_or(Questions::Ask);
        let work: Arc<dyn Builtin> = Arc::new(HarnessStep {
            agent,
            prompt,
            dir,
            worktree,
            session,
            model,
            instructions,
            read_only,
            questions,
            env,
            output,
            content,
        });
        Some(Kind::Builtin { word, work })
    }

    /// Parses the name of a coding agent, or the command of one.
    fn harness(&mut self, key: Span, node: &Node) -> Option<Agent> {
        self.harness_allowed(key);
        let Yaml::Map(_) = &node.value else {
            let choices = NAMES.map(|name| (name, name));
            return self
                .one_of(node, "harness", &choices)
                .map(|name| Agent::Named(name.to_owned()));
        };
        let mut fields = Fields::of(self, node, "an ACP agent")?;
        let command = fields.need(self, "acp", "write `harness: {acp: [gemini, --acp]}`");
        fields.finish(self);
        let (_, command) = command?;
        let list = self.list(command, "acp")?;
        let words: Option<Vec<String>> =
            list.iter().map(|one| self.constant(one, "acp").map(|word| word.text)).collect();
        let words = words?;
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            let mistake = self.mistake(command.span, "`acp` has no program");
            self.push(mistake.help("list the program and its arguments: `acp: [gemini, --acp]`"));
            return None;
        }
        if words.iter().any(|word| word.contains('\0')) {
            self.push(self.mistake(command.span, "`acp` contains a NUL byte"));
            return None;
        }
        Some(Agent::Acp(words))
    }

    /// Refuses a coding agent unless commands are allowed, or judged one by one.
    fn harness_allowed(&mut self, span: Span) {
        let is_judged = self.options.permissions.is_some();
        if !self.options.allow_shell && !is_judged && !self.options.only_checks {
            let message = "this file starts a coding agent, which is not allowed";
            let mistake = self.mistake(span, message).coded(ErrorId::SHELL_REFUSED);
            let help = "to run a file that you trust, allow it with `--allow-shell`; to allow some \
                        agents, use `--permissions FILE`";
            self.push(mistake.label("runs a command").help(help));
        }
    }

    /// Reports a folder that leads out of the base directory.
    fn check_dir(&mut self, text: &Text) {
        let path = text.template.text();
        if text.has_expressions() || super::step::is_base(path) {
            return;
        }
        let folder = Folder::new(self.options.base_dir.clone());
        if let Err(error) = folder.check_path(path) {
            let span = text.written.scalar;
            let mistake = self.mistake(span, error.data.message.clone());
            self.push(mistake.maybe_help(error.data.hint.clone()));
        }
    }
}

/// Returns the content of a step as written. The values of variables may be secrets.
fn content_of(value: &Node, instructions: Option<&str>) -> Fingerprint {
    let mut written = value.value.to_json();
    let mut content = Fingerprint::default();
    if let Value::Object(members) = &mut written {
        members.remove("instructions");
        if let Some(Value::Object(env)) = members.remove("env") {
            for (name, value) in env {
                content = content.with_hidden(format!("agent.env.{name}"), value.to_string());
            }
        }
    }
    let content = content.with("agent", written.to_string());
    match instructions {
        Some(text) => content.with("agent.instructions", text),
        None => content,
    }
}
