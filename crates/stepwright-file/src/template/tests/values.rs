//! Comparisons, missing members, and the texts of values.

use super::{Flavour, Template, render};
use serde_json::{Value, json};

fn input() -> Value {
    json!({
        "text": "50",
        "rows": [{"amount": 50, "as_text": "9", "mixed": 1, "more": 5},
                 {"amount": 900, "as_text": "10", "mixed": "a"}],
    })
}

#[test]
fn values_without_an_order_are_not_compared() {
    for (text, why) in [
        (
            "{{ input.text > 500 }}",
            "`>` cannot be used on a text and a number; `| int` or `| float` makes a number of a \
             text",
        ),
        ("{% if input.rows[0].as_text >= 5 %}x{% endif %}", "`>=` cannot be used on a text and a"),
        ("{{ none < 1 }}", "`<` cannot be used on nothing and a number"),
        ("{{ [1] > 5 }}", "`>` cannot be used on a list and a number"),
        ("{{ [1] <= [2] }}", "`<=` cannot be used on a list and a list"),
        ("{{ true < 2 }}", "`<` cannot be used on true or false and a number"),
        ("{{ 1 < 'a' < 'b' }}", "`<` cannot be used on a number and a text"),
        ("{{ 1 < 2 < 'b' }}", "`<` cannot be used on a number and a text"),
        ("{{ '1' is gt(0) }}", "`>` cannot be used on a text and a number"),
        ("{{ ['1'] | select('lessthan', 3) | list }}", "`<` cannot be used on a text and a"),
        ("{{ input.rows | selectattr('as_text', 'gt', 10) | list }}", "`>` cannot be used on"),
        ("{{ ['10', 9, 100] | max }}", "`max` cannot be used on a text and a number"),
        ("{{ [1, 'a'] | sort }}", "`sort` cannot be used on a number and a text"),
        ("{{ [[1], ['a']] | sort }}", "`sort` cannot be used on a number and a text"),
        ("{{ input.rows | min }}", "`min` has no order for objects"),
        ("{{ input.rows | sort(attribute='mixed') }}", "`sort` cannot be used on a number and"),
        ("{{ input.rows | sort(attribute='amount,mixed') }}", "`sort` cannot be used on a number"),
        ("{{ {'a': 1, 'b': 'x'} | dictsort(by='value') }}", "`dictsort` cannot be used on"),
        ("{{ input.missing < 1 }}", "has no value"),
    ] {
        let error = render(text, input()).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    for (text, wanted) in [
        ("{{ 1 < 2.5 }}{{ 'a' < 'b' }}{{ false < true }}{{ 1 == 'a' }}", "TrueTrueTrueFalse"),
        ("{{ input.text | int > 40 }}", "True"),
        ("{{ [2, 1.5] | sort | join(',') }} {{ [none] | sort | length }}", "1.5,2 1"),
        ("{{ (input.rows | sort(attribute='amount', reverse=true) | first).amount }}", "900"),
        ("{{ {'b': 1, 'a': 'x'} | items | sort | first | first }}", "a"),
        ("{{ {'b': 1, 'a': 'x'} | dictsort | first | last }}", "x"),
        ("{{ input.rows | selectattr('amount', '>', 100) | list | length }}", "1"),
    ] {
        assert_eq!(render(text, input()).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn a_member_that_is_missing_is_an_error_in_every_filter() {
    for filter in [
        "sum(attribute='amuont')",
        "sum('amuont')",
        "map(attribute='amuont') | list",
        "sort(attribute='amuont')",
        "sort(attribute='amount,amuont')",
        "max(attribute='amuont')",
        "min(attribute='amuont')",
        "unique(attribute='amuont') | list",
        "groupby('amuont')",
        "selectattr('amuont') | list",
        "rejectattr('amuont', 'gt', 1) | list",
        "join(',', attribute='amuont')",
    ] {
        let error = render(&format!("{{{{ input.rows | {filter} }}}}"), input()).expect_err(filter);
        assert!(error.contains("an element has no `amuont`"), "{filter}: {error}");
    }
    for text in [
        "{{ [1 if false] }}",
        "{{ {'a': [1 if false]} }}",
        "{{ [input.missing] | tojson }}",
        "{{ [input.missing] | join }}",
        "{{ [input.missing] | sum }}",
        "{{ [input.missing] ~ 'a' }}",
        "{{ 'a' ~ input.missing }}",
    ] {
        let error = render(text, input()).expect_err(text);
        assert!(error.ends_with("has no value"), "{text}: {error}");
    }
    for (text, wanted) in [
        ("{{ input.rows | map(attribute='more', default=0) | sum }}", "5"),
        ("{{ input.rows | selectattr('more', 'defined') | map(attribute='more') | first }}", "5"),
        ("{{ input.rows | rejectattr('more', 'defined') | list | length }}", "1"),
        ("{{ input.rows | groupby('more', default=7) | map('first') | join(',') }}", "5,7"),
        ("{{ [input.missing, 1] | select('defined') | list | length }}", "1"),
    ] {
        assert_eq!(render(text, input()).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn values_are_the_same_texts_within_a_template_as_at_its_end() {
    let list = "[\n  1\n]";
    for (text, wanted) in [
        ("{{ ['a', none, 'b'] | join('-') }}", "a--b"),
        ("{{ none ~ 'a' ~ none }}", "a"),
        ("[{{ none | upper }}{{ none | string }}{{ none | trim }}]", "[]"),
        ("{{ [none, 'a'] | map('upper') | join(',') }}", ",A"),
        ("{{ '%s,%s' | format(none, [1]) }}", &format!(",{list}")),
        ("{{ 'axb' | replace('x', none) }}", "ab"),
        ("{{ [1] ~ '!' }}", &format!("{list}!")),
        ("{{ [[1], 2] | join(' ') }}", &format!("{list} 2")),
        ("{{ {'k': 1} ~ '' }}", "{\n  \"k\": 1\n}"),
        ("{{ {'k': 1} | string | length }}", "12"),
        ("{{ 'abc' | join('-') }} {{ 1 ~ true ~ 2.5 }}", "a-b-c 1True2.5"),
        (
            "{{ input.rows | join(',', attribute='amount') }} {{ [1, 2] | join(d='+') }}",
            "50,900 1+2",
        ),
        ("{{ '%d%%' | format(7) }} {{ 'a b' | split | length }}", "7% 2"),
    ] {
        assert_eq!(render(text, input()).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn an_object_with_a_key_twice_is_a_mistake() {
    for text in ["{{ {'a': 1, 'a': 2} }}", "{% set x = [{'b': 1, 'a': input, 'b': 2}] %}{{ x }}"] {
        let mistakes = Template::parse(text, Flavour::Plain).unwrap_err();
        assert!(mistakes[0].message.ends_with("twice"), "{}", mistakes[0].message);
        assert!(text[mistakes[0].span.start..].starts_with('{'), "{text}");
    }
    assert_eq!(render("{{ {'a': 1, 'b': {'a': 2}}.b.a }}", input()).as_deref(), Ok("2"));
}
