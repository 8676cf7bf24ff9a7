//! Futures that cannot move to another thread.

use std::rc::Rc;
use std::sync::Mutex;
use stepwright_engine::{Condition, Step, Workflow};

async fn pause() {}

async fn counted(text: String) -> String {
    let count = Rc::new(text.len());
    pause().await;
    format!("{text} {count}")
}

async fn is_long(text: String) -> bool {
    let limit = Mutex::new(80);
    let limit = limit.lock().unwrap();
    pause().await;
    text.len() > *limit
}

fn main() {
    let _ = Workflow::builder("w").step(counted);
    let _ = Step::new("counted", counted);
    let _ = Step::new("closure", |text: String| async move {
        let count = Rc::new(text.len());
        pause().await;
        format!("{text} {count}")
    });
    let _ = Condition::new_async("Long?", is_long);
}
