//! Sandboxes: programs that run a command apart from the rest of the machine.
//!
//! A command that should run in a sandbox never runs outside of one: where there is none, it fails.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_core::{
    AnyExecutor, ErrorCode, ErrorId, Executor, Fingerprint, StepContext, StepError, StepInput,
    StepOutput,
};
use stepwright_engine::IntoExecutor;

/// The exit code with which containers report that they did not run the command.
const NOT_RUN: i32 = 125;

/// The time of the program of a sandbox to tell that it works. A daemon that hangs never does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A sandbox for the commands of steps: of the steps themselves, and of the tools of their agents.
///
/// A command sees the programs of the system or of an image, its own folder, and the folders that
/// are mounted. It has no network, unless that is allowed as a whole.
///
/// ```
/// use stepwright_core::{StepContext, StepError};
/// use stepwright_engine::Step;
/// use stepwright_process::Sandbox;
/// async fn count(text: String, cx: StepContext) -> Result<String, StepError> {
///     assert!(cx.state::<Sandbox>().is_some());
///     Ok(text)
/// }
/// let counted = Step::new("count", Sandbox::new().image("debian:13-slim").around(count));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a sandbox does nothing until it is put around a step: `.around(…)`"]
pub struct Sandbox {
    backend: Option<Backend>,
    image: Option<String>,
    network: bool,
    mounts: Vec<Mount>,
}

/// A program that makes sandboxes.
///
/// ```
/// use stepwright_process::Backend;
/// assert_eq!(Backend::Bubblewrap.to_string(), "bubblewrap");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Backend {
    /// `bwrap`, with the programs of this system. It has no images.
    Bubblewrap,
    /// `podman`, with an image.
    Podman,
    /// `docker`, with an image.
    Docker,
}

impl Backend {
    /// The backends, in the order in which they are looked for.
    pub const ALL: [Self; 3] = [Self::Bubblewrap, Self::Podman, Self::Docker];

    /// Returns the name of its program.
    fn program(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bwrap",
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Podman => "podman",
            Self::Docker => "docker",
        })
    }
}

/// A folder or a file of the machine that a command in a sandbox sees.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    from: PathBuf,
    to: PathBuf,
    write: bool,
}

impl Sandbox {
    /// Creates a sandbox without a network, of the first backend that is installed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the backend.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Sets the image with the programs, for Podman and Docker. It must be there already: an image
    /// is never downloaded.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets whether commands have the network of this machine. Default: no.
    pub fn network(mut self, on: bool) -> Self {
        self.network = on;
        self
    }

    /// Shows a folder or a file of this machine at a path in the sandbox.
    pub fn mount(mut self, from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        self.mounts.push(Mount { from: from.into(), to: to.into(), write: false });
        self
    }

    /// Like [`Sandbox::mount`], for a folder or a file that commands may change.
    pub fn mount_to_write(mut self, from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        self.mounts.push(Mount { from: from.into(), to: to.into(), write: true });
        self
    }

    /// Puts the sandbox around the work of a step: the commands that it and its tools run, run in
    /// it.
    pub fn around<M>(self, work: impl IntoExecutor<M>) -> InSandbox {
        InSandbox { sandbox: self, work: work.into_executor() }
    }

    /// Returns the backend to use.
    ///
    /// # Errors
    /// Fails if none is installed that can do what the settings ask for.
    fn chosen(&self) -> Result<Backend, StepError> {
        let fits = |backend: Backend| (backend == Backend::Bubblewrap) == self.image.is_none();
        if let Some(backend) = self.backend {
            if !fits(backend) {
                let (what, hint) = match backend {
                    Backend::Bubblewrap => (
                        "bubblewrap has no images",
                        "leave `image` out, or choose docker or podman",
                    ),
                    _ => ("a container needs an image", "name one with `image`"),
                };
                return Err(
                    unavailable(format!("the sandbox of {backend}: {what}")).with_hint(hint)
                );
            }
            if !is_installed(backend) {
                let program = backend.program();
                return Err(unavailable(format!("there is no program `{program}` in `PATH`"))
                    .with_hint(format!("install {backend}, or choose another backend")));
            }
            return Ok(backend);
        }
        let all = || Backend::ALL.into_iter().filter(|backend| fits(*backend));
        all().find(|backend| is_installed(*backend)).ok_or_else(|| {
            let names: Vec<String> = all().map(|backend| backend.to_string()).collect();
            let what = match self.image {
                Some(_) => "no program for sandboxes with an image is installed",
                None => "no program for sandboxes without an image is installed",
            };
            unavailable(what).with_hint(format!("install {}", names.join(" or ")))
        })
    }

    /// Returns a command that runs another one in the sandbox, and the name of its container.
    fn wrapped(&self, backend: Backend, command: &Inner<'_>) -> (Vec<String>, Option<String>) {
        match backend {
            Backend::Bubblewrap => (self.bubblewrap(command), None),
            Backend::Podman | Backend::Docker => {
                static NEXT: AtomicU64 = AtomicU64::new(0);
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let name = format!("stepwright-{}-{number}", std::process::id());
                (self.container(backend, &name, command), Some(name))
            }
        }
    }

    fn bubblewrap(&self, command: &Inner<'_>) -> Vec<String> {
        let mut words = Words::new("bwrap");
        words.all(&["--die-with-parent", "--new-session", "--unshare-all"]);
        if self.network {
            words.all(&["--share-net"]);
        }
        words.all(&["--ro-bind", "/usr", "/usr"]);
        for name in ["bin", "lib", "lib32", "lib64", "libx32", "sbin"] {
            let path = format!("/{name}");
            match std::fs::read_link(&path) {
                Ok(target) => words.all(&["--symlink", &target.to_string_lossy(), &path]),
                Err(_) => words.all(&["--ro-bind-try", &path, &path]),
            }
        }
        let mut of_system = vec!["/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf.d"];
        if self.network {
            of_system.extend(["/etc/resolv.conf", "/etc/hosts", "/etc/ssl", "/etc/nsswitch.conf"]);
        }
        for path in of_system {
            words.all(&["--ro-bind-try", path, path]);
        }
        words.all(&["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        for Mount { from, to, write } in self.mounts(command) {
            let how = if write { "--bind" } else { "--ro-bind" };
            words.all(&[how, &from.to_string_lossy(), &to.to_string_lossy()]);
        }
        words.all(&["--chdir", &command.dir.to_string_lossy(), "--setenv", "HOME", "/tmp", "--"]);
        words.0.extend(command.words.iter().cloned());
        words.0
    }

    fn container(&self, backend: Backend, name: &str, command: &Inner<'_>) -> Vec<String> {
        let mut words = Words::new(backend.program());
        words.all(&["run", "--rm", "--interactive", "--init", "--pull=never", "--name", name]);
        words.all(&["--cap-drop=ALL", "--security-opt=no-new-privileges"]);
        words.all(&["--network", if self.network { "bridge" } else { "none" }]);
        #[cfg(unix)]
        {
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            words.all(&["--user", &format!("{}:{}", user.as_raw(), group.as_raw())]);
            if backend == Backend::Podman {
                // Without rights of its own, it gives the user another number otherwise.
                words.all(&["--userns=keep-id"]);
            }
        }
        for Mount { from, to, write } in self.mounts(command) {
            let mode = if write { "" } else { ",readonly" };
            let (from, to) = (csv("source", &from), csv("target", &to));
            words.all(&["--mount", &format!("type=bind,{from},{to}{mode}")]);
        }
        words.all(&["--workdir", &command.dir.to_string_lossy(), "--env", "HOME=/tmp"]);
        // By their names, so that no other process sees the values.
        for name in &command.env {
            words.all(&["--env", name]);
        }
        words.all(&[self.image.as_deref().unwrap_or_default()]);
        words.0.extend(command.words.iter().cloned());
        words.0
    }

    /// Returns what the command sees of the machine: its folder, and what is mounted.
    fn mounts(&self, command: &Inner<'_>) -> Vec<Mount> {
        let own = Mount { from: command.dir.to_owned(), to: command.dir.to_owned(), write: true };
        let shown = command.shown.iter();
        let shown = shown.map(|dir| Mount { from: dir.clone(), to: dir.clone(), write: false });
        self.mounts.iter().cloned().chain([own]).chain(shown).collect()
    }

    /// Returns the settings as a text, for comparisons.
    fn written(&self) -> String {
        let Self { backend, image, network, mounts } = self;
        let backend = backend.map_or_else(|| "any".to_owned(), |backend| backend.to_string());
        let mounts: Vec<String> = mounts
            .iter()
            .map(|Mount { from, to, write }| {
                let mode = if *write { ":write" } else { "" };
                format!("{}:{}{mode}", from.display(), to.display())
            })
            .collect();
        format!("{backend} {image:?} network={network} mounts={mounts:?}")
    }
}

/// Returns a part of a mount. Commas separate its parts, so a path with one is quoted.
fn csv(name: &str, path: &Path) -> String {
    let part = format!("{name}={}", path.display());
    if part.contains([',', '"', '\n']) {
        format!("\"{}\"", part.replace('"', "\"\""))
    } else {
        part
    }
}

/// The words of a command line.
struct Words(Vec<String>);

impl Words {
    fn new(program: &str) -> Self {
        Self(vec![program.to_owned()])
    }

    fn all(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }
}

/// The command that runs inside.
pub(crate) struct Inner<'a> {
    pub(crate) words: &'a [String],
    pub(crate) dir: &'a Path,
    /// The folders that it sees besides its own.
    pub(crate) shown: &'a [PathBuf],
    /// The names of its environment variables.
    pub(crate) env: Vec<String>,
}

fn unavailable(what: impl Into<String>) -> StepError {
    StepError::terminal(what).with_code(ErrorCode::BadInput).with_id(ErrorId::SANDBOX_UNAVAILABLE)
}

/// Returns the error of a program that made no sandbox, from what it wrote to stderr.
fn not_made(backend: Backend, image: Option<&str>, complaint: &str) -> StepError {
    let (program, image) = (backend.program(), image.unwrap_or_default());
    let lower = complaint.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let said = said(backend, complaint);
    let (what, hint) = if backend == Backend::Bubblewrap {
        let hint = if says(&["namespace", "uid map", "uid_map"]) {
            "allow user namespaces on this system, or name an `image` for podman or docker"
        } else {
            "check the folder of the step and the `mounts` of its sandbox"
        };
        (format!("bubblewrap cannot make a sandbox here: {said}"), hint.to_owned())
    } else if says(&["no such image", "image not known", "unable to find image"]) {
        let hint = format!("get it with `{program} pull {image}`: a run never downloads an image");
        (format!("{backend} does not have the image `{image}`"), hint)
    } else if says(&["permission denied"]) {
        let hint = format!("let this user use {backend}, or choose another backend");
        (format!("{backend} does not let this user in: {said}"), hint)
    } else if says(&["cannot connect to", "failed to connect to", "connection refused"]) {
        let (hint, address) = match backend {
            Backend::Docker => ("start its daemon", "DOCKER_HOST"),
            _ => ("start its service", "CONTAINER_HOST"),
        };
        let hint = format!(
            "{hint}, or set `{address}` to the address of one that runs; `{program} info` shows \
             whether it answers"
        );
        (format!("{backend} does not answer: {said}"), hint)
    } else {
        let hint = format!("try `{program} run --rm --pull=never {image} true`");
        (format!("{backend} did not run the command: {said}"), hint)
    };
    unavailable(what).with_hint(hint)
}

/// Returns the line that tells what is wrong, of all that a program wrote to stderr.
fn said(backend: Backend, complaint: &str) -> String {
    let mut lines = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    // Docker ends with advice on its options, and bubblewrap begins with warnings.
    let line = if backend == Backend::Bubblewrap { lines.next_back() } else { lines.next() };
    let line = line.unwrap_or("it does not say why");
    let begins = [format!("{}: ", backend.program()), "Error: ".to_owned()];
    let line = begins.iter().fold(line, |line, begin| line.strip_prefix(begin).unwrap_or(line));
    line.to_owned()
}

/// The work of a step, with a sandbox around its commands. See [`Sandbox::around`].
///
/// ```
/// use stepwright_process::{InSandbox, Sandbox};
/// async fn count(text: String) -> String { text.len().to_string() }
/// let counted: InSandbox = Sandbox::new().around(count);
/// ```
#[derive(Clone, Debug)]
pub struct InSandbox {
    sandbox: Sandbox,
    work: AnyExecutor,
}

impl Executor for InSandbox {
    stepwright_core::as_inner_executor!(work);

    fn fingerprint(&self) -> Fingerprint {
        self.work.fingerprint().with("sandbox", self.sandbox.written())
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        self.work.execute(input, cx.and_state(self.sandbox.clone())).await
    }
}

/// A command in its sandbox.
pub(crate) struct Boxed {
    pub(crate) words: Vec<String>,
    /// The variables that the program of the sandbox needs itself.
    pub(crate) env: Vec<String>,
    container: Option<Container>,
}

impl Boxed {
    /// Returns the error of a container that did not run its command.
    pub(crate) fn failure(&self, status: i32, complaint: &str) -> Option<StepError> {
        let container = self.container.as_ref().filter(|_| status == NOT_RUN)?;
        Some(not_made(container.backend, Some(&container.image), complaint))
    }

    /// Notes that the command has ended, and its container with it.
    pub(crate) fn ended(&mut self) {
        self.container = None;
    }
}

/// A container that ends when this is dropped. Its program only attaches to it, so killing that is
/// not enough.
struct Container {
    backend: Backend,
    name: String,
    image: String,
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(self.backend.program());
        command.args(["kill", &self.name]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut killing) = command.spawn() {
            // It is waited for elsewhere, because this may be a thread of the runtime.
            std::thread::spawn(move || killing.wait());
        }
    }
}

/// Returns the command that runs a command in the sandbox of its step. `None` if the step has none.
///
/// # Errors
/// Fails if there is no sandbox. Then the command must not run.
pub(crate) async fn boxed(
    mut inner: Inner<'_>,
    pass_env: &[String],
    cx: &StepContext,
) -> Result<Option<Boxed>, StepError> {
    let Some(sandbox) = cx.state::<Sandbox>() else { return Ok(None) };
    let backend = sandbox.chosen()?;
    let passed = pass_env.iter().filter(|name| std::env::var_os(name).is_some());
    inner.env.extend(passed.cloned());
    probe(sandbox, backend, &inner).await?;
    let (words, name) = sandbox.wrapped(backend, &inner);
    let of_client: &[&str] = match backend {
        Backend::Bubblewrap => &[],
        Backend::Podman => &["CONTAINER_HOST", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"],
        Backend::Docker => &["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"],
    };
    let env = of_client.iter().map(|name| (*name).to_owned()).collect();
    let image = sandbox.image.clone().unwrap_or_default();
    let container = name.map(|name| Container { backend, name, image });
    Ok(Some(Boxed { words, env, container }))
}

/// The sandboxes that have worked in this process, by their backend and their image.
static WORKED: Mutex<BTreeSet<(Backend, String)>> = Mutex::new(BTreeSet::new());

/// Checks that a backend works on this machine, once for each image.
async fn probe(sandbox: &Sandbox, backend: Backend, inner: &Inner<'_>) -> Result<(), StepError> {
    let key = (backend, sandbox.image.clone().unwrap_or_default());
    if WORKED.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
        return Ok(());
    }
    let words = match &sandbox.image {
        None => {
            let words = ["true".to_owned()];
            let (dir, shown) = (inner.dir, inner.shown);
            sandbox.bubblewrap(&Inner { words: &words, dir, shown, env: Vec::new() })
        }
        Some(image) => [backend.program(), "image", "inspect", image].map(str::to_owned).to_vec(),
    };
    let done = answered(backend, &words).await?;
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr);
        return Err(not_made(backend, sandbox.image.as_deref(), &complaint));
    }
    WORKED.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    Ok(())
}

/// Runs a command of a backend that ends by itself.
async fn answered(backend: Backend, words: &[String]) -> Result<Output, StepError> {
    let program = backend.program();
    let mut command = tokio::process::Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(ANSWER_TIMEOUT, command.output()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(unavailable(format!("`{program}` cannot be started: {error}"))
            .with_hint(format!("check the file that `command -v {program}` names"))),
        Err(_) => Err(unavailable(format!("{backend} has not answered for {ANSWER_TIMEOUT:?}"))
            .with_hint(format!("see whether `{program} info` ends, and start {backend} again"))),
    }
}

/// Returns `true` if the program of a backend is in `PATH`.
fn is_installed(backend: Backend) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(backend.program()).is_file())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn inner<'a>(words: &'a [String], shown: &'a [PathBuf], env: &[String]) -> Inner<'a> {
        Inner { words, dir: Path::new("/work"), shown, env: env.to_vec() }
    }

    #[test]
    fn a_container_sees_its_folder_and_its_mounts_and_no_network() {
        let sandbox = Sandbox::new()
            .image("alpine:3")
            .mount("/data/in", "/in")
            .mount_to_write("/data/a,b", "/out");
        let words = ["wc".to_owned(), "-w".to_owned()];
        let (shown, env) = ([PathBuf::from("/skill")], ["TEXT".to_owned()]);
        let inner = inner(&words, &shown, &env);
        for backend in [Backend::Docker, Backend::Podman] {
            let (words, name) = sandbox.wrapped(backend, &inner);
            let (words, name) = (words.join(" "), name.unwrap());
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            let wanted = format!(
                "{} run --rm --interactive --init --pull=never --name {name} --cap-drop=ALL \
                 --security-opt=no-new-privileges --network none --user {}:{}{} --mount \
                 type=bind,source=/data/in,target=/in,readonly --mount \
                 type=bind,\"source=/data/a,b\",target=/out --mount \
                 type=bind,source=/work,target=/work --mount \
                 type=bind,source=/skill,target=/skill,readonly --workdir /work --env HOME=/tmp \
                 --env TEXT alpine:3 wc -w",
                backend.program(),
                user.as_raw(),
                group.as_raw(),
                if backend == Backend::Podman { " --userns=keep-id" } else { "" },
            );
            assert_eq!(words, wanted);
        }
        let (words, _) = sandbox.network(true).wrapped(Backend::Docker, &inner);
        assert!(words.join(" ").contains("--network bridge"), "{words:?}");
    }

    #[test]
    fn bubblewrap_shows_the_system_to_read_and_the_folder_to_write() {
        let words = ["wc".to_owned()];
        let sandbox = Sandbox::new().mount("/data/in", "/in");
        let (words, name) = sandbox.wrapped(Backend::Bubblewrap, &inner(&words, &[], &[]));
        assert_eq!(name, None);
        let words = words.join(" ");
        assert!(words.starts_with("bwrap --die-with-parent --new-session --unshare-all --ro-bind"));
        let end = "--tmpfs /tmp --ro-bind /data/in /in --bind /work /work --chdir /work --setenv \
                   HOME /tmp -- wc";
        assert!(words.ends_with(end), "{words}");
    }

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
                Podman,
                "Error: alpine:3: image not known\n".to_owned(),
                "podman does not have the image `alpine:3`".to_owned(),
                pull("podman"),
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

    /// Time passes as soon as nothing is left to do, so this does not wait.
    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_hangs_is_not_waited_for() {
        let error = answered(Backend::Docker, &["sleep".to_owned(), "1000".to_owned()]).await;
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "docker has not answered for 10s");
        assert!(error.data.hint.unwrap().contains("`docker info`"));
    }

    #[test]
    fn settings_that_no_backend_has_are_refused() {
        let told = |sandbox: Sandbox| sandbox.chosen().unwrap_err().to_string();
        let boxed = Sandbox::new().backend(Backend::Bubblewrap).image("alpine");
        assert_eq!(told(boxed), "the sandbox of bubblewrap: bubblewrap has no images");
        let docker = Sandbox::new().backend(Backend::Docker);
        assert_eq!(told(docker), "the sandbox of docker: a container needs an image");
    }
}
