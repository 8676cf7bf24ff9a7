//! `SW03xx`: definitions in Rust, and inputs.

super::entry::catalogue! {
    /// A workflow or an agent is defined in a way that cannot work, such as two steps with one
    /// name, or a setting without effect. The message lists all mistakes, each with its step.
    /// Nothing ran.
    DEFINITION_INVALID = 301, "the definition is not valid";

    /// An argument of a call cannot be used. The message names it and its value.
    ARGUMENT_INVALID = 302, "an argument cannot be used";

    /// The id of a run, session, user or workflow is empty, too long, or has a character that ids
    /// cannot have, such as a control character.
    ID_INVALID = 303, "an id is not valid";

    /// The input does not match the schema that the workflow declares. The message names the field
    /// and the mismatch. Nothing ran.
    ///
    /// `stepwright check FILE` shows the input that a workflow file declares.
    INPUT_MISMATCH = 304, "the input does not match its schema";

    /// The initial state of a session, or a change of it, cannot be applied: for example, an
    /// element is appended to a value that is not a list.
    STATE_CHANGE_INVALID = 305, "a change of the state does not fit";

    /// `blocking` was called on a thread that runs async code, which it would block. Await the run
    /// or its stream there.
    BLOCKING_IN_ASYNC = 306, "`blocking` inside of async code";

    /// The operation needs runs that are stored, and the workflow has no store.
    ///
    /// ```text
    /// let workflow = Workflow::builder("Digest").store(Sqlite::open("runs.db").await?);
    /// ```
    STORE_MISSING = 307, "the workflow has no store";

    /// The output of a stream was taken before. A stream returns the output of its run once: keep
    /// it.
    OUTPUT_TAKEN = 308, "the output was taken before";

    /// The setting is only possible for a run that this process drives. Await or stream the run
    /// instead of beginning it in the background.
    BACKGROUND_UNSUPPORTED = 309, "not possible in the background";

    /// A tool or a toolkit is set up in a way that cannot work, such as a limit of zero or an
    /// address that is not a URL.
    TOOL_MISCONFIGURED = 310, "a tool is not set up right";
}
