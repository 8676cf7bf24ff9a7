//! A decider that says neither yes nor no.

use stepwright_core::StepInput;
use stepwright_engine::{Condition, Workflow};

async fn greet(name: String) -> String {
    format!("Hello {name}")
}

fn main() {
    let condition = Condition::new("is it long?", |input: &StepInput| input.text().len());
    let _ = Workflow::builder("Greeting").step(condition.then(greet));
}
