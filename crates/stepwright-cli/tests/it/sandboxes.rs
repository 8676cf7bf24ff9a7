//! Sandboxes that cannot be made: the message, and that no command runs.

use crate::support::{Place, Ran};
use std::os::unix::fs::PermissionsExt as _;

/// Runs a command in a sandbox of `backend`, which is a program of this script. Without one,
/// nothing is in `PATH`.
fn ran(backend: &str, script: Option<&str>) -> Ran {
    let place = Place::with(&format!(
        "format: 1\nname: Boxed\nsandbox: {{backend: {backend}, image: 'alpine:3'}}\n\
         steps: [{{name: a, shell: touch made}}]\n"
    ));
    let programs = place.path("programs");
    std::fs::create_dir(&programs).unwrap();
    let mut path = programs.clone().into_os_string();
    if let Some(script) = script {
        path.push(":/usr/bin:/bin");
        let program = programs.join(backend);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = place.command(["run", "flow.yaml", "--allow-shell", "--no-db"]);
    let ran = Ran::of(command.env("PATH", path)).ended(1);
    assert!(!place.path("made").exists(), "the command ran outside of its sandbox");
    ran
}

/// Does as Docker 28 without its daemon.
const NO_DAEMON: &str = "echo '[]'
echo 'Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?' >&2
exit 1";

#[test]
fn a_daemon_that_does_not_answer_is_named_with_what_to_do() {
    assert_eq!(
        ran("docker", Some(NO_DAEMON)).stderr.lines().collect::<Vec<_>>(),
        [
            "error[SW0615]: step `a` failed: docker does not answer: Cannot connect to the Docker \
             daemon at unix:///x.sock. Is the docker daemon running?",
            "help: start its daemon, or set `DOCKER_HOST` to the address of one that runs; \
             `docker info` shows whether it answers",
        ]
    );
}

/// The daemon answers the first question, and has ended when the command should run.
#[test]
fn a_daemon_that_ends_before_the_command_is_named_with_what_to_do() {
    let script = "if [ \"$1\" = image ]; then echo '[{}]'; exit 0; fi
echo 'docker: Cannot connect to the Docker daemon at tcp://x. Is the docker daemon running?' >&2
echo >&2
echo \"Run 'docker run --help' for more information\" >&2
exit 125";
    let stderr = ran("docker", Some(script)).stderr;
    assert!(stderr.contains("docker does not answer: Cannot connect to the Docker daemon at"));
    assert!(stderr.contains("help: start its daemon"), "{stderr}");
    assert!(!stderr.contains("docker run --help"), "{stderr}");
}

#[test]
fn an_image_that_is_not_there_is_named_with_what_to_do() {
    let docker = "echo 'Error response from daemon: No such image: alpine:3' >&2; exit 1";
    let podman = "echo 'Error: alpine:3: image not known' >&2; exit 125";
    for (backend, script) in [("docker", docker), ("podman", podman)] {
        let stderr = ran(backend, Some(script)).stderr;
        let what = format!("{backend} does not have the image `alpine:3`");
        assert!(stderr.contains(&what), "{stderr}");
        let help = format!("help: get it with `{backend} pull alpine:3`");
        assert!(stderr.contains(&help), "{stderr}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named_with_what_to_do() {
    for backend in ["docker", "podman"] {
        let stderr = ran(backend, None).stderr;
        let what = format!("there is no program `{backend}` in `PATH`");
        assert!(stderr.contains(&what), "{stderr}");
        let help = format!("help: install {backend}, or choose another backend");
        assert!(stderr.contains(&help), "{stderr}");
    }
}
