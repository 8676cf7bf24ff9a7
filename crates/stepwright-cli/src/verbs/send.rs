//! `stepwright send`.

use crate::args::SendToRun;
use crate::database::run_error;
use crate::exit::Exit;
use crate::ui::terminal::{Stderr, write};
use std::io::Read as _;
use stepwright::sent::SENT_BYTES_MAX;
use stepwright::{Error, ErrorId};

/// Sends a message to an agent of a run, in whichever process the run is driven.
pub(crate) async fn send(arguments: &SendToRun, stderr: Stderr) -> Result<Exit, Error> {
    let opened = arguments.run.kept.database()?.open_existing().await?;
    let runs = opened.runs(arguments.run.user.as_ref())?;
    let run = &arguments.run.find(&runs).await?;
    let mut message = runs.send(run, text(&arguments.text)?).mode(arguments.mode);
    if let Some(to) = &arguments.to {
        message = message.to(to);
    }
    if let Some(by) = &arguments.by {
        message = message.by(by.as_str());
    }
    let sent = message.await.map_err(run_error)?;
    if sent.is_for_next_run {
        stderr
            .note(&format!("run `{run}` has ended: the next run of its session gets the message"));
    }
    write(&format!("message {} was sent to run {run}", sent.id));
    Ok(Exit::Completed)
}

/// Returns the text of the message.
fn text(given: &str) -> Result<String, Error> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    // One byte more, so that a text that is too long is told from one that fits.
    let limit = SENT_BYTES_MAX as u64 + 1;
    std::io::stdin().take(limit).read_to_string(&mut text).map_err(|error| {
        Error::usage("the message cannot be read from stdin")
            .with_id(ErrorId::MESSAGE_INVALID)
            .with_source(error)
    })?;
    Ok(text.trim_end().to_owned())
}
