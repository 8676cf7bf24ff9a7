//! Programs in Python.
#![cfg(unix)]

use crate::{call, called, caller};
use serde_json::json;
use std::time::{Duration, Instant};
use stepwright_engine::Step;
use stepwright_process::{Backend, Sandbox};
use stepwright_tools::{PYTHON_CODE_BYTES_MAX, Python, Workspace};

async fn told(kit: Python, code: &str) -> (String, bool) {
    let told = call(kit, "run_python", json!({ "code": code })).await;
    (told.text, told.is_error)
}

#[tokio::test]
async fn a_program_prints_and_its_errors_are_told_to_the_model() {
    let (text, failed) = told(Python::new(), "print(6 * 7)\nprint('é')").await;
    assert_eq!((text.as_str(), failed), ("42\né", false));
    let (text, failed) = told(Python::new(), "print('half')\n1 / 0").await;
    assert!(failed && text.contains("ZeroDivisionError") && text.contains("half"), "{text}");
    let (text, _) = told(Python::new(), "x = 1").await;
    assert_eq!(text, "(no output; print what you want to know)");
    let (text, failed) = told(Python::new().program("no-such-python"), "print(1)").await;
    assert!(failed && text.contains("no-such-python"), "{text}");
}

#[tokio::test]
async fn a_program_is_isolated_and_has_a_directory_of_its_own_that_is_removed() {
    let code = "import os, sys\nopen('made', 'w').write('x')\n\
                print(sys.flags.isolated, os.listdir('.'), os.getcwd() == os.environ['HOME'])\n\
                print(sorted(name for name in os.environ if name.startswith('CARGO')))\n\
                print(os.getcwd())";
    let (text, failed) = told(Python::new(), code).await;
    assert!(!failed, "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("1 ['made']"), "{text}");
    assert_eq!(lines[1], "[]", "variables of this process are not passed");
    assert!(!std::path::Path::new(lines[2]).exists(), "{text}");
}

#[tokio::test]
async fn a_program_ends_in_time_with_all_that_it_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let code = format!(
        "import subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n\
         open('{}', 'w').write(str(child.pid))\ntime.sleep(600)",
        pid.display()
    );
    let (text, failed) = told(Python::new().timeout(Duration::from_secs(5)), &code).await;
    assert!(failed && text.contains("took longer than 5s"), "{text}");
    let pid = std::fs::read_to_string(pid).unwrap();
    let begun = Instant::now();
    // A process that has ended and was not waited for is a zombie.
    let is_running = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    };
    while is_running() {
        assert!(begun.elapsed() < Duration::from_mins(1), "its process group goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_program_that_writes_too_much_is_cut_off_and_one_that_is_too_long_is_refused() {
    // The first bytes are told, up to a whole character.
    let (text, failed) = told(Python::new().max_bytes(9), "print('é' * 1000)").await;
    assert_eq!((&*text, failed), ("éééé\n[cut off here: there are more than 9 bytes]", false));
    let code = "import sys\nprint('out')\nprint('x' * 1000, file=sys.stderr)\n1 / 0";
    let (text, failed) = told(Python::new().max_bytes(9), code).await;
    let wanted = "xxxxxxxxx\n[cut off here: there are more than 9 bytes]\nout";
    assert!(failed && text.ends_with(wanted), "{text}");
    let long = "#".repeat(PYTHON_CODE_BYTES_MAX + 1);
    let (text, failed) = told(Python::new(), &long).await;
    assert!(failed && text.contains("at most 200000 are possible"), "{text}");
    let (text, failed) = told(Python::new(), "print('\0')").await;
    assert!(failed, "{text}");
}

#[test]
fn wrong_settings_are_reported_when_the_agent_is_built() {
    use stepwright_agent::Agent;
    for (kit, told) in [
        (Python::new().timeout(Duration::ZERO), "`timeout` of `Python` must be greater than zero"),
        (Python::new().max_bytes(0), "`max_bytes` of `Python` is 0"),
    ] {
        let error = Agent::builder("a").model("offline").unwrap().tool(kit).build().unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

/// With real containers, which `scripts/test-sandbox.sh` makes possible.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test says that it is skipped")]
async fn a_program_runs_in_the_sandbox_of_its_step() {
    let named = std::env::var("STEPWRIGHT_TEST_SANDBOX").unwrap_or_default();
    for backend in Backend::ALL {
        let name = backend.to_string();
        if !named.split(',').any(|other| other == name) {
            eprintln!("skipped: STEPWRIGHT_TEST_SANDBOX does not name {name}");
            continue;
        }
        let code = "import os, tempfile\nopen('made', 'w').write('x')\n\
                    tempfile.TemporaryFile(dir=os.environ['HOME'])\n\
                    print(os.environ['HOME'], tempfile.gettempdir())\n\
                    print(len(os.listdir('/sys/class/net')))";
        for of_step in [false, true] {
            let agent = caller(Python::new(), "run_python", json!({ "code": code }));
            let sandbox = Sandbox::new().backend(backend).image("stepwright-test:sandbox");
            let boxed = sandbox.around(agent);
            let step = if of_step {
                Step::new("a", Workspace::temp().around(boxed))
            } else {
                Step::new("a", boxed)
            };
            let told = called(step).await;
            assert_eq!(told.text, "/tmp /tmp\n1", "{backend}");
        }
    }
}
