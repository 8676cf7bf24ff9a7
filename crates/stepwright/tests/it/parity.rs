//! The tests that the page about Agno names exist.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The faults that the page names, from 1 to this number.
const FAULTS: usize = 58;

/// A test that the page names.
#[derive(Debug)]
struct Named {
    /// The crate, as in `engine: `. Where nothing is said, it may be any.
    of: Option<String>,
    /// The folders and files, in that order; `tests` among them are those of a source.
    modules: Vec<String>,
    name: String,
}

impl Named {
    /// `None` of whatever is no test.
    fn parse(of: Option<&str>, code: &str) -> Option<Self> {
        let word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let parts: Vec<String> = code.replace('/', "::").split("::").map(str::to_owned).collect();
        let (name, modules) = parts.split_last()?;
        let is_path = !modules.is_empty() && parts.iter().all(|part| word(part));
        is_path.then(|| Self {
            of: of.map(str::to_owned),
            modules: modules.to_vec(),
            name: name.clone(),
        })
    }

    fn is_there(&self) -> bool {
        let crates = match self.of.as_deref() {
            Some("facade") => vec![Path::new(ROOT).join("crates/stepwright")],
            Some(krate) => vec![Path::new(ROOT).join(format!("crates/stepwright-{krate}"))],
            None => {
                let all = Path::new(ROOT).join("crates").read_dir().unwrap();
                all.map(|entry| entry.unwrap().path()).collect()
            }
        };
        let files = crates.iter().flat_map(|krate| match self.modules.split_last() {
            Some((last, before)) if last == "tests" => {
                let module = krate.join("src").join(before.join("/"));
                [module.with_extension("rs"), module.join("mod.rs"), module.join("tests.rs")].into()
            }
            _ => {
                let module = krate.join("tests/it").join(self.modules.join("/"));
                let mut files = vec![module.with_extension("rs")];
                files.extend(sources_below(&module));
                files
            }
        });
        let sources = files.filter_map(|file| fs::read_to_string(file).ok());
        sources.into_iter().any(|source| has_test(&source, &self.name))
    }
}

fn sources_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let files =
        paths.flat_map(|path| if path.is_dir() { sources_below(&path) } else { vec![path] });
    files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Returns `true` if this is the name of a test, or stands in `columns!`, which makes tests.
fn has_test(source: &str, name: &str) -> bool {
    let is_function = source.match_indices(&format!("fn {name}()")).any(|(at, _)| {
        let above = source[..at].rsplit('\n').skip(1).map(str::trim);
        let mut attributes = above.take_while(|line| !line.is_empty() && *line != "}");
        attributes.any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
    });
    let columns = source.split_once("\ncolumns! {\n").and_then(|(_, rest)| rest.split_once("\n}"));
    let column = format!("{name}: \"");
    let is_column =
        || columns.is_some_and(|(all, _)| all.lines().any(|line| line.trim().starts_with(&column)));
    is_function || is_column()
}

/// Returns the inline code of this text, each with the crate that was named last before it.
fn codes(text: &str) -> Vec<(Option<&str>, &str)> {
    let (mut of, mut codes) = (None, Vec::new());
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            codes.push((of, part));
        } else if let Some(before) = part.trim_end().strip_suffix(':') {
            of = before.split([' ', '|']).next_back();
        }
    }
    codes
}

fn page() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/parity.md")).unwrap()
}

/// The number of a row about a fault, and what it says in its cells.
fn fault(line: &str) -> Option<(usize, Vec<&str>)> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<&str> = row.split(" | ").collect();
    Some((cells.first()?.parse().ok()?, cells))
}

#[test]
fn every_test_that_parity_names_is_there() {
    let page = page();
    // The line that describes the form of names is left out: "A test is named `module::test`".
    let lines = page.lines().filter(|line| fault(line).is_none() && !line.contains("`module::"));
    let named = lines.flat_map(codes);
    let named = named.filter_map(|(_, code)| Some((code, Named::parse(None, code)?)));
    let named: Vec<_> = named.collect();
    assert!(named.len() > 30, "{} tests are named", named.len());
    let missing = named.iter().filter(|(_, test)| !test.is_there()).map(|(code, _)| code);
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
}

#[test]
fn every_fault_has_its_row_and_every_row_its_tests() {
    let page = page();
    let rows: Vec<_> = page.lines().filter_map(fault).collect();
    let numbers = rows.iter().map(|(number, _)| *number);
    assert!(numbers.eq(1..=FAULTS), "they are numbered from 1 to {FAULTS}");
    let mut wrong = Vec::new();
    for (number, cells) in &rows {
        let [_, _, _, tests] = cells[..] else {
            wrong.push(format!("row {number} has {} cells", cells.len()));
            continue;
        };
        let codes = codes(tests);
        if codes.is_empty() {
            wrong.push(format!("row {number} names no test"));
        }
        for (of, code) in codes {
            let test = Named::parse(of, code);
            if of.is_none() || !test.is_some_and(|test| test.is_there()) {
                let of = of.unwrap_or("no crate");
                wrong.push(format!("row {number} names `{code}` of {of}, which is not there"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn tests_are_looked_for_where_they_are_said_to_be() {
    let is_there =
        |of: Option<&str>, code: &str| Named::parse(of, code).is_some_and(|test| test.is_there());
    for (of, code) in [
        ("facade", "parity::tests_are_looked_for_where_they_are_said_to_be"),
        ("engine", "matrix::every_output_can_be_edited"),
        ("core", "session::tests::a_history_does_not_grow_by_being_repeated"),
        ("file", "template::tests::values_become_text"),
        ("models", "wire/media::an_image_may_stay_where_it_is"),
        ("models", "wire::an_image_may_stay_where_it_is"),
    ] {
        assert!(is_there(Some(of), code), "{of}: {code}");
        assert!(is_there(None, code), "{code}");
        assert!(!is_there(Some("tools"), code), "it is not in `tools`: {code}");
        assert!(!is_there(Some(of), &format!("{code}s")), "it has another name: {code}s");
    }
    // A function that is no test, a module without one, and a word.
    for code in ["parity::page", "parity::tests::has_test", "parity"] {
        assert!(!is_there(Some("facade"), code), "{code}");
    }
}

#[test]
fn every_file_that_the_pages_link_to_is_there() {
    for page in ["docs/parity.md", "docs/coming-from-agno.md"] {
        let page = Path::new(ROOT).join(page);
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{} links to {link}", page.display());
        }
    }
}
