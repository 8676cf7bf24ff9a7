//! The server of `docs/mcp.md`.

use stepwright::mcp::McpService;
use stepwright::prelude::*;

pub(super) fn service(digest: &Workflow, editor: &Agent) -> McpService {
    McpService::new().workflow(digest, None).agent(editor, "Corrects the spelling of a text.")
}
