//! The functions, one after the other.

use super::*;
use serde_json::json;

fn call(name: &str, args: Value) -> Given {
    let Value::Array(args) = args else { panic!("arguments are a list") };
    named(name).unwrap().call(&args)
}

#[test]
fn texts_become_values_and_back() {
    for (name, args, expected) in [
        ("from_json", json!(["{\"a\": [1, 2.5]}"]), json!({"a": [1, 2.5]})),
        ("to_json", json!([{"a": [1, "b"]}]), json!("{\"a\":[1,\"b\"]}")),
        ("from_yaml", json!(["a: [1, no]\nb: 'x'"]), json!({"a": [1, "no"], "b": "x"})),
        ("from_csv", json!(["a,b\n1,\"x, \"\"y\"\"\"\n\n2,\n"]), {
            json!([{"a": "1", "b": "x, \"y\""}, {"a": "2", "b": ""}])
        }),
        ("from_csv", json!(["a;b\r\n1;2", ";"]), json!([{"a": "1", "b": "2"}])),
        ("to_csv", json!([[{"a": 1, "b": "x,y"}, {"a": null, "c": true}]]), {
            json!("a,b,c\n1,\"x,y\",\n,,true\n")
        }),
        ("to_csv", json!([[["a", 1], ["b\"", 2]], ";"]), json!("a;1\n\"b\"\"\";2\n")),
        ("urlencode", json!(["ä b/&"]), json!("%C3%A4%20b%2F%26")),
        ("urlencode", json!([{"q": "a b", "n": [1, 2], "x": null}]), json!("q=a%20b&n=1&n=2")),
        ("truncate", json!(["Grüße aus Köln", 8]), json!("Grüße a…")),
        ("truncate", json!(["short", 8]), json!("short")),
        ("truncate", json!(["too long", 5, "..."]), json!("to...")),
        ("regex_replace", json!(["a1b22", "([0-9]+)", "<$1>"]), json!("a<1>b<22>")),
        ("regex_replace", json!(["aaa", "", "-"]), json!("-a-a-a-")),
        ("regex_replace", json!(["2026-11", "([0-9]+)-([0-9]+)", "$2_$1"]), json!("11_2026")),
        ("regex_replace", json!(["x", "(?<m>x)(y)?", "${m}$m-$2$$1 $"]), json!("xx-$1 $")),
        ("from_csv", json!(["a,b\r1,2\r"]), json!([{"a": "1", "b": "2"}])),
        ("from_yaml", json!(["a: !!str 7\nb: &c !!int 7"]), json!({"a": "7", "b": 7})),
        ("sum", json!([[1, 2, 3]]), json!(6)),
        ("sum", json!([[1, 0.5]]), json!(1.5)),
        ("sum", json!([[]]), json!(0)),
        ("sum", json!([[u64::MAX - 1, 1]]), json!(u64::MAX)),
        ("to_csv", json!([[{"a": ""}, {"a": "x"}]]), json!("a\n\"\"\nx\n")),
        ("from_csv", json!(["a\n\"\"\nx\n"]), json!([{"a": ""}, {"a": "x"}])),
    ] {
        assert_eq!(call(name, args.clone()), Ok(expected), "{name} {args}");
    }
    let yaml = call("to_yaml", json!([{"a": [1, "no"], "b": "x: y"}])).unwrap();
    let back = call("from_yaml", json!([yaml])).unwrap();
    assert_eq!(back, json!({"a": [1, "no"], "b": "x: y"}));
}

#[test]
fn what_would_be_lost_is_refused() {
    for (name, args, wanted) in [
        ("regex_replace", json!(["x", "(x)", "$2"]), "has no group `2`; a dollar sign is `$$`"),
        ("regex_replace", json!(["y", "(?<m>x)", "${n}"]), "has no group `n`"),
        ("from_csv", json!(["a,b\n\"1\"2,3"]), "row 2 has `2` behind a quoted field"),
        ("from_yaml", json!(["b: !secret env"]), "the tag `!secret` is not known"),
        ("from_yaml", json!(["[!ref [a], 1]"]), "the tag `!ref` is not known"),
        ("from_yaml", json!(["- &a !set {x: 1}"]), "the tag `!set` is not known"),
        ("from_yaml", json!(["!key a: 1"]), "the tag `!key` is not known"),
    ] {
        let refused = call(name, args.clone()).unwrap_err();
        assert!(refused.contains(wanted), "{name} {args}: {refused}");
    }
}

#[test]
fn a_deep_text_is_refused_on_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let read = small.spawn(|| {
        let depths = [1000, 50_000];
        depths.map(|depth| call("from_yaml", json!([format!("{}x", "- ".repeat(depth))])))
    });
    for refused in read.unwrap().join().unwrap() {
        let refused = refused.unwrap_err();
        assert!(refused.contains("nested deeper than 100"), "{refused}");
    }
}

#[test]
fn html_becomes_readable_text() {
    let html = "<html><head><title>T</title><style>p{}</style></head><body><h1>Head &amp; \
                more</h1>\n<p>One <b>bold</b>\n word &lt;3 &#8364;&nbsp;5</p>\
                <script>evil()</script><ul><li>a<li title='1 > 0'>b</ul>\
                <!-- no --><table><tr><td>1</td><td>2</td></tr>\
                </table><pre>x\n  y</pre>1 < 2</body>";
    let expected = "Head & more\nOne bold word <3 € 5\n\n- a\n- b\n\n1\t2\n\nx\n  y\n\n1 < 2";
    assert_eq!(call("html_to_text", json!([html])).unwrap(), json!(expected));
    let short = "<table><tr><td>1<td>2<tr><td>3<td>4</table><select><option>a<option>b</select>";
    assert_eq!(call("html_to_text", json!([short])).unwrap(), json!("1\t2\n3\t4\n\na\tb"));
    let strip = "a <b class=\"x>y\">bold</b> &amp; <!-- c -->1 < 2<br/>";
    assert_eq!(call("striptags", json!([strip])).unwrap(), json!("a bold & 1 < 2"));
    // Whatever it is, it ends.
    for odd in ["<", "<a", "<a '", "<!--", "&", "&#xffffffff;", "</", "<p><p><p>"] {
        call("html_to_text", json!([odd])).unwrap();
        call("striptags", json!([odd])).unwrap();
    }
}

#[test]
fn moments_are_computed_in_time_zones() {
    for (name, args, expected) in [
        ("date_add", json!(["2026-11-29T18:00:00Z", "36h"]), json!("2026-12-01T06:00:00Z")),
        ("date_add", json!(["2026-11-29T18:00:00+01:00", "-90m"]), json!("2026-11-29T15:30:00Z")),
        // The clocks go back on 25 October: the day has 25 hours.
        (
            "date_add",
            json!(["2026-10-24T12:00:00+02:00", "1d", "Europe/Berlin"]),
            json!("2026-10-25T11:00:00Z"),
        ),
        ("date_diff", json!(["2026-11-30", "2026-11-29T23:59:00Z"]), json!(60)),
        ("date_diff", json!(["2026-11-30", "2026-11-30T00:00:00.5Z"]), json!(-0.5)),
        ("date_parse", json!(["2016-12-31T23:59:60Z"]), json!("2016-12-31T23:59:59Z")),
        ("date_parse", json!(["2017-01-01T00:59:60+01:00"]), json!("2016-12-31T23:59:59Z")),
        ("date_parse", json!(["2026-11-29T12:00:06-23:00"]), json!("2026-11-30T11:00:06Z")),
        (
            "date_parse",
            json!(["29.11.2026 9:30 PM", "%d.%m.%Y %-I:%M %p"]),
            json!("2026-11-29T21:30:00Z"),
        ),
        (
            "date_format",
            json!(["2026-11-29T23:30:00Z", "%d.%m.%Y %H:%M", "Europe/Berlin"]),
            json!("30.11.2026 00:30"),
        ),
        ("date_format", json!(["2026-11-29T23:30:00Z", "%A"]), json!("Sunday")),
        ("date_parse", json!(["29.11.2026", "%d.%m.%Y"]), json!("2026-11-29T00:00:00Z")),
        (
            "date_parse",
            json!(["2026-11-29 09:00", null, "America/New_York"]),
            json!("2026-11-29T14:00:00Z"),
        ),
    ] {
        assert_eq!(call(name, args.clone()), Ok(expected), "{name} {args}");
    }
}

#[test]
fn what_goes_wrong_is_said() {
    for (name, args, expected) in [
        ("sum", json!([["a"]]), "`sum`: needs numbers, and the list has a text"),
        ("sum", json!([[u64::MAX, 1]]), "`sum`: the sum does not fit into 64 bits"),
        (
            "sum",
            json!([[9_007_199_254_740_993_u64, 0.5]]),
            "`sum`: the sum of 9007199254740993 and 0.5 would be rounded",
        ),
        (
            "from_csv",
            json!(["amount,name,amount\n100,ann,7"]),
            "`from_csv`: the first row has the name `amount` twice",
        ),
        (
            "from_json",
            json!(["[{\"a\": 1, \"a\": 2}]"]),
            "`from_json`: an object has `a` twice at line 1 column 11",
        ),
        ("from_yaml", json!(["- b:\n    a: 1\n    a: 2"]), "`from_yaml`: a mapping has `a` twice"),
        ("truncate", json!(["a"]), "`truncate` takes 2 to 3 values, and was given 1"),
        ("from_csv", json!(["a,b\n1"]), "`from_csv`: row 2 has 1 fields, and the first row has 2"),
        ("from_csv", json!(["\"a"]), "`from_csv`: a quote is not closed"),
        (
            "date_format",
            json!(["2026-11-29", "%Y", "Mars/Base"]),
            "`date_format`: there is no time zone `Mars/Base`: write one such as `Europe/Berlin`",
        ),
        (
            "date_add",
            json!(["soon", "1d"]),
            "`date_add`: `soon` is not a moment such as `2026-11-29T18:00:00Z` or `2026-11-29`",
        ),
        (
            "date_parse",
            json!(["2026-11-29T12:00:60Z"]),
            "`date_parse`: `2026-11-29T12:00:60Z` has a second 60, and no minute of that day has \
             one",
        ),
        (
            "date_parse",
            json!(["2026-11-29T12:00:00+25:00"]),
            "`date_parse`: the offset `+25:00` of `2026-11-29T12:00:00+25:00` is not less than a \
             day",
        ),
        (
            "date_parse",
            json!(["29.11.2026 09:30", "%d.%m.%Y %I:%M"]),
            "`date_parse`: the format `%d.%m.%Y %I:%M` has hours from 1 to 12 and no `%p`: `%H` \
             reads hours up to 23",
        ),
        ("striptags", json!([3]), "`striptags`: needs a text, not a number"),
    ] {
        assert_eq!(call(name, args), Err(expected.to_owned()), "{name}");
    }
    let wide = call("regex_replace", json!(["a".repeat(3000), "a", "b".repeat(10_000)]));
    assert_eq!(wide, Err("`regex_replace`: the text is longer than 20000000 bytes".to_owned()));
}
