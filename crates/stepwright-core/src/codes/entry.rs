//! The id of an error, and an entry of the catalogue.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The letters before the number.
const PREFIX: &str = "SW";

/// The stable id of a kind of error, such as `SW0701`.
///
/// A number keeps its meaning, and is not used again. `stepwright explain SW0701` prints the page
/// of an id; `docs/errors.md` has all pages.
///
/// ```
/// use stepwright_core::{Error, ErrorId};
/// let error = Error::usage("run `r-7` has ended").with_id(ErrorId::RUN_ENDED);
/// assert_eq!(error.id(), ErrorId::RUN_ENDED);
/// assert_eq!(ErrorId::RUN_ENDED.to_string(), "SW0707");
/// // As people type it.
/// for text in ["SW0707", "sw707", "707"] {
///     assert_eq!(text.parse(), Ok(ErrorId::RUN_ENDED));
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorId(u16);

impl ErrorId {
    pub(super) const fn of(number: u16) -> Self {
        Self(number)
    }

    /// Returns the number, such as 701.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{PREFIX}{:04}", self.0))
    }
}

impl fmt::Debug for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error of a text that is not an error id.
///
/// ```
/// use stepwright_core::{ErrorId, codes::ErrorIdError};
/// let wrong: ErrorIdError = "701x".parse::<ErrorId>().unwrap_err();
/// assert_eq!(wrong.to_string(), "`701x` is not an error code such as `SW0701`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an error code such as `SW0701`", .0.escape_debug())]
pub struct ErrorIdError(String);

impl FromStr for ErrorId {
    type Err = ErrorIdError;

    /// Reads `SW0701`; small letters, and a number without the letters or the zeros, will do.
    ///
    /// # Errors
    /// Fails for any other text. An id that this version does not know is none: a newer version
    /// may have written it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ErrorIdError(text.chars().take(40).collect());
        let digits = match text.get(..PREFIX.len()) {
            Some(start) if start.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
            _ => text,
        };
        let is_number =
            (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = if is_number { digits.parse().ok() } else { None };
        number.filter(|number| *number > 0).map(Self).ok_or_else(wrong)
    }
}

impl Serialize for ErrorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ErrorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A kind of error in the catalogue.
///
/// ```
/// use stepwright_core::{ErrorId, codes::{self, Entry}};
/// let entry: &Entry = codes::find(ErrorId::RUN_ENDED).unwrap();
/// assert_eq!((entry.id, entry.name), (ErrorId::RUN_ENDED, "RUN_ENDED"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The id.
    pub id: ErrorId,
    /// The name of the constant, such as `RUN_ENDED`.
    pub name: &'static str,
    /// The title: a fragment without a full stop.
    pub title: &'static str,
    pub(super) page: &'static str,
}

impl Entry {
    /// Returns the page in Markdown: the meaning, a typical cause, and what to do.
    ///
    /// ```
    /// use stepwright_core::{ErrorId, codes};
    /// let entry = codes::find(ErrorId::RUN_ENDED).unwrap();
    /// assert!(entry.page().contains("stepwright show"));
    /// ```
    pub fn page(&self) -> String {
        // Each line of a doc comment begins with a space.
        let lines = self.page.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.flat_map(|line| [line, "\n"]).collect()
    }
}

/// Declares the ids of an area. The doc comment of a constant is its page.
macro_rules! catalogue {
    ($($(#[doc = $line:literal])+ $name:ident = $number:literal, $title:literal;)+) => {
        impl $crate::codes::entry::ErrorId {
            $($(#[doc = $line])+ pub const $name: Self = Self::of($number);)+
        }

        /// The entries of the area, in the order of their numbers.
        pub(super) const ENTRIES: &[$crate::codes::entry::Entry] = &[$(
            $crate::codes::entry::Entry {
                id: $crate::codes::entry::ErrorId::$name,
                name: stringify!($name),
                title: $title,
                page: concat!($($line, "\n"),+),
            }
        ),+];
    };
}

pub(super) use catalogue;
