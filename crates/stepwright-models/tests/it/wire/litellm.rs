//! LiteLLM, a gateway to language models that is not ours, as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Where its command is: `scripts/test-litellm.sh` installs it, and `test.sh` says so.
const VARIABLE: &str = "STEPWRIGHT_TEST_LITELLM";

/// The time that it may take to load itself: some ten seconds of work, on a machine that has other
/// work.
const PATIENCE: Duration = Duration::from_mins(5);

/// A gateway for one test. It ends with it.
pub(crate) struct LiteLlm {
    process: Child,
    /// Without a path.
    pub(crate) url: String,
    _home: TempDir,
}

impl LiteLlm {
    /// Starts it with these models, the `model_list` of its configuration, and with a key that each
    /// request must have. Says so and gives `None` where it is not installed.
    pub(crate) fn start(models: &str, key: Option<&str>) -> Option<Self> {
        let Some(command) = std::env::var_os(VARIABLE) else {
            #[expect(clippy::print_stderr, reason = "who reads the tests shall know")]
            {
                eprintln!("Left out: `{VARIABLE}` does not say where LiteLLM is.");
            }
            return None;
        };
        let home = TempDir::new().unwrap();
        let config = home.path().join("config.yaml");
        let settings = "router_settings:\n  num_retries: 0\n  disable_cooldowns: true\n";
        let general = key.map(|key| format!("general_settings:\n  master_key: {key}\n"));
        let general = general.unwrap_or_default();
        fs::write(&config, format!("model_list:\n{models}{settings}{general}")).unwrap();
        let mut process = Command::new(command)
            .args(["--host", "127.0.0.1", "--port", "0", "--telemetry", "False", "--config"])
            .arg(&config)
            // It sees nothing of who runs the tests: no keys, no files, no proxy.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            // Without these it asks the network for its prices, and reads `.env` files.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_MODE", "PRODUCTION")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, lines) = channel();
        follow(process.stdout.take().unwrap(), said.clone());
        follow(process.stderr.take().unwrap(), said);
        let mut log = String::new();
        let url = loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                let _ = process.kill();
                panic!("LiteLLM did not start:\n{log}");
            };
            if let Some((_, rest)) = line.split_once("running on http://") {
                let address = rest.split_whitespace().next().unwrap_or_default();
                break format!("http://{address}");
            }
            log.push_str(&line);
            log.push('\n');
        };
        Some(Self { process, url, _home: home })
    }
}

impl Drop for LiteLlm {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads what a process says to its end, so that it never waits to be heard.
fn follow(output: impl Read + Send + 'static, said: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Once it runs, no receiver listens.
            let _ = said.send(line);
        }
    });
}
