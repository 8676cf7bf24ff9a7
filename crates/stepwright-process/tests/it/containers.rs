//! Commands in real containers. `STEPWRIGHT_TEST_SANDBOX` names their programs, such as
//! `podman,docker`. `scripts/test-sandbox.sh` installs and starts them, and makes the image.

use crate::sandboxes::command;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;
use stepwright_core::{ErrorId, StepContext, StepError};
use stepwright_process::command::{Command, Done, Program, run};
use stepwright_process::{Backend, Sandbox};
use tokio::sync::Mutex;

pub(crate) const IMAGE: &str = "stepwright-test:sandbox";

/// Held by each test, so that the containers of this process are its own.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Returns the programs to test with.
pub(crate) fn backends() -> Vec<Backend> {
    let Ok(named) = std::env::var("STEPWRIGHT_TEST_SANDBOX") else {
        eprintln!("skipped: STEPWRIGHT_TEST_SANDBOX names no programs");
        return Vec::new();
    };
    let known = |name: &str| Backend::ALL.into_iter().find(|known| known.to_string() == name);
    named.split(',').map(|name| known(name).expect("a program that makes containers")).collect()
}

fn boxed(backend: Backend) -> Sandbox {
    Sandbox::new().backend(backend).image(IMAGE)
}

fn context(sandbox: Sandbox) -> StepContext {
    StepContext::detached("a").and_state(sandbox)
}

/// Runs a line of a shell, whatever its end is.
async fn ended(sandbox: Sandbox, line: &str, dir: &Path) -> Result<Done, StepError> {
    run(Command { any_status: true, ..command(line, dir) }, &context(sandbox)).await
}

async fn told(sandbox: Sandbox, line: &str, dir: &Path) -> String {
    let done = ended(sandbox, line, dir).await.unwrap();
    assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{line}: {}", done.stdout);
    done.stdout
}

/// Returns the containers of a process.
pub(crate) fn containers(backend: Backend, process: u32) -> String {
    let mut list = std::process::Command::new(backend.to_string());
    let filter = format!("name=stepwright-{process}-");
    list.args(["ps", "--all", "--filter", &filter, "--format", "{{.Names}} {{.Status}}"]);
    let listed = list.output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout).unwrap()
}

/// Returns the containers of this process.
fn own(backend: Backend) -> String {
    containers(backend, std::process::id())
}

#[tokio::test]
async fn a_command_in_a_container_sees_its_folder_and_nothing_else() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let place = tempfile::tempdir().unwrap();
        // Both have to be quoted.
        let (dir, data) = (place.path().join("w, \"o' k"), place.path().join("da, \"ta"));
        for dir in [&dir, &data] {
            fs::create_dir(dir).unwrap();
        }
        fs::write(place.path().join("secret"), "secret").unwrap();
        fs::write(data.join("a"), "data").unwrap();
        let sandbox = || boxed(backend).mount(&data, "/d a").mount_to_write(&data, "/o, \"t");
        let shown = dir.display().to_string();
        let line =
            "pwd; cat; echo \"$GIVEN\"; echo made > made; cat '/d a/a'; echo b > '/o, \"t/b'";
        assert_eq!(told(sandbox(), line, &dir).await, format!("{shown}\nina value\ndata"));
        let made = fs::metadata(dir.join("made")).unwrap();
        let own = fs::metadata(&dir).unwrap();
        assert_eq!((made.uid(), made.gid()), (own.uid(), own.gid()), "{backend}");
        assert_eq!(fs::read_to_string(data.join("b")).unwrap(), "b\n");
        for refused in [
            "cat ../secret",
            "echo x > '/d a/a'",
            // Only the loopback interface is there.
            "grep -v -e lo: -e '|' /proc/net/dev",
            "grep -i -e CapEff -e CapBnd /proc/self/status | grep -v 0000000000000000",
            "grep NoNewPrivs /proc/self/status | grep 0",
        ] {
            let done = ended(sandbox(), refused, &dir).await.unwrap();
            assert_ne!(done.status, 0, "{backend}: {refused}: {}", done.stdout);
        }
        assert_eq!(fs::read_to_string(data.join("a")).unwrap(), "data");
    }
}

#[tokio::test]
async fn a_command_in_a_container_has_its_own_variables_and_a_folder_for_temporary_files() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        let names = told(boxed(backend), "env | cut -d= -f1 | sort | tr '\\n' ' '", dir.path());
        let of_image = ["HOME", "HOSTNAME", "PATH", "PWD", "TERM", "container"];
        let own = ["GIVEN"];
        for name in names.await.split_whitespace() {
            assert!(of_image.contains(&name) || own.contains(&name), "{backend}: {name}");
        }
        let line = "echo $HOME; ls -A /tmp; cp /bin/true /tmp/here; /tmp/here && rm /tmp/here";
        let elsewhere = Path::new("/var/tmp");
        assert_eq!(told(boxed(backend), line, elsewhere).await, "/tmp");
        // None of these reaches the program that makes the container.
        let odd = [("PATH", "/opt/none:/usr/bin:/bin"), ("HOME", "/none"), ("LD_PRELOAD", "/x.so")];
        let mut env: Vec<(String, String)> = Vec::new();
        env.extend(odd.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.push(("DOCKER_HOST".to_owned(), "tcp://127.0.0.1:1".to_owned()));
        env.push(("LINES_".to_owned(), "a\nb'\"$x".to_owned()));
        let line = "echo \"$PATH $HOME $DOCKER_HOST $LINES_\"";
        let command = Command { env, ..command(line, dir.path()) };
        let done = run(command, &context(boxed(backend))).await.unwrap();
        let wanted = "/opt/none:/usr/bin:/bin /none tcp://127.0.0.1:1 a\nb'\"$x";
        assert_eq!(done.stdout, wanted, "{backend}");
    }
}

#[tokio::test]
async fn the_end_of_a_command_in_a_container_is_that_of_the_command() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        for (line, status) in [
            ("exit 3", 3),
            ("exit 125", 125),
            ("exit 126", 126),
            ("no-such-program", 127),
            ("kill -KILL $$", 137),
            ("kill -TERM $$", 143),
        ] {
            let done = ended(boxed(backend), line, dir.path()).await.unwrap();
            assert_eq!(done.status, status, "{backend}: {line}: {}", done.stderr);
        }
        let cx = context(boxed(backend));
        let error = run(command("echo no >&2; exit 125", dir.path()), &cx).await.unwrap_err();
        assert_eq!(error.data.id, Some(ErrorId::COMMAND_FAILED), "{backend}: {error}");
        let program = Program::Argv(vec!["no-such-program".to_owned()]);
        let missing = Command { program, any_status: true, ..command("", dir.path()) };
        let error = run(missing, &cx).await.unwrap_err();
        let told = format!("the image `{IMAGE}` has no program `no-such-program`");
        assert_eq!(error.to_string(), told, "{backend}");
        let error = ended(Sandbox::new().backend(backend).image("stepwright-none"), "", dir.path());
        let error = error.await.unwrap_err();
        let told = format!("{backend} does not have the image `stepwright-none`");
        assert_eq!(error.to_string(), told);
        assert_eq!(own(backend), "");
    }
}

#[tokio::test]
async fn the_input_and_the_output_of_a_container_are_whole_and_limited() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        let stdin = "x".repeat(9_000_000);
        let read = |line: &str| Command {
            stdin: stdin.clone(),
            max_bytes: 10_000_000,
            ..command(line, dir.path())
        };
        let cx = context(boxed(backend));
        let done = run(read("tee /dev/stderr"), &cx).await.unwrap();
        assert_eq!((done.stdout.len(), done.stderr.len()), (stdin.len(), stdin.len()), "{backend}");
        assert_eq!(run(read("echo unread"), &cx).await.unwrap().stdout, "unread");
        let error = run(Command { max_bytes: 1000, ..read("cat") }, &cx).await.unwrap_err();
        assert_eq!(error.data.id, Some(ErrorId::RESULT_TOO_LARGE), "{backend}: {error}");
    }
}

/// `network: all` reaches a server of this machine, and `network: none` does not.
#[tokio::test]
async fn a_container_has_a_network_only_where_it_is_allowed() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        let server = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let program = format!(
            "import socket\nroutes = [line.split() for line in open('/proc/net/route')]\nhex = \
             [route[2] for route in routes if route[1] == '00000000'][0]\nhost = \
             socket.inet_ntoa(bytes.fromhex(hex)[::-1])\nsocket.create_connection((host, {port}), \
             20)\nprint('reached')\n"
        );
        fs::write(dir.path().join("reach.py"), program).unwrap();
        let reach = "python3 reach.py";
        assert_eq!(told(boxed(backend).network(true), reach, dir.path()).await, "reached");
        let done = ended(boxed(backend), reach, dir.path()).await.unwrap();
        assert_eq!(done.status, 1, "{backend}: {}", done.stdout);
        let loopback = format!(
            "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)'"
        );
        for sandbox in [boxed(backend), boxed(backend).network(true)] {
            let done = ended(sandbox, &loopback, dir.path()).await.unwrap();
            assert_eq!(done.status, 1, "{backend} reached the loopback of this machine");
        }
    }
}

/// The moments at which commands end early. The first ones are before there is a container.
const MOMENTS: [u64; 6] = [10, 60, 150, 300, 600, 1500];

#[tokio::test]
async fn a_container_is_gone_before_the_next_command_of_its_step() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        let cx = context(boxed(backend));
        for moment in MOMENTS {
            let timeout = Duration::from_millis(moment);
            let hangs = Command { timeout, ..command("trap '' TERM INT; sleep 1000", dir.path()) };
            let error = run(hangs, &cx).await.unwrap_err();
            assert_eq!(error.data.id, Some(ErrorId::COMMAND_TIMED_OUT), "{error}");
            assert_eq!(run(command("echo next", dir.path()), &cx).await.unwrap().stdout, "next");
            assert_eq!(own(backend), "", "{backend} after {timeout:?}");
        }
    }
}

#[tokio::test]
async fn what_a_container_writes_is_kept_by_no_program() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        let cx = context(boxed(backend));
        let line = "echo written; touch ready; sleep 1000";
        let waits = run(command(line, dir.path()), &cx);
        // Podman does not list a container at each moment of its start.
        let ready = async {
            while !dir.path().join("ready").exists() || own(backend).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = waits => panic!("{done:?}"),
            () = ready => {
                let names = own(backend);
                let name = names.split_whitespace().next().unwrap();
                let mut logs = std::process::Command::new(backend.to_string());
                let logs = logs.args(["logs", name]).output().unwrap();
                assert!(!String::from_utf8_lossy(&logs.stdout).contains("written"), "{logs:?}");
            }
        }
    }
}

/// Programs of other users see the command lines of this one's.
#[tokio::test]
async fn the_values_of_variables_are_in_no_command_line() {
    let _alone = ALONE.lock().await;
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let cx = context(boxed(backend));
        let mut waits = command("touch ready; sleep 1000", dir.path());
        waits.env = vec![("TOKEN".to_owned(), "hunter2hunter2".to_owned())];
        let ready = async {
            while !dir.path().join("ready").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = run(waits, &cx) => panic!("{done:?}"),
            () = ready => {
                let entries = fs::read_dir("/proc").unwrap().flatten();
                let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
                let shown = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
                let with: Vec<String> =
                    shown.filter(|line| line.contains("hunter2hunter2")).collect();
                assert!(with.is_empty(), "{backend}: {with:?}");
            }
        }
    }
}
