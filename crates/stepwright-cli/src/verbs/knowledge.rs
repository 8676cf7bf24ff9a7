//! `stepwright knowledge`.

use crate::args::{BaseOf, Knowledge};
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use stepwright::file::{KnowledgeBase, KnowledgeProgress, KnowledgeUpdated};
use stepwright::knowledge::{Knowledge as _, Passage, SourceInfo};
use stepwright::term::harmless;
use stepwright::{Error, ErrorId, Timestamp, real_world};

/// The milliseconds between two lines of progress at a terminal.
const REDRAWN_MS: u64 = 100;

/// The milliseconds between two notes of progress in a log.
const NOTED_MS: u64 = 10_000;

/// Fills, lists and searches the knowledge bases of a workflow file.
pub(crate) fn knowledge(command: &Knowledge, stderr: Stderr) -> Exit {
    carried_out(command, stderr).unwrap_or_else(|exit| exit)
}

fn carried_out(command: &Knowledge, stderr: Stderr) -> Result<Exit, Exit> {
    let (base, json) = match command {
        Knowledge::Update { base, told }
        | Knowledge::Add { base, told, .. }
        | Knowledge::Remove { base, told, .. }
        | Knowledge::List { base, told }
        | Knowledge::Search { base, told, .. } => (base, told.json),
    };
    let definition = open::definition(&base.definition(), stderr, false)?;
    let runtime = open::runtime(stderr)?;
    let done = runtime.block_on(async {
        let all: Vec<KnowledgeBase> = definition.knowledge().collect();
        match command {
            Knowledge::Update { .. } => update(&several(all, base)?, json, stderr).await,
            Knowledge::List { .. } => list(&several(all, base)?, json, stderr).await,
            Knowledge::Add { documents, .. } => {
                add(&one(all, base)?, documents, json, stderr).await
            }
            Knowledge::Remove { documents, .. } => {
                remove(&one(all, base)?, documents, json, stderr).await
            }
            Knowledge::Search { query, limit, .. } => {
                search(&one(all, base)?, (query, *limit), json, stderr).await
            }
        }
    });
    done.map_err(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })
}

/// Returns the knowledge base that is named, or all of them.
fn several(all: Vec<KnowledgeBase>, wanted: &BaseOf) -> Result<Vec<KnowledgeBase>, Error> {
    if all.is_empty() || wanted.name.is_some() {
        return one(all, wanted).map(|base| vec![base]);
    }
    Ok(all)
}

/// Returns the knowledge base that is named, or the only one.
fn one(all: Vec<KnowledgeBase>, wanted: &BaseOf) -> Result<KnowledgeBase, Error> {
    let file = wanted.file.display();
    let names: Vec<String> = all.iter().map(|base| format!("`{}`", base.name())).collect();
    let names = names.join(", ");
    let found = match &wanted.name {
        Some(name) => all.into_iter().find(|base| base.name() == name),
        None if all.len() == 1 => all.into_iter().next(),
        None => None,
    };
    found.ok_or_else(|| {
        let (what, hint) = match (&wanted.name, names.as_str()) {
            (_, "") => (
                format!("`{file}` has no knowledge base"),
                "declare one under `knowledge:`, with a `database` and `sources`".to_owned(),
            ),
            (Some(name), names) => {
                (format!("`{file}` has no knowledge base `{name}`"), format!("it has {names}"))
            }
            (None, names) => (
                format!("`{file}` has several knowledge bases: {names}"),
                "name one of them: `--name NAME`".to_owned(),
            ),
        };
        Error::usage(what).with_id(ErrorId::NAME_UNKNOWN).with_hint(hint)
    })
}

/// The progress of an update: a line that is redrawn at a terminal, and now and then a note in a
/// log.
struct Shown {
    stderr: Stderr,
    /// The time of the last line.
    last: Mutex<Timestamp>,
}

impl Shown {
    fn new(stderr: Stderr) -> Self {
        Self { stderr, last: Mutex::new(real_world().now()) }
    }

    fn show(&self, base: &str, progress: KnowledgeProgress<'_>) {
        let redraws = self.stderr.terminal.redraws;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, pause) = (real_world().now(), if redraws { REDRAWN_MS } else { NOTED_MS });
        if now.0.saturating_sub(last.0) < pause {
            return;
        }
        *last = now;
        let KnowledgeProgress { source, nth, documents, embedded, chunks, .. } = progress;
        let mut text = format!("{base}: {nth} of {documents}, {}", harmless(source));
        if chunks > 0 {
            let _ = write!(text, ", {embedded} of {chunks} chunks embedded");
        }
        if redraws {
            let text = self.stderr.terminal.cut(&text);
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[2K{text}");
        } else {
            self.stderr.note(&text);
        }
    }

    /// Removes the line.
    fn end(&self) {
        if self.stderr.terminal.redraws {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[2K");
        }
    }
}

async fn update(bases: &[KnowledgeBase], json: bool, stderr: Stderr) -> Result<Exit, Error> {
    let mut done = Vec::new();
    for base in bases {
        let shown = Shown::new(stderr);
        let updated = base.update(&|progress| shown.show(base.name(), progress)).await;
        shown.end();
        done.push((base, updated?));
    }
    Ok(told(&done, json, stderr))
}

async fn add(
    base: &KnowledgeBase,
    documents: &[PathBuf],
    json: bool,
    stderr: Stderr,
) -> Result<Exit, Error> {
    let shown = Shown::new(stderr);
    let added = base.add(documents, &|progress| shown.show(base.name(), progress)).await;
    shown.end();
    Ok(told(&[(base, added?)], json, stderr))
}

fn told(done: &[(&KnowledgeBase, KnowledgeUpdated)], json: bool, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    if json {
        let all = done.iter().map(|(base, updated)| {
            let mut told = json!(updated);
            told["name"] = json!(base.name());
            told["database"] = json!(base.database());
            told
        });
        stdout.write_json_pretty(&all.collect::<Vec<Value>>());
        return stdout.end(stderr, Exit::Completed);
    }
    let mut text = String::new();
    for (base, updated) in done {
        let KnowledgeUpdated { new, updated, removed, unchanged, empty, chunks, .. } = updated;
        for (mark, sources) in [("+", new), ("~", updated), ("-", removed)] {
            for source in sources {
                let _ = writeln!(text, "{mark} {}", harmless(source));
            }
        }
        for source in empty {
            stderr.note(&format!("`{}` has no text and is left out", harmless(source)));
        }
        let (new, updated, removed) = (new.len(), updated.len(), removed.len());
        let _ = writeln!(
            text,
            "{}: {new} new, {updated} updated, {removed} removed, {unchanged} unchanged; {chunks} \
             chunks written",
            base.name(),
        );
    }
    let text = stdout.readable(text);
    stdout.write(&text);
    stdout.end(stderr, Exit::Completed)
}

async fn remove(
    base: &KnowledgeBase,
    documents: &[String],
    json: bool,
    stderr: Stderr,
) -> Result<Exit, Error> {
    let knowledge = base.open().await?;
    let known: Vec<String> =
        knowledge.sources().await?.into_iter().map(|info| info.source).collect();
    // All or nothing: a mistake in one name removes no other.
    if let Some(unknown) = documents.iter().find(|source| !known.contains(source)) {
        let error = Error::usage(format!("`{}` has no document `{unknown}`", base.name()));
        let file = "`stepwright knowledge list FILE` shows the names";
        return Err(error.with_id(ErrorId::NAME_UNKNOWN).with_hint(file));
    }
    for source in documents {
        knowledge.remove(source).await?;
    }
    let mut stdout = Stdout::new();
    if json {
        stdout.write_json_pretty(&json!({ "name": base.name(), "removed": documents }));
    } else {
        let mut lines = String::new();
        for source in documents {
            let _ = writeln!(lines, "- {source}");
        }
        let lines = stdout.readable(lines);
        stdout.write(&lines);
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

async fn list(bases: &[KnowledgeBase], json: bool, stderr: Stderr) -> Result<Exit, Error> {
    let mut stdout = Stdout::new();
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for base in bases {
        let documents = base.open().await?.sources().await?;
        let row = |info: &SourceInfo| {
            let SourceInfo { source, kind, hash, chunks } = info;
            let hash = hash.chars().take(12).collect();
            [base.name().to_owned(), source.clone(), kind.clone(), chunks.to_string(), hash]
        };
        rows.extend(documents.iter().map(row));
        let documents = documents.iter().map(|SourceInfo { source, kind, hash, chunks }| {
            json!({ "source": source, "kind": kind, "hash": hash, "chunks": chunks })
        });
        all.push(json!({
            "name": base.name(),
            "database": base.database(),
            "embedder": base.embedder(),
            "documents": documents.collect::<Vec<Value>>(),
        }));
    }
    if json {
        stdout.write_json_pretty(&all);
    } else if rows.is_empty() {
        stderr.note("there are no documents; `stepwright knowledge update FILE` adds them");
    } else {
        let names = ["KNOWLEDGE", "DOCUMENT", "KIND", "CHUNKS", "CONTENT"];
        stdout.write_rows(&table(names, rows));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

async fn search(
    base: &KnowledgeBase,
    (query, limit): (&str, usize),
    json: bool,
    stderr: Stderr,
) -> Result<Exit, Error> {
    let found = base.open().await?.search(query, limit).await?;
    let mut stdout = Stdout::new();
    if json {
        let passages = found.iter().map(|Passage { source, heading, text, score }| {
            json!({ "source": source, "heading": heading, "text": text, "score": score })
        });
        stdout.write_json_pretty(&passages.collect::<Vec<Value>>());
    } else if found.is_empty() {
        stderr.note("no passage was found");
    } else {
        let mut text = String::new();
        for (nth, Passage { source, heading, text: said, .. }) in (1..).zip(&found) {
            let heading = if heading.is_empty() { String::new() } else { format!("  {heading}") };
            let between = if nth > 1 { "\n" } else { "" };
            let _ = write!(text, "{between}[{nth}] {source}{heading}\n{}\n", said.trim_end());
        }
        stdout.write_wrapped(&stdout.readable(text));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}
