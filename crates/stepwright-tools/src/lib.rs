//! Ready-made tools for Stepwright agents.
//!
//! ```
//! use stepwright_agent::Agent;
//! use stepwright_tools::DuckDuckGo;
//!
//! let agent = Agent::builder("Researcher")
//!     .model("offline")?
//!     .tool(DuckDuckGo::new().max_results(3))
//!     .build()?;
//! let names: Vec<&str> = agent.tools().iter().map(|tool| &*tool.name).collect();
//! assert_eq!(names, ["web_search", "search_news"]);
//! # Ok::<(), stepwright_core::Error>(())
//! ```
//!
//! A tool refuses where it acts, and not where it is called: no path leaves its folder, no request
//! of a model reaches a private address, no query writes (`tests/it/files.rs`, `pages.rs`,
//! `sql.rs`).
//!
//! A *skill* is a folder with instructions for a model, read when a definition is made (`skills/`).
//! A *workspace* is the folder that a step works in, and a fact at the path of what shares it
//! (`workspace/`).

mod ask;
#[doc(hidden)]
pub mod beneath;
mod calculator;
mod clock;
#[cfg(feature = "duckduckgo")]
mod duckduckgo;
#[doc(hidden)]
pub mod effects;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod folder;
mod kit;
#[cfg(feature = "duckduckgo")]
mod markup;
mod python;
#[doc(hidden)]
pub mod readable;
mod scratchpad;
#[doc(hidden)]
pub mod skills;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod temporary;
#[doc(hidden)]
pub mod web;
mod wikipedia;
#[doc(hidden)]
pub mod workspace;

#[cfg(feature = "duckduckgo")]
pub use duckduckgo::{
    DuckDuckGo, PAGE_BYTES_MAX, QUERY_CHARS_MAX, RESULTS, RESULTS_MAX, SafeSearch, TIMEOUT,
    TimeLimit,
};

pub use ask::{AskUser, OPTIONS_MAX};
pub use calculator::{Calculator, EXPRESSION_BYTES_MAX};
pub use clock::Clock;
pub use files::{
    FILE_BYTES_MAX, FILE_NAMES_MAX, FILE_PART_BYTES_MAX, FOUND_LINES_MAX, Files, SEARCHED_FILES_MAX,
};
pub use python::{PYTHON_CODE_BYTES_MAX, PYTHON_OUTPUT_BYTES_MAX, PYTHON_TIMEOUT, Python};
pub use scratchpad::{CHANGES_MAX, NOTE_BYTES_MAX, NOTES_MAX, Scratchpad, TASKS_MAX};
pub use skills::{
    SCRIPT_OUTPUT_BYTES_MAX, SKILL_FILE_BYTES_MAX, SKILL_FILES_MAX, SKILL_TEXT_BYTES_MAX,
    SKILLS_BYTES_MAX, SKILLS_MAX, Skills,
};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{CELL_CHARS_MAX, ROWS, ROWS_BYTES_MAX, ROWS_MAX, SQL_BYTES_MAX, SQL_TIMEOUT, Sql};
pub use web::{ANSWER_BYTES_MAX, FETCHED_BYTES_MAX, HTTP_TIMEOUT, Http, WebPage};
pub use wikipedia::{ARTICLES_MAX, Wikipedia};
pub use workspace::{
    InWorkspace, KeptFiles, SweptFiles, WORKSPACE_BYTES_MAX, WORKSPACE_FILES_MAX, Workspace,
};

/// Parts that workflow files share with the toolkits. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::{beneath, effects, files, folder, readable, skills, web};
}
