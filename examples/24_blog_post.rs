//! A blog post that a writer and an editor revise until it passes a review, in at most three turns.
//! The same as `workflows/blog.yaml`.
//!
//! `cargo run -p stepwright --example 24_blog_post -- --topic "Ants" --model openai:gpt-5-mini`
//!
//! Without `--model` it is `offline`, which is no language model: it quotes sentences of its input.
//! The review is made by rules, so that it is the same with every model. If no draft passes, as
//! with `offline`, the last one is taken, and the page says so.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;
use stepwright::{Error, WorkflowBuilder};

/// The subject of the post, if the user names none.
pub(crate) const TOPIC: &str = "Why ants carry leaves. Leafcutter ants cut pieces of fresh leaves \
    and carry them into their nest, where other ants chew them into a pulp. They do not eat the \
    leaves themselves. A fungus grows on the pulp, and the ants feed on the fungus.";

/// The characters of the longest post.
const LONGEST: usize = 160;

/// The writer's task in its first turn, and the editor's in the turns after it.
fn task(input: &StepInput) -> String {
    match input.last_turn("draft") {
        Some(draft) => format!("{draft}\n\nIt is too long: write at most {LONGEST} characters."),
        None => input.run.content.text().into_owned(),
    }
}

/// The workflow: a loop of a writer or an editor, and the page.
pub(crate) fn workflow() -> Result<WorkflowBuilder, Error> {
    let agent = |name: &str, instructions: &str| {
        Agent::builder(name).model(course::model())?.instructions(instructions).build()
    };
    let writer = agent("Writer", "You write one paragraph for a blog. Answer in 5 sentences.")?;
    let editor = agent("Editor", "You shorten a paragraph. Answer in 2 sentences.")?;
    let first = |input: &StepInput| input.last_turn("draft").is_none();
    let draft = Condition::new("draft", first)
        .then(Step::new("write", writer).prompt(task))
        .otherwise(Step::new("shorten", editor).prompt(task));
    let revise = Loop::new("revise")
        .step(draft)
        .at_most(3)
        .until(|turn| turn.content().text().chars().count() <= LONGEST)
        .on_exhausted(OnExhausted::Continue);
    let page = Step::new("page", |input: StepInput| async move {
        let ended = input.loop_outcome("revise").unwrap_or_default();
        let verdict = if ended.exhausted { "not accepted" } else { "accepted" };
        let text = input.text();
        format!("{text}\n\n({verdict} after {} turns)", ended.iterations)
    });
    Ok(Workflow::builder("Blog").step(revise).step(page))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let topic = course::argument("--topic").unwrap_or_else(|| TOPIC.to_owned());
    let output = workflow()?.build()?.run(topic).await?;
    for run in &output.step_executor_runs {
        println!("{} said: {}\n", run.agent, run.content);
    }
    println!("{}", output.content);
    Ok(())
}
