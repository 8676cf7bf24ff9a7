//! `SW02xx`: workflow files.

super::entry::catalogue! {
    /// The workflow file has mistakes. Each is reported with its place and its own code. Nothing
    /// ran.
    ///
    /// `stepwright check FILE` shows them without running the file, and `--json` writes them for
    /// programs.
    FILE_INVALID = 201, "the workflow file has mistakes";

    /// A workflow file, or a file that it includes, cannot be read: it does not exist, this user
    /// may not read it, it is not UTF-8, or it is larger than such a file may be.
    FILE_UNREADABLE = 202, "the file cannot be read";

    /// The file is not valid YAML or JSON. A typical cause is a text with `: `, `#` or `{{` that
    /// needs quotes, or indentation with tabs.
    ///
    /// ```text
    /// template: "{{ input }}"
    /// ```
    SYNTAX_INVALID = 203, "the file is not valid YAML";

    /// A key or a value of the file cannot be used: the key does not exist there, is missing or
    /// stands twice, or the value is of another type or out of range. The excerpt underlines the
    /// place.
    ///
    /// `docs/workflow-files.md` lists the keys of each kind of step.
    KEY_INVALID = 204, "a key or a value cannot be used";

    /// A name in the file refers to something that does not exist there: a step that has not run by
    /// then, an agent, a tool, a field of the input, or a key of the state. A typical cause is a
    /// spelling mistake; the help shows the nearest name.
    NAME_UNKNOWN = 205, "a name refers to nothing";

    /// A key of the file contradicts another one, or has no effect where it stands. Such a key is
    /// refused, because a setting that is ignored would be noticed too late.
    SETTING_USELESS = 206, "a setting has no effect or contradicts another";

    /// An expression or a template in the file is not valid: its syntax is wrong, or it calls a
    /// function or filter that does not exist.
    ///
    /// ```text
    /// if: steps.count.output > 3
    /// template: "Hello {{ input.name }}"
    /// ```
    EXPRESSION_INVALID = 207, "an expression or a template is not valid";

    /// A schema in the file is not valid: a keyword is unknown, of the wrong type, or has no effect
    /// there. The message names the keyword.
    SCHEMA_INVALID = 208, "a schema is not valid";

    /// The file runs commands, and was not allowed to. Read its `shell` steps, and pass
    /// `--allow-shell` if they may run on this machine.
    ///
    /// ```sh
    /// stepwright run release.yaml --allow-shell
    /// ```
    SHELL_REFUSED = 209, "the file may not run commands";

    /// A prompt or another workflow that the file includes cannot be used: it does not exist,
    /// cannot be read, includes itself, or is outside of the folder of the file. `--allow-path`
    /// lets a file include files from one more directory.
    INCLUDE_REFUSED = 210, "an included file cannot be used";

    /// The model cannot be used: its provider does not exist, its name has another form than
    /// `provider:model`, or the key of the provider is missing. A key is a variable of the
    /// environment, which `--env-file` reads from a file. `--model offline` needs no key.
    ///
    /// ```sh
    /// stepwright run digest.yaml --model openai:gpt-5-mini --env-file keys.env
    /// stepwright run digest.yaml --model offline
    /// ```
    MODEL_UNKNOWN = 211, "unknown model";

    /// A permission for the file cannot be granted: `--allow-path` names no directory, or
    /// `--pass-env` is not the name of a variable.
    PERMISSION_INVALID = 212, "a permission cannot be granted";

    /// A variable or a secret that the file declares has no value here: the file may not read it,
    /// or it is not set. `--pass-env` allows a file to read a variable of the environment.
    ///
    /// ```sh
    /// API_KEY=… stepwright run notify.yaml --pass-env API_KEY
    /// ```
    VARIABLE_UNAVAILABLE = 213, "a variable has no value";

    /// A warning of `stepwright check`: an agent reads texts of strangers, such as pages, reads
    /// files, and can send what it has read to any address. A page can tell it to send files away.
    ///
    /// Give the tools to two agents, ask a person before each request with
    /// `requires_confirmation`, or allow few addresses with `permissions`.
    AGENT_EXPOSED = 214, "an agent can be made to send files away";

    /// A skill of an agent cannot be used: its `SKILL.md` is missing or has mistakes, its name is
    /// not that of its folder, or one of its files is too large, is no text, or is a link that
    /// leads outside.
    ///
    /// ```text
    /// ---
    /// name: pdf-forms
    /// description: Fills in PDF forms. Use it when a form is to be filled in.
    /// ---
    /// Instructions for the model.
    /// ```
    SKILL_INVALID = 215, "a skill cannot be used";
}
