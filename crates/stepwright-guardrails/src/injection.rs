//! Prompt injection.

use crate::OnFound;
use crate::found::{reacts, ruled};
use regex::RegexSet;
use std::sync::LazyLock;
use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
use stepwright_core::{BoxFuture, Fingerprint, StepContext, StepError};

/// The signs of an injection, each with its reason.
const SIGNS: [(&str, &str); 8] = [
    (
        concat!(
            r"(?is)\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}",
            r"\b(?:previous|prior|above|earlier|preceding|system|all|your|any)\b.{0,40}",
            r"\b(?:instructions?|prompts?|rules?|directions?|guidelines?|messages?)\b",
        ),
        "it asks to ignore instructions",
    ),
    (
        concat!(
            r"(?is)\b(?:reveal|show|print|repeat|output|leak|tell)\b.{0,40}\b(?:system prompt|",
            r"(?:your|the) (?:hidden |initial |secret |original )?(?:prompt|instructions))\b",
        ),
        "it asks for the instructions",
    ),
    (
        concat!(
            r"(?is)\byou are (?:now|no longer)\b.{0,60}\b(?:dan|jailbr\w*|unrestricted|unfiltered|",
            r"developer mode|without (?:any )?(?:rules|restrictions|limits|filters))\b",
        ),
        "it gives the model another role",
    ),
    (r"(?i)\b(?:developer|god|admin|debug) mode (?:on|enabled|activated)\b", "it turns on a mode"),
    (
        r"(?im)^\s*(?:system|assistant)\s*:\s*\S",
        "it has a line that looks like a message of the system or the assistant",
    ),
    (
        concat!(
            r"(?i)<\|?(?:im_start|im_end|system|endoftext|start_header_id|eot_id)\|?>",
            r"|\[/?INST\]|<<SYS>>",
        ),
        "it has the marks of a conversation",
    ),
    (
        r"(?is)\b(?:new|updated|real|actual) (?:system )?instructions?\s*:",
        "it brings instructions of its own",
    ),
    (r"[\u{E0000}-\u{E007F}]{4,}|[\u{200B}\u{2060}\u{FEFF}]{8,}", "it has hidden characters"),
];

static SIGNS_SET: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(SIGNS.map(|(sign, _)| sign)).expect("valid expressions"));

/// Finds the usual signs of a prompt injection in English: requests to ignore or reveal
/// instructions, other roles, the marks of conversations, hidden characters. It is a heuristic: it
/// stops the common attempts and no determined one. Give tools permissions, too.
///
/// ```
/// use stepwright_core::guardrail::Guard;
/// use stepwright_guardrails::PromptInjection;
/// let guards = [
///     Guard::before(PromptInjection::new()),
///     // Pages and files of others are where injections come from.
///     Guard::after_tool(PromptInjection::new().retrying()),
/// ];
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a guardrail has no effect until an agent or a step has it"]
pub struct PromptInjection {
    on_found: OnFound,
}

impl PromptInjection {
    /// Refuses contents with signs of an injection.
    pub fn new() -> Self {
        Self::default()
    }

    reacts!();
}

impl Guardrail for PromptInjection {
    fn name(&self) -> &'static str {
        "prompt_injection"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        // As written, and not as JSON, which escapes line breaks and hidden characters.
        let mut texts = Vec::new();
        collect(&checked.content.to_value(), &mut texts);
        let sign = texts.iter().find_map(|text| SIGNS_SET.matches(text).iter().next());
        ruled!(match sign {
            None => GuardVerdict::Allow,
            Some(sign) => {
                let reason = format!("it looks like a prompt injection: {}", SIGNS[sign].1);
                self.on_found.verdict(reason, || checked.content.clone())
            }
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default().with("settings", self.on_found.as_str())
    }

    fn mistake(&self) -> Option<String> {
        (self.on_found == OnFound::Rewrite).then(|| {
            "an injection cannot be taken out of a text; use `refuse` or `retry`".to_owned()
        })
    }
}

fn collect(value: &serde_json::Value, texts: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|one| collect(one, texts)),
        serde_json::Value::Object(members) => {
            for (name, one) in members {
                texts.push(name.clone());
                collect(one, texts);
            }
        }
        _ => {}
    }
}
