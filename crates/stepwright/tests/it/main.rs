//! What holds for the project as a whole.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod floors;
mod readme;
mod tidy;
