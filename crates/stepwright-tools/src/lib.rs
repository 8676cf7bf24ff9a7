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

mod duckduckgo;
mod markup;

pub use duckduckgo::{
    DuckDuckGo, PAGE_BYTES_MAX, QUERY_CHARS_MAX, RESULTS, RESULTS_MAX, SafeSearch, TIMEOUT,
    TimeLimit,
};
