//! Plans in which every container is in every container. The tests of dispatchers have them too.

use stepwright_core::StepInput;
use stepwright_engine::{
    AnyStep, Condition, IntoStep, Loop, Map, Parallel, Router, Step, Steps, Workflow,
};

pub(crate) const KINDS: [&str; 9] =
    ["step", "steps", "parallel", "loop", "if", "else", "router", "map", "workflow"];

/// A step that writes its name behind what it is given.
pub(crate) fn mark(name: &str) -> Step {
    let mine = name.to_owned();
    Step::new(name, move |input: StepInput| {
        let text = format!("{}{mine}", input.text());
        async move { text }
    })
}

pub(crate) fn part<M>(step: impl IntoStep<M>) -> AnyStep {
    step.into_step()
}

/// A plan with this kind of container around all others, two deep, for each pair of the others.
pub(crate) fn around_all(outer: &str) -> Vec<(String, AnyStep)> {
    let mut all = Vec::new();
    for middle in KINDS {
        for leaf in KINDS {
            let innermost = around(leaf, "three", part(mark("x")));
            let plan = around(outer, "one", around(middle, "two", innermost));
            all.push((format!("{outer} around {middle} around {leaf}"), plan));
        }
    }
    all
}

/// A node of this kind, called `name`, around `inside`.
pub(crate) fn around(kind: &str, name: &str, inside: AnyStep) -> AnyStep {
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
