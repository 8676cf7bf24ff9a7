//! The names of virtual objects.

use std::fmt::Write as _;
use stepwright_core::WorkflowId;

/// The part of a digest that tells versions apart.
const DIGEST_CHARS: usize = 16;

/// Returns the name of the object that drives the runs of one version of a workflow.
pub(crate) fn of_version(workflow: &WorkflowId, digest: &str) -> String {
    let digest: String = digest.chars().take(DIGEST_CHARS).collect();
    format!("stepwright.{}.{}", escaped(workflow.as_str()), escaped(&digest))
}

/// Returns the name of the object that drives the runs of a workflow whose version no worker has.
pub(crate) fn of_workflow(workflow: &WorkflowId) -> String {
    format!("stepwright.{}", escaped(workflow.as_str()))
}

/// Returns a text in the characters that names of services may have, besides the dot. Different
/// texts stay different.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => escaped.push(byte.into()),
            other => {
                let _ = write!(escaped, "_{other:02x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_form_of_services_and_tell_workflows_apart() {
        let id = |text: &str| WorkflowId::new(text).unwrap();
        let digest = "4be1c2d3e4f5a6b7c8d9";
        assert_eq!(of_version(&id("daily-news"), digest), "stepwright.daily-news.4be1c2d3e4f5a6b7");
        assert_eq!(of_workflow(&id("Ärger_1")), "stepwright._c3_84rger_5f1");
        let dotted = format!("a.{}", &digest[..DIGEST_CHARS]);
        assert_ne!(of_workflow(&id(&dotted)), of_version(&id("a"), digest));
        assert_ne!(of_workflow(&id("a b")), of_workflow(&id("a_20b")));
    }
}
