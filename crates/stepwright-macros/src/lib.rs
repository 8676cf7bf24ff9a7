//! Macros of Stepwright: `#[tool]`.

mod argument;
mod settings;
mod tool;

use proc_macro::TokenStream;

/// Makes a tool of a function.
///
/// Its name, its comment and its arguments become what a model is told:
///
/// ```
/// use stepwright_agent::{Agent, Json, tool};
/// # use serde::Serialize;
/// # #[derive(Serialize)] struct Weather { city: String, degrees: i64 }
///
/// /// The weather in a city, now.
/// #[tool(crate = "stepwright_agent")]
/// async fn weather(
///     /// The name of a city.
///     city: String,
///     /// Celsius unless set.
///     fahrenheit: Option<bool>,
///     /// How many days to look ahead.
///     #[tool(default = 1)]
///     days: u32,
/// ) -> Json<Weather> {
///     let degrees = if fahrenheit == Some(true) { 50 } else { 10 };
/// #   let _ = days;
///     Json(Weather { city, degrees })
/// }
///
/// let agent = Agent::builder("Adviser").model("offline")?.tool(weather).build()?;
/// assert_eq!(agent.tools()[0].description, "The weather in a city, now.");
///
/// // The function itself is `weather::run`.
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let here = weather::run("Bergen".into(), None, 1).await;
/// assert_eq!(here.0.degrees, 10);
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Arguments
///
/// * Every type that is `serde::Deserialize` and `schemars::JsonSchema`, and owned: a call
///   outlives the model's text. The comment on an argument is what the model is told about it.
/// * `Option<T>` may be left out, and so may what has `#[tool(default = …)]`, or
///   `#[tool(default)]` for `Default::default()`.
/// * One argument may be the `StepContext`, written with this name. The model knows nothing of it.
///
/// A model that gives wrong arguments, or one that is not there, is told where, and may correct
/// them.
///
/// # What it gives
///
/// `String`, `&'static str`, `Json<T>`, `serde_json::Value`, `()`, or a `Result` of one of them
/// with any error: what implements `ToolReply`. The function may be `async` or not.
///
/// # Settings
///
/// | | |
/// |---|---|
/// | `name = "…"` | what the model calls it, instead of the name of the function |
/// | `description = "…"` | what the model is told, instead of the comment |
/// | `requires_confirmation` | a person must allow each call, and the run waits for that |
/// | `read_only` | a call changes nothing: one that is interrupted is repeated |
/// | `idempotent` | a repeated call changes nothing more: one that is interrupted is repeated |
/// | `on_interrupted = "…"` | `retry`, `fail` or `ask`: the policy for interrupted calls |
/// | `crate = "…"` | where Stepwright is: `::stepwright` unless set |
///
/// # What becomes of the function
///
/// A type of its name without fields, which implements `Tool` and is its own only value. The
/// function is `run` of this type, as visible as it was written. As beside every constant, no
/// variable can have its name.
#[proc_macro_attribute]
pub fn tool(settings: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(settings.into(), &item.into()).into()
}
