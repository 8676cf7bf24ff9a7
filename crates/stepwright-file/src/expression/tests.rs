//! Tests of expressions.

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
    done(expression.value(&Values::of(&input), &Budget::whole(None)))
}

fn done<T>(evaluated: Result<T, Unfinished>) -> Result<T, String> {
    evaluated.map_err(|unfinished| match unfinished {
        Unfinished::Failed(error) => error.to_string(),
        Unfinished::NotHere => unreachable!("there is no other place"),
    })
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
    let expression = Expression::parse("input.n").unwrap().0;
    let decided = expression.decide(&Values::of(&step), &Budget::whole(None));
    let Err(Unfinished::Failed(error)) = decided else { panic!("{decided:?}") };
    assert_eq!(error.to_string(), "the expression `input.n` gives a number, not true or false");
    assert!(!error.data.retryable);
}

#[test]
fn failures_show_no_forms_of_rust() {
    let input = json!({"n": i64::MAX, "zero": 0, "list": [1]});
    let said = |text: &str| eval(text, input.clone()).unwrap_err();
    assert_eq!(said("1/0"), "the expression `1/0` fails: division by zero");
    assert_eq!(said("5 % input.zero"), "the expression `5 % input.zero` fails: division by zero");
    assert_eq!(
        said("input.n + 1"),
        "the expression `input.n + 1` fails: overflow: `9223372036854775807 + 1` is beyond 64 bits"
    );
    assert_eq!(
        said("input.list[3]"),
        "the expression `input.list[3]` fails: there is no element 3 in a list of 1"
    );
    assert_eq!(
        said("'a'.matches('(')"),
        "the expression `'a'.matches('(')` fails: `(` is not a regular expression: a `(` is not \
         closed"
    );
    for text in [
        "int('x')",
        "input.n * 2",
        "-(-9223372036854775807 - 1)",
        "'a'.charAt(7)",
        "{'a': 1, 'a': 2}",
        "[1].slice(2, 1)",
        "uint(-1)",
        "double('x')",
        "[1, 'a'].sort()",
        "1 < 'a'",
        "!1",
        "1 && true",
        "input.list.x > 1",
        "{[]: 1}",
        "1 in 2",
        "size(1)",
    ] {
        let error = said(text);
        let what = error.strip_prefix(&format!("the expression `{text}` ")).unwrap();
        for form in ["Int(", "UInt(", "Float(", "String(", "Arc", "\n", "overload"] {
            assert!(!what.contains(form), "{error}");
        }
    }
}

#[test]
fn whole_numbers_and_others_mix() {
    let input = json!({"p": 2, "q": 2.5, "big": u64::MAX, "exact": 9_007_199_254_740_993_i64});
    let gives = |text: &str| eval(text, input.clone());
    assert_eq!(gives("input.p * 2.0"), Ok(json!(4.0)));
    assert_eq!(gives("input.q * 2"), Ok(json!(5.0)));
    assert_eq!(gives("2 + input.q - 1u"), Ok(json!(3.5)));
    assert_eq!(gives("input.p / 4.0"), Ok(json!(0.5)));
    assert_eq!(gives("input.p < 2.5 && input.q > 2 && input.p == 2.0"), Ok(json!(true)));
    assert_eq!(gives("math.ceil(input.p) + math.floor(input.q)"), Ok(json!(4.0)));
    assert_eq!(gives("[input.q, input.p, 3].sort()"), Ok(json!([2, 2.5, 3])));
    assert_eq!(gives("'abcdef'.substring(2.0, 4)"), Ok(json!("cd")));
    assert_eq!(gives("lists.range(2.0)"), Ok(json!([0, 1])));
    // Numbers are unsigned only if they are too large for a signed number.
    assert_eq!(gives("input.big - 1"), Ok(json!(u64::MAX - 1)));
    assert_eq!(gives("input.big > 1 && 1 < input.big"), Ok(json!(true)));
    assert!(gives("input.big + 1").unwrap_err().contains("beyond 64 bits"));
    assert_eq!(gives("input.big - input.big"), Ok(json!(0)));
    // No number is rounded silently.
    assert_eq!(gives("input.exact == 9007199254740992.0"), Ok(json!(false)));
    assert_eq!(gives("input.exact > 9007199254740992.0"), Ok(json!(true)));
    assert_eq!(
        gives("input.exact * 0.5").unwrap_err(),
        "the expression `input.exact * 0.5` fails: `9007199254740993` is not exact beside a \
         number with a fraction; `double(…)` rounds it"
    );
    assert!(gives("double(input.exact) * 0.5").is_ok());
}

#[test]
fn expressions_have_an_end() {
    let text = "x".repeat(1000);
    let input = json!({"text": text, "deep": "x"});
    let said = |text: &str| {
        let error = with_stack(|| eval(text, input.clone()).map(|_| "a value").unwrap_err());
        error.strip_prefix(&format!("the expression `{text}` ")).unwrap().to_owned()
    };
    let steps = "takes more than 5000000 operations";
    assert_eq!(said("lists.range(100000).map(a, lists.range(100000).all(b, b >= 0))"), steps);
    assert_eq!(said("lists.range(100000).all(a, lists.range(100000).all(b, 1 / 0 == b))"), steps);
    assert_eq!(said("lists.range(100000).distinct().size()"), steps);
    assert_eq!(said("lists.range(100000).exists(a, input.text.matches('(a?){50}a{50}'))"), steps);
    // A pattern that is computed, and texts that are searched, cost their length.
    for text in [
        "lists.range(100000).map(a, input.text.matches('x{' + string(a % 900) + '}y' + string(a)))",
        "lists.range(100000).map(a, 'x'.matches('[a-z' + string(a) + ']+'))",
        "lists.range(100000).map(a, input.text.indexOf('y'))",
        "lists.range(100000).map(a, input.text.lastIndexOf('y'))",
        "lists.range(100000).map(a, 'x'.indexOf(input.text))",
        "lists.range(100000).map(a, 'x'.lastIndexOf(input.text))",
        "lists.range(100000).map(a, 'x'.contains(input.text))",
        "lists.range(100000).map(a, 'x'.replace(input.text, 'y'))",
        "lists.range(100000).map(a, 'x'.split(input.text))",
        "lists.range(100000).map(a, input.text.substring(999))",
        "lists.range(100000).map(a, input.text.charAt(999))",
    ] {
        assert_eq!(said(text), steps, "{text}");
    }
    let bytes = |error: String| {
        let built = "gives more than 64000000 bytes, with all that it builds for it";
        assert!(error == built || error == "gives more than 20000000 bytes", "{error}");
    };
    bytes(said("lists.range(100000).map(a, lists.range(100000).map(b, lists.range(100000)))"));
    bytes(said("lists.range(1000000).map(a, input.text)"));
    bytes(said("lists.range(100000).map(a, input.text + string(a)).join()"));
    bytes(said("lists.range(100000).map(a, input.text.replace('x', input.text))"));
    bytes(said("lists.range(100000).map(a, input.text.split(''))"));
    bytes(said("lists.range(100000).map(a, '%s%s'.format([input.text, input.text]))"));
    bytes(said("lists.range(100000).map(a, {string(a): [a], 'b': input.text.upperAscii()})"));
    // Shared parts are large only when they are written out.
    let twice = ".map(x, [x, x])".repeat(60);
    let doubled = said(&format!("[[1]]{twice}"));
    assert!(doubled == "gives more than 20000000 bytes" || doubled == steps, "{doubled}");
    for use_of in [format!("'%s'.format([[1]]{twice})"), format!("[[1]]{twice} == [[1]]{twice}")] {
        let error = said(&use_of);
        assert!(error.starts_with("takes more than") || error.starts_with("gives more"), "{error}");
    }
    let many = "lists.range(1000000000)";
    assert!(said(many).contains("`lists.range` gives 0 to 1000000 elements"), "{}", said(many));
}

#[test]
fn a_value_is_not_nested_deeper_than_a_journal_reads() {
    let nest = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(eval("[input]", nest(98)).is_ok());
    assert_eq!(
        eval("[input]", nest(100)).unwrap_err(),
        "the expression `[input]` gives a value that is nested deeper than 100"
    );
}

#[test]
fn a_limit_is_not_passed_over_by_what_decides() {
    let endless = "lists.range(100000).all(a, lists.range(100000).all(b, b >= 0))";
    for text in [format!("{endless} || true"), format!("[1].exists(x, {endless} || true)")] {
        let error = eval(&text, Value::Null).unwrap_err();
        assert!(error.contains("operations"), "{error}");
    }
    // Other failures are ignored when the other side decides.
    assert_eq!(eval("1 / 0 == 1 || true", Value::Null), Ok(json!(true)));
    assert_eq!(eval("[0, 1].exists(x, 1 / x == 1)", Value::Null), Ok(json!(true)));
}

#[test]
fn what_is_large_is_not_evaluated_here() {
    let here = |text: &str, input: Value| {
        let input = StepInput::of(input);
        let (expression, _) = Expression::parse(text).unwrap();
        expression.value(&Values::of(&input), &Budget::inline())
    };
    assert_eq!(here("input.n + 1", json!({"n": 1})).unwrap(), json!(2));
    let unfinished = here("lists.range(100000).filter(x, x > 3)", json!(1));
    assert!(matches!(unfinished, Err(Unfinished::NotHere)));
    assert!(matches!(here("input", Value::from(vec![0; 30_000])), Err(Unfinished::NotHere)));
}

#[test]
fn an_evaluation_ends_when_it_is_stopped() {
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let input = StepInput::default();
    let text = "lists.range(1000000).all(x, x >= 0)";
    let (expression, _) = Expression::parse(text).unwrap();
    let stopped = expression.value(&Values::of(&input), &Budget::whole(Some(&stop)));
    let Err(Unfinished::Failed(error)) = stopped else { panic!("{stopped:?}") };
    assert_eq!(error.to_string(), format!("the expression `{text}` was stopped"));
}

#[test]
fn what_is_deep_has_room() {
    // The deepest possible expressions, on a thread with the stack size of a runtime's threads.
    let sums = format!("{}1", "1 + ".repeat(480));
    let nested = (0..23).fold("1".to_owned(), |inner, _| format!("[{inner}].map(x, x)[0]"));
    let parsed = with_stack(|| [&sums, &nested].map(|text| Expression::parse(text).unwrap().0));
    let work = move || {
        let input = StepInput::default();
        let value = |expression: &Expression| {
            done(expression.value(&Values::of(&input), &Budget::whole(None)))
        };
        assert_eq!(parsed.each_ref().map(value), [Ok(json!(481)), Ok(json!(1))]);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn integers_beside_fractions_are_exact_or_fail() {
    let input = json!({"big": 9_007_199_254_740_993_u64, "even": 9_007_199_254_740_992_u64});
    for text in [
        "input.big * 1.0",
        "input.big + 0.5",
        "input.even + 0.5",
        "0.5 + input.even",
        "input.even - 0.5",
        "9007199254740991 * 1.5",
        "input.even / 0.9",
        "math.floor(input.big)",
    ] {
        let error = eval(text, input.clone()).unwrap_err();
        assert!(error.contains("is not exact beside a number with a fraction"), "{text}: {error}");
    }
    for (text, value) in [
        ("input.big == 9007199254740992.0", json!(false)),
        ("input.big > 9007199254740992.0", json!(true)),
        ("input.big in [9007199254740992.0]", json!(false)),
        ("[input.big, 9007199254740992.0].sort()[1] == input.big", json!(true)),
        ("[input.big, 9007199254740992.0].distinct().size()", json!(2)),
        ("math.greatest(9007199254740992.0, input.big)", json!(9_007_199_254_740_993_u64)),
        ("{input.big: 1}.size() == 1 && !(9007199254740992.0 in {input.big: 1})", json!(true)),
        ("input.even * 2.0", json!(18_014_398_509_481_984.0)),
        ("2 * 0.5 + 1", json!(2.0)),
        (
            "'%f %.0f %e'.format([input.big, input.big, 15])",
            json!("9007199254740993.000000 9007199254740993 1.500000e+01"),
        ),
    ] {
        assert_eq!(eval(text, input.clone()).unwrap(), value, "{text}");
    }
}

#[test]
fn numbers_that_a_double_rounds_are_mistakes() {
    for (text, number, what) in [
        ("input == 9007199254740993.0", "9007199254740993.0", "would be rounded"),
        ("\u{e9} + - 9007199254740993.0 + 1.0", "9007199254740993.0", "would be rounded"),
        ("[1, 2].map(x, x * -9007199254740993e0)", "9007199254740993e0", "would be rounded"),
        ("{'\u{1f600}': 1e-400}", "1e-400", "would become 0"),
        ("input ? 1.5 : 900719925474099300e-2", "900719925474099300e-2", "would be rounded"),
    ] {
        let text = text.replace('\u{e9}', "'\u{e9}'.size()");
        let (message, place, _) = mistake(&text);
        assert!(message.contains(number) && message.contains(what), "{text}: {message}");
        assert_eq!(place, number, "{text}");
    }
    assert!(mistake("1e400").0.contains("too large"));
    for text in ["9007199254740992.0 == -1e23", "0.1 + 1e-300 + .5 + 0.0", "'1e-400' == '1e400'"] {
        assert!(Expression::parse(text).unwrap().1.is_empty(), "{text}");
    }
    for text in [
        "double('9007199254740993')",
        "double('9007199254740993.0')",
        "double('1e400')",
        "double('1e-400')",
    ] {
        let error = eval(text, json!(null)).unwrap_err();
        assert!(error.contains("`double`: the number"), "{text}: {error}");
    }
    assert_eq!(eval("double('0.1') + double('-2')", json!(null)).unwrap(), json!(-1.9));
}

#[test]
fn mistakes_of_syntax_are_in_words_of_this_project() {
    for text in [
        "1 +",
        "1 + * 2",
        "(",
        "[1, ",
        "{'a'}",
        "a.b.",
        "a ? b",
        "'x",
        "99999999999999999999",
        "a[",
        "!",
        "x.map(1, 2)",
        "in",
        "a..b",
        "1.e",
        "0x",
        "b'\\xZZ'",
        "has(a)",
        "for",
        "a.all(x)",
        "-",
        "a b",
        "#",
        "1u2",
        "a{b}",
        "a?.b",
        "\"\\q\"",
        "a.b(",
        ", 1",
        ")",
        "::",
        "..",
        "&& a",
    ] {
        let Err(mistakes) = Expression::parse(text) else { continue };
        for mistake in mistakes {
            let message = mistake.message.to_lowercase();
            for word in [
                "incomplete",
                "context",
                "ast",
                "token",
                "eof",
                "recognition",
                "alternative",
                "`expr",
                "literal!",
            ] {
                assert!(!message.contains(word), "{text}: {message}");
            }
        }
    }
}

#[test]
fn long_keys_take_operations() {
    let input = json!("k".repeat(2_000_000));
    for text in [
        "lists.range(1000000).all(i, !(input in {'a': 1}))",
        "lists.range(1000000).all(i, {'a': 1}[?input] == optional.none())",
        "[{input: 1}].all(m, lists.range(1000000).all(i, m.all(k, k != '')))",
        "lists.range(1000000).all(i, double('0' + string(size(input))) > 0.0 && bool(input) || true)",
    ] {
        let begun = std::time::Instant::now();
        let error = eval(text, input.clone()).unwrap_err();
        assert!(error.contains("takes more than") || error.contains("gives more than"), "{error}");
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{text}");
    }
}
