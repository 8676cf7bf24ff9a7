//! An option that no run has.

use stepwright_engine::Workflow;

async fn greet(name: String) -> String {
    format!("Hello {name}")
}

fn main() {
    let workflow = Workflow::builder("Greeting").step(greet).build().unwrap();
    let _ = workflow.run("Ada").debug_mod(true);
}
