//! Runs that are taken up again: retries and forks.

mod agents;
mod forks;
mod plans;
mod retries;
