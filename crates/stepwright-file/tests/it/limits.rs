//! The time and the memory that files may take, with texts that no author would write.

use crate::runs::{fails, gives};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::time::Duration;
use stepwright_core::world::VirtualClock;
use stepwright_core::{Content, ErrorKind, World};
use stepwright_file::{Definition, Options, fuzz};

/// The number of mutations of the corpus that are tried.
const MUTATIONS: usize = 600;

fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(kind);
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The same numbers on each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most.max(1) as u64).unwrap()
    }
}

/// Cuts, doubles, swaps and mixes pieces of the corpus.
fn mutations(kind: &str, seed: u64) -> Vec<String> {
    let (texts, mut chance) = (corpus(kind), Chance(seed));
    let mutated = (0..MUTATIONS).map(|_| {
        let mut text = texts[chance.below(texts.len())].clone();
        for _ in 0..=chance.below(4) {
            let at = chance.below(text.len() + 1);
            match chance.below(5) {
                0 => drop(text.drain(at..(at + chance.below(8)).min(text.len()))),
                1 => text.insert(at, b"()[]{}'\"%|.,*+-=!<>&?:0129xae_ \\"[chance.below(31)]),
                2 => {
                    let other = &texts[chance.below(texts.len())];
                    let from = chance.below(other.len());
                    let until = (from + chance.below(24)).min(other.len());
                    let piece = other[from..until].to_vec();
                    drop(text.splice(at..at, piece));
                }
                3 => {
                    let until = (at + chance.below(12)).min(text.len());
                    let piece = text[at..until].repeat(1 + chance.below(4));
                    drop(text.splice(at..at, piece));
                }
                _ if at < text.len() => text[at] = text[at].wrapping_add(1),
                _ => {}
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    mutated.collect()
}

#[test]
fn mutated_expressions_have_an_end_and_a_size() {
    for text in mutations("cel", 7) {
        if let Ok(value) = fuzz::expression(&text) {
            assert!(value.to_string().len() < 40_000_000, "{text}");
        }
    }
}

#[test]
fn mutated_templates_have_an_end_and_a_size() {
    for text in mutations("template", 7) {
        if let Ok(rendered) = fuzz::template(&text) {
            assert!(rendered.len() <= 20_000_000, "{text}");
        }
    }
}

#[tokio::test]
async fn values_that_double_from_step_to_step_have_an_end() {
    let doubled = |first: &str, next: &str| {
        let mut steps = format!("  - {{name: a, {first}}}\n");
        for step in 0..40 {
            let _ = writeln!(steps, "  - {{name: d{step}, {next}}}");
        }
        steps
    };
    let steps = doubled("value: \"= 'xxxxxxxxxxxxxxxx'\"", "value: \"= previous + previous\"");
    let error = fails(&steps, Value::Null).await.to_string();
    assert!(error.contains("gives more than 20000000 bytes"), "{error}");
    let steps = doubled("template: xxxxxxxxxxxxxxxx", "template: \"{{ previous }}{{ previous }}\"");
    let error = fails(&steps, Value::Null).await.to_string();
    assert!(error.contains("the text is longer than 20000000 bytes"), "{error}");
}

/// Steps and branches that take longer than any timeout, each with one of a millisecond.
fn long_ones() -> Vec<String> {
    let holds = "lists.range(100000).all(a, lists.range(100000).all(b, b >= 0))";
    let nested = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    let steps = [
        "{name: v, timeout: 1ms, value: \"= HOLDS\"}",
        "{name: s, timeout: 1ms, set_state: {x: \"= HOLDS\"}}",
        "{name: c, timeout: 1ms, if: \"= HOLDS\", then: [{name: t, template: x}]}",
        "{name: m, timeout: 1ms, map: {over: \"= [HOLDS]\"}, do: [{name: t, template: x}]}",
        "{name: t, timeout: 1ms, template: \"NESTED\"}",
        "{name: w, timeout: 1ms, write_file: {path: \"NESTED\", text: x}}",
        "{name: w, timeout: 1ms, write_file: {path: x, text: \"NESTED\"}}",
    ];
    let with = |step: &&str| step.replace("HOLDS", holds).replace("NESTED", nested);
    steps.iter().map(|step| format!("  - {}\n", with(step))).collect()
}

/// The thread of the caller is free while an expression or a template works. Time passes as soon as
/// nothing else happens on that thread: a step that kept it busy would end by a limit instead.
#[test]
fn what_is_large_is_done_beside_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    for steps in long_ones() {
        let clock = VirtualClock::default();
        let workflow = builder("", &steps).world(World::new(clock.clone(), 1)).build().unwrap();
        let error = clock.run(workflow.run("").into_future()).unwrap_err().to_string();
        assert!(error.ends_with("it took longer than 1ms"), "{steps}: {error}");
    }
}

#[tokio::test]
async fn what_is_large_is_cancelled_with_its_run() {
    for steps in long_ones() {
        let workflow = of("", &steps.replace("timeout: 1ms, ", ""));
        let mut run = std::pin::pin!(workflow.run("").run_id("r-1").into_future());
        assert!(futures_util::poll!(&mut run).is_pending(), "{steps}");
        assert!(workflow.cancel_now("r-1"));
        assert_eq!(run.await.unwrap_err().kind(), ErrorKind::Cancelled, "{steps}");
    }
}

#[tokio::test]
async fn what_is_large_comes_to_its_end_where_there_is_time() {
    let steps = "  - {name: v, value: \"= lists.range(100000).filter(x, x % 50000 == 0)\"}\n";
    gives(steps, Value::Null, json!([0, 50000])).await;
    let steps = "  - {name: t, template: '{% for x in range(50000) if x % 20000 == 0 %}{{ x }} \
                 {% endfor %}'}\n";
    gives(steps, Value::Null, json!("0 20000 40000 ")).await;
}

fn builder(head: &str, steps: &str) -> stepwright_engine::WorkflowBuilder {
    let text = format!("format: 1\nname: Test\n{head}steps:\n{steps}");
    Definition::parse(&text, "test.yaml", &Options::default()).unwrap().builder().unwrap()
}

fn of(head: &str, steps: &str) -> stepwright_engine::Workflow {
    builder(head, steps).build().unwrap()
}

#[tokio::test]
async fn defaults_of_the_input_are_filled_in_and_formats_are_checked() {
    let head = "input: {type: object, required: [n], properties: {n: {type: integer, default: 3}, \
                mail: {type: string, format: email}, o: {$ref: '#/$defs/o'}}, \
                $defs: {o: {type: object, properties: {x: {default: y}}}}}\n";
    let workflow = of(head, "  - {name: t, template: '{{ input.n }} {{ input.o.x }}'}\n");
    let run = |input: Value| workflow.run(Content::from(input));
    assert_eq!(run(json!({"o": {}})).await.unwrap().content.text(), "3 y");
    assert_eq!(run(json!({"n": 7, "o": {"x": 1}})).await.unwrap().content.text(), "7 1");
    let error = run(json!({"mail": "nope"})).await.unwrap_err().to_string();
    assert!(error.contains("`mail` must have the format `email`"), "{error}");
    for (schema, said) in [
        ("{type: object, propertys: {}}", "the keyword `propertys` has no effect"),
        ("{type: string, format: emial}", "there is no format `emial` that is checked"),
    ] {
        let text = format!("format: 1\nname: T\ninput: {schema}\nsteps: [{{template: x}}]\n");
        let mistakes = Definition::parse(&text, "t.yaml", &Options::default()).unwrap_err();
        assert!(mistakes.to_string().contains(said), "{mistakes}");
    }
}

#[tokio::test]
async fn changes_of_the_state_add_up() {
    let steps = "  - name: m\n    map: {over: '= lists.range(10)'}\n    do:\n\
                 \x20     - increment_state: {n: 1, by: '= item'}\n\
                 \x20     - append_state: {seen: '= item'}\n\
                 \x20     - name: merge\n        merge_state: {profile: '= {string(item): item}'}\n\
                 \x20 - {name: t, value: '= [state.n, state.by, size(state.seen), \
                 size(state.profile)]'}\n";
    gives(steps, Value::Null, json!([10, 45, 10, 10])).await;
    let error = fails("  - increment_state: {n: '= input'}\n", json!("x")).await.to_string();
    assert!(error.contains("`increment_state` needs a number for `n`"), "{error}");
    // A fraction never rounds a counter.
    let steps = "  - set_state: {n: 9007199254740993}\n  - increment_state: {n: 0.5}\n";
    let error = fails(steps, Value::Null).await.to_string();
    assert!(error.contains("0.5 more would be rounded"), "{error}");
    // A key that is called like an operation is a key.
    let steps = "  - set_state: {increment: {n: 1}}\n  - {name: t, value: '= state.increment.n'}\n";
    gives(steps, Value::Null, json!(1)).await;
}

#[test]
fn setting_what_it_reads_is_refused() {
    for value in [
        "'= state.n + 1'",
        "\"= state['n'] + 1\"",
        "'= (has(state.n) ? 1 : 0)'",
        "'= state.?n.orValue(0) + 1'",
        "{deep: [1, '= state.n']}",
        "'= size(state)'",
    ] {
        let text = format!("format: 1\nname: T\nsteps:\n  - set_state: {{n: {value}}}\n");
        let mistakes = Definition::parse(&text, "t.yaml", &Options::default()).unwrap_err();
        let first = mistakes.iter().next().unwrap();
        assert!(first.message.starts_with("`set_state` reads"), "{value}: {first}");
        assert!(first.help.as_ref().unwrap().contains("increment_state: {n: 1}"), "{first}");
    }
    let other = "format: 1\nname: T\nsteps:\n  - set_state: {n: '= state.m', m: 1}\n";
    assert!(Definition::parse(other, "t.yaml", &Options::default()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_runs_of_one_session_that_count_end_with_twenty() {
    let counting = of("", "  - increment_state: {n: 1}\n  - {name: s, template: x}\n");
    let runs = (0..20).map(|_| counting.run("").session_id("shared"));
    let runs = futures_util::future::join_all(runs.map(std::future::IntoFuture::into_future));
    let outputs = tokio::time::timeout(Duration::from_mins(1), runs).await.unwrap();
    assert!(outputs.iter().all(Result::is_ok));
    let session = counting.sessions().get("shared").await.unwrap();
    assert_eq!(session.state["n"], json!(20));
}

#[test]
fn integers_that_do_not_fit_into_64_bits_are_refused_and_other_numbers_are_not() {
    let file =
        |value: &str| format!("format: 1\nname: N\nsteps:\n  - {{name: v, value: {value}}}\n");
    for integer in ["123456789012345678901234", "-9223372036854775809", "18446744073709551616"] {
        let text = file(integer);
        let error = Definition::parse(&text, "n.yaml", &Options::default()).unwrap_err();
        let report = error.to_string();
        let what = format!("the integer {integer} does not fit into 64 bits");
        assert!(report.contains(&what), "{report}");
    }
    for number in ["18446744073709551615", "-9223372036854775808", "1e30", "2.5", "[1.0, 3]"] {
        Definition::parse(&file(number), "n.yaml", &Options::default()).unwrap();
    }
}

#[test]
fn numbers_that_a_double_rounds_are_refused_with_their_place() {
    let file =
        |value: &str| format!("format: 1\nname: N\nsteps:\n  - {{name: v, value: {value}}}\n");
    for (value, number, why) in [
        ("9007199254740993.0", "9007199254740993.0", "would be rounded"),
        ("[1, {a: +9007199254740993e0}]", "+9007199254740993e0", "would be rounded"),
        ("!!float 9007199254740993.0", "9007199254740993.0", "would be rounded"),
        ("[&big 9007199254740993.0, *big]", "9007199254740993.0", "would be rounded"),
        ("-1e-400", "-1e-400", "would become 0"),
        ("1e400", "1e400", "must be finite"),
        (".inf", ".inf", "must be finite"),
        ("!!float 9007199254740993", "9007199254740993", "would be rounded"),
    ] {
        let text = file(value);
        let error = Definition::parse(&text, "n.yaml", &Options::default()).unwrap_err();
        let report = error.to_string();
        assert!(report.contains(why) && report.contains(number), "{value}: {report}");
        assert!(report.contains("help: write it"), "{value}: {report}");
    }
    for value in
        ["0.1", "1e23", "9007199254740992.0", "'1e400'", "\"9007199254740993.0\"", "1e-300"]
    {
        Definition::parse(&file(value), "n.yaml", &Options::default()).expect(value);
    }
}

#[tokio::test]
async fn an_indentation_without_an_end_fails_the_template() {
    let wide = "\n  - {name: v, template: '{{ [[[input]]]|tojson(indent=1000000000) }}'}\n";
    let error = fails(wide, json!("in")).await;
    assert!(error.report().contains("`indent` is at most 100"), "{}", error.report());
    let fine = wide.replace("1000000000", "1");
    gives(&fine, json!(1), json!("[\n [\n  [\n   1\n  ]\n ]\n]")).await;
}
