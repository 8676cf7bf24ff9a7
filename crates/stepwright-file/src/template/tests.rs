//! Tests of templates.

use super::*;
use serde_json::{Value, json};
use stepwright_core::StepInput;

fn render(text: &str, input: Value) -> Result<String, String> {
    let input = StepInput::of(input);
    let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
    template.render(&Values::of(&input)).map_err(|error| error.to_string())
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
    assert!(error.unwrap_err().contains("more than 10000000 operations"));
}

#[test]
fn commands_quote_every_value() {
    let input = StepInput::of("it's; rm -rf /");
    let (template, _) =
        Template::parse("echo {{ input }} {{ input | tojson }}", Flavour::Shell).unwrap();
    assert_eq!(
        template.render(&Values::of(&input)).unwrap(),
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
