//! Keys that are pressed while an answer is written, and the mode of the terminal.

#[cfg(not(unix))]
pub(crate) use other::Keys;
#[cfg(not(unix))]
pub use other::TerminalMode;
#[cfg(unix)]
pub(crate) use unix::Keys;
#[cfg(unix)]
pub use unix::TerminalMode;

/// A key as far as it matters while an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// Escape alone: it does not begin the sequence of another key.
    Escape,
    Text(char),
    /// The character before it is erased.
    Back,
}

/// Erases the last character of the line that is being typed.
fn erase(text: &mut String) {
    if !text.ends_with('\n') {
        text.pop();
    }
}

/// Finds the keys in the bytes of one read. A terminal sends the sequence of a key at once, so an
/// escape character at the end is the key of that name.
fn keys(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let (mut keys, mut chars) = (Vec::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                None => keys.push(Key::Escape),
                // The sequence of another key ends with a letter or a tilde.
                Some('[' | 'O') => {
                    let is_open = |c: &char| !c.is_ascii_alphabetic() && *c != '~';
                    while chars.next_if(is_open).is_some() {}
                    chars.next();
                }
                // Two presses, of which the first is not the start of a sequence.
                Some('\x1b') => keys.push(Key::Escape),
                // A letter with the Alt key.
                Some(_) => {}
            },
            '\r' => keys.push(Key::Text('\n')),
            '\x7f' | '\x08' => keys.push(Key::Back),
            c if c.is_control() && c != '\n' => {}
            c => keys.push(Key::Text(c)),
        }
    }
    keys
}

#[cfg(unix)]
mod unix {
    use super::{Key, erase, keys};
    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };
    use std::fmt;
    use std::io::IsTerminal as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::thread::JoinHandle;

    /// The mode of the terminal at stdin, to restore it before a process exits at a prompt.
    ///
    /// ```
    /// let mode = stepwright_term::TerminalMode::save();
    /// // A prompt changes the mode, and the process must end.
    /// mode.restore();
    /// ```
    pub struct TerminalMode(Option<Termios>);

    impl TerminalMode {
        /// Saves the mode. Without a terminal there is nothing to save.
        pub fn save() -> Self {
            Self(tcgetattr(std::io::stdin()).ok())
        }

        /// Restores the mode.
        pub fn restore(&self) {
            if let Some(mode) = &self.0 {
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, mode);
            }
        }
    }

    impl fmt::Debug for TerminalMode {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("TerminalMode").finish_non_exhaustive()
        }
    }

    /// The number of tenths of a second after which a read without a key returns.
    const READ_TENTHS: u8 = 1;

    /// Reads keys while an answer is written, until it is dropped. Ctrl-C stays a signal.
    pub(crate) struct Keys {
        mode: TerminalMode,
        stop: Arc<AtomicBool>,
        typed: Arc<Mutex<String>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Keys {
        /// Starts to read, and calls `on_escape` for each press of Escape, and `on_text` when text
        /// was typed. `None` without a terminal.
        pub(crate) fn read(
            on_escape: impl Fn() + Send + 'static,
            on_text: impl Fn() + Send + 'static,
        ) -> Option<Self> {
            if !std::io::stdin().is_terminal() {
                return None;
            }
            let mode = TerminalMode::save();
            let mut raw = mode.0.clone()?;
            raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            raw.special_codes[SpecialCodeIndex::VMIN] = 0;
            raw.special_codes[SpecialCodeIndex::VTIME] = READ_TENTHS;
            tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
            let stop = Arc::new(AtomicBool::new(false));
            let typed = Arc::new(Mutex::new(String::new()));
            let (stopped, text) = (stop.clone(), typed.clone());
            let read = move || {
                let mut bytes = [0; 256];
                while !stopped.load(Ordering::Relaxed) {
                    let Ok(read) = rustix::io::read(std::io::stdin(), &mut bytes) else { return };
                    for key in keys(&bytes[..read]) {
                        let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                        match key {
                            Key::Escape => {
                                drop(text);
                                on_escape();
                            }
                            Key::Text(c) => text.push(c),
                            Key::Back => erase(&mut text),
                        }
                    }
                    if read > 0 {
                        on_text();
                    }
                }
            };
            let thread = std::thread::Builder::new().name("keys".to_owned()).spawn(read);
            // Without the thread, dropping this restores the mode.
            Some(Self { mode, stop, typed, thread: thread.ok() })
        }

        fn text(&self) -> MutexGuard<'_, String> {
            self.typed.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Returns the line that is being typed.
        pub(crate) fn line(&self) -> String {
            self.text().clone()
        }

        /// Takes the next line that was completed with Enter.
        pub(crate) fn take_line(&self) -> Option<String> {
            let mut text = self.text();
            let end = text.find('\n')?;
            let line = text.drain(..=end).collect::<String>();
            Some(line.trim_end_matches('\n').to_owned())
        }

        /// Stops to read, and returns the text that was typed.
        pub(crate) fn end(self) -> String {
            let typed = self.typed.clone();
            drop(self);
            let mut typed = typed.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut typed)
        }
    }

    impl Drop for Keys {
        fn drop(&mut self) {
            self.stop.store(true, Ordering::Relaxed);
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
            self.mode.restore();
        }
    }
}

#[cfg(not(unix))]
mod other {
    /// The mode of the terminal. This system needs none restored.
    #[derive(Debug)]
    pub struct TerminalMode;

    impl TerminalMode {
        /// Saves nothing.
        pub fn save() -> Self {
            Self
        }

        /// Restores nothing.
        pub fn restore(&self) {}
    }

    /// Reads no keys on this system.
    pub(crate) struct Keys;

    impl Keys {
        pub(crate) fn read(
            _on_escape: impl Fn() + Send + 'static,
            _on_text: impl Fn() + Send + 'static,
        ) -> Option<Self> {
            None
        }

        pub(crate) fn line(&self) -> String {
            String::new()
        }

        pub(crate) fn take_line(&self) -> Option<String> {
            None
        }

        pub(crate) fn end(self) -> String {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_is_told_from_the_sequences_of_other_keys() {
        let text = |text: &str| text.chars().map(Key::Text).collect::<Vec<_>>();
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        assert_eq!(keys(b"\x1b[A\x1b[1;5C\x1bOP\x1b[3~"), []);
        assert_eq!(keys(b"ab\x1b"), [text("ab"), vec![Key::Escape]].concat());
        assert_eq!(keys(b"x\x7fb\r"), [text("x"), vec![Key::Back], text("b\n")].concat());
        assert_eq!(keys(b"\x1bx\t"), []);
    }

    #[test]
    fn a_line_that_was_completed_is_not_erased() {
        let mut text = "go on\nab".to_owned();
        (0..5).for_each(|_| erase(&mut text));
        assert_eq!(text, "go on\n");
    }
}
