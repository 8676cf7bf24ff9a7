//! Reading and writing files, within one directory.

use serde_json::{Value, json};
use std::path::Path;
use stepwright_core::{Content, Error};
use stepwright_file::{Definition, Options};

async fn run(dir: &Path, steps: &str, input: Value) -> Result<Value, Error> {
    let text = format!("format: 1\nname: Test\nsteps:\n{steps}");
    let options = Options { base_dir: Some(dir.to_path_buf()), ..Options::default() };
    let workflow = Definition::parse(&text, "test.yaml", &options).unwrap().build().unwrap();
    let output = workflow.run(Content::from(input)).await?;
    Ok(output.content.to_value())
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = dir.path().join("base").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("docs/b.md", b"B");
    write("docs/a.md", b"A");
    write("docs/deep/c.md", b"C\xff");
    write("docs/deep/d.txt", b"D");
    write("docs/.git/e.md", b"E");
    std::fs::write(dir.path().join("secret.md"), "S").unwrap();
    dir
}

#[tokio::test]
async fn files_are_read_in_order_with_their_paths() {
    let dir = tree();
    let base = dir.path().join("base");
    let steps = "  - {read_files: {glob: \"{{ input }}/**/*.md\"}}\n";
    let read = run(&base, steps, json!("docs")).await.unwrap();
    assert_eq!(
        read,
        json!([
            {"path": "docs/a.md", "text": "A"},
            {"path": "docs/b.md", "text": "B"},
            {
                "path": "docs/deep/c.md",
                "text": "C\u{fffd}",
                "note": "it is not all UTF-8: what is not was replaced by `\u{fffd}`",
            },
        ])
    );
    let absolute = base.canonicalize().unwrap().join("docs");
    let read = run(&base, steps, json!(absolute.to_str().unwrap())).await.unwrap();
    assert_eq!(read.as_array().unwrap().len(), 3);
    assert_eq!(
        run(&base, "  - {read_files: \"docs/*.pdf\"}\n", json!("")).await.unwrap(),
        json!([])
    );
}

#[tokio::test]
async fn limits_and_missing_directories_are_told() {
    let dir = tree();
    let base = dir.path().join("base");
    let error = |steps: &'static str, input: &'static str| {
        let base = base.clone();
        async move { run(&base, steps, json!(input)).await.unwrap_err() }
    };
    let few = error("  - {name: r, read_files: {glob: \"docs/*\", max_files: 1}}\n", "").await;
    assert_eq!(few.to_string(), "step `r` failed: `docs/*` matches more than 1 files");
    assert_eq!(few.hint(), Some("raise `max_files`, or ask for less"));
    let small = error("  - {name: r, read_files: {glob: \"docs/*\", max_bytes: 1}}\n", "").await;
    assert_eq!(
        small.to_string(),
        "step `r` failed: with `docs/b.md` there are more than 1 bytes to read"
    );
    let none = error("  - {name: r, read_files: \"{{ input }}/**/*.md\"}\n", "dosc").await;
    assert_eq!(
        none.to_string(),
        "step `r` failed: `dosc/**/*.md` matches nothing: `dosc` does not exist"
    );
}

#[tokio::test]
async fn nothing_outside_of_the_directory_is_read_or_written() {
    let dir = tree();
    let base = dir.path().join("base");
    let read = "  - {name: r, read_files: \"{{ input }}\"}\n";
    let write = "  - {name: w, write_file: {path: \"{{ input }}\", text: x}}\n";
    let secret = dir.path().join("secret.md").display().to_string();
    let mut paths = vec!["../secret.md", "docs/../../secret.md", secret.as_str()];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, base.join("link.md")).unwrap();
        std::os::unix::fs::symlink(dir.path(), base.join("up")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("new.md"), base.join("dangling.md")).unwrap();
        paths.extend(["link.md", "up/secret.md"]);
    }
    for path in paths {
        for steps in [read, write] {
            let error = run(&base, steps, json!(path)).await.unwrap_err();
            let error = error.to_string();
            assert!(error.ends_with("is outside of the base directory"), "{path}: {error}");
        }
    }
    #[cfg(unix)]
    for path in ["dangling.md", "up/new.md"] {
        run(&base, write, json!(path)).await.unwrap_err();
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "S");
    assert!(!dir.path().join("new.md").exists());
}

#[tokio::test]
async fn files_are_written_with_their_directories() {
    let dir = tree();
    let base = dir.path().join("base");
    let steps = "  - {write_file: \"out/deep/{{ input.name }}.json\"}\n";
    let written = run(&base, steps, json!({"name": "x"})).await.unwrap();
    assert_eq!(written, json!({"path": "out/deep/x.json", "bytes": 17}));
    let text = std::fs::read_to_string(base.join("out/deep/x.json")).unwrap();
    assert_eq!(text, "{\n  \"name\": \"x\"\n}");
    let entries = base.join("out/deep").read_dir().unwrap().count();
    assert_eq!(entries, 1, "nothing is left lying about");
}

#[tokio::test]
async fn two_stars_at_the_end_are_all_files_and_a_folder_is_none() {
    let dir = tree();
    let base = dir.path().join("base");
    let paths = async |glob: &str| {
        let text = format!("  - {{read_files: {{glob: '{glob}', on_unreadable: skip}}}}\n");
        run(&base, &text, json!("")).await.map(|found| {
            let found = found.as_array().unwrap().iter();
            found.map(|file| file["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        })
    };
    assert_eq!(paths("docs/**").await.unwrap(), paths("docs/**/*").await.unwrap());
    assert!(!paths("docs/**").await.unwrap().is_empty());
    assert_eq!(paths("**").await.unwrap(), paths("**/*").await.unwrap());
    for folder in ["docs", "docs/", "./docs"] {
        let error = paths(folder).await.unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{folder}: {error}");
        assert_eq!(error.hint(), Some("write `docs/**` for all files beneath it"), "{folder}");
    }
    let error = paths("docs/**.md").await.unwrap_err().to_string();
    assert!(error.contains("write `**/*.md` in place of `**.md`"), "{error}");
}
