//! Terminal output for Stepwright: prints runs as they happen and prompts for answers.
//!
//! ```
//! # use stepwright_engine::Workflow;
//! use stepwright_term::PrintResponse as _;
//! # async fn greet(name: String) -> String { format!("Hello **{name}**") }
//! let workflow = Workflow::builder("Greeting").step(greet).build()?;
//! workflow.print_response("Ada").markdown(true).blocking()?;
//! # Ok::<(), stepwright_core::Error>(())
//! ```
//!
//! Text from models, tools and workflow files is sanitized before it is written: it cannot move the
//! cursor, change colors or otherwise control the terminal (`tests/it/snapshots.rs`).

mod asking;
mod cli_app;
mod display;
mod interrupt;
mod keys;
mod pick;
mod printing;
mod prompt;

mod lines;
mod options;
mod speakers;
mod speech;
mod summary;
mod view;
mod waiting;

mod duration;
mod excerpt;
mod json;
mod markdown;
mod moment;
mod screen;
mod styled;
mod terminal;
mod text;
mod tree;

pub use asking::{Asker, answer_inline};
pub use cli_app::{CliApp, Conversation};
pub use display::{Display, Ticks, rendered, waiting};
pub use duration::about;
pub use interrupt::{Interrupt, Interrupts, on_interrupt, survive_size_limits};
pub use keys::TerminalMode;
pub use lines::line;
pub use moment::{ago, utc};
pub use options::Style;
pub use pick::pick;
pub use printing::{PrintResponse, Printing};
pub use speech::Speech;
pub use summary::{metrics, status_word, summary};
pub use terminal::Terminal;
pub use text::{harmless, harmless_lines, width_of};
