//! Closures that can be called once only, and steps are called again.

use stepwright_engine::{Condition, Map, Step, Workflow};

fn main() {
    let name = String::from("Ada");
    let _ = Workflow::builder("w").step(Step::new("greet", move |greeting: String| async move {
        format!("{greeting} {name}")
    }));
    let names = vec![String::from("Ada")];
    let _ = Map::new("each").over(move |_| names);
    let words = vec![String::from("no")];
    let _ = Condition::new_async("known", move |text: String| async move {
        words.into_iter().any(|word| word == text)
    });
    let log = vec![String::from("begin")];
    let _ = Step::blocking("log", move |_: String| log.join(" ") + &drop_all(log));
}

fn drop_all(_: Vec<String>) -> String {
    String::new()
}
