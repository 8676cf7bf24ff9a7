//! Steps with human review.

use super::flow::Flow;
use super::halt::{Halt, unless_stopped};
use super::review::{self, Verdict, question};
use super::{not_asked, not_done, started, step_ended, step_failed};
use crate::effects::{Attempt, Effects, Failure, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::context::rejected;
use stepwright_core::plan::{Node, OnError};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, ErrorData, EventKind, StepInput, StepOutput, StepPath};

/// Executes a step that asks people before it begins, about its output, or about its failure.
pub(super) async fn asking<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
) -> Result<(), Stop> {
    let outer = flow.user_input.clone();
    if let Some(review) = &node.review
        && let Err(no) = review::before(fx, node, review, &path, flow).await
    {
        return not_done(fx, node, path, flow, no);
    }
    fx.facts().wait_for_driver(node, &path, &flow.halt).await?;
    fx.facts().record(&path, started(node))?;
    let input = super::limited(fx, &path, flow);
    flow.user_input = outer;
    let halt = flow.halt.clone();
    let mut rounds = Rounds { input, attempts: 0, reviews: 1, failures: 1, halt };
    let answer = loop {
        match one_round(fx, node, &path, &mut rounds).await {
            Ok(Round::Again) => {}
            Ok(Round::Given(output)) => break Ok(output),
            Ok(Round::Out(error)) => {
                let (error, attempts) = (error.data, rounds.attempts);
                fx.facts().record(&path, EventKind::StepSkipped { error, attempts })?;
                flow.skipped(path, Vec::new());
                return Ok(());
            }
            Ok(Round::Failed(failure, on_error)) => {
                let ended = Err(Stop::Failed(failure.clone()));
                let ended_at = fx.facts().ended_at(&path);
                super::after::note(fx, node, &path, flow, &ended, ended_at);
                fx.facts().record(&path, step_failed(on_error, &failure))?;
                return super::pass_over(on_error, path, flow, failure);
            }
            Err(stop) => break Err(stop),
        }
    };
    step_ended(fx, node, path, flow, answer)
}

/// The progress of a step.
struct Rounds {
    input: StepInput,
    /// The number of attempts so far.
    attempts: u32,
    /// The number of the next review of an output, from 1.
    reviews: u32,
    /// The number of the next request about a failure, from 1.
    failures: u32,
    halt: Halt,
}

enum Round {
    Given(Arc<StepOutput>),
    Again,
    Out(stepwright_core::StepError),
    Failed(Arc<Failure>, OnError),
}

/// Executes an attempt with its retries, and asks people about the result.
async fn one_round<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    rounds: &mut Rounds,
) -> Result<Round, Stop> {
    let answer = if let Some(answer) = earlier(fx, path, rounds) {
        answer
    } else {
        let number = rounds.attempts + 1;
        let last = AtomicU32::new(number);
        let input = &rounds.input;
        let input = || input.clone();
        // Each answer of a person that repeats the step begins a round.
        let round = rounds.reviews + rounds.failures - 1;
        let first = Attempt { node, step: path, number, round, input: &input, last: Some(&last) };
        let known = fx.facts().had_ended(path);
        let answer = unless_stopped!(rounds.halt, known, fx.execute(&first));
        rounds.attempts = last.load(Ordering::Relaxed);
        answer
    };
    let review = node.review.as_deref();
    let failure = match (answer, review) {
        (Ok(output), None) => return Ok(Round::Given(output)),
        (Ok(output), Some(review)) => {
            let asked = (rounds.reviews, rounds.attempts);
            let given = output.content.clone();
            return Ok(
                match review::after(fx, node, review, path, output, asked, &rounds.halt).await? {
                    Verdict::Good(output) => Round::Given(output),
                    Verdict::Out(error) => Round::Out(error),
                    Verdict::Failed(error) => {
                        let attempts = rounds.attempts;
                        let on_error = not_asked(node, &error.data);
                        let error = *error.data;
                        let failure = Failure { path: path.clone(), error, attempts };
                        Round::Failed(Arc::new(failure), on_error)
                    }
                    Verdict::Again(feedback) => {
                        rounds.reviews += 1;
                        let error = rejected(feedback.as_deref()).data;
                        rounds.input.feedback = Some(Arc::new(review::again(given, feedback)));
                        again(fx, path, rounds.attempts, error).await?;
                        Round::Again
                    }
                },
            );
        }
        (Err(Stop::Failed(failure)), _) => failure,
        (Err(stop), _) => return Err(stop),
    };
    let on_error = node.on_error.of(failure.error.code);
    if on_error != OnError::Pause {
        return Ok(Round::Failed(failure, on_error));
    }
    let asked = (rounds.failures, failure.attempts);
    rounds.failures += 1;
    rounds.attempts = failure.attempts;
    let error = &failure.error;
    Ok(match review::about_failure(fx, review, path, error, asked, true, &rounds.halt).await? {
        Answer::Retry => {
            again(fx, path, failure.attempts, Box::new(failure.error.clone())).await?;
            Round::Again
        }
        Answer::Skip => Round::Failed(failure, OnError::Skip),
        _ => Round::Failed(failure, OnError::Fail),
    })
}

/// Returns the result of a round from before the run was resumed, if a person was asked about it.
fn earlier<E: Effects>(
    fx: &E,
    path: &StepPath,
    rounds: &mut Rounds,
) -> Option<Result<Arc<StepOutput>, Stop>> {
    let review = fx.facts().asked(&question(path, "review", rounds.reviews));
    let failure = fx.facts().asked(&question(path, "error", rounds.failures));
    let reviewed = review.and_then(|asked| match &asked.kind {
        RequirementKind::OutputReview { output, attempts, .. } => {
            Some((*attempts, Ok(output.clone())))
        }
        _ => None,
    });
    let failed = failure.and_then(|asked| match &asked.kind {
        RequirementKind::ErrorDecision { error, attempts, .. } => {
            let failure =
                Failure { path: path.clone(), error: ErrorData::clone(error), attempts: *attempts };
            Some((*attempts, Err(Stop::Failed(Arc::new(failure)))))
        }
        _ => None,
    });
    // If both are known, the one after fewer attempts came first.
    let (attempts, answer) = match (reviewed, failed) {
        (Some(one), Some(other)) if other.0 < one.0 => other,
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return None,
    };
    rounds.attempts = attempts;
    Some(answer)
}

/// Records that another attempt follows, unless the journal has that already.
async fn again<E: Effects>(
    fx: &E,
    path: &StepPath,
    attempt: u32,
    error: Box<ErrorData>,
) -> Result<(), Stop> {
    if fx.facts().past(path).failed_attempts >= attempt {
        return Ok(());
    }
    fx.facts().record(path, EventKind::StepRetrying { attempt, error, delay_ms: 0 })?;
    fx.facts().settle().await
}
