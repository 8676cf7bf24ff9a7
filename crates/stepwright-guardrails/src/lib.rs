//! Ready-made guardrails for Stepwright.
//!
//! ```
//! use stepwright_core::guardrail::{Checked, Guard, GuardPlace, GuardVerdict, Guardrail as _};
//! use stepwright_core::StepContext;
//! use stepwright_guardrails::{Length, Secrets};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), stepwright_core::StepError> {
//! let guards = [
//!     Guard::before(Length::at_most(4000)),
//!     Guard::after(Secrets::new().rewriting()),
//! ];
//! let answer = Checked::new(GuardPlace::AfterAgent, "password = hunter22");
//! let ruling = guards[1].guardrail().check(answer, StepContext::detached("s")).await?;
//! assert_eq!(ruling.verdict, GuardVerdict::rewrite("password = [redacted]"));
//! # Ok(()) }
//! ```

mod found;
mod injection;
mod judge;
mod length;
mod pattern;
mod personal;
mod schema;
mod secrets;

pub use found::OnFound;
pub use injection::PromptInjection;
pub use judge::{JUDGED_BYTES_MAX, Judge};
pub use length::Length;
pub use pattern::Pattern;
pub use personal::{PersonalData, PersonalKind};
pub use schema::Shape;
pub use secrets::Secrets;
