//! Programs in Python, which a model writes.

use crate::effects::{PYTHON, called};
use crate::kit::{KitTool, mistake, told};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::permission::{CommandLine, Effect};
use stepwright_core::redact::Secrets;
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext};
use stepwright_process::Sandbox;
use stepwright_process::command::{Command, Done, Program, run};

/// The longest program, in bytes.
pub const PYTHON_CODE_BYTES_MAX: usize = 200_000;

/// The largest output of a program, in bytes, of each of its streams.
pub const PYTHON_OUTPUT_BYTES_MAX: u64 = 200_000;

/// The default time for a program.
pub const PYTHON_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs programs in Python that a model writes, with the tool `run_python`.
///
/// A program is a process of its own, `python3 -I -X utf8 -`: it gets no environment variables but
/// those that every program needs, imports nothing from the working directory, and works in a
/// directory of its own, which is removed afterwards. Its process group ends with the call.
///
/// It can read every file and reach every address that this program can: add it only for models
/// that you trust with that, or in a [`Sandbox`]. Permissions judge each program as a command.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Python;
/// let agent = Agent::builder("Analyst").model("offline")?.tool(Python::new()).build()?;
/// assert_eq!(agent.tools()[0].name, "run_python");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Python {
    program: String,
    timeout: Duration,
    max_bytes: u64,
}

impl Default for Python {
    fn default() -> Self {
        Self::new()
    }
}

impl Python {
    /// Creates the toolkit with the program `python3`.
    pub fn new() -> Self {
        let program = if cfg!(windows) { "python" } else { "python3" };
        let (timeout, max_bytes) = (PYTHON_TIMEOUT, PYTHON_OUTPUT_BYTES_MAX);
        Self { program: program.into(), timeout, max_bytes }
    }

    /// Sets the interpreter: a name, or a path such as that of a virtual environment.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// Sets the time for a program. Default: [`PYTHON_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the largest output of a program, in bytes, up to [`PYTHON_OUTPUT_BYTES_MAX`].
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    fn words(&self) -> Vec<String> {
        // Isolated, so variables of the environment such as `PYTHONUTF8` have no effect.
        ["-I", "-X", "utf8", "-"].into_iter().fold(vec![self.program.clone()], |mut words, word| {
            words.push(word.into());
            words
        })
    }

    /// Returns the effect of a program. Nothing but the code tells what it does, so only rules
    /// without a pattern allow it.
    fn effect(&self, code: &str) -> Effect {
        let mut line = CommandLine::of_words(self.words());
        line.shown = format!("{} <<< {code:?}", line.shown);
        line.is_unclear = true;
        called(Effect::command(PYTHON[0], line), PYTHON)
    }

    async fn run(&self, code: String, cx: &StepContext) -> Result<String, ToolError> {
        if code.len() > PYTHON_CODE_BYTES_MAX {
            let bytes = code.len();
            return Err(ToolError::Arguments(format!(
                "`code` has {bytes} bytes, and at most {PYTHON_CODE_BYTES_MAX} are possible"
            )));
        }
        let dir = tempfile::Builder::new().prefix("stepwright-python-").tempdir();
        let dir = dir.map_err(|error| {
            ToolError::Failed(format!("the directory of the program cannot be made: {error}"))
        })?;
        let home = dir.path().display().to_string();
        // A sandbox has its own.
        let env = match cx.state::<Sandbox>() {
            Some(_) => Vec::new(),
            None => vec![("HOME".into(), home.clone()), ("TMPDIR".into(), home)],
        };
        let command = Command {
            program: Program::Argv(self.words()),
            env,
            pass_env: Vec::new(),
            stdin: code,
            // Files that it leaves are for the step, if that has a folder.
            dir: cx.workspace().unwrap_or(dir.path()).to_owned(),
            shown: Vec::new(),
            timeout: self.timeout,
            max_bytes: self.max_bytes,
            any_status: true,
            shortens: true,
            secrets: Secrets::default(),
        };
        let Done { stdout, stderr, status } = run(command, cx).await.map_err(told)?;
        if status != 0 {
            let out = if stdout.is_empty() { String::new() } else { format!("\n{stdout}") };
            return Err(ToolError::Failed(format!("exit code {status}: {stderr}{out}")));
        }
        Ok(match (stdout.is_empty(), stderr.is_empty()) {
            (true, true) => "(no output; print what you want to know)".to_owned(),
            (_, true) => stdout,
            (_, false) => format!("{stdout}\n[stderr] {stderr}"),
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Code {
    /// The program. Print what you want to know.
    code: String,
}

impl Toolkit for Python {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        if self.timeout.is_zero() {
            return Err(mistake("the `timeout` of `Python` must be greater than zero"));
        }
        if !(1..=PYTHON_OUTPUT_BYTES_MAX).contains(&self.max_bytes) {
            let bytes = self.max_bytes;
            return Err(mistake(format!(
                "`max_bytes` of `Python` is {bytes}; set 1 to {PYTHON_OUTPUT_BYTES_MAX}"
            )));
        }
        let about = "Runs a program in Python 3 and gives what it prints. Each call is a process \
                     of its own, in an empty directory that is removed afterwards.";
        let kit = self.clone();
        let tool =
            FunctionTool::new("run_python", about, move |Code { code }: Code, cx: StepContext| {
                let kit = kit.clone();
                async move { kit.run(code, &cx).await }
            });
        let access = move |arguments: &Value| Some(self.effect(arguments["code"].as_str()?));
        Ok(vec![KitTool::with_access(tool, access)])
    }
}
