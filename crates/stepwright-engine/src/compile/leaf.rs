//! Compiles steps: executors, functions, and workflows as steps.

use super::Compiler;
use crate::define::{History, Prompted, StepBody, Work, guarded, prompted};
use crate::gate::Guard;
use crate::table::Entry;
use std::time::Duration;
use stepwright_core::executor::ExecutorType;
use stepwright_core::plan::{NodeKind, RETRIES_MAX, Retry};
use stepwright_core::session::{HISTORY_RUNS, HISTORY_RUNS_MAX};
use stepwright_core::{AnyExecutor, OnInterrupted, StepPath};

impl Compiler {
    /// Compiles a step, whose entry in the table is at `index`.
    pub(super) fn step(
        &mut self,
        step: StepBody,
        timeout_ms: Option<u64>,
        path: &StepPath,
        depth: usize,
        index: usize,
    ) -> NodeKind {
        let StepBody { work, retry, history, prompt, idle, input, guards } = step;
        for mistake in guards.iter().filter_map(|guard| guard.mistake(true)) {
            self.mistakes.push(format!("`{path}`: {mistake}"));
        }
        let is_guarded = !guards.is_empty();
        let work = guarded(work, guards);
        if input.is_some() && !matches!(work, Work::Workflow(_)) {
            let what = "only a workflow as a step has an input of its own";
            self.mistake(path, what, "make the message of this step with `.prompt(…)`");
        }
        self.check_retry(&retry, path);
        let idle_ms = self.idle(idle, timeout_ms, path);
        let history_runs = self.history_runs(history, path);
        let mut by_executor = OnInterrupted::Retry;
        let completed_only = history.completed_only.or(self.history.completed_only);
        let history_completed_only = history_runs > 0 && completed_only.unwrap_or(false);
        let (executor_type, executor_name) = match work {
            Work::Executor(executor) => {
                let executor = match prompt {
                    Some(prompt) => AnyExecutor::new(Prompted { executor, prompt }),
                    None => executor,
                };
                let named = (executor.executor_type(), executor.name().into());
                by_executor = executor.on_interrupted();
                self.table[index] = Entry::Executor(executor);
                named
            }
            Work::Blocking(function) => {
                let named = (ExecutorType::Function, function.name.clone());
                let function = match prompt {
                    Some(prompt) => prompted(function, prompt),
                    None => function,
                };
                self.table[index] = Entry::Blocking(function);
                named
            }
            Work::Workflow(workflow) => {
                if prompt.is_some() {
                    let what = "a workflow as a step has no prompt of its own";
                    self.mistake(path, what, "make its input with `.input(…)`");
                }
                if is_guarded {
                    let what = "a workflow as a step has no guardrails of its own";
                    self.mistake(path, what, "add them to its steps");
                }
                if idle.is_some() {
                    let what = "a workflow as a step has no idle timeout of its own";
                    self.mistake(path, what, "set it on its steps");
                }
                if retry.retries > 0
                    || history.add.is_some()
                    || history.runs.is_some()
                    || history.completed_only.is_some()
                {
                    let what = "a workflow as a step has no retries and no history of its own";
                    self.mistake(path, what, "set them on its steps");
                }
                if !workflow.definition().state.is_empty() {
                    let what = "a nested workflow cannot define session state";
                    self.mistake(path, what, "set it on the workflow around it");
                }
                let compiled = &workflow.definition().compiled;
                for (key, reducer) in &compiled.plan.reducers {
                    if self.reducers.insert(key.clone(), *reducer).is_some_and(|r| r != *reducer) {
                        let what = format!("state key `{key}` has another reducer around it");
                        self.mistake(path, what, "choose one of them");
                    }
                }
                for of in self.values.inner.add_missing(&compiled.values) {
                    if !self.values.own.has(of) {
                        let what = format!("another workflow in a step has a state of type `{of}`");
                        self.mistake(path, what, "set it on the workflow around both");
                    }
                }
                if workflow.definition().gate.session.is_some() {
                    let what = "a nested workflow cannot set the budget of the session";
                    self.mistake(path, what, "set it on the workflow around it");
                }
                if !workflow.definition().limits.is_empty() {
                    let what = "a nested workflow is not a run, so it cannot limit runs";
                    self.mistake(path, what, "set the limit on the workflow around it");
                }
                let node = u32::try_from(index).unwrap_or(u32::MAX);
                let offset = u32::try_from(self.table.len()).unwrap_or(u32::MAX);
                self.guards.extend(workflow.definition().gate.guards.iter().map(|guard| {
                    let inner = guard.node.map(|inner| inner.saturating_add(offset));
                    Guard { node: Some(inner.unwrap_or(node)), ..guard.clone() }
                }));
                self.table[index] = Entry::Workflow { check: compiled.input.clone(), input };
                return self.inline(compiled, path, depth);
            }
        };
        let on_interrupted = self.on_interrupted.unwrap_or_else(|| {
            self.by_executor.insert(u32::try_from(index).unwrap_or(u32::MAX));
            by_executor
        });
        NodeKind::Step {
            executor_type,
            executor_name,
            retry,
            timeout_ms,
            idle_ms,
            history_runs,
            history_completed_only,
            on_interrupted,
        }
    }

    /// Checks the idle timeout of an attempt, and returns it in milliseconds.
    fn idle(
        &mut self,
        idle: Option<Duration>,
        timeout_ms: Option<u64>,
        path: &StepPath,
    ) -> Option<u64> {
        let idle = idle?;
        if idle.is_zero() {
            self.mistake(path, "`idle_timeout` must be greater than zero", "give it more time");
        }
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX).max(1);
        if timeout_ms.is_some_and(|timeout| timeout <= idle_ms) {
            let what = "`idle_timeout` is not shorter than `timeout`, so it is never reached";
            self.mistake(path, what, "make it shorter, or leave it out");
        }
        Some(idle_ms)
    }

    /// Returns the number of earlier runs in the history of a step.
    fn history_runs(&mut self, own: History, path: &StepPath) -> u32 {
        if !own.add.or(self.history.add).unwrap_or(own.runs.is_some()) {
            if own.runs.is_some() {
                let what = "`num_history_runs` is set, but the step has no history";
                self.mistake(path, what, "leave out `add_workflow_history(false)`");
            }
            if own.completed_only.is_some() {
                let what = "`history_completed_only` is set, but the step has no history";
                self.mistake(path, what, "set `add_workflow_history(true)`, or leave it out");
            }
            return 0;
        }
        let runs = own.runs.or(self.history.runs).unwrap_or(HISTORY_RUNS);
        if !(1..=HISTORY_RUNS_MAX).contains(&runs) {
            let what = format!("`num_history_runs` is {runs}");
            let fix = format!("set `num_history_runs` to 1 to {HISTORY_RUNS_MAX}");
            self.mistake(path, what, &fix);
        }
        runs
    }

    fn check_retry(&mut self, retry: &Retry, path: &StepPath) {
        if !retry.on.is_empty() && retry.retries == 0 {
            let what = "`retry_on` is set, but `retries` is 0";
            self.mistake(path, what, "say how often with `.retries(…)`");
        }
        if retry.retries > RETRIES_MAX {
            let what = format!("`retries` is {}; the limit is {RETRIES_MAX}", retry.retries);
            self.mistake(path, what, "retry less often");
        }
        if !retry.factor.is_finite() || retry.factor < 1.0 {
            let what = format!("the factor of the waits between attempts is {}", retry.factor);
            self.mistake(path, what, "use a factor of at least 1");
        }
    }
}
