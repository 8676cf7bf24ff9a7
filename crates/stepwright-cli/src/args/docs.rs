//! Tests that the command line accepts every `stepwright` command in the docs and in the help.

use super::Arguments;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The characters that end a command in a shell line.
const ENDS: [char; 4] = ['|', ';', '&', '\n'];

/// Splits a shell line into simple commands, and each of these into words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let (mut word, mut quote, mut skips_word) = (None::<String>, None, false);
    let mut chars = line.chars().peekable();
    loop {
        let c = chars.next().unwrap_or('\n');
        match (c, quote) {
            ('\n', _) if chars.peek().is_none() => {
                words.extend(word.take().filter(|_| !skips_word));
                commands.push(words);
                return commands;
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', Some('"') | None) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // The rest is a comment.
            ('#', None) if word.is_none() => while chars.next().is_some() {},
            // A redirection takes the next word.
            ('<' | '>', None) => {
                words.extend(word.take());
                skips_word = true;
            }
            (c, None) if c.is_whitespace() || ENDS.contains(&c) => {
                let ended = word.take();
                let is_target = ended.is_some() && std::mem::take(&mut skips_word);
                words.extend(ended.filter(|_| !is_target));
                if ENDS.contains(&c) {
                    commands.push(std::mem::take(&mut words));
                }
            }
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
}

/// Returns the arguments of `stepwright` in a command that runs it directly or through cargo.
fn arguments(words: &[String]) -> Option<Vec<&str>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = &words[words.iter().take_while(|word| is_assignment(word)).count()..];
    match *words.first()? {
        "stepwright" => Some(words[1..].to_vec()),
        "cargo" if words.contains(&"stepwright-cli") && words.contains(&"run") => {
            let end = words.iter().position(|word| *word == "--")?;
            Some(words[end + 1..].to_vec())
        }
        _ => None,
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Parses the commands of a line, collects their mistakes, and returns their number. Prose may
/// mention a command without its arguments, such as `stepwright show`.
fn check(line: &str, is_mention: bool, place: &str, wrong: &mut Vec<String>) -> u32 {
    use ErrorKind as E;
    let mut count = 0;
    for words in commands(line) {
        let Some(arguments) = arguments(&words) else { continue };
        count += 1;
        let parsed = Arguments::try_parse_from(["stepwright"].into_iter().chain(arguments));
        let Err(error) = parsed else { continue };
        let is_accepted = match error.kind() {
            E::DisplayHelp | E::DisplayVersion => true,
            E::MissingRequiredArgument | E::DisplayHelpOnMissingArgumentOrSubcommand => is_mention,
            _ => false,
        };
        if !is_accepted {
            wrong.push(format!("{place}: {line}\n{error}"));
        }
    }
    count
}

fn pages() -> Vec<PathBuf> {
    fn walk(folder: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, pages);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    for page in ["README.md", "CONTRIBUTING.md", "STABILITY.md", "ARCHITECTURE.md"] {
        pages.push(Path::new(ROOT).join(page));
    }
    walk(&Path::new(ROOT).join("docs"), &mut pages);
    walk(&Path::new(ROOT).join("changes"), &mut pages);
    pages
}

#[test]
fn every_command_on_the_pages_is_accepted() {
    let (mut wrong, mut counts) = (Vec::new(), BTreeMap::<&str, u32>::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let place = page.display().to_string();
        let mut language = None;
        // A line that ends with a backslash continues on the next line.
        for line in text.replace("\\\n", " ").lines() {
            if let Some(name) = line.strip_prefix("```") {
                language = if language.is_some() { None } else { Some(name.to_owned()) };
                continue;
            }
            let (kind, found): (_, Vec<&str>) = match language.as_deref() {
                Some("console") => ("console", line.strip_prefix("$ ").into_iter().collect()),
                Some("sh") => ("sh", vec![line]),
                // A heading has a synopsis, not a command.
                Some(_) => continue,
                None if line.starts_with('#') => continue,
                // Every second part is between backticks.
                None => ("inline", line.split('`').skip(1).step_by(2).collect()),
            };
            for line in found {
                let is_mention = kind == "inline";
                *counts.entry(kind).or_default() += check(line, is_mention, &place, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for kind in ["console", "sh", "inline"] {
        assert!(counts.get(kind).is_some_and(|count| *count > 0), "no {kind}: {counts:?}");
    }
}

#[test]
fn every_command_in_the_help_is_accepted() {
    fn walk(command: &mut clap::Command, wrong: &mut Vec<String>) -> u32 {
        let help = command.render_long_help().to_string();
        let examples = help.lines().filter(|line| line.starts_with("  "));
        let mut count =
            examples.map(|line| check(line.trim(), false, command.get_name(), wrong)).sum::<u32>();
        for inner in command.get_subcommands_mut() {
            count += walk(inner, wrong);
        }
        count
    }
    let mut wrong = Vec::new();
    let count = walk(&mut Arguments::command(), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "only {count} commands were found in the help");
}

#[test]
fn lines_are_split_as_a_shell_does() {
    let split = |line| commands(line).into_iter().filter(|words| !words.is_empty());
    let words = |line| split(line).map(|words| words.join("·")).collect::<Vec<_>>();
    assert_eq!(
        words("git diff | stepwright run a.yaml --input-file - > b.md"),
        ["git·diff", "stepwright·run·a.yaml·--input-file·-"]
    );
    assert_eq!(words("stepwright show r-7  # what waits"), ["stepwright·show·r-7"]);
    assert_eq!(
        words("stepwright run a \"b c\" 'd\"e' & echo $?"),
        ["stepwright·run·a·b c·d\"e", "echo·$?"]
    );
    assert_eq!(words("X=1 stepwright runs --db a\\ b"), ["X=1·stepwright·runs·--db·a b"]);
    assert_eq!(arguments(&["X=1", "stepwright", "runs"].map(String::from)), Some(vec!["runs"]));
}
