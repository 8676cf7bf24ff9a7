//! `SW04xx`: failures of steps.

super::entry::catalogue! {
    /// The function of a step returned an error. The message is the one of the function.
    ///
    /// `retries` tries a step again, and `on_error` says what happens when it fails for good.
    STEP_FAILED = 401, "the step failed";

    /// The function of a step panicked, which is a mistake in the program. The step is not tried
    /// again. The message is the one of the panic; `RUST_BACKTRACE=1` shows its place.
    STEP_PANICKED = 402, "the step panicked";

    /// A step took longer than its `timeout`. Give it more time, or fewer things to do at once.
    STEP_TIMED_OUT = 403, "the step took too long";

    /// A step gave no sign of life for as long as its idle timeout: no output, no tool call and no
    /// progress. If it is slow and not stuck, raise the idle timeout, or let it report progress.
    STEP_IDLE = 404, "the step was idle for too long";

    /// The run took longer than its `timeout`. Completed steps are in the partial result.
    RUN_TIMED_OUT = 405, "the run took too long";

    /// A step cannot use its input: a template or a prompt has no value where it needs one, or the
    /// input is of another type.
    STEP_INPUT_UNFIT = 406, "the step cannot use its input";

    /// The decision of a condition, a loop, a router or a map failed: its function returned an
    /// error, or its expression has no such value.
    DECISION_FAILED = 407, "a decision failed";

    /// A router selected a step that it does not have, or one step twice. Return names from its
    /// `choices`.
    CHOICE_INVALID = 408, "a router selected an invalid choice";

    /// A change of the session state does not fit, or conflicts with the change of a parallel step.
    /// Give the key a reducer, or let only one step change it.
    STATE_CONFLICT = 409, "a change of the session state failed";

    /// A limit was reached. The message says which one and its value. `docs/limits.md` lists all.
    LIMIT_REACHED = 410, "a limit was reached";

    /// A loop made all its turns, and its condition was not met. Raise `max_iterations`, or let the
    /// loop complete with what it has.
    LOOP_EXHAUSTED = 411, "the loop ran out of turns";

    /// A person rejected the step. The message has the feedback, if there is any. `on_reject`
    /// decides how the run goes on.
    STEP_REJECTED = 412, "a person rejected it";

    /// No answer to a request came before its deadline. Give it more time, or set an answer
    /// for that case with `on_timeout`.
    ANSWER_NOT_IN_TIME = 413, "no answer came in time";

    /// An effect, such as a command or the call of a tool, had begun when its process died, so it
    /// may have happened or not. It is not repeated without a decision.
    ///
    /// Find out whether it was done. `on_interrupted` decides such cases in advance.
    OUTCOME_UNKNOWN = 414, "the outcome is unknown";

    /// The run needs the answer of a person, and is not stored, so it cannot wait for one. Give the
    /// workflow a store, or pass `--db`.
    REQUEST_UNSTORED = 415, "the run cannot wait without a store";

    /// A step waits twice under one name, or gives an answer that does not fit its type. Give each
    /// wait a name of its own, and a schema.
    WAIT_INVALID = 416, "a wait cannot be used";

    /// A value that a step recorded earlier is of another type than the one it now asks for, or
    /// cannot be written as JSON. Use another key when the type changes.
    RECORD_UNFIT = 417, "a recorded value does not fit";

    /// A step acted after it had ended, or recorded an event that is not for steps to record. A
    /// typical cause is a task that outlives its step.
    RECORD_REFUSED = 418, "an event was refused";

    /// The program is ending, or the journal of the run is lost, so the step was stopped. Resume
    /// the run.
    STEP_STOPPED = 419, "the step was stopped";

    /// The earlier runs of the session could not be read, which the step uses as its history. The
    /// message has the cause.
    HISTORY_UNREADABLE = 420, "the history cannot be read";

    /// The engine contradicts itself, which is a mistake in Stepwright and not in your workflow.
    /// Please report it, with the message and the workflow.
    INTERNAL = 421, "internal error";

    /// A step, a decider or a tool takes a `State<T>`, and neither the workflow nor the run has a
    /// value of the type `T`. The types must be the same: `Arc<Pool>` is another type than `Pool`.
    ///
    /// Add the value to the workflow with `.state(…)`, or to the run. A process that resumes a run
    /// brings its own values, because they are not recorded.
    HOST_STATE_MISSING = 422, "a value of the host program is missing";

    /// The run failed or was cancelled, and its completed steps are undone in reverse order. One of
    /// them has begun and not ended, so it may have had its effect or not. Nothing is undone from
    /// there on, because the steps before may still be needed.
    ///
    /// Find out what the step did, and undo the named steps by hand.
    UNDO_STOPPED = 423, "the steps are not undone";

    /// A `parallel` or a `map` with `join: first` or a quorum has too few branches with an output:
    /// the others failed, or were skipped. `stepwright show` has the result of each branch.
    BRANCHES_TOO_FEW = 424, "too few branches have an output";

    /// The permissions of the run refuse an effect of the step, such as a command, a file, a page
    /// or the call of a tool. Either a rule denies it, or no rule allows it and no person could be
    /// asked, or a person said no.
    ///
    /// If you trust the workflow, add a rule for the effect to `allow`.
    ///
    /// ```text
    /// permissions:
    ///   allow: ["shell: git *", "write_file: out/**"]
    /// ```
    EFFECT_REFUSED = 425, "the effect is not permitted";

    /// A budget of the run, of a container, a step, an agent or the session is spent. The message
    /// names the limit and its path. Raise the limit, or set `at_limit: pause` to be asked, or
    /// `at_limit: wrap_up` to let an agent finish with what it has.
    BUDGET_SPENT = 426, "a budget is spent";

    /// A budget limits the cost, and the price of the model is not known. Add its price to the
    /// prices of the workflow, or limit `tokens` in place of `usd`.
    PRICE_UNKNOWN = 427, "the price of the model is unknown";

    /// A guardrail refused the input or the output of a step, a message to an agent or its answer,
    /// or a tool call. The message names the guardrail and its reason. The step is not tried again;
    /// `on_error` and `on_failure` see the failure under the class `guardrail`.
    ///
    /// Change what the step is given, or the guardrail.
    GUARDRAIL_REFUSED = 428, "a guardrail refused it";
}
