//! SW06xx: tools, HTTP, commands and files.

super::entry::catalogue! {
    /// A tool failed, and its agent or step with it. The message is the one of the tool.
    TOOL_FAILED = 601, "a tool failed";

    /// The server answered an `http` step with a status that is not a success. Statuses that may
    /// pass, such as 503, are tried again if the step has retries.
    HTTP_STATUS = 602, "the server answered with an error";

    /// The address cannot be reached: its host does not exist, or the connection failed.
    HTTP_UNREACHABLE = 603, "the address cannot be reached";

    /// The address is not a valid one, or it leads to this machine or a private network, which
    /// `http` steps may not reach.
    HTTP_ADDRESS_REFUSED = 604, "the address is refused";

    /// The command of a `shell` step ended with an exit code other than 0. The message has the code
    /// and what the command wrote to stderr.
    COMMAND_FAILED = 605, "the command failed";

    /// The command could not be started, or the connection to it was lost. Check that the program
    /// exists and is in `PATH`.
    COMMAND_LOST = 606, "the command could not be run";

    /// A step cannot read or write a file: it does not exist, this user may not use it, or it is
    /// outside of the base directory.
    FILE_REFUSED = 607, "a file cannot be used";

    /// The result is larger than the step allows. Raise the limit that the message names, or ask for
    /// less.
    RESULT_TOO_LARGE = 608, "the result is too large";
}
