//! Agents on scripted models: what they record, show and give.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod agno;
mod alone;
mod calls;
mod content;
mod context;
mod crash;
mod deferred;
mod define;
mod guardrails;
mod handoff;
mod host;
mod limits;
mod memories;
mod options;
mod output;
mod places;
mod steered;
mod team;
mod turn;
