//! Commands in a real sandbox, where bubblewrap is installed.

use std::fs;
use std::path::Path;
use std::time::Duration;
use stepwright_core::redact::Secrets;
use stepwright_core::{Error, ErrorId, StepContext, StepError};
use stepwright_engine::{Step, Workflow};
use stepwright_process::command::{Command, Program, run};
use stepwright_process::{Backend, Sandbox};

/// Returns `true` if the tests of this module can run. `test.sh` installs what they need.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        eprintln!("skipped: `{program}` is not installed");
    }
    found
}

pub(crate) fn command(line: &str, dir: &Path) -> Command {
    Command {
        program: Program::Line(line.to_owned(), Vec::new()),
        env: vec![("GIVEN".to_owned(), "a value".to_owned())],
        pass_env: Vec::new(),
        stdin: "in".to_owned(),
        dir: dir.to_owned(),
        shown: Vec::new(),
        timeout: Duration::from_mins(1),
        max_bytes: 10_000,
        any_status: false,
        shortens: false,
        secrets: Secrets::default(),
    }
}

/// Returns the output of a line of a shell in a sandbox.
async fn told(sandbox: Sandbox, line: &str, dir: &Path) -> Result<String, Error> {
    let (line, dir) = (line.to_owned(), dir.to_owned());
    let work = move |_: String, cx: StepContext| {
        let command = command(&line, &dir);
        async move { Ok::<_, StepError>(run(command, &cx).await?.stdout) }
    };
    let workflow = Workflow::builder("test").step(Step::new("a", sandbox.around(work))).build()?;
    Ok(workflow.run("").await?.content.text().into_owned())
}

#[tokio::test]
async fn a_command_sees_its_folder_and_nothing_else() {
    if !is_installed("bwrap") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (dir, data) = (place.path().join("work"), place.path().join("data"));
    for dir in [&dir, &data] {
        fs::create_dir(dir).unwrap();
    }
    fs::write(place.path().join("secret"), "secret").unwrap();
    fs::write(data.join("a"), "data").unwrap();
    let sandbox = || Sandbox::new().mount(&data, "/data");
    let told = async |line: &str| told(sandbox(), line, &dir).await;
    let shown = dir.display().to_string();
    assert_eq!(told("pwd; cat; echo \"$GIVEN\"; echo made > made").await.unwrap(), {
        format!("{shown}\nina value")
    });
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap(), "made\n");
    assert_eq!(told("cat /data/a; echo; ls / | tr '\\n' ' '").await.unwrap().lines().count(), 2);
    for refused in [
        "cat ../secret",
        "cat /etc/shadow",
        "echo x > /data/a",
        "echo x > /usr/x",
        "ls /home /root",
        // Only the loopback interface is there, and it is down.
        "grep -v -e lo: -e '|' /proc/net/dev",
        "kill -0 $PPID && ls /proc/$PPID/cwd/secret",
    ] {
        let error = told(refused).await.unwrap_err();
        assert_eq!(error.id(), ErrorId::COMMAND_FAILED, "{refused}: {error}");
    }
    assert_eq!(fs::read_to_string(data.join("a")).unwrap(), "data");
}

#[tokio::test]
async fn a_network_is_there_only_where_it_is_allowed() {
    if !is_installed("bwrap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let interfaces = "cat /proc/net/dev | tail -n +3 | wc -l";
    let outside = fs::read_to_string("/proc/net/dev").unwrap().lines().count() - 2;
    let none = told(Sandbox::new(), interfaces, dir.path()).await.unwrap();
    let all = told(Sandbox::new().network(true), interfaces, dir.path()).await.unwrap();
    assert_eq!((none.trim(), all.trim()), ("1", outside.to_string().as_str()));
}

#[tokio::test]
async fn all_of_a_sandbox_ends_with_its_step() {
    if !is_installed("bwrap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (place, ready) = (dir.path().to_owned(), dir.path().join("ready"));
    let work = move |_: String, cx: StepContext| {
        // The mark is in the command line of the process that must end.
        let command = command("setsid sleep 98765 & touch ready; wait", &place);
        async move { Ok::<_, StepError>(run(command, &cx).await?.stdout) }
    };
    let step = Step::new("a", Sandbox::new().around(work));
    let workflow = Workflow::builder("test").step(step).build().unwrap();
    let handle = workflow.run("").background().await.unwrap();
    while !ready.exists() || !sleeps() {
        tokio::task::yield_now().await;
    }
    let _ = handle.cancel().await;
    while sleeps() {
        tokio::task::yield_now().await;
    }
}

/// Returns `true` if the command of the test above is running.
fn sleeps() -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| line.starts_with(b"sleep\x0098765"))
}

#[tokio::test]
async fn a_command_never_runs_outside_of_a_sandbox_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let image = Sandbox::new().image("stepwright-no-such-image");
    for sandbox in [
        image.clone().backend(Backend::Docker),
        image.clone().backend(Backend::Podman),
        image,
        Sandbox::new().backend(Backend::Docker),
    ] {
        let error = told(sandbox, "touch made", dir.path()).await.unwrap_err();
        assert_eq!(error.id(), ErrorId::SANDBOX_UNAVAILABLE, "{error}");
        assert!(!dir.path().join("made").exists());
    }
    if is_installed("bwrap") {
        // It cannot be mounted, so there is no sandbox.
        let sandbox = Sandbox::new().mount(dir.path().join("missing"), "/missing");
        let error = told(sandbox, "touch made", dir.path()).await.unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        assert!(!dir.path().join("made").exists());
    }
}
