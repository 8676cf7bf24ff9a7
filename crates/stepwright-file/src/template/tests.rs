//! Tests of templates.

use super::*;
use serde_json::{Value, json};
use stepwright_core::StepInput;

fn render(text: &str, input: Value) -> Result<String, String> {
    let input = StepInput::of(input);
    let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
    rendered(&template, &input)
}

fn rendered(template: &Template, input: &StepInput) -> Result<String, String> {
    match template.render(&Values::of(input), &Budget::whole(None)) {
        Ok(text) => Ok(text),
        Err(Unfinished::Failed(error)) => Err(error.to_string()),
        Err(Unfinished::NotHere) => unreachable!("there is no other place"),
    }
}

fn references(text: &str) -> Vec<String> {
    let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
    let places = template.references().iter().map(|r| &text[r.span.start..r.span.end()]);
    places.map(ToOwned::to_owned).collect()
}

#[test]
fn values_become_text() {
    let input = json!({"t": "x", "list": [{"b": 1, "a": 2}], "none": null});
    assert_eq!(render("{{ input.t | upper }}!", input.clone()).unwrap(), "X!");
    assert_eq!(render("[{{ input.none }}]", input.clone()).unwrap(), "[]");
    assert_eq!(
        render("{{ input.list[0] }}", input.clone()).unwrap(),
        "{\n  \"b\": 1,\n  \"a\": 2\n}"
    );
    assert_eq!(render("{% for x in input.list %}{{ x.a }}{% endfor %}", input).unwrap(), "2");
}

#[test]
fn what_has_no_value_is_an_error() {
    let error = render("Hello {{ input.nam }}", json!({"name": "x"})).unwrap_err();
    assert_eq!(error, "`input.nam` in a template has no value");
    let error = render(
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        json!(1),
    );
    assert!(error.unwrap_err().contains("more than 2000000 operations"));
}

#[test]
fn texts_have_a_length_wherever_they_become_too_long() {
    let too_long = "the text is longer than 20000000 bytes";
    // What is written, what is repeated, and what is built of the same parts over and over.
    let parts = "{% set a = [1, 1, 1, 1, 1, 1, 1, 1] %}{% set b = [a, a, a, a, a, a, a, a] %}\
                 {% set c = [b, b, b, b, b, b, b, b] %}{% set d = [c, c, c, c, c, c, c, c] %}\
                 {% set e = [d, d, d, d, d, d, d, d] %}{% set f = [e, e, e, e, e, e, e, e] %}\
                 {% set g = [f, f, f, f, f, f, f, f] %}{{ g }}";
    for text in ["{{ 'x' * 30000000 }}", parts] {
        assert_eq!(render(text, json!(1)).unwrap_err(), too_long, "{text}");
    }
    // Half of what is written is the input's.
    let half = "x".repeat(15_000_000);
    assert_eq!(render("{{ input }}{{ input }}", json!(half)).unwrap_err(), too_long);
}

#[test]
fn what_a_template_builds_on_the_way_has_an_end() {
    let texts = [
        "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}\
         {% set ns.t = ns.t ~ ns.t %}{% endfor %}",
        "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}\
         {% set ns.t = ns.t + ns.t %}{% endfor %}",
        "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}\
         {% set ns.t = ns.t | replace('x', 'xxxxxxxx') %}{% endfor %}",
        "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}\
         {% set ns.t = [ns.t, ns.t] | join('-') %}{% endfor %}",
        "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}\
         {% set t %}{{ ns.t }}{{ ns.t }}{% endset %}{% set ns.t = t %}{% endfor %}",
        "{% macro m(n) %}{{ n }}{{ n }}{% endmacro %}{% set ns = namespace(t='xxxxxxxx') %}\
         {% for i in range(60) %}{% set ns.t = m(ns.t) %}{% endfor %}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}\
         {% set ns.t = (ns.t + ns.t) | list %}{% endfor %}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}\
         {% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t | tojson }}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}\
         {% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t | pprint }}",
        "{{ 'x' * 1000000000 }}",
        "{{ ('x' * 90000000) ~ ('x' * 90000000) }}",
        "{% for i in range(90000) %}{% set x = range(90000) | list %}{% endfor %}",
    ];
    for text in texts {
        let error = render(text, json!(1)).map(|text| text.len()).unwrap_err();
        let said = ["takes more than 2000000 operations", "the text is longer than"];
        assert!(said.iter().any(|said| error.contains(said)), "{text}: {error}");
    }
}

#[test]
fn what_is_large_is_not_rendered_here() {
    let here = |text: &str, input: Value| {
        let input = StepInput::of(input);
        let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
        template.render(&Values::of(&input), &Budget::inline())
    };
    assert_eq!(here("{{ input }}!", json!("small")).unwrap(), "small!");
    let long = "{% for i in range(100000) %}x{% endfor %}";
    assert!(matches!(here(long, json!(1)), Err(Unfinished::NotHere)));
    let large = json!("x".repeat(600_000));
    assert!(matches!(here("{{ input }}", large), Err(Unfinished::NotHere)));
    assert!(matches!(here("{{ input.x }}", json!(1)), Err(Unfinished::Failed(_))));
}

#[test]
fn commands_quote_every_value() {
    let input = StepInput::of("it's; rm -rf /");
    let (template, _) =
        Template::parse("echo {{ input }} {{ input | tojson }}", Flavour::Shell).unwrap();
    assert_eq!(
        rendered(&template, &input).unwrap(),
        r#"echo 'it'\''s; rm -rf /' '"it\u0027s; rm -rf /"'"#
    );
}

#[test]
fn references_have_places() {
    let text = "{# steps.no #}{{ steps.a.b | default(input.x) }}{% for item in steps['my step'] \
                if item.n is not none %}{{ item.x }} {{ loop.index }}{% endfor %}{{ 'steps.no' }}\
                {% raw %}{{ steps.no }}{% endraw %}{% set y = index %}{{ y }}{{ range(3) }}";
    assert_eq!(references(text), ["steps.a.b", "input.x", "steps['my step']", "index"]);
}

#[test]
fn mistakes_have_places() {
    let check = |text: &str| {
        let mistakes = match Template::parse(text, Flavour::Plain) {
            Ok((_, mistakes)) | Err(mistakes) => mistakes,
        };
        let first = &mistakes[0];
        let place = text[first.span.start..first.span.end()].to_owned();
        (first.message.clone(), place, first.help.clone())
    };
    let (message, place, help) = check("a {{ input | uper }}");
    assert_eq!((&*message, &*place), ("there is no filter `uper`", "uper"));
    assert_eq!(help.unwrap(), "did you mean `upper`?");
    let (message, ..) = check("{{ input is not strang }}");
    assert_eq!(message, "there is no test `strang`");
    let (message, ..) = check("{{ input");
    assert!(message.starts_with("not a valid template: "), "{message}");
    check("{% if input %}x");
    check("{{ input. }}");
}
