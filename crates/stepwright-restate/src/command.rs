//! The command `stepwright-restate`: all of `stepwright`, with Restate as a dispatcher.

use crate::address::FORM;
use crate::{RestateDispatcher, check};
use std::ffi::OsString;
use std::sync::Arc;
use stepwright_cli::Program;
use stepwright_core::dispatch::Dispatcher;
use stepwright_core::{Error, ErrorId, ErrorKind, World};

/// Carries out a command line of `stepwright-restate`, which begins with the name of the program.
/// Returns the exit code.
///
/// ```no_run
/// let given = ["stepwright-restate", "worker", "blog.yaml", "--dispatcher", "restate://host"];
/// let exit_code = stepwright_restate::command(&given.map(Into::into));
/// ```
pub fn command(given: &[OsString]) -> u8 {
    Program::new("stepwright-restate").dispatcher("restate", open).carry_out(given)
}

fn open(address: &str, world: World) -> Result<Arc<dyn Dispatcher>, Error> {
    check(address)
        .map_err(|error| Error::usage(format!("`--dispatcher` {}", error.why)).with_hint(FORM))?;
    let restate = RestateDispatcher::new(address, world).map_err(|error| {
        let failed = Error::new(ErrorKind::Run, error.what.clone());
        failed.with_id(ErrorId::DISPATCHER_FAILED).with_source(error)
    })?;
    Ok(Arc::new(restate))
}
