//! Signal handling on a thread of its own, so that Ctrl-C works while steps keep all runtime
//! threads busy.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request sent to the process by a signal.
///
/// ```
/// use stepwright_term::{Interrupt, on_interrupt};
/// # let (tell, told) = std::sync::mpsc::channel();
/// let signals = on_interrupt(move |interrupt| match interrupt {
///     Interrupt::Stop => println!("what is said so far is kept"),
///     Interrupt::Terminate => {
///         println!("everything is put away");
/// #       tell.send(interrupt).unwrap();
///     }
/// });
/// # #[cfg(unix)] {
/// # signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
/// # assert_eq!(told.recv(), Ok(Interrupt::Terminate));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C: stop the current work.
    Stop,
    /// End the program.
    Terminate,
}

type Handler = Arc<dyn Fn(Interrupt) + Send + Sync>;

/// The registered handlers, and the thread that waits for signals.
static HANDLERS: Mutex<Handlers> = Mutex::new(Handlers { list: Vec::new(), waiter: None });

struct Handlers {
    list: Vec<(u64, Handler)>,
    /// Present as long as the list is not empty.
    waiter: Option<Waiter>,
}

fn handlers() -> MutexGuard<'static, Handlers> {
    HANDLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guard that keeps a signal handler registered: see [`on_interrupt`].
///
/// ```
/// use stepwright_term::on_interrupt;
/// # let (tell_program, told) = std::sync::mpsc::channel();
/// # let tell_answer = tell_program.clone();
/// # #[cfg(unix)] fn press_ctrl_c() {
/// #     signal_hook::low_level::raise(signal_hook::consts::SIGINT).unwrap();
/// # }
/// # #[cfg(unix)] {
/// let _whole = on_interrupt(move |_| tell_program.send("leave the program").unwrap());
/// let answer = on_interrupt(move |_| tell_answer.send("stop the answer").unwrap());
/// press_ctrl_c();
/// assert_eq!(told.recv(), Ok("stop the answer"));
/// drop(answer);
/// press_ctrl_c();
/// assert_eq!(told.recv(), Ok("leave the program"));
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it gives the signals back"]
pub struct Interrupts(u64);

/// Makes a write beyond the limit of the size of files (`ulimit -f`) an error of that write. By
/// default the signal SIGXFSZ ends the process without a word. Programs that this one starts keep
/// the default.
///
/// ```
/// stepwright_term::survive_size_limits();
/// ```
pub fn survive_size_limits() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Calls `handle` for each signal until the returned guard is dropped. Only the most recently
/// registered handler is called. When the last guard is dropped, signals do what they did before
/// the first: the program's own handlers run, or the default action. Only Linux reports existing
/// handlers; elsewhere the default action applies. Install a handler of your own before the first
/// call. If the thread that waits for signals cannot start, signals keep their previous effect.
///
/// ```
/// # #[cfg(not(unix))] fn main() {}
/// # #[cfg(unix)] fn main() -> Result<(), stepwright_core::Error> {
/// # use stepwright_core::ErrorKind;
/// # use stepwright_engine::Workflow;
/// use stepwright_term::on_interrupt;
/// # async fn long(_: String) {
/// #     signal_hook::low_level::raise(signal_hook::consts::SIGINT).unwrap();
/// #     std::future::pending().await
/// # }
/// let workflow = Workflow::builder("Long").step(long).build()?;
/// let same = workflow.clone();
/// let _signals = on_interrupt(move |_| assert!(same.cancel_now("r-1")));
/// // Ctrl-C is pressed while the workflow runs.
/// let error = workflow.run("").run_id("r-1").blocking().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok(()) }
/// ```
pub fn on_interrupt(handle: impl Fn(Interrupt) + Send + Sync + 'static) -> Interrupts {
    let mut handlers = handlers();
    if handlers.waiter.is_none() {
        handlers.waiter = Waiter::start();
    }
    let id = handlers.list.last().map_or(0, |(id, _)| id + 1);
    handlers.list.push((id, Arc::new(handle)));
    Interrupts(id)
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let mut handlers = handlers();
        handlers.list.retain(|(id, _)| *id != self.0);
        if handlers.list.is_empty() {
            handlers.waiter = None;
        }
    }
}

/// Calls the most recent handler. Returns `false` if there is none.
fn tell(interrupt: Interrupt) -> bool {
    let handler = handlers().list.last().map(|(_, handler)| handler.clone());
    match handler {
        Some(handler) => {
            handler(interrupt);
            true
        }
        None => false,
    }
}

#[cfg(unix)]
use unix::Waiter;

#[cfg(unix)]
mod unix {
    use super::{Interrupt, tell};
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::{Handle, Signals};
    use std::sync::Arc;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Waits for signals on a thread. Dropping it stops the thread.
    pub(super) struct Waiter(Handle);

    /// Signals that had their default action before the first handler. An installed handler stays
    /// in place and performs the default action for them.
    struct Defaults {
        signals: Vec<i32>,
        /// `true` while they perform the default action.
        idle: Arc<AtomicBool>,
    }

    fn defaults() -> &'static Defaults {
        static FOUND: OnceLock<Defaults> = OnceLock::new();
        FOUND.get_or_init(|| {
            let idle = Arc::new(AtomicBool::new(false));
            let mut signals = vec![SIGINT, SIGTERM];
            let of_program = signals_of_program();
            signals.retain(|signal| of_program >> (signal - 1) & 1 == 0);
            for signal in &signals {
                let _ = signal_hook::flag::register_conditional_default(*signal, idle.clone());
            }
            Defaults { signals, idle }
        })
    }

    /// Returns the signals that the program handles or ignores, as bits. Only Linux reports them.
    fn signals_of_program() -> u64 {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
        let masks = status.lines().filter_map(|line| {
            let (name, mask) = line.split_once(':')?;
            let is_meant = matches!(name, "SigCgt" | "SigIgn");
            is_meant.then(|| u64::from_str_radix(mask.trim(), 16).ok()).flatten()
        });
        masks.fold(0, |all, mask| all | mask)
    }

    impl Waiter {
        pub(super) fn start() -> Option<Self> {
            let defaults = defaults();
            defaults.idle.store(false, Ordering::SeqCst);
            let waiter = Self::wait(defaults);
            if waiter.is_none() {
                defaults.idle.store(true, Ordering::SeqCst);
            }
            waiter
        }

        fn wait(defaults: &'static Defaults) -> Option<Self> {
            let mut signals = Signals::new([SIGINT, SIGTERM]).ok()?;
            let handle = signals.handle();
            let wait = move || {
                for signal in &mut signals {
                    let interrupt = match signal {
                        SIGINT => Interrupt::Stop,
                        _ => Interrupt::Terminate,
                    };
                    if !tell(interrupt) && defaults.signals.contains(&signal) {
                        // The signal arrived while the last handler was removed.
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                }
            };
            std::thread::Builder::new().name("signals".to_owned()).spawn(wait).ok()?;
            Some(Self(handle))
        }
    }

    impl Drop for Waiter {
        fn drop(&mut self) {
            self.0.close();
            defaults().idle.store(true, Ordering::SeqCst);
        }
    }
}

/// Waits for Ctrl-C. The handler cannot be removed on this platform: without a registered handler,
/// Ctrl-C ends the program.
#[cfg(not(unix))]
struct Waiter;

#[cfg(not(unix))]
impl Waiter {
    fn start() -> Option<Self> {
        static WAITING: std::sync::Once = std::sync::Once::new();
        WAITING.call_once(|| {
            let _ = ctrlc::set_handler(|| {
                if !tell(Interrupt::Stop) {
                    // The default action of Ctrl-C.
                    #[expect(clippy::exit, reason = "no handler is registered")]
                    std::process::exit(130);
                }
            });
        });
        Some(Self)
    }
}
