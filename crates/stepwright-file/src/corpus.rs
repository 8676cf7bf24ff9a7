//! The initial texts for fuzzing.

use std::path::PathBuf;

/// Returns the texts of one kind: the files of `fuzz/corpus/KIND`, sorted by name.
pub(crate) fn texts(kind: &str) -> Vec<String> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(kind);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}
