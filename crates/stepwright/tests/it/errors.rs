//! `docs/errors.md` has the page of every error code. The catalogue of the sources is its one
//! origin.
//!
//! `ERRORS=overwrite cargo test -p stepwright --all-features --test it -- errors` writes the page.

use crate::tidy::{File, none, root, sources};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use stepwright::ErrorId;
use stepwright::codes::{self, AREAS, Entry};

const PAGE: &str = "docs/errors.md";

const HEAD: &str = "\
# Errors

Every error has one form: what is wrong, the causes, and what to do. The code in brackets is \
stable: a number keeps its\nmeaning, and is not used again. The words of a message may change.

```text
error[SW0705]: workflow `Publish` has changed since run `r-7` began
  step `publish` is new
help: resume it with the workflow file it began with, or accept the change with `--accept-changes`
```

`stepwright explain SW0705` prints the page of a code, and `stepwright explain` lists all of \
them. In Rust, `Error::id`,\n`ErrorData::id` and `Diagnostic::code` return the code; as JSON it is \
the text, such as `\"SW0705\"`.
";

/// Returns the page as the catalogue says it.
fn page() -> String {
    let mut text = HEAD.to_owned();
    for area in AREAS {
        let _ = write!(text, "\n## {}\n\n| Code | Meaning |\n|---|---|\n", area.title);
        for Entry { id, title, .. } in area.entries {
            let _ = writeln!(text, "| [`{id}`](#{}) | {title} |", id.to_string().to_lowercase());
        }
        for entry in area.entries {
            let _ = write!(text, "\n### {}\n\n**{}.** {}", entry.id, sentence(entry), entry.page());
        }
    }
    text
}

fn sentence(entry: &Entry) -> String {
    let mut chars = entry.title.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[test]
fn the_page_of_errors_is_the_catalogue() {
    let (path, wanted) = (root().join(PAGE), page());
    if std::env::var("ERRORS").is_ok_and(|mode| mode == "overwrite") {
        fs::write(&path, &wanted).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(wanted.lines()).find(|(there, wanted)| there != wanted);
    assert!(page == wanted, "{PAGE} differs from the catalogue, first at {differs:?}");
}

#[test]
fn every_code_is_used_by_some_source() {
    let sources: Vec<File> = sources()
        .filter(|file| file.path.contains("/src/"))
        .filter(|file| !file.path.starts_with("crates/stepwright-core/src/codes/"))
        .collect();
    let is_used = |entry: &Entry| {
        let name = format!("ErrorId::{}", entry.name);
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        sources.iter().any(|File { text, .. }| {
            text.match_indices(&name).any(|(at, _)| ends(&text[at + name.len()..]))
        })
    };
    let unused = codes::all().filter(|entry| !is_used(entry));
    none(&unused.map(|entry| format!("no error is made with {}", entry.name)).collect::<Vec<_>>());
}

#[test]
fn no_two_codes_have_one_number_and_each_is_in_its_area() {
    let mut wrong = Vec::new();
    let (mut numbers, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for (area, expected) in AREAS.iter().zip(1..) {
        assert_eq!(area.number, expected);
        let mut before = area.number * 100;
        for entry in area.entries {
            let number = entry.id.number();
            if number / 100 != area.number || number != before + 1 {
                wrong.push(format!("{} follows {before} in area {}", entry.id, area.number));
            }
            before = number;
            if !numbers.insert(number) || !titles.insert(entry.title) {
                wrong.push(format!("{} is there twice", entry.id));
            }
        }
    }
    none(&wrong);
    assert!(numbers.len() > 60, "only {} codes were found", numbers.len());
}

#[test]
fn codes_are_read_as_they_are_written() {
    for Entry { id, .. } in codes::all() {
        let shown = id.to_string();
        assert_eq!(shown.parse(), Ok(*id));
        assert_eq!(shown.to_lowercase().parse(), Ok(*id));
        assert_eq!(id.number().to_string().parse(), Ok(*id));
        let json = serde_json::to_string(id).unwrap();
        assert_eq!(json, format!("\"{shown}\""));
        assert_eq!(serde_json::from_str::<ErrorId>(&json).unwrap(), *id);
    }
    for text in
        ["", "SW", "SW0", "SW00000", "SW12345", "XY0101", "0", "-1", "1.5", "ＳＷ0101", "é1"]
    {
        let wrong = text.parse::<ErrorId>().unwrap_err();
        assert!(wrong.to_string().contains("is not an error code"), "{wrong}");
    }
}

#[test]
fn pages_of_codes_say_more_than_their_titles() {
    let mut wrong = Vec::new();
    for entry in codes::all() {
        let page = entry.page();
        let last = page.trim_end();
        let ends = last.ends_with('.') || last.ends_with("```");
        if !ends || page.len() < 40 || page.lines().count() > 14 {
            wrong.push(format!("the page of {} has no sentence or no end", entry.id));
        }
        if entry.title.ends_with('.') || entry.title.starts_with(char::is_uppercase) {
            wrong.push(format!("the title of {} is no fragment", entry.id));
        }
    }
    none(&wrong);
}
