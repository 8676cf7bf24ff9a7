//! The names of attributes: those of the conventions for generative AI where they have one, our own
//! where they have none.

pub(crate) const OPERATION: &str = "gen_ai.operation.name";
pub(crate) const WORKFLOW: &str = "gen_ai.workflow.name";
pub(crate) const CONVERSATION: &str = "gen_ai.conversation.id";
pub(crate) const AGENT: &str = "gen_ai.agent.name";
pub(crate) const PROVIDER: &str = "gen_ai.provider.name";
pub(crate) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(crate) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(crate) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(crate) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(crate) const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(crate) const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
pub(crate) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub(crate) const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const TOOL: &str = "gen_ai.tool.name";
pub(crate) const TOOL_TYPE: &str = "gen_ai.tool.type";
pub(crate) const TOOL_CALL: &str = "gen_ai.tool.call.id";
pub(crate) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub(crate) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
pub(crate) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub(crate) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const USER: &str = "user.id";

pub(crate) const RUN: &str = "stepwright.run";
pub(crate) const WORKFLOW_ID: &str = "stepwright.workflow";
pub(crate) const DIGEST: &str = "stepwright.digest";
pub(crate) const PATH: &str = "stepwright.path";
pub(crate) const STATUS: &str = "stepwright.status";
pub(crate) const EXECUTOR: &str = "stepwright.executor";
pub(crate) const EXECUTOR_TYPE: &str = "stepwright.executor.type";
pub(crate) const ATTEMPT: &str = "stepwright.attempt";
pub(crate) const DELAY_MS: &str = "stepwright.delay_ms";
pub(crate) const COST: &str = "stepwright.cost.usd";
pub(crate) const REQUEST: &str = "stepwright.request";
pub(crate) const ANSWERED_BY: &str = "stepwright.answered_by";
pub(crate) const MESSAGE: &str = "exception.message";
pub(crate) const CONTENT: &str = "stepwright.content";

/// The names that the conventions have for providers, where they are not ours.
const PROVIDERS: &[(&str, &str)] = &[
    ("openai-chat", "openai"),
    ("openai-responses", "openai"),
    ("gemini", "gcp.gemini"),
    ("mistral", "mistral_ai"),
    ("xai", "x_ai"),
    ("azure", "azure.ai.openai"),
    ("bedrock", "aws.bedrock"),
];

/// Splits the id of a model into the provider's name in the conventions and the model's own name.
pub(crate) fn provider_and_model(id: &str) -> (Option<&str>, &str) {
    let Some((provider, model)) = id.split_once(':') else { return (None, id) };
    // An address behind the model's name is of no use in a span, and may have a secret in it.
    let model = model.split('@').next().unwrap_or(model);
    let known = PROVIDERS.iter().find(|(ours, _)| *ours == provider);
    (Some(known.map_or(provider, |(_, theirs)| theirs)), model)
}
