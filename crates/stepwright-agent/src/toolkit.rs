//! Values that an agent accepts as tools: single tools, toolkits, and sources of tools.

use stepwright_core::tool::{AnyTool, AnyToolSource, Tool, ToolSource};
use stepwright_core::{Error, Fingerprint};

/// A group of tools that are configured together.
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
    /// Returns the tools of this kit.
    ///
    /// # Errors
    /// Returns an error if the toolkit is configured wrongly.
    /// [`AgentBuilder::build`](crate::AgentBuilder::build) then fails and lists the message among
    /// its mistakes.
    fn tools(self) -> Result<Vec<AnyTool>, Error>;

    /// Returns everything that an agent gets from this kit. By default these are its tools alone. A
    /// kit that tells the model how to use its tools adds instructions here.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`Toolkit::tools`].
    fn tool_set(self) -> Result<ToolSet, Error>
    where
        Self: Sized,
    {
        Ok(ToolSet { tools: self.tools()?, ..ToolSet::default() })
    }
}

/// The tools that an agent gets from one value.
///
/// ```
/// use stepwright_agent::{Agent, ToolSet};
/// let none = ToolSet::default();
/// assert!(none.tools.is_empty() && none.sources.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ToolSet {
    /// The tools that are known now.
    pub tools: Vec<AnyTool>,
    /// The sources of those that are known only when a run needs them.
    pub sources: Vec<AnyToolSource>,
    /// A text that the model reads after the instructions of the agent.
    pub instructions: Option<String>,
    /// The texts and settings that must be unchanged when a run resumes, besides the tools.
    pub content: Fingerprint,
}

/// A value that an agent accepts as tools: any [`Tool`], any [`Toolkit`] or any [`ToolSource`].
///
/// `K` distinguishes them and is always inferred.
///
/// ```
/// use stepwright_agent::{Agent, IntoTools, tool};
/// use stepwright_core::Error;
/// /// Builds a clerk with the tools of the office.
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
    note = "put `#[tool]` on an `async fn`, wrap a closure in `FunctionTool::new`, or implement \
            `Tool`, or `Toolkit` for several tools"
)]
pub trait IntoTools<K> {
    /// Converts this value into tools.
    ///
    /// # Errors
    /// Returns an error if a toolkit is configured wrongly.
    fn into_tools(self) -> Result<ToolSet, Error>;
}

/// Marks a single [`Tool`].
#[derive(Debug)]
pub struct FromTool(());

/// Marks a [`Toolkit`].
#[derive(Debug)]
pub struct FromToolkit(());

/// Marks a [`ToolSource`].
#[derive(Debug)]
pub struct FromSource(());

#[diagnostic::do_not_recommend]
impl<T: Tool> IntoTools<FromTool> for T {
    fn into_tools(self) -> Result<ToolSet, Error> {
        Ok(ToolSet { tools: vec![AnyTool::new(self)], ..ToolSet::default() })
    }
}

#[diagnostic::do_not_recommend]
impl<T: Toolkit> IntoTools<FromToolkit> for T {
    fn into_tools(self) -> Result<ToolSet, Error> {
        self.tool_set()
    }
}

#[diagnostic::do_not_recommend]
impl<T: ToolSource> IntoTools<FromSource> for T {
    fn into_tools(self) -> Result<ToolSet, Error> {
        self.check()?;
        Ok(ToolSet { sources: vec![AnyToolSource::new(self)], ..ToolSet::default() })
    }
}

/// Returns the instructions of an agent, and those of its toolkits after them.
pub(crate) fn whole(own: Option<String>, added: Vec<String>) -> Option<String> {
    let all: Vec<String> = own.into_iter().chain(added).collect();
    (!all.is_empty()).then(|| all.join("\n\n"))
}
