//! Compares this evaluator with CEL's own interpreter: equal expressions must have equal values.

use super::names::{GLOBAL, METHODS, QUALIFIED};
use super::*;
use cel::objects::{Key as CelKey, Map as CelMap};
use cel::{Context, ExecutionError, Value as Cel};
use serde_json::{Number, json};
use std::collections::HashMap;

fn from_json(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Cel::Int(number),
            (None, Some(number)) => Cel::UInt(number),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(list) => Cel::List(Arc::new(list.iter().map(from_json).collect())),
        Value::Object(members) => {
            let members = members.iter().map(|(key, one)| (key.clone().into(), from_json(one)));
            Cel::Map(CelMap { map: Arc::new(members.collect::<HashMap<CelKey, Cel>>()) })
        }
    }
}

fn to_json(value: &Cel) -> Option<Value> {
    Some(match value {
        Cel::Null => Value::Null,
        Cel::Bool(value) => Value::Bool(*value),
        Cel::Int(number) => Value::from(*number),
        Cel::UInt(number) => Value::from(*number),
        Cel::Float(number) => Value::Number(Number::from_f64(*number)?),
        Cel::String(text) => Value::String((**text).clone()),
        Cel::List(list) => Value::Array(list.iter().map(to_json).collect::<Option<_>>()?),
        Cel::Map(map) => {
            let mut members = Vec::new();
            for (key, value) in &*map.map {
                let key = match key {
                    CelKey::String(key) => (**key).clone(),
                    CelKey::Int(key) => key.to_string(),
                    CelKey::Uint(key) => key.to_string(),
                    CelKey::Bool(key) => key.to_string(),
                };
                members.push((key, to_json(value)?));
            }
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        _ => return None,
    })
}

/// Returns the results of CEL's own interpreter and of this one.
fn both(text: &str, input: &Value) -> Option<(Result<Value, String>, Result<Value, String>)> {
    let program = ENV.compile(text).ok()?;
    let mut context = Context::with_env(ENV.clone());
    context.add_variable_from_value("input", from_json(input));
    // Both evaluators see a variable that only the check would reject.
    for name in ["x", "a"] {
        context.add_variable_from_value(name, Cel::Null);
    }
    let theirs = program.execute(&context);
    let theirs = match theirs {
        Ok(value) => to_json(&value).ok_or_else(|| format!("{value:?} is no JSON")),
        Err(error) => Err(error.to_string()),
    };
    let (expression, _) = Expression::parse(text).ok()?;
    let step = stepwright_core::StepInput::of(input.clone());
    let ours = expression.value(&Values::of(&step), &Budget::whole(None));
    let ours = ours.map_err(|unfinished| format!("{unfinished:?}"));
    Some((theirs, ours))
}

/// Asserts that both results are equal, or that both fail. Only this evaluator can mix kinds of
/// numbers, so CEL's may fail alone for that.
fn assert_same(text: &str, input: &Value) -> bool {
    let Some((theirs, ours)) = both(text, input) else { return false };
    match (&theirs, &ours) {
        // CEL's rounds an integer to a double before it writes its digits.
        (Ok(theirs), Ok(ours)) if theirs != ours && text.contains(".format(") => {
            let rounded =
                ["9223372036854775", "18446744073709551", "9007199254740993", "big", "max"];
            assert!(rounded.iter().any(|big| text.contains(big)), "{text}: {theirs} {ours}");
        }
        (Ok(theirs), Ok(ours)) => assert_eq!(theirs, ours, "{text}"),
        (Err(_), Err(_)) => {}
        (Err(theirs), Ok(ours)) => {
            let mixed = ["no matching overload", "Unsupported binary operator", "same type"];
            assert!(
                mixed.iter().any(|mixed| theirs.contains(mixed)),
                "{text}: theirs fails ({theirs}), ours gives {ours}"
            );
        }
        (Ok(theirs), Err(ours)) => panic!("{text}: theirs gives {theirs}, ours fails ({ours})"),
    }
    theirs.is_ok()
}

fn scope() -> Value {
    json!({
        "n": 3, "zero": 0, "neg": -7, "half": 2.5, "big": u64::MAX, "yes": true, "none": null,
        "text": "Hello, Wörld", "empty": "", "words": ["b", "a", "c", "a"],
        "numbers": [3, 1, 2, 2], "mixed": [1, "x", null, true, 2.5, [1], {"a": 1}],
        "nested": [[1, 2], [3, [4]], []], "o": {"b": 1, "a": {"c": [1, {"d": "e"}]}},
        "lines": [{"id": "x", "count": 2, "price": 1.5}, {"id": "y", "count": 0, "price": 4.0}],
    })
}

#[test]
fn every_function_that_is_listed_exists() {
    let exists = |call: String| {
        let program = ENV.compile(&call).unwrap();
        let result = program.execute(&Context::with_env(ENV.clone()));
        assert!(
            !matches!(result, Err(ExecutionError::UndeclaredReference(_))),
            "{call}: {result:?}"
        );
    };
    for name in GLOBAL {
        exists(format!("{name}('1')"));
    }
    for name in METHODS.iter().filter(|name| !name.starts_with("opt")) {
        exists(format!("'1'.{name}()"));
    }
    for name in QUALIFIED {
        exists(if name.ends_with("none") { format!("{name}()") } else { format!("{name}(1)") });
    }
}

#[test]
fn the_corpus_gives_what_cel_gives() {
    let scope = scope();
    let mut good = 0;
    // CEL's own interpreter does not finish some of them in time.
    for text in crate::corpus::texts("cel").into_iter().filter(|text| !text.contains("100000")) {
        good += usize::from(assert_same(text.trim(), &scope));
    }
    assert!(good > 60, "only {good} expressions of the corpus have a value");
}

/// A small deterministic generator of random numbers.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        // This is SplitMix64 by Steele and Vigna.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most as u64).unwrap_or_default()
    }

    fn one_of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }

    fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .one_of(&[
                    "0",
                    "1",
                    "2",
                    "-3",
                    "7",
                    "1u",
                    "4u",
                    "2.5",
                    "-0.5",
                    "1e3",
                    "input.n",
                    "input.zero",
                    "input.neg",
                    "input.half",
                    "input.big",
                    "9223372036854775807",
                    "input.o.b",
                    "input.numbers[1]",
                    "x",
                    "input.missing",
                ])
                .to_owned();
        }
        let (a, b) = (self.number(depth - 1), self.number(depth - 1));
        match self.below(12) {
            0..=4 => format!("({a} {} {b})", self.one_of(&["+", "-", "*", "/", "%"])),
            5 => format!("size({})", self.list(depth - 1)),
            6 => format!("{}.size()", self.text(depth - 1)),
            7 => {
                let function = self.one_of(&["abs", "sign", "sqrt", "ceil", "floor", "round"]);
                format!("math.{function}({a})")
            }
            8 => format!("math.{}({a}, {b})", self.one_of(&["greatest", "least"])),
            9 => format!("{}({a})", self.one_of(&["int", "uint", "double"])),
            10 => format!("{}.indexOf({})", self.text(depth - 1), self.text(0)),
            _ => format!("({} ? {a} : {b})", self.truth(depth - 1)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .one_of(&[
                    "'a'",
                    "''",
                    "'öä b'",
                    "'a,b,,c'",
                    "input.text",
                    "input.empty",
                    "'12'",
                    "input.words[0]",
                    "x",
                    "'%s-%d'",
                ])
                .to_owned();
        }
        let (a, b) = (self.text(depth - 1), self.text(0));
        let (m, n) = (self.number(0), self.number(0));
        match self.below(14) {
            0 => format!("({a} + {b})"),
            1 => format!("{a}.{}()", self.one_of(&["lowerAscii", "upperAscii", "trim", "reverse"])),
            2 => format!("{a}.substring({m})"),
            3 => format!("{a}.substring({m}, {n})"),
            4 => format!("{a}.replace({b}, {})", self.text(0)),
            5 => format!("{a}.replace({b}, {}, {n})", self.text(0)),
            6 => format!("{a}.charAt({n})"),
            7 => format!("string({})", self.number(depth - 1)),
            8 => format!("{}.join({b})", self.list(depth - 1)),
            9 => format!("strings.quote({a})"),
            10 => {
                let clause = self.one_of(&["%s", "%d", "%.2f", "%e", "%x", "%b", "%o", "%%", "%X"]);
                format!("'<{clause}>'.format([{}])", self.any(depth - 1))
            }
            11 => format!("({} ? {a} : {b})", self.truth(depth - 1)),
            12 => format!("string({a}.lastIndexOf({b}))"),
            _ => format!("string(bytes({a}))"),
        }
    }

    fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.one_of(&["true", "false", "input.yes", "has(input.n)", "x"]).to_owned();
        }
        let depth = depth - 1;
        match self.below(14) {
            0 => format!("({} && {})", self.truth(depth), self.truth(depth)),
            1 => format!("({} || {})", self.truth(depth), self.truth(depth)),
            2 => format!("!{}", self.truth(depth)),
            3..=5 => {
                let sign = self.one_of(&["<", "<=", ">", ">=", "==", "!="]);
                format!("({} {sign} {})", self.number(depth), self.number(depth))
            }
            6 => format!("({} == {})", self.any(depth), self.any(depth)),
            7 => format!("({} in {})", self.any(depth), self.list(depth)),
            8 => {
                let function = self.one_of(&["contains", "startsWith", "endsWith"]);
                format!("{}.{function}({})", self.text(depth), self.text(0))
            }
            9 => format!("{}.matches({})", self.text(depth), self.one_of(&["'^[a-z]+'", "'('"])),
            10 => {
                let quantifier = self.one_of(&["all", "exists", "exists_one"]);
                format!("{}.{quantifier}(x, {})", self.list(depth), self.truth(depth))
            }
            11 => format!("has(input.{})", self.one_of(&["n", "missing", "o.a", "o.z", "n.z"])),
            12 => format!("({} < {})", self.text(depth), self.text(depth)),
            _ => format!("(type({}) == type({}))", self.any(depth), self.any(depth)),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .one_of(&[
                    "[]",
                    "[1, 2, 3]",
                    "input.words",
                    "input.numbers",
                    "input.nested",
                    "lists.range(4)",
                    "['b', 'a']",
                    "[1, 2.5, 1u]",
                    "input.mixed",
                    "x",
                ])
                .to_owned();
        }
        let (list, n, m) = (self.list(depth - 1), self.number(0), self.number(0));
        match self.below(14) {
            0 => format!("{list}.map(x, {})", self.any(depth - 1)),
            1 => format!("{list}.filter(x, {})", self.truth(depth - 1)),
            2 => format!("{list}.map(x, {}, {})", self.truth(0), self.any(0)),
            3 => format!("({list} + {})", self.list(0)),
            4 => format!("{list}.{}()", self.one_of(&["sort", "reverse", "distinct", "flatten"])),
            5 => format!("{list}.slice({n}, {m})"),
            6 => format!("{list}.flatten({n})"),
            7 => format!("{list}.sortBy(x, {})", self.any(0)),
            8 => format!("{}.split({})", self.text(depth - 1), self.text(0)),
            9 => format!("{}.split({}, {n})", self.text(depth - 1), self.text(0)),
            10 => format!("[{}, ?{}]", self.any(depth - 1), self.optional(depth - 1)),
            11 => format!("lists.range({n})"),
            _ => format!("[{}, {}]", self.any(depth - 1), self.any(depth - 1)),
        }
    }

    fn optional(&mut self, depth: usize) -> String {
        match self.below(6) {
            0 => "optional.none()".to_owned(),
            1 => format!("optional.of({})", self.any(depth.saturating_sub(1))),
            2 => format!("optional.ofNonZeroValue({})", self.any(depth.saturating_sub(1))),
            3 => format!("input.?{}", self.one_of(&["n", "missing", "o"])),
            4 => "input.?o.a.c".to_owned(),
            _ => format!("input.numbers[?{}]", self.number(0)),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        let inner = depth.saturating_sub(1);
        match self.below(12) {
            0..=2 => self.number(depth),
            3..=4 => self.text(depth),
            5 => self.truth(depth),
            6 => self.list(depth),
            7 => self.one_of(&["null", "input.o", "input.none", "input.mixed[2]"]).to_owned(),
            8 => format!("{{'a': {}, {}: 1}}", self.any(inner), self.one_of(&["'b'", "2", "'a'"])),
            9 => format!("{}.orValue({})", self.optional(depth), self.any(inner)),
            10 => format!("{}.optMap(x, {}).hasValue()", self.optional(depth), self.any(inner)),
            _ => format!("{{1: 'a', 'k': {}}}[{}]", self.any(inner), self.any(0)),
        }
    }
}

#[test]
fn generated_expressions_give_what_cel_gives() {
    let (mut chance, scope) = (Chance(20_261_129), scope());
    let (mut tried, mut good) = (0, 0);
    while tried < 4_000 {
        let depth = 1 + chance.below(3);
        let text = chance.any(depth);
        if text.len() <= LENGTH_MAX {
            tried += 1;
            good += usize::from(assert_same(&text, &scope));
        }
    }
    // Most of them fail, which is compared too. But enough of them must have a value.
    assert!(good > 800, "only {good} of {tried} have a value");
}
