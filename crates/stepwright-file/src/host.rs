//! Functions of the program that files call by name.

use std::collections::BTreeMap;
use stepwright_core::AnyExecutor;
use stepwright_engine::IntoExecutor;

/// Functions of the program that steps of files call by name, with the key `function`. A function
/// is anything that a step of Rust can be made of.
///
/// ```
/// use stepwright_file::{Definition, Functions, Options};
/// async fn shout(text: String) -> String {
///     text.to_uppercase()
/// }
/// let text = "
/// format: 1
/// name: Loud
/// steps:
///   - {name: loud, function: shout}
/// ";
/// let functions = Functions::new().with("shout", shout);
/// let options = Options { functions, ..Options::default() };
/// let workflow = Definition::parse(text, "loud.yaml", &options)?.build()?;
/// assert_eq!(workflow.run("help").blocking()?.content.text(), "HELP");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Functions(BTreeMap<String, AnyExecutor>);

impl Functions {
    /// Creates an empty set of functions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. It replaces an earlier one of the same name.
    #[must_use]
    pub fn with<M>(mut self, name: impl Into<String>, function: impl IntoExecutor<M>) -> Self {
        self.0.insert(name.into(), function.into_executor());
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&AnyExecutor> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
