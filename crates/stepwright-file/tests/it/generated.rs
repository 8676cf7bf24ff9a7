//! Generated workflows survive export, check and import, and run the same.

use serde_json::{Value, json};
use std::fmt::Write as _;
use stepwright_file::{Definition, Options, json_schema};

/// The number of generated workflows.
const COUNT: u64 = 120;

/// A source of choices that is the same in every run.
struct Choices {
    state: u64,
    names: u32,
}

impl Choices {
    fn below(&mut self, most: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % most
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("s{}", self.names)
    }

    fn steps(&mut self, depth: u32) -> Value {
        let count = 1 + self.below(3);
        (0..count).map(|_| self.step(depth)).collect()
    }

    fn step(&mut self, depth: u32) -> Value {
        let name = self.name();
        let kinds = if depth == 0 { 6 } else { 12 };
        let mut step = match self.below(kinds) {
            0 => json!({"template": format!("{{{{ input }}}} and: {{{{ previous }}}} #{name}")}),
            1 => {
                let sum = format!("= {} + 1", self.below(9));
                json!({"value": {"a": sum, "b": [true, null, "yes"]}})
            }
            2 => json!({"set_state": {"seen": self.below(9)}}),
            3 => json!({"increment_state": {"count": 1}}),
            4 => json!({"template": "a: 'quoted' \"text\"\nwith lines\n"}),
            5 => json!({"prompted": true}),
            6 => json!({"steps": self.steps(depth - 1)}),
            7 => {
                json!({"parallel": {"join": "wait_all", "concurrency": 2}, "branches": self.pure()})
            }
            8 => json!({"loop": {"at_most": 1 + self.below(3)}, "do": self.steps(depth - 1)}),
            9 => json!({
                "if": format!("= {} > 3", self.below(7)),
                "then": self.steps(depth - 1),
                "else": self.steps(depth - 1),
            }),
            10 => {
                let choices = self.pure();
                json!({"router": choices[0]["name"], "choices": choices})
            }
            _ => json!({"map": {"over": "= [1, 2]"}, "do": self.pure()}),
        };
        if step.get("prompted").is_some() {
            step = json!({"agent": "writer", "prompt": {"use": "#short"}});
        }
        step["name"] = json!(name);
        match self.below(5) {
            0 => step["on_error"] = json!("skip"),
            1 => step["on_error"] = json!({"otherwise": "continue", "model": "skip"}),
            2 => step["timeout"] = json!("5m"),
            _ => {}
        }
        step
    }

    /// Steps that change no state, for branches.
    fn pure(&mut self) -> Value {
        let count = 1 + self.below(2);
        let step = |_| json!({"name": self.name(), "template": "in {{ input }}"});
        (0..=count).map(step).collect()
    }
}

fn workflow(seed: u64) -> Value {
    let mut choices = Choices { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1, names: 0 };
    json!({
        "format": 1,
        "name": format!("Generated {seed}"),
        "model": "offline",
        "session_state": {"count": 0},
        "prompts": {"short": "In short: {{ input }}"},
        "agents": {"writer": {"instructions": "Write."}},
        "steps": choices.steps(2),
    })
}

/// Writes a value as YAML in the block style, as a person would.
fn yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let _ = write!(out, "{pad}{name}:");
                nested(value, indent, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let _ = write!(out, "{pad}-");
                nested(value, indent, out);
            }
        }
        scalar => drop(writeln!(out, "{pad}{scalar}")),
    }
}

fn nested(value: &Value, indent: usize, out: &mut String) {
    let is_nested = value.as_object().is_some_and(|members| !members.is_empty())
        || value.as_array().is_some_and(|list| !list.is_empty());
    if is_nested {
        out.push('\n');
        yaml(value, indent + 2, out);
    } else {
        let _ = writeln!(out, " {value}");
    }
}

#[tokio::test]
async fn a_generated_workflow_survives_export_check_and_import_and_runs_the_same() {
    let schema = jsonschema::validator_for(&json_schema()).unwrap();
    let options = Options::default();
    for seed in 0..COUNT {
        let written = workflow(seed);
        let mut text = String::new();
        yaml(&written, 0, &mut text);
        let read = |text: &str, name: &str| {
            let read = Definition::parse(text, name, &options);
            read.unwrap_or_else(|mistakes| panic!("seed {seed}: {mistakes}\n{text}"))
        };
        let definition = read(&text, "flow.yaml");
        let exported = definition.document();
        assert!(schema.is_valid(&written) && schema.is_valid(&exported), "seed {seed}: {exported}");
        let again = read(&exported.to_string(), "flow.json");
        // Exported twice, it is the same document.
        assert_eq!(again.document(), exported, "seed {seed}");
        let (one, other) = (definition.build().unwrap(), again.build().unwrap());
        assert_eq!(one.digest(), other.digest(), "seed {seed}: {exported}");
        let (one, other) = (one.run("bees").await, other.run("bees").await);
        match (one, other) {
            (Ok(one), Ok(other)) => assert_eq!(one.content, other.content, "seed {seed}"),
            (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string(), "seed {seed}"),
            (one, other) => panic!("seed {seed}: {one:?} and {other:?}"),
        }
    }
}
