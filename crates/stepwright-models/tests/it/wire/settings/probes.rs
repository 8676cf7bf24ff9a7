//! One request for each setting, and for each value of a setting that has names.

use super::super::seen::hello;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use stepwright_core::media::{Media, MediaKind};
use stepwright_core::message::{Message, Part};
use stepwright_core::model::{
    CacheRetention, HostedTool, ModelOptions, ModelRequest, OutputMode, ReasoningEffort, ToolChoice,
};
use stepwright_core::tool::ToolSpec;

/// The request that a probe is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// One word of a person.
    Hello,
    /// The same with a tool.
    Tool,
}

/// A setting, and a request that has nothing else.
pub(super) struct Probe {
    pub(super) name: String,
    pub(super) base: Base,
    pub(super) request: ModelRequest,
}

impl Probe {
    fn new(name: impl Into<String>, change: impl FnOnce(&mut ModelRequest)) -> Self {
        let mut request = hello();
        change(&mut request);
        Self { name: name.into(), base: Base::Hello, request }
    }

    fn beside_tool(name: impl Into<String>, change: impl FnOnce(&mut ModelRequest)) -> Self {
        let probe = Self::new(name, |request| {
            request.tools = tools();
            change(request);
        });
        Self { base: Base::Tool, name: format!("{} beside a tool", probe.name), ..probe }
    }
}

/// Returns the tool of all probes.
pub(super) fn tools() -> Vec<ToolSpec> {
    let parameters = json!({
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"type": "string"}},
        "required": ["a"],
    });
    vec![ToolSpec { name: "add".into(), description: "Adds.".into(), parameters }]
}

fn schema() -> Value {
    json!({
        "title": "Sum",
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": false,
    })
}

/// Returns the values that a setting has names for, by their names. Serde lists them in its error
/// for an unknown name, so a new one is among them.
pub(super) fn named<T: DeserializeOwned>() -> Vec<(String, T)> {
    let error = serde_json::from_value::<T>(json!("?")).err().expect("an unknown name").to_string();
    let words = error.split('`').skip(1).step_by(2).filter(|word| *word != "?");
    let value = |word: &str| serde_json::from_value(json!(word)).expect("a name that is known");
    words.map(|word| (word.to_owned(), value(word))).collect()
}

/// Returns the media of all kinds, each as bytes and by its address.
pub(super) fn media() -> Vec<(String, Media)> {
    let files = named::<MediaKind>().into_iter().map(|(name, kind)| match kind {
        MediaKind::Image => (name, kind, &b"\x89PNG"[..], "image.png"),
        MediaKind::File => (name, kind, &b"%PDF-1.7"[..], "file.pdf"),
        MediaKind::Audio => (name, kind, &b"RIFF....WAVE"[..], "sound.wav"),
        MediaKind::Video => (name, kind, &b"....ftyp"[..], "video.mp4"),
    });
    let ways = files.flat_map(|(name, kind, bytes, file)| {
        let by_address = Media::url(kind, format!("https://example.org/{file}"));
        let bytes = Media::bytes(kind, bytes).with_name(file);
        [(format!("{name} as bytes"), bytes), (format!("{name} by its address"), by_address)]
    });
    ways.collect()
}

/// Returns a question about a medium.
pub(super) fn question(media: Media) -> Vec<Message> {
    let parts = vec![Part::Text { text: "hello".into() }, Part::Media { media }];
    vec![Message::User { parts }]
}

/// Returns a probe for each setting and each of its names.
pub(super) fn probes() -> Vec<Probe> {
    let mut probes = numbers();
    probes.extend(named().into_iter().map(|(name, effort): (_, ReasoningEffort)| {
        Probe::new(format!("`reasoning_effort: {name}`"), |request| {
            request.options.reasoning_effort = Some(effort);
        })
    }));
    probes.push(Probe::new("`reasoning_budget: 2000`", |request| {
        request.options.reasoning_budget = Some(2_000);
    }));
    probes.push(Probe::new("an effort and a budget of reasoning", |request| {
        request.options.reasoning_effort = Some(ReasoningEffort::Low);
        request.options.reasoning_budget = Some(2_000);
    }));
    probes.extend(named().into_iter().map(|(name, cache): (_, CacheRetention)| {
        Probe::new(format!("`cache: {name}`"), |request| request.options.cache = Some(cache))
    }));
    probes.extend(named().into_iter().map(|(name, tool): (_, HostedTool)| {
        Probe::new(format!("`hosted_tools: [{name}]`"), |request| {
            request.options.hosted_tools = vec![tool];
        })
    }));
    probes.push(Probe::new("`instructions`", |request| {
        request.instructions = Some("Be brief.".into());
    }));
    probes.extend(calls());
    probes.extend(schemas());
    probes.extend(media().into_iter().map(|(name, media)| {
        Probe::new(format!("`messages`: {name}"), |request| request.messages = question(media))
    }));
    probes
}

/// Returns the probes of settings that are numbers, texts or parameters of a provider.
fn numbers() -> Vec<Probe> {
    let option = |name: &str, change: fn(&mut ModelOptions)| {
        Probe::new(format!("`{name}`"), |request| change(&mut request.options))
    };
    vec![
        option("max_output_tokens: 500", |options| options.max_output_tokens = Some(500)),
        option("temperature: 0.5", |options| options.temperature = Some(0.5)),
        option("top_p: 0.25", |options| options.top_p = Some(0.25)),
        option("stop: [END]", |options| options.stop = vec!["END".into()]),
        option("seed: 7", |options| options.seed = Some(7)),
        option("timeout: 60s", |options| options.timeout = Some(Duration::from_mins(1))),
        option("idle_timeout: 60s", |options| options.idle_timeout = Some(Duration::from_mins(1))),
        option("extra: {service_tier: flex}", |options| {
            options.extra.insert("service_tier".into(), "flex".into());
        }),
        option("headers: {X-Team: red}", |options| {
            options.headers.insert("X-Team".into(), "red".into());
        }),
        option("headers: {Authorization: other}", |options| {
            options.headers.insert("Authorization".into(), "other".into());
        }),
    ]
}

/// Returns the name of a choice.
fn choice_name(choice: &ToolChoice) -> &'static str {
    match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required => "required",
        ToolChoice::One(_) => "add",
    }
}

/// Returns the probes of tools, of the choice to call them, and of strict ones.
fn calls() -> Vec<Probe> {
    let mut probes = vec![Probe::new("`tools`", |request| request.tools = tools())];
    let one = ToolChoice::One("add".into());
    let choices = [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, one];
    probes.extend(choices.map(|choice| {
        let name = format!("`tool_choice: {}`", choice_name(&choice));
        Probe::beside_tool(name, |request| request.tool_choice = choice)
    }));
    probes.push(Probe::beside_tool("`strict: true`", |request| {
        request.strict_tools = ["add".to_owned()].into();
    }));
    probes
}

/// Returns the probes of a schema of the answer, in each way that it can go.
fn schemas() -> Vec<Probe> {
    let set = |request: &mut ModelRequest| request.output_schema = Some(schema());
    let mut probes =
        vec![Probe::new("`output_schema`", set), Probe::beside_tool("`output_schema`", set)];
    probes.extend(named().into_iter().map(|(name, mode): (_, OutputMode)| {
        Probe::new(format!("`output_schema` with `output_mode: {name}`"), |request| {
            set(request);
            request.options.output_mode = Some(mode);
        })
    }));
    probes
}

/// Returns the members of a request, and whether each is set. A new member does not compile.
pub(super) fn set_members(request: &ModelRequest) -> impl Iterator<Item = (&'static str, bool)> {
    let ModelRequest {
        instructions,
        messages,
        tools,
        strict_tools,
        tool_choice,
        output_schema,
        options,
    } = request;
    let ModelOptions {
        max_output_tokens,
        temperature,
        top_p,
        stop,
        seed,
        reasoning_effort,
        reasoning_budget,
        cache,
        hosted_tools,
        output_mode,
        timeout,
        idle_timeout,
        extra,
        headers,
    } = options;
    [
        ("instructions", instructions.is_some()),
        ("messages", *messages != hello().messages),
        ("tools", !tools.is_empty()),
        ("strict_tools", !strict_tools.is_empty()),
        ("tool_choice", *tool_choice != ToolChoice::Auto),
        ("output_schema", output_schema.is_some()),
        ("max_output_tokens", max_output_tokens.is_some()),
        ("temperature", temperature.is_some()),
        ("top_p", top_p.is_some()),
        ("stop", !stop.is_empty()),
        ("seed", seed.is_some()),
        ("reasoning_effort", reasoning_effort.is_some()),
        ("reasoning_budget", reasoning_budget.is_some()),
        ("cache", cache.is_some()),
        ("hosted_tools", !hosted_tools.is_empty()),
        ("output_mode", output_mode.is_some()),
        ("timeout", timeout.is_some()),
        ("idle_timeout", idle_timeout.is_some()),
        ("extra", !extra.is_empty()),
        ("headers", !headers.is_empty()),
    ]
    .into_iter()
}
