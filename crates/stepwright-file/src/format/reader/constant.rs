//! Values that are the same for every run: words, numbers, durations and lists.

use super::{Fields, Reader};
use crate::duration;
use crate::format::{Earlier, Limits, Word};
use crate::suggest::{closest, listed};
use crate::tree::{Node, Yaml};
use std::time::Duration;
use stepwright_core::session::{HISTORY_RUNS, HISTORY_RUNS_MAX};

impl Fields<'_> {
    pub(crate) fn word(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Word> {
        let (_, node) = self.take(name)?;
        reader.constant(node, name)
    }

    pub(crate) fn number(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        range: (u64, u64),
    ) -> Option<u64> {
        let (_, node) = self.take(name)?;
        let (least, most) = range;
        if let Yaml::Number(number) = &node.value {
            match number.as_u64() {
                Some(value) if (least..=most).contains(&value) => Some(value),
                _ => {
                    let message = format!("`{name}` is a whole number from {least} to {most}");
                    reader.push(
                        reader.mistake(node.span, message).label(format!("this is {number}")),
                    );
                    None
                }
            }
        } else {
            reader.wrong_type(node, &format!("`{name}` is a whole number"));
            None
        }
    }

    pub(crate) fn bool(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<bool> {
        let (_, node) = self.take(name)?;
        match &node.value {
            Yaml::Bool(value) => Some(*value),
            Yaml::Text(text) if matches!(text.as_str(), "yes" | "no" | "on" | "off") => {
                let message = format!("`{name}` is true or false");
                let meant = matches!(text.as_str(), "yes" | "on");
                let help = format!("YAML 1.2 reads `{text}` as a text: write `{meant}`");
                let mistake = reader.mistake(node.span, message).label("a text").help(help);
                reader.push(mistake.corrected(Some(meant.to_string())));
                None
            }
            _ => {
                reader.wrong_type(node, &format!("`{name}` is true or false"));
                None
            }
        }
    }

    pub(crate) fn duration(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
    ) -> Option<Duration> {
        let (_, node) = self.take(name)?;
        reader.duration(node, name)
    }

    /// Takes the timeout of a step: a duration for the whole, or a mapping with the idle time.
    /// `can_idle` is `false` for containers and the run, which have no idle time.
    pub(crate) fn limits(&mut self, reader: &mut Reader<'_>, can_idle: bool) -> Limits {
        let Some((_, node)) = self.take("timeout") else { return Limits::default() };
        let Yaml::Map(_) = &node.value else {
            return Limits { total: reader.duration(node, "timeout"), idle: None };
        };
        let Some(mut fields) = Fields::of(reader, node, "`timeout`") else {
            return Limits::default();
        };
        if fields.left.is_empty() {
            let mistake = reader.mistake(node.span, "`timeout` says nothing");
            reader
                .push(mistake.help("write `timeout: 30s`, or `timeout: {total: 10m, idle: 60s}`"));
        }
        let total = fields.duration(reader, "total");
        let idle = fields.take("idle").and_then(|(key, node)| {
            if can_idle {
                return reader.duration(node, "idle").map(|idle| (key, idle));
            }
            let mistake = reader.mistake(key.span, "only steps can be idle");
            reader.push(mistake.help("give it to the steps in here: `timeout: {idle: 60s}`"));
            None
        });
        if let (Some(total), Some((key, idle))) = (total, idle)
            && idle >= total
        {
            let mistake = reader.mistake(key.span, "`idle` is not shorter than `total`");
            reader.push(mistake.label("never reached").help("make it shorter, or leave it out"));
        }
        fields.finish(reader);
        Limits { total, idle: idle.map(|(_, idle)| idle) }
    }

    /// Takes the history setting of a step: a number of runs, a boolean, or a mapping.
    pub(crate) fn history(&mut self, reader: &mut Reader<'_>) -> Option<Earlier> {
        let (_, node) = self.take("history")?;
        if let Yaml::Map(_) = &node.value {
            let mut fields = Fields::of(reader, node, "`history`")?;
            let runs = fields.number(reader, "runs", (1, HISTORY_RUNS_MAX.into()));
            let runs = runs.and_then(|runs| u32::try_from(runs).ok()).unwrap_or(HISTORY_RUNS);
            let completed_only = fields.bool(reader, "completed_only");
            fields.finish(reader);
            return Some(Earlier { runs, completed_only });
        }
        let runs = match &node.value {
            Yaml::Bool(true) => Some(HISTORY_RUNS),
            Yaml::Bool(false) => Some(0),
            Yaml::Number(number) => {
                let runs = number.as_u64().and_then(|runs| u32::try_from(runs).ok());
                let runs = runs.filter(|runs| *runs <= HISTORY_RUNS_MAX);
                if runs.is_none() {
                    let message = format!("`history` is a number of runs, 0 to {HISTORY_RUNS_MAX}");
                    let mistake = reader.mistake(node.span, message);
                    reader.push(mistake.label(format!("this is {number}")));
                }
                runs
            }
            _ => {
                reader.wrong_type(node, "`history` is true, false, or a number of runs");
                None
            }
        };
        runs.map(|runs| Earlier { runs, completed_only: None })
    }

    /// Takes a word from a list.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let (_, node) = self.take(name)?;
        reader.one_of(node, name, choices)
    }
}

impl Reader<'_> {
    pub(crate) fn word(&mut self, node: &Node, name: &str) -> Option<Word> {
        if let Yaml::Text(text) = &node.value {
            Some(Word { text: text.clone(), span: node.span })
        } else {
            self.wrong_type(node, &format!("`{name}` is a text"));
            None
        }
    }

    /// Parses a word from a list.
    pub(crate) fn one_of<T: Clone>(
        &mut self,
        node: &Node,
        name: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let word = self.word(node, name)?;
        let found =
            choices.iter().find(|(choice, _)| *choice == word.text).map(|(_, value)| value.clone());
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            let message = format!("`{name}` is one of {}", listed(&words));
            let help = closest(&word.text, words.iter().copied());
            let help = help.map(|meant| format!("did you mean `{meant}`?"));
            let label = format!("there is no `{}`", word.text);
            let correction = closest(&word.text, words.iter().copied());
            let mistake = self.mistake(word.span, message).label(label).maybe_help(help);
            self.push(mistake.corrected(correction.map(ToOwned::to_owned)));
        }
        found
    }

    pub(crate) fn duration(&mut self, node: &Node, name: &str) -> Option<Duration> {
        const HELP: &str = "a duration has a unit: `500ms`, `30s`, `5m`, `1h30m`";
        match &node.value {
            Yaml::Text(text) => match duration::parse(text) {
                Ok(duration) => Some(duration),
                Err(why) => {
                    let message = format!("`{name}` is a duration, but `{text}` {why}");
                    let help = match duration::meant(text) {
                        Some(meant) => format!("write `{name}: {meant}`"),
                        None => HELP.to_owned(),
                    };
                    let mistake = self.mistake(node.span, message).help(help);
                    self.push(mistake.corrected(duration::meant(text)));
                    None
                }
            },
            Yaml::Number(number) => {
                let message = format!("`{name}` is a duration, but `{number}` has no unit");
                let help = format!("{HELP}; `{name}: {number}s` is seconds");
                self.push(self.mistake(node.span, message).help(help));
                None
            }
            _ => {
                self.wrong_type(node, &format!("`{name}` is a duration such as `30s`"));
                None
            }
        }
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Node]> {
        if let Yaml::List(list) = &node.value {
            Some(list)
        } else {
            self.wrong_type(node, &format!("`{name}` is a list"));
            None
        }
    }
}
