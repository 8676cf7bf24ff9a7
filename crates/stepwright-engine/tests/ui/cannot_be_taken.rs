//! An `async fn` with an argument that no step has.

use stepwright_engine::Workflow;

async fn double(number: u64) -> String {
    (number * 2).to_string()
}

fn main() {
    let _ = Workflow::builder("Numbers").step(double);
}
