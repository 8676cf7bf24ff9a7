//! Every container in every container: streamed and not, fresh and recalled, the same.

use crate::support::{mark, of, part, streamed, text};
use stepwright_core::{Memory, StepInput};
use stepwright_engine::{AnyStep, Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow};

const KINDS: [&str; 9] =
    ["step", "steps", "parallel", "loop", "if", "else", "router", "map", "workflow"];

/// A node of this kind, called `name`, around `inside`.
fn around(kind: &str, name: &str, inside: AnyStep) -> AnyStep {
    match kind {
        "step" => part(mark(name)),
        "steps" => part(Steps::new(name).step(mark("a")).step(inside)),
        "parallel" => part(Parallel::new(name).branch(mark("a")).branch(inside)),
        "loop" => part(Loop::new(name).step(inside).step(mark("z")).forward().at_most(2)),
        "if" => part(Condition::new(name, |_| true).then(inside).otherwise(mark("n"))),
        "else" => part(Condition::constant(name, false).then(mark("n")).otherwise(inside)),
        "router" => {
            let inner = inside.name().to_owned();
            let choose = move |_: &StepInput| vec![inner.clone(), "r".into()];
            part(Router::new(name, choose).choice(mark("r")).choice(mark("q")).choice(inside))
        }
        "map" => {
            let over = |input: &StepInput| vec![format!("{}1", input.text()), "2".into()];
            part(Map::new(name).over(over).step(inside))
        }
        "workflow" => {
            let inner = Workflow::builder("inner").step(inside).build().unwrap();
            part(Step::workflow(name, inner))
        }
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn everything_composes_streamed_and_not() {
    let mut seen = 0;
    for outer in KINDS {
        for middle in KINDS {
            for leaf in KINDS {
                let innermost = around(leaf, "three", part(mark("x")));
                let plan = around(outer, "one", around(middle, "two", innermost));
                let workflow = of(plan).step(mark("!")).store(Memory::default()).build().unwrap();
                let plain = workflow.run("in").await.unwrap();
                let (events, output) = streamed(workflow.run("in").run_id("again")).await;
                let output = output.unwrap();
                let shape = format!("{outer} around {middle} around {leaf}");
                assert_eq!(text(&plain), text(&output), "{shape}");
                let paths = |run: &stepwright_core::RunOutput| {
                    run.walk().map(|s| format!("{} {}", s.path, s.content)).collect::<Vec<_>>()
                };
                assert_eq!(paths(&plain), paths(&output), "{shape}");
                // The facts in the store fold to the same.
                let stored = workflow.get_run("again").await.unwrap();
                assert_eq!(stored, output, "{shape}");
                // And a run that has ended is recalled without running anything.
                assert_eq!(workflow.resume("again").await.unwrap(), output, "{shape}");
                assert!(events.len() > 3);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, KINDS.len().pow(3));
}
