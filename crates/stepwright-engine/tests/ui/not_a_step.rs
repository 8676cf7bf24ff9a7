//! A value that is no step at all.

use stepwright_engine::Workflow;

fn main() {
    let _ = Workflow::builder("Numbers").step(42);
}
