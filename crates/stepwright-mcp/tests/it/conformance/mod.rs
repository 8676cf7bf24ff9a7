//! The official conformance kit, against the client and the server. Without `STEPWRIGHT_TEST_MCP`,
//! the folder that `scripts/test-mcp.sh` prints, these tests are skipped.
//!
//! The lists of expected failures are beside this file, and say why each line is there. The kit
//! fails for a line that is not needed any more.

mod client;
mod server;

use crate::support::home;
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// The two eras of the protocol: with sessions, and without.
const SESSIONS: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

/// Runs the kit in a folder of its own. `None` if it is not installed.
async fn kit(arguments: &[&str]) -> Option<Output> {
    let home = home()?;
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(node(&home));
    command.arg(home.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    let output = command.args(arguments).current_dir(dir.path()).kill_on_drop(true).output();
    Some(output.await.unwrap())
}

/// Returns the Node that comes with the kit, which needs a newer one than many systems have.
fn node(home: &Path) -> PathBuf {
    let modules = std::fs::read_dir(home.join("node_modules")).unwrap();
    let mut found = modules.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("node-linux") || name.starts_with("node-darwin")
    });
    found.next().map_or_else(|| "node".into(), |path| path.join("bin/node"))
}

fn expected(file: &str) -> String {
    format!("{}/tests/it/conformance/{file}.yaml", env!("CARGO_MANIFEST_DIR"))
}

fn assert_conforms(output: Option<Output>) {
    let Some(output) = output else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
}
