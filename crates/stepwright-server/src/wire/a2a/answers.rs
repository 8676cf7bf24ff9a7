//! Messages as answers to pending requests.

use super::fault::Fault;
use super::shapes::Said;
use crate::wire::answers::{decided, own_form};
use serde_json::Value;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Requirement};

/// Returns the answers in a message: `{"answers": {ID: answer}}` as data, or the answer to the only
/// request.
pub(super) fn answers(
    requests: &[Requirement],
    said: &Said,
) -> Result<Vec<(String, Answer)>, Fault> {
    let asked: Vec<&Requirement> = requests.iter().filter(|asked| asked.needs_person()).collect();
    if let Some(Value::Object(all)) = said.data.as_ref().map(|data| &data["answers"]) {
        let answered = all.iter().map(|(id, answer)| {
            let answer = decided(answer);
            let answer = answer.ok_or_else(|| Fault::params(format!("`{id}` has no answer")))?;
            Ok((id.clone(), answer))
        });
        return answered.collect();
    }
    let [only] = asked[..] else {
        return Err(Fault::params("several requests wait: send data with `answers` by their ids"));
    };
    let words = only.answers().join(", ");
    let unfit = || Fault::params(format!("the message is no answer: send {words}, or data"));
    Ok(vec![(only.id.to_string(), answer(only, said).ok_or_else(unfit)?)])
}

fn answer(asked: &Requirement, said: &Said) -> Option<Answer> {
    if own_form(asked).is_some() {
        let text = || Value::String(said.text.clone());
        return Some(Answer::submit(said.data.clone().unwrap_or_else(text)));
    }
    if let Some(data) = &said.data {
        return decided(data);
    }
    match &asked.kind {
        RequirementKind::Wait { .. } | RequirementKind::ExternalExecution { .. } => {
            Some(Answer::submit(said.text.clone()))
        }
        _ => decided(&serde_json::json!({"decision": said.text.trim().to_lowercase()})),
    }
}
