//! Arguments that no model can give.

use stepwright_agent::{Agent, tool};

/// Looks something up.
#[tool(crate = "stepwright_agent")]
async fn borrowed(query: &str, tags: &[String], maybe: Option<&str>) -> String {
    query.to_owned()
}

/// Looks something up.
#[tool(crate = "stepwright_agent")]
async fn pattern((x, y): (i64, i64), _: String) -> String {
    (x + y).to_string()
}

/// Looks something up.
#[tool(crate = "stepwright_agent")]
async fn any(
    query: impl Into<String>,
    first: stepwright_core::StepContext,
    second: stepwright_core::StepContext,
) -> String {
    query.into()
}

/// Looks something up.
#[tool(crate = "stepwright_agent")]
async fn settings(
    #[tool(optional)] a: String,
    #[cfg(unix)] b: String,
) -> String {
    a + &b
}

fn main() -> Result<(), stepwright_core::Error> {
    let _ = Agent::builder("a").tool(borrowed).tool(pattern).tool(any).tool(settings);
    Ok(())
}
