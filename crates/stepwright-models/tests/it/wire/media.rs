//! Images and other media: sent in the form that each wire wants, or refused before anything is.

use super::seen::{Verdicts, hello, watch};
use super::server::Server;
use super::speech::{Script, Wire};
use serde_json::{Value, json};
use stepwright_core::media::{Media, MediaKind};
use stepwright_core::message::{Message, Part};
use stepwright_core::model::ModelRequest;

/// One transparent dot.
const DOT: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
const DOT_BASE64: &str = "iVBORw0KGgo=";

fn look(media: Media) -> ModelRequest {
    let parts = vec![Part::Text { text: "What is it?".into() }, Part::Media { media }];
    ModelRequest { messages: vec![Message::User { parts }], ..ModelRequest::default() }
}

fn dot() -> Media {
    Media::bytes(MediaKind::Image, DOT).with_mime("image/png")
}

/// The message of a person in the body of a request.
fn said(wire: Wire, body: &Value) -> Value {
    match wire {
        Wire::Chat | Wire::Anthropic => body["messages"][0].clone(),
        Wire::Responses => body["input"].clone(),
        Wire::Gemini => body["contents"][0].clone(),
        Wire::Ollama => body["messages"][0].clone(),
    }
}

async fn sent(wire: Wire, media: Media) -> Value {
    let server = Server::start([wire.says(&Script::text(&["A dot."]))]).await;
    let seen = watch(wire.model(&server), look(media), None).await;
    assert!(seen.answer.is_ok(), "{wire:?}: {:?}", seen.answer);
    said(wire, &server.request().body)
}

#[tokio::test]
async fn an_image_is_sent_in_the_form_of_each_wire() {
    for wire in Wire::ALL {
        let data_url = format!("data:image/png;base64,{DOT_BASE64}");
        let expected = match wire {
            Wire::Chat => json!({"role": "user", "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": data_url, "detail": "auto"}},
            ]}),
            // One message for each piece: it reads them as one.
            Wire::Responses => json!([
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "What is it?"},
                ]},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_image", "image_url": data_url, "detail": "auto"},
                ]},
            ]),
            Wire::Anthropic => json!({"role": "user", "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png", "data": DOT_BASE64,
                }},
            ]}),
            Wire::Gemini => json!({"role": "user", "parts": [
                {"text": "What is it?", "thought": false},
                {"inlineData": {"mimeType": "image/png", "data": DOT_BASE64}, "thought": false},
            ]}),
            Wire::Ollama => {
                json!({"role": "user", "content": "What is it?", "images": [DOT_BASE64]})
            }
        };
        assert_eq!(sent(wire, dot()).await, expected, "{wire:?}");
    }
}

#[tokio::test]
async fn an_image_in_a_file_is_sent_as_bytes_are() {
    let directory = std::env::temp_dir().join(format!("stepwright-wire-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("dot.png");
    std::fs::write(&path, DOT).unwrap();
    for wire in Wire::ALL {
        let media = Media::path(MediaKind::Image, path.to_str().unwrap());
        assert_eq!(sent(wire, media).await, sent(wire, dot()).await, "{wire:?}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn an_image_may_stay_where_it_is() {
    let mut verdicts = Verdicts::default();
    let url = "https://example.com/dot.png";
    for wire in Wire::ALL {
        let server = Server::start([wire.says(&Script::text(&["A dot."]))]).await;
        let request = look(Media::url(MediaKind::Image, url).with_mime("image/png"));
        let seen = watch(wire.model(&server), request, None).await;
        if wire == Wire::Ollama {
            // It does not fetch anything.
            verdicts.check(&format!("{wire:?}"), &seen, &["error BadRequest final"]);
            verdicts.that(&format!("{wire:?}"), server.requests().is_empty(), "it was asked");
        } else {
            let body = server.request().body.to_string();
            verdicts.that(&format!("{wire:?}"), body.contains(url), &body);
        }
    }
}

/// Media that a model cannot be given must not become a note that they were left out.
#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is() {
    let mut verdicts = Verdicts::default();
    let media = |kind, mime: &str| Media::bytes(kind, *b"bytes").with_mime(mime);
    let cases = [
        ("a video", media(MediaKind::Video, "video/mp4"), &[Wire::Gemini][..]),
        ("a sound", media(MediaKind::Audio, "audio/wav"), &[Wire::Chat, Wire::Gemini]),
        // It looks at the bytes, and is not told their type.
        ("an image of no known type", media(MediaKind::Image, "image/x-thing"), &[Wire::Ollama]),
        ("an archive", media(MediaKind::File, "application/zip"), &[]),
        ("a file that is not there", Media::path(MediaKind::Image, "/nowhere/at/all.png"), &[]),
    ];
    for wire in Wire::ALL {
        for (name, media, able) in &cases {
            let case = format!("{wire:?}, {name}");
            let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
            let seen = watch(wire.model(&server), look(media.clone()), None).await;
            let requests = server.requests();
            if able.contains(&wire) {
                // `bytes` in base64: it must be there.
                let is_sent =
                    requests.len() == 1 && requests[0].body.to_string().contains("Ynl0ZXM=");
                verdicts.that(&case, is_sent, &format!("{:?}, {requests:?}", seen.lines));
            } else {
                verdicts.check(&case, &seen, &["error BadRequest final"]);
                verdicts.that(&case, requests.is_empty(), "the provider was asked");
            }
        }
    }
}

#[tokio::test]
async fn no_message_is_no_request() {
    for wire in Wire::ALL {
        let server = Server::start([]).await;
        let request = ModelRequest { messages: Vec::new(), ..hello() };
        let seen = watch(wire.model(&server), request, None).await;
        assert_eq!(seen.lines, ["error BadRequest final"], "{wire:?}");
        assert!(server.requests().is_empty());
    }
}
