//! The tools that give more to read, and the calls that are made of them.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use stepwright_core::message::{Arguments, ToolCall};
use stepwright_core::tool::ToolSpec;

/// At most how many files or pages are read for one message.
const CALLS_MAX: usize = 8;

/// A message of more bytes than this is itself what to read: the names in it are part of the text.
const MESSAGE_BYTES_MAX: usize = 4000;

/// A message of at most this many words is its own key phrase.
const PHRASE_WORDS_MAX: usize = 6;

/// Words in the names of tools that change something. Such a tool is not called without a decision.
const CHANGING: &str = "\
    add append buy cancel create delete drop edit exec execute kill move pay post put remove \
    rename run save send set update upload write";

/// The meaning of a tool's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Path,
    Url,
    Phrase,
}

/// The calls of those tools that read what the message names.
pub(super) fn calls<'t>(
    tools: impl IntoIterator<Item = &'t ToolSpec>,
    message: &str,
    turn: usize,
) -> Vec<ToolCall> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Vec::new();
    }
    let mut calls = Vec::new();
    for tool in tools {
        let Some((parameter, wants)) = only_parameter(tool) else { continue };
        let values = match wants {
            Wants::Path => tokens(message).filter(|token| is_path(token)).collect(),
            Wants::Url => tokens(message).filter(|token| is_url(token)).collect(),
            Wants::Phrase => vec![key_phrase(message)],
        };
        let mut asked: Vec<String> = Vec::new();
        for value in values {
            if value.is_empty() || asked.contains(&value) || calls.len() == CALLS_MAX {
                continue;
            }
            let arguments = Map::from_iter([(parameter.to_owned(), Value::from(value.as_str()))]);
            calls.push(ToolCall {
                id: format!("offline-{turn}-{}", calls.len() + 1),
                name: tool.name.clone(),
                arguments: Arguments::json(arguments.into()),
            });
            asked.push(value);
        }
    }
    calls
}

/// The one required parameter of a tool that only reads, and what it stands for.
fn only_parameter(tool: &ToolSpec) -> Option<(&str, Wants)> {
    if words(&tool.name).any(|word| CHANGING.split(' ').any(|changing| changing == word)) {
        return None;
    }
    let [Value::String(name)] = tool.parameters.get("required")?.as_array()?.as_slice() else {
        return None;
    };
    let schema = tool.parameters.get("properties")?.get(name)?;
    if schema.get("type") != Some(&Value::from("string")) {
        return None;
    }
    let described = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    // The name says it best. A parameter that is called something else entirely is left alone.
    wants(name).or_else(|| wants(described)).map(|wants| (name.as_str(), wants))
}

fn wants(text: &str) -> Option<Wants> {
    words(text).find_map(|word| match word.as_str() {
        "path" | "paths" | "file" | "filename" | "filepath" | "directory" | "folder" => {
            Some(Wants::Path)
        }
        "url" | "uri" | "link" | "address" => Some(Wants::Url),
        "query" | "topic" | "question" | "search" | "keyword" | "keywords" | "term" | "subject" => {
            Some(Wants::Phrase)
        }
        _ => None,
    })
}

/// The words of a name or a text, in small letters: `readFile` and `read_file` have two.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for letter in text.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(if letter.is_alphanumeric() { letter } else { ' ' });
        before = letter;
    }
    let words: Vec<String> = spaced.to_lowercase().split_whitespace().map(str::to_owned).collect();
    words.into_iter()
}

fn tokens(message: &str) -> impl Iterator<Item = String> {
    let breaks = |c: char| c.is_whitespace() || "\"'`()[]<>{},;|".contains(c);
    let tokens = message.split(breaks).map(|token| token.trim_end_matches(['.', ':', '!', '?']));
    tokens.filter(|token| !token.is_empty()).map(str::to_owned)
}

fn is_url(token: &str) -> bool {
    let address = token.strip_prefix("https://").or_else(|| token.strip_prefix("http://"));
    address.is_some_and(|rest| !rest.is_empty())
}

fn is_path(token: &str) -> bool {
    // What ends the name of a host more often than that of a file.
    const HOSTS: [&str; 8] = ["com", "org", "net", "io", "dev", "example", "gov", "edu"];
    if token.contains("://") || token.contains('@') {
        return false;
    }
    if ["./", "../", "~/", "/"].iter().any(|start| token.starts_with(start)) || token.ends_with('/')
    {
        return token.contains(char::is_alphanumeric);
    }
    let file = token.rsplit('/').next().unwrap_or(token);
    let Some((stem, ending)) = file.rsplit_once('.') else { return false };
    let has_ending = (1..=5).contains(&ending.len())
        && ending.chars().all(|c| c.is_ascii_alphanumeric())
        && ending.starts_with(|c: char| c.is_ascii_alphabetic());
    // `e.g` and `U.S` are no files.
    has_ending && (token.contains('/') || (stem.chars().count() > 1 && !HOSTS.contains(&ending)))
}

/// Returns the subject of the message, in a few of its own words.
fn key_phrase(message: &str) -> String {
    let asked: Vec<&str> = message.split_whitespace().collect();
    if asked.len() <= PHRASE_WORDS_MAX {
        let phrase = asked.join(" ");
        return phrase.trim_end_matches(['.', '?', '!', ':']).to_owned();
    }
    // Runs of words that say something; those whose words come back in others count more (RAKE).
    let silent: HashSet<&str> = SILENT.split(' ').collect();
    let mut runs: Vec<Vec<&str>> = vec![Vec::new()];
    for word in asked {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if bare.is_empty() || silent.contains(bare.to_lowercase().as_str()) {
            runs.push(Vec::new());
            continue;
        }
        if let Some(run) = runs.last_mut() {
            run.push(bare);
        }
        if word.ends_with(['.', ',', ';', ':', '?', '!']) {
            runs.push(Vec::new());
        }
    }
    let mut degree: BTreeMap<String, usize> = BTreeMap::new();
    for run in &mut runs {
        run.truncate(PHRASE_WORDS_MAX);
        for word in &*run {
            *degree.entry(word.to_lowercase()).or_default() += run.len();
        }
    }
    let worth =
        |run: &Vec<&str>| run.iter().map(|word| degree[&word.to_lowercase()]).sum::<usize>();
    // Of equals the first: people begin with what they want.
    let best = runs.iter().enumerate().max_by_key(|(i, run)| (worth(run), usize::MAX - i));
    best.map(|(_, run)| run.join(" ")).unwrap_or_default()
}

/// Words that ask for something, or hold others together, but are not what is asked about.
const SILENT: &str = "\
    a about all an and any are article as at be brief bullet by can could describe detailed do \
    does explain find five for from get give has have how i in information into is it its key \
    latest list look make me most my new newest of on one or our out please points recent \
    report research sentences short should show some summarise summarize summary tell that the \
    their them then there these this those three to up us was we what when which with write \
    you";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(name: &str, parameter: &str) -> ToolSpec {
        ToolSpec {
            name: name.into(),
            description: String::new(),
            parameters: json!({
                "type": "object",
                "properties": {parameter: {"type": "string"}},
                "required": [parameter],
            }),
        }
    }

    fn asked(tools: &[ToolSpec], message: &str) -> Vec<String> {
        let text = |call: ToolCall| match call.arguments {
            Arguments::Json(value) => format!("{} {value}", call.name),
            Arguments::Invalid(raw) => raw,
        };
        calls(tools, message, 1).into_iter().map(text).collect()
    }

    #[test]
    fn files_and_pages_in_the_message_are_read() {
        let tools = [tool("read_file", "path"), tool("fetch", "url"), tool("delete_file", "path")];
        let message = "Compare `docs/a.md`, README.md (e.g. the top) and README.md with \
                       https://a.example/x.html, version 3.5, not example.com.";
        let expected = [
            r#"read_file {"path":"docs/a.md"}"#,
            r#"read_file {"path":"README.md"}"#,
            r#"fetch {"url":"https://a.example/x.html"}"#,
        ];
        assert_eq!(asked(&tools, message), expected);
    }

    #[test]
    fn a_search_is_asked_for_what_the_message_is_about() {
        let tools = [tool("webSearch", "query"), tool("shell", "command")];
        let cases = [
            ("AI trends", "AI trends"),
            ("Who was Ada Lovelace?", "Who was Ada Lovelace"),
            (
                "Research the latest developments in solid state batteries, and write a report.",
                "solid state batteries",
            ),
        ];
        for (message, phrase) in cases {
            let expected = [format!("webSearch {}", json!({"query": phrase}))];
            assert_eq!(asked(&tools, message), expected);
        }
    }

    #[test]
    fn a_document_is_read_itself() {
        let message = "See `a.md` for more. ".repeat(300);
        assert_eq!(asked(&[tool("read_file", "path")], &message), [""; 0]);
    }
}
