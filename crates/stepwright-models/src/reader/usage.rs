//! The counts of tokens in an event.

use super::Object;
use crate::catalogue::Wire;
use serde_json::Value;
use stepwright_core::message::Usage;

/// The places of token counts in the events of a wire.
fn places(wire: Wire) -> &'static [&'static str] {
    match wire {
        Wire::OpenAi | Wire::Xai => &["/response/usage", "/usage"],
        Wire::Anthropic => &["/message/usage", "/usage"],
        Wire::Gemini => &["/usageMetadata"],
        Wire::Ollama => &["/prompt_eval_count", "/eval_count", "/prompt_eval_cached_count"],
        _ => &["/x_groq/usage", "/usage", "/choices/0/usage"],
    }
}

/// Writes counts as whole numbers that stand there as `10.0` or `"10"`. Returns whether there
/// were any.
pub(super) fn clean(event: &mut Object, wire: Wire) -> bool {
    let mut is_changed = false;
    for place in places(wire) {
        if let Some(counts) = at_mut(event, place) {
            is_changed |= whole(counts);
        }
    }
    // Groq gives the counts of a stream apart.
    let apart = at(event, "/x_groq/usage").filter(|_| !event.contains_key("usage")).cloned();
    if let Some(counts) = apart {
        event.insert("usage".to_owned(), counts);
        is_changed = true;
    }
    is_changed
}

/// Takes notice of the counts in an event. What comes later counts for more.
pub(super) fn note(event: &Object, wire: Wire, usage: &mut Usage) {
    let count = |place: &str| at(event, place).and_then(Value::as_u64);
    let keep = |known: &mut Option<u64>, count: Option<u64>| *known = count.or(*known);
    match wire {
        Wire::OpenAi | Wire::Xai => {
            let count = |name: &str| count(&format!("/response/usage/{name}"));
            keep(&mut usage.input_tokens, count("input_tokens"));
            keep(&mut usage.output_tokens, count("output_tokens"));
            keep(&mut usage.cache_read_tokens, count("input_tokens_details/cached_tokens"));
            keep(&mut usage.reasoning_tokens, count("output_tokens_details/reasoning_tokens"));
            keep(&mut usage.image_tokens, count("output_tokens_details/image_tokens"));
        }
        Wire::Anthropic => {
            for place in ["/message/usage", "/usage"] {
                let count = |name: &str| count(&format!("{place}/{name}"));
                let read = count("cache_read_input_tokens");
                let written = count("cache_creation_input_tokens");
                keep(&mut usage.cache_read_tokens, read);
                keep(&mut usage.cache_write_tokens, written);
                let input = count("input_tokens");
                let all = |input| input + read.unwrap_or(0) + written.unwrap_or(0);
                keep(&mut usage.input_tokens, input.map(all));
                keep(&mut usage.output_tokens, count("output_tokens"));
            }
        }
        Wire::Gemini => {
            let count = |name: &str| count(&format!("/usageMetadata/{name}"));
            keep(&mut usage.input_tokens, count("promptTokenCount"));
            let thoughts = count("thoughtsTokenCount");
            let output = count("candidatesTokenCount");
            keep(&mut usage.output_tokens, output.map(|output| output + thoughts.unwrap_or(0)));
            keep(&mut usage.cache_read_tokens, count("cachedContentTokenCount"));
            keep(&mut usage.reasoning_tokens, thoughts);
            let details = at(event, "/usageMetadata/candidatesTokensDetails");
            let images = details.and_then(Value::as_array).into_iter().flatten();
            let images = images.filter(|part| part["modality"] == "IMAGE");
            let images = images.filter_map(|part| part["tokenCount"].as_u64());
            keep(&mut usage.image_tokens, images.reduce(|sum, more| sum + more));
        }
        Wire::Ollama => {
            keep(&mut usage.input_tokens, count("/prompt_eval_count"));
            keep(&mut usage.output_tokens, count("/eval_count"));
        }
        _ => {
            for place in ["/choices/0/usage", "/usage"] {
                let count = |name: &str| count(&format!("{place}/{name}"));
                keep(&mut usage.input_tokens, count("prompt_tokens"));
                keep(&mut usage.output_tokens, count("completion_tokens"));
                keep(&mut usage.cache_read_tokens, count("prompt_tokens_details/cached_tokens"));
                let reasoning = count("completion_tokens_details/reasoning_tokens");
                keep(&mut usage.reasoning_tokens, reasoning);
                let images = count("completion_tokens_details/image_tokens");
                keep(&mut usage.image_tokens, images);
            }
        }
    }
}

fn at<'a>(event: &'a Object, place: &str) -> Option<&'a Value> {
    let (name, rest) = split(place);
    let value = event.get(name)?;
    if rest.is_empty() { Some(value) } else { value.pointer(rest) }
}

fn at_mut<'a>(event: &'a mut Object, place: &str) -> Option<&'a mut Value> {
    let (name, rest) = split(place);
    let value = event.get_mut(name)?;
    if rest.is_empty() { Some(value) } else { value.pointer_mut(rest) }
}

/// `/a/b/c` as `a` and `/b/c`.
fn split(place: &str) -> (&str, &str) {
    let place = &place[1..];
    place.find('/').map_or((place, ""), |at| place.split_at(at))
}

fn whole(value: &mut Value) -> bool {
    match value {
        Value::Object(counts) => {
            counts.values_mut().fold(false, |changed, count| whole(count) | changed)
        }
        Value::String(text) => match count_of(text.trim().parse::<f64>().ok()) {
            Some(count) => {
                *value = count.into();
                true
            }
            None => false,
        },
        Value::Number(number) if number.is_f64() => match count_of(number.as_f64()) {
            Some(count) => {
                *value = count.into();
                true
            }
            None => false,
        },
        _ => false,
    }
}

/// The whole number that this is, if it counts something.
fn count_of(number: Option<f64>) -> Option<u64> {
    /// Beyond this not every whole number is one of these.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = number.filter(|number| number.fract() == 0.0 && (0.0..EXACT).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole")]
    Some(number as u64)
}
