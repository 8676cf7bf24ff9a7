//! An `async fn` whose output is nothing that flows from step to step.

use stepwright_engine::{Step, Workflow};

async fn count(text: String) -> usize {
    text.len()
}

fn main() {
    let _ = Workflow::builder("Numbers").step(Step::new("Count", count));
}
