//! The cost of models: a table of prices, and sums that know when a price is missing.

use crate::message::Usage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// The number of nano-dollars in a dollar.
const NANO: f64 = 1_000_000_000.0;

/// An amount of money in US dollars, and the number of requests whose price is not known. A sum
/// with such a request is at least the amount.
///
/// ```
/// use stepwright_core::cost::Cost;
/// let mut cost = Cost::usd(0.25);
/// assert_eq!(cost.to_string(), "$0.25");
/// cost += Cost::UNPRICED;
/// assert_eq!(cost.to_string(), "$0.25 and 1 request of unknown price");
/// assert_eq!(Cost::UNPRICED.to_string(), "unknown");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Cost {
    nano: u64,
    unpriced: u64,
}

/// The serialized form.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default)]
    usd: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    unpriced_requests: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over in this way")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<Written> for Cost {
    fn from(written: Written) -> Self {
        Self { unpriced: written.unpriced_requests, ..Self::usd(written.usd) }
    }
}

impl From<Cost> for Written {
    fn from(cost: Cost) -> Self {
        Self { usd: cost.as_usd(), unpriced_requests: cost.unpriced }
    }
}

impl Cost {
    /// The cost of one request whose price is not known.
    pub const UNPRICED: Self = Self { nano: 0, unpriced: 1 };

    /// Creates an amount in US dollars. Anything but a positive number is zero.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    pub fn usd(usd: f64) -> Self {
        Self { nano: (usd * NANO).round() as u64, unpriced: 0 }
    }

    /// Returns the known part in US dollars.
    #[expect(clippy::cast_precision_loss, reason = "costs stay below nine million dollars")]
    pub fn as_usd(self) -> f64 {
        self.nano as f64 / NANO
    }

    /// Returns the known part in billionths of a US dollar.
    pub fn nano_usd(self) -> u64 {
        self.nano
    }

    /// Creates an amount in billionths of a US dollar.
    pub fn of_nano_usd(nano: u64) -> Self {
        Self { nano, unpriced: 0 }
    }

    /// Returns the number of requests whose price is not known.
    pub fn unpriced_requests(self) -> u64 {
        self.unpriced
    }

    /// Returns the part that was added to an earlier sum.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            nano: self.nano.saturating_sub(earlier.nano),
            unpriced: self.unpriced.saturating_sub(earlier.unpriced),
        }
    }

    /// Returns `true` if there were no requests, or all were free.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.nano = self.nano.saturating_add(other.nano);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = match self.unpriced {
            0 => return f.write_str(&dollars(self.nano)),
            _ if self.nano == 0 => return f.write_str("unknown"),
            1 => "request",
            _ => "requests",
        };
        write!(f, "{} and {} {requests} of unknown price", dollars(self.nano), self.unpriced)
    }
}

/// Formats an amount with two decimals, or with more if it is small.
fn dollars(nano: u64) -> String {
    let usd = Cost::of_nano_usd(nano).as_usd();
    match nano {
        0 => "$0.00".to_owned(),
        1..1_000 => "under $0.000001".to_owned(),
        1_000..10_000_000 => {
            let text = format!("${usd:.6}");
            text.trim_end_matches('0').to_owned()
        }
        _ => format!("${usd:.2}"),
    }
}

/// The prices of a model, in US dollars for a million tokens.
///
/// ```
/// use stepwright_core::cost::Price;
/// use stepwright_core::message::Usage;
/// let price = Price { cached_input: Some(0.1), ..Price::new(1.0, 5.0) };
/// let usage = Usage {
///     input_tokens: Some(1_000_000),
///     cache_read_tokens: Some(400_000),
///     output_tokens: Some(100_000),
///     ..Usage::default()
/// };
/// // 600 000 at $1, 400 000 at $0.10, 100 000 at $5.
/// assert_eq!(price.of(&usage).to_string(), "$1.14");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The price of input.
    pub input: f64,
    /// The price of output, including reasoning.
    pub output: f64,
    /// The price of input that is read from a cache. By default that of input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// The price of input that is written to a cache. By default that of input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// The price of reasoning. By default that of output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
    /// The price of output that is an image. Without it, the cost of an answer with images is not
    /// known, because such output costs more than text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<f64>,
}

impl Price {
    /// Creates a price of input and output alone.
    pub const fn new(input: f64, output: f64) -> Self {
        Self { input, output, cached_input: None, cache_write: None, reasoning: None, image: None }
    }

    /// Returns the cost of a request. If the provider reported no tokens, it is not known.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens fit into 52 bits")]
    pub fn of(&self, usage: &Usage) -> Cost {
        let free = self.input == 0.0 && self.output == 0.0;
        let (Some(input), Some(output)) = (usage.input_tokens, usage.output_tokens) else {
            return if free { Cost::default() } else { Cost::UNPRICED };
        };
        let read = usage.cache_read_tokens.unwrap_or(0).min(input);
        let written = usage.cache_write_tokens.unwrap_or(0).min(input - read);
        let thought = usage.reasoning_tokens.unwrap_or(0).min(output);
        let drawn = usage.image_tokens.unwrap_or(0).min(output - thought);
        let image = match self.image {
            Some(price) => price,
            None if drawn == 0 || free => 0.0,
            None => return Cost::UNPRICED,
        };
        let parts = [
            (input - read - written, self.input),
            (read, self.cached_input.unwrap_or(self.input)),
            (written, self.cache_write.unwrap_or(self.input)),
            (output - thought - drawn, self.output),
            (drawn, image),
            (thought, self.reasoning.unwrap_or(self.output)),
        ];
        Cost::usd(parts.iter().map(|(tokens, price)| *tokens as f64 * price / 1_000_000.0).sum())
    }

    /// Returns the largest cost of a request with so many tokens: its output may be an image.
    fn at_most(&self, usage: &Usage) -> Cost {
        let image_tokens = self.image.and(usage.output_tokens);
        let drawn = self.of(&Usage { image_tokens, ..*usage });
        let written = self.of(usage);
        if drawn.nano_usd() > written.nano_usd() { drawn } else { written }
    }

    fn mistake(&self) -> Option<&'static str> {
        let all = [Some(self.input), Some(self.output), self.cached_input, self.cache_write];
        let mut all = all.into_iter().chain([self.reasoning, self.image]).flatten();
        all.any(|price| !price.is_finite() || price < 0.0).then_some("a price is a number from 0")
    }
}

/// The day on which the built-in prices were last compared with those of the providers.
///
/// ```
/// println!("prices of {}", stepwright_core::cost::PRICES_AS_OF);
/// ```
pub const PRICES_AS_OF: &str = "2025-10-01";

/// A built-in price: model, input, cached input, cache write, output.
type Row = (&'static str, f64, Option<f64>, Option<f64>, f64);

/// The built-in prices of models that draw: model, input, output, output that is an image.
const DRAWING: &[(&str, f64, f64, f64)] = &[("google:gemini-2.5-flash-image", 0.3, 2.5, 30.0)];

/// The built-in prices, which are those of [`PRICES_AS_OF`]. Only prices that do not depend on the
/// length of the input are here.
const BUILT_IN: &[Row] = &[
    ("openai:gpt-5", 1.25, Some(0.125), None, 10.0),
    ("openai:gpt-5-mini", 0.25, Some(0.025), None, 2.0),
    ("openai:gpt-5-nano", 0.05, Some(0.005), None, 0.4),
    ("openai:gpt-4.1", 2.0, Some(0.5), None, 8.0),
    ("openai:gpt-4.1-mini", 0.4, Some(0.1), None, 1.6),
    ("openai:gpt-4.1-nano", 0.1, Some(0.025), None, 0.4),
    ("openai:gpt-4o", 2.5, Some(1.25), None, 10.0),
    ("openai:gpt-4o-mini", 0.15, Some(0.075), None, 0.6),
    ("openai:o3", 2.0, Some(0.5), None, 8.0),
    ("openai:o4-mini", 1.1, Some(0.275), None, 4.4),
    ("anthropic:claude-opus-4-1", 15.0, Some(1.5), Some(18.75), 75.0),
    ("anthropic:claude-opus-4", 15.0, Some(1.5), Some(18.75), 75.0),
    ("anthropic:claude-haiku-4-5", 1.0, Some(0.1), Some(1.25), 5.0),
    ("anthropic:claude-3-5-haiku", 0.8, Some(0.08), Some(1.0), 4.0),
    // This model runs in the program itself.
    ("offline:extract", 0.0, None, None, 0.0),
];

/// The prices of models by name.
///
/// ```
/// use stepwright_core::cost::{Price, Prices};
/// let mut prices = Prices::built_in();
/// assert_eq!(prices.of("openai:gpt-5-mini").unwrap().output, 2.0);
/// // A name with the date of its version has the price of the name.
/// assert!(prices.of("openai:gpt-5-mini-2025-08-07").is_some());
/// assert_eq!(prices.of("openai-chat:in-house"), None);
/// prices.set("openai-chat:in-house", Price::new(0.1, 0.2));
/// assert!(prices.of("openai-chat:in-house").is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices(BTreeMap<String, Price>);

impl Prices {
    /// Returns the prices that this version knows. They are those of [`PRICES_AS_OF`].
    pub fn built_in() -> Self {
        let row = |&(model, input, cached_input, cache_write, output): &Row| {
            let price = Price { cached_input, cache_write, ..Price::new(input, output) };
            (model.to_owned(), price)
        };
        let drawing = |&(model, input, output, image): &(&str, f64, f64, f64)| {
            (model.to_owned(), Price { image: Some(image), ..Price::new(input, output) })
        };
        Self(BUILT_IN.iter().map(row).chain(DRAWING.iter().map(drawing)).collect())
    }

    /// Sets the price of a model.
    pub fn set(&mut self, model: impl Into<String>, price: Price) {
        self.0.insert(model.into(), price);
    }

    /// Adds prices, which override those that are there.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the price of a model: that of its whole name, or of the name without a date at its
    /// end.
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.0.get(model).or_else(|| self.0.get(without_date(model)?))
    }

    /// Returns all prices by model.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.0.iter().map(|(model, price)| (model.as_str(), price))
    }

    /// Returns the cost of a request to a model.
    ///
    /// ```
    /// use stepwright_core::cost::{Cost, Prices};
    /// use stepwright_core::message::Usage;
    /// let usage = Usage { input_tokens: Some(9), output_tokens: Some(9), ..Usage::default() };
    /// assert_eq!(Prices::default().cost("openai:gpt-5", &usage), Cost::UNPRICED);
    /// ```
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.of(model).map_or(Cost::UNPRICED, |price| price.of(usage))
    }

    /// Returns the largest cost of a request with so many tokens. Output may be an image, which
    /// costs more than text.
    ///
    /// ```
    /// use stepwright_core::cost::{Price, Prices};
    /// use stepwright_core::message::Usage;
    /// let mut prices = Prices::default();
    /// prices.set("in-house:draw", Price { image: Some(30.0), ..Price::new(1.0, 2.0) });
    /// let most = Usage {
    ///     input_tokens: Some(0),
    ///     output_tokens: Some(1_000_000),
    ///     ..Usage::default()
    /// };
    /// assert_eq!(prices.cost("in-house:draw", &most).to_string(), "$2.00");
    /// assert_eq!(prices.at_most("in-house:draw", &most).to_string(), "$30.00");
    /// ```
    pub fn at_most(&self, model: &str, usage: &Usage) -> Cost {
        self.of(model).map_or(Cost::UNPRICED, |price| price.at_most(usage))
    }
}

/// Prices are an object: `{"openai:gpt-5": {"input": 1.25, "output": 10}}`.
impl<'de> Deserialize<'de> for Prices {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let prices = BTreeMap::<String, Price>::deserialize(deserializer)?;
        match prices.iter().find_map(|(model, price)| Some((model, price.mistake()?))) {
            Some((model, why)) => Err(serde::de::Error::custom(format!("`{model}`: {why}"))),
            None => Ok(Self(prices)),
        }
    }
}

/// Removes `-20250929` or `-2025-09-29` from the end of a name.
fn without_date(model: &str) -> Option<&str> {
    let is_date = |text: &str| {
        let shape: String =
            text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        matches!(shape.as_str(), "-00000000" | "-0000-00-00")
    };
    [9, 11]
        .into_iter()
        .find_map(|length| {
            let at = model.len().checked_sub(length)?;
            model.is_char_boundary(at).then(|| model.split_at(at)).filter(|(_, end)| is_date(end))
        })
        .map(|(name, _)| name)
}
