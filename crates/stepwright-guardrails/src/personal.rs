//! Personal data.

use crate::OnFound;
use crate::found::{changed, reacts, ruled};
use regex::Regex;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
use stepwright_core::{BoxFuture, Fingerprint, StepContext, StepError};

/// A kind of personal data.
///
/// ```
/// use stepwright_guardrails::PersonalKind;
/// assert_eq!(PersonalKind::ALL.len(), 5);
/// assert_eq!(PersonalKind::Email.as_str(), "email");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PersonalKind {
    /// An e-mail address.
    Email,
    /// A telephone number: `+49 30 901820`, `(555) 010-9999`.
    Phone,
    /// The number of a payment card, with a valid check digit.
    Card,
    /// An IBAN with valid check digits.
    Iban,
    /// A number of the US social security: `078-05-1120`.
    Ssn,
}

impl PersonalKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Email, Self::Card, Self::Iban, Self::Ssn, Self::Phone];

    /// Returns the word for the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
        }
    }

    fn regex(self) -> &'static Regex {
        macro_rules! once {
            ($pattern:literal) => {{
                static REGEX: LazyLock<Regex> =
                    LazyLock::new(|| Regex::new($pattern).expect("a valid expression"));
                &REGEX
            }};
        }
        match self {
            Self::Email => once!(r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b"),
            Self::Phone => once!(
                r"(?x)
                \+\d{1,3}[\s./-]?(?:\(\d{1,4}\)[\s./-]?)?\d{1,4}(?:[\s./-]?\d{2,4}){1,4}\b
                | \(\d{3}\)\s?\d{3}[\s.-]\d{4}\b
                | \b\d{3}[.-]\d{3}[.-]\d{4}\b"
            ),
            Self::Card => once!(r"\b\d(?:[ -]?\d){12,18}\b"),
            Self::Iban => once!(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"),
            Self::Ssn => once!(r"\b\d{3}-\d{2}-\d{4}\b"),
        }
    }

    /// Returns `true` if a match is one.
    fn is_valid(self, found: &str) -> bool {
        match self {
            Self::Card => is_card(found),
            Self::Iban => is_iban(found),
            Self::Ssn => {
                let area = &found[..3];
                area != "000" && area != "666" && !area.starts_with('9')
            }
            Self::Email | Self::Phone => true,
        }
    }
}

/// Checks the last digit of a card (Luhn).
fn is_card(found: &str) -> bool {
    let digits: Vec<u32> = found.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(nth, digit)| match (nth % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    sum > 0 && sum.is_multiple_of(10)
}

/// Checks the digits of an IBAN (ISO 7064, mod 97).
fn is_iban(found: &str) -> bool {
    let found: Vec<char> = found.chars().filter(|c| !c.is_whitespace()).collect();
    let (front, back) = found.split_at(4.min(found.len()));
    let rest = back.iter().chain(front).try_fold(0, |rest: u32, c| {
        let value = c.to_digit(36)?;
        Some(if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
    });
    rest == Some(1)
}

/// Finds personal data by its form: e-mail addresses, telephone and card numbers, IBANs and US
/// social security numbers. Names and postal addresses have no form: let a [`Judge`](crate::Judge)
/// find them.
///
/// ```
/// use stepwright_core::guardrail::Guard;
/// use stepwright_guardrails::{PersonalData, PersonalKind};
/// let guard = Guard::before_model(PersonalData::new().rewriting());
/// let cards = Guard::before(PersonalData::of([PersonalKind::Card, PersonalKind::Iban]));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guardrail has no effect until an agent or a step has it"]
pub struct PersonalData {
    kinds: Vec<PersonalKind>,
    on_found: OnFound,
}

impl Default for PersonalData {
    fn default() -> Self {
        Self::new()
    }
}

impl PersonalData {
    /// Finds all kinds.
    pub fn new() -> Self {
        Self::of(PersonalKind::ALL)
    }

    /// Finds these kinds.
    pub fn of(kinds: impl IntoIterator<Item = PersonalKind>) -> Self {
        let chosen: Vec<_> = kinds.into_iter().collect();
        // Longer numbers first: a part of a card number looks like a telephone number.
        let kinds = PersonalKind::ALL.into_iter().filter(|kind| chosen.contains(kind)).collect();
        Self { kinds, on_found: OnFound::default() }
    }

    /// Replaces each finding with its kind, such as `[email]`, in place of a refusal.
    pub fn rewriting(mut self) -> Self {
        self.on_found = OnFound::Rewrite;
        self
    }

    reacts!();
}

impl Guardrail for PersonalData {
    fn name(&self) -> &'static str {
        "personal_data"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        let found = RefCell::new(BTreeSet::new());
        let clean = changed(&checked.content, &|text| {
            let mut clean = text.to_owned();
            for kind in &self.kinds {
                let replaced = kind.regex().replace_all(&clean, |m: &regex::Captures<'_>| {
                    if !kind.is_valid(&m[0]) {
                        return m[0].to_owned();
                    }
                    found.borrow_mut().insert(kind.as_str());
                    format!("[{}]", kind.as_str())
                });
                clean = replaced.into_owned();
            }
            (clean != text).then_some(clean)
        });
        let found: Vec<_> = found.into_inner().into_iter().collect();
        ruled!(match clean {
            None => GuardVerdict::Allow,
            Some(clean) => {
                let reason = format!("it contains personal data: {}", found.join(", "));
                self.on_found.verdict(reason, || clean)
            }
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let on = self.on_found.as_str();
        Fingerprint::default().with("settings", format!("{}, {on}", kinds.join(" ")))
    }

    fn mistake(&self) -> Option<String> {
        self.kinds.is_empty().then(|| "it has no kinds; name at least one".to_owned())
    }
}
