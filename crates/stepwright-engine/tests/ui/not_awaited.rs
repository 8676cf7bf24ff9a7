//! Futures that are not awaited.

use stepwright_engine::Workflow;

async fn fetch(url: String) -> String {
    url
}

async fn page(url: String) -> impl Future<Output = String> {
    fetch(url)
}

async fn run(workflow: &Workflow) -> Result<String, stepwright_core::Error> {
    let output = workflow.run("Ada")?;
    let text = workflow.run("Ada").content.text();
    let handle = workflow.run("Ada").background();
    println!("{}", handle.run_id());
    Ok(output.content.text().into_owned() + &text)
}

fn main() {
    let _ = Workflow::builder("w").step(fetch("https://example.com".into()));
    let _ = Workflow::builder("w").step(page);
    let _ = run;
}
