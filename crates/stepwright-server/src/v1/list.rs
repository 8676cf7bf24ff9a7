//! Pages of lists: cursors that new rows do not shift, and searches.

use crate::error::Problem;
use crate::limits::{LIST_PAGE_MAX, PAGE};

/// The place behind the last row of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The number of rows up to here when the page was made. There may be more by now.
    pub(super) offset: usize,
    /// The time of the last row, by which the list is sorted.
    pub(super) time: u64,
    /// The id of the last row.
    pub(super) id: String,
}

impl Cursor {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let parse = || {
            let mut parts = text.splitn(3, '.');
            let offset = parts.next()?.parse().ok()?;
            let time = parts.next()?.parse().ok()?;
            Some(Self { offset, time, id: parts.next()?.to_owned() })
        };
        parse().ok_or_else(|| {
            let problem = Problem::bad(format!("invalid cursor `{text}`"));
            problem.with_help("pass `next` of the page before, as it is")
        })
    }

    pub(super) fn text(&self) -> String {
        format!("{}.{}.{}", self.offset, self.time, self.id)
    }
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

/// Goes on behind a cursor: `true` for the rows that the client has already.
pub(super) struct Behind(Option<Cursor>);

impl Behind {
    pub(super) fn new(cursor: Option<Cursor>) -> Self {
        Self(cursor)
    }

    /// Returns `true` if the client has this row, of a list with the newest first.
    pub(super) fn is_known(&mut self, time: u64, id: &str) -> bool {
        let Some(cursor) = &self.0 else { return false };
        if time > cursor.time || (time == cursor.time && id != cursor.id) {
            return true;
        }
        let is_last = id == cursor.id;
        self.0 = None;
        is_last
    }
}
