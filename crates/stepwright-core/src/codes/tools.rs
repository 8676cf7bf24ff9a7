//! `SW06xx`: tools, HTTP, commands and files.

super::entry::catalogue! {
    /// A tool failed, and its agent or step with it. The message is the one of the tool.
    TOOL_FAILED = 601, "a tool failed";

    /// The server answered an `http` step with a status that is not a success. Statuses that
    /// may pass, such as 503, are tried again if the step has retries.
    HTTP_STATUS = 602, "the server answered with an error";

    /// The address cannot be reached: its host does not exist, or the connection failed.
    HTTP_UNREACHABLE = 603, "the address cannot be reached";

    /// The address does not begin with `https://` or `http://`, or has a character that an address
    /// cannot have. A typical cause is a value with spaces in a template: the help shows how the
    /// character is written.
    HTTP_ADDRESS_REFUSED = 604, "the address is not valid";

    /// The command of a `shell` step ended with an exit code other than 0. The message has the code
    /// and what the command wrote to stderr.
    COMMAND_FAILED = 605, "the command failed";

    /// The command could not be started, or the connection to it was lost. Check that the program
    /// exists and is in `PATH`.
    COMMAND_LOST = 606, "the command could not be run";

    /// A step cannot read or write a file: it does not exist, this user may not use it, or it is
    /// outside of the base directory.
    FILE_REFUSED = 607, "a file cannot be used";

    /// The result is larger than the step allows. Raise the limit that the message names, or ask
    /// for less.
    RESULT_TOO_LARGE = 608, "the result is too large";

    /// The command of a `shell` step took longer than its `timeout`, and was killed with all that
    /// it had started. Raise `timeout`, or let the command do less.
    COMMAND_TIMED_OUT = 609, "the command took too long";

    /// The server did not answer an `http` step within its `timeout`. Raise `timeout`, or give
    /// the step retries.
    HTTP_TIMED_OUT = 610, "the server took too long";

    /// A template failed with the values of this run: for example, a filter got a value of another
    /// type. The message names the place in the template. `default` helps where a value may be
    /// missing.
    TEMPLATE_FAILED = 611, "a template failed";

    /// An MCP server of an agent cannot be used: its command cannot be started, its address cannot
    /// be reached, or it does not speak the protocol. The message has what the server said.
    MCP_UNAVAILABLE = 612, "an MCP server cannot be used";

    /// The settings of an MCP server do not match the tools that it has: a filter names a tool that
    /// is not there, or two tools have the same name. The message lists the tools.
    MCP_TOOLS_INVALID = 613, "the tools of an MCP server do not match its settings";

    /// The workspace of a step cannot be made or is gone: its folder does not exist any more, it is
    /// on another machine, or there is no Git repository for a worktree.
    WORKSPACE_GONE = 614, "a workspace cannot be used";

    /// A command cannot run in its sandbox: no program for sandboxes is installed, the system does
    /// not allow one, it cannot do what the settings ask for, or the image has no such program as
    /// the command. The command did not run.
    SANDBOX_UNAVAILABLE = 615, "a sandbox is not available";

    /// An MCP server at an address wants a login, or a token, and got none that it takes. Log in
    /// with `stepwright login FILE SERVER` (in Rust `McpServer::log_in`), or give a token in
    /// `headers`.
    MCP_LOGIN_NEEDED = 616, "an MCP server needs a login";

    /// The program of a coding agent is not in `PATH`. The help says how to install it.
    HARNESS_MISSING = 617, "the program of a coding agent is missing";

    /// A coding agent could not begin, or ended its turn with an error: it is not logged in, its
    /// provider refused the request, or it does not speak the protocol that it should. The message
    /// has what it said.
    HARNESS_FAILED = 618, "a coding agent failed";

    /// The process of a coding agent ended in the middle of a turn. Its work up to there may be
    /// done. The next attempt continues the conversation if the agent can load it; otherwise a
    /// person is asked what became of the turn.
    HARNESS_LOST = 619, "a coding agent ended in the middle of its turn";

    /// The conversation of a coding agent cannot be continued: the step that `session` names had
    /// none or had one of another agent, or the agent does not know the conversation any more.
    HARNESS_SESSION_UNKNOWN = 620, "a conversation of a coding agent cannot be continued";

    /// The worktree of a step could not be made or examined. `git` must be installed, and `dir`
    /// must be in a repository with at least one commit. The message has what `git` said.
    WORKTREE_FAILED = 621, "the worktree of a step cannot be used";

    /// The connection failed after the request was sent: the server may have done what the request
    /// asks, or not. A GET and a request with an `idempotency_key` are tried again if the step has
    /// retries; before another request is repeated, a person is asked, as after a timeout.
    HTTP_LOST = 622, "the answer to a request was lost";
}
