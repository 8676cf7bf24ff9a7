//! `SW01xx`: the command line.

super::entry::catalogue! {
    /// The command line has a command, an option or an argument that does not exist there. A
    /// typical cause is a spelling mistake, or an option of another command.
    ///
    /// `stepwright --help` lists the commands, and `stepwright run --help` the options of one.
    ARGUMENT_UNKNOWN = 101, "unknown command or option";

    /// The value of an option cannot be used: it is of another form than the option takes, or it is
    /// none of the possible values. The message says which form is wanted.
    ///
    /// ```sh
    /// stepwright run digest.yaml --timeout 1h30m
    /// ```
    VALUE_INVALID = 102, "invalid value of an option";

    /// The command needs an argument that is not there. The message names it, and
    /// `stepwright run --help` has examples.
    ARGUMENT_MISSING = 103, "missing argument";

    /// Two of the options exclude each other, or an option was given twice. The message names them:
    /// leave one out.
    ARGUMENTS_CONFLICT = 104, "options that exclude each other";

    /// The command reads or continues something that is stored, and does not know where.
    ///
    /// Pass the database with `--db`, or set `STEPWRIGHT_DB`. Without a database, runs and sessions
    /// end with the command that began them.
    ///
    /// ```sh
    /// stepwright runs --db runs.db
    /// ```
    DATABASE_UNSPECIFIED = 105, "no database specified";

    /// The file of `--input-file` or `--answers`, or stdin, cannot be read: it does not exist, this
    /// user may not read it, it is not UTF-8, or it is larger than an input may be.
    ///
    /// Check the path, convert the text to UTF-8, or let a `read_files` step read a large file.
    INPUT_UNREADABLE = 106, "the input cannot be read";

    /// The workflow file declares an input that is not a text, so the input is read as JSON, and it
    /// is not valid JSON. A typical cause are quotes that the shell has removed.
    ///
    /// ```sh
    /// stepwright run report.yaml '{"topic": "bridges", "words": 300}'
    /// ```
    INPUT_NOT_JSON = 107, "the input is not JSON";

    /// An answer on the command line, or in the file of `--answers`, does not have the form of an
    /// answer. `stepwright show RUN_ID` lists the pending requests, with the command that answers
    /// the first one.
    ///
    /// ```sh
    /// stepwright continue r-7 --db runs.db --submit 'poll!input={"votes": 3}'
    /// ```
    ANSWER_UNREADABLE = 108, "an answer cannot be read";

    /// `stepwright continue` has no answer on its command line, and there is no terminal at which
    /// it could ask. The run is unchanged.
    ///
    /// Give the answer with an option such as `--approve`, or in a file with `--answers`.
    ANSWER_MISSING = 109, "no answer, and no terminal to ask at";

    /// The workflow file with which the run began is not there any more. Its path is stored with
    /// the run.
    ///
    /// If the file has moved, pass its new path with `--file`.
    WORKFLOW_FILE_GONE = 110, "the workflow file of the run is gone";

    /// A program began the run, so the command has no definition of it.
    ///
    /// Resume it with that program, or pass a workflow file with the same steps with `--file`.
    BEGUN_BY_PROGRAM = 111, "a program began the run";

    /// The workflow file describes another workflow than the one of the run: the names differ.
    ///
    /// Pass the workflow file of the run with `--file`. `stepwright show RUN_ID` names the
    /// workflow.
    OTHER_WORKFLOW = 112, "the run belongs to another workflow";

    /// `stepwright sessions delete` deletes a session with all of its runs, which cannot be undone.
    /// Add `--yes` to delete it.
    DELETE_UNCONFIRMED = 113, "nothing is deleted without `--yes`";

    /// A change of a session's state on the command line does not have the form `KEY=JSON`, or its
    /// value is of another type than the change needs. A text is JSON only with its quotes.
    ///
    /// ```sh
    /// stepwright sessions state s-1 --db chat.db --set 'language="en"'
    /// ```
    CHANGE_UNREADABLE = 114, "a change of the state cannot be read";

    /// The command was asked to explain an error code that this version does not have.
    /// `stepwright explain` lists all codes. A newer version may have more of them.
    CODE_UNKNOWN = 115, "unknown error code";

    /// Stdout or the terminal could not be written or read. A typical cause is a full disk behind a
    /// redirection. If the run is stored, its output is in the database: `stepwright show RUN_ID`.
    TERMINAL_FAILED = 116, "the terminal or the output failed";

    /// The operating system did not start the threads that the command needs. A typical cause is a
    /// limit on processes or memory, such as `ulimit -u`.
    THREADS_UNAVAILABLE = 117, "threads cannot be started";

    /// A line at the prompt of `stepwright chat` begins with `/` and is not a command there, or an
    /// answer at the terminal is not one of the possible answers. The message lists what is
    /// possible. A message that begins with a slash is typed with two: `//`.
    LINE_UNKNOWN = 118, "a typed line is not understood";

    /// A part of a run's id was given, and several runs have it. Write more of the id:
    /// `stepwright runs` lists them.
    RUN_AMBIGUOUS = 119, "the run is not clear";

    /// A configuration file is not TOML, has a key that no option has, or a value that the option
    /// does not take. The message names the file and the line. `stepwright config` shows which
    /// settings hold.
    CONFIGURATION_INVALID = 120, "a configuration file is invalid";

    /// The configuration file of a project sets an option that could widen what the user allows.
    /// Pass the option on the command line, set it in your own configuration file, or list the
    /// folder of the project under `trust` there.
    ///
    /// ```toml
    /// trust = ["~/flows"]
    /// ```
    CONFIGURATION_UNTRUSTED = 121, "a project may not set this option";

    /// The file of `--env-file` cannot be read, or a line of it is not `NAME=VALUE`.
    ENVIRONMENT_FILE_INVALID = 122, "a file of variables cannot be read";

    /// `stepwright docs` was asked for a page that this version does not have.
    /// `stepwright docs` lists the pages.
    TOPIC_UNKNOWN = 123, "unknown topic of the documentation";

    /// `stepwright init` or `stepwright skill install` does not overwrite files. Move the file
    /// away, or choose another directory.
    FILE_EXISTS = 124, "the file exists already";

    /// A cassette or a golden tree cannot be read or written: it is missing, damaged, too large, or
    /// of another version of the format. `stepwright test from-run` writes such files.
    CASSETTE_INVALID = 125, "a recording of a run cannot be used";

    /// A run cannot become a test, or a test belongs to another definition: the run has not ended,
    /// a replay of it differs from what happened, or the workflow file is missing or has mistakes.
    /// The message says which.
    CASSETTE_UNFIT = 126, "a run and a test do not fit";

    /// The environment asks for traces in a way that this program does not have: another exporter
    /// than `otlp`, or another protocol than `http/protobuf`. Collectors take OTLP over HTTP at a
    /// port of its own, often 4318. `OTEL_SDK_DISABLED=true` turns traces off.
    TRACES_UNSUPPORTED = 127, "traces cannot be sent in this way";
}
