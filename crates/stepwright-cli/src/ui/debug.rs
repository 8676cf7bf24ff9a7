//! What `--debug` shows.

use stepwright::term::Terminal;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Shows on stderr what runs log about themselves, and nothing of the libraries beneath.
pub(crate) fn show(terminal: Terminal) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal.color)
        .with_target(false);
    let ours = Targets::new().with_target("stepwright", Level::DEBUG);
    // Fails only if a subscriber is there already, which then shows it.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
}
