//! What the page about Agno says is tested, is.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The files of tests of this name, one for each crate that has one.
fn files_of(module: &str) -> Vec<PathBuf> {
    let crates = Path::new(ROOT).join("crates").read_dir().unwrap();
    let file = |entry: fs::DirEntry| entry.path().join(format!("tests/it/{module}.rs"));
    crates.map(|entry| file(entry.unwrap())).filter(|file| file.exists()).collect()
}

#[test]
fn every_test_that_parity_names_is_there() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/parity.md")).unwrap();
    let named: Vec<(&str, &str)> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once("::"))
        .filter(|(module, test)| {
            let name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            name(module) && test.len() > 20 && name(test)
        })
        .collect();
    assert!(named.len() > 30, "{} tests are named", named.len());
    let missing: Vec<_> = named
        .into_iter()
        .filter(|(module, test)| {
            let has = |file: PathBuf| {
                let text = fs::read_to_string(file).unwrap();
                let (_, after) = text.split_once(&format!("fn {test}()"))?;
                let before = &text[..text.len() - after.len()];
                before.lines().rev().take(3).any(|line| line.starts_with("#[")).then_some(())
            };
            files_of(module).into_iter().find_map(has).is_none()
        })
        .collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
}

#[test]
fn every_file_that_the_pages_link_to_is_there() {
    for page in ["docs/parity.md", "docs/coming-from-agno.md"] {
        let page = Path::new(ROOT).join(page);
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{} links to {link}", page.display());
        }
    }
}
