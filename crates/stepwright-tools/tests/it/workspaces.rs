//! Workspaces: made once, found again, listed, kept, and removed.

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use stepwright_agent::Agent;
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    Answer, AnyStore, Error, ErrorId, Event, EventKind, HumanReview, Memory, RunId, RunOutput,
    RunStatus, StepContext, StepError, StepInput, StepPath,
};
use stepwright_engine::{
    AnyStep, Condition, Erase, IntoStep as _, Loop, Map, Parallel, Router, Runs, Step, Steps,
    Workflow,
};
use stepwright_testing::grammar;
use stepwright_testing::model::{Reply, ScriptedModel};
use stepwright_tools::{Files, KeptFiles, SweptFiles, Workspace};

/// The folders that steps have worked in, in order.
type Seen = Arc<Mutex<Vec<PathBuf>>>;

/// Returns the work of a step that adds a line to `log.txt` and writes a file of its own.
fn working(seen: &Seen) -> impl Fn(StepInput, StepContext) -> Working + Clone + use<> {
    let seen = seen.clone();
    move |input, cx| {
        let seen = seen.clone();
        Box::pin(async move {
            let dir = cx.workspace().unwrap().to_owned();
            seen.lock().unwrap().push(dir.clone());
            let log = dir.join("log.txt");
            let before = fs::read_to_string(&log).unwrap_or_default();
            let name = cx.path().as_str().replace(['/', '#'], "-");
            // As often as it is done, the result is the same.
            if !before.contains(&name) {
                fs::write(&log, format!("{before}{name}\n")).unwrap();
            }
            fs::create_dir_all(dir.join("out")).unwrap();
            fs::write(dir.join(format!("out/{name}.txt")), input.text()).unwrap();
            Ok(format!("{}!", input.text()))
        })
    }
}

type Working = std::pin::Pin<Box<dyn Future<Output = Result<String, StepError>> + Send>>;

fn step(name: &str, workspace: &Workspace, seen: &Seen) -> Step {
    Step::new(name, workspace.clone().around(working(seen)))
}

fn workflow(steps: Vec<AnyStep>, store: &Memory) -> Workflow {
    let builder = Workflow::builder("test").store(store.clone());
    steps.into_iter().fold(builder, stepwright_engine::WorkflowBuilder::step).build().unwrap()
}

/// The files of an output, each as `step: path`.
fn files(output: &RunOutput) -> Vec<String> {
    output.workspace_files().iter().map(|(step, file)| format!("{step}: {}", file.path)).collect()
}

async fn journal(store: &Memory, run: &RunId) -> Vec<Event> {
    store.load(run, 0, usize::MAX).await.unwrap()
}

/// Returns the store of another process that finds these facts.
async fn after(facts: &[Event]) -> Memory {
    let store = Memory::default();
    let (run, facts) = (facts[0].run.clone(), facts.to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

/// The containers that a step can be in.
const AROUND: [&str; 8] =
    ["nothing", "Steps", "Parallel", "Loop", "Condition", "Router", "Map", "workflow"];

fn around(container: &str, step: Step) -> AnyStep {
    match container {
        "nothing" => step.into_step(),
        "Steps" => Steps::new("c").step(step).into_step(),
        "Parallel" => Parallel::new("c").branch(step).into_step(),
        "Loop" => Loop::new("c").step(step).at_most(1).into_step(),
        "Condition" => Condition::new("c", |_| true).then(step).into_step(),
        "Router" => Router::new("c", |_| vec!["b".to_owned()]).choice(step).into_step(),
        "Map" => Map::new("c").over(|_| vec!["x".to_owned()]).step(step).into_step(),
        _ => Step::workflow("c", Workflow::builder("c").step(step).build().unwrap()).into_step(),
    }
}

/// A run in this container: a step with a folder of the run, and one that has its own or shares it.
fn case(container: &str, of_run: bool, seen: &Seen, store: &Memory) -> Workflow {
    let shared = Workspace::temp().of_run();
    let own = if of_run { shared.clone() } else { Workspace::temp() };
    let first = step("a", &shared, seen).into_step();
    let second = around(container, step("b", &own, seen));
    workflow(vec![first, second], store)
}

#[tokio::test]
async fn a_folder_is_made_once_in_every_container_wherever_the_run_is_cut() {
    for (container, of_run) in AROUND.into_iter().flat_map(|c| [(c, true), (c, false)]) {
        let (seen, store) = (Seen::default(), Memory::default());
        let output = case(container, of_run, &seen, &store).run("x").await.unwrap();
        let facts = journal(&store, &output.run_id).await;
        grammar::check(&facts);
        let wanted = files(&output);
        let dirs: Vec<PathBuf> = seen.lock().unwrap().clone();
        assert_eq!(dirs[0] == dirs[1], of_run, "{container}");
        assert!(dirs.iter().all(|dir| !dir.exists()), "{container}: a folder is left");
        let second = output.step_results.last().unwrap().walk().last().unwrap();
        let listed: Vec<&str> = second.files.iter().map(|file| &*file.path).collect();
        assert_eq!(listed.len(), if of_run { 3 } else { 2 }, "{container}: {listed:?}");
        for cut in 1..facts.len() {
            // What the facts name was there when the process died.
            let (seen, past) = (Seen::default(), restored(&facts[..cut]));
            let store = after(&past).await;
            let other = case(container, of_run, &seen, &store);
            let resumed = other.resume(&output.run_id).await.unwrap();
            assert_eq!(files(&resumed), wanted, "{container}, cut at {cut}");
            grammar::check(&journal(&store, &output.run_id).await);
            for dir in seen.lock().unwrap().iter() {
                assert!(!dir.exists(), "{container}, cut at {cut}: a folder is left");
            }
            // Those that only the process that died had used.
            for dir in opened(&past) {
                drop(fs::remove_dir_all(dir));
            }
        }
    }
}

/// Returns the folders that facts name.
fn opened(facts: &[Event]) -> Vec<PathBuf> {
    let values = facts.iter().filter_map(|fact| match &fact.kind {
        EventKind::StepRecorded { key, value } if &**key == "workspace" => value["dir"].as_str(),
        _ => None,
    });
    values.map(PathBuf::from).collect()
}

/// Makes the folders again that the facts name, with the files that their steps had made.
fn restored(facts: &[Event]) -> Vec<Event> {
    for dir in opened(facts) {
        fs::create_dir_all(dir.join("out")).unwrap();
    }
    for fact in facts {
        let EventKind::StepRecorded { key, value } = &fact.kind else { continue };
        if !key.starts_with("workspace files") {
            continue;
        }
        let name = fact.path.as_str().replace(['/', '#'], "-");
        let own = facts.iter().rev().find(|other| {
            other.path.contains(&fact.path) && opened(std::slice::from_ref(other)).len() == 1
        });
        let dir = &opened(std::slice::from_ref(own.unwrap()))[0];
        for file in value.as_array().unwrap() {
            let path = dir.join(file["path"].as_str().unwrap());
            if path.ends_with("log.txt") {
                let before = fs::read_to_string(&path).unwrap_or_default();
                fs::write(path, format!("{before}{name}\n")).unwrap();
            } else if !path.exists() {
                let text = if path.ends_with("a.txt") { "x" } else { "x!" };
                fs::write(path, text).unwrap();
            }
        }
    }
    facts.to_vec()
}

/// A run whose second step waits for a person.
fn waiting(store: &Memory, seen: &Seen, workspace: &Workspace) -> Workflow {
    let review = HumanReview::new().requires_confirmation("Go on?");
    let second = step("b", workspace, seen).human_review(review);
    workflow(vec![step("a", workspace, seen).into_step(), second.into_step()], store)
}

async fn go_on(workflow: &Workflow, paused: &RunOutput) -> Result<RunOutput, Error> {
    let id = paused.requirements[0].id.to_string();
    workflow.continue_run(&paused.run_id, [(id, Answer::Approve)]).await
}

#[tokio::test]
async fn the_folder_of_a_run_is_found_again_by_another_process() {
    let (store, seen) = (Memory::default(), Seen::default());
    let shared = || Workspace::temp().of_run();
    let paused = waiting(&store, &seen, &shared()).run("x").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let dir = seen.lock().unwrap()[0].clone();
    assert!(dir.exists(), "a run that waits keeps its folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }
    // Another process knows the definition and the store alone.
    let output = go_on(&waiting(&store, &seen, &shared()), &paused).await.unwrap();
    assert_eq!(seen.lock().unwrap()[1], dir);
    assert_eq!(files(&output), ["a: log.txt", "a: out/a.txt", "b: log.txt", "b: out/b.txt"]);
    assert!(!dir.exists(), "a completed run leaves no folder");
    let facts = journal(&store, &output.run_id).await;
    let at: Vec<&StepPath> = facts
        .iter()
        .filter(|fact| opened(std::slice::from_ref(fact)).len() == 1)
        .map(|fact| &fact.path)
        .collect();
    assert_eq!(at, [&StepPath::root()], "one fact, of the run");
}

#[tokio::test]
async fn a_folder_that_is_gone_is_an_error_and_not_an_empty_folder() {
    let (store, seen) = (Memory::default(), Seen::default());
    let shared = Workspace::temp().of_run();
    let workflow = waiting(&store, &seen, &shared);
    let paused = workflow.run("x").await.unwrap();
    let dir = seen.lock().unwrap()[0].clone();
    fs::remove_dir_all(&dir).unwrap();
    let error = go_on(&workflow, &paused).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::WORKSPACE_GONE);
    let wanted = format!("the workspace of this run is gone: `{}` does not exist", dir.display());
    assert!(error.to_string().contains(&wanted), "{error}");
    assert_eq!(seen.lock().unwrap().len(), 1, "the step did not run");
}

#[tokio::test]
async fn a_failed_run_keeps_its_folder_for_a_retry() {
    let (store, seen) = (Memory::default(), Seen::default());
    let shared = Workspace::temp().of_run();
    let broken = Arc::new(Mutex::new(true));
    let fails = broken.clone();
    let second = move |text: String, cx: StepContext| {
        let fails = *fails.lock().unwrap();
        async move {
            let log = fs::read_to_string(cx.workspace().unwrap().join("log.txt")).unwrap();
            if fails { Err(StepError::terminal("broken")) } else { Ok(format!("{text} {log}")) }
        }
    };
    let steps = vec![
        step("a", &shared, &seen).into_step(),
        Step::new("b", shared.clone().around(second)).into_step(),
    ];
    let workflow = workflow(steps, &store);
    let failed = workflow.run("x").run_id("r").await.unwrap_err();
    assert!(failed.to_string().contains("broken"), "{failed}");
    let dir = seen.lock().unwrap()[0].clone();
    assert!(dir.exists());
    *broken.lock().unwrap() = false;
    let output = workflow.retry("r").await.unwrap();
    assert_eq!(output.content.text(), "x! a\n");
    assert!(!dir.exists());
}

#[tokio::test]
async fn branches_share_the_folder_of_the_run_or_have_their_own() {
    let (store, seen) = (Memory::default(), Seen::default());
    let shared = Workspace::temp().of_run();
    let both = Parallel::new("p")
        .branch(step("a", &shared, &seen))
        .branch(step("b", &shared, &seen))
        .branch(step("own", &Workspace::temp(), &seen));
    let output = workflow(vec![both.into_step()], &store).run("x").await.unwrap();
    let dirs = seen.lock().unwrap().clone();
    assert_eq!(dirs.len(), 3);
    let mut different = dirs.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 2, "{dirs:?}");
    let own: Vec<&str> = output.step_results[0].steps[2].files.iter().map(|f| &*f.path).collect();
    assert_eq!(own, ["log.txt", "out/p-own.txt"]);
}

#[tokio::test]
async fn files_are_kept_by_their_hash_and_given_to_a_later_step() {
    let (store, seen) = (Memory::default(), Seen::default());
    let place = tempfile::tempdir().unwrap();
    let kept = place.path().join("runs.db.files");
    let drawing = Workspace::temp().keep_with_run().keep_only(["out/*.txt"]);
    let looking = Workspace::temp().keep_with_run().files_of("a");
    let look = |_: StepInput, cx: StepContext| async move {
        let dir = cx.workspace().unwrap();
        let text = fs::read_to_string(dir.join("out/a.txt")).unwrap();
        fs::write(dir.join("new.txt"), "new").unwrap();
        Ok::<_, StepError>(format!("{text} {}", dir.join("log.txt").exists()))
    };
    let steps = |looking: Workspace| {
        let first = step("a", &drawing, &seen).into_step();
        vec![first, Step::new("b", looking.around(look)).into_step()]
    };
    let builder = Workflow::builder("test").store(store.clone()).state(KeptFiles::beneath(&kept));
    let builder =
        steps(looking.clone()).into_iter().fold(builder, stepwright_engine::WorkflowBuilder::step);
    let error = builder.build().unwrap().run("x").await.unwrap_err();
    assert!(
        error.to_string().contains("`log.txt` of an earlier step is not among the files in"),
        "{error}"
    );
    // The files of all of it.
    let drawing = Workspace::temp().keep_with_run();
    let first = Step::new("a", drawing.around(working(&seen)));
    let builder = Workflow::builder("test").store(store.clone()).state(KeptFiles::beneath(&kept));
    let workflow = builder.step(first).step(Step::new("b", looking.clone().around(look)));
    let output = workflow.build().unwrap().run("x").await.unwrap();
    assert_eq!(output.content.text(), "x true");
    assert_eq!(files(&output), ["a: log.txt", "a: out/a.txt", "b: new.txt"]);
    for (_, file) in output.workspace_files() {
        let place = kept.join(&file.sha256[..2]).join(&*file.sha256);
        let bytes = fs::read(place).unwrap();
        assert_eq!(u64::try_from(bytes.len()).unwrap(), file.bytes);
    }
    // A run without a place for them.
    let first = Step::new("a", Workspace::temp().keep_with_run().around(working(&seen)));
    let error = Workflow::builder("test").step(first).build().unwrap().run("x").await.unwrap_err();
    assert!(error.to_string().contains("the run has no place for them"), "{error}");
    assert!(error.hint().unwrap().contains("--db"), "{error:?}");
    assert!(Workspace::temp().files_of("a").check().is_err());
    assert!(Workspace::temp().keep("x").keep_only(["[a"]).check().is_err());
}

#[tokio::test]
async fn kept_files_go_with_the_last_run_that_has_them() {
    let store = Memory::default();
    let place = tempfile::tempdir().unwrap();
    let kept = place.path().join("kept");
    let write = |input: StepInput, cx: StepContext| async move {
        let dir = cx.workspace().unwrap();
        fs::write(dir.join("same.txt"), "in both").unwrap();
        fs::write(dir.join("own.txt"), input.text()).unwrap();
        Ok::<_, StepError>("done")
    };
    let step = Step::new("write", Workspace::temp().keep_with_run().around(write));
    let files = KeptFiles::beneath(&kept);
    let builder = Workflow::builder("test").store(store.clone()).state(files.clone());
    let workflow = builder.step(step).build().unwrap();
    for run in ["r-1", "r-2"] {
        workflow.run(run).run_id(run).await.unwrap();
    }
    let contents = || {
        let parts = fs::read_dir(&kept).unwrap().flatten();
        let parts = parts.filter(|part| part.path().is_dir());
        parts.map(|part| fs::read_dir(part.path()).unwrap().count()).sum::<usize>()
    };
    assert_eq!(contents(), 3, "the same content is there once");
    // What a process that died has left half-written.
    let part = fs::read_dir(&kept).unwrap().flatten().find(|part| part.path().is_dir()).unwrap();
    fs::write(part.path().join(".7-abc.tmp"), "half").unwrap();

    let runs = Runs::of(AnyStore::new(store));
    let swept = |gone: Vec<RunId>, dry_run| {
        let (files, runs) = (files.clone(), runs.clone());
        async move { files.sweep(&runs, &gone, dry_run).await.unwrap() }
    };
    let first: RunId = "r-1".parse().unwrap();
    let one = SweptFiles { files: 1, bytes: 3 };
    assert_eq!(swept(vec![], false).await, SweptFiles::default(), "all of them are referred to");
    assert_eq!((swept(vec![first.clone()], true).await, contents()), (one, 3));
    runs.erase(&Erase::Run(first), false).await.unwrap();
    assert_eq!((swept(vec![], false).await, contents()), (one, 2));
    runs.erase(&Erase::Run("r-2".parse().unwrap()), false).await.unwrap();
    assert_eq!((swept(vec![], false).await.files, contents()), (2, 0));

    // While a step keeps files, none is removed.
    let lock = fs::OpenOptions::new().write(true).open(kept.join(".lock")).unwrap();
    lock.lock_shared().unwrap();
    let mut waits = std::pin::pin!(swept(vec![], false));
    let waiting = futures_util::FutureExt::now_or_never(waits.as_mut());
    assert!(waiting.is_none());
    drop(lock);
    assert_eq!(waits.await, SweptFiles::default());
}

#[tokio::test]
async fn a_folder_of_the_author_is_listed_against_what_it_had_and_never_removed() {
    let (store, seen) = (Memory::default(), Seen::default());
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("site");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("old.txt"), "old").unwrap();
    fs::write(dir.join("log.txt"), "before\n").unwrap();
    let workflow = workflow(vec![step("a", &Workspace::dir(&dir), &seen).into_step()], &store);
    let output = workflow.run("x").await.unwrap();
    assert_eq!(files(&output), ["a: log.txt", "a: out/a.txt"]);
    assert_eq!(fs::read_to_string(dir.join("log.txt")).unwrap(), "before\na\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_of_a_file_is_not_outside_of_its_base_directory() {
    let (store, seen) = (Memory::default(), Seen::default());
    let place = tempfile::tempdir().unwrap();
    let base = place.path().join("base");
    fs::create_dir(&base).unwrap();
    std::os::unix::fs::symlink(place.path(), base.join("out")).unwrap();
    for dir in ["out/a", "..", "/etc"] {
        let workspace = Workspace::dir(dir).beneath(&base);
        let workflow = workflow(vec![step("a", &workspace, &seen).into_step()], &store);
        let error = workflow.run("x").await.unwrap_err();
        assert!(error.to_string().contains("it is outside of the directory"), "{dir}: {error}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

fn git(dir: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
    assert!(command.args(words).output().unwrap().status.success(), "{words:?}");
}

#[tokio::test]
async fn a_worktree_has_the_files_of_its_commit_and_lists_what_differs() {
    let (store, seen) = (Memory::default(), Seen::default());
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("project");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(repository.join("code.txt"), "one").unwrap();
    fs::write(repository.join(".gitignore"), "*.tmp\n").unwrap();
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "--message=first"]);
    fs::write(repository.join("code.txt"), "two").unwrap();
    git(&repository, &["commit", "--quiet", "--all", "--message=second"]);
    let noted = seen.clone();
    let work = move |_: StepInput, cx: StepContext| {
        let dir = cx.workspace().unwrap().to_owned();
        noted.lock().unwrap().push(dir.clone());
        let text = fs::read_to_string(dir.join("code.txt")).unwrap();
        fs::write(dir.join("code.txt"), "three").unwrap();
        fs::write(dir.join("new.txt"), "new").unwrap();
        fs::write(dir.join("junk.tmp"), "junk").unwrap();
        std::future::ready(Ok::<_, StepError>(text))
    };
    let run = async |workspace: Workspace| {
        let steps = vec![Step::new("a", workspace.around(work.clone())).into_step()];
        workflow(steps, &store).run("x").await
    };
    let output = run(Workspace::worktree(&repository)).await.unwrap();
    assert_eq!(output.content.text(), "two");
    assert_eq!(files(&output), ["a: code.txt", "a: new.txt"]);
    assert_eq!(
        run(Workspace::worktree(&repository).at("main~1")).await.unwrap().content.text(),
        "one"
    );
    assert_eq!(fs::read_to_string(repository.join("code.txt")).unwrap(), "two", "untouched");
    assert!(seen.lock().unwrap().iter().all(|dir| !dir.exists()));
    let list = Command::new("git").arg("-C").arg(&repository).args(["worktree", "list"]).output();
    assert_eq!(String::from_utf8(list.unwrap().stdout).unwrap().lines().count(), 1);
    for (at, wanted) in [("nowhere", "there is no commit `nowhere`"), ("--help", "`--help`")] {
        let error = run(Workspace::worktree(&repository).at(at)).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let error = run(Workspace::worktree(place.path())).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::WORKSPACE_GONE, "{error}");
}

#[tokio::test]
async fn a_fork_has_a_copy_of_the_folder_of_its_origin() {
    let (store, seen) = (Memory::default(), Seen::default());
    let workflow = waiting(&store, &seen, &Workspace::temp().of_run());
    let paused = workflow.run("x").await.unwrap();
    let fork = workflow.fork(&paused.run_id).at("b").await.unwrap();
    let output = match fork.status {
        RunStatus::Paused => go_on(&workflow, &fork).await.unwrap(),
        _ => fork,
    };
    let dirs = seen.lock().unwrap().clone();
    assert_ne!(dirs[0], dirs[1], "each has its own");
    assert_eq!(files(&output).last().unwrap(), "b: out/b.txt");
    assert!(dirs[0].exists() && !dirs[1].exists(), "the origin still waits");
    go_on(&workflow, &paused).await.unwrap();
    assert!(!dirs[0].exists());
}

#[tokio::test]
async fn the_tools_of_an_agent_work_in_the_folder_of_its_step() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.txt"), "of the base directory").unwrap();
    let model = ScriptedModel::new([
        Reply::call("write_file", json!({"path": "a.txt", "text": "one"})),
        Reply::call("patch_file", json!({"path": "a.txt", "old": "one", "new": "two"})),
        Reply::call("read_file", json!({"path": "a.txt"}))
            .and_call("list_files", json!({}))
            .and_call("find_files", json!({"pattern": "*"}))
            .and_call("search_files", json!({"text": "two"}))
            .and_call("read_file", json!({"path": "../a.txt"})),
        Reply::text("done"),
    ]);
    let agent = Agent::builder("Clerk").model(model.clone()).unwrap();
    let agent = agent.tool(Files::beneath(place.path()).write(true)).build().unwrap();
    let store = Memory::default();
    let steps = vec![Step::new("a", Workspace::temp().around(agent)).into_step()];
    let output = workflow(steps, &store).run("x").await.unwrap();
    assert_eq!(files(&output), ["a: a.txt"]);
    let told = format!("{:?}", model.requests().last().unwrap().messages);
    for wanted in ["\"two\"", "\"a.txt\"", "a.txt:1: two", "outside of the base directory"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let untouched = fs::read_to_string(place.path().join("a.txt")).unwrap();
    assert_eq!(untouched, "of the base directory");
}
