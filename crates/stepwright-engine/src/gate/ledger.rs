//! The ledger of a run: what its agents have used, what is reserved, and the budgets around them.
//! It is a fold of the facts, so it survives a restart.

use super::spent::{Spent, Tokens};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use std::task::Waker;
use stepwright_core::budget::{
    ASSUMED_OUTPUT_TOKENS, AtLimit, Budget, BudgetLeft, Limit, WARNING_PERCENT,
};
use stepwright_core::cost::{Cost, Prices};
use stepwright_core::event::{EventClass, EventRef, Reply, SessionUsed};
use stepwright_core::gate::Demand;
use stepwright_core::message::{AssistantTurn, Usage};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Event, EventKind, StepPath, Timestamp};

/// The bytes of text that are counted as a token where a provider reports no usage.
const BYTES_OF_TOKEN: u64 = 4;

/// The bytes of text that are at least a token, also of long words: a request that does not even
/// have room for so many tokens is not sent.
const CERTAIN_BYTES_OF_TOKEN: u64 = 8;

/// The output tokens that are counted for an interrupted request without a limit of its output.
const INTERRUPTED_OUTPUT_TOKENS: u64 = 4096;

/// The consumption of a run.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The amounts by the path of the step, or of the call, that used them.
    spent: FxHashMap<StepPath, Spent>,
    /// The amounts of earlier runs of the session, and their milliseconds.
    before: Spent,
    before_ms: u64,
    /// The model of the agent at a path.
    models: FxHashMap<StepPath, Arc<str>>,
    /// The requests that have begun and not ended, with their largest numbers of tokens.
    requests: FxHashMap<StepPath, Tokens>,
    scopes: Vec<Scope>,
    held: FxHashMap<u64, Held>,
    next: u64,
    waiting: Vec<Waker>,
    /// Requests to people for more.
    questions: FxHashMap<Arc<str>, Question>,
    raised: FxHashMap<LimitKey, Raised>,
    warned: FxHashSet<LimitKey>,
    /// The times in which no process drove the run, or the run was paused.
    pauses: Vec<(Timestamp, Timestamp)>,
    last: Timestamp,
}

/// A budget, and the path that it belongs to.
struct Scope {
    path: StepPath,
    budget: Budget,
    began: Timestamp,
    /// `true` for the budget of the session, to which earlier runs count.
    is_session: bool,
}

impl Scope {
    fn key(&self, limit: Limit) -> LimitKey {
        (self.path.clone(), self.is_session, limit)
    }
}

struct Held {
    path: StepPath,
    amount: Spent,
}

struct Question {
    key: LimitKey,
    of: u64,
    /// The number of answers about this limit before.
    round: u32,
}

#[derive(Clone, Copy, Default)]
struct Raised {
    by: u64,
    rounds: u32,
}

/// The outcome of a demand.
pub(crate) enum Reserved {
    /// No budget is around the step.
    Free,
    /// The amount is reserved under this number.
    Held { number: u64, tokens: Option<[u64; 2]>, is_last: bool },
    /// Others hold what is left. Their end wakes the task.
    Wait,
    /// A limit is reached.
    Spent(Exhausted),
    /// A budget limits the cost, and the model has no price.
    Unpriced { scope: StepPath },
}

/// A limit that is reached.
#[derive(Clone, Debug)]
pub(crate) struct Exhausted {
    pub(crate) scope: StepPath,
    pub(crate) is_session: bool,
    pub(crate) limit: Limit,
    pub(crate) used: u64,
    pub(crate) of: u64,
    /// The least that the demand uses.
    pub(crate) least: u64,
    pub(crate) at_limit: AtLimit,
    /// The number of answers about this limit before.
    pub(crate) round: u32,
}

/// A limit of a budget: the path of the budget, `true` for that of the session, and the limit.
pub(crate) type LimitKey = (StepPath, bool, Limit);

impl Ledger {
    /// Computes the ledger of a run that is resumed.
    pub(crate) fn of(past: &[Event], prices: &Prices) -> Self {
        let mut ledger = Self::default();
        for event in past {
            ledger.apply(&event.into(), prices);
        }
        // The providers may have answered the requests that were under way.
        for (path, tokens) in std::mem::take(&mut ledger.requests) {
            ledger.interrupted(&path, tokens, prices);
        }
        ledger
    }

    fn interrupted(&mut self, path: &StepPath, Tokens(input, output): Tokens, prices: &Prices) {
        let is_assumed = output == ASSUMED_OUTPUT_TOKENS;
        let tokens = if is_assumed {
            Tokens(input.div_ceil(BYTES_OF_TOKEN), INTERRUPTED_OUTPUT_TOKENS)
        } else {
            Tokens(input, output)
        };
        let nano_usd = self.price(path, &tokens.usage(), prices);
        let spent = Spent { tokens: tokens.sum(), nano_usd, ..Spent::default() };
        *self.spent.entry(path.clone()).or_default() += spent;
    }

    fn price(&self, path: &StepPath, usage: &Usage, prices: &Prices) -> u64 {
        let model = self.models.get(path);
        model.map_or(0, |model| prices.cost(model, usage).nano_usd())
    }

    /// Adds the budget of the session, with the amounts that its earlier runs have used.
    pub(crate) fn enter_session(&mut self, budget: &Budget, used: SessionUsed, began: Timestamp) {
        (self.before, self.before_ms) = (used.into(), used.time_ms);
        self.enter(&StepPath::root(), budget, began, true);
    }

    /// Adds a budget for everything at or beneath `path`, unless it is there.
    pub(crate) fn enter(
        &mut self,
        path: &StepPath,
        budget: &Budget,
        began: Timestamp,
        is_session: bool,
    ) {
        let is_here = self.scopes.iter().any(|scope| {
            scope.path == *path && scope.budget == *budget && scope.is_session == is_session
        });
        if !is_here {
            let (path, budget) = (path.clone(), budget.clone());
            self.scopes.push(Scope { path, budget, began, is_session });
        }
    }

    /// Removes the budgets at and beneath a path that has ended.
    fn leave(&mut self, path: &StepPath) {
        if !self.scopes.is_empty() {
            self.scopes.retain(|scope| scope.path.is_root() || !path.contains(&scope.path));
        }
    }

    /// Leaves the origin of a fork, which has paid for the facts so far. The amounts that a person
    /// has added to budgets remain, because their questions are not asked again.
    fn fork(&mut self, now: Timestamp) {
        self.spent.clear();
        self.requests.clear();
        self.warned.clear();
        self.pauses = vec![(Timestamp::default(), now)];
    }

    /// Applies a fact. Returns the warnings that follow from it.
    pub(crate) fn apply(
        &mut self,
        fact: &EventRef<'_>,
        prices: &Prices,
    ) -> Vec<(StepPath, EventKind)> {
        use EventKind as E;
        let path = fact.path;
        let mut is_use = true;
        match fact.kind {
            E::RunStarted { model, .. } => {
                self.models.insert(path.clone(), model.clone());
                is_use = false;
            }
            E::ModelRequestStarted { reserved, .. } => {
                self.spent.entry(path.clone()).or_default().model_calls += 1;
                // From here on its fact counts the call, and the reservation only its tokens.
                if let Some(amount) = self.held_at(path, |amount| amount.model_calls > 0) {
                    amount.model_calls -= 1;
                }
                if let Some([input, output]) = reserved {
                    self.requests.insert(path.clone(), Tokens(*input, *output));
                }
            }
            E::ModelRequestCompleted { answer, usage, cost, .. } => {
                let began = self.requests.remove(path);
                let (tokens, nano_usd) = self.used(path, answer, usage, *cost, began, prices);
                let spent = Spent { tokens, nano_usd, ..Spent::default() };
                *self.spent.entry(path.clone()).or_default() += spent;
            }
            E::ModelRequestInterrupted { partial, .. } => {
                let (began, usage) = (self.requests.remove(path), Usage::default());
                let answer = AssistantTurn::text_only(&**partial);
                let (tokens, nano_usd) = self.used(path, &answer, &usage, None, began, prices);
                let spent = Spent { tokens, nano_usd, ..Spent::default() };
                *self.spent.entry(path.clone()).or_default() += spent;
            }
            E::ModelRequestRetrying { usage, .. } | E::RunError { usage, .. } => {
                if matches!(fact.kind, E::RunError { .. }) {
                    self.requests.remove(path);
                }
                if usage.is_empty() {
                    is_use = false;
                } else {
                    let nano_usd = self.price(path, usage, prices);
                    let tokens = usage.total_tokens();
                    let spent = Spent { tokens, nano_usd, ..Spent::default() };
                    *self.spent.entry(path.clone()).or_default() += spent;
                }
            }
            E::GuardrailJudged { judged } if judged.usage.is_empty() => is_use = false,
            E::GuardrailJudged { judged } => {
                let nano_usd = match judged.cost {
                    Some(cost) => cost.nano_usd(),
                    None => self.price(path, &judged.usage, prices),
                };
                let tokens = judged.usage.total_tokens();
                let spent = Spent { tokens, nano_usd, model_calls: 1, ..Spent::default() };
                *self.spent.entry(path.clone()).or_default() += spent;
            }
            E::ToolCallStarted { .. } => {
                self.spent.entry(path.clone()).or_default().tool_calls += 1;
                if let Some(amount) = self.held_at(path, |amount| amount.tool_calls > 0) {
                    amount.tool_calls -= 1;
                }
            }
            E::DeciderRecorded { fact: kind } => {
                return self.apply(&EventRef { kind, ..*fact }, prices);
            }
            E::BudgetWarning { of_session, limit, .. } => {
                self.warned.insert((path.clone(), *of_session, *limit));
                is_use = false;
            }
            E::WorkflowContinued { .. } | E::WorkflowRetried { .. } => {
                self.pauses.push((self.last, fact.time));
                is_use = false;
            }
            E::WorkflowForked(_) => {
                self.fork(fact.time);
                is_use = false;
            }
            kind => {
                is_use = false;
                if let Some(asked) = kind.requirement() {
                    if let RequirementKind::Budget { scope, of_session, limit, of, .. } =
                        &asked.kind
                    {
                        let key = (scope.clone(), *of_session, *limit);
                        let round = self.rounds(&key);
                        self.questions.insert(asked.id.clone(), Question { key, of: *of, round });
                    }
                } else if let Some(reply) = kind.reply() {
                    self.replied(reply);
                } else if matches!(kind.class(), EventClass::StepEnded(_)) || kind.end().is_some() {
                    self.requests.retain(|at, _| !path.contains(at));
                    self.leave(path);
                }
            }
        }
        self.last = fact.time;
        if is_use { self.warnings(fact) } else { Vec::new() }
    }

    /// Returns the tokens and the cost of an answered request. A provider that reports no usage has
    /// used something all the same.
    fn used(
        &self,
        path: &StepPath,
        answer: &AssistantTurn,
        usage: &Usage,
        cost: Option<Cost>,
        began: Option<Tokens>,
        prices: &Prices,
    ) -> (u64, u64) {
        let is_reported = usage.input_tokens.is_some() || usage.output_tokens.is_some();
        if is_reported {
            let nano = cost.map_or_else(|| self.price(path, usage, prices), Cost::nano_usd);
            return (usage.total_tokens(), nano);
        }
        let input = began.map_or(0, |tokens| tokens.0).div_ceil(BYTES_OF_TOKEN);
        let output = u64::try_from(answer.text().len()).unwrap_or(u64::MAX);
        let tokens = Tokens(input, output.div_ceil(BYTES_OF_TOKEN));
        (tokens.sum(), self.price(path, &tokens.usage(), prices))
    }

    fn rounds(&self, key: &LimitKey) -> u32 {
        self.raised.get(key).map_or(0, |raised| raised.rounds)
    }

    fn replied(&mut self, reply: &Reply) {
        let Some(Question { key, of, round }) = self.questions.remove(&reply.requirement_id) else {
            return;
        };
        let by = match &reply.answer {
            Answer::Approve => of,
            Answer::Submit { value } => key.2.amount_of(value).unwrap_or(0),
            _ => return,
        };
        let raised = self.raised.entry(key.clone()).or_default();
        // Of several questions about one limit, the first answer counts.
        if raised.rounds == round {
            raised.by = raised.by.saturating_add(by);
            raised.rounds += 1;
            self.warned.remove(&key);
            self.wake();
        }
    }

    /// Returns the limit that a request for more names.
    pub(crate) fn asked_about(&self, id: &str) -> Option<LimitKey> {
        self.questions.get(id).map(|question| question.key.clone())
    }

    /// Returns an amount that is reserved at a path.
    fn held_at(&mut self, path: &StepPath, is: impl Fn(&Spent) -> bool) -> Option<&mut Spent> {
        let held = self.held.values_mut().find(|held| held.path == *path && is(&held.amount));
        held.map(|held| &mut held.amount)
    }

    fn spent_in(&self, scope: &Scope) -> Spent {
        let mut sum = if scope.is_session { self.before } else { Spent::default() };
        let inside = self.spent.iter().filter(|(path, _)| scope.path.contains(path));
        inside.for_each(|(_, spent)| sum += *spent);
        sum
    }

    fn held_in(&self, scope: &Scope) -> Spent {
        let mut sum = Spent::default();
        let inside = self.held.values().filter(|held| scope.path.contains(&held.path));
        inside.for_each(|held| sum += held.amount);
        sum
    }

    /// Returns the milliseconds since the beginning of a scope, without pauses.
    fn elapsed(&self, scope: &Scope, now: Timestamp) -> u64 {
        let paused: u64 = self
            .pauses
            .iter()
            .filter(|(_, end)| end.0 > scope.began.0)
            .map(|(begin, end)| end.0.saturating_sub(begin.0.max(scope.began.0)))
            .sum();
        let before = if scope.is_session { self.before_ms } else { 0 };
        now.0.saturating_sub(scope.began.0).saturating_sub(paused).saturating_add(before)
    }

    fn limit_of(&self, scope: &Scope, limit: Limit) -> Option<u64> {
        let amount = scope.budget.limit(limit)?;
        let raised = self.raised.get(&scope.key(limit)).map_or(0, |raised| raised.by);
        Some(amount.saturating_add(raised))
    }

    fn warnings(&self, fact: &EventRef<'_>) -> Vec<(StepPath, EventKind)> {
        let (mut warnings, mut told) = (Vec::new(), FxHashSet::default());
        for scope in self.scopes.iter().filter(|scope| scope.path.contains(fact.path)) {
            let mut spent = None;
            for limit in Limit::ALL {
                let Some(of) = self.limit_of(scope, limit) else { continue };
                if self.warned.contains(&scope.key(limit)) {
                    continue;
                }
                let used = match limit {
                    Limit::Time => self.elapsed(scope, fact.time),
                    limit => spent.get_or_insert_with(|| self.spent_in(scope)).of(limit),
                };
                let is_near =
                    u128::from(used) * 100 >= u128::from(of) * u128::from(WARNING_PERCENT);
                if is_near && told.insert(scope.key(limit)) {
                    let of_session = scope.is_session;
                    let kind = EventKind::BudgetWarning { of_session, limit, used, of };
                    warnings.push((scope.path.clone(), kind));
                }
            }
        }
        warnings
    }

    /// Reserves the amounts of a demand in all budgets around `path`. Steps beneath `after` clean
    /// up what others have left: budgets around it count what they use, and do not stop them.
    pub(crate) fn reserve(
        &mut self,
        (path, after): (&StepPath, Option<&StepPath>),
        demand: &Demand,
        now: Timestamp,
        prices: &Prices,
    ) -> Reserved {
        let stops = |scope: &&Scope| {
            scope.path.contains(path) && !after.is_some_and(|after| scope.path.contains(after))
        };
        let mut around = self.scopes.iter().filter(stops).peekable();
        if around.peek().is_none() {
            return Reserved::Free;
        }
        let (mut amount, mut least, mut last) = (Spent::default(), Spent::default(), None);
        let mut tokens = None;
        match demand {
            Demand::ToolCall => (amount.tool_calls, least.tool_calls) = (1, 1),
            Demand::Request { models, tokens: (input, output), before } => {
                let costs = |usage: Usage| models.iter().map(move |m| prices.at_most(m, &usage));
                let dearest = |usage: Usage| costs(usage).map(Cost::nano_usd).max().unwrap_or(0);
                let cheapest = |usage: Usage| costs(usage).map(Cost::nano_usd).min().unwrap_or(0);
                let most = Tokens(*input, *output);
                // A conversation only grows, so its next request has more input than the last.
                let grown = before.and_then(|usage| usage.input_tokens);
                let certain = Tokens(grown.unwrap_or(input / CERTAIN_BYTES_OF_TOKEN), 1);
                let limits_cost = around.clone().find(|scope| scope.budget.usd.is_some());
                if let Some(scope) = limits_cost
                    && costs(most.usage()).any(|cost| cost.unpriced_requests() > 0)
                {
                    return Reserved::Unpriced { scope: scope.path.clone() };
                }
                amount = Spent {
                    tokens: most.sum(),
                    nano_usd: dearest(most.usage()),
                    model_calls: 1,
                    tool_calls: 0,
                };
                least = Spent {
                    tokens: certain.sum(),
                    nano_usd: cheapest(certain.usage()),
                    model_calls: 1,
                    tool_calls: 0,
                };
                tokens = Some([*input, *output]);
                last = before.map(|usage| Spent {
                    tokens: usage.total_tokens(),
                    nano_usd: dearest(usage),
                    ..Spent::default()
                });
            }
            _ => {}
        }
        let (mut waits, mut is_last) = (false, false);
        for scope in around {
            let (spent, held) = (self.spent_in(scope), self.held_in(scope));
            for limit in Limit::ALL {
                let Some(of) = self.limit_of(scope, limit) else { continue };
                let used = match limit {
                    Limit::Time => self.elapsed(scope, now),
                    limit => spent.of(limit),
                };
                let (held, amount, least) = (held.of(limit), amount.of(limit), least.of(limit));
                // The number of calls is known: whatever is held will be used.
                let is_certain = matches!(limit, Limit::ModelCalls | Limit::ToolCalls);
                let is_spent = match limit {
                    Limit::Time => used >= of,
                    _ if is_certain => amount > 0 && used.saturating_add(held) >= of,
                    _ => amount > 0 && used.saturating_add(least) > of,
                };
                if is_spent {
                    let exhausted = Exhausted {
                        scope: scope.path.clone(),
                        is_session: scope.is_session,
                        limit,
                        used: used.saturating_add(if is_certain { held } else { 0 }),
                        of,
                        least,
                        at_limit: scope.budget.at_limit,
                        round: self.rounds(&scope.key(limit)),
                    };
                    return Reserved::Spent(exhausted);
                }
                let fits = used.saturating_add(held).saturating_add(amount) <= of;
                // What does not fit goes alone, so that one answer at most exceeds the budget.
                waits |= amount > 0 && !fits && held > 0;
                if scope.budget.at_limit == AtLimit::WrapUp && amount > 0 {
                    let left = of.saturating_sub(used).saturating_sub(held);
                    is_last |= match limit {
                        Limit::ModelCalls => left <= 1,
                        Limit::Tokens | Limit::Usd => last.is_some_and(|last| {
                            let last = last.of(limit);
                            last > 0 && left < last.saturating_mul(2)
                        }),
                        _ => false,
                    };
                }
            }
            // Without tool calls an agent can only finish.
            if scope.budget.at_limit == AtLimit::WrapUp
                && amount.model_calls > 0
                && let Some(of) = self.limit_of(scope, Limit::ToolCalls)
            {
                is_last |= spent.tool_calls.saturating_add(held.tool_calls) >= of;
            }
        }
        if waits {
            return Reserved::Wait;
        }
        let number = self.next;
        self.next += 1;
        self.held.insert(number, Held { path: path.clone(), amount });
        Reserved::Held { number, tokens, is_last }
    }

    /// Releases a reservation.
    pub(crate) fn release(&mut self, number: u64) {
        if self.held.remove(&number).is_some() {
            self.wake();
        }
    }

    /// Wakes this task when a reservation is released.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|other| other.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// Wakes all tasks that wait for a release or a raise.
    fn wake(&mut self) {
        for waker in std::mem::take(&mut self.waiting) {
            waker.wake();
        }
    }

    /// Returns `true` if a budget limits the cost around `path`, or anything else.
    pub(crate) fn is_limited(&self, path: &StepPath) -> bool {
        self.scopes.iter().any(|scope| scope.path.contains(path))
    }

    /// Returns the amounts that are left around `path`: of several budgets, the smallest.
    pub(crate) fn left(&self, path: &StepPath, now: Timestamp) -> Option<BudgetLeft> {
        let mut left: Option<BudgetLeft> = None;
        for scope in self.scopes.iter().filter(|scope| scope.path.contains(path)) {
            let (mut used, held) = (self.spent_in(scope), self.held_in(scope));
            used += held;
            let least = |here: Option<u64>, limit: Limit| {
                let used = match limit {
                    Limit::Time => self.elapsed(scope, now),
                    limit => used.of(limit),
                };
                let left = self.limit_of(scope, limit).map(|of| of.saturating_sub(used));
                here.into_iter().chain(left).min()
            };
            let before = left.take().unwrap_or_default();
            let nano = before.usd.map(Cost::nano_usd);
            left = Some(BudgetLeft {
                tokens: least(before.tokens, Limit::Tokens),
                usd: least(nano, Limit::Usd).map(Cost::of_nano_usd),
                time_ms: least(before.time_ms, Limit::Time),
                model_calls: least(before.model_calls, Limit::ModelCalls),
                tool_calls: least(before.tool_calls, Limit::ToolCalls),
            });
        }
        left
    }
}
