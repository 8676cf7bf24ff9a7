//! The errors of sandboxes that cannot be made.

use crate::backend::Backend;
use stepwright_core::{ErrorCode, ErrorId, StepError};

/// The exit code with which containers report that they did not run the command.
const NOT_RUN: i32 = 125;
/// The exit codes for a command that cannot be started, and for one that is not there. A command
/// that has started may also end with these, or with the one above.
const NOT_STARTED: [i32; 2] = [126, 127];

/// Words that podman and docker write about containers that do not start.
const OF_RUNTIMES: [&str; 6] =
    ["oci runtime", ": oci ", "workdir", "slirp4netns", "pasta", "netavark"];

pub(crate) fn unavailable(what: impl Into<String>) -> StepError {
    StepError::terminal(what).with_code(ErrorCode::BadInput).with_id(ErrorId::SANDBOX_UNAVAILABLE)
}

/// Returns the error of a container that did not run `command`, from the exit code of its program
/// and from what that wrote to stderr. `None` if the command itself has ended so.
pub(crate) fn not_run(
    (backend, image): (Backend, &str),
    command: &str,
    status: i32,
    complaint: &str,
) -> Option<StepError> {
    let lacks = format!("the image `{image}` has no program `{command}`");
    let by_init = complaint.lines().find(|line| is_by_init(line, command));
    if let (Some(line), true) = (by_init, status != 0) {
        let is_missing = line.to_lowercase().contains("no such file or directory");
        let (_, why) = line.rsplit_once(": ").unwrap_or(("", line));
        let what = if is_missing {
            lacks
        } else {
            format!("`{command}` of the image `{image}` cannot be started: {why}")
        };
        return Some(unavailable(what).with_hint("choose an image that has it"));
    }
    let line = complaint.lines().find_map(|line| by_program(backend, line))?;
    let lower = line.to_lowercase();
    let is_runtime = OF_RUNTIMES.iter().any(|word| lower.contains(word));
    match status {
        NOT_RUN => {}
        status if NOT_STARTED.contains(&status) && is_runtime => {}
        _ => return None,
    }
    if lower.contains("executable file not found") {
        return Some(unavailable(lacks).with_hint("choose an image that has it"));
    }
    Some(not_made(backend, Some(image), complaint))
}

/// Returns `true` for a line of the first process of a container, `catatonit` or `tini`, which
/// could not start the command.
fn is_by_init(line: &str, command: &str) -> bool {
    let of_tini = format!("exec {command} failed: ");
    line.starts_with("ERROR (catatonit:") && line.contains("failed to exec pid1: ")
        || line.starts_with("[FATAL tini (") && line.contains(&of_tini)
}

/// Returns what the program of a backend says in a line of its own. Other lines are the command's.
fn by_program(backend: Backend, line: &str) -> Option<&str> {
    match backend {
        Backend::Bubblewrap => line.strip_prefix("bwrap: "),
        Backend::Podman => line.strip_prefix("Error: "),
        Backend::Docker => line.strip_prefix("docker: "),
    }
}

/// Returns the error of a program that made no sandbox, from what it wrote to stderr.
pub(crate) fn not_made(backend: Backend, image: Option<&str>, complaint: &str) -> StepError {
    let said = said(backend, complaint);
    let (what, hint) = match (backend, image) {
        (Backend::Bubblewrap, _) | (_, None) => without_image(complaint, &said),
        (_, Some(image)) => without_container(backend, image, complaint, &said),
    };
    unavailable(what).with_hint(hint)
}

fn without_image(complaint: &str, said: &str) -> (String, String) {
    let lower = complaint.to_lowercase();
    let hint = if ["namespace", "uid map", "uid_map"].iter().any(|word| lower.contains(word)) {
        "allow user namespaces on this system, or name an `image` for podman or docker"
    } else {
        "check the folder of the step and the `mounts` of its sandbox"
    };
    (format!("bubblewrap cannot make a sandbox here: {said}"), hint.to_owned())
}

fn without_container(
    backend: Backend,
    image: &str,
    complaint: &str,
    said: &str,
) -> (String, String) {
    let program = backend.program();
    let lower = complaint.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let not_run = format!("{backend} did not run the command: {said}");
    if says(&["no such image", "image not known", "unable to find image"]) {
        let hint = format!("get it with `{program} pull {image}`: a run never downloads an image");
        (format!("{backend} does not have the image `{image}`"), hint)
    } else if says(&OF_RUNTIMES) {
        let hint = format!("see whether `{program} run --rm --pull=never {image} true` works here");
        (not_run, hint)
    } else if says(&["container-init", "docker-init", "catatonit"]) {
        let package = if backend == Backend::Podman { "catatonit" } else { "tini" };
        (not_run, format!("install `{package}`, which runs the commands in containers"))
    } else if says(&["source path does not exist", "statfs "]) {
        let hint = format!(
            "check the folder of the step and the `mounts` of its sandbox; {backend} must run on \
             this machine"
        );
        (not_run, hint)
    } else if says(&["permission denied"]) {
        let hint = format!("let this user use {backend}, or choose another backend");
        (format!("{backend} does not let this user in: {said}"), hint)
    } else if says(&["cannot connect to", "failed to connect to", "connection refused"]) {
        let (start, address) = match backend {
            Backend::Docker => ("start its daemon", "DOCKER_HOST"),
            _ => ("start its service", "CONTAINER_HOST"),
        };
        let hint = format!(
            "{start}, or set `{address}` to the address of one that runs; `{program} info` shows \
             whether it answers"
        );
        (format!("{backend} does not answer: {said}"), hint)
    } else {
        (not_run, format!("try `{program} run --rm --pull=never {image} true`"))
    }
}

/// Returns the line that tells what is wrong, of all that a program wrote to stderr.
pub(crate) fn said(backend: Backend, complaint: &str) -> String {
    let lines = || complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    // Docker ends with advice on its options, and bubblewrap begins with warnings.
    let line = match backend {
        Backend::Bubblewrap => lines().next_back(),
        _ => lines().find(|line| by_program(backend, line).is_some()).or_else(|| lines().next()),
    };
    let line = line.unwrap_or("it does not say why");
    let line = by_program(backend, line).unwrap_or(line);
    line.strip_prefix("Error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_makes_no_sandbox_tells_what_to_do() {
        use Backend::{Bubblewrap, Docker, Podman};
        let daemon = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the \
                      docker daemon running?";
        let run = format!("docker: {daemon}\n\nRun 'docker run --help' for more information\n");
        let start = "start its daemon, or set `DOCKER_HOST` to the address of one that runs; \
                     `docker info` shows whether it answers";
        let no_answer = format!("docker does not answer: {daemon}");
        let pull = |program: &str| {
            format!("get it with `{program} pull alpine:3`: a run never downloads an image")
        };
        for (backend, complaint, what, hint) in [
            (Docker, format!("{daemon}\n"), no_answer.clone(), start.to_owned()),
            // The daemon has ended between the question and the command.
            (Docker, run, no_answer, start.to_owned()),
            (
                Docker,
                "Error response from daemon: No such image: alpine:3".to_owned(),
                "docker does not have the image `alpine:3`".to_owned(),
                pull("docker"),
            ),
            (
                Docker,
                "permission denied while trying to connect to the Docker daemon socket".to_owned(),
                "docker does not let this user in: permission denied while trying to connect to \
                 the Docker daemon socket"
                    .to_owned(),
                "let this user use docker, or choose another backend".to_owned(),
            ),
            (
                Docker,
                "WARNING: no swap limit\ndocker: Error response from daemon: invalid mount config \
                 for type \"bind\": bind source path does not exist: /x\n"
                    .to_owned(),
                "docker did not run the command: Error response from daemon: invalid mount config \
                 for type \"bind\": bind source path does not exist: /x"
                    .to_owned(),
                "check the folder of the step and the `mounts` of its sandbox; docker must run on \
                 this machine"
                    .to_owned(),
            ),
            (
                Podman,
                "Error: alpine:3: image not known\n".to_owned(),
                "podman does not have the image `alpine:3`".to_owned(),
                pull("podman"),
            ),
            (
                Podman,
                "Error: container-init binary not found on the host: stat /x/catatonit: no such \
                 file or directory"
                    .to_owned(),
                "podman did not run the command: container-init binary not found on the host: \
                 stat /x/catatonit: no such file or directory"
                    .to_owned(),
                "install `catatonit`, which runs the commands in containers".to_owned(),
            ),
            (
                Podman,
                String::new(),
                "podman did not run the command: it does not say why".to_owned(),
                "try `podman run --rm --pull=never alpine:3 true`".to_owned(),
            ),
            (
                Bubblewrap,
                "bwrap: setting up uid map: Permission denied".to_owned(),
                "bubblewrap cannot make a sandbox here: setting up uid map: Permission denied"
                    .to_owned(),
                "allow user namespaces on this system, or name an `image` for podman or docker"
                    .to_owned(),
            ),
        ] {
            let error = not_made(backend, Some("alpine:3"), &complaint);
            assert_eq!(error.to_string(), what);
            assert_eq!(error.data.hint, Some(hint), "{what}");
            assert_eq!(error.data.id, Some(ErrorId::SANDBOX_UNAVAILABLE), "{what}");
        }
    }

    /// The complaints are those of Docker 28, its daemon 20 and Podman 4.
    #[test]
    fn the_exit_codes_of_a_container_may_be_those_of_its_command() {
        use Backend::{Docker, Podman};
        let told = |backend, status, complaint: &str| {
            let error = not_run((backend, "alpine:3"), "jq", status, complaint);
            error.map(|error| error.to_string())
        };
        for backend in [Docker, Podman] {
            for status in [1, 125, 126, 127] {
                assert_eq!(told(backend, status, "no such file"), None, "{status}");
                assert_eq!(told(backend, status, ""), None, "{status}");
            }
        }
        let missing = Some("the image `alpine:3` has no program `jq`".to_owned());
        let docker = "docker: Error response from daemon: failed to create shim task: OCI runtime \
                      create failed: runc create failed: unable to start container process: \
                      exec: \"jq\": executable file not found in $PATH: unknown\n\nRun 'docker \
                      run --help'";
        let podman = "Error: runc: runc create failed: unable to start container process: exec: \
                      \"jq\": executable file not found in $PATH: OCI runtime attempted to invoke \
                      a command that was not found";
        let tini = "[FATAL tini (7)] exec jq failed: No such file or directory";
        let catatonit = "ERROR (catatonit:6): failed to exec pid1: No such file or directory";
        assert_eq!(told(Docker, 127, tini), missing);
        assert_eq!(told(Podman, 1, catatonit), missing);
        let refused = told(Docker, 126, "[FATAL tini (7)] exec jq failed: Permission denied");
        let cannot = "`jq` of the image `alpine:3` cannot be started: Permission denied";
        assert_eq!(refused.unwrap(), cannot);
        assert_eq!(told(Docker, 127, docker), missing);
        assert_eq!(told(Podman, 127, podman), missing);
        let limits = "Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI \
                      permission denied";
        let limits = told(Podman, 126, limits).unwrap();
        let network = "time=\"2026-11-30T23:43:43Z\" level=error msg=\"Unable to clean up\"\n\
                       Error: /usr/bin/slirp4netns failed: \"open(\\\"/dev/net/tun\\\"): \
                       Permission denied";
        let network = told(Podman, 126, network).unwrap();
        assert!(network.contains("/usr/bin/slirp4netns failed"), "{network}");
        assert!(limits.starts_with("podman did not run the command: crun: setrlimit"), "{limits}");
        let cut = "docker: Error response from daemon: unexpected EOF";
        assert!(told(Docker, 125, cut).unwrap().starts_with("docker did not run the command"));
    }
}
