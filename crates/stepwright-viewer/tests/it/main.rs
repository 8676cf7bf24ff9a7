//! Tests of the page's files and of its fold.

mod built;
mod fold;
