//! The pages of the project: their workflow files are read by the real reader, and their links
//! resolve. CONTRIBUTING.md explains the markers of fragments.

use crate::tidy::{File, files, has_extension, none, root};
use std::collections::{BTreeMap, BTreeSet};

/// Pages that this project does not write: those of dependencies and of fuzzing inputs.
const FOREIGN: [&str; 2] = ["fuzz/", "crates/"];

/// Returns the Markdown files that people read.
fn pages() -> impl Iterator<Item = File> {
    files().into_iter().filter(|file| {
        has_extension(&file.path, "md") && !FOREIGN.iter().any(|place| file.path.starts_with(place))
    })
}

/// A fenced block of a page.
struct Block<'p> {
    language: &'p str,
    /// The marker above the block: `steps` for `<!-- docs: steps -->`.
    marker: Option<&'p str>,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut above, mut open) = (Vec::new(), None, None::<Block<'_>>);
    for (number, line) in (1..).zip(page.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { language, marker: above, text: String::new(), line: number });
            }
            (None, None) => {
                let marker = line.strip_prefix("<!-- docs: ");
                above = marker.and_then(|rest| rest.strip_suffix(" -->"));
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    blocks
}

/// Returns the anchors of a page: those of its headings, as GitHub names them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if is_code || title.len() == line.len() {
            continue;
        }
        let title = title.trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    anchors
}

/// Returns a page without its code, in which brackets mean something else.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            // Every second part is between backticks.
            text.extend(line.split('`').step_by(2).flat_map(|part| [part, "`"]));
            text.push('\n');
        }
    }
    text
}

#[test]
fn every_link_leads_somewhere() {
    let pages: BTreeMap<String, String> = pages().map(|File { path, text }| (path, text)).collect();
    assert!(pages.len() > 40, "the pages were not found");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, text) in &pages {
        let prose = prose(text);
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let target = if file.is_empty() { path.clone() } else { joined(folder, file) };
            if !root().join(&target).exists() {
                wrong.push(format!("{path} links to `{link}`: there is no {target}"));
            } else if !anchor.is_empty()
                && !pages.get(&target).is_some_and(|page| anchors(page).contains(anchor))
            {
                wrong.push(format!("{path} links to `{link}`: {target} has no such heading"));
            }
        }
    }
    assert!(count > 150, "only {count} links were found");
    none(&wrong);
}

/// Joins a folder and a relative path, and resolves `..`.
fn joined(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns `true` if a page that names a place as `core: event/kind.rs` is right, or names none.
fn exists(place: &str) -> bool {
    let Some((name, path)) = place.split_once(": ") else { return true };
    let name = if name == "stepwright" { name.to_owned() } else { format!("stepwright-{name}") };
    let folder = root().join("crates").join(name);
    path.contains(char::is_whitespace)
        || !folder.is_dir()
        || ["", "src", "tests/it"].iter().any(|within| folder.join(within).join(path).exists())
}

#[test]
fn the_places_where_developers_begin_exist() {
    let mut wrong = Vec::new();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let places: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        assert!(places.iter().any(|place| place.contains(": tests/it/")), "{page} names no place");
        let missing = places.into_iter().filter(|place| !exists(place));
        wrong.extend(missing.map(|place| format!("{page} names `{place}`, which does not exist")));
    }
    none(&wrong);
    assert!(!exists("core: event/kinds.rs"));
}

#[cfg(feature = "file")]
mod workflows {
    use super::{blocks, none, pages};
    use std::collections::BTreeMap;
    use std::fs;
    use stepwright::file::{Definition, Options, Variables};

    /// Returns the whole file for a block, or `None` for a block that is no workflow. `Err` says
    /// what is wrong with its marker.
    fn whole(language: &str, marker: Option<&str>, text: &str) -> Result<Option<String>, String> {
        let has = |key: &str| text.lines().any(|line| line.starts_with(&format!("{key}:")));
        match (language, marker) {
            ("yaml", None) => Ok(Some(text.to_owned())),
            ("yaml", Some("steps")) => {
                let steps: String = text.lines().flat_map(|line| ["  ", line, "\n"]).collect();
                let head = "format: 1\nname: Steps\nmodel: offline\n\
                    agents: {writer: {}, reviewer: {}}\nsteps:\n";
                Ok(Some(head.to_owned() + &steps))
            }
            ("yaml", Some("part")) => {
                let missing = [
                    ("format", "format: 1\n"),
                    ("name", "name: Part\n"),
                    ("steps", "steps: [{name: one, template: x}]\n"),
                ];
                let missing = missing.into_iter().filter(|(key, _)| !has(key));
                Ok(Some(missing.map(|(_, line)| line).collect::<String>() + text))
            }
            // Other JSON on the pages is of events and answers.
            ("json", None) => Ok(text.contains("\"format\": 1").then(|| text.to_owned())),
            (_, None) => Ok(None),
            (_, Some(marker)) => Err(format!("`{marker}` is no marker of a block of {language}")),
        }
    }

    /// Gives the models of providers an address, so that they need no key.
    fn keyless(text: &str) -> String {
        let lines = text.lines().map(|line| {
            let model = line.split_once("model: ").map_or("", |(_, model)| model);
            let needs_key =
                model.contains(':') && !model.contains('@') && !model.starts_with(['[', '{']);
            if needs_key { format!("{line}@http://localhost:9\n") } else { format!("{line}\n") }
        });
        lines.collect()
    }

    #[test]
    fn every_workflow_file_on_the_pages_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("prompts")).unwrap();
        write("prompts/review.md", "Review:\n{{ previous }}\n");
        fs::create_dir_all(folder.path().join("skills/greeting")).unwrap();
        let skill = "---\nname: greeting\ndescription: Greets people.\n---\nSay hello.\n";
        write("skills/greeting/SKILL.md", skill);
        write("other.yaml", "format: 1\nname: Other\nsteps: [{name: a, template: x}]\n");
        let name = folder.path().join("page.yaml").display().to_string();
        let secrets = ["API_KEY", "GITHUB_SECRET", "DESK_SECRET"].map(|name| (name, "hunter2"));
        let others = [("REGION", "eu"), ("SLACK_URL", "https://hooks.example.org/7")];
        let variables: Variables = secrets.into_iter().chain(others).collect();
        let options = Options { allow_shell: true, variables, ..Options::default() };
        let (mut wrong, mut counts) = (Vec::new(), BTreeMap::<String, u32>::new());
        for page in pages() {
            for block in blocks(&page.text) {
                let place = format!("{}:{}", page.path, block.line);
                let text = match whole(block.language, block.marker, &block.text) {
                    Ok(Some(text)) => text,
                    Ok(None) => continue,
                    Err(why) => {
                        wrong.push(format!("{place}: {why}"));
                        continue;
                    }
                };
                let kind = format!("{} {}", block.language, block.marker.unwrap_or("file"));
                *counts.entry(kind).or_default() += 1;
                match Definition::parse(&keyless(&text), &name, &options) {
                    Err(mistakes) => wrong.push(format!("{place}: {mistakes}")),
                    Ok(definition) => {
                        // The documents of a page's knowledge are not there to be added.
                        let error = definition
                            .build()
                            .err()
                            .filter(|error| !error.to_string().contains("has no database yet"));
                        wrong.extend(error.map(|error| format!("{place}: {error:?}")));
                    }
                }
            }
        }
        none(&wrong);
        for kind in ["yaml file", "yaml steps", "yaml part", "json file"] {
            assert!(counts.get(kind).is_some_and(|count| *count > 0), "no {kind}: {counts:?}");
        }
    }
}
