//! Runs become tests, and tests find what has changed.

mod changed;
mod examples;
mod files;
mod fixture;
mod kinds;
mod support;
mod taken;
