//! Permissions and budgets of steps at work.

use super::Recorder;
use crate::gate::{
    Exhausted, GateSettings, Guard, Guards, Judged, Ledger, LimitKey, Reserved, SessionRules,
};
use crate::stop::Stop;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use stepwright_core::budget::{AtLimit, Budget, BudgetLeft, Limit};
use stepwright_core::context::StepHost;
use stepwright_core::cost::Prices;
use stepwright_core::event::{Event, Reply, WorkflowStarted};
use stepwright_core::gate::{Admission, Demand, Permit, Release, Reservation};
use stepwright_core::permission::{ALLOWED_KEY, Effect, Rule, Verdict};
use stepwright_core::redact::redact;
use stepwright_core::requirement::{RequirementId, RequirementKind};
use stepwright_core::{
    Answer, ErrorCode, ErrorId, EventKind, OnTimeout, Patch, Requirement, StepError, StepPath,
    Timestamp,
};

/// The time after which a step that waits for a budget gives a sign of life.
const SIGN: Duration = Duration::from_secs(1);

/// Returns the permissions of a run, with the rules that its session and the run itself remember.
pub(super) fn guards(
    settings: &GateSettings,
    started: &WorkflowStarted,
    past: &[Event],
) -> Option<Box<Guards>> {
    let mut guards = Guards::new(settings.guards.clone());
    for rule in SessionRules::of(&started.state) {
        guards.remember(rule, false);
    }
    let mut asked: Vec<&Requirement> = Vec::new();
    for event in past {
        asked.extend(event.kind.requirement());
        let Some(reply) = event.kind.reply().filter(|reply| reply.answer == Answer::Always) else {
            continue;
        };
        let about = asked.iter().rfind(|asked| asked.id == reply.requirement_id);
        if let Some(RequirementKind::Permission { rule: Some(rule), for_run, .. }) =
            about.map(|asked| &asked.kind)
        {
            guards.remember(rule, !for_run);
        }
    }
    (!guards.is_empty()).then(|| Box::new(guards))
}

/// Returns the ledger of a run that is resumed, or whose session has a budget.
pub(super) fn ledger(
    settings: &GateSettings,
    started: &WorkflowStarted,
    past: &[Event],
    (prices, now): (&Prices, Timestamp),
) -> Option<Box<Ledger>> {
    if past.is_empty() && settings.session.is_none() {
        return None;
    }
    let mut ledger = Box::new(Ledger::of(past, prices));
    if let Some(budget) = &settings.session {
        let is_fork = |event: &&Event| matches!(event.kind, EventKind::WorkflowForked(_));
        let begun = past.iter().rfind(is_fork).or(past.first());
        let began = begun.map_or(now, |event| event.time);
        ledger.enter_session(budget, started.session_used.unwrap_or_default(), began);
    }
    Some(ledger)
}

impl Recorder {
    /// Notes that a node begins, with the permissions and budgets that belong to it.
    pub(crate) fn enter(&self, node: Option<u32>, path: &StepPath, budgets: &[Budget]) {
        let now = self.clock.now();
        let mut state = self.state();
        if let (Some(node), Some(guards)) = (node, &mut state.guards) {
            guards.enter(node, path);
        }
        let began = state.fold.started_at(path).unwrap_or(now);
        for budget in budgets {
            self.has_budgets.store(true, Ordering::Release);
            state.ledger.get_or_insert_default().enter(path, budget, began, false);
        }
    }

    /// Notes that a workflow begins at `path`, inside of a workflow that a tool call runs, with the
    /// permissions among `guards` that belong to its node.
    pub(crate) fn guard(&self, guards: &[Guard], node: u32, path: &StepPath) {
        let mut state = self.state();
        for guard in guards.iter().filter(|guard| guard.node == Some(node)) {
            let known = state.guards.get_or_insert_with(|| Box::new(Guards::new(Arc::default())));
            known.enter_called(guard, path);
        }
    }

    /// Returns `true` if a budget holds at `path`.
    pub(crate) fn is_limited(&self, path: &StepPath) -> bool {
        self.has_budgets.load(Ordering::Acquire)
            && self.state().ledger.as_ref().is_some_and(|ledger| ledger.is_limited(path))
    }

    /// Returns the amounts that are left of the budgets around `path`.
    pub(crate) fn budget_left(&self, path: &StepPath) -> Option<Arc<BudgetLeft>> {
        if !self.has_budgets.load(Ordering::Acquire) {
            return None;
        }
        let now = self.clock.now();
        self.state().ledger.as_ref()?.left(path, now).map(Arc::new)
    }

    pub(super) async fn permitted(
        &self,
        (asks, at): (&StepPath, &StepPath),
        attempt: u32,
        effect: &Effect,
    ) -> Result<Permit, StepError> {
        let judged = self.state().guards.as_ref().and_then(|guards| guards.judge(at, effect));
        let judged = match judged {
            Some(judged) => judged,
            None if !effect.is_asked() => return Ok(Permit::Granted),
            None => {
                let earlier =
                    self.state().guards.as_ref().and_then(|guards| guards.earlier(effect));
                let (verdict, rule, by) = (Verdict::Ask, None, "the default".into());
                earlier.unwrap_or(Judged { verdict, rule, by })
            }
        };
        let shown: Arc<str> = redact(&effect.to_string()).into();
        match judged.verdict {
            Verdict::Allow => {
                if judged.rule.is_some() {
                    self.judged(asks, &shown, &judged)?;
                }
                Ok(Permit::Granted)
            }
            Verdict::Deny => {
                self.judged(asks, &shown, &judged)?;
                Ok(Permit::Refused(denied(&shown, &judged)))
            }
            _ if self.settings.is_unattended || self.journal.is_none() => {
                self.judged(asks, &shown, &Judged { verdict: Verdict::Deny, ..judged })?;
                Ok(Permit::Refused(not_asked(&shown, effect)))
            }
            _ => self.asked_for(asks, at, attempt, effect, shown, &judged).await,
        }
    }

    /// Asks a person for the permission of an effect.
    async fn asked_for(
        &self,
        asks: &StepPath,
        at: &StepPath,
        attempt: u32,
        effect: &Effect,
        shown: Arc<str>,
        judged: &Judged,
    ) -> Result<Permit, StepError> {
        // Another attempt needs an answer of its own, and so does another effect: the answer to a
        // question about one command must not permit another one.
        let again = if attempt > 1 { format!("@{attempt}") } else { String::new() };
        let id = RequirementId::named(at.clone(), format!("permit{again}"), effect.digest());
        let id: Arc<str> = id.into();
        if self.pending.asked(&id).is_none() {
            if let Some(earlier) = self.said_meanwhile(effect).await {
                self.judged(asks, &shown, &earlier)?;
                return Ok(Permit::Granted);
            }
            self.judged(asks, &shown, judged)?;
        }
        let rule = effect.rule().filter(|rule| rule.parse::<Rule>().is_ok());
        let (rule, for_run) = (rule.map(Arc::<str>::from), effect.is_of_run());
        let for_run = for_run && rule.is_some();
        let requirement = Requirement {
            id,
            path: at.clone(),
            kind: RequirementKind::Permission {
                effect: shown.clone(),
                rule: rule.clone(),
                for_run,
            },
            message: format!("May `{at}` do this: {shown}").into(),
            due: None,
            on_timeout: OnTimeout::default(),
        };
        let answer = StepHost::ask(self, asks, requirement).await?;
        Ok(match answer {
            Answer::Approve => Permit::Granted,
            Answer::Always => {
                if let Some(rule) = &rule {
                    let none = || Box::new(Guards::new([].into()));
                    self.state().guards.get_or_insert_with(none).remember(rule, !for_run);
                    self.keep_rules().await;
                }
                Permit::Granted
            }
            Answer::Reject { feedback } => {
                let why = feedback.map(|why| format!(": {why}")).unwrap_or_default();
                let what = format!("a person did not permit `{shown}`{why}");
                let error = StepError::terminal(what).with_code(ErrorCode::Rejected);
                Permit::Refused(error.with_id(ErrorId::EFFECT_REFUSED))
            }
            other => Permit::Refused(
                StepError::terminal(format!("`{shown}` was answered with {other}"))
                    .with_code(ErrorCode::Rejected)
                    .with_id(ErrorId::EFFECT_REFUSED),
            ),
        })
    }

    /// Records a decision.
    fn judged(&self, at: &StepPath, effect: &Arc<str>, judged: &Judged) -> Result<(), StepError> {
        let kind = EventKind::EffectJudged {
            effect: effect.clone(),
            verdict: judged.verdict,
            rule: judged.rule.as_ref().map(|rule| rule.to_string().into()),
            by: judged.by.clone(),
        };
        self.time_passes();
        self.record(at, kind).map_err(|stop| stopped(&stop))
    }

    /// Returns what a person has said about an effect since the run began, in answer to another run
    /// of the session. A session that cannot be read says nothing: the person is asked.
    async fn said_meanwhile(&self, effect: &Effect) -> Option<Judged> {
        let rules = {
            let _working = self.pending.work();
            self.session_rules()?.load().await.ok()?
        };
        let mut state = self.state();
        let guards = state.guards.get_or_insert_with(|| Box::new(Guards::new([].into())));
        for rule in &rules {
            guards.remember(rule, false);
        }
        guards.earlier(effect)
    }

    /// Waits until all facts recorded so far are in the journal, and the rules of this run in its
    /// session.
    pub(crate) async fn settle_rules(&self) -> Result<(), Stop> {
        self.settle().await?;
        self.keep_rules().await;
        Ok(())
    }

    /// Adds the rules of this run to those of its session, where other runs find them at once. What
    /// cannot be added now is added at the end of the run, or when it is resumed.
    async fn keep_rules(&self) {
        let added = self.state().guards.as_ref().map(|guards| guards.added().to_vec());
        let Some(added) = added.filter(|added| !added.is_empty()) else { return };
        let Some(rules) = self.session_rules() else { return };
        let _working = self.pending.work();
        if rules.add(&added, self.clock.now()).await.is_ok()
            && let Some(guards) = &mut self.state().guards
        {
            guards.kept(&added);
        }
    }

    fn session_rules(&self) -> Option<SessionRules<'_>> {
        let journal = self.journal.as_ref()?;
        Some(SessionRules { store: &journal.store, session: &self.run.session_id })
    }

    /// Returns the changes of the session state with the rules that the session may not have yet.
    pub(super) fn remembered(&self) -> Vec<Patch> {
        let state = self.state();
        let Some(guards) = &state.guards else { return Vec::new() };
        guards.added().iter().map(|rule| Patch::append(ALLOWED_KEY, rule.to_string())).collect()
    }

    /// Reserves what an effect takes. Without `may_ask`, a budget that would ask a person for more
    /// is spent.
    pub(crate) async fn reserved(
        self: &Arc<Self>,
        step: &StepPath,
        demand: &Demand,
        may_ask: bool,
    ) -> Result<Admission, StepError> {
        if !self.is_limited(step) {
            return Ok(Admission::Granted(Reservation::free()));
        }
        let mut is_told = false;
        loop {
            self.time_passes();
            let outcome = poll_fn(|cx| {
                let now = self.clock.now();
                let mut state = self.state();
                let after = state.fold.after_around(step).cloned();
                let ledger = state.ledger.get_or_insert_default();
                let place = (step, after.as_ref());
                let outcome = ledger.reserve(place, demand, now, &self.prices);
                if matches!(outcome, Reserved::Wait) {
                    ledger.wait(cx.waker());
                    if is_told {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(outcome)
            });
            let outcome = if is_told {
                // A step that waits for others is not idle.
                let Some(outcome) = self.clock.world().timeout(SIGN, outcome).await else {
                    StepHost::keep_alive(&**self, &step.step());
                    continue;
                };
                outcome
            } else {
                outcome.await
            };
            let exhausted = match outcome {
                Reserved::Free => return Ok(Admission::Granted(Reservation::free())),
                Reserved::Held { number, tokens, is_last } => {
                    let host: Arc<dyn Release> = self.clone();
                    let held = Reservation::of(host, number, tokens);
                    let admit = if is_last { Admission::Last } else { Admission::Granted };
                    return Ok(admit(held));
                }
                Reserved::Wait => {
                    let content = "waits: other requests hold what is left of a budget".into();
                    StepHost::emit(
                        &**self,
                        &step.step(),
                        EventKind::StepProgress { content, progress: None },
                    );
                    is_told = true;
                    continue;
                }
                Reserved::Unpriced { scope } => return Err(unpriced(&scope, demand, &self.prices)),
                Reserved::Spent(exhausted) => exhausted,
            };
            let error = || spent(&exhausted);
            match exhausted.at_limit {
                AtLimit::WrapUp => return Ok(Admission::Spent(error())),
                AtLimit::Pause if may_ask => self.ask_for_more(step, &exhausted).await?,
                _ => return Err(error()),
            }
        }
    }

    /// Asks a person for more of a budget.
    async fn ask_for_more(&self, step: &StepPath, exhausted: &Exhausted) -> Result<(), StepError> {
        let Exhausted { scope, is_session, limit, used, of, round, .. } = exhausted;
        let mut name = limit.to_string();
        match scope {
            _ if *is_session => name.push_str(":session"),
            scope if scope.is_root() => {}
            scope => name = format!("{name}:{scope}"),
        }
        if *round > 0 {
            name = format!("{name}@{}", round + 1);
        }
        let requirement = Requirement {
            id: RequirementId::named(step.clone(), "budget", name).into(),
            path: step.clone(),
            kind: RequirementKind::Budget {
                scope: scope.clone(),
                of_session: *is_session,
                limit: *limit,
                used: *used,
                of: *of,
            },
            message: question(exhausted).into(),
            due: None,
            on_timeout: OnTimeout::default(),
        };
        match StepHost::ask(self, step, requirement).await? {
            Answer::Approve | Answer::Submit { .. } => Ok(()),
            Answer::Reject { feedback } => {
                let mut error = spent(exhausted);
                error.data.message = match feedback {
                    Some(why) => format!("{}; a person gave no more: {why}", error.data.message),
                    None => format!("{}; a person gave no more", error.data.message),
                };
                Err(error)
            }
            _ => Err(spent(exhausted)),
        }
    }

    /// Answers the other questions about a limit that was raised.
    pub(super) fn answer_alike(&self, raised: &LimitKey) -> Result<(), Stop> {
        for other in self.pending.open() {
            let RequirementKind::Budget { scope, of_session, limit, .. } = &other.kind else {
                continue;
            };
            if (scope, *of_session, *limit) == (&raised.0, raised.1, raised.2) {
                let reply = Reply {
                    requirement_id: other.id.clone(),
                    answer: Answer::Approve,
                    by: None,
                    timed_out: false,
                };
                let kind = EventKind::StepContinued { reply: Box::new(reply.clone()) };
                self.record(&other.path, kind)?;
                self.pending.deliver(reply);
            }
        }
        Ok(())
    }
}

fn stopped(stop: &Stop) -> StepError {
    match stop {
        Stop::Failed(failure) => StepError { data: Box::new(failure.error.clone()) },
        _ => StepError::terminal("the journal of the run is lost").with_id(ErrorId::STEP_STOPPED),
    }
}

fn denied(shown: &str, judged: &Judged) -> StepError {
    let by = &judged.by;
    let (what, hint) = match &judged.rule {
        Some(rule) => (
            format!("`{shown}` is denied by the rule `{rule}` of {by}"),
            format!(
                "if it should be possible, remove `{rule}` from `deny` in the permissions of {by}"
            ),
        ),
        None => (format!("`{shown}` is denied by {by}"), format!("ask {by}")),
    };
    let error = StepError::terminal(what).with_code(ErrorCode::Rejected);
    error.with_id(ErrorId::EFFECT_REFUSED).with_hint(hint)
}

fn not_asked(shown: &str, effect: &Effect) -> StepError {
    let what = format!("`{shown}` needs a permission, and no person can be asked for it");
    let rule = effect.rule().unwrap_or_else(|| effect.name().to_owned());
    let rule = serde_json::Value::from(rule);
    let error = StepError::terminal(what).with_code(ErrorCode::Rejected);
    error.with_id(ErrorId::EFFECT_REFUSED).with_hint(format!(
        "allow it with `permissions: {{allow: [{rule}]}}`, or keep the run in a database, where it \
         can wait for an answer"
    ))
}

/// Returns the owner of a budget, as messages name it.
fn whose(scope: &StepPath, is_session: bool) -> String {
    match scope {
        _ if is_session => "the session".to_owned(),
        scope if scope.is_root() => "the run".to_owned(),
        scope => format!("`{scope}`"),
    }
}

/// Returns the question for more of a budget.
fn question(exhausted: &Exhausted) -> String {
    let Exhausted { scope, is_session, limit, used, of, least, .. } = exhausted;
    let (whose, whole) = (whose(scope, *is_session), limit.amount(*of));
    if used < of && !matches!(limit, Limit::ModelCalls | Limit::ToolCalls) {
        let (least, left) = (limit.amount(*least), limit.amount(of - used));
        return format!(
            "The next request needs at least {least}, and the budget of {whose} has {left} of \
             {whole} left. More?"
        );
    }
    format!("The budget of {whose} is spent: {} of {whole}. More?", limit.amount(*used))
}

fn spent(exhausted: &Exhausted) -> StepError {
    let Exhausted { scope, is_session, limit, used, of, .. } = exhausted;
    let whose = whose(scope, *is_session);
    let what = match limit {
        Limit::ModelCalls | Limit::ToolCalls => {
            format!("the budget of {whose} is spent: it allows {}", limit.amount(*of))
        }
        _ if used < of => format!(
            "the budget of {whose} does not hold the next request: {} of {} are used",
            limit.amount(*used),
            limit.amount(*of)
        ),
        _ => format!(
            "the budget of {whose} is spent: {} of {} are used",
            limit.amount(*used),
            limit.amount(*of)
        ),
    };
    let hint = format!("raise `{limit}` of the `budget`, or ask for more with `at_limit: pause`");
    let error = StepError::terminal(what).with_code(ErrorCode::Limit);
    error.with_id(ErrorId::BUDGET_SPENT).with_hint(hint)
}

fn unpriced(scope: &StepPath, demand: &Demand, prices: &Prices) -> StepError {
    let unknown = match demand {
        Demand::Request { models, .. } => {
            let is_unknown = |model: &&Arc<str>| prices.of(model).is_none();
            models.iter().find(is_unknown).map(|model| &**model)
        }
        _ => None,
    };
    let (whose, model) = (whose(scope, false), unknown.unwrap_or("the model"));
    let what = format!("the budget of {whose} limits the cost, and `{model}` has no price");
    let error = StepError::terminal(what).with_code(ErrorCode::Limit);
    error
        .with_id(ErrorId::PRICE_UNKNOWN)
        .with_hint("add its price to `prices`, or limit `tokens` in place of `usd`")
}
