//! `stepwright verify`.

use crate::args::Verify;
use crate::database::run_error;
use crate::exit::Exit;
use crate::open::runs_with;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use stepwright::Error;

/// Verifies everything that is stored of a run.
pub(crate) async fn verify(arguments: &Verify, stderr: Stderr) -> Result<Exit, Error> {
    let (runs, run) = runs_with(&arguments.run).await?;
    let verified = runs.verify(&run).await.map_err(run_error)?;
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&verified);
        return Ok(stdout.end(stderr, Exit::Completed));
    }
    let facts = verified.facts;
    stdout.write(&format!("run {run}: {facts} facts, all as they were written\n"));
    match &verified.head {
        Some(head) => stdout.write(&format!("chain hash  {head}\n")),
        None => stderr.note("no fact has a chain hash: an older version wrote them"),
    }
    if verified.head.is_some() && !verified.is_chained() {
        let first = facts - verified.chained;
        stderr.note(&format!("the first {first} facts have no chain hash: they are older"));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}
