//! A scripted stand-in for Claude Code, with the documented messages of
//! `claude -p --input-format stream-json --output-format stream-json`.

use crate::{Conversation, TASK, answer, first, hear, log, mode, say, spawn_child};
use serde_json::{Value, json};

fn after<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == name)?;
    args.get(at + 1).map(String::as_str)
}

pub(crate) fn main(args: &[String]) {
    log(&format!("args {}", args.join(" ")));
    let message = hear();
    let prompt = message["message"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    let conversation = match (after(args, "--resume"), after(args, "--session-id")) {
        (Some(id), _) => match Conversation::loaded(id) {
            Some(known) => {
                log("loaded");
                known
            }
            None => {
                let errors = [format!("No conversation found with session ID: {id}")];
                say(&json!({"type": "result", "subtype": "error_during_execution",
                    "is_error": true, "errors": errors, "session_id": id, "num_turns": 0,
                    "total_cost_usd": 0, "usage": {}}));
                return;
            }
        },
        (None, Some(id)) => Conversation::new(id.to_owned()),
        _ => Conversation::new("s".into()),
    };
    let first_line = prompt.lines().next().unwrap_or_default();
    log(&format!("prompt {first_line}"));
    conversation.add(&format!("user {first_line}"));
    let session = conversation.id.clone();
    say(&json!({"type": "system", "subtype": "init", "session_id": session, "cwd": ".",
        "model": "claude-haiku-4-5", "permissionMode": "default", "tools": ["Bash", "Write"]}));
    if mode("child") {
        spawn_child();
    }
    if mode("hangs") {
        log("hangs");
        loop {
            let _ = hear();
        }
    }
    if mode("overloaded") {
        say(&json!({"type": "result", "subtype": "success", "is_error": true,
            "result": "API Error: 529 Overloaded", "session_id": session, "num_turns": 1,
            "total_cost_usd": 0, "usage": {}}));
        return;
    }
    for (nth, edit) in TASK.into_iter().enumerate() {
        if mode("answers") || conversation.has_done(edit) {
            continue;
        }
        let call = format!("toolu_{edit}");
        let input = json!({"file_path": format!("{edit}.txt"), "content": edit});
        let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1});
        let id = format!("msg_{nth}");
        stream(
            &session,
            &json!({"type": "message_start",
            "message": {"id": id, "model": "claude-haiku-4-5", "usage": usage}}),
        );
        stream(
            &session,
            &json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": "I write. "}}),
        );
        assistant(&session, &id, &json!({"type": "text", "text": "I write. "}));
        let used = json!({"type": "tool_use", "id": call, "name": "Write", "input": input});
        assistant(&session, &id, &used);
        stream(
            &session,
            &json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 20}}),
        );
        stream(&session, &json!({"type": "message_stop"}));
        let mut is_permitted = true;
        if mode("asks") {
            let request = json!({"subtype": "can_use_tool", "tool_name": "Write", "input": input,
                "tool_use_id": call, "permission_suggestions": []});
            say(&json!({"type": "control_request", "request_id": format!("r-{edit}"),
                "request": request}));
            log("asked");
            let answer = hear();
            let response = &answer["response"]["response"];
            log(&format!("answered {}", response["behavior"].as_str().unwrap_or("nothing")));
            is_permitted = response["behavior"] == "allow";
        }
        if is_permitted {
            conversation.edit(edit);
        }
        if mode("dies") && (mode("always") || first("dead")) {
            std::process::exit(9);
        }
        let told = if is_permitted { "File created" } else { "The user refused" };
        let result = json!({"type": "tool_result", "tool_use_id": call, "content": told,
            "is_error": !is_permitted});
        say(&json!({"type": "user", "session_id": session, "parent_tool_use_id": null,
            "message": {"role": "user", "content": [result]}}));
    }
    let said = answer(&conversation, &prompt);
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 190, "output_tokens": 1});
    stream(
        &session,
        &json!({"type": "message_start",
        "message": {"id": "msg_last", "model": "claude-haiku-4-5", "usage": usage}}),
    );
    stream(
        &session,
        &json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": said}}),
    );
    assistant(&session, "msg_last", &json!({"type": "text", "text": said}));
    stream(
        &session,
        &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 30}}),
    );
    stream(&session, &json!({"type": "message_stop"}));
    conversation.add("answered");
    say(&json!({"type": "result", "subtype": "success", "is_error": false, "result": said,
        "session_id": session, "num_turns": 3, "total_cost_usd": 0.5, "stop_reason": "end_turn",
        "usage": {"input_tokens": 30, "output_tokens": 70}, "permission_denials": []}));
    if mode("twice") {
        say(&json!({"type": "result", "subtype": "success", "is_error": true, "result": "again",
            "session_id": session}));
    }
}

fn stream(session: &str, event: &Value) {
    if !mode("whole") {
        say(&json!({"type": "stream_event", "event": event, "session_id": session,
            "parent_tool_use_id": null}));
    }
}

fn assistant(session: &str, id: &str, block: &Value) {
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 20});
    let message = json!({"id": id, "type": "message", "role": "assistant",
        "model": "claude-haiku-4-5", "content": [block], "usage": usage});
    say(&json!({"type": "assistant", "message": message, "session_id": session,
        "parent_tool_use_id": null}));
}
