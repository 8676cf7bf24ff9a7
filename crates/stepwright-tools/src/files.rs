//! The `Files` toolkit: the files beneath a folder.

use crate::effects::{Names, READ, WRITE};
use crate::folder::acts;
use crate::folder::{Folder, Lines};
use crate::kit::{KitTool, blocking, mistake, told, with_note};
use regex::RegexBuilder;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::permission::{Effect, Verdict};
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext};

/// The largest part of a file that one call reads, in bytes. Models pay for every word.
pub const FILE_PART_BYTES_MAX: u64 = 200_000;

/// The largest file that is searched or changed, in bytes.
pub const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The largest number of names in a list of files.
pub const FILE_NAMES_MAX: usize = 1_000;

/// The largest number of files that one search reads.
pub const SEARCHED_FILES_MAX: usize = 5_000;

/// The largest number of lines that one search finds.
pub const FOUND_LINES_MAX: usize = 200;

/// The longest part of a line that a search shows, in characters.
const LINE_CHARS_MAX: usize = 300;

/// The largest size of a compiled regular expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A toolkit for the files beneath a folder: `read_file`, `list_files`, `find_files`,
/// `search_files`, and with [`Files::write`] also `write_file` and `patch_file`.
///
/// No path leaves the folder: not with `..`, an absolute path or a symbolic link. Permissions see
/// each call as reading or writing the file that it names.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Files;
/// let files = Files::beneath("notes").write(true);
/// let agent = Agent::builder("Clerk").model("offline")?.tool(files).build()?;
/// assert_eq!(agent.tools().len(), 6);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the toolkit does nothing until it is given to an agent: `.tool(Files::beneath(…))`"]
pub struct Files {
    dir: PathBuf,
    write: bool,
}

impl Files {
    /// Creates a toolkit for the files beneath this folder, which may only read.
    pub fn beneath(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), write: false }
    }

    /// Sets whether the model may write and change files. Default: no.
    pub fn write(mut self, on: bool) -> Self {
        self.write = on;
        self
    }
}

// A doc comment on these structs would become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    /// The path of the file, relative to the folder.
    path: String,
    /// The number of the first line to read, from 1. Default: 1.
    #[schemars(range(min = 1))]
    offset: Option<u64>,
    /// The number of lines to read. Default: as many as one answer may have.
    #[schemars(range(min = 1))]
    limit: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListFiles {
    /// The path of a directory, relative to the folder. Default: the folder itself.
    path: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindFiles {
    /// A pattern of paths, such as `**/*.md`. `*` stands for a part of a name, `**` for any number
    /// of directories.
    pattern: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchFiles {
    /// The text to look for, in each line.
    text: String,
    /// A pattern of the files to search, such as `src/**/*.rs`. Default: all files.
    pattern: Option<String>,
    /// `true` if the text is a regular expression.
    regex: Option<bool>,
    /// `true` if capital and small letters are the same.
    ignore_case: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteFile {
    /// The path of the file, relative to the folder. Missing directories are created.
    path: String,
    /// The whole text of the file. An earlier text is replaced.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PatchFile {
    /// The path of the file, relative to the folder.
    path: String,
    /// The text to replace, exactly as it stands in the file, with enough around it to occur once.
    old: String,
    /// The text to put there.
    new: String,
    /// `true` to replace every occurrence.
    all: Option<bool>,
}

/// The pattern of all files.
const ALL: &str = "**/*";

/// Stops work on another thread when the call that waits for it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Toolkit for Files {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        if self.dir.as_os_str().is_empty() {
            return Err(
                mistake("the folder of `Files` is empty").with_hint("name a folder, or `.`")
            );
        }
        Ok(tools(&Arc::new(Folder::new(Some(self.dir))), self.write))
    }
}

/// Returns the tools for a folder.
#[doc(hidden)]
pub fn tools(folder: &Arc<Folder>, write: bool) -> Vec<AnyTool> {
    let mut tools = vec![read(folder), list(folder), find(folder), search(folder)];
    if write {
        tools.extend([write_file(folder), patch(folder)]);
    }
    tools
}

/// Returns the access of a call to the file, or to the files of a pattern, that an argument names.
fn access(
    folder: &Arc<Folder>,
    names: Names,
    own: &'static str,
    argument: &'static str,
    default: Option<&'static str>,
) -> impl Fn(&Value, Option<&StepContext>) -> Option<Effect> + Send + Sync + 'static {
    let own_folder = folder.clone();
    move |arguments, cx| {
        let folder = match cx {
            Some(cx) => own_folder.of_step(cx).ok()?,
            None => Folder::clone(&own_folder),
        };
        let given = arguments.get(argument).and_then(Value::as_str);
        let path = given.or(default)?;
        let is_pattern = argument == "pattern";
        let effect = acts::file(names, &folder, path, is_pattern).ok()?;
        Some(effect.also(own))
    }
}

fn read(folder: &Arc<Folder>) -> AnyTool {
    let at = folder.clone();
    let tool = FunctionTool::new(
        "read_file",
        "Reads a text file, or some of its lines. A long file is read in parts.",
        move |args: ReadFile, cx: StepContext| {
            let folder = at.clone();
            blocking(move || {
                let folder = folder.of_step(&cx).map_err(told)?;
                let (first, most) = (args.offset.unwrap_or(1), args.limit.unwrap_or(u64::MAX));
                for (name, number) in [("offset", first), ("limit", most)] {
                    if number == 0 {
                        let wrong = format!("`{name}` must be at least 1");
                        return Err(ToolError::Arguments(wrong));
                    }
                }
                let lines = folder.read_lines(&args.path, first, most, FILE_PART_BYTES_MAX);
                Ok(lines_with_notes(first, lines.map_err(told)?))
            })
        },
    );
    KitTool::with_access_in(tool.read_only(), access(folder, READ, "read_file", "path", None))
}

/// Returns lines of a file, after notes about the part of the file that they are.
#[doc(hidden)]
pub fn lines_with_notes(first: u64, lines: Lines) -> String {
    let notes: Vec<String> = part(first, &lines).into_iter().chain(lines.note).collect();
    with_note(lines.text, (!notes.is_empty()).then(|| notes.join("; ")))
}

/// Tells the model which part of a file it has.
fn part(first: u64, lines: &Lines) -> Option<String> {
    if lines.count == 0 {
        return (first > 1).then(|| format!("the file has no line {first}"));
    }
    let last = first.saturating_add(lines.count - 1);
    let next = last.saturating_add(1);
    if lines.is_cut {
        return Some(format!(
            "line {first} is longer than {FILE_PART_BYTES_MAX} bytes, and is cut; go on with \
             `offset: {next}`"
        ));
    }
    if !lines.more {
        return (first > 1).then(|| format!("these are the lines from {first} to the end"));
    }
    Some(format!("these are the lines {first} to {last}; more follow: go on with `offset: {next}`"))
}

fn list(folder: &Arc<Folder>) -> AnyTool {
    let at = folder.clone();
    let tool = FunctionTool::new(
        "list_files",
        "Lists the files and directories in a directory. Names of directories end with `/`.",
        move |args: ListFiles, cx: StepContext| {
            let folder = at.clone();
            blocking(move || {
                let folder = folder.of_step(&cx).map_err(told)?;
                let path = args.path.unwrap_or_else(|| ".".into());
                let mut names = folder.list(&path).map_err(told)?;
                let count = names.len();
                names.truncate(FILE_NAMES_MAX);
                Ok(lines_of(&names, count))
            })
        },
    );
    KitTool::with_access_in(tool.read_only(), access(folder, READ, "list_files", "path", Some(".")))
}

fn lines_of(names: &[String], count: usize) -> String {
    if count == 0 {
        return "there is none".into();
    }
    let left = count - names.len();
    let mut text = names.join("\n");
    if left > 0 {
        let _ = write!(text, "\n[{left} more are left out: narrow the pattern]");
    }
    text
}

fn find(folder: &Arc<Folder>) -> AnyTool {
    let at = folder.clone();
    let tool = FunctionTool::new(
        "find_files",
        "Finds the files whose paths match a pattern. Hidden files are found only by name.",
        move |args: FindFiles, cx: StepContext| {
            let folder = at.clone();
            blocking(move || {
                let folder = folder.of_step(&cx).map_err(told)?;
                let mut paths = folder.find(&args.pattern, SEARCHED_FILES_MAX).map_err(told)?;
                paths.retain(|path| is_permitted(&folder, path, &cx));
                let count = paths.len();
                paths.truncate(FILE_NAMES_MAX);
                Ok(lines_of(&paths, count))
            })
        },
    );
    let access = access(folder, READ, "find_files", "pattern", None);
    KitTool::with_access_in(tool.read_only(), access)
}

/// Judges a file that a permitted pattern has found: a rule may deny it, and a link may lead to a
/// file that the pattern does not name.
fn is_permitted(folder: &Folder, path: &str, cx: &StepContext) -> bool {
    let Ok(effect) = acts::file(READ, folder, path, false) else { return false };
    match cx.verdict(&effect) {
        Verdict::Allow => true,
        Verdict::Ask => !acts::is_link(&effect),
        _ => false,
    }
}

fn search(folder: &Arc<Folder>) -> AnyTool {
    let at = folder.clone();
    let tool = FunctionTool::new(
        "search_files",
        "Finds the lines of files that contain a text. Gives them as `path:line: text`.",
        move |args: SearchFiles, cx: StepContext| {
            let folder = at.clone();
            async move {
                let stopped = Arc::new(AtomicBool::new(false));
                let _stop = StopOnDrop(stopped.clone());
                blocking(move || {
                    let folder = folder.of_step(&cx).map_err(told)?;
                    found(&args, &folder, &cx, &stopped)
                })
                .await
            }
        },
    );
    let access = access(folder, READ, "search_files", "pattern", Some(ALL));
    KitTool::with_access_in(tool.read_only(), access)
}

fn found(
    args: &SearchFiles,
    folder: &Folder,
    cx: &StepContext,
    stopped: &AtomicBool,
) -> Result<String, ToolError> {
    if args.text.is_empty() {
        return Err(ToolError::Arguments("`text` is empty".into()));
    }
    let plain = || regex::escape(&args.text);
    let pattern = if args.regex == Some(true) { args.text.clone() } else { plain() };
    let mut pattern = RegexBuilder::new(&pattern);
    pattern.case_insensitive(args.ignore_case == Some(true)).size_limit(PATTERN_BYTES_MAX);
    let pattern = pattern.build().map_err(|error| {
        ToolError::Arguments(format!("`text` is not a regular expression: {error}"))
    })?;
    let files = args.pattern.as_deref().unwrap_or(ALL);
    let paths = folder.find(files, SEARCHED_FILES_MAX).map_err(told)?;
    let (mut lines, mut left_out, mut more) = (Vec::new(), 0, false);
    'files: for path in paths {
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        cx.keep_alive();
        if !is_permitted(folder, &path, cx) {
            continue;
        }
        let Ok(text) = folder.read_whole(&path, FILE_BYTES_MAX) else {
            left_out += 1;
            continue;
        };
        // A file with such a byte is no text.
        if text.contains('\0') {
            continue;
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| pattern.is_match(line)) {
            if lines.len() == FOUND_LINES_MAX {
                more = true;
                break 'files;
            }
            let line: String = line.chars().take(LINE_CHARS_MAX).collect();
            lines.push(format!("{path}:{}: {line}", number + 1));
        }
    }
    let mut text = if lines.is_empty() { "nothing was found".into() } else { lines.join("\n") };
    if more {
        let _ = write!(text, "\n[there are more than {FOUND_LINES_MAX}: narrow the search]");
    }
    if left_out > 0 {
        let _ = write!(text, "\n[{left_out} files are too large, or cannot be read as text]");
    }
    Ok(text)
}

fn write_file(folder: &Arc<Folder>) -> AnyTool {
    let at = folder.clone();
    let tool = FunctionTool::new(
        "write_file",
        "Writes a text file. An existing file is replaced as a whole.",
        move |args: WriteFile, cx: StepContext| {
            let folder = at.clone();
            blocking(move || {
                let folder = folder.of_step(&cx).map_err(told)?;
                folder.write(&args.path, &args.text).map_err(told)?;
                Ok(format!("wrote {} bytes to `{}`", args.text.len(), args.path))
            })
        },
    );
    // Writing the same text again has the same result.
    KitTool::with_access_in(tool.idempotent(), access(folder, WRITE, "write_file", "path", None))
}

fn patch(folder: &Arc<Folder>) -> AnyTool {
    let at = folder.clone();
    let tool = FunctionTool::new(
        "patch_file",
        "Replaces a part of a text file. The old text must occur in the file exactly once.",
        move |args: PatchFile, cx: StepContext| {
            let folder = at.clone();
            blocking(move || patched(&args, &folder.of_step(&cx).map_err(told)?))
        },
    );
    // It acts: whether an interrupted change was made is a question.
    KitTool::with_access_in(tool, access(folder, WRITE, "patch_file", "path", None))
}

fn patched(args: &PatchFile, folder: &Folder) -> Result<String, ToolError> {
    let PatchFile { path, old, new, all } = args;
    if old.is_empty() {
        return Err(ToolError::Arguments("`old` is empty; to make a file, write it".into()));
    }
    let text = folder.read_whole(path, FILE_BYTES_MAX).map_err(told)?;
    let count = text.matches(old.as_str()).count();
    match count {
        0 => {
            let why = "`old` does not occur in the file; read the file, and copy the text exactly";
            return Err(ToolError::Failed(format!("`{path}` is unchanged: {why}")));
        }
        2.. if *all != Some(true) => {
            let why =
                format!("`old` occurs {count} times; add what stands around it, or set `all`");
            return Err(ToolError::Failed(format!("`{path}` is unchanged: {why}")));
        }
        _ => {}
    }
    folder.write(path, &text.replace(old.as_str(), new)).map_err(told)?;
    let places = if count == 1 { "one place".into() } else { format!("{count} places") };
    Ok(format!("changed `{path}` in {places}"))
}
