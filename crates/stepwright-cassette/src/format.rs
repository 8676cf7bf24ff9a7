//! The cassette as a file.

use crate::source::FileSource;
use crate::yaml;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use stepwright_core::executor::RunInput;
use stepwright_core::redact::{REDACTED, redact};
use stepwright_core::sent::SentMessage;
use stepwright_core::{
    Answer, Error, ErrorData, ErrorId, Exchange, RunId, SessionId, StepPath, Timestamp, UserId,
};

/// The version of the format.
pub(crate) const VERSION: u64 = 1;

/// The largest cassette, in bytes. A larger one takes longer to read than a person waits for a
/// test.
pub const CASSETTE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The longest text of a request or of a golden tree that is stored whole, in bytes. Of a longer
/// one the file has the beginning and a hash.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The bytes of a longer text that are stored.
const BEGINNING_BYTES: usize = 2 * 1024;

/// The end of the name of a cassette.
pub const CASSETTE: &str = ".cassette.yaml";

/// The end of the name of the golden tree beside it.
pub const GOLDEN: &str = ".golden.yaml";

const ABOUT: &str = "A recording of a run. Written by `stepwright test from-run`; `stepwright test`
replays it without network. It has what models, tools and commands answered.";

/// A recording of the effects of a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the fields are the keys of the file")]
pub(crate) struct Cassette {
    /// The version of the format.
    pub(crate) cassette: u64,
    /// The id of the workflow.
    pub(crate) workflow: String,
    /// The workflow file, and the options with which it is read. `None` for a workflow of a
    /// program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileSource>,
    pub(crate) run_id: RunId,
    pub(crate) session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    /// The time at which the run began.
    pub(crate) begun_ms: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) input: RunInput,
    /// The state of the session when the run began.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) state: Map<String, Value>,
    /// The earlier runs of the session, if the run has asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<Exchange>,
    /// The effects in the order of their answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) effects: Vec<Entry>,
    /// The values that steps recorded once, such as the time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<Recorded>,
    /// The requests to people, in the order of their answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) people: Vec<Said>,
    /// The messages that agents got while they worked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) messages: Vec<Heard>,
    /// The time after the beginning at which the run was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancelled_after_ms: Option<u64>,
}

/// An effect and its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) at: StepPath,
    pub(crate) kind: String,
    /// The time of the answer, after the beginning of the run.
    pub(crate) after_ms: u64,
    #[serde(default)]
    pub(crate) request: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Box<ErrorData>>,
    /// `true` if the effect began and its step was stopped before it ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unanswered: bool,
}

/// A value that a step recorded once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    pub(crate) at: StepPath,
    pub(crate) key: String,
    pub(crate) value: Value,
}

/// A request to a person, and the answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) after_ms: u64,
    /// The answer. `None` if the deadline passed, or the run ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
}

/// A message to an agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heard {
    pub(crate) at: StepPath,
    /// The number of requests to its model that the agent had made.
    pub(crate) after: usize,
    pub(crate) message: SentMessage,
}

impl Cassette {
    /// Reads a cassette.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let value = read_value(path, "cassette")?;
        Self::deserialize(value).map_err(|error| invalid(path, &error.to_string()))
    }

    /// Writes the cassette.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let value =
            serde_json::to_value(self).map_err(|error| invalid(path, &error.to_string()))?;
        write_value(path, &value, ABOUT)
    }
}

/// Reads a file whose member `name` is the version of its format.
pub(crate) fn read_value(path: &Path, name: &str) -> Result<Value, Error> {
    let text = read_text(path)?;
    let value = yaml::read(&text).map_err(|why| invalid(path, &why))?;
    match value.get(name).and_then(Value::as_u64) {
        Some(VERSION) => Ok(value),
        Some(other) => Err(invalid(path, &format!("it has version {other} of the format"))
            .with_hint(format!("this version of Stepwright reads version {VERSION}"))),
        None => Err(invalid(path, &format!("it has no `{name}: {VERSION}`"))
            .with_hint("`stepwright test from-run` writes such files")),
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    let unreadable = |why: &str| {
        let shown = path.display();
        Error::usage(format!("`{shown}` cannot be read: {why}")).with_id(ErrorId::CASSETTE_INVALID)
    };
    let file = File::open(path).map_err(|error| unreadable(&error.to_string()))?;
    let mut text = String::new();
    let read = file.take(CASSETTE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(&error.to_string()))?;
    if text.len() as u64 > CASSETTE_BYTES_MAX {
        return Err(unreadable(&format!("it has more than {CASSETTE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Writes a file whole, or not at all.
pub(crate) fn write_value(path: &Path, value: &Value, about: &str) -> Result<(), Error> {
    let text = yaml::write(value, about);
    if text.len() as u64 > CASSETTE_BYTES_MAX {
        let what = format!("`{}` would have {} bytes", path.display(), text.len());
        let hint = format!("a cassette has at most {CASSETTE_BYTES_MAX}: choose a smaller run");
        return Err(Error::usage(what).with_id(ErrorId::CASSETTE_INVALID).with_hint(hint));
    }
    let beside = beside(path, ".part");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        let what = format!("`{}` cannot be written: {error}", path.display());
        Error::usage(what).with_id(ErrorId::CASSETTE_INVALID)
    })
}

fn invalid(path: &Path, why: &str) -> Error {
    Error::usage(format!("`{}` is no cassette: {why}", path.display()))
        .with_id(ErrorId::CASSETTE_INVALID)
}

/// Returns the path of the golden tree of a cassette.
pub(crate) fn golden_of(cassette: &Path) -> PathBuf {
    let name = cassette.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(CASSETTE).or(name.strip_suffix(".yaml")).unwrap_or(&name);
    cassette.with_file_name(format!("{stem}{GOLDEN}"))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Removes secrets from all texts of a value.
pub(crate) fn clean(value: Value) -> Value {
    mapped(value, &|text| redact(&text).into_owned())
}

/// Removes secrets, and shortens long texts.
pub(crate) fn bounded(value: Value) -> Value {
    mapped(value, &|text| {
        let text = redact(&text).into_owned();
        if text.len() <= TEXT_BYTES_MAX {
            return text;
        }
        let beginning = &text[..text.floor_char_boundary(BEGINNING_BYTES)];
        format!("{beginning}… [{} bytes, sha256 {}]", text.len(), sha256(&text))
    })
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(text.as_bytes()))
}

fn mapped(value: Value, text: &dyn Fn(String) -> String) -> Value {
    match value {
        Value::String(one) => text(one).into(),
        Value::Array(items) => items.into_iter().map(|item| mapped(item, text)).collect(),
        Value::Object(members) => {
            let member = |(name, one): (String, Value)| {
                let one = match one {
                    Value::String(said) if !said.is_empty() && tells_secret(&name) => {
                        REDACTED.into()
                    }
                    other => mapped(other, text),
                };
                (name, one)
            };
            members.into_iter().map(member).collect()
        }
        other => other,
    }
}

/// Returns `true` if a member with this name holds a secret, such as `api_key`.
fn tells_secret(name: &str) -> bool {
    redact(&format!("{name}: value")).contains(REDACTED)
}
