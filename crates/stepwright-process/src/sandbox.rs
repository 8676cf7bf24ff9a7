//! Sandboxes: programs that run a command apart from the rest of the machine.
//!
//! A command that should run in a sandbox never runs outside of one: where there is none, it fails.

use crate::answer::answered;
use crate::backend::{Backend, changes_program};
use crate::container::{Container, sweep};
use crate::environment::passed;
use crate::unmade::{not_made, unavailable};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use stepwright_core::{
    AnyExecutor, Executor, Fingerprint, StepContext, StepError, StepInput, StepOutput,
};
use stepwright_engine::IntoExecutor;

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
            if !backend.is_installed() {
                let program = backend.program();
                return Err(unavailable(format!("there is no program `{program}` in `PATH`"))
                    .with_hint(format!("install {backend}, or choose another backend")));
            }
            return Ok(backend);
        }
        let all = || Backend::ALL.into_iter().filter(|backend| fits(*backend));
        all().find(|backend| backend.is_installed()).ok_or_else(|| {
            let names: Vec<String> = all().map(|backend| backend.to_string()).collect();
            let what = match self.image {
                Some(_) => "no program for sandboxes with an image is installed",
                None => "no program for sandboxes without an image is installed",
            };
            unavailable(what).with_hint(format!("install {}", names.join(" or ")))
        })
    }

    /// Returns a command that runs another one in the sandbox.
    fn wrapped(
        &self,
        backend: Backend,
        container: Option<&Container>,
        command: &Inner<'_>,
    ) -> Vec<String> {
        match container {
            Some(container) => self.container(backend, container.name(), command),
            None => self.bubblewrap(command),
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
        words.all(&["--chdir", &command.dir.to_string_lossy(), "--setenv", "HOME", "/tmp"]);
        for (name, value) in command.env.iter().filter(|(name, _)| changes_program(name)) {
            words.all(&["--setenv", name, value]);
        }
        words.all(&["--"]);
        words.0.extend(command.words.iter().cloned());
        words.0
    }

    fn container(&self, backend: Backend, name: &str, command: &Inner<'_>) -> Vec<String> {
        let mut words = Words::new(backend.program());
        if backend == Backend::Podman {
            // Its warnings would stand in what the command writes.
            words.all(&["--log-level=error"]);
        }
        words.all(&["run", "--rm", "--interactive", "--init", "--pull=never", "--name", name]);
        if let Some(label) = Container::label() {
            words.all(&["--label", &label]);
        }
        // The output goes to the run alone, and a container that is removed ends at once.
        words.all(&["--log-driver=none", "--stop-timeout=0"]);
        words.all(&["--cap-drop=ALL", "--security-opt=no-new-privileges"]);
        words.all(&["--network", if self.network { "bridge" } else { "none" }]);
        #[cfg(unix)]
        {
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            words.all(&["--user", &format!("{}:{}", user.as_raw(), group.as_raw())]);
            if backend == Backend::Podman && !user.is_root() {
                // Without rights of its own, it gives the user another number otherwise. For root,
                // it refuses this.
                words.all(&["--userns=keep-id"]);
            }
        }
        words.all(&["--tmpfs", "/tmp:rw,exec,mode=1777"]);
        for Mount { from, to, write } in self.mounts(command) {
            let mode = if write { "" } else { ",readonly" };
            let (from, to) = (csv("source", &from), csv("target", &to));
            words.all(&["--mount", &format!("type=bind,{from},{to}{mode}")]);
        }
        words.all(&["--workdir", &command.dir.to_string_lossy()]);
        if !command.env.contains_key("HOME") {
            words.all(&["--env", "HOME=/tmp"]);
        }
        for (name, value) in &command.env {
            if changes_program(name) {
                words.all(&["--env", &format!("{name}={value}")]);
            } else {
                // Without its value, so that no other process sees that.
                words.all(&["--env", name]);
            }
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

/// A command to run in a sandbox.
///
/// ```
/// use std::path::Path;
/// use stepwright_process::Inner;
/// let words = ["wc".to_owned()];
/// let inner = Inner { words: &words, dir: Path::new("/work"), shown: &[], env: [].into() };
/// ```
#[derive(Debug)]
pub struct Inner<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// The folder that it runs in, which it may change.
    pub dir: &'a Path,
    /// The folders that it sees besides its own.
    pub shown: &'a [PathBuf],
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
}

impl Inner<'_> {
    /// Returns the variables that the program of the sandbox hands on from its own environment.
    fn handed_on(&self) -> impl Iterator<Item = (OsString, OsString)> {
        let kept = self.env.iter().filter(|(name, _)| !changes_program(name));
        kept.map(|(name, value)| (name.into(), value.into()))
    }
}

/// Returns the variables of a command: those of this process that it is passed, and those that it
/// is given.
///
/// ```
/// let given = [("TITLE".to_owned(), "x".to_owned())];
/// assert_eq!(stepwright_process::given(&[], None, &given)["TITLE"], "x");
/// ```
pub fn given(
    pass_env: &[String],
    traceparent: Option<String>,
    env: &[(String, String)],
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = passed(pass_env)
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| pass_env.contains(name))
        .collect();
    all.extend(traceparent.map(|value| ("TRACEPARENT".to_owned(), value)));
    all.extend(env.iter().cloned());
    all
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

/// A command in its sandbox. Its container is removed when this is dropped, unless it has ended.
///
/// ```
/// use std::path::Path;
/// use stepwright_core::StepContext;
/// use stepwright_process::{Inner, boxed};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let words = ["wc".to_owned()];
/// let inner = Inner { words: &words, dir: Path::new("/work"), shown: &[], env: [].into() };
/// let cx = StepContext::detached("Count");
/// assert!(boxed(inner, &cx).await.unwrap().is_none(), "the step has no sandbox");
/// # }
/// ```
#[derive(Debug)]
pub struct Boxed {
    words: Vec<String>,
    env: Vec<(OsString, OsString)>,
    inside: String,
    container: Option<Container>,
}

impl Boxed {
    /// Returns the program to start, and its arguments.
    pub fn words(&self) -> (&str, &[String]) {
        self.words.split_first().map_or(("", &[]), |(program, words)| (program, words))
    }

    /// Returns the whole environment of that program.
    pub fn env(&self) -> &[(OsString, OsString)] {
        &self.env
    }

    /// Returns a command that removes the container, for a process that outlives this one.
    pub fn remover(&self) -> Option<std::process::Command> {
        self.container.as_ref().map(Container::remover)
    }

    /// Notes that the program has ended, with an exit code and with what it wrote to stderr.
    ///
    /// # Errors
    /// Fails if it did not run the command.
    pub fn ended(&mut self, status: Option<i32>, complaint: &str) -> Result<(), StepError> {
        let (Some(container), Some(status)) = (&mut self.container, status) else {
            return Ok(());
        };
        container.exited(&self.inside, status, complaint)
    }
}

/// Returns the command that runs a command in the sandbox of its step. `None` if the step has none.
///
/// # Errors
/// Fails if there is no sandbox. Then the command must not run.
pub async fn boxed(inner: Inner<'_>, cx: &StepContext) -> Result<Option<Boxed>, StepError> {
    let Some(sandbox) = cx.state::<Sandbox>() else { return Ok(None) };
    let backend = sandbox.chosen()?;
    probe(sandbox, backend, &inner).await?;
    let container = match &sandbox.image {
        Some(image) => {
            sweep(backend, image, cx).await?;
            Some(Container::new(backend, image, cx))
        }
        None => None,
    };
    let words = sandbox.wrapped(backend, container.as_ref(), &inner);
    let env = backend.variables().into_iter().chain(inner.handed_on()).collect();
    let inside = inner.words.first().cloned().unwrap_or_default();
    Ok(Some(Boxed { words, env, inside, container }))
}

/// The sandboxes that have worked in this process, by their backend and their image.
static WORKED: Mutex<BTreeSet<(Backend, String)>> = Mutex::new(BTreeSet::new());

/// Checks that a backend works on this machine, once for each image.
async fn probe(sandbox: &Sandbox, backend: Backend, inner: &Inner<'_>) -> Result<(), StepError> {
    let key = (backend, sandbox.image.clone().unwrap_or_default());
    if WORKED.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
        return Ok(());
    }
    let done = match &sandbox.image {
        None => {
            let words = ["true".to_owned()];
            let (dir, shown) = (inner.dir, inner.shown);
            let words =
                sandbox.bubblewrap(&Inner { words: &words, dir, shown, env: BTreeMap::new() });
            answered(backend, &words[1..]).await?
        }
        Some(image) => answered(backend, &["image", "inspect", image]).await?,
    };
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr);
        return Err(not_made(backend, sandbox.image.as_deref(), &complaint));
    }
    WORKED.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn inner<'a>(words: &'a [String], shown: &'a [PathBuf], env: &[(&str, &str)]) -> Inner<'a> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Inner { words, dir: Path::new("/work"), shown, env: env.collect() }
    }

    fn contained(sandbox: &Sandbox, backend: Backend, inner: &Inner<'_>) -> (String, String) {
        let cx = StepContext::detached("a");
        let mut container = Container::new(backend, "alpine:3", &cx);
        let words = sandbox.wrapped(backend, Some(&container), inner).join(" ");
        container.ended();
        (words, container.name().to_owned())
    }

    #[test]
    fn a_container_sees_its_folder_and_its_mounts_and_no_network() {
        let sandbox = Sandbox::new()
            .image("alpine:3")
            .mount("/data/in", "/in")
            .mount_to_write("/data/a,b", "/out");
        let words = ["wc".to_owned(), "-w".to_owned()];
        let (shown, env) = ([PathBuf::from("/skill")], [("TEXT", "secret"), ("PATH", "/opt")]);
        let inner = inner(&words, &shown, &env);
        for backend in [Backend::Docker, Backend::Podman] {
            let (words, name) = contained(&sandbox, backend, &inner);
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            let label = Container::label().map(|label| format!(" --label {label}"));
            let keeps_id = backend == Backend::Podman && !user.is_root();
            let quiet = if backend == Backend::Podman { " --log-level=error" } else { "" };
            let wanted = format!(
                "{}{quiet} run --rm --interactive --init --pull=never --name {name}{} --log-driver=none \
                 --stop-timeout=0 --cap-drop=ALL --security-opt=no-new-privileges --network none \
                 --user {}:{}{} --tmpfs /tmp:rw,exec,mode=1777 --mount \
                 type=bind,source=/data/in,target=/in,readonly --mount \
                 type=bind,\"source=/data/a,b\",target=/out --mount \
                 type=bind,source=/work,target=/work --mount \
                 type=bind,source=/skill,target=/skill,readonly --workdir /work --env HOME=/tmp \
                 --env PATH=/opt --env TEXT alpine:3 wc -w",
                backend.program(),
                label.unwrap_or_default(),
                user.as_raw(),
                group.as_raw(),
                if keeps_id { " --userns=keep-id" } else { "" },
            );
            assert_eq!(words, wanted);
        }
        let (words, _) = contained(&sandbox.network(true), Backend::Docker, &inner);
        assert!(words.contains("--network bridge"), "{words}");
    }

    #[test]
    fn the_program_of_a_sandbox_gets_no_variables_that_change_it() {
        let names = ["DOCKER_HOST", "HOME", "LD_PRELOAD", "PATH", "TITLE"];
        let env = names.map(|name| (name, "given"));
        let inner = inner(&[], &[], &env);
        let handed_on: Vec<_> = inner.handed_on().collect();
        assert_eq!(handed_on, [("TITLE".into(), "given".into())]);
        let (words, _) = contained(&Sandbox::new().image("a"), Backend::Docker, &inner);
        for name in names.iter().filter(|name| **name != "TITLE") {
            assert!(words.contains(&format!(" --env {name}=given ")), "{words}");
        }
        assert!(!words.contains("HOME=/tmp") && words.contains(" --env TITLE "), "{words}");
    }

    #[test]
    fn bubblewrap_shows_the_system_to_read_and_the_folder_to_write() {
        let words = ["wc".to_owned()];
        let sandbox = Sandbox::new().mount("/data/in", "/in");
        let inner = inner(&words, &[], &[("PATH", "/opt"), ("TEXT", "secret")]);
        let words = sandbox.wrapped(Backend::Bubblewrap, None, &inner).join(" ");
        assert!(words.starts_with("bwrap --die-with-parent --new-session --unshare-all --ro-bind"));
        let end = "--tmpfs /tmp --ro-bind /data/in /in --bind /work /work --chdir /work --setenv \
                   HOME /tmp --setenv PATH /opt -- wc";
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
