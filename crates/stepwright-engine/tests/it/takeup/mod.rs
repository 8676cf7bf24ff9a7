//! Runs that are taken up again: retries and forks.

mod forks;
mod plans;
mod retries;
