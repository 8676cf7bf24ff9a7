//! The messages that are sent to coding agents besides the prompt of a step, and texts about files.

use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// The longest diff in the result of a tool, in lines.
const DIFF_LINES_MAX: usize = 400;

/// Returns the message with which a conversation is continued that was interrupted.
pub(crate) fn continued(prompt: &str) -> String {
    format!(
        "You were interrupted while you worked on the message below. Find out how far you came, \
         and go on from there. Do not repeat what is done. Then answer it.\n\n{prompt}"
    )
}

/// Returns the message with which a turn goes on that was stopped by a limit.
pub(crate) fn goes_on(prompt: &str) -> String {
    format!("Go on with your work on this message, from where you were stopped:\n\n{prompt}")
}

/// Returns the prompt of a step whose output has a schema.
pub(crate) fn with_schema(prompt: &str, schema: &Value) -> String {
    format!(
        "{prompt}\n\nWhen you are done, end with a message that is JSON and nothing else. It must \
         match this JSON Schema:\n\n{schema}"
    )
}

/// Returns the message about an answer that does not match its schema.
pub(crate) fn repair(why: &str) -> String {
    format!(
        "Your answer does not match the required schema: {why}. Change no more files. Answer again \
         with JSON that matches the schema, and nothing else."
    )
}

/// Returns the change of a file as lines. Lines at the beginning and the end that are the same are
/// left out.
pub(crate) fn diff(path: &Path, before: Option<&str>, after: &str) -> String {
    let old: Vec<&str> = before.unwrap_or_default().lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let begins = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old[begins..].iter().rev().zip(new[begins..].iter().rev());
    let ends = rest.take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[begins..old.len() - ends], &new[begins..new.len() - ends]);
    let path = path.display();
    let mut text = match before {
        Some(_) => format!("--- {path}\n+++ {path}\n"),
        None => format!("--- /dev/null\n+++ {path}\n"),
    };
    let start = begins + 1;
    let _ = writeln!(text, "@@ -{start},{} +{start},{} @@", old.len(), new.len());
    let lines = old.iter().map(|line| ('-', line)).chain(new.iter().map(|line| ('+', line)));
    for (sign, line) in lines.take(DIFF_LINES_MAX) {
        let _ = writeln!(text, "{sign}{line}");
    }
    if old.len() + new.len() > DIFF_LINES_MAX {
        let _ = writeln!(text, "… ({} more lines)", old.len() + new.len() - DIFF_LINES_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_has_the_lines_that_differ() {
        let told = diff(Path::new("a.txt"), Some("one\ntwo\nthree\n"), "one\n2\nthree\n");
        assert_eq!(told, "--- a.txt\n+++ a.txt\n@@ -2,1 +2,1 @@\n-two\n+2\n");
        let told = diff(Path::new("b.txt"), None, "new\n");
        assert_eq!(told, "--- /dev/null\n+++ b.txt\n@@ -1,0 +1,1 @@\n+new\n");
    }
}
