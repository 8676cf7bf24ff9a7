//! Git in the repositories of other authors.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use stepwright_process::git::{GitError, git};

#[test]
fn a_repository_starts_no_program_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repository");
    fs::create_dir(&repository).unwrap();
    let trap = folder.path().join("trap");
    let sprung = folder.path().join("sprung");
    fs::write(&trap, format!("#!/bin/sh\necho \"$0\" >> {}\n", sprung.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    git(&repository, &["init", "--quiet"]).unwrap();
    git(&repository, &["config", "core.fsmonitor", &trap.display().to_string()]).unwrap();
    fs::copy(&trap, repository.join(".git/hooks/post-checkout")).unwrap();
    fs::write(repository.join("a.txt"), "a").unwrap();
    git(&repository, &["add", "a.txt"]).unwrap();
    let author = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    git(&repository, &[&author[..], &["commit", "--quiet", "-m", "one"]].concat()).unwrap();
    let status = git(&repository, &["status", "--porcelain"]).unwrap();
    assert_eq!(status, "");
    let tree = folder.path().join("tree").display().to_string();
    git(&repository, &["worktree", "add", "--quiet", "--detach", &tree]).unwrap();
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
}

#[test]
fn git_tells_why_it_failed() {
    let folder = tempfile::tempdir().unwrap();
    let failed = git(folder.path(), &["rev-parse", "--show-toplevel"]).unwrap_err();
    let GitError::Failed(said) = failed else { panic!("{failed:?}") };
    assert!(said.contains("not a git repository"), "{said}");
}
