//! The files beneath a folder, and what must stay outside.

use crate::call;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use stepwright_tools::Files;
use tempfile::TempDir;

/// A folder with some files, in a directory with a secret.
fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    fs::create_dir_all(base.join("src/deep")).unwrap();
    fs::write(base.join("a.md"), "one\ntwo\nthree\n").unwrap();
    fs::write(base.join("src/main.rs"), "fn main() {\n    greet();\n}\n").unwrap();
    fs::write(base.join("src/deep/lib.rs"), "pub fn greet() {}\n").unwrap();
    fs::write(base.join("bin"), [0, 159, 146, 150]).unwrap();
    fs::write(dir.path().join("secret.md"), "secret").unwrap();
    dir
}

async fn told(dir: &TempDir, tool: &'static str, arguments: Value) -> (String, bool) {
    let told = call(Files::beneath(dir.path().join("base")).write(true), tool, arguments).await;
    (told.text, told.is_error)
}

#[tokio::test]
async fn files_are_read_by_parts_listed_found_and_searched() {
    let dir = place();
    for (tool, arguments, wanted) in [
        ("read_file", json!({"path": "a.md"}), "one\ntwo\nthree\n"),
        (
            "read_file",
            json!({"path": "a.md", "offset": 2, "limit": 1}),
            "(these are the lines 2 to 2; more follow: go on with `offset: 3`)\n\ntwo\n",
        ),
        ("list_files", json!({}), "a.md\nbin\nsrc/"),
        ("list_files", json!({"path": "./src"}), "deep/\nmain.rs"),
        ("find_files", json!({"pattern": "**/*.rs"}), "src/deep/lib.rs\nsrc/main.rs"),
        ("find_files", json!({"pattern": "*.txt"}), "there is none"),
        (
            "search_files",
            json!({"text": "greet()"}),
            "src/deep/lib.rs:1: pub fn greet() {}\nsrc/main.rs:2:     greet();\n[1 files are too \
             large, or cannot be read as text]",
        ),
        (
            "search_files",
            json!({"text": "^FN \\w+", "regex": true, "ignore_case": true, "pattern": "src/*"}),
            "src/main.rs:1: fn main() {",
        ),
        ("search_files", json!({"text": "x9", "pattern": "*.md"}), "nothing was found"),
    ] {
        assert_eq!(
            told(&dir, tool, arguments.clone()).await,
            (wanted.into(), false),
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn files_are_written_and_changed() {
    let dir = place();
    let arguments = json!({"path": "new/b.md", "text": "x y x"});
    let (text, is_error) = told(&dir, "write_file", arguments).await;
    assert_eq!((text.as_str(), is_error), ("wrote 5 bytes to `new/b.md`", false));
    let change =
        |old: &str, all: bool| json!({"path": "new/b.md", "old": old, "new": "z", "all": all});
    let (text, is_error) = told(&dir, "patch_file", change("x", false)).await;
    assert!(is_error && text.contains("`new/b.md` is unchanged: `old` occurs 2 times"), "{text}");
    let (text, is_error) = told(&dir, "patch_file", change("q", false)).await;
    assert!(is_error && text.contains("`old` does not occur in the file"), "{text}");
    let (text, is_error) = told(&dir, "patch_file", change("", false)).await;
    assert!(is_error && text.contains("`old` is empty"), "{text}");
    let (text, _) = told(&dir, "patch_file", change("x", true)).await;
    assert_eq!(text, "changed `new/b.md` in 2 places");
    assert_eq!(fs::read_to_string(dir.path().join("base/new/b.md")).unwrap(), "z y z");
    // Without the setting there is no tool that writes.
    let files = Files::beneath(dir.path());
    let told = call(files, "write_file", json!({"path": "x", "text": "x"})).await;
    assert!(told.text.contains("there is no tool `write_file`"), "{}", told.text);
}

/// Each way out, and each tool that takes a path.
#[tokio::test]
async fn no_path_leaves_the_folder() {
    let dir = place();
    let (base, outside) = (dir.path().join("base"), dir.path().join("secret.md"));
    let outside = outside.display().to_string();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(dir.path().join("secret.md"), base.join("link.md")).unwrap();
        symlink(dir.path(), base.join("up")).unwrap();
        symlink("../../secret.md", base.join("src/relative.md")).unwrap();
        symlink("loop", base.join("loop")).unwrap();
    }
    let mut ways = vec![
        ("../secret.md".to_owned(), "outside of the base directory"),
        ("src/../../secret.md".to_owned(), "outside of the base directory"),
        ("./../secret.md".to_owned(), "outside of the base directory"),
        (outside.clone(), "outside of the base directory"),
        ("/etc/hostname".to_owned(), "outside of the base directory"),
        ("secret.md\0.md".to_owned(), "cannot be"),
        ("a.md\0/../../secret.md".to_owned(), ""),
        (String::new(), "empty"),
    ];
    if cfg!(unix) {
        ways.push(("link.md".into(), "outside of the base directory"));
        ways.push(("up/secret.md".into(), "outside of the base directory"));
        ways.push(("src/relative.md".into(), "outside of the base directory"));
        ways.push(("loop".into(), "cannot be"));
    }
    let whole = |path: &str| fs::read_to_string(path).unwrap();
    for (path, why) in &ways {
        for (tool, arguments) in [
            ("read_file", json!({ "path": path })),
            ("list_files", json!({ "path": path })),
            ("write_file", json!({"path": path, "text": "gone"})),
            ("patch_file", json!({"path": path, "old": "secret", "new": "gone"})),
        ] {
            // An empty path of a list is the folder, and a link is replaced by what is written.
            if tool == "list_files" && (path.is_empty() || path == "loop") {
                continue;
            }
            let (text, is_error) = told(&dir, tool, arguments).await;
            if path == "loop" && tool == "write_file" {
                assert!(!text.contains("secret"));
                continue;
            }
            assert!(is_error, "{tool} {path:?}: {text}");
            assert!(text.contains(why) || tool == "list_files", "{tool} {path:?}: {text}");
            assert!(!text.contains("sec\u{200b}ret") && text != "secret", "{tool} {path:?}");
            assert_eq!(whole(&outside), "secret", "{tool} {path:?}");
        }
    }
    // Patterns find nothing outside, and follow no link to it.
    for pattern in ["../*.md", "up/*.md", "**/*.md", "link.md", "src/*.md"] {
        let (text, _) = told(&dir, "find_files", json!({ "pattern": pattern })).await;
        assert!(!text.lines().any(|line| line.ends_with("secret.md")), "{pattern}: {text}");
        let arguments = json!({"text": "secret", "pattern": pattern});
        let (text, _) = told(&dir, "search_files", arguments).await;
        assert!(!text.contains(": secret"), "{pattern}: {text}");
    }
    assert!(Path::new(&outside).exists());
}

#[tokio::test]
async fn wrong_arguments_are_told_with_their_values() {
    let dir = place();
    for (tool, arguments, wanted) in [
        ("read_file", json!({"path": "a.md", "offset": 0}), "`offset` must be at least 1"),
        ("read_file", json!({"file": "a.md"}), "unknown field `file`"),
        ("read_file", json!({"path": "none.md"}), "`none.md` cannot be read: it does not exist"),
        ("read_file", json!({"path": "src"}), "`src` is a directory"),
        ("search_files", json!({"text": "(", "regex": true}), "is not a regular expression"),
        ("search_files", json!({"text": ""}), "`text` is empty"),
        ("find_files", json!({"pattern": "a[b"}), "is not a pattern"),
        ("patch_file", json!({"path": "bin", "old": "a", "new": "b"}), "it is not all UTF-8"),
    ] {
        let (text, is_error) = told(&dir, tool, arguments).await;
        assert!(is_error && text.contains(wanted), "{tool}: {text}");
    }
    // A pattern that takes exponential time elsewhere ends here.
    let hostile = json!({"text": "(a*)*b", "regex": true});
    fs::write(dir.path().join("base/long"), "a".repeat(100_000)).unwrap();
    assert!(!told(&dir, "search_files", hostile).await.1);
}
