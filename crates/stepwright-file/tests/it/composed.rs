//! The keys that files alone have, in each container and in each container of a container: parts
//! of other files, prompts, and functions of the program. Each run dies after each fact and is
//! resumed.

use std::path::Path;
use std::sync::{Arc, Mutex};
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Event, Memory, RunId, RunOutput, RunStatus, StepContext};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Functions, Options};
use stepwright_testing::grammar;
use tempfile::TempDir;

/// The containers, each with `BODY` in place of its steps.
const AROUND: [(&str, &str); 7] = [
    ("steps", "steps: [BODY]"),
    ("parallel", "parallel: {}, branches: [{name: line, steps: [BODY]}, {name: n, template: n}]"),
    ("loop", "loop: {at_most: 2}, do: [BODY]"),
    ("if", "if: true, then: [BODY]"),
    ("router", "router: '= \"line\"', choices: [{name: line, steps: [BODY]}]"),
    ("map", "map: {over: '= [1, 2]', concurrency: 1}, do: [BODY]"),
    ("workflow", "workflow: ./inner-NAME.yaml"),
];

const LIBRARY: &str = "\
format: 1
name: Library
model: composed:one
vars: {greeting: Dear}
prompts: {ask: 'Ask {{ vars.greeting }}: {{ previous }}'}
agents: {writer: {instructions: Write.}}
steps:
  - {name: greet, template: '{{ vars.greeting }} {{ previous }}'}
  - {name: write, agent: writer, prompt: {use: '#ask'}}
";

/// The parts that are composed: their name, and the steps.
const PARTS: [(&str, &str); 3] = [
    ("use", "{use: library.yaml#greet, name: a}, {use: library.yaml#write, name: b}"),
    (
        "prompts",
        "{name: a, agent: own, prompt: {use: '#short'}}, \
         {name: b, agent: own, prompt: {use: library.yaml#ask}}",
    ),
    (
        "functions",
        "{name: a, function: {name: count, with: {n: '= 1 + 1'}}}, {name: b, function: count}",
    ),
];

const HEAD: &str = "\
format: 1
name: Composed
model: composed:one
vars: {greeting: Dear}
prompts: {short: 'Short: {{ previous }}'}
agents: {own: {instructions: Answer.}}
steps:
";

/// Writes the files of a run of these steps within these containers, the outermost first.
fn folder(containers: &[(&str, &str)], body: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("library.yaml"), LIBRARY).unwrap();
    let mut steps = body.to_owned();
    for (depth, (kind, yaml)) in containers.iter().enumerate().rev() {
        if *kind == "workflow" {
            let text = format!("{HEAD}  [{steps}]\n");
            let text = text.replace("steps:\n  [", "steps: [");
            std::fs::write(dir.path().join(format!("inner-{depth}.yaml")), text).unwrap();
        }
        let yaml = yaml.replace("BODY", &steps).replace("NAME", &depth.to_string());
        steps = format!("{{name: box{depth}, {yaml}}}");
    }
    let last = "{name: last, template: '{{ previous }}'}";
    let text = format!("{HEAD}  [{{name: first, template: in}}, {steps}, {last}]\n");
    let text = text.replace("steps:\n  [", "steps: [");
    std::fs::write(dir.path().join("flow.yaml"), text).unwrap();
    dir
}

/// A process with a store of its own, which counts the calls of its functions by path.
struct Process {
    memory: Memory,
    workflow: Workflow,
    called: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn new(dir: &Path, facts: &[Event]) -> Self {
        let called = Arc::new(Mutex::new(Vec::new()));
        let counted = called.clone();
        let count = move |text: String, cx: StepContext| {
            counted.lock().unwrap().push(cx.path().to_string());
            async move { format!("counted {text}") }
        };
        let functions = Functions::new().with("count", count);
        let options = Options { functions, ..Options::default() };
        let read = Definition::read(dir.join("flow.yaml"), &options);
        let definition = read.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let memory = Memory::default();
        let workflow = definition.builder().unwrap().store(memory.clone()).build().unwrap();
        let process = Self { memory, workflow, called };
        if !facts.is_empty() {
            let (run, facts) = (facts[0].run.clone(), facts.to_vec());
            let append = Append { run, facts, close: None, driver: None };
            futures_util::FutureExt::now_or_never(process.memory.append(append)).unwrap().unwrap();
        }
        process
    }

    async fn facts(&self) -> Vec<Event> {
        self.memory.load(&RunId::new("r").unwrap(), 0, 10_000).await.unwrap()
    }
}

fn same(output: &RunOutput) -> (RunStatus, String, Vec<String>) {
    let steps = output.walk().map(|step| format!("{} {:?}", step.path, step.content));
    (output.status, format!("{:?}", output.content), steps.collect())
}

async fn works_everywhere(part: &str) {
    stepwright_models::register("composed", |_| Ok(stepwright_models::Offline::new()));
    let (_, body) = PARTS.iter().find(|(name, _)| *name == part).unwrap();
    let alone = AROUND.iter().map(|inner| vec![*inner]);
    let nested = AROUND.iter();
    let nested = nested.flat_map(|outer| AROUND.iter().map(move |inner| vec![*outer, *inner]));
    for containers in std::iter::once(Vec::new()).chain(alone).chain(nested) {
        let names: Vec<&str> = containers.iter().map(|(name, _)| *name).collect();
        let dir = folder(&containers, body);
        let process = Process::new(dir.path(), &[]);
        let done = process.workflow.run("in").run_id("r").await;
        let done = done.unwrap_or_else(|error| panic!("{part} in {names:?}: {error}"));
        let facts = process.facts().await;
        grammar::check(&facts);
        let is_own = |fact: &&Event| matches!(fact.path.name(), "a" | "b");
        let own = facts.iter().filter(|fact| fact.name() == "StepCompleted").filter(is_own);
        let turns = containers.iter().filter(|(name, _)| matches!(*name, "loop" | "map")).count();
        assert_eq!(own.count(), 2 << turns, "{part} in {names:?}");
        for cut in 1..facts.len() {
            let place = format!("{part} in {names:?}, cut {cut}: {:?}", facts[cut - 1]);
            let process = Process::new(dir.path(), &facts[..cut]);
            let again = process.workflow.resume("r").await;
            let again = again.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(same(&again), same(&done), "{place}");
            let ended = facts[..cut].iter().filter(|fact| fact.name() == "StepCompleted");
            let ended: Vec<String> = ended.map(|fact| fact.path.to_string()).collect();
            for path in &*process.called.lock().unwrap() {
                assert!(!ended.contains(path), "{place}: `{path}` is called again");
            }
        }
    }
}

#[tokio::test]
async fn parts_of_other_files_work_in_every_container() {
    works_everywhere("use").await;
}

#[tokio::test]
async fn prompts_work_in_every_container() {
    works_everywhere("prompts").await;
}

#[tokio::test]
async fn functions_of_the_program_work_in_every_container() {
    works_everywhere("functions").await;
}
