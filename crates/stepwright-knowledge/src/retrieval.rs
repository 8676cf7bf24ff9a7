//! Knowledge for agents: as a tool that the model calls, and as context that it gets.

use crate::knowledge::{Knowledge, PASSAGES_MAX, Passage};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use stepwright_agent::{ContextSource, ToolSet, Toolkit};
use stepwright_core::gate::Permit;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{AnyTool, Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, Error, ErrorId, Fingerprint, StepContext, StepError, StepInput};

/// The number of passages that a search gives an agent, by default.
///
/// ```
/// assert!(stepwright_knowledge::PASSAGES < stepwright_knowledge::PASSAGES_MAX);
/// ```
pub const PASSAGES: usize = 5;

const CITE: &str = "Answer from the passages of the knowledge, and cite the source of each \
    statement as in `[returns.md]`. If no passage answers the question, say so.";

/// The name of all searches in the rules of permissions, beside the names of their tools.
pub const KNOWLEDGE_EFFECT: &str = "knowledge";

/// A tool, `search_knowledge`, with which a model searches knowledge. Its result has the source of
/// each passage, and the instructions of the agent ask the model to cite them.
///
/// A search is a tool call: recorded, within the budgets of the agent, and not repeated by a
/// resumed run. Rules of permissions judge it by the name of the tool and by `knowledge`; an
/// embedder outside of this process needs the permission `model` too.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_knowledge::{HashEmbedder, KnowledgeTool, SqliteKnowledge};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let handbook = SqliteKnowledge::in_memory(HashEmbedder::default()).await?;
/// let search = KnowledgeTool::new(handbook).name("search_handbook").passages(3);
/// let agent = Agent::builder("Desk").model("offline")?.tool(search).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KnowledgeTool {
    knowledge: Arc<dyn Knowledge>,
    name: String,
    description: String,
    passages: usize,
}

impl KnowledgeTool {
    /// Creates a tool that searches `knowledge`.
    pub fn new(knowledge: impl Knowledge) -> Self {
        Self {
            knowledge: Arc::new(knowledge),
            name: "search_knowledge".to_owned(),
            description: "Searches the knowledge for passages that answer a question.".to_owned(),
            passages: PASSAGES,
        }
    }

    /// Sets the name of the tool. Agents with several sources of knowledge need a name for each.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the description, which tells the model what the knowledge is about.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Sets the number of passages of a search. Default: [`PASSAGES`].
    #[must_use]
    pub fn passages(mut self, passages: usize) -> Self {
        self.passages = passages;
        self
    }
}

impl Toolkit for KnowledgeTool {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        Ok(self.tool_set()?.tools)
    }

    fn tool_set(self) -> Result<ToolSet, Error> {
        check(self.passages)?;
        let Self { knowledge, name, description, passages } = self;
        let parameters = json!({
            "type": "object",
            "properties": {"query": {
                "type": "string",
                "description": "The question, or words that the passages have.",
            }},
            "required": ["query"],
            "additionalProperties": false,
        });
        let spec = ToolSpec { name, description, parameters };
        let mut set = ToolSet::default();
        set.content = Fingerprint::default().with("passages", passages.to_string());
        set.tools = vec![AnyTool::new(Search { spec, knowledge, passages })];
        set.instructions = Some(CITE.to_owned());
        Ok(set)
    }
}

/// The tool itself.
struct Search {
    spec: ToolSpec,
    knowledge: Arc<dyn Knowledge>,
    passages: usize,
}

impl Tool for Search {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let Some(query) = arguments.get("query").and_then(Value::as_str) else {
                return Err(ToolError::Arguments("`query` is missing, or is no text".to_owned()));
            };
            let found = found(&*self.knowledge, query, self.passages, &cx).await;
            found.map_err(|error| ToolError::Failed(error.data.message))
        })
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn access(&self, arguments: &Value) -> Effect {
        Effect::call(self.spec.name.as_str(), arguments).also(KNOWLEDGE_EFFECT)
    }
}

/// Passages for the message of an agent, which it gets before it begins.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_knowledge::{HashEmbedder, KnowledgeContext, SqliteKnowledge};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let handbook = SqliteKnowledge::in_memory(HashEmbedder::default()).await?;
/// let passages = KnowledgeContext::new(handbook).passages(3);
/// let agent = Agent::builder("Desk").model("offline")?.context(passages).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KnowledgeContext {
    knowledge: Arc<dyn Knowledge>,
    name: String,
    passages: usize,
}

impl KnowledgeContext {
    /// Creates a source of passages from `knowledge`.
    pub fn new(knowledge: impl Knowledge) -> Self {
        let name = "knowledge".to_owned();
        Self { knowledge: Arc::new(knowledge), name, passages: PASSAGES }
    }

    /// Sets the name of the source in events. Agents with several sources need a name for each.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the number of passages. Default: [`PASSAGES`].
    #[must_use]
    pub fn passages(mut self, passages: usize) -> Self {
        self.passages = passages;
        self
    }
}

impl ContextSource for KnowledgeContext {
    fn name(&self) -> &str {
        &self.name
    }

    fn gather<'a>(
        &'a self,
        input: &'a StepInput,
        cx: &'a StepContext,
    ) -> BoxFuture<'a, Result<Option<String>, StepError>> {
        Box::pin(async move {
            check(self.passages).map_err(|error| step_error(&error))?;
            let query = input.message();
            let found = found(&*self.knowledge, &query.pretty(), self.passages, cx).await?;
            Ok(Some(format!("{CITE}\n\n<knowledge>\n{found}</knowledge>")))
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default().with("passages", self.passages.to_string())
    }
}

fn check(passages: usize) -> Result<(), Error> {
    if (1..=PASSAGES_MAX).contains(&passages) {
        return Ok(());
    }
    let message = format!("a search of knowledge gives {passages} passages");
    Err(Error::usage(message).with_hint(format!("set `passages` to 1 to {PASSAGES_MAX}")))
}

/// Searches, if the embedder is permitted, and writes what was found.
async fn found(
    knowledge: &dyn Knowledge,
    query: &str,
    passages: usize,
    cx: &StepContext,
) -> Result<String, StepError> {
    if let Some(model) = knowledge.remote_model() {
        match cx.permit(&Effect::model(model)).await? {
            Permit::Granted => {}
            Permit::Refused(error) => return Err(error),
        }
    }
    let passages = knowledge.search(query, passages).await.map_err(|error| step_error(&error))?;
    Ok(written(&passages))
}

fn step_error(error: &Error) -> StepError {
    let mut data = error.to_data();
    let later = [
        ErrorId::MODEL_RATE_LIMITED,
        ErrorId::MODEL_OVERLOADED,
        ErrorId::MODEL_UNREACHABLE,
        ErrorId::MODEL_BROKE_OFF,
        ErrorId::DATABASE_LOCKED,
    ];
    data.retryable = later.contains(&error.id());
    StepError { data: Box::new(data) }
}

fn written(passages: &[Passage]) -> String {
    if passages.is_empty() {
        return "No passage was found.\n".to_owned();
    }
    let mut text = String::new();
    for Passage { source, heading, text: said, .. } in passages {
        let about = if heading.is_empty() { String::new() } else { format!(" {heading}") };
        let _ = write!(text, "[{source}]{about}\n{said}\n\n");
    }
    text
}

impl fmt::Debug for KnowledgeTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnowledgeTool").field(&self.name).finish()
    }
}

impl fmt::Debug for KnowledgeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnowledgeContext").field(&self.name).finish()
    }
}
