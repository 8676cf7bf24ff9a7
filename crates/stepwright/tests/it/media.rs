//! A file of 50 MB goes through a run: what it takes of memory and of the disk.
//!
//! A process of its own runs, so that its memory is that of the run alone. It is this test binary
//! again, with the one test that does so.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use stepwright::models::AnyModel;
use stepwright::prelude::*;
use stepwright_testing::model::{FunctionModel, Reply};

/// The size of the file.
const FILE: usize = 50_000_000;

/// The most memory beyond the file, which is held once.
const MEMORY_MAX: usize = 10_000_000;

/// The most bytes on the disk beyond the file, which is there once.
const DISK_MAX: u64 = 4_000_000;

/// Adds up the bytes of all media.
async fn weigh(input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
    let mut bytes = 0;
    for medium in input.media() {
        bytes += cx.media_bytes(&medium).await?.len();
    }
    Ok(bytes.to_string().into())
}

/// Passes the media on, as its own.
async fn pass(input: StepInput) -> StepOutput {
    let media = input.media().remove(0);
    StepOutput::from("passed").medium(media)
}

/// Functions in containers, and an agent that gets the file.
fn workflow(store: &Sqlite) -> Workflow {
    let model = FunctionModel::new(|request| {
        let parts = request.messages.iter().map(|message| match message {
            stepwright::models::Message::User { parts } => parts.len(),
            _ => 0,
        });
        Reply::text(format!("{} parts", parts.sum::<usize>()))
    });
    let agent = Agent::builder("Seer").model(AnyModel::new(model)).unwrap().build().unwrap();
    Workflow::builder("Large")
        .step(Parallel::new("both").branch(Step::new("a", weigh)).branch(Step::new("b", weigh)))
        .step(Step::new("pass", pass))
        .step(Steps::new("within").step(Step::new("see", agent)))
        .step(Step::new("last", weigh))
        .store(store.clone())
        .build()
        .unwrap()
}

fn memory(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

async fn run(workflow: &Workflow, path: &Path, name: &str) {
    let file = File::open(path).unwrap();
    let bytes = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let medium = Media::read(MediaKind::File, bytes, file).unwrap();
    let output =
        workflow.run(Parts::default().text("in").media(medium)).run_id(name).await.unwrap();
    assert_eq!(output.content.text(), (2 * bytes).to_string());
}

#[test]
#[ignore = "the process that the test below starts"]
fn the_process_that_runs() {
    let Ok(folder) = std::env::var("STEPWRIGHT_TEST_MEDIA_IN") else { return };
    let folder = Path::new(&folder);
    let is_fork = std::env::var("STEPWRIGHT_TEST_MEDIA_FORK").is_ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(folder.join("db/a.db")).await.unwrap();
        let workflow = workflow(&store);
        let small = format!("small{is_fork}");
        run(&workflow, &folder.join("small"), &small).await;
        let before = memory("VmRSS");
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        if is_fork {
            // Everything before `last` comes from the journal, and its media from the store.
            let fork = workflow.fork("large").at("within/see").run_id("fork").await.unwrap();
            assert_eq!(fork.content.text(), (2 * FILE).to_string());
        } else {
            run(&workflow, &folder.join("large"), "large").await;
        }
        let taken = memory("VmHWM").saturating_sub(before);
        writeln!(std::io::stdout(), "it took {taken} bytes").unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_of_fifty_megabytes_is_in_memory_and_on_the_disk_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("db")).unwrap();
    std::fs::write(folder.path().join("small"), vec![1; 300_000]).unwrap();
    let large: Vec<u8> = (0..FILE).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect();
    std::fs::write(folder.path().join("large"), &large).unwrap();
    drop(large);
    for fork in [false, true] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "--nocapture", "media::the_process_that_runs"]);
        child.env("STEPWRIGHT_TEST_MEDIA_IN", folder.path());
        if fork {
            child.env("STEPWRIGHT_TEST_MEDIA_FORK", "1");
        }
        let output = child.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let taken = told.split("it took ").nth(1).and_then(|rest| rest.split(' ').next());
        let taken: usize = taken
            .and_then(|taken| taken.parse().ok())
            .unwrap_or_else(|| panic!("{told}{}", String::from_utf8_lossy(&output.stderr)));
        writeln!(std::io::stdout(), "fork: {fork}, {} kB", taken / 1000).unwrap();
        assert!(taken <= FILE + MEMORY_MAX, "fork: {fork}, {taken} bytes of memory");
        let files = folder.path().join("db").read_dir().unwrap();
        let disk: u64 = files.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(disk <= FILE as u64 + DISK_MAX, "fork: {fork}, {disk} bytes on the disk");
    }
}
