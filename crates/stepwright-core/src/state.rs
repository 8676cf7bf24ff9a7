//! The session state: steps read a snapshot and return patches.

use crate::number;
use crate::path::StepPath;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A change of one key of the session state.
///
/// Patches are operations rather than results, so those of parallel branches and concurrent runs
/// add up instead of overwriting each other.
///
/// ```
/// use stepwright_core::state::{Patch, State};
/// let mut state = State::default();
/// Patch::increment("visits", 1).apply(&mut state).unwrap();
/// Patch::increment("visits", 1).apply(&mut state).unwrap();
/// Patch::append("seen", "home").apply(&mut state).unwrap();
/// assert_eq!(serde_json::Value::from(state), serde_json::json!({"visits": 2, "seen": ["home"]}));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Patch {
    /// Sets a key that has no value, and leaves another one as it is.
    Init {
        /// The key.
        key: String,
        /// The first value.
        value: Value,
    },
    /// Replaces the value. `null` removes the key.
    Set {
        /// The key.
        key: String,
        /// The new value.
        value: Value,
    },
    /// Appends an element to a list. A missing key is an empty list.
    Append {
        /// The key.
        key: String,
        /// The new element.
        value: Value,
    },
    /// Merges an object into an object, recursively. A missing key is an empty object.
    Merge {
        /// The key.
        key: String,
        /// The members to add or replace.
        value: Map<String, Value>,
    },
    /// Adds to a number. A missing key is zero.
    Increment {
        /// The key.
        key: String,
        /// The amount to add.
        by: Number,
    },
}

/// The session state: a JSON object. [`Patch`] has an example.
pub type State = Map<String, Value>;

/// The reason that patches cannot be applied.
///
/// ```
/// use stepwright_core::{Patch, state::State};
/// let mut state = State::from_iter([("visits".to_owned(), "many".into())]);
/// let error = Patch::increment("visits", 1).apply(&mut state).unwrap_err();
/// assert!(error.to_string().starts_with("state key `visits` holds"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The key holds a value of another type than the operation needs.
    #[error("state key `{key}` holds {found}, so it cannot {wanted}")]
    Type {
        /// The key.
        key: String,
        /// The type of its value.
        found: &'static str,
        /// The operation.
        wanted: &'static str,
    },
    /// The sum does not fit into 64 bits.
    #[error("state key `{key}` is {found}, and {by} more is beyond 64 bits")]
    Overflow {
        /// The key.
        key: String,
        /// Its value.
        found: Number,
        /// The amount to add.
        by: Number,
    },
    /// The sum of an integer and a number with a fraction would be rounded to another integer.
    #[error(
        "state key `{key}` is {found}, and {by} more would be rounded: numbers with a fraction \
             are exact to 2^53"
    )]
    Rounded {
        /// The key.
        key: String,
        /// Its value.
        found: Number,
        /// The amount to add.
        by: Number,
    },
    /// Two branches set the same key to different values.
    #[error("branches `{first}` and `{second}` both set state key `{key}`, to different values")]
    Conflict {
        /// The key.
        key: String,
        /// The branch declared first.
        first: StepPath,
        /// The branch declared later.
        second: StepPath,
    },
    /// The values of the branches do not fit the reducer.
    #[error(
        "the values that branches set state key `{key}` to cannot be put together by \
         `{reducer}`: there is {found}"
    )]
    Reduced {
        /// The key.
        key: String,
        /// The reducer.
        reducer: Reducer,
        /// The value that does not fit.
        found: &'static str,
    },
}

impl Patch {
    /// Sets `key` if it has no value.
    ///
    /// ```
    /// use stepwright_core::state::{Patch, State};
    /// let mut state = State::from_iter([("visits".to_owned(), 2.into())]);
    /// Patch::init("visits", 0).apply(&mut state).unwrap();
    /// Patch::init("name", "Ada").apply(&mut state).unwrap();
    /// assert_eq!((&state["visits"], &state["name"]), (&2.into(), &"Ada".into()));
    /// ```
    pub fn init(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Init { key: key.into(), value: value.into() }
    }

    /// Replaces the value of `key`.
    pub fn set(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Set { key: key.into(), value: value.into() }
    }

    /// Appends to the list at `key`.
    pub fn append(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Append { key: key.into(), value: value.into() }
    }

    /// Merges members into the object at `key`.
    pub fn merge(key: impl Into<String>, value: Map<String, Value>) -> Self {
        Self::Merge { key: key.into(), value }
    }

    /// Adds `by` to the number at `key`.
    pub fn increment(key: impl Into<String>, by: impl Into<Number>) -> Self {
        Self::Increment { key: key.into(), by: by.into() }
    }

    /// Returns the key that is changed.
    pub fn key(&self) -> &str {
        match self {
            Self::Init { key, .. }
            | Self::Set { key, .. }
            | Self::Append { key, .. }
            | Self::Merge { key, .. }
            | Self::Increment { key, .. } => key,
        }
    }

    /// Applies the change to `state`.
    ///
    /// # Errors
    /// Fails if the key holds a value that the operation cannot change, or if a sum exceeds 64
    /// bits or would be rounded to another integer. The state is unchanged then.
    pub fn apply(&self, state: &mut State) -> Result<(), PatchError> {
        let key = self.key();
        let mismatch = |found: &Value, wanted| PatchError::Type {
            key: key.to_owned(),
            found: type_name(found),
            wanted,
        };
        match self {
            Self::Init { value, .. } => {
                if !value.is_null() {
                    entry(state, key, || value.clone());
                }
            }
            Self::Set { value: Value::Null, .. } => {
                state.shift_remove(key);
            }
            Self::Set { value, .. } => {
                state.insert(key.to_owned(), value.clone());
            }
            Self::Append { value, .. } => match entry(state, key, || Value::Array(Vec::new())) {
                Value::Array(list) => list.push(value.clone()),
                other => return Err(mismatch(other, "be appended to")),
            },
            Self::Merge { value, .. } => match entry(state, key, || Value::Object(Map::new())) {
                Value::Object(members) => merge_objects(members, value),
                other => return Err(mismatch(other, "be merged into")),
            },
            Self::Increment { by, .. } => match entry(state, key, || Value::from(0)) {
                Value::Number(number) => match number::sum(number, by) {
                    Some(sum) => *number = sum,
                    None => return Err(no_sum(key, number, by)),
                },
                other => return Err(mismatch(other, "be incremented")),
            },
        }
        Ok(())
    }
}

/// Returns the reason that two numbers have no sum.
fn no_sum(key: &str, found: &Number, by: &Number) -> PatchError {
    let (key, found, by) = (key.to_owned(), found.clone(), by.clone());
    if found.is_f64() || by.is_f64() {
        PatchError::Rounded { key, found, by }
    } else {
        PatchError::Overflow { key, found, by }
    }
}

fn entry<'a>(state: &'a mut State, key: &str, empty: impl FnOnce() -> Value) -> &'a mut Value {
    state.entry(key).or_insert_with(empty)
}

fn merge_objects(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge_objects(old, new),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A function that merges the values that several branches set for one key.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::state::Reducer;
/// assert_eq!(Reducer::Max.reduce(vec![json!(3), json!(7), json!(5)]), Ok(json!(7)));
/// assert_eq!(Reducer::Concat.reduce(vec![json!(["a"]), json!(["b"])]), Ok(json!(["a", "b"])));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reducer {
    /// The value of the branch declared first.
    First,
    /// The value of the branch declared last.
    Last,
    /// The sum of numbers.
    Sum,
    /// The smallest number.
    Min,
    /// The largest number.
    Max,
    /// The concatenation of lists, in the order of the branches.
    Concat,
    /// The recursive merge of objects. For equal members, the last value wins.
    Merge,
}

/// Shows the word that files have for it.
impl fmt::Display for Reducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Concat => "concat",
            Self::Merge => "merge",
        })
    }
}

/// The reducers by key. [`Reducer`] has an example.
pub type Reducers = BTreeMap<Box<str>, Reducer>;

impl Reducer {
    /// Merges values, in declaration order.
    ///
    /// # Errors
    /// Returns a description of a value that does not fit.
    pub fn reduce(self, values: Vec<Value>) -> Result<Value, &'static str> {
        let mut values = values.into_iter();
        let Some(mut reduced) = values.next() else { return Ok(Value::Null) };
        for value in values {
            reduced = match (self, reduced, value) {
                (Self::First, first, _) => first,
                (Self::Last, _, last) => last,
                (Self::Sum, Value::Number(a), Value::Number(b)) => match number::sum(&a, &b) {
                    Some(sum) => sum.into(),
                    None => return Err("one whose sum with the others would not be exact"),
                },
                (Self::Min | Self::Max, Value::Number(a), Value::Number(b)) => {
                    let less = number::compare(&a, &b) != Ordering::Greater;
                    if less == (self == Self::Min) { a } else { b }.into()
                }
                (Self::Concat, Value::Array(mut list), Value::Array(more)) => {
                    list.extend(more);
                    list.into()
                }
                (Self::Merge, Value::Object(mut members), Value::Object(more)) => {
                    merge_objects(&mut members, &more);
                    members.into()
                }
                (Self::Concat, ..) => return Err("one that is no list"),
                (Self::Merge, ..) => return Err("one that is no object"),
                _ => return Err("one that is no number"),
            };
        }
        Ok(reduced)
    }
}

/// Joins the changes of branches, in declaration order, into changes of the state before them.
///
/// # Errors
/// Fails with [`PatchError::Conflict`] if two branches `set` a key without a reducer to different
/// values, and with [`PatchError::Reduced`] if the values do not fit the reducer.
pub fn join_patches(
    begun: &State,
    branches: &[(StepPath, &[Patch])],
    reducers: &Reducers,
) -> Result<Vec<Patch>, PatchError> {
    let mut joined: Vec<Patch> =
        branches.iter().flat_map(|(_, patches)| patches.iter().cloned()).collect();
    let Some(conflict) = conflict(branches, reducers)? else { return Ok(joined) };
    for (key, reducer) in conflict {
        let mut values = Vec::new();
        for (_, patches) in branches {
            let mut own = State::new();
            if let Some(value) = begun.get(key) {
                own.insert(key.to_owned(), value.clone());
            }
            let mut changes = patches.iter().filter(|patch| patch.key() == key).peekable();
            if changes.peek().is_none() {
                continue;
            }
            for patch in changes {
                patch.apply(&mut own)?;
            }
            values.push(own.shift_remove(key).unwrap_or_default());
        }
        let value = reducer.reduce(values).map_err(|found| PatchError::Reduced {
            key: key.to_owned(),
            reducer,
            found,
        })?;
        joined.retain(|patch| patch.key() != key);
        joined.push(Patch::set(key, value));
    }
    Ok(joined)
}

/// Returns the keys that several branches set and their reducers, or `None` if there are none.
fn conflict<'a>(
    branches: &'a [(StepPath, &[Patch])],
    reducers: &Reducers,
) -> Result<Option<BTreeMap<&'a str, Reducer>>, PatchError> {
    let mut found = BTreeMap::new();
    let mut set: Vec<(&str, &Value, &StepPath)> = Vec::new();
    for (branch, patches) in branches {
        let mut own: Vec<(&str, &Value, &StepPath)> = Vec::new();
        for patch in *patches {
            if let Patch::Set { key, value } = patch {
                own.retain(|(other, ..)| other != key);
                own.push((key, value, branch));
            }
        }
        for (key, value, second) in own {
            match (set.iter().find(|(other, ..)| *other == key), reducers.get(key)) {
                // Equal values are reduced as well: their sum, for example, is another value.
                (Some(_), Some(reducer)) => {
                    found.insert(key, *reducer);
                }
                (Some((_, other, first)), None) if *other != value => {
                    return Err(PatchError::Conflict {
                        key: key.to_owned(),
                        first: (*first).clone(),
                        second: second.clone(),
                    });
                }
                (Some(_), None) => {}
                (None, _) => set.push((key, value, second)),
            }
        }
    }
    Ok((!found.is_empty()).then_some(found))
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init { key, value } => write!(f, "{key} ?= {value}"),
            Self::Set { key, value } => write!(f, "{key} = {value}"),
            Self::Append { key, value } => write!(f, "{key} += [{value}]"),
            Self::Merge { key, value } => write!(f, "{key} <- {}", Value::Object(value.clone())),
            Self::Increment { key, by } => write!(f, "{key} += {by}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_that_does_not_fit_says_so_and_changes_nothing() {
        let mut state: State = serde_json::from_value(json!({"name": "x"})).unwrap();
        let before = state.clone();
        let error = Patch::increment("name", 1).apply(&mut state).unwrap_err();
        assert_eq!(error.to_string(), "state key `name` holds a text, so it cannot be incremented");
        assert_eq!(state, before);
    }

    #[test]
    fn sums_are_exact_or_refused() {
        let mut state: State =
            serde_json::from_value(json!({"n": i64::MAX, "u": u64::MAX})).unwrap();
        Patch::increment("n", 1).apply(&mut state).unwrap();
        assert_eq!(state["n"], json!(9_223_372_036_854_775_808_u64));
        let error = Patch::increment("u", 1).apply(&mut state).unwrap_err();
        assert_eq!(
            error.to_string(),
            "state key `u` is 18446744073709551615, and 1 more is beyond 64 bits"
        );
        Patch::increment("u", -1).apply(&mut state).unwrap();
        assert_eq!(state["u"], json!(u64::MAX - 1));
        let exact = [json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)];
        assert_eq!(Reducer::Max.reduce(exact.to_vec()), Ok(exact[0].clone()));
        let mixed = [json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)];
        assert_eq!(Reducer::Max.reduce(mixed.to_vec()), Ok(mixed[0].clone()));
        assert_eq!(Reducer::Min.reduce(mixed.to_vec()), Ok(mixed[1].clone()));
        assert!(Reducer::Sum.reduce(mixed.to_vec()).is_err());
    }

    #[test]
    fn a_fraction_never_rounds_a_counter() {
        let mut state: State = serde_json::from_value(
            json!({"big": 9_007_199_254_740_993_u64, "small": 1, "edge": 9_007_199_254_740_992.0}),
        )
        .unwrap();
        let half = || Number::from_f64(0.5).unwrap();
        Patch::increment("small", half()).apply(&mut state).unwrap();
        assert_eq!(state["small"], json!(1.5));
        let before = state.clone();
        for key in ["big", "edge"] {
            let error = Patch::increment(key, half()).apply(&mut state).unwrap_err().to_string();
            assert!(error.contains("0.5 more would be rounded"), "{error}");
        }
        assert_eq!(state, before);
    }

    #[test]
    fn setting_null_removes_and_merging_is_recursive() {
        let mut state: State =
            serde_json::from_value(json!({"a": 1, "o": {"x": {"y": 1}}})).unwrap();
        Patch::set("a", Value::Null).apply(&mut state).unwrap();
        let more = json!({"x": {"z": 2}, "w": 3});
        Patch::merge("o", more.as_object().unwrap().clone()).apply(&mut state).unwrap();
        assert_eq!(Value::from(state), json!({"o": {"x": {"y": 1, "z": 2}, "w": 3}}));
    }

    #[test]
    fn a_conflict_names_both_branches_and_the_key() {
        let (one, two) = ([Patch::set("k", 1)], [Patch::set("k", 2)]);
        let branches = [("p/a".into(), &one[..]), ("p/b".into(), &two[..])];
        let join = |branches: &[_], reducers: &Reducers| {
            let joined = join_patches(&State::new(), branches, reducers);
            joined.map(|patches| patches.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            join(&branches, &Reducers::new()).unwrap_err().to_string(),
            "branches `p/a` and `p/b` both set state key `k`, to different values"
        );
        let same = [("p/a".into(), &one[..]), ("p/b".into(), &one[..])];
        assert!(join(&same, &Reducers::new()).is_ok());
        for (reducer, value) in [(Reducer::Sum, 3), (Reducer::First, 1), (Reducer::Last, 2)] {
            let reducers = Reducers::from([("k".into(), reducer)]);
            assert_eq!(join(&branches, &reducers).unwrap(), [format!("k = {value}")]);
        }
        let lists = Reducers::from([("k".into(), Reducer::Concat)]);
        assert_eq!(
            join(&branches, &lists).unwrap_err().to_string(),
            "the values that branches set state key `k` to cannot be put together by `concat`: \
             there is one that is no list"
        );
    }
}
