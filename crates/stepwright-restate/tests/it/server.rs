//! A Restate server of a test.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The variable with the path of the server.
const VARIABLE: &str = "STEPWRIGHT_TEST_RESTATE";

/// The longest wait for the server to start.
const PATIENCE: Duration = Duration::from_mins(2);

/// Returns a port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A server. It ends with the test.
pub(crate) struct Restate {
    program: PathBuf,
    folder: TempDir,
    ingress: u16,
    admin: u16,
    node: u16,
    process: Option<Child>,
}

impl Restate {
    /// Starts a server. `None` without the variable: the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var_os(VARIABLE)?.into();
        let folder = tempfile::tempdir().unwrap();
        let (ingress, admin, node) = (free_port(), free_port(), free_port());
        let mut server = Self { program, folder, ingress, admin, node, process: None };
        server.resume();
        Some(server)
    }

    pub(crate) fn address(&self) -> String {
        format!("restate://127.0.0.1:{}?admin=127.0.0.1:{}", self.ingress, self.admin)
    }

    /// Starts it again, with its data.
    pub(crate) fn resume(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("server.log")).unwrap();
        let at = |port: u16| format!("127.0.0.1:{port}");
        let mut command = Command::new(&self.program);
        command
            .args(["--no-logo", "--bind-ip", "127.0.0.1", "--listen-mode", "tcp"])
            .args(["--node-name", "test", "--bind-port", &self.node.to_string()])
            .env("RESTATE_BASE_DIR", self.folder.path().join("data"))
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("RESTATE_DEFAULT_NUM_PARTITIONS", "2")
            .env("RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE", "128MB")
            .env("RESTATE_INGRESS__BIND_ADDRESS", at(self.ingress))
            .env("RESTATE_ADMIN__BIND_ADDRESS", at(self.admin))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while !(answers(self.admin, "/health") && answers(self.ingress, "/restate/health")) {
            assert!(Instant::now() < until, "Restate does not start:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills it without asking it.
    pub(crate) fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Returns the answer of the admin API.
    pub(crate) fn admin(&self, path: &str) -> String {
        get(self.admin, path).unwrap_or_default()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Restate {
    fn drop(&mut self) {
        self.crash();
    }
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn answers(port: u16, path: &str) -> bool {
    get(port, path).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
