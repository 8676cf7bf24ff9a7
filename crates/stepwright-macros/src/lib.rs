//! Macros of Stepwright: [`macro@tool`] makes a tool of a function.

mod argument;
mod settings;
mod tool;

use proc_macro::TokenStream;

/// Turns a function into a tool.
///
/// The function's name, comment and arguments describe the tool to the model:
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
///     /// The number of days to look ahead.
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
/// Each type must be owned and implement `serde::Deserialize` and `schemars::JsonSchema`. The
/// comment on an argument describes it to the model.
/// An `Option<T>` may be left out, and so may an argument with `#[tool(default = …)]`, or
/// `#[tool(default)]` for `Default::default()`.
/// Arguments of type `StepContext` and `State<T>`, written with these names, are not for the model:
/// the context of the call, and values of the host program, such as a pool of connections.
///
/// ```
/// use stepwright_agent::tool;
/// use stepwright_core::State;
/// # use std::collections::BTreeMap; use std::sync::Arc;
/// #[derive(Clone)]
/// struct Stock(Arc<BTreeMap<&'static str, u32>>);
///
/// /// The number of pieces of an article in stock.
/// #[tool(crate = "stepwright_agent", read_only)]
/// fn stock(article: String, State(all): State<Stock>) -> Result<String, &'static str> {
///     all.0.get(&*article).map(u32::to_string).ok_or("there is no such article")
/// }
/// let here = Stock(Arc::new(BTreeMap::from([("lamp", 7)])));
/// assert_eq!(stock::run("lamp".into(), State(here)).unwrap(), "7");
/// ```
///
/// A model that passes wrong or unknown arguments is told where the mistake is and may correct it.
///
/// # Return types
///
/// `String`, `&'static str`, `Json<T>`, `serde_json::Value`, `()`, or a `Result` of one of these
/// with any error: any type that implements `ToolReply`. The function may be `async` or not.
///
/// # Settings
///
/// | | |
/// |---|---|
/// | `name = "…"` | the name shown to the model, instead of the function's |
/// | `description = "…"` | the description shown to the model, instead of the comment |
/// | `requires_confirmation` | each call needs a confirmation, for which the run waits |
/// | `read_only` | a call changes nothing, so an interrupted call is repeated |
/// | `idempotent` | a repeated call changes nothing more, so an interrupted call is repeated |
/// | `on_interrupted = "…"` | `retry`, `fail` or `ask`: the policy for interrupted calls |
/// | `crate = "…"` | the path of the Stepwright crate; default: `::stepwright` |
///
/// # The generated type
///
/// The macro generates a unit type with the function's name, which implements `Tool`. The function
/// becomes `run` of this type, with the visibility that it was written with. As with every
/// constant, no variable can have its name.
#[proc_macro_attribute]
pub fn tool(settings: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(settings.into(), &item.into()).into()
}
