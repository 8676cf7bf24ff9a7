//! The tables of `docs/models.md` about what each provider can be asked: computed from the requests
//! that are sent and refused, and from answers. `CONFORMANCE=overwrite` writes them anew.

use super::super::ending::written;
use super::super::seen::{hello, watch};
use super::super::server::{Request, Server};
use super::super::speech::{Script, Wire, anthropic, gemini};
use super::probes::{named, probes, question, tools};
use super::{Asked, MODELS, Outcome};
use std::fmt::Write as _;
use stepwright_core::media::{Media, MediaKind};
use stepwright_core::message::{Message, ToolOutcome, Usage};
use stepwright_core::model::{HostedTool, ModelRequest, ReasoningEffort};

/// The cell of what a provider does not have.
const NONE: &str = "–";

/// A provider and its models that are asked.
struct Provider {
    name: &'static str,
    models: Vec<Asked>,
}

impl Provider {
    fn all() -> impl Iterator<Item = Self> {
        MODELS.iter().map(|&(name, models)| {
            let models = models.iter().map(|&model| Asked { provider: name, model }).collect();
            Self { name, models }
        })
    }

    /// The model that takes whatever its provider takes: the model library does not know it.
    fn any(&self) -> &Asked {
        &self.models[0]
    }

    /// Returns the outcomes of the probe of this name with each model.
    async fn outcomes(&self, probe: &str) -> Vec<Outcome> {
        let probes = probes();
        let probe = probes.iter().find(|it| it.name == probe).expect("a probe of this name");
        let mut outcomes = Vec::new();
        for model in &self.models {
            outcomes.push(model.outcome(probe).await);
        }
        outcomes
    }

    /// Returns `true` if a setting is not refused by all models.
    async fn takes(&self, probe: &str) -> bool {
        !self.outcomes(probe).await.iter().all(Outcome::is_refused)
    }

    /// Returns `true` if a setting changes the request to a model.
    async fn sends(&self, probe: &str) -> bool {
        self.outcomes(probe).await.iter().any(|outcome| outcome.body().is_some())
    }

    async fn tools(&self) -> &'static str {
        if !self.takes("`tools`").await {
            NONE
        } else if !self.takes("`tool_choice: required` beside a tool").await {
            "yes; cannot be forced"
        } else if !self.takes("`tool_choice: add` beside a tool").await {
            "yes; none can be named"
        } else {
            "yes"
        }
    }

    async fn schema(&self) -> String {
        let way = |outcomes: &[Outcome]| {
            let body = outcomes[0].body()?.to_owned();
            Some(if body.contains("final_answer") {
                "by tool"
            } else if !body.contains("follows this JSON Schema") {
                "enforced"
            } else if body.contains("json_object") {
                "told, as JSON"
            } else {
                "told"
            })
        };
        let alone =
            way(&self.outcomes("`output_schema`").await).expect("a schema is never refused");
        match way(&self.outcomes("`output_schema` beside a tool").await) {
            Some(beside) if beside != alone => format!("{alone}; beside tools {beside}"),
            _ => alone.to_owned(),
        }
    }

    /// Returns the ways in which a medium can be given to one of the models.
    async fn media(&self, kind: MediaKind) -> String {
        let mut ways = Vec::new();
        for (name, media) in super::probes::media() {
            if media.kind == kind && self.is_given(media).await {
                ways.push(if name.ends_with("bytes") { "bytes" } else { "address" });
            }
        }
        joined(&ways)
    }

    async fn is_given(&self, media: Media) -> bool {
        let request = ModelRequest { messages: question(media), ..hello() };
        for model in &self.models {
            if model.send(&request).await.is_ok() {
                return true;
            }
        }
        false
    }

    async fn reasoning(&self) -> String {
        let mut words = Vec::new();
        for (name, _) in named::<ReasoningEffort>() {
            if self.sends(&format!("`reasoning_effort: {name}`")).await {
                words.push("effort");
                break;
            }
        }
        if self.sends("`reasoning_budget: 2000`").await {
            words.push("budget");
        }
        joined(&words)
    }

    async fn cache(&self) -> String {
        let mut words = Vec::new();
        for (name, word) in [("`cache: short`", "short"), ("`cache: long`", "long")] {
            if self.sends(name).await {
                words.push(word);
            }
        }
        joined(&words)
    }

    /// Returns the form in which the reasoning of an answer goes back with the next request.
    async fn replay(&self) -> &'static str {
        let model = self.any();
        let can_call = self.takes("`tools`").await;
        let thought = Script::thought(&["Let me add."]).and_text(&["I add."]);
        let call = || thought.clone().and_call("call_1", "add", &["{\"a\":2}"]);
        let first = if can_call { call() } else { thought.clone() };
        let replies = [model.wire().says(&first), model.wire().says(&Script::text(&["It is 5."]))];
        let server = Server::start(replies).await;
        let mut request = hello();
        request.tools = if can_call { tools() } else { Vec::new() };
        let turn = watch(model.at(&server), request.clone(), None).await.answer.unwrap().turn;
        let results = turn.tool_calls().map(|call| ToolOutcome {
            call_id: call.id.clone(),
            name: call.name.clone(),
            text: "5".into(),
            is_error: false,
            outcome_unknown: false,
            media: Vec::new(),
            whole: None,
        });
        let results: Vec<_> = results.collect();
        let next = if can_call { Message::Tool { results } } else { Message::user("And?") };
        request.messages.extend([Message::Assistant(turn), next]);
        watch(model.at(&server), request, None).await.answer.unwrap();
        let body = server.requests()[1].body.to_string();
        let has = |text: &str| body.contains(text);
        if has(anthropic::SIGNATURE) || has(gemini::SIGNATURE) {
            "signed"
        } else if has("ciph") {
            "encrypted"
        } else if has("Let me") {
            "as text"
        } else {
            NONE
        }
    }

    /// Returns the name that the provider has for a tool of its own.
    async fn hosted(&self, tool: &str) -> Option<String> {
        let outcomes = self.outcomes(&format!("`hosted_tools: [{tool}]`")).await;
        let body = outcomes.iter().find_map(Outcome::body)?;
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let member = body.get("tools").or_else(|| body.get("plugins"))?;
        let asked = member.as_array()?.first()?.as_object()?;
        let name = asked.get("type").or_else(|| asked.get("id"));
        let name = name.and_then(serde_json::Value::as_str);
        // Google names a tool by the only member of its object that is not empty.
        let by_member = || asked.iter().find(|(_, value)| !value.is_null()).map(|it| it.0.as_str());
        name.or_else(by_member).map(str::to_owned)
    }

    /// Asks for an answer of two pieces. Returns the request, `true` if both pieces arrived on
    /// their own, and the counts of tokens.
    async fn answer(&self) -> (Request, bool, Usage) {
        let model = self.any();
        let script = Script::text(&["Yes", ", it is."]).with_usage();
        let server = Server::start([model.wire().says(&script)]).await;
        let seen = watch(model.at(&server), hello(), None).await;
        let pieces = seen.lines.iter().filter(|line| line.starts_with("text ")).count();
        (server.request(), pieces == 2, seen.answer.unwrap().usage)
    }
}

fn joined(words: &[&str]) -> String {
    if words.is_empty() { NONE.to_owned() } else { words.join(", ") }
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { NONE }
}

/// Returns the counts that an answer can report.
fn counts(usage: Usage) -> String {
    let Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        reasoning_tokens,
        image_tokens,
    } = usage;
    let counts = [
        ("input", input_tokens),
        ("output", output_tokens),
        ("cached", cache_read_tokens),
        ("written to the cache", cache_write_tokens),
        ("reasoning", reasoning_tokens),
        ("image", image_tokens),
    ];
    let told: Vec<&str> = counts.iter().filter(|it| it.1.is_some()).map(|it| it.0).collect();
    joined(&told)
}

/// Returns `true` if a request asks for the pieces of its answer as they come.
fn is_streamed(wire: Wire, request: &Request) -> bool {
    match wire {
        Wire::Gemini => request.path.contains(":streamGenerateContent"),
        _ => request.body["stream"] == true,
    }
}

#[tokio::test]
async fn the_page_says_what_each_provider_can_be_asked() {
    let mut inputs = String::from(
        "| | Streaming | Tools | Strict tools | Schema of the answer | Images | PDF | Audio | \
         Video |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut others = String::from(
        "| | Reasoning asked for by | Reasoning goes back | Marks of the cache | \
         Counts of tokens | Batch |\n|---|---|---|---|---|---|\n",
    );
    for provider in Provider::all() {
        let name = provider.name;
        let (request, in_pieces, usage) = provider.answer().await;
        let streaming = yes(in_pieces && is_streamed(provider.any().wire(), &request));
        let strict = yes(provider.takes("`strict: true` beside a tool").await);
        let [image, file, audio, video] =
            [MediaKind::Image, MediaKind::File, MediaKind::Audio, MediaKind::Video]
                .map(|kind| provider.media(kind));
        writeln!(
            inputs,
            "| `{name}` | {streaming} | {} | {strict} | {} | {} | {} | {} | {} |",
            provider.tools().await,
            provider.schema().await,
            image.await,
            file.await,
            audio.await,
            video.await,
        )
        .unwrap();
        writeln!(
            others,
            "| `{name}` | {} | {} | {} | {} | {} |",
            provider.reasoning().await,
            provider.replay().await,
            provider.cache().await,
            counts(usage),
            yes(request.path.contains("batch")),
        )
        .unwrap();
    }
    written("capabilities", &format!("{inputs}\n{others}"));
}

#[tokio::test]
async fn the_page_names_the_tools_of_each_provider() {
    let names: Vec<String> = named::<HostedTool>().into_iter().map(|(name, _)| name).collect();
    let heads: Vec<String> = names.iter().map(|name| format!(" `{name}` |")).collect();
    let mut table = format!("| |{}\n|---|{}\n", heads.concat(), "---|".repeat(names.len()));
    for provider in Provider::all() {
        let mut cells = Vec::new();
        for name in &names {
            cells.push(provider.hosted(name).await.map(|name| format!("`{name}`")));
        }
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NONE.to_owned()));
            let cells: Vec<String> = cells.collect();
            writeln!(table, "| `{}` | {} |", provider.name, cells.join(" | ")).unwrap();
        }
    }
    written("hosted tools", &table);
}
