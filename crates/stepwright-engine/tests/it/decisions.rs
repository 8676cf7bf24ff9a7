//! A decision stays decided: a resumed run takes the recorded one and asks for no other.

use crate::support::{mark, of, part, text};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::event::ContainerKind;
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{EventKind, Memory, RunId};
use stepwright_engine::{AnyStep, Condition, Map, Router, Workflow};

/// A container that decides differently each time. `asked` counts its decisions.
fn deciding(kind: ContainerKind, asked: &Arc<AtomicU32>) -> AnyStep {
    let asked = asked.clone();
    let is_first = move || asked.fetch_add(1, Ordering::SeqCst) == 0;
    match kind {
        ContainerKind::Condition => {
            part(Condition::new("c", move |_| is_first()).then(mark("a")).otherwise(mark("b")))
        }
        ContainerKind::Router => {
            let choose = move |_: &_| if is_first() { "a" } else { "b" };
            part(Router::new("c", choose).choice(mark("a")).choice(mark("b")))
        }
        ContainerKind::Map => {
            let items = move |_: &_| if is_first() { vec!["1", "2"] } else { vec!["3"] };
            part(Map::new("c").over(items).step(mark("a")))
        }
        other => unreachable!("`{other}` does not decide"),
    }
}

#[tokio::test]
async fn a_resumed_run_takes_the_recorded_decision_and_asks_for_no_other() {
    let kinds = [ContainerKind::Condition, ContainerKind::Router, ContainerKind::Map];
    assert!(ContainerKind::ALL.iter().all(|kind| kind.decides() == kinds.contains(kind)));
    for kind in kinds {
        let asked = Arc::new(AtomicU32::new(0));
        let workflow = |store: &Memory| -> Workflow {
            of(deciding(kind, &asked)).store(store.clone()).build().unwrap()
        };
        let store = Memory::default();
        let expected = workflow(&store).run("in").run_id("r").session_id("s").await.unwrap();
        let run: RunId = "r".parse().unwrap();
        let facts = store.load(&run, 0, usize::MAX).await.unwrap();
        let decided =
            facts.iter().position(|fact| matches!(fact.kind, EventKind::ContainerStarted { .. }));
        for cut in decided.unwrap() + 1..facts.len() {
            let store = Memory::default();
            let facts = facts[..cut].to_vec();
            let append = Append { run: run.clone(), facts, close: None, driver: None };
            store.append(append).await.unwrap();
            let output = workflow(&store).resume("r").await.unwrap();
            assert_eq!(text(&output), text(&expected), "{kind}, cut {cut}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{kind}");
    }
}
