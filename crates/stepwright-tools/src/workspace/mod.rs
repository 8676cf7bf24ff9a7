//! Workspaces: folders that steps work in.

mod files;
mod opened;
mod swept;

pub use files::{WORKSPACE_BYTES_MAX, WORKSPACE_FILES_MAX};
pub use swept::SweptFiles;

use crate::kit::mistake;
use files::Kept;
use glob::Pattern;
use opened::{Opened, gone, open};
use serde_json::json;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use stepwright_core::workspace::WorkspaceFile;
use stepwright_core::{
    AnyExecutor, Error, ErrorCode, ErrorId, Executor, Fingerprint, StepContext, StepError,
    StepInput, StepOutput, StepPath,
};
use stepwright_engine::IntoExecutor;
use tokio::sync::Mutex;

/// The key of the fact with the list of files.
const LISTED: &str = "workspace files";

/// A folder that steps work in: the tools, commands and files of these steps use it in place of
/// their own folders.
///
/// The folder is made when the first step begins that uses it, and is recorded: a run that is
/// resumed by another process finds the same folder, or fails because it is gone. The files that
/// steps make in it are listed in their outputs, with their sizes and hashes. See
/// [the page about workspaces](https://github.com/stepwright/stepwright/blob/main/docs/workspace.md).
///
/// ```
/// use stepwright_core::StepContext;
/// use stepwright_engine::{Step, Workflow};
/// use stepwright_tools::Workspace;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// async fn draw(_: String, cx: StepContext) -> Result<String, std::io::Error> {
///     let dir = cx.workspace().expect("the step has a workspace");
///     std::fs::write(dir.join("chart.svg"), "<svg/>")?;
///     Ok("the chart is drawn".into())
/// }
/// let draw = Step::new("draw", Workspace::temp().around(draw));
/// let output = Workflow::builder("Charts").step(draw).build()?.run("sales").await?;
/// let (step, file) = output.workspace_files()[0];
/// assert_eq!((step.as_str(), &*file.path, file.bytes), ("draw", "chart.svg", 6));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a workspace does nothing until it is put around a step: `.around(…)`"]
pub struct Workspace {
    kind: Kind,
    scope: Scope,
    keep: Option<Keep>,
    /// The steps whose kept files it begins with.
    from: Vec<String>,
    /// Held while the folder is made, because several branches may need it at once.
    turn: Arc<Mutex<()>>,
}

/// The kinds of folders.
#[derive(Clone, Debug)]
enum Kind {
    Temp,
    Dir {
        dir: PathBuf,
        /// The folder that it cannot leave.
        root: Option<PathBuf>,
    },
    Worktree {
        repository: PathBuf,
        at: String,
    },
}

/// The steps that share a folder.
#[derive(Clone, Debug)]
enum Scope {
    /// Each execution of a step has its own.
    Step,
    /// All steps of a run.
    Run,
    /// All steps in the containers of these names, outermost first.
    Within(Arc<[String]>),
}

/// The folder for the files that workspaces keep, as a value of the workflow or the run:
/// `.state(KeptFiles::beneath("runs.db.files"))`. The command has it beside its database.
///
/// ```
/// use stepwright_engine::{Step, Workflow};
/// use stepwright_tools::{KeptFiles, Workspace};
/// async fn note(text: String) -> String { text }
/// let noted = Step::new("note", Workspace::temp().keep_with_run().around(note));
/// let workflow = Workflow::builder("Notes").step(noted).state(KeptFiles::beneath("files"));
/// # let _ = workflow.build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeptFiles(PathBuf);

impl KeptFiles {
    /// Uses this folder, which is created when the first file is kept.
    pub fn beneath(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }
}

/// The files to keep.
#[derive(Clone, Debug)]
struct Keep {
    /// The folder for them. `None` for the one that the run has: see [`KeptFiles`].
    in_dir: Option<PathBuf>,
    /// The patterns of their paths. Empty for all.
    only: Vec<String>,
}

impl Workspace {
    fn new(kind: Kind) -> Self {
        Self { kind, scope: Scope::Step, keep: None, from: Vec::new(), turn: Arc::default() }
    }

    /// Creates a new, empty folder in the temporary directory of the system. It is removed when its
    /// run has completed.
    pub fn temp() -> Self {
        Self::new(Kind::Temp)
    }

    /// Uses this folder, which is created if it is missing and never removed. Runs share it.
    pub fn dir(dir: impl Into<PathBuf>) -> Self {
        Self::new(Kind::Dir { dir: dir.into(), root: None })
    }

    /// Keeps a folder beneath this one: see [`Workspace::dir`].
    #[doc(hidden)]
    pub fn beneath(mut self, root: impl Into<PathBuf>) -> Self {
        if let Kind::Dir { root: place, .. } = &mut self.kind {
            *place = Some(root.into());
        }
        self
    }

    /// Creates a new worktree of this Git repository, at its current commit. It is removed when its
    /// run has completed; commits that no branch has are lost with it.
    pub fn worktree(repository: impl Into<PathBuf>) -> Self {
        Self::new(Kind::Worktree { repository: repository.into(), at: "HEAD".to_owned() })
    }

    /// Sets the commit, branch or tag of a worktree. Only for [`Workspace::worktree`].
    pub fn at(mut self, revision: impl Into<String>) -> Self {
        if let Kind::Worktree { at, .. } = &mut self.kind {
            *at = revision.into();
        }
        self
    }

    /// Shares the folder among all steps of a run that this workspace, or a clone of it, is put
    /// around. By default each execution of a step has a folder of its own.
    pub fn of_run(mut self) -> Self {
        self.scope = Scope::Run;
        self
    }

    /// Shares the folder among all steps in the innermost of these containers, of which each is
    /// inside the one before.
    #[doc(hidden)]
    pub fn within(mut self, containers: &[String]) -> Self {
        self.scope = Scope::Within(containers.into());
        self
    }

    /// Keeps the files that steps make: copies each into a folder, under the hash of its content.
    pub fn keep(mut self, dir: impl Into<PathBuf>) -> Self {
        let only = self.keep.take().map(|keep| keep.only).unwrap_or_default();
        self.keep = Some(Keep { in_dir: Some(dir.into()), only });
        self
    }

    /// Keeps the files that steps make in the folder that the run has for them: see [`KeptFiles`].
    pub fn keep_with_run(mut self) -> Self {
        let only = self.keep.take().map(|keep| keep.only).unwrap_or_default();
        self.keep = Some(Keep { in_dir: None, only });
        self
    }

    /// Keeps only the files whose paths match one of these patterns, such as `out/**/*.csv`. After
    /// [`Workspace::keep`].
    pub fn keep_only<T: Into<String>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        if let Some(keep) = &mut self.keep {
            keep.only = patterns.into_iter().map(Into::into).collect();
        }
        self
    }

    /// Puts the files of an earlier step into a folder when it is made. That step must have kept
    /// them in the same folder: see [`Workspace::keep`].
    pub fn files_of(mut self, step: impl Into<String>) -> Self {
        self.from.push(step.into());
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Fails if a setting is wrong.
    pub fn check(&self) -> Result<(), Error> {
        for pattern in self.keep.iter().flat_map(|keep| &keep.only) {
            if let Err(error) = Pattern::new(pattern) {
                return Err(mistake(format!("`{pattern}` is not a pattern: {error}"))
                    .with_hint("write a pattern of paths, such as `out/**/*.csv`"));
            }
        }
        if !self.from.is_empty() && self.keep.is_none() {
            return Err(mistake("the workspace begins with files of other steps, and keeps none")
                .with_hint("keep the files, in the same folder as those steps"));
        }
        Ok(())
    }

    /// Puts the workspace around the work of a step: an agent, for example, or a function.
    pub fn around<M>(self, work: impl IntoExecutor<M>) -> InWorkspace {
        InWorkspace { workspace: self, work: work.into_executor() }
    }

    /// Returns the settings as texts, for comparisons.
    fn written(&self) -> String {
        let kind = match &self.kind {
            Kind::Temp => json!("temp"),
            Kind::Dir { dir, .. } => json!({"dir": dir.display().to_string()}),
            Kind::Worktree { at, .. } => json!({"worktree": at}),
        };
        let scope = match &self.scope {
            Scope::Step => json!("step"),
            Scope::Run => json!("run"),
            Scope::Within(names) => json!(names),
        };
        let keep = self.keep.as_ref().map(|keep| json!(keep.only));
        json!({"kind": kind, "of": scope, "keep": keep, "from": self.from}).to_string()
    }

    /// Returns the folder for the files that it keeps, if it keeps any.
    fn kept(&self, cx: &StepContext) -> Result<Option<Kept>, StepError> {
        let Some(keep) = &self.keep else { return Ok(None) };
        let of_run = || cx.state::<KeptFiles>().map(|kept| kept.0.clone());
        match keep.in_dir.clone().or_else(of_run) {
            Some(dir) => Ok(Some(Kept::new(dir))),
            None => Err(StepError::terminal(
                "the files of the workspace are to be kept, and the run has no place for them",
            )
            .with_code(ErrorCode::BadInput)
            .with_id(ErrorId::WORKSPACE_GONE)
            .with_hint(
                "they are kept beside a database in a file: pass `--db runs.db`, or leave `keep` out",
            )),
        }
    }

    /// Returns the path of the node that the folder belongs to.
    fn owner(&self, step: &StepPath) -> StepPath {
        match &self.scope {
            Scope::Step => step.clone(),
            Scope::Run => StepPath::root(),
            Scope::Within(names) => within(step, names).unwrap_or_else(|| step.clone()),
        }
    }
}

/// Returns the path of the innermost container of these names around a step. The names of the
/// containers between them do not matter.
fn within(step: &StepPath, names: &[String]) -> Option<StepPath> {
    let mut around: Vec<StepPath> =
        std::iter::successors(step.parent(), StepPath::parent).collect();
    around.reverse();
    let mut names = names.iter().peekable();
    let mut found = None;
    for path in around {
        let Some(name) = names.peek() else { break };
        let last = path.as_str().rsplit('/').next().unwrap_or_default();
        // A turn or an item has the path of its container, and a number.
        if last.split('#').next() == Some(name.as_str()) && path.number().is_none() {
            found = Some(path);
            names.next();
        }
    }
    found.filter(|_| names.peek().is_none())
}

/// The work of a step, with a workspace around it. See [`Workspace::around`].
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::{Files, InWorkspace, Workspace};
/// let agent = Agent::builder("Clerk").model("offline")?.tool(Files::beneath(".").write(true));
/// let clerk: InWorkspace = Workspace::temp().around(agent.build()?);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InWorkspace {
    workspace: Workspace,
    work: AnyExecutor,
}

impl Executor for InWorkspace {
    stepwright_core::as_inner_executor!(work);

    fn fingerprint(&self) -> Fingerprint {
        self.work.fingerprint().with("workspace", self.workspace.written())
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        // A recording answers for everything that would happen in there.
        let opened =
            if cx.is_played() { None } else { Some(open(&self.workspace, &input, &cx).await?) };
        let within = match &opened {
            Some(opened) if opened.is_of_run() => cx.clone().in_workspace_of_run(&opened.dir),
            Some(opened) => cx.clone().in_workspace(&opened.dir),
            None => cx.clone(),
        };
        let output = self.work.execute(input, within).await?;
        let kept = match &opened {
            Some(_) => self.workspace.kept(&cx)?,
            None => None,
        };
        // Kept files are not removed before the fact with them is recorded.
        let held = Arc::default();
        let listing = list(&self.workspace, opened, kept, &held);
        // An output that is made again has a list of its own.
        let key = match cx.attempt() {
            1 => LISTED.to_owned(),
            attempt => format!("{LISTED}@{attempt}"),
        };
        let files: Vec<WorkspaceFile> = cx.once(&key, listing).await?;
        drop(held);
        Ok(StepOutput { files, ..output })
    }
}

/// Lists the files that were made in a workspace until now, and keeps those that it should.
async fn list(
    workspace: &Workspace,
    opened: Option<Opened>,
    kept: Option<Kept>,
    held: &Arc<OnceLock<File>>,
) -> Result<Vec<WorkspaceFile>, StepError> {
    let Some(opened) = opened else { return Ok(Vec::new()) };
    let held = held.clone();
    let only = workspace.keep.as_ref().map(|keep| keep.only.clone()).unwrap_or_default();
    blocking(move || {
        if !opened.dir.is_dir() {
            return Err(gone(&opened.dir));
        }
        let files = opened.files()?;
        if let Some(kept) = kept {
            let _ = held.set(kept.hold()?);
            for file in files.iter().filter(|file| is_one(&file.path, &only)) {
                kept.keep(&opened.dir, file)?;
            }
        }
        Ok(files)
    })
    .await
}

fn is_one(path: &str, patterns: &[String]) -> bool {
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    let mut all = patterns.iter().filter_map(|pattern| Pattern::new(pattern).ok());
    patterns.is_empty() || all.any(|pattern| pattern.matches_with(path, options))
}

/// Runs blocking work on a thread for such work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StepError::terminal(format!("the workspace is lost: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_of_a_name_is_found_around_a_step() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (step, around, wanted) in [
            ("inner/write", &["inner"][..], Some("inner")),
            ("items#3/inner/write", &["inner"], Some("items#3/inner")),
            ("outer/loop#2/inner/a/write", &["outer", "inner"], Some("outer/loop#2/inner")),
            ("inner/inner", &["inner"], Some("inner")),
            ("inner/inner/write", &["inner", "inner"], Some("inner/inner")),
            ("write", &["inner"], None),
        ] {
            let found = within(&StepPath::from(step), &names(around));
            assert_eq!(found.as_ref().map(StepPath::as_str), wanted, "{step}");
        }
    }
}
