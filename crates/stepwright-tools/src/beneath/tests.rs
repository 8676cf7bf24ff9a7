//! Tests of paths that change while they are followed.

use super::*;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs `work` repeatedly while another thread repeats `exchange`.
fn meanwhile(exchange: impl Fn() + Send + Sync, work: impl Fn()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                exchange();
            }
        });
        (0..2_000).for_each(|_| work());
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_part_that_is_exchanged_for_a_link_never_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    let (base, out) = (dir.path().join("base"), dir.path().join("out"));
    for place in [base.join("a"), out.clone()] {
        std::fs::create_dir_all(&place).unwrap();
    }
    std::fs::write(base.join("a/x"), "inside").unwrap();
    std::fs::write(out.join("x"), "secret").unwrap();
    let beneath = Beneath::open(&base).unwrap();
    let read = || {
        let mut text = String::new();
        if let Ok(mut found) = beneath.file(Path::new("a/x")) {
            found.file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "inside");
        }
    };
    let folder_for_link = || {
        std::fs::rename(base.join("a"), base.join("b")).unwrap();
        symlink(&out, base.join("a")).unwrap();
        std::fs::remove_file(base.join("a")).unwrap();
        std::fs::rename(base.join("b"), base.join("a")).unwrap();
    };
    meanwhile(folder_for_link, read);
    std::fs::rename(base.join("a"), base.join("b")).unwrap();
    let link_for_link = || {
        for target in [Path::new("b"), &out] {
            symlink(target, base.join("new")).unwrap();
            std::fs::rename(base.join("new"), base.join("a")).unwrap();
        }
    };
    link_for_link();
    meanwhile(link_for_link, || {
        read();
        let _ = beneath.write(Path::new("a/y"), b"new");
    });
    assert!(!out.join("y").exists());
}

#[test]
fn links_are_followed_as_far_as_they_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap().join("base");
    std::fs::create_dir_all(base.join("a/b")).unwrap();
    std::fs::write(base.join("a/x"), "x").unwrap();
    symlink("../x", base.join("a/b/up")).unwrap();
    symlink(base.join("a/x"), base.join("absolute")).unwrap();
    symlink("../../../base/a/x", base.join("a/b/out and in")).unwrap();
    symlink("loop", base.join("loop")).unwrap();
    let beneath = Beneath::open(&base).unwrap();
    let found = |path: &str| beneath.file(Path::new(path)).map(|found| found.path);
    assert_eq!(found("a/b/up").unwrap(), base.join("a/x"));
    assert_eq!(found("absolute").unwrap(), base.join("a/x"));
    assert!(matches!(found("a/b/out and in"), Err(Denied::Outside)));
    assert!(matches!(found("loop"), Err(Denied::Failed(_))));
    assert!(matches!(found("a"), Err(Denied::Irregular("a directory"))));
    assert!(matches!(found("a/x/y"), Err(Denied::Failed(_))));
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("taken")).unwrap();
    let beneath = Beneath::open(dir.path()).unwrap();
    assert!(matches!(beneath.write(Path::new("taken"), b"x"), Err(Denied::Irregular(_))));
    // A name of 300 bytes is too long for the file system.
    let long = "x".repeat(300);
    assert!(beneath.write(Path::new(&long), b"x").is_err());
    let longest = "y".repeat(255);
    beneath.write(Path::new(&longest), b"y").unwrap();
    let names = dir.path().read_dir().unwrap().count();
    assert_eq!(names, 2, "the folder and the file of the longest name");
}
