//! The context of an agent: instructions made for a run, examples, compaction and summaries.

use super::form::{Form, Mapping, key, words};
use super::reader::{Fields, Reader};
use super::{AgentTool, Chosen, ModelName, Text, Word};
use crate::system::Granted;
use crate::template::Flavour;
use crate::tree::Node;
use stepwright_agent::{AgentBuilder, COMPACTION_KEEP_MAX, MEMORY_TOOLS};
use stepwright_core::session::HISTORY_RUNS_MAX;
use stepwright_core::store::MEMORIES_MAX;

/// The maximum number of examples of an agent. Each request has all of them.
pub(super) const EXAMPLES_MAX: usize = 100;

/// The maximum number of tokens above which a conversation may be compressed. No model reads more.
pub(super) const COMPACTION_TOKENS_MAX: u64 = 100_000_000;

/// The method of a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompactBy {
    Summary,
    DropTurns,
    ClearToolResults,
}

const METHODS: [(&str, CompactBy); 3] = [
    ("summary", CompactBy::Summary),
    ("drop", CompactBy::DropTurns),
    ("clear_tool_results", CompactBy::ClearToolResults),
];

/// The settings for conversations that grow too long.
#[derive(Clone, Debug)]
pub(crate) struct CompactWhen {
    pub(crate) above: u64,
    pub(crate) by: CompactBy,
    pub(crate) keep: Option<usize>,
    pub(crate) model: Option<ModelName>,
    pub(crate) instructions: Option<String>,
}

/// The settings for the summary of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct SummariseWhen {
    pub(crate) every: Option<u32>,
    pub(crate) key: Option<String>,
    pub(crate) model: Option<ModelName>,
    pub(crate) instructions: Option<String>,
}

/// The origin of memories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RememberBy {
    #[default]
    Tools,
    AfterRun,
}

const MAKERS: [(&str, RememberBy); 2] =
    [("tools", RememberBy::Tools), ("after_run", RememberBy::AfterRun)];

/// The settings for memories of the user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) by: RememberBy,
    pub(crate) known: Option<usize>,
    pub(crate) model: Option<ModelName>,
    pub(crate) instructions: Option<String>,
}

/// The tools with which a model keeps memories, which the setting `memory` gives an agent.
#[derive(Debug)]
struct MemoryTools;

impl AgentTool for MemoryTools {
    fn known_as(&self) -> &'static [&'static str] {
        &MEMORY_TOOLS
    }

    fn only_reads(&self) -> bool {
        false
    }

    // The setting does it.
    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent
    }
}

/// The context of an agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) template: Option<Text>,
    pub(crate) examples: Vec<(String, String)>,
    pub(crate) compaction: Option<CompactWhen>,
    pub(crate) summary: Option<SummariseWhen>,
    pub(crate) memory: Option<Remembered>,
}

pub(super) const EXAMPLES: Form = Form::List(&Form::Mapping(&EXAMPLE), 0, EXAMPLES_MAX);

static EXAMPLE: Mapping = Mapping {
    name: "example",
    what: "an example",
    required: &[&["message", "answer"]],
    members: &[
        key("message", &Form::Text, "A message to the agent."),
        key("answer", &Form::Text, "The answer that it should give."),
    ],
};

pub(super) const COMPACTION: Mapping = Mapping {
    name: "compaction",
    what: "`compaction`",
    required: &[&["above"]],
    members: &[
        key(
            "above",
            &Form::Whole(1, COMPACTION_TOKENS_MAX),
            "The tokens of a request above which earlier turns are replaced.",
        ),
        key("by", &Form::Words(|| words(&METHODS)), "How they are replaced. Default: `summary`."),
        key(
            "keep",
            &Form::Whole(1, COMPACTION_KEEP_MAX as u64),
            "The number of latest turns that stay as they are.",
        ),
        key("model", &Form::Text, "The model that writes the summary, as `provider:model`."),
        key("instructions", &Form::Text, "The instructions of the model that writes the summary."),
    ],
};

pub(super) const SUMMARY: Form = Form::Either(&[Form::Bool, Form::Mapping(&SESSION_SUMMARY)]);

static SESSION_SUMMARY: Mapping = Mapping {
    name: "session_summary",
    what: "`session_summary`",
    required: &[],
    members: &[
        key(
            "every",
            &Form::Whole(1, HISTORY_RUNS_MAX as u64),
            "The number of runs after which the summary is updated. Default: 1.",
        ),
        key("key", &Form::Text, "The key of the session state that holds the summary."),
        key("model", &Form::Text, "The model that writes the summary, as `provider:model`."),
        key("instructions", &Form::Text, "The instructions of the model that writes the summary."),
    ],
};

pub(super) const MEMORY: Form = Form::Either(&[Form::Bool, Form::Mapping(&USER_MEMORY)]);

static USER_MEMORY: Mapping = Mapping {
    name: "memory",
    what: "`memory`",
    required: &[],
    members: &[
        key(
            "by",
            &Form::Words(|| words(&MAKERS)),
            "Whether the model keeps memories by tools, or a model is asked after each answer. \
             Default: `tools`.",
        ),
        key(
            "known",
            &Form::Whole(1, MEMORIES_MAX as u64),
            "The number of memories that the agent reads, the last changed first. Default: 50.",
        ),
        key("model", &Form::Text, "The model that is asked after an answer, as `provider:model`."),
        key("instructions", &Form::Text, "What is remembered, in place of the built-in words."),
    ],
};

impl Reader<'_> {
    /// Takes the context of an agent.
    pub(super) fn context(&mut self, fields: &mut Fields<'_>) -> Context {
        let template = fields.template(self, "instructions_template", Flavour::Plain);
        let examples = fields.take("examples").map(|(_, node)| self.examples(node));
        let compaction = fields.take("compaction").and_then(|(_, node)| self.compaction(node));
        let summary = fields.take("session_summary").and_then(|(_, node)| self.summary(node));
        let memory = fields.take("memory").and_then(|(_, node)| self.memory(node));
        Context { template, examples: examples.unwrap_or_default(), compaction, summary, memory }
    }

    fn examples(&mut self, node: &Node) -> Vec<(String, String)> {
        let list = self.list(node, "examples").unwrap_or_default();
        if list.len() > EXAMPLES_MAX {
            let mistake =
                self.mistake(node.span, format!("an agent has at most {EXAMPLES_MAX} examples"));
            self.push(mistake);
        }
        let mut examples = Vec::new();
        for node in list.iter().take(EXAMPLES_MAX) {
            let Some(mut fields) = Fields::of(self, node, "an example") else { continue };
            let mut said = |reader: &mut Self, key: &'static str, help: &str| {
                let (_, node) = fields.need(reader, key, help)?;
                let word = reader.word(node, key)?;
                if word.text.trim().is_empty() {
                    reader.push(reader.mistake(word.span, format!("`{key}` is empty")));
                    return None;
                }
                Some(word.text)
            };
            let message = said(self, "message", "write a message to the agent");
            let answer = said(self, "answer", "write the answer that the agent should give");
            fields.finish(self);
            examples.extend(message.zip(answer));
        }
        examples
    }

    fn compaction(&mut self, node: &Node) -> Option<CompactWhen> {
        let mut fields = Fields::of(self, node, "`compaction`")?;
        let asked = fields.has("above");
        let above = fields.number(self, "above", (1, COMPACTION_TOKENS_MAX));
        let by = fields.choice(self, "by", &METHODS).unwrap_or(CompactBy::Summary);
        let keep = fields.number(self, "keep", (1, COMPACTION_KEEP_MAX as u64));
        let place = fields.place("model").or_else(|| fields.place("instructions"));
        let model = fields.take("model").and_then(|(_, node)| self.model(node));
        let instructions = fields.word(self, "instructions").map(|word| word.text);
        fields.finish(self);
        if above.is_none() && !asked {
            let mistake = self.mistake(node.span, "`compaction` needs `above`");
            let help = "write the tokens above which earlier turns are replaced: `above: 100000`";
            self.push(mistake.help(help));
        }
        if let Some(span) = place.filter(|_| by != CompactBy::Summary) {
            let mistake = self.mistake(span, "only `by: summary` asks a model");
            self.push(mistake.help("leave it out, or write `by: summary`"));
        }
        let keep = keep.and_then(|turns| usize::try_from(turns).ok());
        Some(CompactWhen { above: above?, by, keep, model, instructions })
    }

    /// Adds the tools of memories to those of an agent.
    pub(super) fn memory_tools(
        &mut self,
        context: &Context,
        place: &Word,
        tools: &mut Vec<Chosen>,
    ) {
        let Some(Remembered { by: RememberBy::Tools, .. }) = &context.memory else { return };
        let chosen = Chosen { word: "memory", tool: Box::new(MemoryTools), options: None };
        let word = Word { text: "memory".to_owned(), span: place.span };
        self.told_apart(tools, Some(&chosen), &word);
        tools.push(chosen);
    }

    fn memory(&mut self, node: &Node) -> Option<Remembered> {
        if let crate::tree::Yaml::Bool(wanted) = &node.value {
            return wanted.then(Remembered::default);
        }
        let mut fields = Fields::of(self, node, "`memory`")?;
        let by = fields.choice(self, "by", &MAKERS).unwrap_or_default();
        let known = fields.number(self, "known", (1, MEMORIES_MAX as u64));
        let place = fields.place("model");
        let model = fields.take("model").and_then(|(_, node)| self.model(node));
        let instructions = fields.word(self, "instructions").map(|word| word.text);
        fields.finish(self);
        if let Some(span) = place.filter(|_| by == RememberBy::Tools) {
            let mistake = self.mistake(span, "only `by: after_run` asks a model");
            self.push(mistake.help("leave it out, or write `by: after_run`"));
        }
        let known = known.and_then(|known| usize::try_from(known).ok());
        Some(Remembered { by, known, model, instructions })
    }

    fn summary(&mut self, node: &Node) -> Option<SummariseWhen> {
        if let crate::tree::Yaml::Bool(wanted) = &node.value {
            return wanted.then(SummariseWhen::default);
        }
        let mut fields = Fields::of(self, node, "`session_summary`")?;
        let every = fields.number(self, "every", (1, u64::from(HISTORY_RUNS_MAX)));
        let key = fields.word(self, "key").map(|word| word.text);
        let model = fields.take("model").and_then(|(_, node)| self.model(node));
        let instructions = fields.word(self, "instructions").map(|word| word.text);
        fields.finish(self);
        let every = every.and_then(|runs| u32::try_from(runs).ok());
        Some(SummariseWhen { every, key, model, instructions })
    }
}
