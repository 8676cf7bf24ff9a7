//! Checks that the files of a crate import each other in one direction: each file can be read, and
//! changed, after the files that it imports.
//!
//! Paths from `crate` and `super` count, in imports and in code, and re-exports are followed to the
//! file with the definition. A module may use the files beneath it, of which it is made, and tests
//! may use everything.

use super::{File, none, sources};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

/// The longest chain of re-exports that is followed.
const EXPORTS_MAX: usize = 8;

/// Segments of a path, from the root of the crate.
type Path = Vec<String>;

/// The names in the imports of each file, by the file that has their definitions.
type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The paths in a source.
#[derive(Default)]
struct Paths {
    /// The paths from `crate` and `super`.
    named: Vec<Path>,
    /// The names that it imports, and perhaps exports again, with the paths that they stand for.
    imported: Vec<(String, Path)>,
    /// The files beneath it that hold tests.
    tests: Vec<Path>,
}

impl Paths {
    /// Reads a formatted source: the end of a module has the indentation of its beginning.
    fn of(module: &[String], text: &str) -> Self {
        let mut paths = Self::default();
        // The modules within the file around a line, with their indentations.
        let mut within: Vec<(usize, String)> = Vec::new();
        let (mut is_attribute, mut is_test, mut test_indent) = (false, false, None);
        let mut import = String::new();
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let indent = code.len() - code.trim_start().len();
            let code = code.trim();
            if code.is_empty() || test_indent.is_some_and(|begun| is_within(code, indent, begun)) {
                continue;
            }
            if test_indent.take() == Some(indent) && code.starts_with('}') {
                continue;
            }
            if is_attribute || code.starts_with("#[") {
                is_attribute = !code.ends_with(']');
                is_test |= code.starts_with("#[cfg(test") || code.starts_with("#[cfg(all(test");
                continue;
            }
            let item = without_visibility(code);
            let inner = item.strip_prefix("mod ").and_then(|name| name.strip_suffix(" {"));
            if std::mem::take(&mut is_test) {
                if let Some(file) = item.strip_prefix("mod ").and_then(|it| it.strip_suffix(';')) {
                    paths.tests.push([module, &[file.to_owned()]].concat());
                }
                test_indent = (!code.ends_with([';', ',', '}'])).then_some(indent);
            } else if let Some(name) = inner {
                within.push((indent, name.to_owned()));
            } else if code == "}" && within.last().is_some_and(|(begun, _)| *begun == indent) {
                within.pop();
            } else if !import.is_empty() || item.starts_with("use ") {
                import.push_str(code);
                import.push(' ');
                if code.ends_with(';') {
                    paths.import(module, &within, &std::mem::take(&mut import));
                }
            } else {
                let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let words = code.split(|c| !is_of_path(c));
                paths.named.extend(words.filter_map(|word| from_root(module, &within, word)));
            }
        }
        paths
    }

    fn import(&mut self, module: &[String], within: &[(usize, String)], import: &str) {
        let tree = without_visibility(import).trim_start_matches("use ");
        let mut written = Vec::new();
        branches("", tree.trim_end_matches([' ', ';']), &mut written);
        for written in written {
            let (path, name) = written.split_once(" as ").unwrap_or((&written, ""));
            let path = path.strip_suffix("::self").unwrap_or(path);
            let from_root = from_root(module, within, path);
            if within.is_empty() {
                let name = if name.is_empty() { path.rsplit("::").next() } else { Some(name) };
                let beneath = path.strip_prefix("self::").unwrap_or(path).split("::");
                let beneath = module.iter().cloned().chain(beneath.map(str::to_owned));
                let path = from_root.clone().unwrap_or_else(|| beneath.collect());
                self.imported.push((name.unwrap_or_default().to_owned(), path));
            }
            self.named.extend(from_root);
        }
    }
}

/// Returns `true` for a line of an item that began with this indentation, but for its last line.
fn is_within(code: &str, indent: usize, begun: usize) -> bool {
    indent > begun || (indent == begun && (code.starts_with(')') || code.starts_with("where")))
}

fn without_visibility(code: &str) -> &str {
    let Some(rest) = code.strip_prefix("pub") else { return code };
    let rest = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((_, rest)) => rest,
        None => rest,
    };
    rest.strip_prefix(' ').unwrap_or(code)
}

/// Adds the paths of a tree such as `crate::{a, b::{C, D as E}}`.
fn branches(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        paths.extend((!tree.is_empty()).then(|| format!("{prefix}{tree}")));
        return;
    };
    let prefix = format!("{prefix}{before}");
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches(&prefix, &inner[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    branches(&prefix, &inner[from..], paths);
}

/// Returns the segments of a path that begins with `crate` or `super`.
fn from_root(module: &[String], within: &[(usize, String)], path: &str) -> Option<Path> {
    let mut segments = path.split("::").filter(|segment| !segment.is_empty()).peekable();
    let mut absolute = match *segments.peek()? {
        "crate" => Vec::new(),
        "super" => module.iter().chain(within.iter().map(|(_, name)| name)).cloned().collect(),
        _ => return None,
    };
    for segment in segments {
        match segment {
            "crate" => {}
            "super" => drop(absolute.pop()),
            name => absolute.push(name.to_owned()),
        }
    }
    (!absolute.is_empty()).then_some(absolute)
}

/// The modules of a crate.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Path, String>,
    /// The names in modules that stand for other paths.
    imported: BTreeMap<Path, Path>,
}

impl Modules {
    /// Returns the module whose file has the definition at `path`.
    fn definition(&self, path: &[String]) -> Option<&Path> {
        let mut path = path.to_vec();
        for _ in 0..EXPORTS_MAX {
            let module = self.module(&path)?;
            // A module goes before a function of its name.
            match path.get(..=module.len()).and_then(|name| self.imported.get(name)) {
                Some(to) => path = [to, &path[module.len() + 1..]].concat(),
                None => break,
            }
        }
        self.module(&path)
    }

    /// Returns the innermost module around `path` that has a file.
    fn module(&self, path: &[String]) -> Option<&Path> {
        let mut prefixes = (0..=path.len()).rev().map(|length| &path[..length]);
        prefixes.find_map(|prefix| self.files.get_key_value(prefix)).map(|(module, _)| module)
    }
}

/// Returns the imports of a crate's files. The paths of the files begin after `src/`.
fn imports(sources: &[(String, String)]) -> Imports {
    let (mut modules, mut paths, mut tests) = (Modules::default(), BTreeMap::new(), Vec::new());
    for (file, text) in sources {
        let stem = file.strip_suffix(".rs").unwrap_or(file);
        let mut module: Path = stem.split('/').map(str::to_owned).collect();
        module.pop_if(|last| matches!(&**last, "lib" | "main" | "mod"));
        let found = Paths::of(&module, text);
        tests.extend(found.tests.clone());
        modules.files.insert(module.clone(), file.clone());
        paths.insert(module, found);
    }
    for (module, found) in &paths {
        for (name, path) in &found.imported {
            modules.imported.insert([&**module, std::slice::from_ref(name)].concat(), path.clone());
        }
    }
    let mut imports = Imports::new();
    for (module, found) in &paths {
        if tests.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        let of_file = imports.entry(modules.files[module].clone()).or_default();
        for path in &found.named {
            if let Some(from) = modules.definition(path).filter(|from| !from.starts_with(module)) {
                let names: &mut BTreeSet<String> =
                    of_file.entry(modules.files[from].clone()).or_default();
                names.insert(path.join("::"));
            }
        }
    }
    imports
}

/// Returns the shortest circle: files of which each imports the next, and the last the first.
fn circle(imports: &Imports) -> Option<Vec<&str>> {
    let circles = imports.keys().filter_map(|first| {
        let mut waiting = VecDeque::from([vec![&**first]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = waiting.pop_front() {
            for next in imports.get(*way.last()?).into_iter().flat_map(BTreeMap::keys) {
                if next == first {
                    return Some(way);
                }
                if seen.insert(next) {
                    waiting.push_back([&*way, &[&**next]].concat());
                }
            }
        }
        None
    });
    circles.min_by_key(Vec::len)
}

/// Describes the shortest circle of a crate, if it has one.
fn described(krate: &str, imports: &Imports) -> Option<String> {
    let circle = circle(imports)?;
    let mut text = format!("the files of {krate} import each other in a circle:");
    for (at, file) in circle.iter().enumerate() {
        let next = circle[(at + 1) % circle.len()];
        let names: Vec<&str> = imports[*file][next].iter().map(String::as_str).collect();
        let _ = write!(text, "\n  {file} imports `{}` from {next}", names.join("`, `"));
    }
    Some(text)
}

#[test]
fn files_of_a_crate_import_each_other_in_one_direction() {
    let mut crates: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for File { path, text } in sources() {
        let place = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/"));
        if let Some((krate, file)) = place {
            crates.entry(krate.to_owned()).or_default().push((file.to_owned(), text));
        }
    }
    assert!(crates.len() > 8, "the crates were not found");
    let mut wrong = Vec::new();
    for (krate, sources) in &crates {
        wrong.extend(described(krate, &imports(sources)));
    }
    none(&wrong);
}

fn circle_in(sources: &[(&str, &str)]) -> Option<String> {
    let owned = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
    described("it", &imports(&sources.iter().map(owned).collect::<Vec<_>>()))
}

#[test]
fn circles_are_found_however_the_path_is_written() {
    let a = ("a.rs", "use crate::b::B;\n");
    for back in [
        "use crate::a::A;",
        "use super::a::A;",
        "pub(crate) use super::a::A as Other;",
        "use crate::{\n    a::{A, Other}, // one\n    c,\n};",
        "use crate::a;",
        "use crate::a::{self};",
        "use crate::A;",
        "use crate::Renamed;",
        "use super::c::A;",
        "fn b() -> Option<crate::a::A> {}",
        "fn b() {\n    super::a::f::<u8>();\n}",
        "mod inner {\n    use super::super::a::A;\n}",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}\nuse crate::a::A;",
        "#[cfg(test)]\nmod test;\n\nuse crate::a::A;",
        "struct B {\n    #[cfg(test)]\n    b: u8,\n    a: crate::a::A,\n}",
        "#[cfg(unix)]\nuse crate::a::A;",
    ] {
        let root = "mod a;\nmod b;\nmod c;\npub use a::{A, Other as Renamed};\n";
        let c = "pub(crate) use crate::a::A;\n";
        let found = circle_in(&[("lib.rs", root), a, ("b.rs", back), ("c.rs", c)]);
        let found = found.unwrap_or_else(|| panic!("no circle with {back}"));
        assert!(found.contains("\n  a.rs imports `b::B` from b.rs\n  b.rs imports `"), "{found}");
    }
}

#[test]
fn circles_of_several_files_and_within_folders_are_found() {
    let sources = [
        ("a/mod.rs", "mod one;\nmod two;\npub(crate) use one::One;\nuse two::Two;\n"),
        ("a/one.rs", "use super::Two;\n"),
        ("a/two.rs", "use crate::b::B;\n"),
        ("b.rs", "use crate::a::One;\n"),
    ];
    assert_eq!(
        circle_in(&sources).unwrap(),
        "the files of it import each other in a circle:\n  \
         a/one.rs imports `a::Two` from a/two.rs\n  \
         a/two.rs imports `b::B` from b.rs\n  \
         b.rs imports `a::One` from a/one.rs"
    );
}

#[test]
fn tests_comments_other_crates_and_files_beneath_are_no_circle() {
    let b = r#"//! Of `crate::a::A`.
use other::a::A;

// use crate::a::A;
/// See [`A`](crate::a::A).
mod inner {
    use super::B;
}

#[cfg(test)]
use crate::a::A;

struct B {
    #[cfg(test)]
    a: crate::a::A,
}

#[cfg(test)]
fn b(
    a: crate::a::A,
) -> crate::a::A {
    a
}

#[cfg(all(test, unix))]
#[expect(
    clippy::pedantic,
    reason = "a line of its own",
)]
mod tests {
    use super::inner;
    use crate::a::A;
}
"#;
    let sources = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::{A, b};\npub use other::B;\n"),
        ("a.rs", "use crate::b::B;\n#[cfg(test)]\nmod tests;\n"),
        ("a/tests.rs", "use super::*;\n"),
        ("b.rs", b),
        ("c/mod.rs", "mod d;\nuse crate::a::A;\nuse d::D;\nfn c() {\n    crate::c::d::f();\n}\n"),
        ("c/d.rs", "use super::C;\n"),
    ];
    assert_eq!(circle_in(&sources), None);
}
