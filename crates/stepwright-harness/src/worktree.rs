//! A git worktree for a step.

use crate::failure::recorded;
use crate::runtime::runtime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use stepwright_core::{ErrorCode, ErrorId, StepContext, StepError};
use stepwright_process::git::{self, GitError};
use tokio::sync::Mutex;

/// The folder of worktrees, beneath the base directory.
const FOLDER: &str = ".stepwright/worktrees";

/// The key of the fact that names the worktree of a step.
const KEY: &str = "harness:worktree";

/// The number of changed files that an output lists.
const CHANGED_MAX: usize = 1000;

/// Worktrees are made and removed one after the other: git refuses it at the same time.
static ONE_AT_ONCE: Mutex<()> = Mutex::const_new(());

/// The folder that a coding agent works in.
pub(crate) struct Place {
    pub(crate) base: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) worktree: Option<Worktree>,
}

/// A worktree of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Worktree {
    branch: String,
    /// The root of the worktree.
    root: PathBuf,
    /// The repository that it belongs to.
    repository: PathBuf,
    /// The commit that it began at.
    base: String,
    /// The folder of the step within it.
    within: PathBuf,
    /// The root relative to the base directory, as later steps name it.
    shown: PathBuf,
}

/// Returns `true` if an earlier attempt has recorded the worktree of the step.
pub(crate) fn is_planned(cx: &StepContext) -> bool {
    cx.recorded(KEY).is_some()
}

/// Makes the worktree of a step, or finds the one that an earlier attempt has made.
pub(crate) async fn made(
    base: PathBuf,
    dir: PathBuf,
    cx: &StepContext,
) -> Result<Place, StepError> {
    let known = cx.recorded(KEY).and_then(|value| serde_json::from_value::<Worktree>(value).ok());
    let tree = if let Some(tree) = known {
        tree
    } else {
        let tree = planned(&base, &dir, cx).await?;
        // Ahead of its making, so that each attempt means the same one.
        cx.record(recorded(KEY, json!(tree))).await?;
        tree
    };
    if !tree.root.join(".git").exists() {
        let _one = ONE_AT_ONCE.lock().await;
        make(&base, &tree).await?;
    }
    let dir = tree.root.join(&tree.within);
    Ok(Place { base, dir, worktree: Some(tree) })
}

async fn planned(base: &Path, dir: &Path, cx: &StepContext) -> Result<Worktree, StepError> {
    let repository = git(dir, &["rev-parse", "--show-toplevel"]).await?;
    let repository = PathBuf::from(repository.trim());
    let commit = git(dir, &["rev-parse", "--verify", "HEAD^{commit}"]).await?;
    let within = dir.strip_prefix(&repository).map(Path::to_owned).unwrap_or_default();
    // Each execution has a branch of its own, whatever characters its names have.
    let (run, path) = (cx.run().run_id.as_str(), cx.path().as_str());
    let mut hash = String::new();
    for byte in &Sha256::digest(format!("{run}\n{path}"))[..4] {
        let _ = write!(hash, "{byte:02x}");
    }
    let name = format!("{}-{hash}", slug(path));
    let shown = Path::new(FOLDER).join(&name);
    let (branch, root) = (format!("stepwright/{name}"), base.join(&shown));
    let base = commit.trim().to_owned();
    Ok(Worktree { branch, root, repository, base, within, shown })
}

/// Returns a name for branches and folders, made of the path of a step.
fn slug(path: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = path.chars().map(plain).collect();
    let parts: Vec<&str> = slug.split('-').filter(|part| !part.is_empty()).collect();
    let mut slug = parts.join("-");
    slug.truncate(40);
    if slug.is_empty() { "step".to_owned() } else { slug }
}

async fn make(base: &Path, tree: &Worktree) -> Result<(), StepError> {
    let failed = |error: std::io::Error| wrong(format!("its folder cannot be made: {error}"));
    let folder = base.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    // What is in there belongs to no commit of the repository around it.
    let ignore = base.join(".stepwright/.gitignore");
    if !ignore.exists() {
        std::fs::write(ignore, "*\n").map_err(failed)?;
    }
    let at = tree.repository.as_path();
    // A worktree whose folder was removed by hand is known to git all the same.
    git(at, &["worktree", "prune"]).await?;
    let branch = format!("refs/heads/{}", tree.branch);
    let is_there = git(at, &["show-ref", "--verify", "--quiet", &branch]).await.is_ok();
    let root = tree.root.to_string_lossy();
    if is_there {
        git(at, &["worktree", "add", &root, &tree.branch]).await?;
    } else {
        git(at, &["worktree", "add", "-b", &tree.branch, &root, &tree.base]).await?;
    }
    Ok(())
}

/// Examines a worktree at the end of its step, and removes it if nothing has changed. Returns what
/// the output says about it.
pub(crate) async fn ended(tree: &Worktree) -> Result<Value, StepError> {
    let Worktree { branch, root, repository, base, within: _, shown } = tree;
    // An earlier attempt has removed it, and could not say so.
    let is_there = root.join(".git").exists();
    let (mut changed, mut commits) = (Vec::new(), 0);
    if is_there {
        let count = git(root, &["rev-list", "--count", &format!("{base}..HEAD")]).await?;
        commits = count.trim().parse::<u64>().unwrap_or_default();
        let committed = git(root, &["diff", "--name-only", "-z", base, "HEAD"]).await?;
        let status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"];
        let open = git(root, &status).await?;
        changed.extend(committed.split('\0').map(ToOwned::to_owned));
        changed.extend(open.split('\0').filter_map(|line| line.get(3..)).map(ToOwned::to_owned));
        changed.retain(|path| !path.is_empty());
        changed.sort();
        changed.dedup();
    }
    let is_kept = !changed.is_empty() || commits > 0;
    let _one = ONE_AT_ONCE.lock().await;
    if is_there && !is_kept {
        // Whatever is left in there is ignored by the repository.
        git(repository, &["worktree", "remove", "--force", &root.to_string_lossy()]).await?;
    }
    if !is_kept {
        let _ = git(repository, &["branch", "-D", branch]).await;
    }
    let more = changed.len().saturating_sub(CHANGED_MAX);
    changed.truncate(CHANGED_MAX);
    let mut told = json!({
        "branch": branch, "dir": shown, "base": base, "commits": commits, "changed": changed,
        "kept": is_kept,
    });
    if more > 0 {
        told["more_changed"] = more.into();
    }
    Ok(told)
}

/// Runs Git, and returns what it writes.
async fn git(dir: &Path, words: &[&str]) -> Result<String, StepError> {
    let what = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    let (dir, words) = (dir.to_owned(), words.iter().map(ToString::to_string));
    let words: Vec<String> = words.collect();
    let done = runtime().spawn_blocking(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        git::git(&dir, &words)
    });
    done.await.map_err(|error| wrong(error.to_string()))?.map_err(|error| match error {
        GitError::Missing => {
            wrong("`git` is not in `PATH`").with_hint("install git, or leave `worktree` out")
        }
        GitError::Failed(said) => {
            let error = wrong(format!("`git {what}` failed: {said}"));
            if said.contains("not a git repository") {
                error.with_hint("`dir` must be in a git repository; or leave `worktree` out")
            } else if said.contains("Needed a single revision") {
                error.with_hint("the repository needs a commit that the worktree can begin at")
            } else {
                error
            }
        }
    })
}

fn wrong(message: impl Into<String>) -> StepError {
    let message = format!("the worktree of the step: {}", message.into());
    StepError::terminal(message).with_code(ErrorCode::Failed).with_id(ErrorId::WORKTREE_FAILED)
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_slug_has_letters_digits_and_dashes() {
        assert_eq!(slug("review#2/Write it!"), "review-2-write-it");
        assert_eq!(slug("äöü"), "step");
        assert!(slug(&"a".repeat(100)).len() <= 40);
    }
}
