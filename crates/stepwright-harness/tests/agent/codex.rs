//! A scripted stand-in for Codex, with the documented events of `codex exec --json`.

use crate::{Conversation, TASK, answer, first, log, mode, say, spawn_child};
use serde_json::json;
use std::io::Read as _;

pub(crate) fn main(args: &[String]) {
    log(&format!("args {}", args.join(" ")));
    let mut prompt = String::new();
    std::io::stdin().read_to_string(&mut prompt).unwrap();
    let resumed = args.iter().position(|arg| arg == "resume").and_then(|at| args.get(at + 1));
    let conversation = match resumed {
        Some(id) => match Conversation::loaded(id) {
            Some(known) => {
                log("loaded");
                known
            }
            None => {
                eprintln!("Error: no rollout found for thread id {id}");
                std::process::exit(1);
            }
        },
        None => Conversation::new(format!("t-{}", std::process::id())),
    };
    let first_line = prompt.lines().next().unwrap_or_default();
    log(&format!("prompt {first_line}"));
    if mode("late") && first("late") {
        std::process::exit(9);
    }
    say(&json!({"type": "thread.started", "thread_id": conversation.id}));
    conversation.add(&format!("user {first_line}"));
    say(&json!({"type": "turn.started"}));
    if mode("child") {
        spawn_child();
    }
    if mode("hangs") {
        log("hangs");
        loop {
            std::thread::park();
        }
    }
    let thought = json!({"id": "item_0", "type": "reasoning", "text": "Let me see."});
    say(&json!({"type": "item.completed", "item": thought}));
    for (nth, edit) in TASK.into_iter().enumerate() {
        if mode("answers") || conversation.has_done(edit) {
            continue;
        }
        let id = format!("item_{}", nth + 1);
        let command = format!("touch {edit}.txt");
        say(&json!({"type": "item.started", "item": {"id": id, "type": "command_execution",
            "command": command, "aggregated_output": "", "status": "in_progress"}}));
        conversation.edit(edit);
        if mode("dies") && (mode("always") || first("dead")) {
            std::process::exit(9);
        }
        say(&json!({"type": "item.completed", "item": {"id": id, "type": "command_execution",
            "command": command, "aggregated_output": "touched", "exit_code": 0,
            "status": "completed"}}));
    }
    if mode("fails") {
        say(&json!({"type": "error", "message": "stream disconnected"}));
        say(&json!({"type": "turn.failed", "error": {"message": "usage limit reached"}}));
        return;
    }
    let changes = json!([{"path": "a.txt", "kind": "add"}]);
    say(&json!({"type": "item.completed", "item": {"id": "item_8", "type": "file_change",
        "changes": changes, "status": "completed"}}));
    let said = answer(&conversation, &prompt);
    conversation.add("answered");
    say(&json!({"type": "item.completed", "item": {"id": "item_9", "type": "agent_message",
        "text": said}}));
    // That of the whole conversation.
    let turns = conversation.messages();
    say(&json!({"type": "turn.completed", "usage": {"input_tokens": 900 * turns,
        "cached_input_tokens": 800 * turns, "output_tokens": 100 * turns}}));
}
