//! `docs/events.md` says what there is: every kind of event, every field, and nothing else.
//!
//! The examples in it are written by these tests, run as `EVENTS_DOC=overwrite cargo test`.

use crate::event_samples::samples;
use crate::support::{AGENTS, FAILING, Place};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use stepwright::Event;
use stepwright_core::event::NAMES;

/// Asks for a confirmation, for a review and for a choice.
const WAITING: &str = "\
format: 1
name: Waiting
steps:
  - name: tell
    template: t
    human_review: {requires_confirmation: Go?, requires_output_review: Ok?}
  - name: way
    router:
    choices: [{name: r, template: r}]
    human_review: {requires_route_selection: Which way?}
";

/// A section of the page about a kind or a shape.
#[derive(Default)]
struct Section {
    fields: BTreeMap<String, Field>,
    example: String,
}

struct Field {
    optional: bool,
    /// The shape of the field, or of each element of it.
    shape: Option<String>,
}

struct Page {
    text: String,
    common: Section,
    sections: BTreeMap<String, Section>,
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md")
}

fn read() -> Page {
    let text = std::fs::read_to_string(path()).unwrap();
    let mut page =
        Page { text: text.clone(), common: Section::default(), sections: BTreeMap::new() };
    let (mut current, mut in_example) = (String::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")) {
            name.clone_into(&mut current);
            if line.starts_with("### ") {
                page.sections.insert(current.clone(), Section::default());
            }
        }
        let section = match page.sections.get_mut(&current) {
            Some(section) => section,
            None => &mut page.common,
        };
        if line.starts_with("```") {
            in_example = line == "```json";
        } else if in_example {
            section.example.push_str(line);
        } else if let Some(row) = line.strip_prefix("| `") {
            let (name, rest) = row.split_once("` | ").unwrap();
            let (kind, _) = rest.split_once(" | ").unwrap();
            let shape = kind.split_once('[').and_then(|(_, link)| link.split_once(']'));
            let shape = shape.map(|(shape, _)| shape.to_owned());
            let field = Field { optional: kind.ends_with("optional"), shape };
            section.fields.insert(name.to_owned(), field);
        }
    }
    page
}

impl Page {
    /// Checks an event against the page, and notes which fields were seen.
    fn check_event(&self, event: &Value, seen: &mut BTreeSet<String>) {
        let name = event["event"].as_str().unwrap();
        let section = self.sections.get(name).unwrap_or_else(|| panic!("no section `{name}`"));
        let mut own = event.as_object().unwrap().clone();
        for (field, about) in &self.common.fields {
            assert!(own.shift_remove(field).is_some() || about.optional, "{event}: no `{field}`");
        }
        self.check(name, section, &own, seen);
    }

    fn check(
        &self,
        name: &str,
        section: &Section,
        object: &Map<String, Value>,
        seen: &mut BTreeSet<String>,
    ) {
        for (field, about) in &section.fields {
            assert!(about.optional || object.contains_key(field), "{name}: no `{field}`");
        }
        for (field, value) in object {
            let about = section.fields.get(field);
            let about = about.unwrap_or_else(|| panic!("`{name}` does not tell `{field}`"));
            seen.insert(format!("{name}.{field}"));
            let Some(shape) = &about.shape else { continue };
            let section = &self.sections[shape];
            let inside = match value {
                Value::Array(list) => list.iter().collect(),
                one => vec![one],
            };
            for one in inside {
                self.check(shape, section, one.as_object().unwrap(), seen);
            }
        }
    }
}

/// The examples of the shapes: the first of each that stands in a sample, and one for each other
/// form that it has.
fn examples() -> BTreeMap<String, String> {
    let page = read();
    let mut examples = BTreeMap::new();
    for sample in samples() {
        let line = serde_json::to_string(&sample).unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        collect(&page, sample.name(), &value, &mut examples);
        examples.insert(sample.name().to_owned(), line);
    }
    examples
}

fn collect(page: &Page, section: &str, value: &Value, examples: &mut BTreeMap<String, String>) {
    let Some(section) = page.sections.get(section) else { return };
    for (field, about) in &section.fields {
        let (Some(shape), Some(inside)) = (&about.shape, value.get(field)) else { continue };
        let inside = match inside {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        for one in inside {
            examples.entry(shape.clone()).or_insert_with(|| one.to_string());
            collect(page, shape, one, examples);
        }
    }
}

#[test]
fn the_page_has_the_examples_that_the_program_writes() {
    let (page, examples) = (read(), examples());
    if std::env::var("EVENTS_DOC").is_ok_and(|what| what == "overwrite") {
        let mut text = page.text.clone();
        for (name, example) in &examples {
            let start = text.find(&format!("\n### {name}\n")).unwrap();
            let open = start + text[start..].find("```json\n").unwrap() + "```json\n".len();
            let close = open + text[open..].find("```").unwrap();
            text.replace_range(open..close, &format!("{example}\n"));
        }
        std::fs::write(path(), text).unwrap();
        return;
    }
    for (name, section) in &page.sections {
        let example = examples.get(name).unwrap_or_else(|| panic!("there is no `{name}`"));
        assert_eq!(section.example, *example, "{name}: run with EVENTS_DOC=overwrite");
    }
}

#[test]
fn every_kind_and_every_field_is_told_and_exists() {
    let page = read();
    let samples = samples();
    let sampled: BTreeSet<&str> = samples.iter().map(Event::name).collect();
    assert_eq!(sampled, NAMES.iter().copied().collect());
    let mut seen = BTreeSet::new();
    for sample in &samples {
        let value = serde_json::to_value(sample).unwrap();
        page.check_event(&value, &mut seen);
        assert_eq!(serde_json::from_value::<Event>(value).unwrap(), *sample);
    }
    for (name, section) in &page.sections {
        for field in section.fields.keys() {
            let field = format!("{name}.{field}");
            assert!(seen.contains(&field), "`{field}` is told, but does not exist");
        }
    }
}

/// Fields that the samples leave optional may still be missing in real events: runs show it.
#[test]
fn what_runs_emit_is_as_the_page_says() {
    let containers = "\
format: 1
name: Containers
steps:
  - {name: words, value: '= [1, 2]'}
  - {name: seq, steps: [{name: s, template: s}]}
  - {name: short, timeout: 20ms, on_error: skip, steps: [{name: slow, shell: sleep 9}]}
  - name: both
    parallel: {join: best_effort}
    branches: [{name: a, template: a}, {name: b, value: = input.none}]
  - {name: turns, loop: {at_most: 2}, do: [{name: t, set_state: {n: 1}}]}
  - {name: each, map: {over: = steps.words}, do: [{name: m, value: = item}]}
  - {name: yes, if: true, then: [{name: c, template: c}]}
  - {name: no, if: false, then: [{name: d, template: d}]}
  - {name: way, router: r, choices: [{name: r, template: r}]}
  - {name: skip, value: = input.none, on_error: skip}
  - {read_files: '*.md'}
";
    let tools = "\
format: 1
name: Tools
model: offline
agents: {reader: {tools: [read_file]}}
steps: [{agent: reader, prompt: 'What does flow.md say?'}]
";
    let context = "\
format: 1
name: Context
model: offline
agents: {reader: {instructions_template: 'About {{ input }}.', session_summary: true}}
steps: [{agent: reader, prompt: 'The bridge was opened in 1932. When?'}]
";
    let late = "\
format: 1
name: Late
timeout: 300ms
steps:
  - {name: seat, value: 7, undo: {name: free, value: = previous}}
  - {name: slow, steps: [{name: s, shell: sleep 9}], finally: [{name: f, value: = error.kind}]}
on_failure: [{name: tell, value: = error.message}]
finally: [{name: clean, template: cleaned}]
";
    let stopped = "\
format: 1
name: Stopped
steps: [{name: known, stop: nothing to do}, {name: never, value: 1}]
";
    let page = read();
    let mut kinds = BTreeSet::new();
    let flows = [
        (containers, 0),
        (AGENTS, 0),
        (FAILING, 1),
        (tools, 0),
        (late, 1),
        (stopped, 0),
        (context, 0),
    ];
    for (flow, code) in flows {
        let place = Place::with(flow);
        place.write("flow.md", "The bridge was opened in 1932. Many painters like the harbour.");
        let ran = place.run(["--json", "--events", "--allow-shell"]).ended(code);
        stepwright_testing::grammar::check(&ran.events());
        for line in ran.stdout.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            page.check_event(&event, &mut BTreeSet::new());
            kinds.insert(event["event"].as_str().unwrap().to_owned());
        }
    }
    let place = Place::with(WAITING);
    let first = ["run", "flow.yaml", "--db", "a.db", "--run-id", "r-1", "--json", "--events"];
    let go_on = ["continue", "r-1", "--db", "a.db", "--json", "--events"];
    let steps: [(&[&str], i32); 4] = [
        (&first, 3),
        (&[&go_on[..], &["--approve", "tell"]].concat(), 3),
        (&[&go_on[..], &["--approve", "tell"]].concat(), 3),
        (&[&go_on[..], &["--select", "way=r"]].concat(), 0),
    ];
    for (arguments, code) in steps {
        for line in place.ran(arguments).ended(code).stdout.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            page.check_event(&event, &mut BTreeSet::new());
            kinds.insert(event["event"].as_str().unwrap().to_owned());
        }
    }
    let place = Place::with(FAILING);
    let on_db = ["--allow-shell", "--db", "a.db", "--json", "--events"];
    let steps: [&[&str]; 3] = [
        &["run", "flow.yaml", "--run-id", "r-1"],
        &["resume", "r-1", "--retry"],
        &["rerun", "r-1", "--from", "second"],
    ];
    for arguments in steps {
        for line in place.ran([arguments, &on_db[..]].concat()).ended(1).stdout.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            page.check_event(&event, &mut BTreeSet::new());
            kinds.insert(event["event"].as_str().unwrap().to_owned());
        }
    }
    // Cancelling, and what functions of Rust may say, is tested elsewhere.
    let rare = [
        "CompressionCompleted",
        "MemoryUpdateCompleted",
        "ModelRequestRetrying",
        "ModelRequestInterrupted",
        "MessageReceived",
        "WorkflowCancelled",
        "StepCancelled",
        "ReasoningContentDelta",
        "ToolCallArgumentsDelta",
        "CustomEvent",
        "RunError",
        "ToolCallError",
        "StepExecutorPaused",
        "StepExecutorContinued",
        "StepRecorded",
        "AnswerRefused",
        "StepEffectStarted",
        "StepEffectFailed",
        "StepProcessStarted",
        "EffectJudged",
        "BudgetWarning",
        "GuardrailJudged",
        "WorkflowQueued",
        "WorkflowAdmitted",
        "WorkflowHandedOver",
        "DeciderRecorded",
    ];
    let missing: Vec<&&str> =
        NAMES.iter().filter(|name| !kinds.contains(**name) && !rare.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?} did not happen");
}
