//! The JSON streams of Claude Code and Codex, as their documentation has them.

pub(crate) mod claude;
pub(crate) mod codex;

use crate::lines::JsonLines;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::process::ChildStdout;

/// Returns the next message of a stream. Lines that are no JSON are left out.
async fn next(lines: &mut JsonLines<BufReader<ChildStdout>>) -> Result<Option<Value>, String> {
    loop {
        let Some(line) = lines.next().await.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        match serde_json::from_str(&line) {
            Ok(message) => return Ok(Some(message)),
            Err(error) => tracing::debug!(target: "stepwright", "a line is not JSON: {error}"),
        }
    }
}

/// Returns the text at a key, or an empty one.
fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
