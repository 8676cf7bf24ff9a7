//! Results that no tool can return, and values that are not tools.

use stepwright_agent::{Agent, tool};

struct Answer;

/// Looks something up.
#[tool(crate = "stepwright_agent")]
async fn told(query: String) -> Answer {
    drop(query);
    Answer
}

async fn bare(query: String) -> String {
    query
}

fn main() {
    let _ = Agent::builder("a").tool(told);
    let _ = Agent::builder("a").tool(bare);
    let _ = Agent::builder("a").tool(5);
}
