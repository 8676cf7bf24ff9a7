//! The path of one execution of one node of a plan.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

/// The maximum length of a step's name, in bytes. Every event contains a path made of names.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of a workflow that a tool call runs, in paths: `order/plan#1/(workflow)/outline`. No
/// step has it, so that what happens inside of a call can be told from the turns of a loop.
pub const CALLED_WORKFLOW: &str = "(workflow)";

/// The place of an event in a run, such as `facts/web`, or `revise#2/write` for the second turn of
/// a loop.
///
/// Journal entries, events, errors and log lines contain it. It is readable, unique within a run,
/// and stable: a step has the same path after a restart. The path of the run itself is empty.
///
/// ```
/// use stepwright_core::StepPath;
/// let write = StepPath::root().child("revise").nth(2).child("write");
/// assert_eq!(write.as_str(), "revise#2/write");
/// assert_eq!(write.name(), "write");
/// assert_eq!(write.parent().unwrap().as_str(), "revise#2");
/// assert_eq!(write.parent().unwrap().name(), "revise");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[expect(clippy::unsafe_derive_deserialize, reason = "the code is that of `thread_local!`")]
pub struct StepPath(Arc<str>);

static ROOT: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

impl StepPath {
    /// Returns the path of the run itself.
    pub fn root() -> Self {
        Self(ROOT.clone())
    }

    /// Returns the path of the node `name` directly beneath this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() {
            return Self(name.into());
        }
        Self::written(|text| {
            text.push_str(&self.0);
            text.push('/');
            text.push_str(name);
        })
    }

    /// Makes a path of what `write` adds to an empty text.
    fn written(write: impl FnOnce(&mut String)) -> Self {
        thread_local! {
            /// The text of the last path. The next one uses its memory, because loops make many
            /// paths.
            static LAST: RefCell<String> = const { RefCell::new(String::new()) };
        }
        // Not there while the thread ends.
        let mut text = LAST.try_with(RefCell::take).unwrap_or_default();
        text.clear();
        write(&mut text);
        let path = Self(text.as_str().into());
        let _ = LAST.try_with(|last| last.replace(text));
        path
    }

    /// Like [`StepPath::child`], but a path at the top level shares the text of the name.
    #[must_use]
    pub fn child_shared(&self, name: &Arc<str>) -> Self {
        if self.0.is_empty() { Self(name.clone()) } else { self.child(name) }
    }

    /// Returns the path of the `n`-th turn of a loop or item of a map, counted from 1.
    #[must_use]
    pub fn nth(&self, n: u32) -> Self {
        Self::written(|text| {
            let _ = write!(text, "{}#{n}", self.0);
        })
    }

    /// Returns the path of the `n`-th call of the tool `name` by this step, counted from 1.
    ///
    /// A model may request a tool by any name. Characters with a meaning in paths become `_`.
    ///
    /// ```
    /// use stepwright_core::StepPath;
    /// let call = StepPath::from("order").call("charge", 2);
    /// assert_eq!(call.as_str(), "order/charge#2");
    /// assert_eq!(call.caller().unwrap().as_str(), "order");
    /// ```
    #[must_use]
    pub fn call(&self, name: &str, n: u32) -> Self {
        self.child(&call_name(name)).nth(n)
    }

    /// Returns the path of the step, or of the call, that makes the call at this path. This is the
    /// path without its last segment. `None` for the root.
    pub fn caller(&self) -> Option<Self> {
        self.caller_str().map(Self::from)
    }

    /// Returns [`StepPath::caller`] as text.
    pub fn caller_str(&self) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.0.rsplit_once('/').map_or("", |(caller, _)| caller))
    }

    /// Returns the path of the step, if this is the path of that step or of a tool call inside it
    /// at any depth.
    ///
    /// ```
    /// use stepwright_core::StepPath;
    /// let inner = StepPath::from("revise#2/write/ask#1/search#3");
    /// assert_eq!(inner.step().as_str(), "revise#2/write");
    /// ```
    #[must_use]
    pub fn step(&self) -> Self {
        let mut step = self.as_str();
        // Only tool calls end in a number here, because the last segment of a step has none.
        while let Some((caller, last)) = step.rsplit_once('/')
            && last.contains('#')
        {
            step = caller;
        }
        if step.len() == self.0.len() { self.clone() } else { step.into() }
    }

    /// Returns `true` if this is a workflow that a tool call runs, or inside one.
    ///
    /// ```
    /// use stepwright_core::StepPath;
    /// assert!(StepPath::from("order/plan#1/(workflow)/outline").is_in_called_workflow());
    /// assert!(!StepPath::from("revise#1/outline").is_in_called_workflow());
    /// ```
    pub fn is_in_called_workflow(&self) -> bool {
        self.called_workflows().next().is_some()
    }

    /// Returns the workflows that tool calls run and that contain this path, the outermost first.
    pub fn called_workflows(&self) -> impl Iterator<Item = &str> {
        let whole = self.as_str();
        whole.match_indices(CALLED_WORKFLOW).filter_map(move |(at, name)| {
            let end = at + name.len();
            let is_segment = whole[..at].ends_with('/')
                && matches!(whole.as_bytes().get(end), None | Some(b'/'));
            is_segment.then(|| &whole[..end])
        })
    }

    /// Returns the path as text. Empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` for the path of the run itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the name of the node, without the number of a turn. Empty for the root.
    pub fn name(&self) -> &str {
        let segment = self.0.rsplit_once('/').map_or(&*self.0, |(_, last)| last);
        segment.split_once('#').map_or(segment, |(name, _)| name)
    }

    /// Returns the number of the turn, item or call, from 1, if the last segment has one.
    pub fn number(&self) -> Option<u32> {
        let segment = self.0.rsplit_once('/').map_or(&*self.0, |(_, last)| last);
        segment.split_once('#').and_then(|(_, number)| number.parse().ok())
    }

    /// Returns the path of the enclosing node: the turn for a step of a loop, the loop for a turn.
    pub fn parent(&self) -> Option<Self> {
        self.parent_str().map(|parent| Self(parent.into()))
    }

    /// Returns [`StepPath::parent`] as text.
    pub fn parent_str(&self) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let cut = self.0.rfind(['/', '#']).unwrap_or(0);
        Some(&self.0[..cut])
    }

    /// Returns `true` if `other` is this node or inside it.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_root()
            || other.0.strip_prefix(&*self.0).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || rest.starts_with('#')
            })
    }
}

/// A text that is not the path of a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the path of a step: {why}")]
pub struct PathError {
    text: String,
    why: String,
}

/// Parses a path as it stands in events and in `stepwright show`: names with `/` between them, and
/// `#` with a number from 1 for a turn of a loop, an item of a map or a tool call.
///
/// ```
/// use stepwright_core::StepPath;
/// let path: StepPath = "revise#2/write".parse()?;
/// assert_eq!((path.name(), path.parent().unwrap().number()), ("write", Some(2)));
/// let error = "revise#0".parse::<StepPath>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`revise#0` is not the path of a step: `0` in `revise#0` is not a number from 1",
/// );
/// # Ok::<(), stepwright_core::path::PathError>(())
/// ```
impl FromStr for StepPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let wrong = |why: String| PathError { text: text.to_owned(), why };
        for segment in text.split('/') {
            let (name, number) = match segment.split_once('#') {
                Some((name, number)) => (name, Some(number)),
                None => (segment, None),
            };
            if name != CALLED_WORKFLOW
                && let Some(mistake) = name_mistake(name)
            {
                return Err(wrong(mistake));
            }
            let digits = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
            if let Some(number) = number
                && !(digits(number)
                    && !number.starts_with('0')
                    && number.parse::<u32>().is_ok_and(|number| number > 0))
            {
                return Err(wrong(format!("`{number}` in `{segment}` is not a number from 1")));
            }
        }
        Ok(Self(text.into()))
    }
}

impl Default for StepPath {
    fn default() -> Self {
        Self::root()
    }
}

impl From<&str> for StepPath {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::borrow::Borrow<str> for StepPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Returns `true` if the path ends in a number. That of a tool call does, that of a step does not.
pub(crate) fn is_call(path: &StepPath) -> bool {
    path.number().is_some()
}

/// Makes the name of a tool valid as a segment of a path.
pub(crate) fn call_name(name: &str) -> Cow<'_, str> {
    if name_mistake(name).is_none() {
        return Cow::Borrowed(name);
    }
    let short = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    let plain = |c: char| if matches!(c, '/' | '#') || c.is_control() { '_' } else { c };
    let name: String = short.chars().map(plain).collect();
    if name.trim().is_empty() { Cow::Borrowed("_") } else { Cow::Owned(name) }
}

/// Describes the mistake in a text as the name of a step. `None` if it is valid.
///
/// Names are segments of paths, in which `/` and `#` have a meaning.
///
/// ```
/// use stepwright_core::path::name_mistake;
/// assert_eq!(name_mistake("Research"), None);
/// assert!(name_mistake("a/b").unwrap().contains('/'));
/// ```
pub fn name_mistake(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("a step needs a name".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(format!("a name has at most {NAME_BYTES_MAX} bytes, this has {}", name.len()));
    }
    if name == CALLED_WORKFLOW {
        return Some(format!("a name cannot be `{CALLED_WORKFLOW}`, which has a meaning in paths"));
    }
    name.chars()
        .find(|c| matches!(c, '/' | '#') || c.is_control())
        .map(|c| format!("a name cannot contain {c:?}, which has a meaning in paths"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_go_through_turns_up_to_the_root() {
        let mut path = StepPath::from("a/revise#2/write");
        let mut seen = vec![path.to_string()];
        while let Some(parent) = path.parent() {
            seen.push(parent.to_string());
            path = parent;
        }
        assert_eq!(seen, ["a/revise#2/write", "a/revise#2", "a/revise", "a", ""]);
    }

    #[test]
    fn whatever_a_model_calls_a_tool_a_call_has_one_segment() {
        let step = StepPath::from("a/b");
        for name in ["search", "a/b", "#1", "", "  ", "x\ny", &"é".repeat(200)] {
            let call = step.call(name, 3);
            assert_eq!((call.caller().as_ref(), call.number()), (Some(&step), Some(3)), "{name:?}");
            assert!(name_mistake(call.name()).is_none(), "{call}");
        }
    }

    #[test]
    fn containment_follows_segments_and_not_letters() {
        let facts = StepPath::from("facts");
        assert!(facts.contains(&"facts".into()) && facts.contains(&"facts/web".into()));
        assert!(facts.contains(&"facts#3".into()) && StepPath::root().contains(&facts));
        assert!(!facts.contains(&"factsheet".into()) && !facts.contains(&StepPath::root()));
    }
}
