//! The output of `--debug`.

use stepwright::term::Terminal;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Shows the log of runs on stderr, without that of other libraries.
pub(crate) fn show(terminal: Terminal) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal.color)
        .with_target(false);
    let ours = Targets::new().with_target("stepwright", Level::DEBUG);
    // This fails only if there is a subscriber already, which then shows the log.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
}
