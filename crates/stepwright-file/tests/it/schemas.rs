//! Schemas in files: what they may take, and what is refused in them.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use stepwright_agent::Agent;
use stepwright_core::{Content, ErrorKind, RunOutput};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};

/// Longer than any check with an end takes on a busy machine, and shorter than one without.
const LONG: Duration = Duration::from_mins(1);

fn file(head: &str) -> Result<Definition, stepwright_file::Diagnostics> {
    let text = format!("format: 1\nname: T\n{head}\nsteps:\n  - {{name: v, value: '= input'}}\n");
    Definition::parse(&text, "t.yaml", &Options::default())
}

fn workflow(input: &Value) -> Workflow {
    file(&format!("input: {input}")).unwrap().build().unwrap()
}

async fn run(input: &Value, given: Value) -> Result<RunOutput, stepwright_core::Error> {
    workflow(input).run(Content::from(given)).await
}

/// Returns the report about a schema, on one line.
fn refused(head: &str) -> String {
    flat(&file(head).expect_err(head).to_string())
}

fn flat(report: &str) -> String {
    report.replace('\u{2502}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Schemas that each lead to themselves twice, this many levels deep.
fn doubled(levels: usize, keyword: &str, leaf: &Value) -> Value {
    let mut definitions = json!({"x0": leaf});
    for level in 1..=levels {
        let below = json!({"$ref": format!("#/$defs/x{}", level - 1)});
        definitions[format!("x{level}")] = json!({keyword: [below, below]});
    }
    json!({"$defs": definitions, "$ref": format!("#/$defs/x{levels}")})
}

#[tokio::test]
async fn schemas_that_double_on_every_level_take_no_longer() {
    let begun = Instant::now();
    let object = json!({"type": "object"});
    for keyword in ["allOf", "anyOf"] {
        let schema = doubled(60, keyword, &object);
        assert_eq!(
            run(&schema, json!({"a": 1})).await.unwrap().content.to_value(),
            json!({"a": 1})
        );
        let error = run(&schema, json!([1])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    // Exactly one of two equal alternatives never fits.
    let error = run(&doubled(60, "oneOf", &object), json!({})).await.unwrap_err().to_string();
    assert!(error.contains("alternatives under `oneOf`"), "{error}");
    // By the depth of the value.
    let same = json!({"properties": {"a": {"$ref": "#"}}});
    let twice = json!({"allOf": [same, same]});
    let mut deep = json!({});
    for _ in 0..90 {
        deep = json!({"a": deep});
    }
    run(&twice, deep.clone()).await.unwrap();
    let grammar = json!({"oneOf": [
        {"type": "integer"},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "required": ["b"], "properties": {"b": {"$ref": "#"}}},
    ]});
    let mut expression = json!(1);
    for turn in 0..90 {
        expression = json!({["a", "b"][turn % 2]: expression});
    }
    run(&grammar, expression).await.unwrap();
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn a_schema_that_takes_too_many_checks_is_an_error_that_says_so() {
    // The properties that each part has looked at cannot be remembered, so this one doubles.
    let mut schema = doubled(40, "allOf", &json!({"properties": {"a": true}}));
    schema["unevaluatedProperties"] = json!(false);
    let error = run(&schema, json!({"a": 1})).await.unwrap_err();
    let said = "the schema takes more than 5000000 checks for this value";
    assert!(error.to_string().contains(said), "{error}");
}

#[tokio::test]
async fn large_values_are_checked_whole() {
    let schema = json!({"type": "array", "uniqueItems": true, "items": {"type": "object",
        "required": ["id"], "properties": {"id": {"type": "integer", "minimum": 0}}}});
    let list: Value = (0..50_000).map(|id| json!({"id": id})).collect();
    run(&schema, list.clone()).await.unwrap();
    let mut twice = list;
    twice.as_array_mut().unwrap().push(json!({"id": 7.0}));
    let error = run(&schema, twice).await.unwrap_err().to_string();
    assert!(error.contains("it has the same element twice"), "{error}");
}

#[tokio::test]
async fn patterns_take_linear_time_and_cannot_look_around() {
    let schema = json!({"type": "string", "pattern": "^(a+)+$"});
    let begun = Instant::now();
    let error = run(&schema, json!("a".repeat(100_000) + "b")).await.unwrap_err().to_string();
    assert!(error.contains("it must match `^(a+)+$`"), "{error}");
    assert!(begun.elapsed() < LONG);
    for (pattern, said) in [
        ("(?=a)", "it looks ahead or behind"),
        ("(a)\\\\1", "it refers back to a group"),
        ("(a", "a `(` is not closed"),
        ("(((a{1,200}){1,200}){1,200})", "it repeats too much"),
    ] {
        let report = refused(&format!("input: {{pattern: \"{pattern}\"}}"));
        assert!(report.contains(said), "{report}");
    }
}

/// A nested workflow whose input takes all of its checks ends with the timeout of its step.
#[test]
fn a_check_ends_with_its_step() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let mut schema = doubled(40, "allOf", &json!({"properties": {"a": true}}));
    schema["unevaluatedProperties"] = json!(false);
    let dir = tempfile::tempdir().unwrap();
    let inner = format!("format: 1\nname: I\ninput: {schema}\nsteps: [{{template: x}}]\n");
    std::fs::write(dir.path().join("inner.yaml"), inner).unwrap();
    let outer = "format: 1\nname: O\nsteps: [{name: i, workflow: inner.yaml, timeout: 1ms}]\n";
    std::fs::write(dir.path().join("outer.yaml"), outer).unwrap();
    let outer = Definition::read(dir.path().join("outer.yaml"), &Options::default()).unwrap();
    let clock = stepwright_core::world::VirtualClock::default();
    let world = stepwright_core::World::new(clock.clone(), 1);
    let workflow = outer.builder().unwrap().world(world).build().unwrap();
    let given = Content::from(json!({"a": 1}));
    let error = clock.run(std::future::IntoFuture::into_future(workflow.run(given))).unwrap_err();
    assert!(error.to_string().ends_with("it took longer than 1ms"), "{error}");
}

#[tokio::test]
async fn defaults_without_an_end_are_mistakes() {
    let mut properties = String::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let _ = write!(properties, "{name}: {{$ref: '#', default: {{}}}}, ");
    }
    for schema in [
        "{type: object, properties: {a: {$ref: '#', default: {}}}}".to_owned(),
        format!("{{type: object, properties: {{{properties}}}}}"),
    ] {
        let report = refused(&format!("input: {schema}"));
        assert!(report.contains("the defaults of the schema have no end"), "{report}");
    }
    // Without an end only in the schema: each default here ends.
    let schema = json!({"properties": {
        "a": {"$ref": "#", "default": {"a": null}}, "n": {"default": 1},
    }});
    let filled = run(&schema, json!({})).await.unwrap().content.to_value();
    assert_eq!(filled, json!({"a": {"a": null, "n": 1}, "n": 1}));
}

#[test]
fn many_large_defaults_are_a_mistake() {
    let mut definitions = json!({"x0": {"type": "object", "default": {"text": "x".repeat(1000)}}});
    for level in 1..=20 {
        let below = json!({"$ref": format!("#/$defs/x{}", level - 1)});
        definitions[format!("x{level}")] =
            json!({"default": {}, "properties": {"a": below, "b": below}});
    }
    let schema = json!({"$defs": definitions, "$ref": "#/$defs/x20"});
    let report = refused(&format!("input: {schema}"));
    assert!(report.contains("too large") || report.contains("more than"), "{report}");
}

#[tokio::test]
async fn defaults_are_filled_in_wherever_a_value_can_be_missing() {
    let schema = json!({
        "type": "object",
        "default": {"list": [{}]},
        "properties": {
            "n": {"allOf": [{"$ref": "#/$defs/n"}]},
            "list": {"items": {"properties": {"x": {"default": "y"}}}},
            "pair": {"prefixItems": [{"properties": {"p": {"default": 1}}}]},
        },
        "additionalProperties": {"properties": {"other": {"default": true}}},
        "$defs": {"n": {"type": "integer", "default": 3}},
    });
    let given = async |value: Value| run(&schema, value).await.unwrap().content.to_value();
    assert_eq!(given(Value::Null).await, json!({"list": [{"x": "y"}], "n": 3}));
    assert_eq!(
        given(json!({"n": 4, "list": [], "pair": [{}], "z": {}})).await,
        json!({"n": 4, "list": [], "pair": [{"p": 1}], "z": {"other": true}})
    );
    // The whole input, whatever its type.
    let text = json!({"type": "string", "default": "hello"});
    assert_eq!(run(&text, Value::Null).await.unwrap().content.text(), "hello");
    assert_eq!(run(&text, json!("bye")).await.unwrap().content.text(), "bye");
}

#[test]
fn keywords_without_effect_are_mistakes_wherever_a_schema_stands() {
    let places: [fn(&str) -> String; 3] = [
        |schema| format!("input: {schema}"),
        |schema| format!("agents: {{a: {{model: offline, output: {schema}}}}}"),
        |schema| {
            let form = format!("{{type: object, properties: {{q: {schema}}}}}");
            format!(
                "agents: {{}}\nsteps:\n  - {{name: f, template: x, human_review: \
                 {{requires_user_input: {{schema: {form}}}}}}}"
            )
        },
    ];
    for (schema, message, help) in [
        ("{requierd: [a]}", "the keyword `requierd` has no effect", "did you mean `required`?"),
        ("{type: strng}", "there is no type `strng`", "did you mean `string`?"),
        ("{minLenght: 3}", "the keyword `minLenght` has no effect", "did you mean `minLength`?"),
        ("{nullable: true}", "the keyword `nullable` has no effect", "type: [string, \"null\"]"),
        ("{contentEncoding: base64}", "`contentEncoding` has no effect", "leave it out"),
        ("{contentSchema: {}}", "`contentSchema` has no effect", "leave it out"),
        ("{type: integer, minLength: 3}", "`minLength` has no effect on `integer`", "type: string"),
        ("{required: true}", "`required` is a list of names", "required: [name]"),
        ("{minimum: low}", "`minimum` is a number, and this is a text", ""),
        ("{minLength: -1}", "`minLength` is a whole number from 0", ""),
        ("{type: [string, null]}", "a type is a text, and this is nothing", "quotes"),
        ("{enum: []}", "`enum` allows no value", "list what is allowed"),
        ("{$ref: '#/$defs/x'}", "`#/$defs/x` is not in this schema", ""),
    ] {
        for place in places {
            let text = place(schema);
            let text = if text.contains("steps:") {
                format!("format: 1\nname: T\n{text}\n")
            } else {
                format!("format: 1\nname: T\n{text}\nsteps: [{{template: x}}]\n")
            };
            let report = Definition::parse(&text, "t.yaml", &Options::default());
            let report = flat(&report.expect_err(&text).to_string());
            assert!(report.contains(message) && report.contains(help), "{text}\n{report}");
        }
    }
}

#[test]
fn other_keywords_without_effect_have_their_advice() {
    for (schema, message, help) in [
        ("{format: emial}", "there is no format `emial`", "did you mean `email`?"),
        ("{then: {type: string}}", "`then` has no effect without `if`", "under `if`"),
        ("{if: {type: string}}", "`if` has no effect without `then` or `else`", "under `then`"),
        ("{minContains: 2}", "`minContains` has no effect without `contains`", "`contains`"),
        ("{items: {type: string}, additionalItems: false}", "`additionalItems` has no effect", ""),
        ("{properties: {a: {$id: x}}}", "`$id` has no effect within a schema", "`$anchor`"),
        ("{$dynamicRef: '#a'}", "`$dynamicRef` has no effect", "#/$defs/name"),
        ("{$ref: 'other.json'}", "`other.json` is not in this schema", "under `$defs`"),
        ("{$defs: {name: {}}, $ref: '#/$defs/nme'}", "is not in this schema", "`#/$defs/name`"),
        ("{$ref: '#'}", "leads back to itself for the same value", "below `properties`"),
        ("{$defs: {a: {allOf: [{$ref: '#/$defs/a'}]}}, $ref: '#/$defs/a'}", "leads back", ""),
        ("{items: {default: 1}}", "`default` has no effect here", "beside the property"),
        ("{additionalProperties: {default: 1}}", "`default` has no effect here", ""),
        ("{anyOf: [{properties: {a: {default: 1}}}]}", "`default` has no effect here", ""),
        ("{oneOf: [{default: 1}]}", "`default` has no effect here", ""),
        ("{if: {}, then: {properties: {a: {default: 1}}}}", "`default` has no effect here", ""),
        ("{patternProperties: {a: {default: 1}}}", "`default` has no effect here", ""),
        ("{$defs: {x: {default: 1}}}", "`default` has no effect here", ""),
        (
            "{properties: {n: {type: integer, default: many}}}",
            "the default does not fit its schema: it must be an integer, and is a text",
            "",
        ),
        (
            "{properties: {n: {enum: [a], default: b}}}",
            "the default does not fit its schema: it must be one of \"a\"",
            "",
        ),
        ("{type: object, default: []}", "the default does not fit its schema", ""),
        ("{enum: [18446744073709551616]}", "does not fit into 64 bits", "as a text, in quotes"),
        ("{$schema: 'https://example.com/x'}", "there is no draft", "leave it out"),
        ("[]", "`input` is a JSON Schema", ""),
    ] {
        let report = refused(&format!("input: {schema}"));
        assert!(report.contains(message) && report.contains(help), "{schema}\n{report}");
    }
    let report = refused("agents: {a: {output: {properties: {x: {default: 1}}}}}");
    assert!(report.contains("an agent answers with the whole value"), "{report}");
    // Keywords that inform, and values that look like keywords.
    for schema in [
        "{title: T, description: d, examples: [1], $comment: c, deprecated: true, readOnly: true, \
         writeOnly: false, x-other: 1, $schema: 'http://json-schema.org/draft-07/schema#'}",
        "{enum: [{default: 1, requierd: 2}]}",
        "{const: {minLenght: 1}}",
        "{properties: {default: {type: string}, requierd: {}}}",
        "{$defs: {a: {$anchor: here}}, $ref: '#here'}",
        "{$id: 'https://x.example/s', $ref: 'https://x.example/s#/$defs/a', $defs: {a: true}}",
    ] {
        file(&format!("input: {schema}")).unwrap();
    }
}

#[test]
fn a_schema_that_no_value_can_fit_is_a_mistake() {
    const CONTRADICTIONS: [(&str, &str); 34] = [
        ("{type: string, minLength: 5, maxLength: 3}", "`minLength` is 5 and `maxLength` is 3"),
        ("{minItems: 2, maxItems: 1}", "`minItems` is 2 and `maxItems` is 1"),
        ("{minProperties: 2, maxProperties: 1}", "`minProperties` is 2 and `maxProperties` is 1"),
        ("{contains: {}, minContains: 2, maxContains: 1}", "`maxContains` is 1"),
        ("{contains: {}, maxContains: 0}", "`minContains` is 1 and `maxContains` is 0"),
        ("{minimum: 5, maximum: 3}", "no number fits: `minimum` is 5 and `maximum` is 3"),
        ("{minimum: 9007199254740993, maximum: 9007199254740992}", "`maximum` is"),
        ("{minimum: 3, exclusiveMaximum: 3}", "`exclusiveMaximum` is 3"),
        ("{exclusiveMinimum: 3, maximum: 3}", "`maximum` is 3"),
        ("{exclusiveMinimum: 3.5, exclusiveMaximum: 3.5}", "`exclusiveMaximum` is 3.5"),
        ("{type: integer, minimum: 1.2, maximum: 1.8}", "no integer fits"),
        ("{type: integer, exclusiveMinimum: 1, exclusiveMaximum: 2}", "no integer fits"),
        ("{enum: []}", "`enum` allows no value"),
        ("{required: [a], additionalProperties: false}", "`required` lists `a`"),
        ("{required: [a], properties: {b: {}}, additionalProperties: false}", "does not allow it"),
        ("{required: [a], patternProperties: {^b: {}}, additionalProperties: false}", "lists `a`"),
        ("{required: [a], properties: {b: {}}, unevaluatedProperties: false}", "`unevaluated"),
        ("{required: [a], properties: {a: false}}", "`a: false` does not allow it"),
        ("{required: [abc], propertyNames: {maxLength: 2}}", "`propertyNames` does not allow it"),
        ("{required: [a, b], maxProperties: 1}", "`required` lists 2 names"),
        ("{minProperties: 2, properties: {a: {}}, additionalProperties: false}", "allows 1"),
        ("{prefixItems: [{}], items: false, minItems: 2}", "`items: false` allows 1"),
        ("{items: [{}], additionalItems: false, minItems: 2}", "`additionalItems: false` allows"),
        ("{type: string, const: 5}", "`const` is 5, which its own schema does not allow"),
        ("{const: a, enum: [b]}", "`const` is \"a\""),
        ("{type: string, enum: [a, 1]}", "`enum` lists 1"),
        ("{minLength: 2, enum: [ab, a]}", "`enum` lists \"a\""),
        ("{type: string, default: 5}", "the default does not fit its schema"),
        ("{allOf: [{minLength: 5}, {maxLength: 3}]}", "`minLength` is 5"),
        ("{minimum: 5, allOf: [{allOf: [{maximum: 3}]}]}", "`maximum` is 3"),
        ("{$defs: {a: {type: string}}, $ref: '#/$defs/a', type: integer}", "no value fits"),
        ("{allOf: [{required: [a]}], additionalProperties: false}", "`required` lists `a`"),
        ("{type: [string, integer], allOf: [{type: [boolean, array]}]}", "no value fits"),
        ("{$defs: {unused: {minLength: 2, maxLength: 1}}}", "`maxLength` is 1"),
    ];
    let around: [fn(&str) -> String; 9] = [
        |schema| schema.to_owned(),
        |schema| format!("{{properties: {{p: {schema}}}}}"),
        |schema| format!("{{items: {schema}}}"),
        |schema| format!("{{additionalProperties: {schema}}}"),
        |schema| format!("{{anyOf: [{{type: \"null\"}}, {schema}]}}"),
        |schema| format!("{{if: {{minProperties: 1}}, then: {schema}}}"),
        |schema| format!("{{patternProperties: {{a: {schema}}}}}"),
        |schema| format!("{{prefixItems: [{{}}, {schema}]}}"),
        |schema| format!("{{dependentSchemas: {{a: {schema}}}}}"),
    ];
    for (schema, told) in CONTRADICTIONS {
        let inner = if schema.contains("$defs") { &around[..1] } else { &around[..] };
        for around in inner {
            let whole = around(schema);
            // A default has a place only at the top and in properties.
            let told = if schema.contains("default") && whole != schema { "default" } else { told };
            let report = refused(&format!("input: {whole}"));
            assert!(report.contains(told), "{whole}\n{report}");
            let output = format!("agents: {{a: {{output: {whole}}}}}");
            let told = if schema.contains("default") { "default" } else { told };
            let report = refused(&output);
            assert!(report.contains(told), "{output}\n{report}");
        }
    }
    for schema in [
        "{minLength: 3, maxLength: 3, minItems: 1, maxItems: 1}",
        "{minimum: 3, maximum: 3.0}",
        "{type: integer, minimum: 1.2, maximum: 2}",
        "{type: integer, exclusiveMinimum: 1, exclusiveMaximum: 3}",
        "{required: [a], properties: {a: {}}, additionalProperties: false}",
        "{required: [ab], patternProperties: {^a: {}}, additionalProperties: false}",
        "{required: [a], anyOf: [{properties: {a: {}}}], unevaluatedProperties: false}",
        "{type: [string, \"null\"], enum: [a, null]}",
        "{type: number, allOf: [{type: integer}]}",
        "{type: integer, const: 2.0}",
        "{anyOf: [{minLength: 5}, {maxLength: 3}]}",
        "{if: {minLength: 5}, then: {}, else: {maxLength: 3}}",
        "{const: {minLength: 5, maxLength: 3}, examples: [{minimum: 2, maximum: 1}]}",
        "{not: {}, minLength: 1}",
        "{contains: {}, minContains: 0, maxContains: 0}",
        "{prefixItems: [{}, {}], items: false, minItems: 2}",
    ] {
        file(&format!("input: {schema}")).expect(schema);
    }
    // A long list of choices is checked in time.
    let many: Vec<String> = (0..20_000).map(|n| format!("v{n}")).collect();
    file(&format!("input: {{type: string, enum: [{}]}}", many.join(", "))).unwrap();
}

#[tokio::test]
async fn big_integers_in_a_schema_are_exact() {
    let schema = json!({"enum": [9_007_199_254_740_993_u64, u64::MAX]});
    run(&schema, json!(9_007_199_254_740_993_u64)).await.unwrap();
    run(&schema, json!(u64::MAX)).await.unwrap();
    for near in
        [json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_992.0), json!(u64::MAX - 1)]
    {
        assert!(run(&schema, near.clone()).await.is_err(), "{near}");
    }
    // `2.0` is an integer, as everywhere in JSON Schema.
    run(&json!({"type": "integer"}), json!(2.0)).await.unwrap();
}

#[tokio::test]
async fn an_agents_answer_is_checked_within_limits() {
    use stepwright_core::{Executor as _, StepContext, StepInput};
    use stepwright_testing::model::ScriptedModel;
    let checked = |value: std::sync::Arc<Value>| async move {
        tokio::task::yield_now().await;
        if value["n"] == 1 { Ok(()) } else { Err("`n` must be 1".to_owned()) }
    };
    let model = ScriptedModel::new([r#"{"n": 2}"#, r#"{"n": 1}"#]);
    let agent = Agent::builder("A").model(model.clone()).unwrap();
    let agent = agent.output_schema_async(json!({"type": "object"}), checked).build().unwrap();
    let output = agent.execute(StepInput::of("go"), StepContext::detached("s")).await.unwrap();
    assert_eq!(output.content.to_value(), json!({"n": 1}));
    assert_eq!(model.requests().len(), 2);
}
