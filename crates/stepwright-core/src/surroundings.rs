//! The surroundings of a step: the folder that it works in, the containers around it, and the end
//! of its run.

use crate::context::StepContext;
use crate::path::StepPath;
use crate::permission::Effect;
use crate::status::RunStatus;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The workspace of a step, as a value of its context.
#[derive(Clone, Debug)]
struct Here {
    dir: Arc<Path>,
    /// `true` if the folder is made for the run.
    is_of_run: bool,
}

impl StepContext {
    /// Returns the folder that this step works in, if it has a workspace. Tools that use files and
    /// commands work there in place of their own folder.
    ///
    /// ```
    /// use stepwright_core::StepContext;
    /// let cx = StepContext::detached("draw");
    /// assert_eq!(cx.workspace(), None);
    /// assert_eq!(cx.in_workspace("/tmp/run").workspace().unwrap().to_str(), Some("/tmp/run"));
    /// ```
    pub fn workspace(&self) -> Option<&Path> {
        self.state::<Here>().map(|here| &*here.dir)
    }

    /// Returns the context with this folder as its workspace.
    #[must_use]
    pub fn in_workspace(self, dir: impl Into<PathBuf>) -> Self {
        self.and_state(Here { dir: dir.into().into(), is_of_run: false })
    }

    /// Returns the context with this folder as its workspace, which is made for the run and removed
    /// with it. What a person permits for always in such a folder holds for the run alone.
    ///
    /// ```
    /// use stepwright_core::StepContext;
    /// let cx = StepContext::detached("draw").in_workspace_of_run("/tmp/run");
    /// assert_eq!(cx.workspace().unwrap().to_str(), Some("/tmp/run"));
    /// ```
    #[must_use]
    pub fn in_workspace_of_run(self, dir: impl Into<PathBuf>) -> Self {
        self.and_state(Here { dir: dir.into().into(), is_of_run: true })
    }

    /// Returns the effect as the gate judges it for a step in this workspace.
    pub(crate) fn placed<'e>(&self, effect: &'e Effect) -> Cow<'e, Effect> {
        match self.state::<Here>() {
            Some(here) if here.is_of_run => Cow::Owned(effect.clone().of_run()),
            _ => Cow::Borrowed(effect),
        }
    }

    /// Does this when the run has ended, if it ends in this process. Of several with the same key,
    /// the first counts. For the removal of what steps share: a failure has no effect.
    ///
    /// ```
    /// use stepwright_core::{RunStatus, StepContext};
    /// fn clean(cx: &StepContext, dir: std::path::PathBuf) {
    ///     cx.at_end("clean", move |status| {
    ///         if status == RunStatus::Completed {
    ///             let _ = std::fs::remove_dir_all(dir);
    ///         }
    ///     });
    /// }
    /// ```
    pub fn at_end(&self, key: &str, work: impl FnOnce(RunStatus) + Send + 'static) {
        self.host().at_end(key, Box::new(work));
    }

    /// Returns the context of a container around this step, or of the run for the root. Facts that
    /// are recorded with it belong to all steps in there. `None` if the path is not around this
    /// step.
    ///
    /// ```
    /// use stepwright_core::{StepContext, StepPath};
    /// let cx = StepContext::detached("draw");
    /// assert!(cx.enclosing(&StepPath::root()).is_some());
    /// assert!(cx.enclosing(&StepPath::from("elsewhere")).is_none());
    /// ```
    pub fn enclosing(&self, path: &StepPath) -> Option<Self> {
        let is_around = path.is_root() || *path == *self.path() || path.contains(self.path());
        is_around.then(|| self.beneath(path.clone()))
    }
}
