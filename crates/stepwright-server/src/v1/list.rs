//! Pages of lists.

use crate::error::Problem;
use crate::limits::{LIST_PAGE_MAX, PAGE};

/// Makes the problem of a cursor that cannot be gone on from.
pub(super) fn no_cursor(text: &str) -> Problem {
    let problem = Problem::bad(format!("invalid cursor `{text}`"));
    problem.with_help(
        "pass `next` of the page before, as it is; if its last row was deleted, begin with the \
         first page",
    )
}

/// Checks the number of rows on a page.
pub(super) fn page(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=LIST_PAGE_MAX => Ok(limit),
        limit => {
            Err(Problem::bad(format!("`limit` is {limit}; it must be from 1 to {LIST_PAGE_MAX}")))
        }
    }
}
