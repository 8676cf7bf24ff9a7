//! Checks the language of comments, messages and pages: it is plain, and names its actors.

use super::{File, files, has_extension, none};

/// Words with which no doc comment begins. Begin with a verb ("Returns") or a noun phrase instead.
const BEGINNINGS: [&str; 9] =
    ["How", "That", "What", "Whether", "Which", "Who", "Whoever", "Whom", "Whose"];

/// Words that hide the actor. Write who it is: the run, the driver, the reader, the caller.
const NAMELESS: [&str; 7] =
    ["anybody", "everybody", "nobody", "somebody", "someone", "whoever", "whomever"];

/// Folders of fixtures and of expected outputs, which stay as they are.
const EXCEPTED: [&str; 4] = ["/fixtures/", "/snapshots/", "examples/output/", "fuzz/corpus/"];

/// Files that stay as they are: the released changes, and this file, which has the words.
const ALONE: [&str; 2] = ["CHANGELOG.md", "crates/stepwright/tests/it/tidy/language.rs"];

/// The form of a text, which decides how it is read.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// Rust: comments and string literals.
    Source,
    /// Every line, but for inline code. Also scripts, whose comments and messages are most of them.
    Page,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `///` or `//!`.
    Doc,
    Comment,
    Literal,
}

/// A comment or a string literal of a source, without its delimiters.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'t> {
    kind: Kind,
    line: usize,
    text: &'t str,
}

/// Returns the comments and string literals of a source in order. Each line of a `//` comment is a
/// piece.
fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let is_in_word = source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (kind, length, text) = if rest.starts_with("//") {
            let whole = rest.lines().next().unwrap_or_default();
            let text = whole.trim_start_matches('/');
            match whole.len() - text.len() {
                3 => (Some(Kind::Doc), whole.len(), text),
                2 if text.starts_with('!') => (Some(Kind::Doc), whole.len(), &text[1..]),
                _ => (Some(Kind::Comment), whole.len(), text),
            }
        } else if rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            (Some(Kind::Comment), length, &rest[2..length.saturating_sub(2).max(2)])
        } else if let Some((length, text)) = raw_literal(rest).filter(|_| !is_in_word) {
            (Some(Kind::Literal), length, text)
        } else if c == '"' {
            let length = literal_length(rest, '"');
            (Some(Kind::Literal), length, &rest[1..length - 1])
        } else if c == '\'' && is_char_literal(rest) {
            (None, literal_length(rest, '\''), "")
        } else {
            (None, c.len_utf8(), "")
        };
        pieces.extend(kind.map(|kind| Piece { kind, line, text }));
        line += rest[..length].matches('\n').count();
        at += length;
    }
    pieces
}

/// Returns the length and the content of a raw string literal at the start of `rest`.
fn raw_literal(rest: &str) -> Option<(usize, &str)> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let after = &rest[prefix.len()..];
    let text = after.trim_start_matches('#');
    let hashes = &after[..after.len() - text.len()];
    let text = text.strip_prefix('"')?;
    let end = format!("\"{hashes}");
    let length = text.find(&end)?;
    Some((prefix.len() + 2 * hashes.len() + 2 + length, &text[..length]))
}

/// Returns the length of a literal with escapes, with both quotes.
fn literal_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.expect("the sources compile").0 + 1
}

/// Tells a character literal from a lifetime.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

fn nameless_word(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find(|word| NAMELESS.contains(&&*word.to_lowercase()))
}

fn faulty_beginning(text: &str) -> Option<&str> {
    let word = text.trim_start().split(|c: char| !c.is_alphanumeric()).next()?;
    BEGINNINGS.contains(&word).then_some(word)
}

/// Returns the faults of a Rust source, each with its line.
fn faults_of_source(source: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    // The doc line before: its number, and `true` if a sentence begins after it.
    let mut before = (0, true);
    for Piece { kind, line, text } in pieces(source) {
        if kind == Kind::Doc {
            let begins = before.0 + 1 != line || before.1;
            if let Some(word) = faulty_beginning(text).filter(|_| begins) {
                faults.push((line, format!("a doc comment begins with `{word}`")));
            }
            let is_blank = text.trim().is_empty() && begins;
            before = (line, is_blank || text.trim_start().starts_with("# "));
        }
        // A literal of one word is a name and no message: the user `nobody`, for one.
        let is_shown = kind != Kind::Literal || text.contains(' ');
        if let Some(word) = nameless_word(text).filter(|_| is_shown) {
            faults.push((line, format!("`{word}` hides the actor")));
        }
    }
    faults
}

/// Returns the faults of a page, each with its line. Inline code may name anything.
fn faults_of_page(page: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        let prose = line.split('`').step_by(2).filter_map(nameless_word);
        faults.extend(prose.map(|word| (number, format!("`{word}` hides the actor"))));
    }
    faults
}

fn faults() -> Vec<String> {
    let mut faults = Vec::new();
    for File { path, text } in files() {
        let found = match form(&path) {
            Some(Form::Source) => faults_of_source(&text),
            Some(Form::Page) => faults_of_page(&text),
            None => Vec::new(),
        };
        faults.extend(found.into_iter().map(|(line, fault)| format!("{path}:{line}: {fault}")));
    }
    faults
}

/// Returns the form in which a file is read. `None` for fixtures, expected outputs, released change
/// logs and this list of words.
fn form(path: &str) -> Option<Form> {
    if ALONE.contains(&path) || EXCEPTED.iter().any(|folder| path.contains(folder)) {
        return None;
    }
    let of_crate = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
    let (top, rest) = of_crate.map_or(("", path), |(_, rest)| ("crates", rest));
    let folder = rest.split_once('/').map_or("", |(folder, _)| folder);
    let is = |extension| has_extension(path, extension);
    let is_page = match (top, folder) {
        ("crates", "src" | "tests" | "benches") | ("", "examples" | "fuzz") if is("rs") => {
            return Some(Form::Source);
        }
        ("", "examples" | "fuzz") => is("toml") || is("yaml"),
        ("", "scripts") => true,
        ("", "") => is("md") || is("sh") || path == "justfile",
        ("", "docs" | "changes") | ("crates", "docs") => is("md"),
        _ => false,
    };
    is_page.then_some(Form::Page)
}

#[test]
fn comments_messages_and_pages_are_written_plainly() {
    none(&faults());
}

#[test]
fn faults_are_found_in_comments_and_messages_and_not_in_code() {
    let source = r##"//! What it is.
//! How goes on.

/// Returns nothing. Whoever reads this
/// # Errors
///
/// Which error it is.
fn nobody<'a>(somebody: &'a str) -> char {
    // Asks somebody.
    let quote = '"'; let other = '\''; let word = "nobody";
    let message = "nobody \" waits"; /* everybody */
    let raw = r#"someone "is" here"#; let bytes = br"anybody is"; let br = whoever;
    'x'
}
"##;
    let found = faults_of_source(source);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 4, 7, 9, 11, 11, 12, 12], "{found:?}");
    let page = "Whoever reads\n`nobody` is a user\n```\nerror: nobody waits\n```\n";
    let lines: Vec<usize> = faults_of_page(page).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 4]);
}

#[test]
fn sources_tests_examples_and_scripts_are_read_and_fixtures_are_not() {
    for path in [
        "crates/stepwright/src/lib.rs",
        "crates/stepwright/tests/it/tidy.rs",
        "crates/stepwright-engine/tests/ui/not_a_step.rs",
        "crates/stepwright-engine/benches/figures.rs",
        "examples/01_basic.rs",
        "fuzz/fuzz_targets/file.rs",
    ] {
        assert_eq!(form(path), Some(Form::Source), "{path}");
    }
    for path in [
        "README.md",
        "docs/adr/0001-a.md",
        "changes/unreleased/a.md",
        "crates/stepwright-macros/docs/a.md",
        "examples/approval.yaml",
        "fuzz/Cargo.toml",
        "scripts/mutants.py",
        "justfile",
        "test.sh",
    ] {
        assert_eq!(form(path), Some(Form::Page), "{path}");
    }
    for path in [
        "CHANGELOG.md",
        "crates/stepwright/tests/it/tidy/language.rs",
        "crates/stepwright-file/tests/it/mistakes/agents.txt",
        "crates/stepwright-store/tests/fixtures/a.rs",
        "crates/stepwright-term/tests/snapshots/article.txt",
        "examples/output/01_basic.txt",
        "fuzz/corpus/file/approval.yaml",
    ] {
        assert_eq!(form(path), None, "{path}");
    }
}
