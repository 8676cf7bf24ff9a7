//! Google's Gemini.

use super::arguments::check_values;
use super::members::{
    self, GEMINI_CALL, GEMINI_CANDIDATE, GEMINI_CONTENT, GEMINI_EVENT, GEMINI_PART,
};
use super::{Judge, Object, Verdict, Wrong, list, reason, said};
use crate::finish::Ending;
use serde_json::Value;

/// Beginnings of messages about an end that tell of no failure.
const GOOD_MESSAGES: [&str; 1] = ["model generated"];

/// Words in a message about a good end that say that it is none.
const BAD_WORDS: [&str; 8] =
    ["malformed", "unexpected", "error", "fail", "invalid", "block", "abort", "unavailable"];

/// The state of an answer.
#[derive(Debug, Default)]
pub(super) struct Gemini;

impl Gemini {
    #[expect(clippy::unused_self, reason = "as those of the other wires")]
    pub(super) fn event(
        &mut self,
        event: &mut Object,
        judge: &mut Judge<'_>,
    ) -> Result<Verdict, Wrong> {
        // Clients and gateways repeat the text of an event beside its candidates.
        if event.get("text").and_then(Value::as_str).is_some_and(|text| text == text_of(event)) {
            event.shift_remove("text");
        }
        members::check(&GEMINI_EVENT, event, judge.notes)?;
        if let Some(feedback) = event.get("promptFeedback").and_then(Value::as_object) {
            if let Some(why) = reason(feedback, "blockReason")? {
                judge.judged(Ending::Refused, why, said(feedback, "blockReasonMessage"))?;
            }
            blocked(feedback, judge)?;
        }
        let is_changed = first_only(event, judge)?;
        for candidate in list(event, "candidates") {
            Self::candidate(candidate, judge)?;
        }
        Ok(if is_changed { Verdict::Changed } else { Verdict::Same })
    }

    fn candidate(candidate: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        members::check(&GEMINI_CANDIDATE, candidate, judge.notes)?;
        if let Some(content) = candidate.get("content").and_then(Value::as_object) {
            members::check(&GEMINI_CONTENT, content, judge.notes)?;
            for part in list(content, "parts") {
                Self::part(part, judge)?;
            }
        }
        let grounding = candidate.get("groundingMetadata").and_then(Value::as_object);
        let searches = grounding.and_then(|found| found.get("webSearchQueries"));
        let searches = searches.and_then(Value::as_array).map_or(0, Vec::len);
        // Each event may repeat those of the events before.
        let is_search = |tool: &&String| *tool == "google_search";
        for _ in judge.notes.hosted_tools.iter().filter(is_search).count()..searches {
            judge.notes.used("google_search");
        }
        let why = reason(candidate, "finishReason")?;
        let message = said(candidate, "finishMessage");
        if let Some(why) = why {
            judge.ending(why, message)?;
        }
        if let Some(message) = message {
            let words = message.trim().to_ascii_lowercase();
            if BAD_WORDS.iter().any(|bad| words.contains(bad)) {
                judge.judged(Ending::Retryable, why.unwrap_or("a message"), Some(message))?;
            }
            if !GOOD_MESSAGES.iter().any(|good| words.starts_with(good)) {
                judge.notes.warn(format!("the answer ended with a message: {message}"));
            }
        }
        blocked(candidate, judge)
    }

    fn part(part: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
        let is_known = GEMINI_PART.known.iter().any(|known| part.contains_key(*known));
        if !is_known && !part.is_empty() {
            let names: Vec<String> = part.keys().map(|name| format!("`{name}`")).collect();
            return Err(format!("a part is of an unknown kind: {}", names.join(", ")).into());
        }
        members::check(&GEMINI_PART, part, judge.notes)?;
        if part.contains_key("executableCode") {
            judge.notes.used("code_execution");
        }
        let Some(call) = part.get("functionCall").and_then(Value::as_object) else { return Ok(()) };
        judge.call()?;
        members::check(&GEMINI_CALL, call, judge.notes)?;
        call.get("args").map_or(Ok(()), check_values).map_err(Wrong::from)
    }
}

/// Returns the text of the first candidate in an event.
fn text_of(event: &Object) -> String {
    let content = list(event, "candidates").next().and_then(|first| first.get("content"));
    let parts = content.and_then(Value::as_object).into_iter().flat_map(|c| list(c, "parts"));
    parts.filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
}

/// Leaves only the first candidate in an event: the others are not read, and their end is not the
/// end of the answer.
fn first_only(event: &mut Object, judge: &mut Judge<'_>) -> Result<bool, Wrong> {
    let Some(Value::Array(candidates)) = event.get_mut("candidates") else { return Ok(false) };
    let is_first =
        |candidate: &Value| candidate.get("index").and_then(Value::as_u64).unwrap_or(0) == 0;
    if candidates.iter().filter(|candidate| is_first(candidate)).count() > 1 {
        return Err("an event has two candidates with one number".to_owned().into());
    }
    let others: Vec<Value> = candidates.extract_if(.., |candidate| !is_first(candidate)).collect();
    for other in others.iter().filter_map(Value::as_object) {
        judge.notes.warn("the answer has several candidates; only the first is read".to_owned());
        if let Some(why) = reason(other, "finishReason")? {
            let ending = crate::finish::ending(judge.wire, why);
            if !matches!(ending, Ending::End | Ending::Calls | Ending::Length) {
                judge.judged(ending, why, said(other, "finishMessage"))?;
            }
        }
    }
    Ok(!others.is_empty())
}

/// A rating that says that the text was blocked.
fn blocked(rated: &Object, judge: &mut Judge<'_>) -> Result<(), Wrong> {
    let mut ratings = list(rated, "safetyRatings");
    match ratings.find(|rating| rating.get("blocked") == Some(&true.into())) {
        Some(rating) => {
            let category = said(rating, "category").unwrap_or("a safety rating");
            judge.judged(Ending::Refused, category, Some("the rating says `blocked`")).map(|_| ())
        }
        None => Ok(()),
    }
}
