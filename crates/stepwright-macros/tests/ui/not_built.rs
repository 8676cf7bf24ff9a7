//! A builder that is not built.

use stepwright_agent::Agent;
use stepwright_engine::{Step, Workflow};

fn main() -> Result<(), stepwright_core::Error> {
    let editor = Agent::builder("Editor").model("offline")?;
    let _ = Workflow::builder("Edit").step(editor);
    let _ = Step::new("edit", Agent::builder("Editor").model("offline")?);
    Ok(())
}
