//! Conversations that are read from somewhere and written to somewhere.

use crate::screen::Written;
use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;
use stepwright_core::{Error, ErrorKind, Patch, StepError, StepInput, StepOutput};
use stepwright_engine::Workflow;
use stepwright_term::{CliApp, PrintResponse as _};

async fn greet(input: StepInput) -> Result<StepOutput, StepError> {
    match &*input.text() {
        "fail" => Err(StepError::terminal("it was asked to")),
        name => {
            Ok(StepOutput::from(format!("Hello *{name}*")).patch(Patch::increment("greeted", 1)))
        }
    }
}

fn workflow() -> Workflow {
    Workflow::builder("Greeting").step(greet).build().unwrap()
}

/// Says this, and gives what was written.
async fn said(app: CliApp, lines: &'static str) -> (stepwright_term::Conversation, String) {
    let written = Written::default();
    let conversation = app.read_from(lines.as_bytes()).to(written.clone()).await.unwrap();
    (conversation, written.text())
}

#[tokio::test]
async fn each_line_is_a_run_of_the_same_session() {
    let workflow = workflow();
    let app = workflow.cli_app().session_id("s-1").user_id("ada");
    let (conversation, written) = said(app, "Ada\n\n  \nGrace\n").await;
    assert_eq!(written, "Hello *Ada*\n\nHello *Grace*\n");
    assert_eq!((conversation.answers, conversation.session_id.as_str()), (2, "s-1"));
    let session = workflow.get_session("s-1").await.unwrap();
    assert_eq!((session.metrics.runs, &session.state["greeted"]), (2, &2.into()));
    assert_eq!(session.user_id.unwrap().as_str(), "ada");
}

#[tokio::test]
async fn words_leave_whatever_their_capitals() {
    for leaves in ["exit", "QUIT ", " Bye", "stop", "/exit"] {
        let lines = format!("{leaves}\nnever\n").leak();
        let (conversation, written) = said(workflow().cli_app(), lines).await;
        assert_eq!((conversation.answers, &*written), (0, ""), "{leaves}");
    }
    let app = workflow().cli_app().exit_on(["Enough"]);
    let (conversation, _) = said(app, "exit\nenough\nnever\n").await;
    assert_eq!(conversation.answers, 1);
}

#[tokio::test]
async fn what_is_asked_first_needs_nobody() {
    let app = workflow().cli_app().input("Ada").markdown(true);
    let (conversation, written) = said(app, "").await;
    assert_eq!(written, "Hello Ada\n");
    assert_eq!(conversation.answers, 1);
    assert!(!conversation.session_id.as_str().is_empty());
}

#[tokio::test]
async fn a_failure_is_shown_and_the_conversation_goes_on() {
    let (conversation, written) = said(workflow().cli_app(), "fail\nAda\nfail\n").await;
    let failure = "error[SW0401]: step `greet` failed: it was asked to\n";
    assert_eq!(written, format!("{failure}\nHello *Ada*\n\n{failure}"));
    assert_eq!(conversation.answers, 3);
    assert_eq!(conversation.last.unwrap().unwrap_err().kind(), ErrorKind::Run);
}

#[tokio::test]
async fn details_are_shown_if_somebody_wants_them() {
    let app = workflow().cli_app().show_step_details(true);
    let (_, written) = said(app, "Ada\n/details off\nAda\n").await;
    assert_eq!(
        written,
        "[greet]\nHello *Ada*\n[greet] completed\nonly answers are shown\nHello *Ada*\n"
    );
}

#[tokio::test]
async fn lines_are_read_as_somebody_says() {
    let app = workflow().cli_app().read_input(|line| match line.parse::<u32>() {
        Ok(number) => Ok(format!("number {number}").into()),
        Err(_) => Err(Error::usage("that is no number")),
    });
    let app = app.each_run(|run| run.run_id("the-run"));
    let (conversation, written) = said(app, "one\n1\n1\n").await;
    assert!(
        written.starts_with("error[SW0302]: that is no number\nHello *number 1*\n"),
        "{written}"
    );
    // Each run is told the same, so that there are two of one name.
    assert!(written.contains("there is a run `the-run` already"), "{written}");
    assert_eq!(conversation.answers, 2);
}

#[tokio::test]
async fn commands_tell_of_the_session() {
    let app = workflow().cli_app().session_id("s-1");
    let (_, written) = said(app, "Ada\n/state\n/history\n/last\n/retry\n/session\n/new\n").await;
    let expected = "Hello *Ada*\n{\n  \"greeted\": 1\n}\n🧑 User › Ada\n  Hello *Ada*\nHello *Ada*\n\
        \nHello *Ada*\nsession s-1\nsession 0";
    assert!(written.starts_with(expected), "{written}");
}

#[test]
fn programs_without_async_talk_too() {
    let written = Written::default();
    let app = workflow().cli_app().read_from("Ada".as_bytes()).to(written.clone());
    assert_eq!(app.blocking().unwrap().answers, 1);
    assert_eq!(written.text(), "Hello *Ada*\n");
    let error = workflow().cli_app().user_id("").read_from("".as_bytes()).blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// Lines that are typed later.
struct Typist(mpsc::Receiver<&'static str>);

impl Read for Typist {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        // The text appears at once, unless the run waits for the prompt.
        let line = self.0.recv_timeout(Duration::from_secs(30)).unwrap_or_default();
        bytes[..line.len()].copy_from_slice(line.as_bytes());
        Ok(line.len())
    }
}

/// There is one thread, and a task on it that types only after a while of its own work.
#[tokio::test(flavor = "current_thread")]
async fn whoever_types_keeps_nobody_else_waiting() {
    let (types, typed) = mpsc::channel();
    let written = Written::default();
    let app = workflow().cli_app().read_from(Typist(typed)).to(written.clone());
    let ticker = tokio::spawn(async move {
        for line in ["Ada\n", "Grace\n"] {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            types.send(line).unwrap();
        }
    });
    let conversation = app.await.unwrap();
    ticker.await.unwrap();
    assert_eq!((conversation.answers, &*written.text()), (2, "Hello *Ada*\n\nHello *Grace*\n"));
}
