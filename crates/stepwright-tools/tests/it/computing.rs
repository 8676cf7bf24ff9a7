//! The calculator and the clock.

use crate::call;
use serde_json::json;
use stepwright_tools::{Calculator, Clock};

#[test]
fn expressions_are_computed_exactly_where_that_is_possible() {
    for (expression, wanted) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("0.1 + 0.2", "0.3"),
        ("1/8", "0.125"),
        ("1/3 + 2/3", "1"),
        ("1/3", "about 0.333333333333333"),
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("2**10", "1024"),
        ("2^-2", "0.25"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("2^100", "1267650600228229401496703205376"),
        ("10^400 / 10^399", "about"),
        ("sqrt(9/4)", "1.5"),
        ("sqrt(2)", "about 1.41421356237310"),
        ("round(2.675, 2)", "2.68"),
        ("round(-2.5)", "-3"),
        ("round(2.4999)", "2"),
        ("floor(-1.5)", "-2"),
        ("ceil(-1.5)", "-1"),
        ("max(1, 3, 2) - min(4, 5)", "-1"),
        ("abs(-3.50)", "3.5"),
        ("1_000_000 * 1e-3", "1000"),
        ("12.5e2", "1250"),
        ("log10(1000)", "about 3"),
        ("3 × 4 ÷ 6 − 1", "1"),
        (" 19.99 * 3 ", "59.97"),
        ("99999999999999999999999999999999999999 + 1", "100000000000000000000000000000000000000"),
    ] {
        let told = Calculator::calculate(expression);
        match wanted {
            "about" => assert!(told.is_err() || told.unwrap().starts_with("about")),
            wanted if wanted.starts_with("about") => {
                let told = told.unwrap();
                assert!(told.starts_with(wanted.trim_end_matches('0')), "{expression}: {told}");
            }
            wanted => assert_eq!(told.as_deref(), Ok(wanted), "{expression}"),
        }
    }
}

#[test]
fn an_expression_without_a_value_says_why() {
    let deep = format!("{}1{}", "(".repeat(100), ")".repeat(100));
    let long = "1+".repeat(2_000);
    let powers = "2^".repeat(500) + "2";
    for (expression, told) in [
        ("", "the expression ends where a number is expected"),
        ("1 +", "the expression ends where a number is expected"),
        ("1 / (2 - 2)", "a division by zero has no value"),
        ("1 % 0", "has no remainder"),
        ("0 ^ -1", "zero has no negative power"),
        ("sqrt(-1)", "a negative number has no square root"),
        ("ln(0)", "only positive numbers have a logarithm"),
        ("(1 + 2", "`)` is missing at character 7"),
        ("1 + x", "there is no number called `x`"),
        ("import(1)", "there is no function `import`"),
        ("1; rm -rf /", "unexpected ';' at character 2"),
        ("$(id)", "unexpected '$' at character 1"),
        ("1e99999999999", "is too large"),
        ("(-8)^0.5", "the expression has no value"),
        ("exp(1e9)", "the result is too large"),
        (&deep, "nested deeper than 64 levels"),
        (&powers, "nested deeper than 64 levels"),
        (&long, "the limit is 2000"),
    ] {
        let error = Calculator::calculate(expression).unwrap_err();
        assert!(error.contains(told), "{expression}: {error}");
    }
}

#[test]
fn no_text_makes_the_calculator_panic() {
    let mut seed = 1_u64;
    let pieces = [
        "1",
        "0",
        ".",
        "e",
        "-",
        "+",
        "*",
        "/",
        "%",
        "^",
        "(",
        ")",
        ",",
        "sqrt(",
        "round(",
        "9999999999999999999999999999999999999999",
        "170141183460469231731687303715884105728",
        "1e38",
        "1e-38",
        "ü",
        " ",
        "min(",
        "floor(",
        "_",
    ];
    for _ in 0..20_000 {
        let mut expression = String::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let nth = usize::try_from(seed >> 33).unwrap() % pieces.len();
            expression.push_str(pieces[nth]);
        }
        let _ = Calculator::calculate(&expression);
    }
}

#[tokio::test]
async fn dates_are_added_and_compared_in_calendar_units() {
    for (tool, arguments, wanted) in [
        (
            "add_time",
            json!({"to": "2026-01-31", "time": "1 month"}),
            "2026-02-28T00:00:00+00:00[UTC], Saturday, week 09",
        ),
        (
            "add_time",
            json!({"to": "2026-03-28T12:00", "time": "1 day", "zone": "Europe/Berlin"}),
            "2026-03-29T12:00:00+02:00[Europe/Berlin], Sunday, week 13",
        ),
        ("time_between", json!({"from": "2024-02-29", "to": "2026-03-01"}), "2y 1d (731 days)"),
    ] {
        let told = call(Clock::new(), tool, arguments).await;
        assert_eq!((told.text.as_str(), told.is_error), (wanted, false));
    }
    for (tool, arguments, wanted) in [
        ("add_time", json!({"to": "soon", "time": "1 day"}), "`soon` is not a date or a moment"),
        ("add_time", json!({"to": "2026-01-01", "time": "later"}), "`later` is not a time"),
        ("current_time", json!({"zone": "Mars/Base"}), "there is no time zone `Mars/Base`"),
    ] {
        let told = call(Clock::new(), tool, arguments).await;
        assert!(told.is_error && told.text.contains(wanted), "{}", told.text);
    }
    let error = stepwright_agent::Agent::builder("A").model("offline").unwrap();
    let error = error.tool(Clock::in_zone("Mars")).build().unwrap_err();
    assert!(error.to_string().contains("there is no time zone `Mars`"), "{error}");
}

#[tokio::test]
async fn the_time_is_that_of_the_run() {
    let told = call(Clock::in_zone("Europe/Berlin"), "current_time", json!({})).await;
    assert!(told.text.contains("[Europe/Berlin], "), "{}", told.text);
    assert!(!told.is_error);
}
