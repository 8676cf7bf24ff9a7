//! `stepwright check`.

use crate::args::Check;
use crate::exit::Exit;
use crate::input_text;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use stepwright::file::{Definition, Diagnostics, Options, Outline};
use stepwright::{Error, ErrorId};

/// The largest number of entries of the folders that are searched.
const ENTRIES_MAX: usize = 100_000;

/// The deepest folder that is searched, below the given one.
const DEPTH_MAX: usize = 32;

/// The largest workflow file that a search finds. Larger ones are data.
const FOUND_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The endings of workflow files.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Folders that are not searched, besides hidden ones: they have what others wrote.
const PASSED_OVER: [&str; 2] = ["node_modules", "target"];

/// The name of stdin in messages.
const STDIN: &str = "stdin";

/// The steps of a file without mistakes, and the warnings about it.
#[derive(Serialize)]
struct Tree<'a> {
    #[serde(flatten)]
    outline: &'a Outline,
    #[serde(skip_serializing_if = "Diagnostics::is_empty")]
    warnings: &'a Diagnostics,
}

/// The result of the check of a file.
struct Checked {
    name: String,
    definition: Result<Definition, Diagnostics>,
}

/// Checks files, and shows their steps or their mistakes.
pub(crate) fn check(arguments: &Check, stderr: Stderr) -> Exit {
    let options = match arguments.options() {
        Ok(options) => options,
        Err(mistakes) => {
            stderr.mistakes(&mistakes);
            return Exit::Usage;
        }
    };
    let checked = match all(arguments, &options) {
        Ok(checked) => checked,
        Err(error) => {
            stderr.error(&error);
            return Exit::of(&error);
        }
    };
    let mut stdout = Stdout::new();
    let is_one = matches!(arguments.files.as_slice(), [file] if !file.is_dir());
    if arguments.is_json() {
        match checked.as_slice() {
            // The form of one file is an older one than that of several.
            [one] if is_one => match &one.definition {
                Ok(definition) => {
                    let (outline, warnings) = (definition.explain(), definition.warnings());
                    stdout.write_json_pretty(&Tree { outline: &outline, warnings });
                }
                Err(mistakes) => stdout.write_json_pretty(mistakes),
            },
            several => {
                stdout.write_json_pretty(&several.iter().map(of_several).collect::<Vec<_>>());
            }
        }
    }
    for Checked { name, definition } in &checked {
        match definition {
            Ok(_) if arguments.is_json() => {}
            Ok(definition) => {
                if is_one {
                    stdout.write(&format!("{name}: ok\n{}", definition.explain()));
                } else {
                    stdout.write(&format!("{name}: ok, {}\n", definition.name()));
                }
                stderr.warnings(definition.warnings());
            }
            Err(mistakes) if arguments.is_json() => {
                if mistakes.left_out() > 0 {
                    let more = mistakes.left_out();
                    stderr.help(&format!("there are {more} more mistakes in `{name}`"));
                }
            }
            Err(mistakes) => stderr.mistakes(mistakes),
        }
    }
    let is_valid = checked.iter().all(|checked| checked.definition.is_ok());
    stdout.end(stderr, if is_valid { Exit::Completed } else { Exit::Usage })
}

/// Returns the result for one of several files as JSON.
fn of_several(checked: &Checked) -> Value {
    let to_json = |value: Result<Value, _>| value.unwrap_or_default();
    match &checked.definition {
        Ok(definition) => {
            let mut one = json!({
                "file": checked.name,
                "ok": true,
                "tree": to_json(serde_json::to_value(definition.explain())),
            });
            if !definition.warnings().is_empty() {
                one["warnings"] = to_json(serde_json::to_value(definition.warnings()));
            }
            one
        }
        Err(mistakes) => json!({
            "file": checked.name,
            "ok": false,
            "mistakes": to_json(serde_json::to_value(mistakes)),
        }),
    }
}

fn all(arguments: &Check, options: &Options) -> Result<Vec<Checked>, Error> {
    let mut checked = Vec::new();
    for file in &arguments.files {
        if file == Path::new("-") {
            let (text, _) = input_text::read_file(file)?;
            let definition = Definition::parse(&text, STDIN, options);
            checked.push(Checked { name: STDIN.to_owned(), definition });
            continue;
        }
        let files = if file.is_dir() { found_in(file)? } else { vec![file.clone()] };
        for file in files {
            let definition = Definition::read(&file, options);
            checked.push(Checked { name: file.display().to_string(), definition });
        }
    }
    Ok(checked)
}

/// Finds the workflow files in a folder and the folders below it, in the order of their names.
///
/// # Errors
/// If there are none, or the folder cannot be searched.
fn found_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let shown = folder.display();
    let wrong = |what: String| Error::usage(what).with_id(ErrorId::FILE_UNREADABLE);
    let (mut folders, mut found, mut seen) = (vec![(folder.to_owned(), 0)], Vec::new(), 0);
    while let Some((at, depth)) = folders.pop() {
        let entries = fs::read_dir(&at).map_err(|error| {
            wrong(format!("the folder `{}` cannot be read", at.display())).with_source(error)
        })?;
        for entry in entries.flatten() {
            seen += 1;
            if seen > ENTRIES_MAX {
                let what = format!("`{shown}` has more than {ENTRIES_MAX} files");
                return Err(wrong(what).with_hint("name a folder with fewer, or the files"));
            }
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            // A symbolic link is neither: it may lead out of the folder, or in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            let is_searched = !name.starts_with('.') && !PASSED_OVER.contains(&&*name);
            if kind.is_dir() && is_searched && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if kind.is_file() && is_workflow(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let what = format!("there is no workflow file in `{shown}`");
        let hint = "a workflow file ends with .yaml, .yml or .json, and has a `format`";
        return Err(wrong(what).with_hint(hint));
    }
    Ok(found)
}

/// Returns `true` if a file says that it is a workflow file: it has the key `format`, or `steps`
/// with a name.
fn is_workflow(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !ENDINGS.contains(&ending) || path.metadata().is_ok_and(|file| file.len() > FOUND_BYTES_MAX)
    {
        return false;
    }
    let Ok(text) = fs::read_to_string(path) else { return false };
    if ending == "json" {
        let keys: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
        let has = |key: &str| keys.as_ref().is_some_and(|keys| keys.contains_key(key));
        return has("format") && has("steps");
    }
    let has = |key: &str| {
        let rests = text.lines().filter_map(|line| line.strip_prefix(key));
        rests.into_iter().any(|rest| rest.trim_start().starts_with(':'))
    };
    has("format") && (has("steps") || has("name")) || (has("steps") && has("agents"))
}
