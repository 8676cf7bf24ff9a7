//! `stepwright memories`.

use crate::args::{Memories, MemoriesOf};
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use stepwright::Error;
use stepwright::store::UserMemory;
use stepwright_term::utc;

/// Lists, searches, adds, changes and removes memories of a user.
pub(crate) async fn memories(command: &Memories, stderr: Stderr) -> Result<Exit, Error> {
    match command {
        Memories::List { of } => {
            let all = open::runs(&of.kept, None).await?.memories(&of.user)?.list().await?;
            Ok(listed(&all, of, stderr))
        }
        Memories::Search { query, limit, of } => {
            let memories = open::runs(&of.kept, None).await?.memories(&of.user)?;
            Ok(listed(&memories.search(query, *limit).await?, of, stderr))
        }
        Memories::Add { memory, topic, of } => {
            let memories = open::runs_to_change(&of.kept, None).await?.memories(&of.user)?;
            let topics = topic.iter().map(String::as_str);
            let added = memories.add(memory.as_str(), topics).await?;
            Ok(told(&added, "added", of, stderr))
        }
        Memories::Edit { id, memory, of } => {
            let memories = open::runs_to_change(&of.kept, None).await?.memories(&of.user)?;
            let edited = memories.edit(id, memory.as_str()).await?;
            Ok(told(&edited, "changed", of, stderr))
        }
        Memories::Remove { ids, of } => {
            let memories = open::runs_to_change(&of.kept, None).await?.memories(&of.user)?;
            for id in ids {
                memories.remove(id).await?;
            }
            let mut stdout = Stdout::new();
            if of.json {
                stdout.write_json_pretty(&serde_json::json!({ "removed": ids }));
            } else {
                let removed = ids.join(" removed\n") + " removed\n";
                let lines = stdout.readable(removed);
                stdout.write(&lines);
            }
            Ok(stdout.end(stderr, Exit::Completed))
        }
    }
}

fn told(memory: &UserMemory, what: &str, of: &MemoriesOf, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    if of.json {
        stdout.write_json_pretty(memory);
    } else {
        let line = stdout.readable(format!("{} {what}: {}\n", memory.memory_id, memory.memory));
        stdout.write(&line);
    }
    stdout.end(stderr, Exit::Completed)
}

fn listed(memories: &[UserMemory], of: &MemoriesOf, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    if of.json {
        stdout.write_json_pretty(&memories);
    } else if memories.is_empty() {
        stderr.note(&format!("user `{}` has no such memories", of.user));
    } else {
        let row = |memory: &UserMemory| {
            let UserMemory { memory_id, memory: text, topics, updated_at, .. } = memory;
            [memory_id.to_string(), utc(*updated_at), topics.join(", "), text.to_string()]
        };
        let names = ["MEMORY", "CHANGED", "TOPICS", "TEXT"];
        stdout.write_rows(&table(names, memories.iter().map(row).collect()));
    }
    stdout.end(stderr, Exit::Completed)
}
