//! Every container in every container: streamed and not, fresh and recalled, the same.

use crate::dispatched::everything_composes;
use crate::shapes::{KINDS, around_all};
use crate::support::{mark, of, streamed, text};
use stepwright_core::Memory;

#[tokio::test]
async fn everything_composes_streamed_and_not() {
    let mut seen = 0;
    for outer in KINDS {
        for (shape, plan) in around_all(outer) {
            let workflow = of(plan).step(mark("!")).store(Memory::default()).build().unwrap();
            let plain = workflow.run("in").await.unwrap();
            let (events, output) = streamed(workflow.run("in").run_id("again")).await;
            let output = output.unwrap();
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
    assert_eq!(seen, KINDS.len().pow(3));
}

#[tokio::test]
async fn everything_composes_in_the_background_of_this_process() {
    everything_composes(|workflow| workflow.store(Memory::default()), false).await;
}
