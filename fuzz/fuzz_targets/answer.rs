//! A pending request and an answer to it, as JSON: the answer is taken or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_core::{Answer, Requirement, json};

fuzz_target!(|text: &str| {
    let Ok(pair) = json::parse(text) else { return };
    let part = |name: &str| pair.get(name).cloned().unwrap_or_default();
    let asked = serde_json::from_value::<Requirement>(part("requirement"));
    let given = serde_json::from_value::<Answer>(part("answer"));
    if let (Ok(asked), Ok(given)) = (asked, given) {
        let _ = asked.check(&given);
    }
});
