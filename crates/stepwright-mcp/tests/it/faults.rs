//! Servers that die, hang or answer rubbish.

use crate::support::{Faulty, called, ended, outcomes, with_text, workflow};
use serde_json::json;
use std::time::Duration;
use stepwright_core::{Answer, ErrorId, RunStatus};
use stepwright_mcp::McpServer;

#[tokio::test]
async fn a_call_that_may_have_happened_asks_a_person() {
    for (answer, told, calls) in [
        (Answer::submit("written after all"), Some("written after all"), 1),
        // It dies again, and asks again.
        (Answer::Retry, None, 2),
    ] {
        let faulty = Faulty::new("");
        let workflow = workflow(faulty.server.clone(), "it__die", json!({}));
        let paused = workflow.run("go").await.unwrap();
        assert_eq!(paused.status, RunStatus::Paused, "{paused:?}");
        let asked = &paused.requirements[0];
        assert!(asked.message.contains("Was it done?"), "{}", asked.message);
        assert_eq!(faulty.log(), ["started", "die"]);
        let run = workflow.continue_run(&paused.run_id, [(&*asked.id, answer)]).await.unwrap();
        match told {
            Some(told) => assert_eq!(outcomes(&workflow, &run).await[0].text, told),
            None => assert_eq!(run.status, RunStatus::Paused),
        }
        let log = faulty.log();
        assert_eq!(log.iter().filter(|line| *line == "die").count(), calls, "{log:?}");
    }
}

#[tokio::test]
async fn giving_up_fails_with_an_unknown_outcome() {
    let faulty = Faulty::new("");
    let workflow = workflow(faulty.server.clone(), "it__die", json!({}));
    let paused = workflow.run("go").await.unwrap();
    let id = paused.requirements[0].id.clone();
    let answer = Answer::reject("not worth it");
    let run = ended(workflow.continue_run(&paused.run_id, [(&*id, answer)])).await;
    assert_eq!(run.status, RunStatus::Error);
    assert_eq!(run.error.unwrap().error.code, stepwright_core::ErrorCode::OutcomeUnknown);
    assert_eq!(faulty.log(), ["started", "die", "started"], "it is not called again");
}

#[tokio::test]
async fn a_call_that_reads_is_left_to_the_model() {
    let faulty = Faulty::new("");
    let outcome = called(faulty.server.clone(), "it__die_reading", json!({})).await;
    assert!(outcome.is_error && outcome.text.contains("can be called again"), "{}", outcome.text);
    assert!(outcome.text.contains("out of memory"), "its stderr is told: {}", outcome.text);
    // The next call finds a server that was started again.
    let outcome = called(faulty.server.clone(), "it__echo", with_text("alive")).await;
    assert_eq!(outcome.text, "alive");
    assert_eq!(faulty.log(), ["started", "die_reading", "started"]);
}

#[tokio::test]
async fn rubbish_between_the_answers_is_passed_over() {
    let faulty = Faulty::new("");
    let outcome = called(faulty.server.clone(), "it__rubbish", json!({})).await;
    assert_eq!(outcome.text, "past the rubbish");
}

#[tokio::test]
async fn an_answer_that_is_no_result_leaves_the_outcome_unknown() {
    let faulty = Faulty::new("");
    let workflow = workflow(faulty.server.clone(), "it__wrong", json!({}));
    let paused = workflow.run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused, "{paused:?}");
    assert_eq!(faulty.log(), ["started", "wrong"]);
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_on_the_server() {
    let faulty = Faulty::new("");
    // It must be longer than a busy machine needs to start the server.
    let server = faulty.server.clone().timeout(Duration::from_secs(2));
    let outcome = called(server, "it__hang", json!({})).await;
    assert!(outcome.outcome_unknown, "{outcome:?}");
    let begun = faulty.logged("hang").await;
    assert_eq!(faulty.logged("cancelled").await, begun.replace("hang", "cancelled"));
}

#[tokio::test]
async fn cancelling_a_run_cancels_its_call() {
    let faulty = Faulty::new("");
    let workflow = workflow(faulty.server.clone(), "it__hang", json!({}));
    let handle = workflow.run("go").background().await.unwrap();
    let begun = faulty.logged("hang").await;
    workflow.cancel_run(handle.run_id()).await.unwrap();
    assert_eq!(faulty.logged("cancelled").await, begun.replace("hang", "cancelled"));
    // The server is as it was.
    let outcome = called(faulty.server.clone(), "it__echo", with_text("alive")).await;
    assert_eq!(outcome.text, "alive");
}

#[tokio::test]
async fn a_server_that_does_not_start_fails_the_step_with_what_it_said() {
    let faulty = Faulty::new("broken");
    let run = ended(workflow(faulty.server.clone(), "x", json!({})).run("go")).await;
    let error = run.error.unwrap().error;
    assert_eq!(error.id, Some(ErrorId::MCP_UNAVAILABLE));
    assert!(error.message.contains("no licence found"), "{error:?}");
    let missing = McpServer::command("it", "no-such-program-anywhere", [""; 0]);
    let run = ended(workflow(missing, "x", json!({})).run("go")).await;
    let error = run.error.unwrap().error;
    assert_eq!(error.id, Some(ErrorId::MCP_UNAVAILABLE));
    assert!(error.message.contains("no-such-program-anywhere"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_slow_to_start_is_waited_for() {
    for mode in ["slow", "slow modern"] {
        let faulty = Faulty::new(mode);
        let outcome = called(faulty.server.clone(), "it__echo", with_text("here")).await;
        assert_eq!(outcome.text, "here", "{mode}");
        assert_eq!(faulty.log(), ["started"], "{mode}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_fails_the_step() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/mcp?key=hunter2", listener.local_addr().unwrap());
    drop(listener);
    let server = McpServer::url("it", address);
    let run = ended(workflow(server, "x", json!({})).run("go")).await;
    let error = run.error.unwrap().error;
    assert_eq!(error.id, Some(ErrorId::MCP_UNAVAILABLE));
    assert!(!error.message.contains("hunter2"), "{error:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_server_ends_with_its_last_user() {
    let faulty = Faulty::new("");
    let marker = tempfile::tempdir().unwrap();
    let server = faulty.server.clone().env("MARKER", marker.path().to_str().unwrap());
    called(server.clone(), "it__echo", with_text("x")).await;
    let running = || {
        let wanted = format!("MARKER={}", marker.path().display());
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|it| it == wanted.as_bytes())
        })
    };
    assert!(running());
    drop(server);
    let begun = std::time::Instant::now();
    while running() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the server still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
