//! Tools that a file names itself: workflow files, functions of the program, calls that the caller
//! carries out, and the settings of all tools.

use serde_json::{Value, json};
use std::path::Path;
use stepwright_core::World;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::world::VirtualClock;
use stepwright_core::{Answer, Content, Memory, RunOutput, RunStatus, StepError, StepInput};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{FunctionModel, Reply};

/// A model that makes this call once, and then says what the call has answered.
fn calls(provider: &str, tool: &'static str, arguments: Value) -> FunctionModel {
    let model = FunctionModel::new(move |request| match request.messages.len() {
        1 => Reply::call(tool, arguments.clone()),
        _ => Reply::text(request.messages.last().unwrap().text()),
    });
    let registered = model.clone();
    stepwright_models::register(provider, move |_| Ok(registered.clone()));
    model
}

fn file(provider: &str, tools: &str) -> String {
    format!(
        "format: 1\nname: Outer\nmodel: {provider}\nagents:\n  a:\n    tools:\n{tools}\nsteps: \
         [{{agent: a}}]\n"
    )
}

fn read(text: &str, options: &Options) -> Result<Workflow, String> {
    let definition = match &options.base_dir {
        // Files that it names are beside it.
        Some(dir) => {
            std::fs::write(dir.join("outer.yaml"), text).unwrap();
            Definition::read(dir.join("outer.yaml"), options)
        }
        None => Definition::parse(text, "outer.yaml", options),
    };
    let definition = definition.map_err(|mistakes| mistakes.to_string())?;
    let builder = definition.builder().map_err(|error| error.to_string())?;
    builder.store(Memory::default()).build().map_err(|error| error.to_string())
}

fn beneath(dir: &Path) -> Options {
    Options { base_dir: Some(dir.to_owned()), ..Options::default() }
}

/// Options with a function that repeats its input, and one that judges a number.
fn with_functions() -> Options {
    let mut options = Options::default();
    options.functions = options.functions.with("repeat", |input: StepInput| async move {
        Ok::<_, StepError>(format!("{} twice", input.text()))
    });
    options.functions = options.functions.with("judge", |input: StepInput| async move {
        let asked = input.content().to_value();
        Ok::<_, StepError>(Content::from(match asked["n"].as_u64() {
            Some(n) if n > 9 => json!("too large"),
            Some(n) => json!({"n": n + 1}),
            None => json!(true),
        }))
    });
    options
}

async fn run(workflow: &Workflow) -> RunOutput {
    workflow.run("go").run_id("r").await.unwrap()
}

const INNER: &str = "format: 1
name: Double it
description: Doubles a number.
input: {type: object, properties: {n: {type: integer}}, required: [n]}
steps:
  - {name: sure, human_review: {requires_confirmation: Sure?}, template: '{{ input.n }}'}
  - {name: doubled, set: {}, template: '{{ steps.sure }}{{ steps.sure }}'}
";

#[tokio::test]
async fn a_workflow_file_is_a_tool_whose_steps_are_within_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let inner = INNER.replace("set: {}, ", "");
    std::fs::write(dir.path().join("double.yaml"), inner).unwrap();
    let model = calls("called-file", "double_it", json!({"n": 4}));
    let text = file("called-file", "      - workflow: {file: double.yaml}");
    let flow = read(&text, &beneath(dir.path())).unwrap();
    let paused = run(&flow).await;
    assert_eq!(paused.status, RunStatus::Paused);
    let id = paused.requirements[0].id.to_string();
    assert_eq!(id, "a/double_it#1/(workflow)/sure!confirm");
    let output = flow.continue_run("r", [(id, Answer::Approve)]).await.unwrap();
    assert_eq!(output.content.text(), "44");
    let tool = &model.requests()[0].tools[0];
    assert_eq!(tool.description, "Doubles a number.");
    assert_eq!(tool.parameters["required"], json!(["n"]));
}

#[test]
fn mistakes_in_called_files_and_names_are_told_at_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("plain.yaml", "format: 1\nname: Plain\nsteps: [{name: t, template: x}]\n");
    write(
        "state.yaml",
        "format: 1\nname: S\ndescription: d\nsession_state: {n: 1}\nsteps: \
                         [{name: t, template: '{{ state.n }}'}]\n",
    );
    for (tools, told) in [
        ("      - workflow: {file: no.yaml, description: d}", "cannot use `no.yaml`"),
        ("      - workflow: {file: ../x.yaml, description: d}", "cannot use `../x.yaml`"),
        ("      - workflow: {file: plain.yaml}", "is not told what `plain.yaml` does"),
        ("      - workflow: {file: state.yaml}", "no session state of its own"),
        ("      - workflow: {file: outer.yaml}", "outer.yaml"),
        ("      - workflow", "names no file"),
        (
            "      - workflow: {file: plain.yaml, description: d, name: a b}",
            "not the name of a tool",
        ),
        ("      - function: {name: nothing, description: d}", "has no function `nothing`"),
        ("      - function: {name: f}", "description"),
        ("      - external: {name: a/b, description: d}", "not the name of a tool"),
        ("      - external: {name: a, description: d, parameters: {type: string}}", "an object"),
        (
            "      - external: {name: a, description: d}\n      - external: {name: a, description: d}",
            "both have a tool `a`",
        ),
        ("      - calculator: {before: '= steps.x'}", "does not see `steps`"),
        ("      - calculator: {before: '= vars.none'}", "there is no variable `none`"),
        ("      - calculator: {after: {function: none}}", "has no function `none`"),
    ] {
        let error = read(&file("offline", tools), &beneath(dir.path())).unwrap_err();
        assert!(error.contains(told), "{tools}: {error}");
    }
}

#[tokio::test]
async fn a_function_of_the_program_is_a_tool() {
    calls("called-function", "repeat", json!({"message": "hi"}));
    let tools = "      - function: {name: repeat, description: Repeats.}";
    let output = run(&read(&file("called-function", tools), &with_functions()).unwrap()).await;
    assert_eq!(output.content.text(), "hi twice");
    calls("called-wrong", "repeat", json!({"m": 1}));
    let output = run(&read(&file("called-wrong", tools), &with_functions()).unwrap()).await;
    assert!(output.content.text().contains("`message` is missing"), "{}", output.content.text());
    calls("called-named", "check", json!({"n": 3}));
    let tools = "      - function: {function: judge, name: check, description: Checks., read_only: \
                 true, retries: 1, parameters: {type: object, properties: {n: {type: integer}}}}";
    let output = run(&read(&file("called-named", tools), &with_functions()).unwrap()).await;
    assert_eq!(output.content.text(), "{\"n\":4}");
}

#[tokio::test]
async fn a_call_that_the_caller_carries_out_pauses_the_run() {
    calls("called-external", "open_door", json!({"room": 7}));
    let tools = "      - external: {name: open_door, description: Opens., answer_within: 2d, \
                 parameters: {type: object, properties: {room: {type: integer}}}}";
    let flow = read(&file("called-external", tools), &Options::default()).unwrap();
    let paused = run(&flow).await;
    let asked = &paused.requirements[0];
    assert!(matches!(&asked.kind, RequirementKind::ExternalExecution { tool, arguments }
        if &**tool == "open_door" && arguments["room"] == 7));
    assert!(asked.due.is_some());
    let id = asked.id.to_string();
    let output = flow.continue_run("r", [(id, Answer::submit("open"))]).await.unwrap();
    assert_eq!(output.content.text(), "open");
}

#[tokio::test]
async fn hooks_refuse_and_rewrite_by_expressions_and_functions() {
    for (nth, settings, n, wanted) in [
        (1, "before: \"= content.n > 9 ? 'too large' : true\"", 10, "not called: too large"),
        (2, "before: \"= content.n > 9 ? 'too large' : true\"", 3, "3 twice"),
        (3, "before: '= {\"n\": content.n * 2}'", 4, "8 twice"),
        (4, "before: {function: judge}", 10, "not called: too large"),
        (5, "before: {function: judge}", 3, "4 twice"),
        (6, "after: '= content + vars.end'", 3, "3 twice!"),
        (7, "after: {function: repeat}", 3, "3 twice twice"),
        (8, "before: '= false'", 3, "not called: the file refuses this call"),
        (9, "before: '= 7'", 3, "not called: the hook `before` gave 7"),
        (10, "before: '= content.none'", 3, "not called: a hook of the tool failed"),
    ] {
        let provider = format!("hooked-{nth}");
        calls(&provider, "number", json!({"n": n}));
        let mut options = with_functions();
        options.functions = options.functions.with("number", |input: StepInput| async move {
            Ok::<_, StepError>(format!("{} twice", input.content().to_value()["n"]))
        });
        let tools = format!(
            "      - function: {{name: number, description: d, {settings}, parameters: {{type: \
             object, properties: {{n: {{type: integer}}}}}}}}"
        );
        let text = file(&provider, &tools) + "vars: {end: '!'}\n";
        let output = run(&read(&text, &options).unwrap()).await;
        let told = output.content.text();
        assert!(told.starts_with(wanted), "{settings}: {told}");
    }
}

#[tokio::test]
async fn a_tool_is_deferred_and_strict_as_the_file_says() {
    let model = calls("called-deferred", "calculate", json!({"expression": "1 + 1"}));
    let tools = "      - calculator: {defer: true}\n      - clock";
    run(&read(&file("called-deferred", tools), &Options::default()).unwrap()).await;
    let names = |nth: usize| -> Vec<String> {
        model.requests()[nth].tools.iter().map(|tool| tool.name.clone()).collect()
    };
    assert!(names(0).contains(&"search_tools".into()) && !names(0).contains(&"calculate".into()));
    assert!(names(1).contains(&"calculate".into()));
    let model = calls("called-above", "calculate", json!({"expression": "1 + 1"}));
    let tools = "      - calculator: {strict: true}\n      - clock\n    defer_above: 3";
    run(&read(&file("called-above", tools), &Options::default()).unwrap()).await;
    assert_eq!(model.requests()[0].tools.len(), 1, "four tools are more than three");
    assert!(model.requests()[0].strict_tools.contains("calculate"));
}

#[test]
fn the_timeout_and_the_concurrency_of_tools_take_effect() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let model = FunctionModel::new(|request| match request.messages.len() {
        1 => {
            let call = || json!({"message": "x"});
            Reply::call("wait", call()).and_call("wait", call()).and_call("wait", call())
        }
        _ => Reply::text(request.messages.last().unwrap().text()),
    });
    stepwright_models::register("called-limits", move |_| Ok(model.clone()));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut options = Options::default();
    let seen = most.clone();
    options.functions =
        options.functions.with("wait", move |_: StepInput, cx: stepwright_core::StepContext| {
            let (now, seen) = (now.clone(), seen.clone());
            async move {
                seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let hours = std::time::Duration::from_secs(if cx.path().number() == Some(1) {
                    7_200
                } else {
                    60
                });
                cx.world().sleep(hours).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, StepError>("done".to_owned())
            }
        });
    let tools = "      - function: {name: wait, description: Waits., read_only: true}\n    \
                 tool_timeout: 1h\n    tool_concurrency: 2";
    let text = file("called-limits", tools);
    let definition = Definition::parse(&text, "outer.yaml", &options).unwrap();
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 1);
    let flow = definition.builder().unwrap().world(world).build().unwrap();
    let output = clock.run(flow.run("go").into_future()).unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2, "of three calls, two are made at once");
    let told = output.content.text();
    assert!(told.contains("took longer than 3600s") && told.contains("done"), "{told}");
}
