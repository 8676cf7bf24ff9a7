//! What holds for the project as a whole.

mod floors;
mod tidy;
