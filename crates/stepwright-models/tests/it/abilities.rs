//! The content that each provider can be given, as `docs/models.md` says.

use std::net::TcpListener;
use stepwright_core::media::{Media, MediaKind};
use stepwright_core::message::{Message, Part};
use stepwright_core::model::{ModelErrorKind, ModelRequest};
use stepwright_models::Provider;

/// A model that sees and hears whatever its provider can, or that nothing is known of.
const MODELS: [(&str, &str); 24] = [
    ("openai", "gpt-5-mini"),
    ("openai-chat", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-5"),
    ("google", "gemini-2.5-flash"),
    ("mistral", "mistral-medium-latest"),
    ("groq", "meta-llama/llama-4-scout-17b-16e-instruct"),
    ("deepseek", "deepseek-chat"),
    ("xai", "grok-4"),
    ("openrouter", "openai/gpt-5-mini"),
    ("ollama", "llava"),
    ("azure", "mine"),
    ("cohere", "some-model"),
    ("doubleword", "some-model"),
    ("huggingface", "some-model"),
    ("hyperbolic", "some-model"),
    ("llamacpp", "some-model"),
    ("minimax", "some-model"),
    ("mira", "some-model"),
    ("moonshot", "some-model"),
    ("perplexity", "some-model"),
    ("together", "some-model"),
    ("venice", "some-model"),
    ("xiaomi", "some-model"),
    ("zai", "some-model"),
];

/// Returns `true` if the provider may be asked with this medium. No server listens: a request that
/// can be sent fails at the door, and one that cannot is refused before.
async fn takes(provider: &Provider, model: &str, media: Media) -> bool {
    let parts = vec![Part::Text { text: "What is it?".into() }, Part::Media { media }];
    let messages = vec![Message::User { parts }];
    let request = ModelRequest { messages, ..ModelRequest::default() };
    let error = provider.model(model).unwrap().complete(request).await.unwrap_err();
    match error.kind {
        ModelErrorKind::Transport => true,
        ModelErrorKind::BadRequest => false,
        _ => panic!("{}: {error:?}", provider.name()),
    }
}

async fn ways(provider: &Provider, model: &str, kind: MediaKind, file: &[u8], end: &str) -> String {
    let bytes = Media::bytes(kind, file).with_name(format!("file.{end}"));
    let url = Media::url(kind, format!("https://example.org/file.{end}"));
    let ways = [(bytes, "bytes"), (url, "address")];
    let mut taken = Vec::new();
    for (media, way) in ways {
        if takes(provider, model, media).await {
            taken.push(way);
        }
    }
    if taken.is_empty() { "–".to_owned() } else { taken.join(", ") }
}

#[tokio::test]
async fn the_page_says_what_each_provider_can_be_given() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.split("## Capabilities").nth(1).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut wrong = Vec::new();
    for (name, model) in MODELS {
        let provider = Provider::named(name).unwrap().base_url(&nobody).api_key("k");
        let there = [
            ways(&provider, model, MediaKind::Image, b"\x89PNG", "png").await,
            ways(&provider, model, MediaKind::File, b"%PDF-1.7", "pdf").await,
            ways(&provider, model, MediaKind::Audio, b"RIFF....WAVE", "wav").await,
        ];
        let row = table.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        let told: Vec<&str> = row.split('|').map(str::trim).skip(4).take(3).collect();
        if told != there {
            wrong.push(format!("`{name}`: the page says {told:?}, and it is {there:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
