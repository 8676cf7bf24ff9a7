//! The catalogue of errors: each kind of error that a person can meet has an id and a page.
//!
//! The catalogue is the one source of `stepwright explain`, of `docs/errors.md` and of the
//! constants of [`ErrorId`]. To add a kind, add an entry to the file of its area, with the next
//! number.

mod command;
mod definitions;
mod entry;
mod files;
mod models;
mod runs;
mod steps;
mod stores;
mod tools;

pub use entry::{Entry, ErrorId, ErrorIdError};

/// An area of the catalogue. The first two digits of an id are its number.
///
/// ```
/// use stepwright_core::codes::{AREAS, Area};
/// let runs: &Area = &AREAS[6];
/// assert_eq!((runs.number, runs.title), (7, "Runs, answers and sessions"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Area {
    /// The number, such as 7 for `SW0701`.
    pub number: u16,
    /// The title.
    pub title: &'static str,
    /// The entries, in the order of their numbers.
    pub entries: &'static [Entry],
}

const fn area(number: u16, title: &'static str, entries: &'static [Entry]) -> Area {
    Area { number, title, entries }
}

/// All areas with their entries, in the order of their numbers.
///
/// ```
/// use stepwright_core::codes::AREAS;
/// for area in AREAS {
///     println!("{}: {} codes", area.title, area.entries.len());
/// }
/// ```
pub const AREAS: [Area; 8] = [
    area(1, "The command line", command::ENTRIES),
    area(2, "Workflow files", files::ENTRIES),
    area(3, "Definitions in Rust and inputs", definitions::ENTRIES),
    area(4, "Steps", steps::ENTRIES),
    area(5, "Models", models::ENTRIES),
    area(6, "Tools, HTTP, commands and files", tools::ENTRIES),
    area(7, "Runs, answers and sessions", runs::ENTRIES),
    area(8, "Stores", stores::ENTRIES),
];

/// Returns all entries, in the order of their numbers.
///
/// ```
/// use stepwright_core::codes;
/// assert!(codes::all().any(|entry| entry.title == "the run has ended"));
/// ```
pub fn all() -> impl Iterator<Item = &'static Entry> {
    AREAS.into_iter().flat_map(|area| area.entries)
}

/// Returns the entry of an id, if this version knows it.
///
/// ```
/// use stepwright_core::{ErrorId, codes};
/// assert_eq!(codes::find(ErrorId::RUN_ENDED).unwrap().title, "the run has ended");
/// // A newer version may have written an id that this one does not know.
/// assert!(codes::find("SW9999".parse()?).is_none());
/// # Ok::<(), codes::ErrorIdError>(())
/// ```
pub fn find(id: ErrorId) -> Option<&'static Entry> {
    all().find(|entry| entry.id == id)
}
