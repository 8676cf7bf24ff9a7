//! Runs become tests, and tests find what has changed.

mod changed;
mod files;
mod fixture;
mod kinds;
mod support;
