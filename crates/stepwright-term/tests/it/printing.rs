//! The results and options of `print_response`.

use crate::screen::Written;
use std::io::Write;
use stepwright_core::{ErrorKind, RunStatus, StepError};
use stepwright_engine::Workflow;
use stepwright_term::{PrintResponse as _, Printing, Style};

async fn greet(name: String) -> Result<String, StepError> {
    if name.is_empty() {
        Err(StepError::terminal("the host is away"))
    } else {
        Ok(format!("**{name}**"))
    }
}

fn workflow() -> Workflow {
    Workflow::builder("Greeting").step(greet).build().unwrap()
}

async fn written(printing: Printing) -> String {
    let written = Written::default();
    let _ = printing.to(written.clone()).await;
    written.text()
}

#[tokio::test]
async fn it_gives_what_the_run_gives() {
    let output = workflow()
        .print_response("Ada")
        .run_id("r-1")
        .session_id("s-1")
        .user_id("u-1")
        .to(std::io::sink())
        .await
        .unwrap();
    assert_eq!((output.run_id.as_str(), output.session_id.as_str()), ("r-1", "s-1"));
    assert_eq!((output.status, output.content.text()), (RunStatus::Completed, "**Ada**".into()));
}

#[tokio::test]
async fn a_failure_is_shown_and_given_streamed_and_not() {
    for style in [Style::Plain, Style::Compact, Style::Panels] {
        for (streams, details) in [(true, true), (true, false), (false, true), (false, false)] {
            let written = Written::default();
            let printing = workflow().print_response("").stream(streams).style(style);
            let printing = printing.show_step_details(details).to(written.clone());
            let error = printing.await.unwrap_err();
            assert_eq!(error.step().unwrap().as_str(), "greet");
            assert_eq!(error.output().unwrap().status, RunStatus::Error);
            let written = written.text();
            let how = format!("{style:?}, streams: {streams}, details: {details}: {written}");
            assert!(written.contains("the host is away"), "{how}");
        }
    }
}

#[tokio::test]
async fn a_run_that_cannot_begin_is_told() {
    let written = Written::default();
    let printing = workflow().print_response("Ada").session_id("").to(written.clone());
    assert_eq!(printing.await.unwrap_err().kind(), ErrorKind::Usage);
    assert!(written.text().starts_with("error[SW"), "{}", written.text());
}

#[tokio::test]
async fn each_option_does_something() {
    let print = || workflow().print_response("Ada").session_id("s-1");
    let usual = written(print()).await;
    let expected = "Greeting\nsteps    1: greet\nmessage  Ada\nsession  s-1\n\n[greet]\n**Ada**\n\
        [greet] completed\n\ncompleted · 1 step\n";
    assert_eq!(usual, expected);
    for (option, other) in [
        ("style", print().style(Style::Panels)),
        ("style", print().style(Style::Compact)),
        ("show_time", print().show_time(true)),
        ("show_step_details", print().show_step_details(false)),
        ("markdown", print().style(Style::Panels).markdown(false)),
        ("color", print().style(Style::Panels).color(true)),
        ("width", print().style(Style::Panels).width(30)),
        (
            "images",
            print().images([stepwright_core::Media::url(
                stepwright_core::MediaKind::Image,
                "https://example.org/a.png",
            )]),
        ),
    ] {
        let panels = written(print().style(Style::Panels)).await;
        let found = written(other).await;
        assert_ne!(found, usual, "{option}");
        assert!(option == "style" || found != panels, "{option}");
    }
    let rendered = written(print().style(Style::Panels).color(true)).await;
    assert!(rendered.contains("\x1b[1mAda"), "{rendered}");
    let plain = written(print().markdown(true)).await;
    assert!(plain.contains("[greet]\nAda\n"), "{plain}");
}

#[tokio::test]
async fn only_the_output_is_there_without_details() {
    let text = written(workflow().print_response("Ada").show_step_details(false)).await;
    assert!(text.ends_with("\n\n**Ada**\n\ncompleted · 1 step\n"), "{text}");
    assert_eq!(text.matches("**Ada**").count(), 1);
}

#[test]
fn programs_without_async_print_too() {
    let output = workflow().print_response("Ada").to(std::io::sink()).blocking().unwrap();
    assert_eq!(output.content.text(), "**Ada**");
}

/// A writer whose reader has gone away, or that is full.
struct Gone(std::io::ErrorKind);

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let gone = Gone(std::io::ErrorKind::BrokenPipe);
    assert!(workflow().print_response("Ada").to(gone).await.is_ok());
    let full = Gone(std::io::ErrorKind::StorageFull);
    let error = workflow().print_response("Ada").to(full).await.unwrap_err();
    assert_eq!(error.to_string(), "the output could not be written");
}
