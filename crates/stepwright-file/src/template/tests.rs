//! Tests of templates.

mod values;

use super::*;
use serde_json::{Value, json};
use stepwright_core::StepInput;

fn render(text: &str, input: Value) -> Result<String, String> {
    let input = StepInput::of(input);
    let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
    rendered(&template, &input)
}

fn rendered(template: &Template, input: &StepInput) -> Result<String, String> {
    told(template.render(&Values::of(input), &Budget::whole(None)))
}

fn told(rendered: Result<String, Unfinished>) -> Result<String, String> {
    rendered.map_err(|unfinished| match unfinished {
        Unfinished::Failed(error) => error.to_string(),
        Unfinished::NotHere => unreachable!("there is no other place"),
    })
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
fn a_template_ends_when_it_is_stopped() {
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(true));
    // A list of the input is not counted when it is built, so only its iteration can stop.
    let input = StepInput::of(Value::from((0..3000).collect::<Vec<u32>>()));
    for text in [
        "{% for a in input %}{% endfor %}",
        "{% for a in input %}{% for b in input %}{% endfor %}{% endfor %}",
        "{% for a in input if false %}{% endfor %}",
        "{% for a in [input] recursive %}{% if a is iterable %}{{ loop(a) }}{% endif %}{% endfor %}",
        "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}\
         {{ m(30) }}",
        "{% set t %}{% for a in input %}{% endfor %}{% endset %}",
        "{% filter upper %}{% for a in input %}{% endfor %}{% endfilter %}",
        "{{ input }}",
        "{{ input | tojson }}",
        "{{ input | map('string') | join }}",
        "{% if input == input %}{% endif %}",
    ] {
        let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
        let stopped = template.render(&Values::of(&input), &Budget::whole(Some(&stop)));
        assert_eq!(told(stopped).map(|_| ()), Err("a template was stopped".to_owned()), "{text}");
    }
}

#[test]
fn texts_have_a_length_wherever_they_become_too_long() {
    let too_long = "the text is longer than 20000000 bytes";
    // Written text, repeated text, and text made from shared parts.
    let parts = "{% set a = [1, 1, 1, 1, 1, 1, 1, 1] %}{% set b = [a, a, a, a, a, a, a, a] %}\
                 {% set c = [b, b, b, b, b, b, b, b] %}{% set d = [c, c, c, c, c, c, c, c] %}\
                 {% set e = [d, d, d, d, d, d, d, d] %}{% set f = [e, e, e, e, e, e, e, e] %}\
                 {% set g = [f, f, f, f, f, f, f, f] %}{{ g }}";
    for text in ["{{ 'x' * 30000000 }}", parts] {
        assert_eq!(render(text, json!(1)).unwrap_err(), too_long, "{text}");
    }
    // Half of the text is the input's.
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
fn values_of_the_same_parts_over_and_over_have_an_end_in_every_use() {
    // A low limit, so that the test ends soon. The value has 16 000 elements, so each use must cost
    // at least about 2 000 operations, or all of the uses would fit into the limit.
    const FUEL: u64 = 150_000;
    const USES: u32 = 60;
    let uses = [
        "{{ T ~ 'x' }}",
        "{{ T | string }}",
        "{{ T | join(T) }}",
        "{{ T | upper }}",
        "{{ 'x' | replace('x', T) }}",
        "{{ T | length }}",
        "{{ T | tojson }}",
        "{{ T | sort }}",
        "{{ T | unique | list }}",
        "{{ [1] | map('default', T) | list }}",
        "{{ [1] | select('eq', T) | list }}",
        "{{ '%s' | format(T) }}",
        "{{ T == U }}",
        "{{ T != U }}",
        "{{ T in U }}",
        "{{ T is eq(U) }}",
        "{{ dict(a=T) ~ '' }}",
        "{% macro m(x) %}{{ x ~ '' }}{% endmacro %}{{ m(T) }}",
        "{% filter replace('x', T) %}x{% endfilter %}",
        "{{ T }}",
    ];
    let growths = [
        "{% set ns.NAME = [ns.NAME, ns.NAME] %}",
        "{% set ns.NAME = (ns.NAME, ns.NAME) %}",
        "{% set ns.NAME = {'a': ns.NAME, 'b': ns.NAME} %}",
        "{% set ns.NAME = dict(a=ns.NAME, b=ns.NAME) %}",
        "{% set ns.NAME = namespace(a=ns.NAME, b=ns.NAME) %}",
        "{% set ns.NAME = [1] | zip(ns.NAME, ns.NAME) | list %}{% set ns.NAME = [ns.NAME, ns.NAME] %}",
        "{% set ns.NAME = [1] | batch(9, ns.NAME) | list %}",
    ];
    // Unlimited growth must fail, and a value within the limits must cost operations for its
    // elements.
    let of = |growth: &str, times: u32, then: &str| {
        let grow = |name| growth.replace("NAME", name);
        format!(
            "{{% set ns = namespace(t=[1], u=[1]) %}}{{% for i in range({times}) %}}{}{}\
             {{% endfor %}}{{% for i in range({USES}) %}}{}{{% endfor %}}",
            grow("t"),
            grow("u"),
            then.replace('T', "ns.t").replace('U', "ns.u"),
        )
    };
    let grown = growths.iter().map(|growth| of(growth, 60, "{{ T ~ 'x' }}"));
    let used = uses.iter().map(|way| of(growths[0], 14, way));
    for text in grown.chain(used) {
        let (template, _) = Template::parse(&text, Flavour::Plain).unwrap();
        let (input, budget) = (StepInput::default(), Budget::whole(None));
        let rendered = told(template.render_within(&Values::of(&input), &budget, FUEL));
        let error = rendered.map(|text| text.len()).expect_err(&text);
        assert!(ended_by_a_limit(&error), "{text}: {error}");
    }
}

/// Returns `true` if an error names a limit.
fn ended_by_a_limit(error: &str) -> bool {
    let said = [
        "takes more than 2000000 operations",
        "the text is longer than 20000000 bytes",
        "a value is nested deeper than 200",
    ];
    said.iter().any(|said| error.contains(said))
}

#[test]
fn values_nested_in_each_other_without_an_end_are_refused() {
    let start = "{% set ns = namespace(t=[1]) %}{% for i in range(90000) %}";
    for (grow, end) in [
        ("{% set ns.t = [ns.t] %}", ""),
        ("{% set ns.t = {'a': ns.t} %}", ""),
        ("{% set ns.t = namespace(t=ns.t) %}", ""),
        ("{% set ns.t = (ns.t,) %}", ""),
        ("{% set n = namespace() %}{% set n.t = ns.t %}{% set ns.t = n %}", ""),
        ("{% set ns.t = ns %}", "{{ ns ~ 'x' }}"),
        ("{% set ns.t = ns %}", "{{ ns }}"),
        ("{% set ns.t = ns %}", "{{ ns | tojson }}"),
    ] {
        let text = format!("{start}{grow}{{% endfor %}}{end}");
        let error = render(&text, json!({})).map(|text| text.len()).expect_err(&text);
        assert!(ended_by_a_limit(&error), "{text}: {error}");
    }
    // Lazy values are evaluated at once.
    for grow in
        ["{% set ns.t = ns.t[0:] %}", "{% set ns.t = ns.t * 1 %}", "{% set ns.t = ns.t + [] %}"]
    {
        let text = format!("{start}{grow}{{% endfor %}}{{{{ ns.t ~ 'x' }}}}");
        assert!(render(&text, json!({})).is_ok_and(|text| text == "[\n  1\n]x"), "{text}");
    }
}

#[test]
fn texts_made_by_a_width_or_a_number_have_an_end() {
    for text in [
        "{{ '%0100000000d' | format(1) }}",
        "{{ '%100000000s' | format('x') }}",
        "{{ '%.100000000f' | format(1.5) }}",
        "{{ 'a\nb' | indent(100000000) }}",
        "{{ ['a'] | join('x' * 90000000) }}{{ 'x' * 90000000 }}",
        "{{ range(100000) | batch(99999, 'x' * 1000) | list ~ 'x' }}",
        "{% set l = range(3000) | list %}{% for a in l %}{% if l == range(3000) | list %}\
         {% endif %}{% endfor %}",
        "{% set l = range(3000) | list %}{{ range(90000) | select('in', [l, l, l]) | list }}",
    ] {
        let error = render(text, json!(1)).map(|text| text.len()).expect_err(text);
        assert!(ended_by_a_limit(&error), "{text}: {error}");
    }
    // Constants are computed while the template is parsed.
    for text in ["{{ ([1] * 100000000) ~ 'x' }}", "{{ 3 * ([1] + [2]) }}", "{{ (1, 2) * 9 == 1 }}"]
    {
        let mistakes = Template::parse(text, Flavour::Plain).unwrap_err();
        assert_eq!(mistakes[0].message, "a list cannot be repeated in a template", "{text}");
    }
}

#[test]
fn what_is_looked_at_means_what_it_meant() {
    let input = json!({"l": [3, 1, 2], "o": {"a": [1, 2]}, "s": "xy"});
    for (text, means) in [
        ("{{ [input.s, 'b'] | join('-') }}", "xy-b"),
        ("{{ input.l | sort | join(',') }}", "1,2,3"),
        ("{{ input.l[1:] | join(',') }}", "1,2"),
        ("{{ (input.l + [9]) | length }}", "4"),
        ("{{ input.l | select('>', 1) | list | length }}", "2"),
        ("{{ input.l | map('string') | join }}", "312"),
        ("{{ input.x | default('none') }}", "none"),
        ("{{ input.x is defined }}{{ input.s is defined }}", "FalseTrue"),
        ("{{ input.s ~ 1 ~ input.l[0] }}", "xy13"),
        ("{% if 1 in input.l and input.s == 'xy' %}yes{% endif %}", "yes"),
        ("{{ 1 < input.l[0] < 4 }}", "True"),
        ("{% for k, v in input.o | items %}{{ k }}{{ v | length }}{% endfor %}", "a2"),
        ("{% for x in input.l if x > 1 recursive %}{{ x }}{% endfor %}", "32"),
        (
            "{% for x in [[1, [2]]] recursive %}{% if x is iterable %}{{ loop(x) }}{% else %}\
             {{ x }}{% endif %}{% endfor %}",
            "12",
        ),
        (
            "{% macro m(a, b='d') %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}\
          {% call m(input.s, b=1) %}!{% endcall %}",
            "xy1!",
        ),
        ("{% with a = input.s, b = 2 %}{{ a }}{{ b }}{% endwith %}", "xy2"),
        ("{% set a, b = [1, input.s] %}{{ b }}{{ a }}", "xy1"),
        ("{% set t | upper %}x{{ input.s }}{% endset %}{{ t }}", "XXY"),
        ("{% filter upper %}{{ input.s }}{% endfilter %}", "XY"),
        (
            "{% set ns = namespace(n=1) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}\
          {{ ns.n }}",
            "4",
        ),
        ("{{ dict(a=1, **input.o) | length }}", "1"),
        ("{{ input.l | tojson(indent=None) }}", "[3, 1, 2]"),
        ("{{ {'a': input.s}.a }}", "xy"),
        ("{{ 'a' if input.l | length == 3 else 'b' }}", "a"),
        ("{{ input.l * 2 | int }}", "[\n  3,\n  1,\n  2,\n  3,\n  1,\n  2\n]"),
    ] {
        assert_eq!(render(text, input.clone()).as_deref(), Ok(means), "{text}");
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

#[test]
fn numbers_that_a_double_rounds_are_mistakes() {
    for (text, number) in [
        ("{{ 9007199254740993.0 }}", "9007199254740993.0"),
        ("{% set a = [1, -9007199254740993e0] %}{{ a }}", "9007199254740993e0"),
        ("{{ 1e400 }}", "1e400"),
        ("{% if input > 1e-400 %}x{% endif %}", "1e-400"),
        ("{{ (9_007_199_254_740_993.0)|int }}", "9_007_199_254_740_993.0"),
    ] {
        let (_, mistakes) = Template::parse(text, Flavour::Plain).unwrap();
        let span = mistakes.first().expect(text).span;
        assert_eq!(&text[span.start..span.end()], number, "{text}");
        assert!(mistakes[0].message.contains(&number.replace('_', "")), "{}", mistakes[0].message);
    }
    for text in [
        "9007199254740993.0 {# 9007199254740993.0 #}{{ '9007199254740993.0' }}",
        "{% raw %}{{ 9007199254740993.0 }}{% endraw %}",
        "{{ input.0.9007199254740993 }}{{ 0xffe400 }}{{ 1_0.5 + 1e3 + 1.5e-3 + 9007199254740993 }}",
        "{{ input[0].name }}{{ 5.5|round }}{{ 1e23 }}",
    ] {
        assert!(Template::parse(text, Flavour::Plain).unwrap().1.is_empty(), "{text}");
    }
    assert_eq!(references("{{ 1.5 + input.a.0.b + 2e3 }}"), ["input.a"]);
}

#[test]
fn a_number_is_finite_or_an_error() {
    for text in [
        "{{ 1e308 * 10 }}",
        "{{ {'t': 5 | float * 1e308} | tojson }}",
        "{{ 1e308 ** 2 }}",
        "{{ 1e308 + 1e308 }}",
        "{{ [1e308, 1e308] | sum }}",
        "{{ 1 / 0 }}",
        "{{ 1.5 % 0 }}",
        "{{ 'inf'|float }}",
        "{{ 'NaN'|float }}",
    ] {
        let error = render(text, json!(null)).expect_err(text);
        assert!(error.contains("not finite"), "{text}: {error}");
    }
    assert_eq!(render("{{ 'inf'|float(0.5) }}", json!(null)).unwrap(), "0.5");
}

#[test]
fn what_becomes_a_number_is_exact_or_an_error() {
    for text in [
        "{{ '1e300'|int }}",
        "{{ 1e300|int }}",
        "{{ -1e23|int }}",
        "{{ '9007199254740993.5'|int }}",
        "{{ '9007199254740993.0'|int }}",
        "{{ '1e400'|int }}",
        "{{ 'nan'|int }}",
        "{{ 'inf'|int }}",
        "{{ ('nan'|float)|int }}",
        "{{ ('1' ~ '0' * 40)|int }}",
        "{{ '9007199254740993'|float }}",
        "{{ '9007199254740993.0'|float }}",
        "{{ '1e400'|float }}",
        "{{ '1e-400'|float }}",
        "{{ ['1e300']|map('int')|list }}",
    ] {
        let error = render(text, json!(null)).expect_err(text);
        assert!(error.contains("the number `"), "{text}: {error}");
    }
    for (text, wanted) in [
        ("{{ '42.7'|int }} {{ -42.7|int }} {{ '-7'|int }} {{ true|int }}", "42 -42 -7 1"),
        ("{{ '1e400'|int(base=16) }} {{ '0x1F'|int(0, 16) }}", "123904 31"),
        ("{{ '1e300'|int(default=5) }} {{ 'nan'|int(7) }} {{ 'x'|int(8) }}", "5 7 8"),
        (
            "{{ '9007199254740993'|int }} {{ 18446744073709551615|int }}",
            "9007199254740993 18446744073709551615",
        ),
        ("{{ '1e3'|int }} {{ 9007199254740994.0|int }}", "1000 9007199254740994"),
        ("{{ '0.1'|float }} {{ '1e400'|float(1.5) }} {{ 'x'|float(default=2) }}", "0.1 1.5 2"),
        ("{{ 9007199254740993|float }}", "9007199254740992.0"),
    ] {
        assert_eq!(render(text, json!(null)).expect(text), wanted, "{text}");
    }
}

#[test]
fn integers_beside_fractions_are_exact_or_an_error() {
    let json = json!({
        "big": 9_007_199_254_740_993_u64, "even": 9_007_199_254_740_992_u64, "half": 0.5,
        "mixed": [9_007_199_254_740_993_u64, 0.5], "near": [9_007_199_254_740_992.0],
        "rows": [{"id": 9_007_199_254_740_993_u64, "score": 0.5},
                 {"id": 9_007_199_254_740_992_u64, "score": 1.5}],
        "odd": [{"id": 9_007_199_254_740_993_u64}, {"id": 2.5}],
    });
    let input = StepInput::of(json);
    let rendered = |template: &str| {
        let (template, mistakes) = Template::parse(template, Flavour::Plain).unwrap();
        assert!(mistakes.is_empty(), "{mistakes:?}");
        template.render(&Values::of(&input), &Budget::whole(None))
    };
    for template in [
        "{{ input.big * 1.0 }}",
        "{{ input.big + input.half }}",
        "{{ input.even + input.half }}",
        "{{ input.half + input.even }}",
        "{{ 1.0 * 9007199254740993 }}",
        "{{ input.big / 1 }}",
        "{{ input.big - 0.5 }}",
        "{{ input.big // 1.5 }}",
        "{{ input.big % 1.5 }}",
        "{{ input.big ** 1.0 }}",
        "{{ input.big == 9007199254740992.0 }}",
        "{{ input.big > 9007199254740992.0 }}",
        "{{ 1 < input.big < 9007199254740994.0 }}",
        "{{ input.big in input.near }}",
        "{{ input.big is eq(9007199254740992.0) }}",
        "{{ input.mixed | sum }}",
        "{{ input.mixed | sort }}",
        "{{ input.mixed | unique | list }}",
        "{{ input.mixed | max }}",
        "{{ input.mixed | min }}",
        "{{ input.odd | sort(attribute='id') }}",
        "{{ input.odd | groupby('id') }}",
        "{{ input.odd | sum(attribute='id') }}",
        "{{ [input.big] | select('eq', 2.5) | list }}",
        "{{ input.odd | selectattr('id', 'lt', 2.5) | list }}",
        "{{ [input.big] == [2.5] }}",
        "{{ '%.1f' | format(input.big) }}",
        "{% if input.big * 1.5 %}{% endif %}",
        "{% set ns = namespace(n=input.big) %}{% set ns.n = ns.n + 0.5 %}{{ ns.n }}",
        "{% macro m(a) %}{{ a * 1.5 }}{% endmacro %}{{ m(input.big) }}",
    ] {
        let error = match rendered(template) {
            Err(Unfinished::Failed(error)) => error.to_string(),
            other => panic!("{template}: {other:?}"),
        };
        assert!(
            error.contains("is not exact beside a number with a fraction"),
            "{template}: {error}"
        );
    }
    for (template, wanted) in [
        ("{{ input.big * 2 + 1 }}", "18014398509481987"),
        ("{{ input.big == 9007199254740992 }}", "False"),
        ("{{ input.big > 9007199254740992 }}", "True"),
        ("{{ 1 < 2 < 3 }}{{ 3 < 2 < 3 }}{{ 1 + 0.5 }}", "TrueFalse1.5"),
        (
            "{{ 7 / 2 }} {{ 7 // 2 }} {{ 2 ** 70 }} {{ 2 ** -1 }}",
            "3.5 3 1180591620717411303424 0.5",
        ),
        (
            "{{ [1, 0.5] | sum }} {{ [0.1, 0.2] | sum }} {{ [1, 2] | sum(start=4) }}",
            "1.5 0.30000000000000004 7",
        ),
        (
            "{{ input.rows | sort(attribute='score') | map(attribute='id') | join(',') }}",
            "9007199254740993,9007199254740992",
        ),
        ("{{ input.rows | unique | list | length }}", "2"),
        ("{{ input.rows[0] == input.rows[1] }}", "False"),
        ("{{ [2.5, 1] | sort | join(' ') }} {{ ['b', 'a'] | sort | first }}", "1 2.5 a"),
        ("{{ 'a' in 'abc' }}{{ 2.0 in [1, 2] }}{{ 'x' ~ 1 }}{{ 'ab' * 2 }}", "TrueTruex1abab"),
        ("{{ '%d' | format(input.big) }}", "9007199254740993"),
        ("{% for x in range(3) %}{{ x < 1 < 2 }}{% endfor %}", "TrueFalseFalse"),
        (
            "{% macro f(n) %}{% if n > 0.5 %}{{ n + 0.5 }},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
            "3.5,2.5,1.5,",
        ),
    ] {
        let text = rendered(template).unwrap_or_else(|error| panic!("{template}: {error:?}"));
        assert_eq!(text, wanted, "{template}");
    }
}

#[test]
fn characters_far_inside_a_text_take_operations() {
    let input = StepInput::of(json!("\u{e9}".repeat(1_000_000)));
    let constant = format!("{{{{ '{}'[900000] }}}}", "\u{e9}".repeat(1_000_000));
    let counted = format!("{{{{ '{}' | length }}}}", "\u{e9}".repeat(1_000_000));
    let bodies = ["{{ input[900000] }}", "{{ input[-1] }}", "{{ input[900000:900001] }}"];
    for body in bodies.into_iter().chain([&*constant, &*counted]) {
        let text = format!("{{% for i in range(2000) %}}{body}{{% endfor %}}");
        let (template, _) = Template::parse(&text, Flavour::Plain).unwrap();
        let begun = std::time::Instant::now();
        let error = match template.render(&Values::of(&input), &Budget::whole(None)) {
            Err(Unfinished::Failed(error)) => error.to_string(),
            other => panic!("{body:.40}: {other:?}"),
        };
        assert!(error.contains("takes more than 2000000 operations"), "{error:.200}");
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{body:.40}");
    }
}

#[test]
fn failures_are_in_words_of_this_project() {
    let input = StepInput::of(json!({"n": 3, "list": [1], "none": null}));
    for (template, said) in [
        ("{{ input.n + 'x' }}", "`+` cannot be used on a number and a text"),
        ("{{ input.list - 1 }}", "`-` cannot be used on a list and a number"),
        ("{{ input.n | length }}", "only texts, lists and objects have a length"),
        ("{% for x in input.n %}{% endfor %}", "the value is not a list"),
        ("{{ range(1000000) }}", "`range` has more than 100 000 elements"),
        ("{{ 1 // 0 }}", "it has no result, or one that is too large"),
        ("{{ 'x' * 1.5 }}", "a text can only be repeated a whole number of times"),
        ("{{ input.list | first(1, 2, 3) }}", "it has too many arguments"),
        ("{{ input.n() }}", "the value"),
    ] {
        let (template, _) = Template::parse(template, Flavour::Plain).unwrap();
        let error = match template.render(&Values::of(&input), &Budget::whole(None)) {
            Err(Unfinished::Failed(error)) => error.to_string(),
            other => panic!("{said}: {other:?}"),
        };
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn operators_in_a_row_have_an_end_and_those_below_it_have_room() {
    let input = StepInput::of(json!({"x": {"x": 1}, "t": "a"}));
    let repeated = |start: &str, piece: &str, end: &str, times: usize| {
        format!("{{{{ {start}{}{end} }}}}", piece.repeat(times))
    };
    for (start, piece, end) in [
        ("input", ".x", ""),
        ("", "not ", "1"),
        ("", "1+", "1"),
        ("input.t ", "|upper", ""),
        ("", "-", "1"),
        ("", "1 if 0 else ", "1"),
        ("", "1 < ", "1"),
        ("", "'a' ~ ", "'b'"),
        ("", "1 and ", "1"),
        ("input", "['x']", ""),
        ("1", " is number is number", ""),
    ] {
        for times in [20_000, 500_000] {
            let deep = repeated(start, piece, end, times);
            let mistakes = Template::parse(&deep, Flavour::Plain).unwrap_err();
            assert!(mistakes[0].message.contains("at most 500 operators in a row"), "{piece}");
        }
        let fine = repeated(start, piece, end, 150);
        let rendered = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let input = input.clone();
        let rendered = rendered.spawn(move || {
            // The parser may refuse it, but it comes back.
            if let Ok((template, _)) = Template::parse(&fine, Flavour::Plain) {
                let _ = template.render(&Values::of(&input), &Budget::whole(None));
            }
        });
        rendered.unwrap().join().unwrap();
    }
    let branches = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(50_000));
    let mistakes = Template::parse(&branches, Flavour::Plain).unwrap_err();
    assert!(mistakes[0].message.contains("at most 200 `elif`"));
    // Long lists are not deep.
    let list = format!("{{{{ [{}] | length }}}}", "-1, {'a': 1 + 2}, ".repeat(1000));
    assert!(Template::parse(&list, Flavour::Plain).is_ok());
}

#[test]
fn what_always_fails_is_found_in_the_words_of_the_run() {
    let failures = |text: &str| {
        let (template, _) = Template::parse(text, Flavour::Plain).unwrap();
        template.constant_failures()
    };
    for text in ["{{ [] | max }}", "{{ 'abc'[5] }}", "{{ 1 / 0 }}", "{{ {'a': 1}.b.c }}"] {
        let run = render(text, json!("x")).unwrap_err();
        assert_eq!(failures(text), [(None, run.clone())]);
        let beside = format!("{{{{ input }}}} {text}");
        let place = Span::new(beside.len() - text.len(), text.len());
        assert_eq!(render(&beside, json!("x")).unwrap_err(), run);
        assert_eq!(failures(&beside), [(Some(place), run)]);
    }
    for text in [
        "{{ input }} {{ [1] | max }}",
        "{{ input }} {{ [] | max | default('none') }}",
        "{{ input }} {{ 'a' if true else 'b' }} {{ range(3) | list }}",
        "{{ input }} {% for x in [1] %}{{ x }}{{ loop.index }}{% endfor %}",
        "{{ input }} {% set x = 'a' %}{{ x[5:] }}",
        "{% set x = [] | max %}{% if x is defined %}{{ x }}{% endif %}",
        "{{ input }} {% raw %}{{ 1 / 0 }}{% endraw %}{# {{ 1 / 0 }} #}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{{ input }}",
    ] {
        assert!(failures(text).is_empty(), "{text}: {:?}", failures(text));
    }
}
