//! The small inputs under `cases/`: `scripts/cases.py` runs each and says what is not as wanted.

use std::path::Path;
use std::process::Command;

#[test]
fn every_case_gives_what_is_wanted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let modern = "import sys, tomllib; sys.exit(sys.version_info < (3, 11))";
    let has_python =
        Command::new("python3").args(["-c", modern]).output().is_ok_and(|o| o.status.success());
    if !has_python {
        let required = std::env::var_os("STEPWRIGHT_TEST_CASES").is_some();
        assert!(!required, "the cases need Python 3.11 or newer, as `python3`");
        #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
        {
            eprintln!("left out: the cases need Python 3.11 or newer, as `python3`");
        }
        return;
    }
    let answer = Command::new("python3")
        .arg(root.join("scripts/cases.py"))
        .args(["--stepwright", env!("CARGO_BIN_EXE_stepwright")])
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "\n{}{}",
        String::from_utf8_lossy(&answer.stdout),
        String::from_utf8_lossy(&answer.stderr)
    );
}
