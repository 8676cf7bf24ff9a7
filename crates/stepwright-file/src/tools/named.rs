//! Tools that a file names itself: `workflow`, `function` and `external`.

use crate::effects;
use crate::format::form::{Form, Member, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Called, Word};
use crate::system::Granted;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::{AgentBuilder, ExternalTool};
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{
    AnyExecutor, BoxFuture, Content, ErrorId, Fingerprint, OnInterrupted, StepContext, StepInput,
    StepOutput,
};

const NAME: Member = key("name", &Form::Text, "The name that models see.");
const DESCRIPTION: Member =
    key("description", &Form::Text, "What the tool does and when to call it, for the model.");
const PARAMETERS: Member = key(
    "parameters",
    &Form::Schema(|| json!({"type": "object"})),
    "The JSON Schema of the arguments. By default they have a `message`.",
);

pub(super) const WORKFLOW: ToolKind = ToolKind {
    name: "workflow",
    shown: "`workflow`",
    read: workflow,
    effects: effects::NONE,
    settings: &[
        key("file", &Form::Text, "The path of the workflow file, which the call runs."),
        NAME,
        DESCRIPTION,
    ],
    needs: &["file"],
};

pub(super) const FUNCTION: ToolKind = ToolKind {
    name: "function",
    shown: "`function`",
    read: function,
    effects: effects::NONE,
    settings: &[
        key("function", &Form::Text, "The registered function. By default the one of this name."),
        NAME,
        DESCRIPTION,
        PARAMETERS,
        key(
            "read_only",
            &Form::Bool,
            "Whether a call changes nothing, so that it can be repeated.",
        ),
    ],
    needs: &["name+description"],
};

pub(super) const EXTERNAL: ToolKind = ToolKind {
    name: "external",
    shown: "`external`",
    read: external,
    effects: effects::NONE,
    settings: &[
        NAME,
        DESCRIPTION,
        PARAMETERS,
        key("answer_within", &Form::Duration, "The maximum time until a call has its result."),
    ],
    needs: &["name+description"],
};

type Read = Option<Box<dyn AgentTool>>;

/// The words of a file about a tool.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    description: String,
    parameters: Option<Value>,
}

impl Named {
    fn parameters(&self) -> Value {
        self.parameters.clone().unwrap_or_else(message)
    }
}

/// Returns the arguments of a tool that takes a text.
fn message() -> Value {
    json!({
        "type": "object",
        "properties": {"message": {"type": "string", "description": "The input."}},
        "required": ["message"],
        "additionalProperties": false,
    })
}

impl Reader<'_> {
    fn named(
        &mut self,
        word: &Word,
        fields: Option<&mut Fields<'_>>,
        example: &str,
    ) -> Option<Named> {
        let Some(fields) = fields else {
            let message = format!("`{}` has no settings", word.text);
            let mistake = self.mistake(word.span, message);
            self.push(mistake.help(format!("write `{example}`")));
            return None;
        };
        let name = fields.need(self, "name", example).and_then(|(_, node)| self.word(node, "name"));
        let description = fields.need(self, "description", example);
        let description = description.and_then(|(_, node)| self.word(node, "description"));
        let parameters = match fields.take("parameters") {
            Some((_, node)) => {
                let schema = self.schema(node, "parameters")?;
                if schema["type"] != "object" {
                    let mistake = self.mistake(node.span, "the arguments of a tool are an object");
                    self.push(mistake.help("give `parameters` the `type: object`"));
                    return None;
                }
                Some(schema)
            }
            None => None,
        };
        let name = self.tool_name(name?)?;
        Some(Named { name, description: description?.text, parameters })
    }

    /// Checks the name of a tool, which every provider must accept.
    pub(super) fn tool_name(&mut self, name: Word) -> Option<String> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let most = stepwright_agent::TOOL_NAME_BYTES_MAX;
        if (1..=most).contains(&name.text.len()) && name.text.chars().all(letters) {
            return Some(name.text);
        }
        let message = format!("`{}` is not the name of a tool", name.text);
        let mistake = self.mistake(name.span, message);
        self.push(mistake.help(format!("use 1 to {most} letters, digits, `_` and `-`")));
        None
    }
}

fn workflow(reader: &mut Reader<'_>, word: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    let example = "workflow: {file: plan.yaml, description: \"Plans an article.\"}";
    let Some(fields) = fields else {
        let mistake = reader.mistake(word.span, "`workflow` names no file");
        reader.push(mistake.help(format!("write `{example}`")));
        return None;
    };
    let path = fields.need(reader, "file", example).and_then(|(_, node)| reader.word(node, "file"));
    let name = fields.word(reader, "name");
    let description = fields.word(reader, "description");
    let path = path?;
    let file = match reader.referred_workflow(&path.text) {
        Ok(file) => Box::new(file?),
        Err(refused) => {
            let message = format!("cannot use `{}`: {}", path.text, refused.why);
            let mistake = reader.mistake(path.span, message).coded(ErrorId::INCLUDE_REFUSED);
            reader.push(mistake.maybe_help(refused.help));
            return None;
        }
    };
    if description.is_none() && file.description.is_none() {
        let message = format!("the model is not told what `{}` does", path.text);
        let mistake = reader.mistake(path.span, message);
        reader.push(mistake.help("give the tool, or the file, a `description`"));
        return None;
    }
    let name = match name {
        Some(name) => Some(reader.tool_name(name)?),
        None => None,
    };
    let known_as = name.unwrap_or_else(|| tool_name_of(&file.name.text));
    let description = description.map(|description| description.text);
    let called = Called { path, file, description, known_as };
    Some(Box::new(called))
}

/// Makes the name of a tool from that of a workflow or an agent.
pub(super) fn tool_name_of(name: &str) -> String {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = name.trim().chars().map(letters).collect();
    let most = stepwright_agent::TOOL_NAME_BYTES_MAX;
    name.chars().take(most).collect()
}

impl AgentTool for Called {
    fn known_as(&self) -> &'static [&'static str] {
        &[]
    }

    fn names(&self) -> Vec<&str> {
        vec![self.known_as()]
    }

    fn only_reads(&self) -> bool {
        false
    }

    fn called(&self) -> Option<&Called> {
        Some(self)
    }

    // The builder of the file does it, which knows the models.
    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent
    }
}

/// A function of the program.
#[derive(Debug)]
struct Function {
    named: Named,
    read_only: bool,
    /// `None` in a file that is only checked.
    executor: Option<AnyExecutor>,
}

fn function(reader: &mut Reader<'_>, word: &Word, mut fields: Option<&mut Fields<'_>>) -> Read {
    let example = "function: {name: score, description: \"Scores a text.\"}";
    let given = fields.as_mut().and_then(|fields| fields.word(reader, "function"));
    let read_only = fields.as_mut().and_then(|fields| fields.bool(reader, "read_only"));
    let named = reader.named(word, fields, example)?;
    let text = given.as_ref().map_or_else(|| named.name.clone(), |given| given.text.clone());
    let function = Word { text, span: given.map_or(word.span, |given| given.span) };
    let executor = reader.options.functions.get(&function.text).cloned();
    if executor.is_none() && !reader.options.only_checks {
        reader.unknown_function(&function);
        return None;
    }
    let read_only = read_only == Some(true);
    Some(Box::new(Function { named, read_only, executor }))
}

impl AgentTool for Function {
    fn known_as(&self) -> &'static [&'static str] {
        &[]
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.named.name]
    }

    fn only_reads(&self) -> bool {
        self.read_only
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        let Some(executor) = self.executor.clone() else { return agent };
        let spec = ToolSpec {
            name: self.named.name.clone(),
            description: self.named.description.clone(),
            parameters: self.named.parameters(),
        };
        let takes_object = self.named.parameters.is_some();
        let effect = if self.read_only { ToolEffect::ReadOnly } else { ToolEffect::Acts };
        agent.tool(FunctionCall { spec, takes_object, effect, executor })
    }
}

/// A call of a function of the program.
struct FunctionCall {
    spec: ToolSpec,
    /// `true` if the arguments as a whole are its input.
    takes_object: bool,
    effect: ToolEffect,
    executor: AnyExecutor,
}

impl Tool for FunctionCall {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let mistakes = stepwright_core::form::mistakes(&self.spec.parameters, &arguments);
            if !mistakes.is_empty() {
                return Err(ToolError::Arguments(mistakes.join("; ")));
            }
            let content = if self.takes_object {
                Content::from(arguments)
            } else {
                Content::from(arguments["message"].as_str().unwrap_or_default())
            };
            let input = StepInput::of(content.clone());
            let input = StepInput { previous: Some(Arc::new(StepOutput::from(content))), ..input };
            match self.executor.execute(input, cx).await {
                Ok(StepOutput { patches, .. }) if !patches.is_empty() => Err(ToolError::Failed(
                    "a function that is a tool cannot change the session state".into(),
                )),
                Ok(output) => Ok(output.content.text().into_owned()),
                Err(error) => Err(ToolError::Failed(error.data.message.clone())),
            }
        })
    }

    fn effect(&self) -> ToolEffect {
        self.effect
    }

    fn on_interrupted(&self) -> Option<OnInterrupted> {
        // A function that says what follows an interruption says so for its calls too.
        let own = self.executor.on_interrupted();
        (own != OnInterrupted::Retry).then_some(own)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.executor.fingerprint()
    }

    fn asks(&self) -> bool {
        self.executor.asks()
    }
}

/// A tool whose calls the caller of the run carries out.
#[derive(Debug)]
struct External {
    named: Named,
    answer_within: Option<Duration>,
}

fn external(reader: &mut Reader<'_>, word: &Word, mut fields: Option<&mut Fields<'_>>) -> Read {
    let example = "external: {name: open_door, description: \"Opens the door.\"}";
    let answer_within = fields.as_mut().and_then(|it| it.duration(reader, "answer_within"));
    let named = reader.named(word, fields, example)?;
    Some(Box::new(External { named, answer_within }))
}

impl AgentTool for External {
    fn known_as(&self) -> &'static [&'static str] {
        &[]
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.named.name]
    }

    fn only_reads(&self) -> bool {
        false
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        let Named { name, description, .. } = &self.named;
        let tool = ExternalTool::with_parameters(name, description, self.named.parameters());
        agent.tool(match self.answer_within {
            Some(limit) => tool.answer_within(limit),
            None => tool,
        })
    }
}
