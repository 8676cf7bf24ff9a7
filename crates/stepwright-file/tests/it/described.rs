//! The JSON Schema of the format and the reader agree.
//!
//! The reader refuses everything that the schema refuses. The schema refuses everything that the
//! reader refuses because of a key or the type of a value.

use serde_json::{Value, json};
use serde_saphyr::DuplicateKeyPolicy;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use stepwright_file::{Definition, Options, Severity, Variables, json_schema};

/// A file with every setting of tools, some of which are left out of some programs.
const TOOLS: &str = "tests/it/every_key_tools.yaml";

const HAS_ALL_TOOLS: bool = cfg!(all(
    feature = "mcp",
    feature = "harness",
    feature = "duckduckgo",
    feature = "sqlite",
    feature = "postgres"
));

static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&json_schema()).unwrap());

/// The words of mistakes that a schema can find.
const STRUCTURAL: [&str; 19] = [
    " has no key `",
    " is a mapping",
    " is a list$",
    " is a text$",
    " is a number$",
    " is true or false",
    " is a whole number",
    " is a number from ",
    " is one of `",
    " maps names to ",
    " maps keys to ",
    "there is no kind of step",
    "nothing says what kind of step",
    "a step is of one kind",
    " is a workflow file",
    " needs `",
    " needs a `name`",
    " has no steps",
    "the loop has no bound",
];

/// The words of mistakes that a schema does not look for: in expressions, in the schemas of a file
/// and in the input of another file, and in the triggers of a file beside each other.
const DEEPER: [&str; 8] = [
    "not a valid JSON Schema",
    "there is no member",
    "true or false is expected",
    "that workflow",
    " it must be ",
    "the default does not fit",
    " of several needs `name`",
    "a signature needs `secret`",
];

fn options() -> Options {
    let variables = Variables::from([("REGION", "eu"), ("API_KEY", "hunter2hunter2")]);
    Options { allow_shell: true, only_checks: true, variables, ..Options::default() }
}

/// Reads a document as the reader does. `None` if it is not YAML, or is several documents.
fn value(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).ok()
}

/// Compares the two. Returns the difference.
fn difference(text: &str, name: &str, document: &Value) -> Option<String> {
    let refused: Vec<String> = SCHEMA.iter_errors(document).map(|e| e.to_string()).collect();
    let read = Definition::parse(text, name, &options());
    let (errors, structural) = match &read {
        Ok(_) => (0, Vec::new()),
        Err(mistakes) => {
            let messages: Vec<String> = mistakes
                .iter()
                .filter(|mistake| mistake.severity == Severity::Error)
                .filter(|mistake| mistake.file == name)
                .map(|mistake| mistake.message.clone())
                .collect();
            let is_structural = |message: &&String| {
                !DEEPER.iter().any(|words| message.contains(words))
                    && STRUCTURAL.iter().any(|words| match words.strip_suffix('$') {
                        Some(words) => message.ends_with(words),
                        None => message.contains(words),
                    })
            };
            (mistakes.len(), messages.iter().filter(is_structural).cloned().collect())
        }
    };
    if !refused.is_empty() && errors == 0 {
        return Some(format!("the schema refuses what is right: {}", refused.join("; ")));
    }
    let structural = structural.into_iter().find(|_| refused.is_empty());
    structural.map(|message| format!("the schema accepts what is wrong: {message}"))
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "json") {
            all.push(path);
        }
    }
}

#[test]
fn the_schema_accepts_every_example_and_case_that_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = vec![PathBuf::from("tests/it/every_key.yaml"), PathBuf::from(TOOLS)];
    files(&root.join("examples"), &mut all);
    files(&root.join("cases"), &mut all);
    files(&root.join("crates/stepwright-cli/templates"), &mut all);
    let (mut right, mut wrong) = (0, Vec::new());
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(document) = value(&text) else { continue };
        if document.get("format").is_none() {
            continue;
        }
        right += usize::from(SCHEMA.is_valid(&document));
        let found = difference(&text, &path.display().to_string(), &document);
        wrong.extend(found.map(|found| format!("{}: {found}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right > 30, "only {right} files are right");
}

#[test]
fn the_schema_refuses_every_wrong_definition_that_a_schema_can_find() {
    let (mut refused, mut wrong) = (0, Vec::new());
    for (file, cases) in crate::wrong::cases() {
        for (title, text) in cases {
            let Some(document) = value(&text) else { continue };
            refused += usize::from(!SCHEMA.is_valid(&document));
            let found = difference(&text, "flow.yaml", &document);
            wrong.extend(found.map(|found| format!("{}: {title}: {found}", file.display())));
        }
    }
    let mut all = Vec::new();
    files(Path::new("tests/it/mistakes"), &mut all);
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(document) = value(&text) else { continue };
        refused += usize::from(!SCHEMA.is_valid(&document));
        let found = difference(&text, &path.display().to_string(), &document);
        wrong.extend(found.map(|found| format!("{}: {found}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 40, "only {refused} definitions are refused");
}

/// Values of all types. A mutation puts each of them into each place of a right file.
fn values() -> Vec<Value> {
    let large = 9_000_000_000_000_000_u64;
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(7),
        json!(large),
        json!("x"),
        json!("= 1"),
        json!([]),
        json!({}),
    ]
}

/// Returns the pointers to all values.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{name}"), all);
            }
        }
        Value::Array(list) => {
            for (nth, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{nth}"), all);
            }
        }
        _ => {}
    }
}

/// Changes each value in the part of a document at `part`, and compares.
fn mutate(document: &Value, part: &str, wrong: &mut Vec<String>) -> usize {
    let mut all = Vec::new();
    pointers(document.pointer(part).unwrap(), part, &mut all);
    let mut count = 0;
    let mut compare = |changed: &Value, what: String| {
        count += 1;
        let found = difference(&changed.to_string(), "tests/it/every_key.json", changed);
        wrong.extend(found.map(|found| format!("{what}: {found}")));
    };
    let within = ["/input/", "/output/", "/schema/", "/with/", "/extra/", "/x-anything/"];
    let is_told = |pointer: &&String| !within.iter().any(|deep| pointer.contains(deep));
    for pointer in all.iter().filter(|pointer| !pointer.is_empty()).filter(is_told) {
        for new in values() {
            let mut changed = document.clone();
            *changed.pointer_mut(pointer).unwrap() = new.clone();
            compare(&changed, format!("{pointer} is {new}"));
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if let Some(members) = document.pointer(parent).and_then(Value::as_object)
            && members.contains_key(name)
        {
            let mut changed = document.clone();
            let of = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            of.remove(name);
            compare(&changed, format!("{pointer} is left out"));
            let mut changed = document.clone();
            changed.pointer_mut(parent).unwrap()["qqqqqqqq"] = json!(1);
            compare(&changed, format!("{parent} has another key"));
        }
    }
    count
}

#[test]
fn the_schema_and_the_reader_agree_about_every_change_of_a_right_file() {
    let text = std::fs::read_to_string("tests/it/every_key.yaml").unwrap();
    let mut whole = value(&text).unwrap();
    let steps = whole["steps"].take();
    let (mut wrong, mut count) = (Vec::new(), 0);
    // The head and each step alone, so that a file is read fast.
    whole["steps"] = json!([{"agent": "writer"}]);
    count += mutate(&whole, "", &mut wrong);
    if HAS_ALL_TOOLS {
        let text = std::fs::read_to_string(TOOLS).unwrap();
        let tools = value(&text).unwrap();
        count += mutate(&tools, "/mcp", &mut wrong);
        count += mutate(&tools, "/agents", &mut wrong);
    }
    let agents: Vec<&String> = whole["agents"].as_object().unwrap().keys().collect();
    let agents: Value = agents.into_iter().map(|name| (name.clone(), json!({}))).collect();
    for step in steps.as_array().unwrap() {
        let document = json!({
            "format": 1, "name": "Every key", "model": "offline", "secrets": ["API_KEY"],
            "vars": {"words": ["a", "b"]}, "agents": agents, "steps": [step],
            "teams": {"desk": {"members": ["writer"]}},
            "input": {"type": "object", "properties": {"topic": {"type": "string"}}},
        });
        count += mutate(&document, "/steps/0", &mut wrong);
    }
    assert!(count > 3000, "only {count} changes");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
