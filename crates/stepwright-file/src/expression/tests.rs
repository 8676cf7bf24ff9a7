//! Tests of expressions.

use super::names::{GLOBAL, METHODS, QUALIFIED};
use super::*;
use serde_json::json;
use stepwright_core::StepInput;

fn mistake(text: &str) -> (String, String, Option<String>) {
    let mistakes = match Expression::parse(text) {
        Ok((_, mistakes)) | Err(mistakes) => mistakes,
    };
    let first = &mistakes[0];
    let place = text[first.span.start..first.span.end()].to_owned();
    (first.message.clone(), place, first.help.clone())
}

fn eval(text: &str, input: Value) -> Result<Value, String> {
    let input = StepInput::of(input);
    let (expression, _) = Expression::parse(text).unwrap();
    expression.value(&Values::of(&input)).map_err(|error| error.to_string())
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
fn references_have_places() {
    let text = "size(steps.a) > 2 && steps[\"my step\"].n in [input.x, 'ö' + item]";
    let (expression, _) = Expression::parse(text).unwrap();
    let found: Vec<_> = expression
        .references()
        .iter()
        .map(|r| (&*r.root, r.path.join("/"), &text[r.span.start..r.span.end()]))
        .collect();
    assert_eq!(
        found,
        [
            ("steps", "a".into(), "steps.a"),
            ("steps", "my step/n".into(), "steps[\"my step\"].n"),
            ("input", "x".into(), "input.x"),
            ("item", String::new(), "item"),
        ]
    );
}

#[test]
fn variables_of_comprehensions_are_no_references() {
    let (expression, _) = Expression::parse("previous.exists(x, x.n > 2) && has(input.a)").unwrap();
    let roots: Vec<_> = expression.references().iter().map(|r| &*r.root).collect();
    assert_eq!(roots, ["previous", "input"]);
}

#[test]
fn unknown_functions_are_found_with_what_was_meant() {
    let (message, place, help) = mistake("len(previous) > 2");
    assert_eq!((&*message, &*place), ("there is no function `len`", "len"));
    assert_eq!(help.unwrap(), "CEL calls it `size`");
    let (_, place, help) = mistake("input.startWith('a')");
    assert_eq!((&*place, help.as_deref()), ("startWith", Some("did you mean `startsWith`?")));
    let (_, _, help) = mistake("contains(input, 'a')");
    assert_eq!(help.unwrap(), "it is called on a value: `x.contains(…)`");
    let (_, _, help) = mistake("input.exists(1)");
    assert_eq!(help.unwrap(), "write `list.exists(x, condition)`");
}

#[test]
fn syntax_mistakes_have_a_place() {
    let (message, place, help) = mistake("size(previous) > 2 and true");
    assert!(message.starts_with("not a valid expression: "), "{message}");
    assert_eq!(place, "a");
    assert_eq!(help.unwrap(), "CEL writes `&&`, `||` and `!` for and, or and not");
    let (message, ..) = mistake("input ==");
    assert_eq!(message, "not a valid expression: it ends too early");
    let (message, ..) = mistake("size(input");
    assert_eq!(message, "not a valid expression: `)` is missing at the end");
    let (message, place, _) = mistake("'öö' + input input");
    assert_eq!(message, "not a valid expression: `input` is not expected here");
    assert_eq!(place, "i");
    mistake("");
}

#[test]
fn values_go_in_and_come_out() {
    let input = json!({"n": 3, "list": [1, 2.5, "x"], "o": {"b": 1, "a": null}});
    assert_eq!(eval("input.n + 1", input.clone()), Ok(json!(4)));
    assert_eq!(eval("input.o", input.clone()), Ok(json!({"b": 1, "a": null})));
    assert_eq!(eval("input.list.filter(x, x != 'x')", input.clone()), Ok(json!([1, 2.5])));
    assert_eq!(eval("{'k': input.o.a}", input.clone()), Ok(json!({"k": null})));
    assert_eq!(eval("previous", input), Ok(Value::Null));
    assert_eq!(eval("'A b'.lowerAscii().split(' ')", Value::Null), Ok(json!(["a", "b"])));
}

#[test]
fn failures_are_errors_that_say_what_happened() {
    let input = json!({"n": 3});
    assert_eq!(
        eval("input.m", input.clone()).unwrap_err(),
        "the expression `input.m` asks `input` for `m`, which it lacks"
    );
    assert_eq!(
        eval("input.n.x", input.clone()).unwrap_err(),
        "the expression `input.n.x` asks `input.n` for `x`, but that is a number"
    );
    assert_eq!(
        eval("input.m > 1", input.clone()).unwrap_err(),
        "the expression `input.m > 1` asks for `m`, which is not there"
    );
    assert_eq!(
        eval("input.n + 'x'", input.clone()).unwrap_err(),
        "the expression `input.n + 'x'` uses `+` on a number and a text"
    );
    let step = StepInput::of(input);
    let error = Expression::parse("input.n").unwrap().0.decide(&Values::of(&step)).unwrap_err();
    assert_eq!(error.to_string(), "the expression `input.n` gives a number, not true or false");
    assert!(!error.data.retryable);
}
