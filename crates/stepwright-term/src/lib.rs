//! Runs of Stepwright at a terminal: printed as they happen, and asked for at a prompt.
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
//! What others have said (models, tools, whoever wrote a workflow) is made harmless before it is
//! written: it cannot move the cursor, change colours, or reach anything else of the terminal.

mod asking;
mod cli_app;
mod display;
mod interrupt;
mod printing;
mod prompt;

mod floor;
mod lines;
mod look;
mod speech;
mod summary;
mod view;
mod waiting;

mod duration;
mod json;
mod markdown;
mod moment;
mod screen;
mod styled;
mod terminal;
mod text;

pub use asking::{Asker, answer_inline};
pub use cli_app::{CliApp, Conversation};
pub use display::{Display, Ticks, rendered, waiting};
pub use duration::about;
pub use interrupt::{Interrupt, Interrupts, on_interrupt};
pub use lines::line;
pub use look::Style;
pub use moment::utc;
pub use printing::{PrintResponse, Printing};
pub use speech::Speech;
pub use summary::{status_word, summary};
pub use terminal::Terminal;
pub use text::{harmless, harmless_lines};
