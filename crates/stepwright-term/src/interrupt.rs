//! Ctrl-C, and being asked to end, on a thread of their own: they work while steps keep all others
//! busy.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

/// What somebody wants who sends a signal.
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
    /// Ctrl-C: what is under way should stop.
    Stop,
    /// The program should end.
    Terminate,
}

type Handler = Arc<dyn Fn(Interrupt) + Send + Sync>;

/// Who is told, the last one first.
static HANDLERS: Mutex<Vec<(u64, Handler)>> = Mutex::new(Vec::new());

fn handlers() -> MutexGuard<'static, Vec<(u64, Handler)>> {
    HANDLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as it is there, signals are somebody's: see [`on_interrupt`].
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

/// Calls `handle` for each signal, until what it gives is dropped. Whoever asked last is told.
/// When nobody is, signals do what they do by default; so they do if there cannot be a thread that
/// waits for them.
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
/// // Somebody presses Ctrl-C while it runs.
/// let error = workflow.run("").run_id("r-1").blocking().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok(()) }
/// ```
pub fn on_interrupt(handle: impl Fn(Interrupt) + Send + Sync + 'static) -> Interrupts {
    static WAITING: Once = Once::new();
    WAITING.call_once(wait);
    let mut handlers = handlers();
    let id = handlers.last().map_or(0, |(id, _)| id + 1);
    handlers.push((id, Arc::new(handle)));
    Interrupts(id)
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        handlers().retain(|(id, _)| *id != self.0);
    }
}

/// Tells whoever asked last. `false` if nobody did.
fn tell(interrupt: Interrupt) -> bool {
    let handler = handlers().last().map(|(_, handler)| handler.clone());
    match handler {
        Some(handler) => {
            handler(interrupt);
            true
        }
        None => false,
    }
}

#[cfg(unix)]
fn wait() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    let wait = move || {
        for signal in &mut signals {
            let interrupt = if signal == SIGINT { Interrupt::Stop } else { Interrupt::Terminate };
            if !tell(interrupt) {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    drop(thread);
}

#[cfg(not(unix))]
fn wait() {
    let _ = ctrlc::set_handler(|| {
        if !tell(Interrupt::Stop) {
            // What Ctrl-C does by default.
            #[expect(clippy::exit, reason = "nobody asked to be told instead")]
            std::process::exit(130);
        }
    });
}
