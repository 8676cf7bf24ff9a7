//! The permissions and budgets of a file.

use super::reader::{Fields, Kinds, Reader};
use crate::effects::{KNOWLEDGE, SCRIPT};
use crate::suggest::did_you_mean;
use crate::tree::{Node, Yaml};
use stepwright_core::ErrorId;
use stepwright_core::budget::{AtLimit, Budget};
use stepwright_core::cost::Cost;
use stepwright_core::permission::{Permissions, RULES_MAX, Rule};
use stepwright_models::{LimitScope, ModelLimits};

/// The words of a budget for reaching a limit.
pub(super) const AT_LIMIT: [(&str, AtLimit); 3] =
    [("fail", AtLimit::Fail), ("pause", AtLimit::Pause), ("wrap_up", AtLimit::WrapUp)];

/// The processes whose requests count for the limits of a model.
pub(super) const LIMIT_SCOPES: [(&str, LimitScope); 2] =
    [("store", LimitScope::Store), ("process", LimitScope::Process)];

/// The largest amount of tokens or calls in a budget.
pub(super) const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// Returns the names that rules in a file can use.
pub(crate) fn effect_names(kinds: &Kinds) -> Vec<&'static str> {
    let functions = kinds.builtins.iter().map(|kind| kind.effects);
    let all = functions.chain(kinds.tools.iter().map(|kind| kind.effects));
    let others = ["model"].iter().chain(KNOWLEDGE).chain(SCRIPT);
    let mut names: Vec<&str> = all.flatten().chain(others).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Reader<'_> {
    /// Parses `permissions: {deny: […], ask: […], allow: […]}`. `known` are the names that rules
    /// can use. `None` accepts all names.
    pub(crate) fn permissions(
        &mut self,
        node: &Node,
        known: Option<&[&'static str]>,
    ) -> Option<Permissions> {
        let mut fields = Fields::of(self, node, "`permissions`")?;
        let mut lists = [("deny", Vec::new()), ("ask", Vec::new()), ("allow", Vec::new())];
        for (name, rules) in &mut lists {
            let Some((_, node)) = fields.take(name) else { continue };
            let list = self.list(node, name).unwrap_or_default();
            if list.len() > RULES_MAX {
                let message = format!("`{name}` has at most {RULES_MAX} rules");
                self.push(self.mistake(node.span, message));
            }
            let list = list.iter().take(RULES_MAX);
            rules.extend(list.filter_map(|rule| self.rule(rule, known)));
        }
        fields.finish(self);
        if matches!(&node.value, Yaml::Map(map) if map.is_empty()) {
            let mistake = self.mistake(node.span, "`permissions` says nothing");
            self.push(mistake.help("write `permissions: {allow: [\"shell: git *\"]}`"));
        }
        let [(_, deny), (_, ask), (_, allow)] = lists;
        Some(Permissions { deny, ask, allow })
    }

    /// Parses a rule: a text, or a mapping of a name to a pattern.
    fn rule(&mut self, node: &Node, known: Option<&[&'static str]>) -> Option<Rule> {
        let parsed = match &node.value {
            Yaml::Text(text) => text.parse::<Rule>(),
            Yaml::Map(map) if map.len() == 1 => match &map[0] {
                (key, Node { value: Yaml::Text(pattern), .. }) => {
                    Rule::new(&key.name, Some(pattern))
                }
                (key, pattern) => {
                    let what = format!("the pattern of `{}` is a text", key.name);
                    self.wrong_type(pattern, &what);
                    return None;
                }
            },
            _ => {
                self.wrong_type(node, "a rule is a text such as `shell: git *`");
                return None;
            }
        };
        let rule = match parsed {
            Ok(rule) => rule,
            Err(error) => {
                let mistake = self.mistake(node.span, error.to_string());
                self.push(mistake.coded(ErrorId::PERMISSION_INVALID));
                return None;
            }
        };
        if let Some(known) = known
            && !["mcp:", "harness:"].iter().any(|source| rule.name().starts_with(source))
            && !known.iter().any(|name| rule.is_for(name))
        {
            let message = format!("no effect is called `{}`", rule.name());
            let help = did_you_mean(rule.name(), known, "rules can name");
            let mistake = self.mistake(node.span, message).coded(ErrorId::PERMISSION_INVALID);
            self.push(mistake.maybe_help(help));
            return None;
        }
        Some(rule)
    }

    /// Parses `budget: {tokens: 200000, usd: 1.50, time: 10m, at_limit: pause}`.
    pub(crate) fn budget(&mut self, node: &Node, name: &str) -> Option<Budget> {
        let Yaml::Map(_) = &node.value else {
            let expected = format!("`{name}` is a mapping such as `{{tokens: 200000}}`");
            self.wrong_type(node, &expected);
            return None;
        };
        let before = self.state.mistakes.len();
        let mut fields = Fields::of(self, node, "a budget")?;
        let mut budget = Budget {
            tokens: fields.number(self, "tokens", (1, AMOUNT_MAX)),
            usd: fields.take("usd").and_then(|(_, node)| self.usd(node)),
            model_calls: fields.number(self, "model_calls", (1, AMOUNT_MAX)),
            tool_calls: fields.number(self, "tool_calls", (1, AMOUNT_MAX)),
            ..Budget::default()
        };
        if let Some(time) = fields.duration(self, "time") {
            budget = budget.time(time);
        }
        budget.at_limit = fields.choice(self, "at_limit", &AT_LIMIT).unwrap_or_default();
        fields.finish(self);
        // A limit that cannot be read has been reported.
        if self.state.mistakes.len() == before
            && let Some(mistake) = budget.mistake()
        {
            let help = "set one of `tokens`, `usd`, `time`, `model_calls` and `tool_calls`";
            self.push(self.mistake(node.span, mistake).help(help));
        }
        Some(budget)
    }

    /// Parses `limits: {concurrency: 3, per_minute: 60, scope: process}`.
    pub(crate) fn model_limits(&mut self, node: &Node) -> Option<ModelLimits> {
        let mut fields = Fields::of(self, node, "`limits`")?;
        let mut small = |reader: &mut Self, name| {
            let number = fields.number(reader, name, (1, u64::from(u32::MAX)));
            number.and_then(|number| u32::try_from(number).ok())
        };
        let concurrency = small(self, "concurrency");
        let per_minute = small(self, "per_minute");
        let tokens_per_minute = fields.number(self, "tokens_per_minute", (1, AMOUNT_MAX));
        let scope = fields.choice(self, "scope", &LIMIT_SCOPES).unwrap_or_default();
        fields.finish(self);
        // A scope alone limits nothing.
        if matches!(&node.value, Yaml::Map(map) if map.iter().all(|(key, _)| key.name == "scope")) {
            let mistake = self.mistake(node.span, "`limits` says nothing");
            self.push(mistake.help("write `limits: {concurrency: 3, per_minute: 60}`"));
        }
        Some(ModelLimits { concurrency, per_minute, tokens_per_minute, scope })
    }

    fn usd(&mut self, node: &Node) -> Option<Cost> {
        let amount = match &node.value {
            Yaml::Number(number) => number.as_f64(),
            _ => None,
        };
        let cost = amount.filter(|usd| *usd > 0.0).map(Cost::usd);
        if cost.is_none_or(|cost| cost.is_zero()) {
            self.wrong_type(node, "`usd` is an amount of US dollars above zero, such as `1.50`");
            return None;
        }
        cost
    }
}
