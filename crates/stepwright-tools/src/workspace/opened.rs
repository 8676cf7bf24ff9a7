//! The folder of a workspace: how it is made, found again and removed.

use super::files::{Kept, WORKSPACE_BYTES_MAX, hashed, named, walked};
use super::{Kind, Workspace, blocking};
use crate::beneath::{Beneath, Denied};
use crate::effects::{WRITE, called};
use crate::temporary::{new_folder, remove};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use stepwright_core::permission::Effect;
use stepwright_core::workspace::WorkspaceFile;
use stepwright_core::{
    ErrorCode, ErrorId, EventKind, RunStatus, StepContext, StepError, StepInput,
};
use stepwright_process::git::{self, GitError};
use stepwright_process::paths::{forms, with_around};

/// The key of the fact with the folder.
const OPENED: &str = "workspace";

/// The part of the names of new folders.
const WHAT: &str = "workspace";

/// The folder of a workspace, as the journal has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Opened {
    /// The run that made it. A fork has the facts of its origin, and needs a folder of its own.
    run: String,
    pub(super) dir: PathBuf,
    #[serde(flatten)]
    kind: OfKind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum OfKind {
    Temp {
        /// The files that it began with, as hashes by path.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        given: BTreeMap<String, String>,
    },
    Dir {
        /// The files that were there, as hashes by path.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        given: BTreeMap<String, String>,
    },
    Worktree {
        repository: PathBuf,
        commit: String,
    },
}

impl Opened {
    /// Returns the files that were made or changed since the folder was made.
    pub(super) fn files(&self) -> Result<Vec<WorkspaceFile>, StepError> {
        let files = match &self.kind {
            OfKind::Temp { given } | OfKind::Dir { given } => {
                let files = hashed(walked(&self.dir)?)?;
                let is_new = |file: &WorkspaceFile| {
                    given.get(&*file.path).is_none_or(|sha256| **sha256 != *file.sha256)
                };
                files.into_iter().filter(is_new).collect()
            }
            OfKind::Worktree { commit, .. } => {
                hashed(named(&self.dir, changed(&self.dir, commit)?)?)?
            }
        };
        Ok(files)
    }

    /// Returns `true` if the folder was made for the run.
    pub(super) fn is_of_run(&self) -> bool {
        match self.kind {
            OfKind::Temp { .. } | OfKind::Worktree { .. } => true,
            OfKind::Dir { .. } => false,
        }
    }

    /// Removes the folder, if it was made for the run.
    fn remove(&self) {
        match &self.kind {
            OfKind::Temp { .. } => remove(&self.dir),
            OfKind::Dir { .. } => {}
            OfKind::Worktree { repository, .. } => {
                let dir = self.dir.display().to_string();
                // A folder that stays is in a directory for such folders.
                let _ = git(repository, &["worktree", "remove", "--force", &dir]);
                remove(&self.dir);
            }
        }
    }
}

/// Opens the folder of a workspace for a step: finds it again, or makes it and records that.
pub(super) async fn open(
    workspace: &Workspace,
    input: &StepInput,
    cx: &StepContext,
) -> Result<Opened, StepError> {
    let owner = workspace.owner(cx.path());
    let Some(at) = cx.enclosing(&owner) else {
        return Err(StepError::terminal(format!("`{owner}` is not around `{}`", cx.path())));
    };
    let _turn = workspace.turn.lock().await;
    let run = cx.run().run_id.to_string();
    let known = at.recorded(OPENED).map(serde_json::from_value::<Opened>).transpose();
    let known = known.map_err(|error| {
        let message = format!("what was recorded about the workspace does not fit: {error}");
        StepError::terminal(message).with_id(ErrorId::RECORD_UNFIT)
    })?;
    let opened = match known {
        Some(opened) if opened.run == run => {
            if !opened.dir.is_dir() {
                return Err(gone(&opened.dir));
            }
            opened
        }
        origin => {
            let given = given(workspace, input)?;
            let kept = workspace.kept(cx)?;
            let is_new = !matches!(&origin, Some(Opened { kind: OfKind::Dir { .. }, .. }));
            if let Kind::Dir { dir, root } = &workspace.kind
                && is_new
            {
                for file in &given {
                    let _writing = cx.begin_effect(&writing(dir, root.as_deref(), file)).await?;
                }
            }
            let made = make(workspace.clone(), run, origin, (given, kept)).await?;
            let value = serde_json::to_value(&made).unwrap_or_default();
            let fact = EventKind::StepRecorded { key: OPENED.into(), value };
            if let Err(error) = at.record(fact).await {
                made.remove();
                return Err(error);
            }
            made
        }
    };
    let removed = opened.clone();
    // A run that failed, was cancelled or waits may go on, and then needs it.
    cx.at_end(&opened.dir.to_string_lossy(), move |status| {
        if status == RunStatus::Completed {
            removed.remove();
        }
    });
    Ok(opened)
}

/// Returns the error for a folder that is no longer there.
pub(super) fn gone(dir: &Path) -> StepError {
    let message = format!("the workspace of this run is gone: `{}` does not exist", dir.display());
    StepError::terminal(message)
        .with_code(ErrorCode::BadInput)
        .with_id(ErrorId::WORKSPACE_GONE)
        .with_hint("begin the run anew, or resume it on the machine that has the folder")
}

/// Returns the kept files of the steps that a workspace begins with.
fn given(workspace: &Workspace, input: &StepInput) -> Result<Vec<WorkspaceFile>, StepError> {
    let mut files = Vec::new();
    for step in &workspace.from {
        let Some(entry) = input.scope.named(step) else {
            let message =
                format!("the workspace begins with the files of `{step}`, which has not run");
            return Err(StepError::terminal(message).with_code(ErrorCode::BadInput));
        };
        files.extend(entry.output().files.iter().cloned());
    }
    Ok(files)
}

async fn make(
    workspace: Workspace,
    run: String,
    origin: Option<Opened>,
    (given, kept): (Vec<WorkspaceFile>, Option<Kept>),
) -> Result<Opened, StepError> {
    blocking(move || {
        let opened = match &workspace.kind {
            Kind::Temp => {
                let dir = new_folder(WHAT).map_err(|error| failed("be made", &error))?;
                Opened { run, dir, kind: OfKind::Temp { given: BTreeMap::new() } }
            }
            Kind::Dir { dir, root } => {
                let dir = existing(dir, root.as_deref())?;
                if let Some(Opened { kind: OfKind::Dir { given }, .. }) = origin {
                    return Ok(Opened { run, dir, kind: OfKind::Dir { given } });
                }
                if let Some(kept) = &kept {
                    given.iter().try_for_each(|file| kept.put(file, &dir))?;
                }
                // The files that it was given are not made in it.
                let given = hashes(&dir)?;
                return Ok(Opened { run, dir, kind: OfKind::Dir { given } });
            }
            Kind::Worktree { repository, at } => worktree(run, repository, at, origin.as_ref())?,
        };
        match fill(opened, origin, &given, kept.as_ref()) {
            Ok(opened) => Ok(opened),
            Err((opened, error)) => {
                opened.remove();
                Err(error)
            }
        }
    })
    .await
}

/// Returns the effect of putting a file of another step into a folder that stays.
fn writing(dir: &Path, root: Option<&Path>, file: &WorkspaceFile) -> Effect {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let root = real(root.unwrap_or(Path::new(".")));
    let (dir, path) = (real(&root.join(dir)), Path::new(&*file.path));
    let forms = forms(&dir, path, &*file.path, false);
    called(Effect::file(WRITE[0], with_around(forms, &dir, path, &[root])), WRITE)
}

/// Returns a folder, which is created if it is missing. It is not outside of `root`.
fn existing(dir: &Path, root: Option<&Path>) -> Result<PathBuf, StepError> {
    let Some(root) = root else {
        fs::create_dir_all(dir).map_err(|error| failed("be made", &error))?;
        return dir.canonicalize().map_err(|error| failed("be used", &error));
    };
    let root = Beneath::open(root).map_err(|error| failed("be made", &error))?;
    root.make(dir).map_err(|denied| match denied {
        Denied::Failed(error) => failed("be made", &error),
        denied => {
            let dir = dir.display();
            refused(format!("the workspace `{dir}` cannot be used: {}", denied.why()))
        }
    })
}

/// Puts files into a new folder: those of the origin of a fork, and those of other steps.
fn fill(
    mut opened: Opened,
    origin: Option<Opened>,
    given: &[WorkspaceFile],
    kept: Option<&Kept>,
) -> Result<Opened, (Opened, StepError)> {
    let filled = || {
        if let Some(origin) = &origin {
            if !origin.dir.is_dir() {
                return Err(gone(&origin.dir));
            }
            let mut left = WORKSPACE_BYTES_MAX;
            for made in walked(&origin.dir)? {
                made.copy_to(&opened.dir, &mut left)?;
            }
        }
        if let Some(kept) = kept {
            for file in given {
                kept.put(file, &opened.dir)?;
            }
        }
        Ok(())
    };
    if let Err(error) = filled() {
        return Err((opened, error));
    }
    if let OfKind::Temp { given: before } = &mut opened.kind {
        // The files that it was given are not made in it. Those of the origin of a fork are.
        *before = match origin {
            Some(Opened { kind: OfKind::Temp { given }, .. }) => given,
            _ => {
                given.iter().map(|file| (file.path.to_string(), file.sha256.to_string())).collect()
            }
        };
    }
    Ok(opened)
}

fn hashes(dir: &Path) -> Result<BTreeMap<String, String>, StepError> {
    let files = hashed(walked(dir)?)?;
    Ok(files.into_iter().map(|file| (file.path.to_string(), file.sha256.to_string())).collect())
}

fn worktree(
    run: String,
    repository: &Path,
    at: &str,
    origin: Option<&Opened>,
) -> Result<Opened, StepError> {
    let repository = repository.canonicalize().map_err(|error| failed("be made", &error))?;
    let commit = if let Some(Opened { kind: OfKind::Worktree { commit, .. }, .. }) = origin {
        commit.clone()
    } else {
        // The options of Git begin with a dash.
        let named = format!("{at}^{{commit}}");
        let words = ["rev-parse", "--verify", "--quiet", "--end-of-options", &named];
        let found = git(&repository, &words).map_err(|why| {
            let what = if why.is_empty() { format!("there is no commit `{at}`") } else { why };
            refused(format!("no worktree of `{}` can be made: {what}", repository.display()))
        })?;
        found.trim().to_owned()
    };
    let folder = new_folder(WHAT).map_err(|error| failed("be made", &error))?;
    let dir = folder.join("worktree");
    let shown = dir.display().to_string();
    let added = git(&repository, &["worktree", "add", "--quiet", "--detach", &shown, &commit]);
    if let Err(why) = added {
        remove(&folder);
        let message = format!("no worktree of `{}` can be made: {why}", repository.display());
        return Err(refused(message));
    }
    Ok(Opened { run, dir, kind: OfKind::Worktree { repository, commit } })
}

/// Returns the paths that differ from a commit, and those that Git does not know.
fn changed(dir: &Path, commit: &str) -> Result<Vec<String>, StepError> {
    let told =
        |why: String| StepError::new(format!("the changes of the worktree are unknown: {why}"));
    let known = git(dir, &["diff", "--name-only", "-z", "--no-renames", commit, "--"]);
    let others = git(dir, &["ls-files", "--others", "--exclude-standard", "-z"]);
    let both = known.map_err(told)? + &others.map_err(told)?;
    Ok(both.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// Runs Git. On failure, returns what it said.
fn git(dir: &Path, words: &[&str]) -> Result<String, String> {
    git::git(dir, words).map_err(|error| match error {
        GitError::Missing => "`git` is not in `PATH`: install it".to_owned(),
        GitError::Failed(said) => said,
    })
}

fn refused(message: String) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput).with_id(ErrorId::WORKSPACE_GONE)
}

fn failed(what: &str, error: &std::io::Error) -> StepError {
    StepError::new(format!("the workspace cannot {what}: {error}")).with_id(ErrorId::WORKSPACE_GONE)
}
