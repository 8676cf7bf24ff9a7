//! A person at a terminal, who types and reads.

use crate::support::{PATIENCE, Place, SAYS_HOW_TO_WRITE, code};
use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";

/// A person at a terminal.
pub(crate) struct Person {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

impl Person {
    /// Starts `stepwright chat`, and waits for its prompt.
    pub(crate) fn at(place: &Place, arguments: &[&str]) -> Self {
        let person = Self::starts(place, &[&["chat", "flow.yaml"], arguments].concat());
        person.sees_prompts(1);
        person
    }

    /// Starts `stepwright` on a terminal of 80 columns.
    pub(crate) fn starts(place: &Place, arguments: &[&str]) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(200, 80)).unwrap();
        let home = place.path(".");
        let mut command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_stepwright"))
            .args(arguments)
            .current_dir(&home)
            .env("TERM", "xterm-256color");
        for (name, folder) in place.folders_of_user() {
            command = command.env(name, folder);
        }
        for name in SAYS_HOW_TO_WRITE {
            command = command.env_remove(name);
        }
        let child = command.spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let size = |n: u16| n.try_into().unwrap();
        let screen = vt100::Parser::new(size(200), size(80), 0);
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let (from, to) = (pty.clone(), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends when the command has.
            while let Ok(read @ 1..) = (&*from).read(&mut bytes) {
                to.0.lock().unwrap().process(&bytes[..read]);
                to.1.notify_all();
            }
        });
        Self { pty, child, screen }
    }

    pub(crate) fn types(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this is true of the screen.
    #[track_caller]
    pub(crate) fn waits_until(&self, is_so: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut screen = self.screen.0.lock().unwrap();
        loop {
            let shown = screen.screen().contents();
            if is_so(&shown) {
                return shown;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "in vain:\n{shown}");
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    #[track_caller]
    pub(crate) fn sees(&self, text: &str) -> String {
        self.waits_until(|screen| screen.contains(text))
    }

    /// Waits for so many prompts, at the last of which nothing is typed yet.
    #[track_caller]
    pub(crate) fn sees_prompts(&self, count: usize) -> String {
        self.waits_until(|screen| {
            let prompts = screen.lines().filter(|line| line.contains("You ›"));
            prompts.count() == count && screen.trim_end().ends_with("You ›")
        })
    }

    /// Sends a signal to the command.
    pub(crate) fn is_told(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end, and gives the exit code.
    pub(crate) fn leaves(mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return code(status);
            }
            assert!(Instant::now() < until, "it does not end: {}", self.sees(""));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
