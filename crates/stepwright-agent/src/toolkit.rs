//! What can be given to an agent as its tools.

use stepwright_core::Error;
use stepwright_core::tool::{AnyTool, Tool};

/// Several tools that belong together and are set up together.
///
/// ```
/// use stepwright_agent::{Agent, Toolkit, tool};
/// use stepwright_core::Error;
/// use stepwright_core::tool::AnyTool;
///
/// /// Adds two numbers.
/// #[tool(crate = "stepwright_agent")]
/// fn add(a: i64, b: i64) -> String {
///     (a + b).to_string()
/// }
///
/// /// Multiplies two numbers.
/// #[tool(crate = "stepwright_agent")]
/// fn multiply(a: i64, b: i64) -> String {
///     (a * b).to_string()
/// }
///
/// struct Arithmetic;
///
/// impl Toolkit for Arithmetic {
///     fn tools(self) -> Result<Vec<AnyTool>, Error> {
///         Ok(vec![AnyTool::new(add), AnyTool::new(multiply)])
///     }
/// }
///
/// let agent = Agent::builder("Reckoner").model("offline")?.tool(Arithmetic).build()?;
/// assert_eq!(agent.tools().len(), 2);
/// # Ok::<(), Error>(())
/// ```
pub trait Toolkit {
    /// The tools.
    ///
    /// # Errors
    /// If it is set up wrongly. Building the agent fails, and tells the message among its mistakes.
    fn tools(self) -> Result<Vec<AnyTool>, Error>;
}

/// What can be given to an agent as its tools: every [`Tool`], and every [`Toolkit`].
///
/// `K` tells these two apart and is always inferred.
///
/// ```
/// use stepwright_agent::{Agent, IntoTools, tool};
/// use stepwright_core::Error;
/// /// A clerk with whatever the office has.
/// fn clerk<K>(tools: impl IntoTools<K>) -> Result<Agent, Error> {
///     Agent::builder("Clerk").model("offline")?.tool(tools).build()
/// }
/// /// Adds two numbers.
/// #[tool(crate = "stepwright_agent")]
/// fn add(a: i64, b: i64) -> String { (a + b).to_string() }
/// assert_eq!(clerk(add)?.tools()[0].description, "Adds two numbers.");
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    note = "write `#[tool]` above an `async fn`, make one of a closure with `FunctionTool::new`, \
            or implement `Tool`, or `Toolkit` for several at once"
)]
pub trait IntoTools<K> {
    /// The tools.
    ///
    /// # Errors
    /// If a toolkit is set up wrongly.
    fn into_tools(self) -> Result<Vec<AnyTool>, Error>;
}

/// One tool.
#[derive(Debug)]
pub struct One(());

/// A toolkit.
#[derive(Debug)]
pub struct Several(());

#[diagnostic::do_not_recommend]
impl<T: Tool> IntoTools<One> for T {
    fn into_tools(self) -> Result<Vec<AnyTool>, Error> {
        Ok(vec![AnyTool::new(self)])
    }
}

#[diagnostic::do_not_recommend]
impl<T: Toolkit> IntoTools<Several> for T {
    fn into_tools(self) -> Result<Vec<AnyTool>, Error> {
        self.tools()
    }
}
