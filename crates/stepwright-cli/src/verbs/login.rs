//! `stepwright login`.

use crate::args::Login;
use crate::exit::Exit;
use crate::open;
use crate::ui::terminal::Stderr;
use stepwright::Error;

/// Logs in at an MCP server of a workflow file.
pub(crate) fn login(arguments: &Login, stderr: Stderr) -> Exit {
    logged_in(arguments, stderr).unwrap_or_else(|exit| exit)
}

fn logged_in(arguments: &Login, stderr: Stderr) -> Result<Exit, Exit> {
    let reported = |error: Error| {
        stderr.error(&error);
        Exit::of(&error)
    };
    let definition = open::definition(&arguments.definition(), stderr, false)?;
    let names: Vec<&str> = definition.logins().collect();
    let server = match (&arguments.server, names.as_slice()) {
        (Some(server), _) => server.as_str(),
        (None, [only]) => *only,
        (None, []) => {
            let file = arguments.file.display();
            let error = Error::usage(format!("`{file}` has no MCP server with a login"));
            return Err(reported(error.with_hint("a server with `url` and `oauth: true` has one")));
        }
        (None, names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let what = format!("the file has several MCP servers: {}", names.join(", "));
            return Err(reported(Error::usage(what).with_hint("name one of them after the file")));
        }
    };
    let runtime = open::runtime(stderr)?;
    let shown = |address: &str| stderr.note(&format!("open {address}"));
    runtime.block_on(definition.log_in(server, shown)).map_err(reported)?;
    stderr.note(&format!("logged in at `{server}`"));
    Ok(Exit::Completed)
}
