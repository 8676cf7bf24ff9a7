//! Workspaces and sandboxes of files.

use std::fs;
use std::path::Path;
use stepwright_core::{ErrorId, RunOutput};
use stepwright_file::{Definition, Options};
use stepwright_tools::KeptFiles;
use tempfile::TempDir;

fn options(dir: &TempDir) -> Options {
    Options { base_dir: Some(dir.path().to_path_buf()), allow_shell: true, ..Options::default() }
}

async fn run(dir: &TempDir, text: &str) -> RunOutput {
    let text = format!("format: 1\nname: Placed\n{text}");
    let path = dir.path().join("flow.yaml").display().to_string();
    let definition = Definition::parse(&text, &path, &options(dir)).unwrap();
    let workflow = definition.builder().unwrap().state(KeptFiles::beneath(dir.path().join("kept")));
    workflow.build().unwrap().run("x").await.unwrap()
}

fn files(output: &RunOutput) -> Vec<String> {
    output.workspace_files().iter().map(|(step, file)| format!("{step}: {}", file.path)).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn every_function_with_files_works_in_the_workspace() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "of the base directory").unwrap();
    let output = run(
        &dir,
        "workspace: temp\nsteps:\n\
         - {name: write, write_file: {path: a.txt, text: one}}\n\
         - {name: add, append_file: {path: a.txt, text: two}}\n\
         - {name: shell, shell: 'cat a.txt; pwd > where'}\n\
         - {name: read, read_files: '*.txt'}\n\
         - {name: say, template: '{{ steps.shell }}|{{ previous[0].text }}'}\n",
    )
    .await;
    assert_eq!(output.content.text(), "onetwo|onetwo\n");
    assert_eq!(files(&output), ["write: a.txt", "add: a.txt", "shell: where"]);
    let untouched = fs::read_to_string(dir.path().join("a.txt")).unwrap();
    assert_eq!(untouched, "of the base directory");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_inside_another_has_the_workspace_around_it_or_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let inner = |name: &str, workspace: &str| {
        let text = format!(
            "format: 1\nname: {name}\n{workspace}steps:\n- {{name: in, shell: 'touch {name}; ls'}}\n\
             - {{name: again, shell: ls}}\n"
        );
        fs::write(dir.path().join(format!("{name}.yaml")), text).unwrap();
    };
    inner("shares", "");
    inner("owns", "workspace: {temp: true}\n");
    let output = run(
        &dir,
        "workspace: temp\nsteps:\n\
         - {name: first, shell: touch outer}\n\
         - {name: shares, workflow: shares.yaml}\n\
         - name: each\n  map: {over: '= [1, 2]'}\n  do:\n  - {name: owns, workflow: owns.yaml}\n\
         - {name: own, shell: ls, workspace: temp}\n\
         - {name: last, shell: ls}\n",
    )
    .await;
    let told = |path: &str| {
        let mut steps = output.step_results.iter().flat_map(stepwright_core::StepResult::walk);
        steps.find(|step| step.path.as_str() == path).unwrap().content.text().into_owned()
    };
    assert_eq!(told("shares/again"), "outer\nshares");
    // Each item has its own, which its steps share.
    assert_eq!(
        (told("each#1/owns/again"), told("each#2/owns/again")),
        ("owns".into(), "owns".into())
    );
    assert_eq!((told("own"), told("last")), (String::new(), "outer\nshares".into()));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_kept_and_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        &dir,
        "steps:\n\
         - {name: draw, shell: 'echo a > a.svg; echo b > b.txt', \
         workspace: {temp: true, keep: true}}\n\
         - {name: publish, shell: 'cat a.svg b.txt', \
         workspace: {temp: true, keep: ['*.none'], from: [draw]}}\n",
    )
    .await;
    assert_eq!(output.content.text(), "a\nb");
    assert_eq!(files(&output), ["draw: a.svg", "draw: b.txt"]);
    let (_, file) = output.workspace_files()[0];
    let place = dir.path().join("kept").join(&file.sha256[..2]).join(&*file.sha256);
    assert_eq!(fs::read_to_string(place).unwrap(), "a\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_stays_begins_with_the_files_of_other_steps() {
    let dir = tempfile::tempdir().unwrap();
    let text = "format: 1\nname: Placed\nsteps:\n\
         - {name: draw, shell: 'echo a > a.svg', workspace: {temp: true, keep: true}}\n\
         - {name: publish, shell: 'cat a.svg; echo b > b.txt', \
         workspace: {dir: site, keep: true, from: [draw]}}\n";
    let run = async |permissions: Option<&str>| {
        let permissions = permissions.map(|denied| {
            let all = stepwright_core::permission::Permissions::default().allow("*").unwrap();
            all.deny(denied).unwrap()
        });
        let options = Options { permissions, ..options(&dir) };
        let path = dir.path().join("flow.yaml").display().to_string();
        let definition = Definition::parse(text, &path, &options).unwrap();
        let kept = KeptFiles::beneath(dir.path().join("kept"));
        definition.builder().unwrap().state(kept).build().unwrap().run("x").await
    };
    // The files are written there, so that a rule may deny it.
    let error = run(Some("write_file: site/*.svg")).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::EFFECT_REFUSED, "{error}");
    assert!(!dir.path().join("site/a.svg").exists());
    let output = run(None).await.unwrap();
    assert_eq!(output.content.text(), "a");
    assert_eq!(files(&output), ["draw: a.svg", "publish: b.txt"]);
    assert_eq!(fs::read_to_string(dir.path().join("site/a.svg")).unwrap(), "a\n");
}

/// Returns the mistakes of a file with these keys at its top.
fn mistakes(keys: &str) -> String {
    let text = format!("format: 1\nname: T\n{keys}\nsteps: [{{name: a, shell: ls}}]\n");
    let options = Options { allow_shell: true, ..Options::default() };
    match Definition::parse(&text, "flow.yaml", &options) {
        Ok(_) => "none".into(),
        Err(mistakes) => {
            let help = |one: &stepwright_file::Diagnostic| one.help.clone().unwrap_or_default();
            let lines = mistakes.iter().map(|one| format!("{one}; {}", help(one)));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn settings_of_workspaces_are_checked_at_their_places() {
    for (keys, wanted) in [
        ("workspace: tmp", "flow.yaml:3:12: `workspace` is one of `temp` and `worktree`"),
        ("workspace: 7", "flow.yaml:3:12: `workspace` is a text"),
        (
            "workspace: {keep: true}",
            "flow.yaml:3:1: nothing says which folder the workspace is; write one of `temp: true`,",
        ),
        (
            "workspace: {temp: true, dir: a}",
            "flow.yaml:3:1: a workspace is of one kind, not `dir` and `temp`",
        ),
        ("workspace: {temp: false}", "flow.yaml:3:19: `temp` is true, or not there"),
        ("workspace: {dir: ../a}", "flow.yaml:3:18: `../a` is outside of the base directory"),
        ("workspace: {dir: /etc}", "flow.yaml:3:18: `/etc` is outside of the base directory"),
        (
            "workspace: {dir: '{{ input }}'}",
            "flow.yaml:3:18: `dir` is a text, and no template or expression",
        ),
        (
            "workspace: {dir: '= input'}",
            "flow.yaml:3:18: `dir` is a text, and no template or expression",
        ),
        (
            "workspace: {worktree: '{{ input }}'}",
            "flow.yaml:3:23: `worktree` is a text, and no template or expression",
        ),
        ("workspace: {temp: true, keep: ['{{ input }}']}", "`keep` is a text, and no template"),
        ("workspace: {temp: true, keep: ['[a']}", "flow.yaml:3:32: `[a` is not a pattern"),
        ("workspace: {temp: true, keep: []}", "flow.yaml:3:31: `keep` has no patterns"),
        (
            "workspace: {temp: true, keep: true, from: [a]}",
            "flow.yaml:3:44: no step has run when a run begins",
        ),
        ("workspace: {temp: true, keep: true, from: []}", "`from` has no steps"),
        ("workspace: {temp: true, from: [a]}", "flow.yaml:3:25: `from` is for files that are kept"),
        ("workspace: {temp: true, size: 3}", "flow.yaml:3:25: `workspace` has no key `size`"),
    ] {
        let told = mistakes(keys);
        assert!(told.contains(wanted), "{keys}: {told}");
    }
    let text =
        "format: 1\nname: T\nsteps: [{name: a, workspace: temp, steps: [{name: b, shell: ls}]}]\n";
    let told = Definition::parse(text, "flow.yaml", &Options::default()).unwrap_err();
    let help = told.iter().find_map(|one| one.help.clone().filter(|help| help.contains("for all")));
    assert_eq!(
        help.unwrap(),
        "give it to the steps in this `steps`, or to the file for all of them"
    );
}

#[test]
fn settings_of_sandboxes_are_checked_at_their_places() {
    for (keys, wanted) in [
        ("sandbox: bubblewrap", "flow.yaml:3:10: `sandbox` is a mapping"),
        (
            "sandbox: {backend: chroot}",
            "flow.yaml:3:20: `backend` is one of `bubblewrap`, `podman` and `docker`",
        ),
        (
            "sandbox: {backend: bubblewrap, image: alpine}",
            "flow.yaml:3:32: bubblewrap has no images; leave `image` out, or choose `podman` or",
        ),
        ("sandbox: {backend: docker}", "flow.yaml:3:20: docker needs an image"),
        ("sandbox: {image: --privileged}", "`--privileged` cannot be the name of an image"),
        (
            "sandbox: {network: [api.example.com]}",
            "flow.yaml:3:20: no sandbox can limit the network to some hosts: with bubblewrap, podman \
             and docker it is on or off; write `network: none`,",
        ),
        ("sandbox: {network: some}", "flow.yaml:3:20: `network` is one of `none` and `all`"),
        ("sandbox: {mounts: [{from: a}]}", "flow.yaml:3:20: a mount needs `to`"),
        ("sandbox: {mounts: [{from: ../a, to: /a}]}", "`../a` is outside of the base directory"),
        ("sandbox: {mounts: [{from: /etc, to: /a}]}", "`/etc` is outside of the base directory"),
        ("sandbox: {mounts: [{from: a, to: a}]}", "`a` is not an absolute path in the sandbox"),
        ("sandbox: {mounts: [{from: a, to: /}]}", "`/` is not an absolute path in the sandbox"),
        ("sandbox: {mounts: [{from: a, to: /a/../b}]}", "is not an absolute path in the sandbox"),
    ] {
        let told = mistakes(keys);
        assert!(told.contains(wanted), "{keys}: {told}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_of_a_file_runs_in_its_sandbox_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("docs")).unwrap();
    fs::write(dir.path().join("docs/a.md"), "text").unwrap();
    let text = "format: 1\nname: T\nsandbox: {image: stepwright-no-such-image}\nsteps: [{name: a, \
                shell: touch made}]\n";
    let read = |text: &str| Definition::parse(text, "flow.yaml", &options(&dir)).unwrap().build();
    let error = read(text).unwrap().run("x").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::SANDBOX_UNAVAILABLE, "{error}");
    assert!(!dir.path().join("made").exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|dir| dir.join("bwrap").is_file()) {
        eprintln!("skipped: `bwrap` is not installed");
        return;
    }
    let text = "format: 1\nname: T\nsandbox: {mounts: [{from: docs, to: /docs}]}\nworkspace: temp\n\
                steps: [{name: a, shell: 'cat /docs/a.md; ls; ls /root 2>/dev/null; \
                touch made'}]\n";
    let output = read(text).unwrap().run("x").await.unwrap();
    assert_eq!((output.content.text(), files(&output)), ("text".into(), vec!["a: made".into()]));
    assert!(!dir.path().join("made").exists());
    let missing = text.replace("from: docs", "from: none");
    let error = read(&missing).unwrap_err();
    assert!(error.to_string().contains("`none`: it does not exist"), "{error}");
    std::os::unix::fs::symlink(Path::new("/etc"), dir.path().join("link")).unwrap();
    let error = read(&text.replace("from: docs", "from: link")).unwrap_err();
    assert!(error.to_string().contains("outside of the base directory"), "{error}");
}
