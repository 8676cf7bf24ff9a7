//! Verdicts, reasons and times of checks by schemas.

use super::*;
use serde_json::json;

/// The same choices on each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most.max(1) as u64).unwrap()
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "ab", "c"][self.below(4)]
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(5)),
            3 => json!([1.5, 2.0, -3.0, 0.3][self.below(4)]),
            4 | 5 => json!(["", "a", "ab", "2026-11-29", "\u{e9}"][self.below(5)]),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let members = (0..self.below(4)).map(|_| (self.name(), self.value(depth - 1)));
                members
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .collect()
            }
        }
    }

    fn schemas(&mut self, depth: usize) -> Value {
        (0..=self.below(3)).map(|_| self.schema(depth)).collect()
    }

    fn named(&mut self, depth: usize) -> Value {
        let named = (0..=self.below(2)).map(|_| (self.name().to_owned(), self.schema(depth)));
        named.collect::<Vec<_>>().into_iter().collect()
    }

    fn schema(&mut self, depth: usize) -> Value {
        if self.below(12) == 0 {
            return json!(self.below(3) > 0);
        }
        let mut schema = json!({});
        for _ in 0..self.below(4) {
            let inner = depth.saturating_sub(1);
            let (key, value) = match self.below(if depth == 0 { 20 } else { 41 }) {
                0..=2 => ("type", json!(keywords::TYPES[self.below(7)])),
                3 => (
                    "type",
                    json!([keywords::TYPES[self.below(3)], keywords::TYPES[3 + self.below(4)]]),
                ),
                4 => ("const", self.value(1)),
                5 => ("enum", json!([self.value(1), self.value(1), self.value(0)])),
                6 => ("minimum", json!(self.below(3))),
                7 => ("maximum", json!([0.0, 1.5, 3.0][self.below(3)])),
                8 => ("exclusiveMinimum", json!(self.below(3))),
                9 => ("exclusiveMaximum", json!(self.below(4))),
                10 => ("multipleOf", json!([1.0, 0.5, 2.0, 0.1][self.below(4)])),
                11 => ("minLength", json!(self.below(3))),
                12 => ("maxLength", json!(self.below(3))),
                13 => ("pattern", json!(["^a", "b$", "^\\d+", "."][self.below(4)])),
                14 => ("format", json!("date")),
                15 => ("minItems", json!(self.below(3))),
                16 => ("maxItems", json!(self.below(3))),
                17 => ("uniqueItems", json!(true)),
                18 => ("required", json!([self.name()])),
                19 => ("minProperties", json!(self.below(3))),
                20 => ("maxProperties", json!(self.below(3))),
                21..=23 => ("properties", self.named(inner)),
                24 => (
                    "patternProperties",
                    json!({"^a": self.schema(inner), "b": self.schema(inner)}),
                ),
                25 => ("additionalProperties", self.schema(inner)),
                26 => ("propertyNames", self.schema(0)),
                27 => ("items", self.schema(inner)),
                28 => ("prefixItems", self.schemas(inner)),
                29 => ("contains", self.schema(inner)),
                30 => ("allOf", self.schemas(inner)),
                31 => ("anyOf", self.schemas(inner)),
                32 => ("oneOf", self.schemas(inner)),
                33 => ("not", self.schema(inner)),
                34 => ("if", self.schema(inner)),
                35 => ("then", self.schema(inner)),
                36 => ("else", self.schema(inner)),
                37 => ("dependentSchemas", self.named(inner)),
                38 => ("unevaluatedItems", self.schema(inner)),
                39 => ("unevaluatedProperties", self.schema(inner)),
                _ => ("$ref", json!(["#/$defs/x", "#/$defs/y"][self.below(2)])),
            };
            schema[key] = value;
        }
        schema
    }
}

fn verdict(schema: &Value, value: &Value) -> Option<bool> {
    let places = keywords::walk(schema, Purpose::Form, None).ok()?;
    let (compiled, _) = compile::compile(schema, &places).ok()?;
    match compiled.fits(value, &Budget::whole(None)) {
        Ok(()) => Some(true),
        Err(Refusal::Unfit(reasons)) => {
            assert!(!reasons.is_empty());
            Some(false)
        }
        Err(Refusal::Spent(spent)) => panic!("{spent:?}: {schema} {value}"),
    }
}

/// Random schemas and values have the same verdict as in `jsonschema`.
#[test]
fn verdicts_are_those_of_a_known_validator() {
    let mut chance = Chance(11);
    let (mut compared, mut valid) = (0, 0);
    for _ in 0..4000 {
        let mut schema = chance.schema(3);
        if !schema.is_object() {
            continue;
        }
        schema["$defs"] = json!({"x": chance.schema(1), "y": chance.schema(1)});
        let options = jsonschema::options().should_validate_formats(true);
        let Ok(known) = options.build(&schema) else { continue };
        for _ in 0..6 {
            let value = chance.value(3);
            let Some(verdict) = verdict(&schema, &value) else { continue };
            assert_eq!(verdict, known.is_valid(&value), "{schema:#} {value}");
            compared += 1;
            valid += usize::from(verdict);
        }
    }
    assert!(compared > 5000 && valid > 1000, "{compared} {valid}");
}

fn reasons(schema: &Value, value: &Value) -> String {
    match compile(schema).unwrap().fits(value, &Budget::whole(None)) {
        Err(Refusal::Unfit(reasons)) => reasons,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reasons_name_the_place_and_the_value() {
    let schema = json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
            "age": {"type": ["integer", "null"], "minimum": 0},
            "mail": {"format": "email"},
            "tags": {"uniqueItems": true, "items": {"enum": ["x", "y", 1]}},
            "way": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["to"]}]},
        },
    });
    for (value, said) in [
        (json!([]), "it must be an object, and is a list"),
        (json!({}), "`name` is missing"),
        (
            json!({"name": "A"}),
            "`name` must have at least 2 characters, and has 1; \
          `name` must match `^[a-z]+$`, and is \"A\"",
        ),
        (json!({"name": "ab", "age": -1}), "`age` must be at least 0, and is -1"),
        (json!({"name": "ab", "age": 1.5}), "`age` must be an integer or nothing, and is a number"),
        (json!({"name": "ab", "mail": "x"}), "`mail` must have the format `email`, and is \"x\""),
        (json!({"name": "ab", "nme": 1}), "`nme` is not allowed here"),
        (json!({"name": "ab", "tags": ["x", "z"]}), "`tags[1]` must be one of \"x\", \"y\", 1"),
        (json!({"name": "ab", "tags": [1, 1.0]}), "`tags` has the same element twice"),
        (json!({"name": "ab", "way": {}}), "`way.to` is missing"),
        (json!({"name": "ab", "way": 3}), "`way` fits none of the alternatives under `oneOf`"),
    ] {
        assert_eq!(reasons(&schema, &value), said, "{value}");
    }
}

#[test]
fn integers_are_compared_exactly() {
    let big = 9_007_199_254_740_993_u64;
    let schema = json!({"enum": [big], "maximum": 9_007_199_254_740_992.0});
    let only = json!({"enum": [big]});
    assert!(compile(&only).unwrap().fits(&json!(big), &Budget::whole(None)).is_ok());
    for other in [json!(big - 1), json!(9_007_199_254_740_992.0)] {
        assert!(reasons(&only, &other).contains("must be one of 9007199254740993"), "{other}");
    }
    assert!(reasons(&schema, &json!(big)).contains("at most"));
    let unique = json!({"uniqueItems": true});
    let list = json!([big, 9_007_199_254_740_992.0]);
    assert!(compile(&unique).unwrap().fits(&list, &Budget::whole(None)).is_ok());
}

#[test]
fn formats_are_read_in_linear_time() {
    let begun = std::time::Instant::now();
    for format in keywords::FORMATS {
        for piece in ["a", "1", "a.", ":", "%41", "/~0", "{a}", "-", "1:", "@a", "(a", "\u{e9}"] {
            let text = Value::from(piece.repeat(100_000));
            let schema = compile(&json!({"format": format})).unwrap();
            let _ = schema.fits(&text, &Budget::whole(None));
        }
    }
    assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn long_names_take_no_time_of_their_own() {
    let long = "n".repeat(1_000_000);
    let many: serde_json::Map<_, _> = (0..50_000).map(|at| (format!("a{at}"), json!({}))).collect();
    let schema = json!({"properties": {&long: {"properties": many}}});
    assert!(check(&schema, Purpose::Input, &Budget::whole(None)).is_ok());
    let needs = json!({"items": {"required": [long], "properties": {"x": {}}}});
    let list: Value = (0..50_000).map(|_| json!({})).collect();
    let begun = std::time::Instant::now();
    assert!(compile(&needs).unwrap().fits(&list, &Budget::whole(None)).is_err());
    assert!(begun.elapsed() < std::time::Duration::from_mins(1));
}
