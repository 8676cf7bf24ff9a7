//! The JSON Schema of the format, made from the tables that stand beside the reader.

#[cfg(test)]
mod tests;

use crate::builtins::BUILTINS;
use crate::containers::CONTAINERS;
use crate::format::form::{Definitions, Member, key, properties};
use crate::format::keys::{
    AGENT_STEP, COMMON, FILE, OF_CONTAINERS, OF_STEPS, OF_TOOLS, OF_WORKFLOWS, TEAM_STEP,
    USED_STEP, WORKFLOW_STEP,
};
use crate::mcp::SERVER_TOOLS;
use crate::tools::TOOLS;
use serde_json::{Map, Value, json};

/// Returns the JSON Schema of workflow files, for editors and for other programs that write them. A
/// file that the schema refuses is wrong. One that it accepts may still have mistakes that only a
/// check finds, such as a name that does not exist.
///
/// ```
/// let schema = stepwright_file::json_schema();
/// assert_eq!(schema["properties"]["format"]["const"], 1);
/// assert!(schema["definitions"]["step"]["properties"]["shell"].is_object());
/// ```
pub fn json_schema() -> Value {
    let mut all = Definitions::new();
    let mut file = FILE.schema(&mut all);
    let step = step(&mut all);
    all.insert("step".to_owned(), step);
    let tool = tool(&mut all);
    all.insert("tool".to_owned(), tool);
    file["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    file["title"] = json!("Stepwright workflow file");
    // Anchors stand beneath such keys.
    file["patternProperties"] = json!({"^x-": true});
    file["definitions"] = all.into();
    file
}

/// A kind of step, with its keys.
struct Shown {
    member: Member,
    /// The keys beside it.
    beside: Vec<Member>,
    /// The options of all steps that it does not have.
    without: &'static [(&'static str, &'static str)],
    /// The keys of which one is required beside it, and a name. `None` if it is not a container.
    needs: Option<&'static [&'static str]>,
}

impl Shown {
    /// Returns all keys of a step of this kind.
    fn members(&self) -> impl Iterator<Item = &Member> {
        let lacks = |name| self.without.iter().any(|(lacking, _)| *lacking == name);
        let all = COMMON.iter().chain(std::iter::once(&self.member)).chain(&self.beside);
        all.filter(move |member| !lacks(member.name))
    }
}

fn kinds() -> Vec<Shown> {
    let [agent, prompt] = AGENT_STEP else { unreachable!("an agent has two keys") };
    let [team, message] = TEAM_STEP else { unreachable!("a team has two keys") };
    let [workflow, with] = WORKFLOW_STEP else { unreachable!("a workflow has two keys") };
    let beside = |own: &[Member], all: &[Member]| [own, all].concat();
    let mut kinds = vec![Shown {
        member: *agent,
        beside: beside(&[*prompt], OF_STEPS),
        without: &[],
        needs: None,
    }];
    kinds.push(Shown {
        member: *team,
        beside: beside(&[*message], OF_STEPS),
        without: &[],
        needs: None,
    });
    kinds.extend(BUILTINS.iter().map(|kind| Shown {
        member: key(kind.key, kind.form, kind.about),
        beside: OF_STEPS.to_vec(),
        without: kind.without,
        needs: None,
    }));
    kinds.extend(CONTAINERS.iter().map(|kind| Shown {
        member: key(kind.key, kind.form, kind.about),
        beside: beside(kind.beside, OF_CONTAINERS),
        without: &[],
        needs: Some(kind.needs),
    }));
    kinds.push(Shown {
        member: *workflow,
        beside: beside(&[*with], OF_WORKFLOWS),
        without: &[],
        needs: None,
    });
    kinds
}

/// Returns the schema of a step: one kind, and only the keys of that kind.
fn step(all: &mut Definitions) -> Value {
    let kinds = kinds();
    let mut known = Map::new();
    let (mut one_of, mut rules) = (Vec::new(), Vec::new());
    for kind in &kinds {
        let name = kind.member.name;
        let is_used = json!({"required": [USED_STEP.name]});
        let is_kind = json!({"required": [name], "not": is_used});
        one_of.push(is_kind.clone());
        let Value::Object(own) = properties(kind.members(), all) else { continue };
        let names: Vec<&String> = own.keys().collect();
        let mut then = json!({"propertyNames": {"enum": names}});
        // The same key may have another form in another kind.
        let differs = |(name, schema): &(&String, &Value)| {
            known.get(*name).is_some_and(|other| other != *schema)
        };
        let other: Map<String, Value> = own
            .iter()
            .filter(differs)
            .map(|(name, schema)| (name.clone(), schema.clone()))
            .collect();
        if !other.is_empty() {
            then["properties"] = other.into();
        }
        if let Some(needs) = kind.needs {
            then["required"] = json!(["name"]);
            let each = needs.iter().map(|name| json!({"required": [name]}));
            let each: Vec<Value> = each.collect();
            if !each.is_empty() {
                then["anyOf"] = each.into();
            }
        }
        rules.push(json!({"if": is_kind, "then": then}));
        for (name, schema) in own {
            known.entry(name).or_insert(schema);
        }
    }
    // Any key may stand beside it, and replaces one of the step that is used.
    one_of.push(json!({"required": [USED_STEP.name]}));
    if let Value::Object(used) = properties(std::iter::once(&USED_STEP), all) {
        known.extend(used);
    }
    json!({
        "type": "object",
        "properties": known,
        "additionalProperties": false,
        "oneOf": one_of,
        "allOf": rules,
    })
}

/// Returns the schema of a tool: its name, or its name with its settings.
fn tool(all: &mut Definitions) -> Value {
    let mut names = Vec::new();
    let mut tools = Map::new();
    for kind in TOOLS {
        let mut schema = json!({
            "type": "object",
            "properties": properties(settings(kind.settings), all),
            "additionalProperties": false,
        });
        if kind.needs.is_empty() {
            names.push(kind.name);
            schema = json!({"anyOf": [schema, {"type": "null"}]});
        } else {
            let all = |names: &&str| json!({"required": names.split('+').collect::<Vec<_>>()});
            schema["oneOf"] = kind.needs.iter().map(all).collect();
        }
        tools.insert(kind.name.to_owned(), schema);
    }
    let server = json!({
        "type": ["object", "null"],
        "properties": properties(settings(SERVER_TOOLS), all),
        "additionalProperties": false,
    });
    json!({"anyOf": [
        {"enum": names},
        {"type": "object", "properties": tools, "patternProperties": {"^mcp:": server},
            "additionalProperties": false, "minProperties": 1, "maxProperties": 1},
        {"type": "string", "pattern": "^mcp:"},
    ]})
}

/// Returns the settings of a tool: its own, and those of all tools.
fn settings(own: &'static [Member]) -> impl Iterator<Item = &'static Member> {
    let has = |name| own.iter().any(|own| own.name == name);
    own.iter().chain(OF_TOOLS.iter().filter(move |member| !has(member.name)))
}
