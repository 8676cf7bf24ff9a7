//! The reasons for which models stop, wire by wire, and what becomes of the answer.
//!
//! Only the reasons that are listed here as good ends make an answer whole. Whatever else a
//! provider says is an error that names the reason.

use crate::catalogue::Wire;

/// The outcome of an answer, by the reason for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is whole.
    End,
    /// It is whole, and asks for tools.
    Calls,
    /// It wants to go on when it is asked again with what it has said so far.
    Pause,
    /// It is cut off at the longest answer allowed.
    Length,
    /// The model or a filter would not answer.
    Refused,
    /// It failed. The same request may succeed later.
    Retryable,
    /// It failed, and will again.
    Final,
}

use Ending::{Calls, End, Final, Length, Pause, Refused, Retryable};

type Table = &'static [(&'static str, Ending)];

/// OpenAI's Chat Completions, and what the servers that speak it say beside OpenAI's own words.
const CHAT: Table = &[
    ("stop", End),
    ("length", Length),
    ("tool_calls", Calls),
    ("function_call", Calls),
    ("content_filter", Refused),
    // Mistral.
    ("model_length", Length),
    ("error", Retryable),
    // DeepSeek.
    ("insufficient_system_resource", Retryable),
    // vLLM, SGLang, TGI, Together, Cohere.
    ("abort", Retryable),
    ("repetition", Retryable),
    ("eos", End),
    ("eos_token", End),
    ("end", End),
    ("complete", End),
    // Gateways that hand on the words of Anthropic.
    ("end_turn", End),
    ("stop_sequence", End),
    ("tool_use", Calls),
    ("max_tokens", Length),
    ("refusal", Refused),
    // Z.AI.
    ("sensitive", Refused),
    ("model_context_window_exceeded", Length),
    ("network_error", Retryable),
];

const MESSAGES: Table = &[
    ("end_turn", End),
    ("stop_sequence", End),
    ("tool_use", Calls),
    ("pause_turn", Pause),
    ("max_tokens", Length),
    ("model_context_window_exceeded", Length),
    ("refusal", Refused),
    ("compaction", Final),
];

const GEMINI: Table = &[
    ("STOP", End),
    ("MAX_TOKENS", Length),
    ("SAFETY", Refused),
    ("RECITATION", Refused),
    ("LANGUAGE", Refused),
    ("BLOCKLIST", Refused),
    ("PROHIBITED_CONTENT", Refused),
    ("SPII", Refused),
    ("MODEL_ARMOR", Refused),
    ("IMAGE_SAFETY", Refused),
    ("IMAGE_PROHIBITED_CONTENT", Refused),
    ("IMAGE_RECITATION", Refused),
    ("MALFORMED_FUNCTION_CALL", Retryable),
    ("MALFORMED_RESPONSE", Retryable),
    ("UNEXPECTED_TOOL_CALL", Retryable),
    ("TOO_MANY_TOOL_CALLS", Final),
    ("MISSING_THOUGHT_SIGNATURE", Final),
    ("NO_IMAGE", Retryable),
    ("IMAGE_OTHER", Retryable),
    ("OTHER", Retryable),
    ("FINISH_REASON_UNSPECIFIED", Retryable),
];

/// `status`, or `incomplete` and its reason.
const RESPONSES: Table = &[
    ("completed", End),
    ("incomplete: max_output_tokens", Length),
    ("incomplete: content_filter", Refused),
    ("incomplete", Retryable),
    ("failed", Retryable),
    ("cancelled", Retryable),
    ("queued", Retryable),
    ("in_progress", Retryable),
];

const OLLAMA: Table = &[
    ("stop", End),
    ("length", Length),
    ("tool_calls", Calls),
    ("load", Retryable),
    ("unload", Retryable),
];

fn table(wire: Wire) -> Table {
    match wire {
        Wire::OpenAi | Wire::Xai => RESPONSES,
        Wire::Anthropic => MESSAGES,
        Wire::Gemini => GEMINI,
        Wire::Ollama => OLLAMA,
        Wire::OpenAiChat
        | Wire::Azure
        | Wire::DeepSeek
        | Wire::Groq
        | Wire::Mistral
        | Wire::OpenRouter
        | Wire::Gateway(_) => CHAT,
    }
}

/// Returns the outcome of an answer that ended with `reason`. An unknown reason is a failure: it
/// may mean anything, and a retry costs less than half an answer that counts as whole.
pub(crate) fn ending(wire: Wire, reason: &str) -> Ending {
    let known = table(wire).iter().find(|(known, _)| known.eq_ignore_ascii_case(reason));
    known.map_or(Retryable, |(_, ending)| *ending)
}

/// Returns the outcome of an answer that a gateway calls whole, by the reason that the provider
/// behind it gave. `None` if this version does not know that reason.
pub(crate) fn native_ending(reason: &str) -> Option<Ending> {
    const GOOD: [&str; 5] = ["completed", "finished", "done", "finish_reason_stop", "tool_call"];
    const BAD: [&str; 10] = [
        "error",
        "fail",
        "abort",
        "cancel",
        "timeout",
        "malformed",
        "unexpected",
        "unavailable",
        "overload",
        "insufficient",
    ];
    let said = reason.to_ascii_lowercase();
    let known = [CHAT, MESSAGES, GEMINI, OLLAMA].into_iter().flatten();
    let known = known.clone().find(|(known, _)| known.eq_ignore_ascii_case(&said));
    match known {
        Some((_, ending)) => Some(*ending),
        None if GOOD.contains(&&*said) => Some(End),
        None if BAD.iter().any(|bad| said.contains(bad)) => Some(Retryable),
        None => None,
    }
}

/// `true` if this is a reason in the words of a wire.
pub(crate) fn is_known(reason: &str) -> bool {
    let mut known = [CHAT, MESSAGES, GEMINI, OLLAMA].into_iter().flatten();
    known.any(|(known, _)| known.eq_ignore_ascii_case(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_not_known_is_a_failure() {
        for wire in [Wire::OpenAiChat, Wire::OpenAi, Wire::Anthropic, Wire::Gemini, Wire::Ollama] {
            assert_eq!(ending(wire, "brand_new"), Retryable, "{wire:?}");
        }
        assert_eq!(ending(Wire::OpenAiChat, "STOP"), End);
    }

    #[test]
    fn what_stands_behind_a_gateway_is_known_by_its_words() {
        assert_eq!(native_ending("end_turn"), Some(End));
        assert_eq!(native_ending("STOP"), Some(End));
        assert_eq!(native_ending("network_error"), Some(Retryable));
        assert_eq!(native_ending("upstream_timeout"), Some(Retryable));
        assert_eq!(native_ending("MALFORMED_FUNCTION_CALL"), Some(Retryable));
        assert_eq!(native_ending("weather"), None);
    }
}
