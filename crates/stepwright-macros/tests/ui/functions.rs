//! Functions that cannot be tools.

use stepwright_agent::{Agent, tool};

/// Looks something up.
#[tool(crate = "stepwright_agent")]
async fn generic<T: Send>(query: T) -> String {
    String::new()
}

struct Index;

impl Index {
    /// Looks something up.
    #[tool(crate = "stepwright_agent")]
    async fn method(&self, query: String) -> String {
        query
    }
}

#[tool(crate = "stepwright_agent")]
async fn silent(query: String) -> String {
    query
}

/// Looks something up.
#[tool(crate = "stepwright_agent", nam = "look")]
async fn setting(query: String) -> String {
    query
}

/// Looks something up.
#[tool(crate = "stepwright_agent", name = "look up")]
async fn spaced(query: String) -> String {
    query
}

/// Looks something up.
#[tool(crate = "stepwright_agent")]
const unsafe fn word(query: String) -> String {
    query
}

/// Looks something up.
#[tool(crate = "stepwright_agent")]
struct NoFunction {
    query: String,
}

fn main() {
    let _ = Agent::builder("a").tool(generic).tool(silent).tool(setting).tool(spaced).tool(word);
}
