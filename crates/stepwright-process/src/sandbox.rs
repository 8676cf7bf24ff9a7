//! Sandboxes: programs that run a command apart from the rest of the machine.
//!
//! A command that should run in a sandbox never runs outside of one: where there is none, it fails.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use stepwright_core::{
    AnyExecutor, ErrorCode, ErrorId, Executor, Fingerprint, StepContext, StepError, StepInput,
    StepOutput,
};
use stepwright_engine::IntoExecutor;

/// The exit code with which containers report that they did not run the command.
const NOT_RUN: i32 = 125;

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
                return Err(unavailable(format!("`{program}` is not installed"))
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
        let program = container.backend.program();
        Some(unavailable(format!("`{program}` did not run the command: {}", complaint.trim())))
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
    let container = name.map(|name| Container { backend, name });
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
    let program = backend.program();
    let words = match &sandbox.image {
        None => {
            let words = ["true".to_owned()];
            let (dir, shown) = (inner.dir, inner.shown);
            sandbox.bubblewrap(&Inner { words: &words, dir, shown, env: Vec::new() })
        }
        Some(image) => [program, "image", "inspect", image].map(str::to_owned).to_vec(),
    };
    let mut command = tokio::process::Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).kill_on_drop(true);
    let done = command
        .output()
        .await
        .map_err(|error| unavailable(format!("`{program}` cannot be started: {error}")))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        let why = why.trim().lines().last().unwrap_or("it does not tell why").to_owned();
        return Err(unavailable(format!("a sandbox of {backend} cannot be made here: {why}")));
    }
    WORKED.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    Ok(())
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
    fn settings_that_no_backend_has_are_refused() {
        let told = |sandbox: Sandbox| sandbox.chosen().unwrap_err().to_string();
        let boxed = Sandbox::new().backend(Backend::Bubblewrap).image("alpine");
        assert_eq!(told(boxed), "the sandbox of bubblewrap: bubblewrap has no images");
        let docker = Sandbox::new().backend(Backend::Docker);
        assert_eq!(told(docker), "the sandbox of docker: a container needs an image");
    }
}
