//! The news feed and its token.

use crate::markup;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A news article.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct NewsArticle {
    title: String,
    url: String,
    snippet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

#[derive(Deserialize)]
struct Feed {
    results: Vec<FeedItem>,
}

#[derive(Deserialize)]
struct FeedItem {
    title: String,
    url: String,
    #[serde(default)]
    excerpt: String,
    #[serde(default)]
    date: Value,
    source: Option<String>,
}

/// Returns the token in a page. The feed is only served to clients that loaded the page.
pub(super) fn token(page: &str) -> Option<&str> {
    let signs = [("vqd=\"", '"'), ("vqd='", '\''), ("vqd=", '&')];
    signs.into_iter().find_map(|(before, after)| {
        let (_, rest) = page.split_once(before)?;
        let (token, _) = rest.split_once(after)?;
        let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (!token.is_empty() && token.chars().all(is_token)).then_some(token)
    })
}

/// Parses a feed. Returns `None` if its format is unknown.
pub(super) fn read(json: &str) -> Option<Vec<NewsArticle>> {
    let feed: Feed = stepwright_core::json::read(json).ok()?;
    let mut news: Vec<NewsArticle> = Vec::new();
    for item in feed.results {
        if news.iter().all(|other| other.url != item.url) {
            news.push(NewsArticle {
                title: markup::text(&item.title),
                snippet: markup::text(&item.excerpt),
                date: match item.date {
                    Value::Number(seconds) => seconds.as_u64().map(moment),
                    Value::String(text) => Some(text),
                    _ => None,
                },
                source: item.source.filter(|source| !source.is_empty()),
                url: item.url,
            });
        }
    }
    Some(news)
}

/// Formats seconds since 1970 as `2026-11-22T19:48:07Z`.
fn moment(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Count days from the first of March, so that the leap day is the last day of a year; all eras
    // of 400 years are alike.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_write_them() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_376_887, "2026-11-22T19:48:07Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(moment(seconds), expected);
        }
    }

    #[test]
    fn the_token_is_found_in_every_form_that_was_seen() {
        let cases = [
            ("rq=\"ants\",vqd=\"4-4534_97\",safe_ddg=0", Some("4-4534_97")),
            ("vqd='4-12'; x", Some("4-12")),
            ("d.js?q=ants&vqd=4-99&p_ent=", Some("4-99")),
            ("vqd=\"\"", None),
            ("vqd=<b>&", None),
            ("nothing", None),
        ];
        for (page, expected) in cases {
            assert_eq!(token(page), expected, "{page}");
        }
    }
}
