//! The built files are those of the sources, small, and refer to nothing elsewhere.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use stepwright_viewer::{CONTENT_SECURITY_POLICY, SOURCES_DIGEST, file, files};

/// The maximum size of all files that a browser loads, in bytes.
const RAW_MAX: usize = 300_000;

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

fn collect(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let name = path.strip_prefix(web()).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// Returns the digest of everything that the built files are made of, as `web/build.mjs` does.
fn digest_of_sources() -> String {
    let mut found = BTreeMap::new();
    collect(&web().join("src"), &mut found);
    for name in ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"] {
        found.insert(name.to_owned(), fs::read(web().join(name)).unwrap());
    }
    let mut hash = Sha256::new();
    for (name, bytes) in found {
        hash.update(format!("{name} {}\n", bytes.len()));
        hash.update(bytes);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn the_built_files_are_those_of_the_sources() {
    assert_eq!(
        digest_of_sources(),
        SOURCES_DIGEST,
        "the page is not built from these sources; run `npm ci && npm run build` in `web/`",
    );
}

#[test]
fn the_page_is_at_the_root_and_is_never_kept_by_caches() {
    let page = file("/").unwrap();
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    assert_eq!(page.cache_control, "no-cache");
    assert!(page.bytes.starts_with(b"<!doctype html>"));
    for path in ["", "index.html", "/index.html"] {
        assert_eq!(file(path).unwrap().bytes, page.bytes, "{path}");
    }
}

#[test]
fn files_with_a_hash_in_their_name_are_kept_forever() {
    let mut named = 0;
    for (path, found) in files() {
        if *path == "index.html" || path.ends_with(".webmanifest") {
            continue;
        }
        named += 1;
        assert!(found.cache_control.contains("immutable"), "{path}");
        let page = std::str::from_utf8(file("/").unwrap().bytes).unwrap();
        assert!(page.contains(path), "the page does not load {path}");
        assert_eq!(file(&format!("/{path}")), Some(*found));
    }
    assert!(named >= 2);
}

#[test]
fn paths_that_are_not_those_of_files_have_none() {
    let tricks =
        ["../Cargo.toml", "//", "/assets/..", "%2e%2e/Cargo.toml", "index.html/", "\0", "C:\\"];
    for path in tricks {
        assert_eq!(file(path), None, "{path}");
    }
}

#[test]
fn the_files_are_small() {
    let raw: usize = files().iter().map(|(_, found)| found.bytes.len()).sum();
    assert!(raw <= RAW_MAX, "{raw} bytes");
}

#[test]
fn the_page_asks_no_third_party() {
    assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'none'"));
    for forbidden in ["unsafe-inline", "unsafe-eval", "http:", "https:", "*"] {
        assert!(!CONTENT_SECURITY_POLICY.contains(forbidden), "{forbidden}");
    }
    for (path, found) in files() {
        let Ok(text) = std::str::from_utf8(found.bytes) else { continue };
        for scheme in ["http://", "https://"] {
            for (at, _) in text.match_indices(scheme) {
                // The names of the namespaces of SVG and MathML are addresses that nothing loads.
                let rest = &text[at..text.len().min(at + 40)];
                assert!(rest.starts_with("http://www.w3.org/"), "{path}: {rest}");
            }
        }
    }
}
