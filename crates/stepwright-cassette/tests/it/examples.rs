//! The workflows in `examples/workflows` have recorded tests.

use std::path::{Path, PathBuf};
use stepwright_cassette::Replay;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workflows");

fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let names = entries.filter_map(|path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        name.strip_suffix(ending).map(ToOwned::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn every_example_workflow_has_its_recorded_test() {
    let (folder, tests) = (Path::new(FOLDER), Path::new(FOLDER).join("tests"));
    let recorded = names(&tests, ".cassette.yaml");
    assert_eq!(recorded, names(folder, ".yaml"));
    for name in recorded {
        let report = Replay::of(tests.join(format!("{name}.cassette.yaml"))).run().unwrap();
        assert!(report.differences.is_empty(), "{report}");
    }
}
