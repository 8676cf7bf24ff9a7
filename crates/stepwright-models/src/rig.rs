//! The wires of providers, spoken by `rig-core`. This is the only module that names it: nothing of
//! it is in our interface or in what is stored, and another library would replace it alone.

mod answer;
mod line;

use self::answer::Answer;
pub(crate) use self::line::Recorded;
use self::line::{Line, headers};
use crate::adapt::{self, adapted, hosted};
use crate::answer_tool;
use crate::attachment::{Attachment, AttachmentSource};
use crate::catalogue::{Gateway, Schema, Spec, Wire};
use crate::connection::Connection;
use crate::failure::{Failure, Speaker};
use crate::long;
use crate::strict;
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use rig_core::completion::{
    CacheRetention, CompletionRequest, Effort, Media as RigMedia, Place, Reasoning, ReplayTarget,
    ToolDefinition,
};
use rig_core::error::{EncodeError, ProviderError};
use rig_core::http_client;
use rig_core::message::{
    AssistantContent, AssistantMessage, AudioMediaType, CallId, DocumentMediaType,
    DocumentSourceKind, ImageMediaType, Message as RigMessage, MimeType, ToolCall as RigCall,
    ToolFunction, ToolName, ToolResult, ToolResultContent, UserContent, VideoMediaType,
};
use rig_core::operation::Completion as CompletionOp;
use rig_core::providers::openai::responses_api::wire::Responses;
use rig_core::providers::openai::wire::{self as openai, Auth, Dialect, OpenAIConfig};
use rig_core::providers::{anthropic, gemini, ollama, xai};
use rig_core::streaming::CompletionStream;
use rig_core::wire::document::{Reassemble, Serves};
use rig_core::wire::{Descriptor, Encoded, Mode, Wire as RigWire, WireFrame};
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use stepwright_core::media::{Media, MediaKind};
use stepwright_core::message::{Arguments, AssistantTurn, Message, Part, ToolOutcome};
use stepwright_core::model::{
    CacheRetention as Retention, HostedTool, Model, ModelError, ModelErrorKind, ModelRequest,
    ModelStream, OutputMode, ReasoningEffort, ToolChoice,
};

/// Names the form in which turns are kept for replay.
const ADAPTER: &str = "rig/1";

/// Names that form for turns with long texts. A token stands for each, with the number of the part
/// of the turn that has the text.
const ADAPTER_WITH_TOKENS: &str = "rig/2";

/// The longest answer of a Claude model that this version does not know, in tokens. Anthropic wants
/// to be told one.
const UNKNOWN_CLAUDE_TOKENS: u64 = 8_192;

/// A model of a provider.
#[derive(Clone)]
pub(crate) struct RigModel(Arc<Inner>);

struct Inner {
    id: String,
    spec: &'static Spec,
    speaker: Arc<Speaker>,
    proxy: Option<Arc<str>>,
    target: Box<dyn ReplayTarget + Send + Sync>,
    open: Box<Open>,
    encode: Box<Encode>,
}

type Open =
    dyn Fn(Line, CompletionRequest) -> Result<CompletionStream, ProviderError> + Send + Sync;

/// Encodes a request without sending it.
type Encode = dyn Fn(CompletionRequest) -> Result<(), EncodeError> + Send + Sync;

/// The parts of a wire that a model needs.
type Wired = (Box<dyn ReplayTarget + Send + Sync>, Box<Open>, Box<Encode>);

impl RigModel {
    pub(crate) fn new(id: String, connection: Connection) -> Self {
        let Connection { spec, base_url, api_version, proxy, speaker } = connection;
        let key = speaker.key.as_ref().map(|key| key.expose().to_owned()).unwrap_or_default();
        let model = speaker.model.clone();
        let speaker = Arc::new(speaker);
        let root = |suffix: &str| {
            let base = base_url.trim_end_matches('/');
            base.strip_suffix(suffix).unwrap_or(base).to_owned()
        };
        let compatible = |dialect: &Dialect, base: String| {
            let mut config = OpenAIConfig::with_key(dialect, key.clone()).with_base_url(base);
            if key.is_empty() {
                config.auth = Auth::OptionalBearer;
            }
            config
        };
        let chat = |mut dialect: Dialect, base: String| {
            dialect.quirks.response_format_with_tools = spec.schema == Schema::Always;
            wired(compatible(&dialect, base).chat(&model))
        };
        let base = || root("");
        let (target, open, encode) = match spec.wire {
            Wire::OpenAi => wired(Responses::new(compatible(&openai::OPENAI, base()), &model)),
            Wire::OpenAiChat => chat(openai::OPENAI, base()),
            Wire::Xai => wired(Responses::new(compatible(&xai::DIALECT, root("/v1")), &model)),
            Wire::Groq => chat(openai::GROQ, base()),
            Wire::Mistral => chat(openai::MISTRAL, root("/v1")),
            Wire::DeepSeek => chat(openai::DEEPSEEK, base()),
            Wire::OpenRouter => chat(openai::OPENROUTER, base()),
            Wire::Gateway(gateway) => {
                let dialect = dialect(gateway);
                // The library writes the version into the path where the address has none.
                let versioned = dialect.quirks.completion_path.starts_with("/v1");
                chat(dialect, root(if versioned { "/v1" } else { "" }))
            }
            Wire::Ollama => {
                // Its own wire: the one that is like OpenAI's cannot be told how much to read.
                let config = ollama::OllamaConfig::new().with_api_key(key.clone());
                let line = Line::new(&speaker, spec.wire);
                let client = config.with_base_url(root("/v1")).connect(line);
                wired(client.native_completion(&model).wire)
            }
            Wire::Azure => {
                let mut dialect = openai::AZURE;
                dialect.quirks.response_format_with_tools = true;
                let mut config = OpenAIConfig::with_key(&dialect, key.clone());
                config = config.with_base_url(base());
                if let Some(version) = api_version {
                    config = config.with_api_version(version);
                }
                wired(config.chat(&model))
            }
            Wire::Anthropic => {
                let config = anthropic::wire::AnthropicConfig::new(key.clone());
                let line = Line::new(&speaker, spec.wire);
                let client = config.with_base_url(base_url.as_str()).connect(line);
                let mut wire = client.completion(&model).wire;
                // Gateways refuse fields that they do not know.
                wire.tool_input_streaming = anthropic::wire::ToolInputStreaming::Off;
                wire.default_max_tokens.get_or_insert(UNKNOWN_CLAUDE_TOKENS);
                wired(wire)
            }
            Wire::Gemini => {
                // The key goes into a header: see `transport`.
                let config = gemini::GeminiConfig::new(key.clone());
                let client =
                    config.with_base_url(root("/v1beta")).connect(Line::new(&speaker, spec.wire));
                wired(client.completion(&model).wire)
            }
        };
        Self(Arc::new(Inner { id, spec, speaker, proxy, target, open, encode }))
    }
}

/// Returns the differences of a gateway from Chat Completions.
fn dialect(gateway: Gateway) -> Dialect {
    match gateway {
        Gateway::Cohere => openai::COHERE,
        Gateway::Doubleword => openai::DOUBLEWORD,
        Gateway::HuggingFace => openai::HUGGINGFACE,
        Gateway::Hyperbolic => openai::HYPERBOLIC,
        Gateway::LlamaCpp => openai::LLAMACPP,
        Gateway::MiniMax => openai::MINIMAX,
        Gateway::Mira => openai::MIRA,
        Gateway::Moonshot => openai::MOONSHOT,
        Gateway::Perplexity => openai::PERPLEXITY,
        Gateway::Together => openai::TOGETHER,
        Gateway::Venice => openai::VENICE,
        Gateway::Xiaomi => openai::XIAOMIMIMO,
        Gateway::Zai => openai::ZAI,
    }
}

#[expect(clippy::result_large_err, reason = "the library's own error, which ends here")]
fn wired<W>(wire: W) -> Wired
where
    W: rig_core::wire::Wire<Op = CompletionOp, Payload = Encoded, Frame = WireFrame>
        + ReplayTarget
        + Clone
        + Send
        + Sync
        + 'static,
{
    let target = Box::new(wire.clone());
    let sent = wire.clone();
    let open = move |line: Line, request: CompletionRequest| {
        rig_core::Model::new(Plain(sent.clone()), line).stream(request)
    };
    let encode =
        move |request: CompletionRequest| wire.encode(request, Mode::Streaming).map(|_| ());
    (target, Box::new(open), Box::new(encode))
}

/// A wire that does not put an answer together a second time, as the document that it would have
/// been without a stream: nothing here reads it, and it costs as much as the answer.
#[derive(Clone)]
struct Plain<W>(W);

impl<W> RigWire for Plain<W>
where
    W: RigWire<Op = CompletionOp, Payload = Encoded, Frame = WireFrame>,
{
    type Op = W::Op;
    type Payload = W::Payload;
    type Frame = W::Frame;
    type Decoder<'id> = W::Decoder<'id>;
    type Reassembler = NoDocument;

    fn describe(&self) -> Descriptor<'_> {
        self.0.describe()
    }

    fn encode(&self, request: CompletionRequest, mode: Mode) -> Result<Encoded, EncodeError> {
        self.0.encode(request, mode)
    }

    fn decoder<'id>(&self) -> Self::Decoder<'id> {
        self.0.decoder()
    }
}

#[derive(Default)]
struct NoDocument;

impl Reassemble<WireFrame> for NoDocument {
    fn absorb(&mut self, _: &WireFrame) {}

    fn finish(self) -> Value {
        Value::Null
    }
}

impl Serves<CompletionOp> for NoDocument {}

impl Model for RigModel {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        self.ask(request, None)
    }

    fn check(&self, request: &ModelRequest) -> Result<(), ModelError> {
        // Nothing of a text is waited for.
        let Some(request) = self.0.request(request.clone()).now_or_never() else { return Ok(()) };
        // The same error as that of the request.
        (self.0.encode)(request?).map_err(|error| failure(error.into(), &self.0.speaker))
    }
}

impl RigModel {
    /// Asks for an answer; of what was recorded, if there is something, or else of the provider.
    pub(crate) fn ask(&self, request: ModelRequest, recorded: Option<Recorded>) -> ModelStream {
        let model = self.0.clone();
        let by_tool = request.output_schema.is_some()
            && adapt::mode(&request, model.spec, model.calls_tools()) == OutputMode::Tool;
        // Inside the stream: nothing happens until it is polled.
        let answer = stream::once(async move {
            match model.open(request, recorded).await {
                Ok(answer) => answer.boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        })
        .flatten()
        .boxed();
        if by_tool { answer_tool::told(answer) } else { answer }
    }
}

impl Inner {
    /// Returns `true` if the model can call tools.
    fn calls_tools(&self) -> bool {
        self.target.accepts(&self.speaker.model).tools
    }

    async fn open(
        &self,
        request: ModelRequest,
        recorded: Option<Recorded>,
    ) -> Result<Answer, ModelError> {
        let written = adapt::headers(&request.options, self.spec);
        let headers = headers(&written, &self.speaker)?;
        let strict = request.strict_tools.clone();
        let request = self.request(request).await?;
        let mut line = Line::new(&self.speaker, self.spec.wire);
        (line.headers, line.recorded, line.proxy) = (headers, recorded, self.proxy.clone());
        line.strict = strict;
        let heard = line.heard.clone();
        let events = (self.open)(line, request).map_err(|e| failure(e, &self.speaker))?;
        Ok(Answer::new(self.id.clone(), self.speaker.clone(), events, heard))
    }

    // --- what is asked ---

    async fn request(&self, request: ModelRequest) -> Result<CompletionRequest, ModelError> {
        let bad = |error: String| self.speaker.error(ModelErrorKind::BadRequest, error);
        let name = self.spec.name;
        let lacks = |tool: &&HostedTool| hosted(self.spec.wire, **tool).is_none();
        if let Some(tool) = request.options.hosted_tools.iter().find(lacks) {
            return Err(bad(format!("`{name}` has no tool `{}` of its own", tool.as_str()))
                .with_hint("leave it out of `hosted_tools`, or give the agent a tool"));
        }
        // The library would leave them out.
        if self.spec.wire == Wire::Gateway(Gateway::Mira) && !request.options.extra.is_empty() {
            return Err(bad(format!("`{name}` takes no parameters of `extra`"))
                .with_hint("leave `extra` out"));
        }
        if self.would_drop_choice(&request) {
            return Err(bad(format!(
                "`{}` cannot be made to call a tool while it reasons",
                self.id
            ))
            .with_hint("set `reasoning_effort` to `none`, or leave the choice to the model"));
        }
        if let Some(why) = adapt::refused_mode(&request, self.spec, self.calls_tools()) {
            return Err(bad(format!("`{}` {why}", self.id))
                .with_hint("choose another `output_mode`, or leave it out"));
        }
        let request = adapted(request, self.spec, self.calls_tools());
        let mut ids = HashMap::new();
        let mut messages = Vec::with_capacity(request.messages.len());
        for message in &request.messages {
            messages.extend(self.message(message, &mut ids).await?);
        }
        if messages.is_empty() {
            return Err(bad("there is no message to answer".to_owned()));
        }
        let mut asked = CompletionRequest::from(messages);
        if let Some(instructions) = request.instructions.filter(|text| !text.is_empty()) {
            asked = asked.preamble(instructions);
        }
        let must_call = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::One(_));
        // The library would ask Moonshot's model in words, which it may ignore.
        let cannot_be_forced = [Wire::Ollama, Wire::Gateway(Gateway::Moonshot)];
        if must_call && cannot_be_forced.contains(&self.spec.wire) {
            return Err(bad(format!("`{name}` cannot be made to call a tool"))
                .with_hint("leave the choice to the model, or use another provider"));
        }
        strict::check(&request.strict_tools, self.spec.wire, &self.id).map_err(bad)?;
        let mut tools = Vec::with_capacity(request.tools.len());
        for tool in request.tools {
            let name = tool_name(&tool.name).map_err(bad)?;
            tools.push(ToolDefinition::new(name, tool.description, tool.parameters));
        }
        if !tools.is_empty() {
            if !self.calls_tools() {
                return Err(bad(format!("`{}` calls no tools", self.id)));
            }
            asked = asked.tools(tools).tool_choice(match request.tool_choice {
                ToolChoice::Auto => rig_core::message::ToolChoice::Auto,
                ToolChoice::None => rig_core::message::ToolChoice::None,
                ToolChoice::Required => rig_core::message::ToolChoice::Required,
                ToolChoice::One(name) => rig_core::message::ToolChoice::Specific {
                    function_names: vec![tool_name(&name).map_err(bad)?],
                },
            });
        }
        if let Some(schema) = request.output_schema {
            let schema = rig_core::schemars::Schema::try_from(schema)
                .map_err(|error| bad(format!("the output schema is not a JSON Schema: {error}")))?;
            asked = asked.output_schema(schema);
        }
        match (request.options.reasoning_effort, request.options.reasoning_budget) {
            (None, None) => {}
            (Some(effort), None) => asked = asked.reasoning(reasoning(effort)),
            (None, Some(tokens)) => asked = asked.reasoning(Reasoning::Budget { tokens }),
            (Some(_), Some(_)) => {
                return Err(bad("a request has an effort and a budget of reasoning".to_owned())
                    .with_hint("set `reasoning_effort` or `reasoning_budget`"));
            }
        }
        match request.options.cache {
            None => {}
            // Where nothing has to be marked, the provider caches for a short time by itself.
            Some(Retention::Short) if self.spec.wire != Wire::Anthropic => {}
            Some(Retention::Short) => asked = asked.cache(CacheRetention::Short),
            Some(_) => asked = asked.cache(CacheRetention::Long),
        }
        headers(&request.options.headers, &self.speaker)?;
        asked.options.top_p = request.options.top_p;
        asked.options.seed = request.options.seed;
        asked.options.stop = request.options.stop;
        let extra = request.options.extra;
        let extra: Option<Value> = (!extra.is_empty()).then(|| extra.into());
        Ok(asked
            .max_tokens(request.options.max_output_tokens)
            .temperature(request.options.temperature)
            // Reasons that are new are ours to judge.
            .accept_unknown_finish_reasons(true)
            .additional_params(extra))
    }

    /// Returns `true` if the library would leave out that a tool must be called: `DeepSeek` refuses
    /// that while a model reasons, and all but one do unless they are told not to.
    fn would_drop_choice(&self, request: &ModelRequest) -> bool {
        let must_call = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::One(_));
        let options = &request.options;
        let reasons = match options.reasoning_effort {
            Some(effort) => effort != ReasoningEffort::None,
            None => self.speaker.model != "deepseek-chat",
        };
        let is_told = options.extra.contains_key("thinking");
        self.spec.wire == Wire::DeepSeek && must_call && reasons && !is_told
    }

    async fn message(
        &self,
        message: &Message,
        ids: &mut HashMap<String, CallId>,
    ) -> Result<Option<RigMessage>, ModelError> {
        let bad = |error: String| self.speaker.error(ModelErrorKind::BadRequest, error);
        Ok(match message {
            Message::User { parts } => {
                let mut content = Vec::with_capacity(parts.len());
                for part in parts {
                    match part {
                        Part::Text { text } if text.is_empty() => {}
                        Part::Text { text } => content.push(UserContent::text(text.clone())),
                        Part::Media { media } => content.push(self.medium(media).await?),
                        _ => return Err(bad("a person's message has text and media only".into())),
                    }
                }
                (!content.is_empty()).then_some(RigMessage::User { content })
            }
            Message::Assistant(turn) => {
                let turn = match self.native(turn) {
                    Some(turn) => turn,
                    None => canonical(turn).map_err(bad)?,
                };
                for call in turn.tool_calls() {
                    ids.insert(call.id.wire().into_owned(), call.id.clone());
                }
                (!turn.content.is_empty()).then_some(RigMessage::Assistant(turn))
            }
            Message::Tool { results } => {
                let results: Result<Vec<_>, _> =
                    results.iter().map(|result| tool_result(result, ids)).collect();
                let results = results.map_err(bad)?;
                (!results.is_empty()).then(|| RigMessage::tool_results(results))
            }
        })
    }

    /// The form in which this very model gave the turn. Another's is of no use to it: signatures
    /// and encrypted reasoning can be read only by the model that wrote them.
    fn native(&self, turn: &AssistantTurn) -> Option<AssistantMessage> {
        let native = turn.native.as_ref()?;
        if ![ADAPTER, ADAPTER_WITH_TOKENS].contains(&native.adapter.as_str()) {
            return None;
        }
        if native.data.get("model")?.as_str()? != self.id {
            return None;
        }
        let message = native.data.get("message")?;
        let message = if native.adapter == ADAPTER_WITH_TOKENS {
            let mut message = message.clone();
            long::each_token(&mut message, &mut |token| {
                let part = long::token_number(token).and_then(|part| turn.parts.get(part));
                if let Some(Part::Text { text } | Part::Reasoning { text }) = part {
                    text.clone_into(token);
                }
            });
            RigMessage::deserialize(&message)
        } else {
            RigMessage::deserialize(message)
        };
        let RigMessage::Assistant(mut message) = message.ok()? else { return None };
        if native.adapter == ADAPTER_WITH_TOKENS {
            message.content = message.content.into_iter().map(renewed).collect();
        }
        Some(message)
    }

    async fn medium(&self, media: &Media) -> Result<UserContent, ModelError> {
        let attachment = Attachment::of(media).await?;
        let content = content(&attachment);
        let (model, spec) = (&self.speaker.model, self.spec);
        let accepts = self.target.accepts(model);
        let sendable = match &content {
            Some(UserContent::Image(image)) => {
                accepts.user_images
                    && self.target.encodes(model, RigMedia::Image(image, Place::User))
            }
            Some(UserContent::Audio(audio)) => self.target.encodes(model, RigMedia::Audio(audio)),
            Some(UserContent::Video(video)) => self.target.encodes(model, RigMedia::Video(video)),
            Some(UserContent::Document(document)) => {
                self.target.encodes(model, RigMedia::Document(document))
            }
            _ => false,
        };
        // What the library would write for others here, Groq does not read.
        let sendable = sendable && (spec.wire != Wire::Groq || media.kind == MediaKind::Image);
        match content {
            Some(content) if sendable => Ok(content),
            _ => Err(attachment.refused_by(&self.id)),
        }
    }
}

/// `content` with its long texts in place of tokens. The library takes the provider's form of a
/// part for outdated if the part is not what it was when that form was kept.
fn renewed(content: AssistantContent) -> AssistantContent {
    let native = match &content {
        AssistantContent::Text(text) => &text.native,
        AssistantContent::Reasoning(thought) => &thought.native,
        AssistantContent::ToolCall(call) => &call.native,
        AssistantContent::Image(image) => &image.native,
        _ => &None,
    };
    match native.as_ref().map(|native| native.item.clone()) {
        Some(item) => content.with_native(item),
        None => content,
    }
}

fn content(attachment: &Attachment) -> Option<UserContent> {
    let mime = attachment.mime.as_deref();
    let data = match &attachment.source {
        AttachmentSource::Url(url) => DocumentSourceKind::Url(url.clone()),
        AttachmentSource::Base64(data) => DocumentSourceKind::Base64(data.clone()),
        AttachmentSource::Text(text) => DocumentSourceKind::String(text.clone()),
    };
    let is_text = matches!(data, DocumentSourceKind::String(_));
    Some(match attachment.kind {
        MediaKind::Image => UserContent::Image(rig_core::message::Image {
            media_type: mime.and_then(ImageMediaType::from_mime_type),
            data,
            ..Default::default()
        }),
        MediaKind::Audio => UserContent::Audio(rig_core::message::Audio {
            media_type: Some(mime.and_then(AudioMediaType::from_mime_type)?),
            data,
        }),
        MediaKind::Video => UserContent::Video(rig_core::message::Video {
            media_type: mime.and_then(VideoMediaType::from_mime_type),
            data,
            additional_params: None,
        }),
        MediaKind::File => UserContent::Document(rig_core::message::Document {
            media_type: match mime.and_then(DocumentMediaType::from_mime_type) {
                None if is_text => Some(DocumentMediaType::TXT),
                None => return None,
                known => known,
            },
            data,
            additional_params: None,
        }),
    })
}

/// A turn of another model, or one that a program wrote. What others have thought stays with them.
fn canonical(turn: &AssistantTurn) -> Result<AssistantMessage, String> {
    let mut content = Vec::with_capacity(turn.parts.len());
    for part in &turn.parts {
        match part {
            Part::Text { text } if text.is_empty() => {}
            Part::Text { text } => content.push(AssistantContent::text(text.clone())),
            Part::ToolCall(call) => {
                let name = tool_name(&call.name)?;
                let function = match &call.arguments {
                    Arguments::Json(arguments) => ToolFunction::new(name, Value::clone(arguments)),
                    Arguments::Invalid(raw) => ToolFunction::parse(name, raw),
                };
                content.push(AssistantContent::ToolCall(RigCall::from_wire(&call.id, function)));
            }
            // An image that the model made is no part of what it can be told again.
            _ => {}
        }
    }
    Ok(AssistantMessage::new(content))
}

fn tool_result(result: &ToolOutcome, ids: &HashMap<String, CallId>) -> Result<ToolResult, String> {
    let known = ids.get(&result.call_id).cloned();
    Ok(ToolResult {
        call: known.unwrap_or_else(|| CallId::from_wire(result.call_id.clone())),
        name: tool_name(&result.name)?,
        content: vec![ToolResultContent::text(result.text.clone())],
        is_error: result.is_error,
    })
}

fn tool_name(name: &str) -> Result<ToolName, String> {
    ToolName::new(name).map_err(|_| "a tool has no name".to_owned())
}

fn reasoning(effort: ReasoningEffort) -> Reasoning {
    match effort {
        ReasoningEffort::None => Reasoning::Off,
        ReasoningEffort::Minimal => Effort::Minimal.into(),
        ReasoningEffort::Low => Effort::Low.into(),
        ReasoningEffort::High => Effort::High.into(),
        ReasoningEffort::Max => Effort::Max.into(),
        _ => Effort::Medium.into(),
    }
}

// --- what goes wrong ---

fn failure(error: ProviderError, speaker: &Speaker) -> ModelError {
    use ModelErrorKind::{BadRequest, Malformed, Refused};
    let provider = speaker.provider;
    match error {
        ProviderError::Http(error) => match &*error {
            http_client::Error::Instance(inner) => match inner.downcast_ref::<Failure>() {
                Some(failure) => failure.0.clone(),
                None => speaker.error(ModelErrorKind::Transport, inner.to_string()),
            },
            http_client::Error::StreamEnded => truncated(speaker),
            other => speaker.error(BadRequest, other.to_string()),
        },
        ProviderError::Truncated => truncated(speaker),
        ProviderError::Json(error) => {
            speaker.error(Malformed, format!("`{provider}` sent an invalid answer: {error}"))
        }
        ProviderError::Response(reason) => {
            speaker.error(Malformed, format!("the answer of `{provider}` is invalid: {reason}"))
        }
        ProviderError::ProviderResponse(answer) if answer.refusal => {
            let mut error = speaker.in_band(&answer.body);
            error.kind = Refused;
            error.retryable = false;
            error
        }
        ProviderError::ProviderResponse(answer) | ProviderError::InvalidAuthentication(answer) => {
            match answer.status.filter(|status| !status.is_success()) {
                Some(status) => {
                    let headers = answer.headers.unwrap_or_default();
                    speaker.refused(status, &headers, &answer.body)
                }
                None => speaker.in_band(&answer.body),
            }
        }
        ProviderError::Provider(reason) => speaker.in_band(&reason),
        ProviderError::UnsupportedOption(option) => speaker
            .error(BadRequest, option.to_string())
            .with_hint("leave this option out, or use a model that has it"),
        ProviderError::Request(reason) => speaker.error(BadRequest, reason.to_string()),
        other => speaker.error(BadRequest, other.to_string()),
    }
}

fn truncated(speaker: &Speaker) -> ModelError {
    let message = format!("the answer of `{}` ended before it was finished", speaker.provider);
    speaker.error(ModelErrorKind::Truncated, message)
}

#[cfg(test)]
mod tests {
    use crate::catalogue::PROVIDERS;
    use rig_core::providers::registry::ProviderId;

    /// The providers of the library that have another name there.
    const RENAMED: [(&str, &str); 3] =
        [("azure.openai", "azure"), ("gcp.gemini", "google"), ("xiaomimimo", "xiaomi")];

    /// Those that are left out: they want the login of a subscription in place of a key.
    const WITHOUT_KEY: [&str; 2] = ["chatgpt", "copilot"];

    #[test]
    fn every_provider_of_the_library_has_a_name() {
        let vendors = ProviderId::all().map(|id| id.vendor());
        let names = vendors.map(|vendor| {
            RENAMED.iter().find(|(theirs, _)| *theirs == vendor).map_or(vendor, |(_, ours)| *ours)
        });
        let has = |name: &str| PROVIDERS.iter().any(|spec| spec.name == name);
        let missing: Vec<&str> =
            names.filter(|name| !has(name) && !WITHOUT_KEY.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
