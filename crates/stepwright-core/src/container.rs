//! Containers in events: a table with a row for each kind of container, and their decisions.
//!
//! A row is all that events, their JSON, the result tree and the terminal know about a kind, so
//! that a new kind is a new row.

use crate::content::Content;
use std::fmt;
use std::sync::Arc;

/// A row of the table.
pub(crate) struct Row {
    /// The name in the JSON of a [`StepResult`](crate::StepResult).
    name: &'static str,
    /// The names of the first and the last event in JSON.
    pub(crate) events: [&'static str; 2],
    /// The fields of the first event in JSON.
    pub(crate) starts: Starts,
    /// The fields of the last event in JSON, besides its status and its error.
    pub(crate) ends: Ends,
    /// `true` if it asks for its decision when it starts. A resumed run takes the recorded one.
    decides: bool,
    /// `true` if several of its bodies run at once.
    concurrent: bool,
    /// The word for it at the terminal. Empty if its parts say enough.
    word: &'static str,
    /// The words at the terminal for one of its parts, and for several.
    parts: [&'static str; 2],
    /// `true` if the terminal shows its end, because much may stand in between.
    shows_end: bool,
}

/// The form of a [`Decision`], with the names of its fields in JSON.
#[derive(Clone, Copy)]
pub(crate) enum Starts {
    Count(&'static str),
    AtMost(&'static str),
    Turn(&'static str, Option<&'static str>),
    Holds(&'static str, &'static str),
    Names(&'static str),
    Items(&'static str, &'static str),
}

/// The fields of [`Turns`] that a kind has in JSON.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    /// The name of the number.
    pub(crate) number: Option<&'static str>,
    pub(crate) should_continue: bool,
    pub(crate) exhausted: bool,
}

/// The fields of a kind that counts nothing.
const NO_TURNS: Ends = Ends { number: None, should_continue: false, exhausted: false };

macro_rules! containers {
    ($($(#[doc = $about:literal])* $kind:ident: $row:expr,)*) => {
        /// A kind of container. A turn of a loop and an item of a map are containers of their own.
        ///
        /// ```
        /// use stepwright_core::ContainerKind;
        /// assert_eq!(ContainerKind::Loop.started(), "LoopExecutionStarted");
        /// assert_eq!(ContainerKind::named("Loop"), Some(ContainerKind::Loop));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ContainerKind {
            $($(#[doc = $about])* $kind,)*
        }

        impl ContainerKind {
            /// All kinds.
            ///
            /// ```
            /// use stepwright_core::ContainerKind;
            /// let concurrent = ContainerKind::ALL.iter().filter(|kind| kind.is_concurrent());
            /// assert_eq!(concurrent.count(), 2);
            /// ```
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            pub(crate) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$kind => { const { &$row } })*
                }
            }
        }
    };
}

containers! {
    /// Steps one after the other.
    Steps: Row {
        name: "Steps",
        events: ["StepsExecutionStarted", "StepsExecutionCompleted"],
        starts: Starts::Count("steps_count"),
        ends: NO_TURNS,
        decides: false,
        concurrent: false,
        word: "",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// Branches at once.
    Parallel: Row {
        name: "Parallel",
        events: ["ParallelExecutionStarted", "ParallelExecutionCompleted"],
        starts: Starts::Names("branches"),
        ends: NO_TURNS,
        decides: false,
        concurrent: true,
        word: "parallel",
        parts: ["branch", "branches"],
        shows_end: true,
    },
    /// Steps again and again.
    Loop: Row {
        name: "Loop",
        events: ["LoopExecutionStarted", "LoopExecutionCompleted"],
        starts: Starts::AtMost("max_iterations"),
        ends: Ends { number: Some("total_iterations"), should_continue: false, exhausted: true },
        decides: false,
        concurrent: false,
        word: "loop",
        parts: ["turn", "turns"],
        shows_end: true,
    },
    /// A turn of a loop. Its end has the decision about the next turn.
    Iteration: Row {
        name: "Iteration",
        events: ["LoopIterationStarted", "LoopIterationCompleted"],
        starts: Starts::Turn("iteration", Some("max_iterations")),
        ends: Ends { number: Some("iteration"), should_continue: true, exhausted: true },
        decides: false,
        concurrent: false,
        word: "turn",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// One of two branches.
    Condition: Row {
        name: "Condition",
        events: ["ConditionExecutionStarted", "ConditionExecutionCompleted"],
        starts: Starts::Holds("condition_result", "branch"),
        ends: NO_TURNS,
        decides: true,
        concurrent: false,
        word: "condition",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// Chosen steps.
    Router: Row {
        name: "Router",
        events: ["RouterExecutionStarted", "RouterExecutionCompleted"],
        starts: Starts::Names("selected_steps"),
        ends: NO_TURNS,
        decides: true,
        concurrent: false,
        word: "router",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// Steps for each item of a list.
    Map: Row {
        name: "Map",
        events: ["MapExecutionStarted", "MapExecutionCompleted"],
        starts: Starts::Items("items", "concurrency"),
        ends: NO_TURNS,
        decides: true,
        concurrent: true,
        word: "map",
        parts: ["item", "items"],
        shows_end: true,
    },
    /// An item of a map.
    Item: Row {
        name: "Item",
        events: ["MapItemStarted", "MapItemCompleted"],
        starts: Starts::Turn("item", None),
        ends: Ends { number: Some("item"), should_continue: false, exhausted: false },
        decides: false,
        concurrent: false,
        word: "item",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// The steps after a failure: `on_failure`.
    OnFailure: Row {
        name: "OnFailure",
        events: ["OnFailureStarted", "OnFailureCompleted"],
        starts: Starts::Count("steps_count"),
        ends: NO_TURNS,
        decides: false,
        concurrent: false,
        word: "after the failure",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// The steps that run in any case: `finally`.
    Finally: Row {
        name: "Finally",
        events: ["FinallyStarted", "FinallyCompleted"],
        starts: Starts::Count("steps_count"),
        ends: NO_TURNS,
        decides: false,
        concurrent: false,
        word: "finally",
        parts: ["step", "steps"],
        shows_end: false,
    },
    /// The steps that undo a step: `undo`. Its path is that of the step, and `undo`.
    Undo: Row {
        name: "Undo",
        events: ["UndoStarted", "UndoCompleted"],
        starts: Starts::Count("steps_count"),
        ends: NO_TURNS,
        decides: false,
        concurrent: false,
        word: "undo",
        parts: ["step", "steps"],
        shows_end: false,
    },
}

impl ContainerKind {
    /// Returns `true` for steps that run after others, such as `finally`.
    pub(crate) const fn is_after(self) -> bool {
        matches!(self, Self::OnFailure | Self::Finally | Self::Undo)
    }
}

impl ContainerKind {
    /// Returns the name, which is the `step_type` of a [`StepResult`](crate::StepResult) in JSON.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert_eq!(ContainerKind::Iteration.name(), "Iteration");
    /// ```
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the kind with this name: see [`ContainerKind::name`].
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert_eq!(ContainerKind::named("Map"), Some(ContainerKind::Map));
    /// assert_eq!(ContainerKind::named("map"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns the name in JSON of the event with which such a container starts. It is Agno's where
    /// Agno has the event.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert_eq!(ContainerKind::Iteration.started(), "LoopIterationStarted");
    /// ```
    pub const fn started(self) -> &'static str {
        self.row().events[0]
    }

    /// Returns the name in JSON of the event with which such a container ends. It is Agno's where
    /// Agno has the event.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert_eq!(ContainerKind::Item.completed(), "MapItemCompleted");
    /// ```
    pub const fn completed(self) -> &'static str {
        self.row().events[1]
    }

    /// Returns `true` if such a container asks for its decision when it starts: a condition, a
    /// router and a map. When a run is resumed, the recorded decision counts.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert!(ContainerKind::Router.decides() && !ContainerKind::Parallel.decides());
    /// ```
    pub const fn decides(self) -> bool {
        self.row().decides
    }

    /// Returns `true` if the bodies of such a container may run at once.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert!(ContainerKind::Map.is_concurrent() && !ContainerKind::Loop.is_concurrent());
    /// ```
    pub const fn is_concurrent(self) -> bool {
        self.row().concurrent
    }

    /// Returns the word for such a container at the terminal. Empty for a sequence, whose steps say
    /// enough.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert_eq!(ContainerKind::Condition.word(), "condition");
    /// ```
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// Returns the words at the terminal for one part of such a container, and for several.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert_eq!(ContainerKind::Parallel.parts(), ["branch", "branches"]);
    /// ```
    pub const fn parts(self) -> [&'static str; 2] {
        self.row().parts
    }

    /// Returns `true` if the terminal shows the end of such a container, because much may stand
    /// between its beginning and its end.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// assert!(ContainerKind::Loop.shows_end() && !ContainerKind::Steps.shows_end());
    /// ```
    pub const fn shows_end(self) -> bool {
        self.row().shows_end
    }
}

impl fmt::Display for ContainerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The work of a container, as decided when it starts. Each kind of container has one of these
/// forms.
///
/// Not `non_exhaustive`, so that the compiler names the places that a new form concerns. Keep a `_`
/// arm all the same: a later version may add one.
///
/// ```
/// use stepwright_core::{ContainerKind, Decision, EventKind};
/// fn route(kind: &EventKind) -> Option<String> {
///     match kind {
///         EventKind::ContainerStarted {
///             kind: ContainerKind::Router,
///             decision: Decision::Names(steps),
///         } => Some(steps.join(", ")),
///         _ => None,
///     }
/// }
/// let decision = Decision::Names(["blog".into(), "mail".into()].into());
/// let started = EventKind::ContainerStarted { kind: ContainerKind::Router, decision };
/// assert_eq!(route(&started).unwrap(), "blog, mail");
/// assert_eq!(started.name(), "RouterExecutionStarted");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Steps one after the other, this many. Of a sequence.
    Count(u32),
    /// Turns, at most this many. Of a loop.
    AtMost(u32),
    /// A turn of a loop, or an item of a map.
    Turn {
        /// The number of the turn or the item, from 1.
        number: u32,
        /// The maximum number of turns. `None` for an item.
        at_most: Option<u32>,
    },
    /// The answer of a condition.
    Holds {
        /// The answer. `None` if the decision failed.
        holds: Option<bool>,
        /// `if`, `else`, or `None` if the chosen branch has no steps.
        branch: Option<Arc<str>>,
    },
    /// Steps by name: the branches of a parallel in declaration order, or the steps that a router
    /// chose in the order in which they run. Empty if the decision failed.
    Names(Arc<[Arc<str>]>),
    /// The items of a map.
    Items {
        /// The items. Empty if the decision failed.
        items: Arc<[Content]>,
        /// The maximum number of items that run at once.
        concurrency: u32,
    },
}

impl Decision {
    /// Returns the answer to a question that is not recorded with a container, such as the `until`
    /// of a loop.
    ///
    /// ```
    /// use stepwright_core::Decision;
    /// assert!(Decision::answer(true).is_met());
    /// ```
    pub const fn answer(holds: bool) -> Self {
        Self::Holds { holds: Some(holds), branch: None }
    }

    /// Returns `true` for a condition that holds.
    ///
    /// ```
    /// use stepwright_core::Decision;
    /// assert!(!Decision::answer(false).is_met());
    /// ```
    pub fn is_met(&self) -> bool {
        matches!(self, Self::Holds { holds: Some(true), .. })
    }

    /// Returns `true` if nothing was decided, or nothing was chosen. Failed decisions are recorded
    /// so.
    ///
    /// ```
    /// use stepwright_core::Decision;
    /// assert!(Decision::Names([].into()).is_empty());
    /// assert!(!Decision::answer(false).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Holds { holds, .. } => holds.is_none(),
            Self::Names(names) => names.is_empty(),
            Self::Items { items, .. } => items.is_empty(),
            Self::Count(_) | Self::AtMost(_) | Self::Turn { .. } => false,
        }
    }
}

/// The count with which a loop, a turn or an item ends. All zero for other containers.
///
/// ```
/// use stepwright_core::Turns;
/// let third = Turns { number: 3, exhausted: true, ..Turns::default() };
/// assert!(!third.should_continue);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// The number of the turn or the item, from 1. For a loop, the number of turns that it made.
    pub number: u32,
    /// For a turn, `true` if another turn follows.
    pub should_continue: bool,
    /// `true` if a loop made all its turns and its condition was not met. The loop then fails or
    /// continues, as its `on_exhausted` says.
    pub exhausted: bool,
}
