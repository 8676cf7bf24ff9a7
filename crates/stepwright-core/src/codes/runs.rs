//! `SW07xx`: runs, answers and sessions.

super::entry::catalogue! {
    /// There is no such run in the store, or it belongs to another user. Runs of other users look
    /// as if they did not exist.
    ///
    /// ```sh
    /// stepwright runs --db runs.db
    /// ```
    RUN_NOT_FOUND = 701, "the run was not found";

    /// There is no such session in the store, or it belongs to another user.
    ///
    /// ```sh
    /// stepwright sessions list --db chat.db
    /// ```
    SESSION_NOT_FOUND = 702, "the session was not found";

    /// This process drives the run already. Use the stream or the handle of the run that is under
    /// way.
    RUN_DRIVEN_HERE = 703, "this process drives the run";

    /// Another process drives the run. Let it finish, or stop it and resume the run here.
    /// `stepwright show RUN_ID` names the process, and `stepwright cancel RUN_ID` asks it to end
    /// the run.
    RUN_DRIVEN_ELSEWHERE = 704, "another process drives the run";

    /// The definition of the workflow has changed since the run began. The message lists the
    /// differences. All that the run has done is still there.
    ///
    /// Resume it with the definition it began with, or accept the change: with `--accept-changes`,
    /// or with `accept_changed_definition(true)` in Rust.
    DEFINITION_CHANGED = 705, "the definition has changed";

    /// The definition of the workflow has changed, and a step that the run has executed is not
    /// there any more or is of another kind. This change cannot be accepted: resume the run with
    /// the definition it began with.
    EXECUTED_STEP_GONE = 706, "an executed step is gone";

    /// The run has completed, failed or was cancelled, so it cannot be answered, cancelled or
    /// continued. `stepwright show RUN_ID` shows its end.
    RUN_ENDED = 707, "the run has ended";

    /// The run has no pending requests. If its process has died, `stepwright resume RUN_ID` resumes
    /// it.
    REQUESTS_NONE = 708, "the run has no pending requests";

    /// The answer names a request that the run does not have. `stepwright show RUN_ID` lists the
    /// pending requests with their ids.
    REQUEST_UNKNOWN = 709, "the run does not wait for that";

    /// The answer names a step that has several pending requests. Name the request itself, such as
    /// `publish!confirm`.
    REQUEST_AMBIGUOUS = 710, "the answer fits several requests";

    /// The request has an answer, which the run takes when it goes on, or two answers of one call
    /// name the same request. The first answer counts. `stepwright resume RUN_ID` resumes the run.
    ANSWERED_BEFORE = 711, "the request is already answered";

    /// The answer came after the deadline of its request. The run goes on as it does without an
    /// answer in time.
    ANSWER_TOO_LATE = 712, "the answer comes too late";

    /// The answer does not fit its request: a value does not match the schema, or the request
    /// cannot be answered with that word. The message says what is possible.
    ANSWER_UNFIT = 713, "the answer does not fit the request";

    /// The run was cancelled, by Ctrl-C, by a signal, by `stepwright cancel`, or by the program.
    /// Completed steps are in the partial result.
    RUN_CANCELLED = 714, "the run was cancelled";

    /// There is a run with this id already. Choose another `--run-id`, or leave it out to get a new
    /// id.
    RUN_ID_TAKEN = 715, "the run id is taken";

    /// A workflow that acts as one user was asked to begin a run for another user, or with a run id
    /// that is not below the name of the user.
    USER_REFUSED = 716, "not possible as this user";

    /// A step of the interrupted run left processes running that cannot be killed, so the run is
    /// not resumed beside them. End them as the help says, and resume the run.
    PROCESSES_LEFT = 717, "processes of a step still run";

    /// A dispatcher, which drives runs in the background, failed. The message has the cause.
    DISPATCHER_FAILED = 718, "the dispatcher failed";

    /// The process that drives the run was asked to end it, and has not done so in time. It ends
    /// the run when it hears of the request: `stepwright show RUN_ID` tells.
    CANCEL_UNHEARD = 719, "the driver has not ended the run yet";

    /// The task that drove the run was stopped, by the end of its runtime or by a panic. Resume the
    /// run if it is stored.
    RUN_STOPPED = 720, "the task of the run was stopped";

    /// The run has not completed, and the call needs its output. The message has its status.
    RUN_NOT_COMPLETED = 721, "the run has not completed";

    /// Only a run that has failed can be retried. One that was cancelled is retried if that is
    /// asked for: with `--retry=cancelled`, or with `cancelled_too(true)` in Rust. A run that is
    /// under way or waits is resumed, and one that has completed is run again with
    /// `stepwright rerun`.
    RUN_NOT_FAILED = 722, "the run has not failed";

    /// The run has not begun a step at this path, so it cannot go on from there. `stepwright show`
    /// shows the steps of a run. A turn of a loop and an item of a map have a number: `revise#2`.
    PATH_NOT_BEGUN = 723, "the run has not begun that step";

    /// The run failed or was cancelled, and steps of it were undone. A retry or a fork would go on
    /// as if they were done. Begin the steps anew in a run of its own: `stepwright rerun RUN_ID`,
    /// or fork the run at the first step that was undone, or before it.
    RUN_UNDONE = 724, "steps of the run were undone";

    /// The process that drove the run was asked to end, by SIGTERM or by the program, and left the
    /// run so that it can be resumed. Nothing was cancelled: completed steps are recorded, and the
    /// commands of steps were ended with the process.
    ///
    /// ```sh
    /// stepwright resume r-7 --db runs.db
    /// ```
    RUN_RELEASED = 725, "the run was stopped, and waits to be resumed";

    /// The program has called `Workflow::shutdown`, and begins or resumes a run of the workflow
    /// after that; or a run has not ended although the shutdown asked it to. Build the workflow
    /// again to begin further runs.
    WORKFLOW_SHUT_DOWN = 726, "the workflow was shut down";

    /// A run that is to be erased is under way. Cancel it, or wait for its end; nothing was erased.
    ///
    /// ```sh
    /// stepwright cancel r-7 --db runs.db
    /// ```
    RUN_UNDER_WAY = 727, "the run is under way";

    /// The lines that are imported are not those that an export has written: a line is missing, was
    /// changed, or is none of an export. The message has its number. Export the runs again.
    IMPORT_INVALID = 728, "the import is damaged";

    /// The file or the pipe that an export is written to cannot be written. The message has the
    /// reason.
    EXPORT_UNWRITABLE = 729, "the export cannot be written";

    /// The workflow has `concurrency` with `then: skip`, and as many runs of the same key are under
    /// way as it allows. The run did not begin, and nothing of it is stored. Begin it again later,
    /// or use `then: queue`.
    RUN_SKIPPED = 730, "the run was skipped";

    /// The workflow has `dedupe`, and a run with the same key has begun within its time. The run
    /// did not begin, and nothing of it is stored. The message names the earlier run.
    ///
    /// ```sh
    /// stepwright show RUN_ID --db runs.db
    /// ```
    RUN_DUPLICATE = 731, "the same run has begun before";

    /// The key of `concurrency` or `dedupe` cannot be computed from the input of the run, is empty,
    /// or is too long. The run did not begin.
    RUN_KEY_INVALID = 732, "the key of a run is invalid";

    /// A message to an agent at work is empty or too long, its path is none, or too many messages
    /// wait in the inbox of the run. Nothing was sent.
    MESSAGE_INVALID = 733, "the message cannot be sent";

    /// No agent of the run can get the message: its workflow has no agent, or none at the path that
    /// the message names. The help has the paths of its agents. Nothing was sent.
    ///
    /// ```sh
    /// stepwright send r-7 "Leave out the costs." --to research --db runs.db
    /// ```
    MESSAGE_NO_AGENT = 734, "no agent can get the message";

    /// Several agents of the run are at work, and the message does not say which of them gets it.
    /// Name one by its path: with `--to`, or with `to(…)` in Rust.
    MESSAGE_AMBIGUOUS = 735, "several agents are at work";

    /// The workflow has `on_busy: reject`, and a run of the same session is under way. The run did
    /// not begin, and nothing of it is stored. Begin it when the other run has ended, or use
    /// another `on_busy`.
    SESSION_BUSY = 736, "a run of the session is under way";

    /// There is no schedule with this id in the store. A schedule is stored when `stepwright serve`
    /// first reads a file with it, and its id is that of the workflow and its name:
    /// `digest.daily`.
    ///
    /// ```sh
    /// stepwright schedules list
    /// ```
    SCHEDULE_NOT_FOUND = 737, "the schedule was not found";

    /// There is no webhook with this id in the store. A webhook is stored when `stepwright serve`
    /// first reads a file with it, and its id is that of the workflow and its name: `digest.push`.
    ///
    /// ```sh
    /// stepwright webhooks list
    /// ```
    WEBHOOK_NOT_FOUND = 738, "the webhook was not found";

    /// There is no dead delivery with this id in the store. A delivery of a notification is dead
    /// when all its attempts have failed, or when the receiver says that it is gone. One that is
    /// sent again is not dead any more.
    ///
    /// ```sh
    /// stepwright deliveries list
    /// ```
    DELIVERY_NOT_FOUND = 739, "the dead delivery was not found";

    /// The name, the key, the id or the payload of an event from outside cannot be used: the name
    /// has other characters than letters, digits, `.`, `-`, `_`, `:` and `/`, or one of them is too
    /// long. Nothing was sent.
    ///
    /// ```sh
    /// stepwright emit order.paid --key o-17 -i '{"amount": 5}' --db runs.db
    /// ```
    EVENT_INVALID = 740, "the event cannot be used";
}
