//! The log of runs: the output of `--debug`, and the warnings of commands that drive many runs.

use stepwright::term::Terminal;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Shows the log of runs on stderr, without that of other libraries.
pub(crate) fn show(terminal: Terminal) {
    show_from(Level::DEBUG, terminal);
}

/// Shows the warnings of that log: runs that fail, and triggers that begin no run.
pub(crate) fn show_warnings(terminal: Terminal) {
    show_from(Level::WARN, terminal);
}

fn show_from(level: Level, terminal: Terminal) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal.color)
        .with_target(false);
    let ours = Targets::new().with_target("stepwright", level);
    // This fails only if there is a subscriber already, which then shows the log.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
}
