//! Functions as executors.

use crate::table::BlockingCall;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use stepwright_core::executor::ExecutorType;
use stepwright_core::provided::{FromContext as _, State};
use stepwright_core::{
    AnyExecutor, BoxError, Content, ErrorCode, Executor, Json, StepContext, StepError, StepInput,
    StepOutput,
};

/// An argument of a step's function: the input as text, the input as a typed value, the whole
/// input, the step's context, or a value of the host program.
///
/// ```
/// use stepwright_core::{StepContext, StepInput};
/// use stepwright_engine::{Json, Workflow};
/// #[derive(serde::Deserialize)]
/// struct Topic { title: String }
/// async fn outline(Json(topic): Json<Topic>) -> String { topic.title }
/// async fn polish(text: String, cx: StepContext) -> String { cx.note("polishing"); text }
/// async fn both(input: StepInput) -> String { format!("{} {}", input.run.content, input.text()) }
/// let workflow = Workflow::builder("All").step(outline).step(polish).step(both).build()?;
/// let output = workflow.run(r#"{"title": "Ants"}"#).blocking()?;
/// assert_eq!(output.content.text(), r#"{"title": "Ants"} Ants"#);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a step's input",
    note = "take `String` for text, `Json<T>` for a typed value, `Content` for either, \
            `StepInput` for all of it, `StepContext` for the surroundings, \
            `State<T>` for a value of the host program"
)]
pub trait FromStep: Sized {
    /// Makes the argument from the input and the context of the step.
    fn from_step(input: &StepInput, cx: &StepContext) -> Result<Self, StepError>;
}

impl FromStep for StepInput {
    fn from_step(input: &StepInput, _: &StepContext) -> Result<Self, StepError> {
        Ok(input.clone())
    }
}

impl FromStep for StepContext {
    fn from_step(_: &StepInput, cx: &StepContext) -> Result<Self, StepError> {
        Ok(cx.clone())
    }
}

impl<T: Clone + Send + Sync + 'static> FromStep for State<T> {
    fn from_step(_: &StepInput, cx: &StepContext) -> Result<Self, StepError> {
        Self::from_context(cx)
    }
}

impl FromStep for String {
    fn from_step(input: &StepInput, _: &StepContext) -> Result<Self, StepError> {
        Ok(input.text())
    }
}

impl FromStep for Content {
    fn from_step(input: &StepInput, _: &StepContext) -> Result<Self, StepError> {
        Ok(input.content().clone())
    }
}

impl<T: DeserializeOwned> FromStep for Json<T> {
    fn from_step(input: &StepInput, _: &StepContext) -> Result<Self, StepError> {
        input.content().parse().map(Json).map_err(|error| {
            let wanted = std::any::type_name::<T>();
            StepError::terminal(format!("the input is no `{wanted}`: {error}"))
                .with_code(ErrorCode::BadInput)
        })
    }
}

/// A result of a step's function: text, `Json<T>`, `Content`, a whole `StepOutput`, nothing, or a
/// `Result` of these.
///
/// Your own types can be outputs too:
///
/// ```
/// use stepwright_core::{StepError, StepOutput};
/// use stepwright_engine::{IntoOutput, Workflow};
/// struct Verdict { stars: u8 }
/// impl IntoOutput for Verdict {
///     fn into_output(self) -> Result<StepOutput, StepError> {
///         Ok(StepOutput::from("★".repeat(self.stars.into())))
///     }
/// }
/// # async fn judge(_: String) -> Verdict { Verdict { stars: 3 } }
/// let output = Workflow::builder("Jury").step(judge).build()?.run("A long story").blocking()?;
/// assert_eq!(output.content.text(), "★★★");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step's output",
    note = "return `String`, `Json<T>`, `Content`, `StepOutput` or `()`, \
            or a `Result` of one of them",
    note = "a future gives its value with `.await`"
)]
pub trait IntoOutput {
    /// Converts the result into the output of the step.
    fn into_output(self) -> Result<StepOutput, StepError>;
}

impl IntoOutput for StepOutput {
    fn into_output(self) -> Result<StepOutput, StepError> {
        Ok(self)
    }
}

impl IntoOutput for Content {
    fn into_output(self) -> Result<StepOutput, StepError> {
        Ok(self.into())
    }
}

impl IntoOutput for String {
    fn into_output(self) -> Result<StepOutput, StepError> {
        Ok(self.into())
    }
}

impl IntoOutput for &'static str {
    fn into_output(self) -> Result<StepOutput, StepError> {
        Ok(self.into())
    }
}

impl IntoOutput for () {
    fn into_output(self) -> Result<StepOutput, StepError> {
        Ok(StepOutput::default())
    }
}

impl<T: Serialize> IntoOutput for Json<T> {
    fn into_output(self) -> Result<StepOutput, StepError> {
        Content::json(&self.0).map(StepOutput::from).map_err(|error| {
            let given = std::any::type_name::<T>();
            StepError::terminal(format!("the output `{given}` cannot be written as JSON: {error}"))
        })
    }
}

impl<T: IntoOutput, E: Into<BoxError>> IntoOutput for Result<T, E> {
    fn into_output(self) -> Result<StepOutput, StepError> {
        self.map_err(StepError::from_error).and_then(T::into_output)
    }
}

/// A marker for executors. You need not name it.
#[derive(Debug)]
pub struct Ready;
/// A marker for executors behind a handle. You need not name it.
#[derive(Debug)]
pub struct Erased;
/// A marker for functions. You need not name it.
#[derive(Debug)]
pub struct Function<A>(std::marker::PhantomData<A>);

/// An implementation of a step: an [`Executor`], or an `async fn` of up to three arguments that
/// implement [`FromStep`], with a result that implements [`IntoOutput`].
///
/// `M` is a marker that the compiler infers; you need not name it.
///
/// ```
/// use std::time::Duration;
/// use stepwright_engine::{IntoExecutor, Step, Workflow};
/// /// How this program makes its steps, whatever carries them out.
/// fn patient<M>(name: &str, work: impl IntoExecutor<M>) -> Step {
///     Step::new(name, work).retries(3).timeout(Duration::from_secs(20))
/// }
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// let workflow = Workflow::builder("Greeting").step(patient("greet", greet)).build()?;
/// assert_eq!(workflow.run("Ada").blocking()?.content.text(), "Hello Ada");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry out a step",
    label = "an `Agent`, an `async fn`, or anything that implements `Executor` can",
    note = "an `async fn` takes up to three of \
            `String`, `Json<T>`, `Content`, `StepInput`, `StepContext` and `State<T>`",
    note = "it returns `String`, `Json<T>`, `Content`, `StepOutput` or `()`, \
            or a `Result` of one of them",
    note = "a number, say, is `Json<u64>`: `async fn double(Json(n): Json<u64>) -> Json<u64>`",
    note = "its future is `Send`: it keeps no `Rc`, `RefCell` or guard of a lock over an `.await`",
    note = "it is called again for each run and retry: a closure clones what it uses, \
            and moves the clone into its `async move` block",
    note = "pass the function and not its future: `outline`, not `outline(…)`",
    note = "an `AgentBuilder` becomes an `Agent` with `.build()?`"
)]
pub trait IntoExecutor<M> {
    /// Converts the value into an executor.
    fn into_executor(self) -> AnyExecutor;
}

impl<E: Executor> IntoExecutor<Ready> for E {
    fn into_executor(self) -> AnyExecutor {
        AnyExecutor::new(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoExecutor<Erased> for AnyExecutor {
    fn into_executor(self) -> AnyExecutor {
        self
    }
}

struct FunctionExecutor<F> {
    name: String,
    call: F,
}

impl<F, R> Executor for FunctionExecutor<F>
where
    F: Fn(StepInput, StepContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<StepOutput, StepError>> + Send,
{
    fn name(&self) -> &str {
        &self.name
    }
    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Function
    }
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> impl Future<Output = Result<StepOutput, StepError>> + Send {
        (self.call)(input, cx)
    }
}

/// Returns the name under which a function is declared. For a closure, returns the name of the
/// function around it.
fn function_name<F>() -> String {
    let path = std::any::type_name::<F>();
    let path = path.split('<').next().unwrap_or(path);
    let mut names = path.rsplit("::").filter(|name| !name.starts_with("{{"));
    names.next().unwrap_or("function").to_owned()
}

/// A function that is not async, of up to three arguments that implement [`FromStep`], with a
/// result that implements [`IntoOutput`]. See [`Step::blocking`](crate::Step::blocking).
///
/// ```
/// use stepwright_engine::{BlockingFn, Step};
/// fn careful<A>(name: &str, work: impl BlockingFn<A>) -> Step {
///     Step::blocking(name, work).retries(3)
/// }
/// let _ = careful("count", |text: String| text.len().to_string());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no blocking function for a step",
    label = "such a function is not `async`, and takes and returns what a step can have",
    note = "it takes up to three of \
            `String`, `Json<T>`, `Content`, `StepInput`, `StepContext` and `State<T>`",
    note = "it returns `String`, `Json<T>`, `Content`, `StepOutput` or `()`, \
            or a `Result` of one of them",
    note = "it is called again for each run and retry: a closure borrows or clones what it uses"
)]
pub trait BlockingFn<A>: Send + Sync + 'static {
    /// Returns the function's name, and a call that takes the arguments from the step.
    #[doc(hidden)]
    fn into_call(self) -> (String, BlockingCall);
}

/// An async function that decides for a container, of up to three arguments that implement
/// [`FromStep`], as those of a step's function. See [`Condition::new_async`](crate::Condition).
///
/// Its [`StepContext`] has the run, the state and the history. It records nothing and
/// waits for no person, because the decision itself is what is recorded.
///
/// ```
/// use stepwright_engine::{Condition, DeciderFn};
/// fn unless<A>(name: &str, holds: impl DeciderFn<A, Decision = bool>) -> Condition {
///     Condition::new_async(name, holds)
/// }
/// let _ = unless("Long?", |text: String| async move { text.len() > 80 });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot decide for a container",
    label = "such a function is `async`, and takes what a step's function takes",
    note = "it takes up to three of \
            `String`, `Json<T>`, `Content`, `StepInput`, `StepContext` and `State<T>`",
    note = "a closure names the types of its arguments: `|input: StepInput| async move {{ … }}`",
    note = "its future is `Send`: it keeps no `Rc`, `RefCell` or guard of a lock over an `.await`",
    note = "it is called again for each decision: a closure clones what it uses, \
            and moves the clone into its `async move` block"
)]
pub trait DeciderFn<A>: Send + Sync + 'static {
    /// The type of the decision.
    type Decision: 'static;

    /// Decides.
    #[doc(hidden)]
    fn decide(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> impl Future<Output = Result<Self::Decision, StepError>> + Send + 'static;
}

macro_rules! functions {
    ($(($($arg:ident),*)),*) => { $(
        #[diagnostic::do_not_recommend]
        impl<Fun, Fut, $($arg),*> DeciderFn<($($arg,)*)> for Fun
        where
            Fun: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: 'static> + Send + 'static,
            $($arg: FromStep + Send + 'static),*
        {
            type Decision = Fut::Output;

            #[allow(non_snake_case, unused_variables)]
            fn decide(
                &self,
                input: StepInput,
                cx: StepContext,
            ) -> impl Future<Output = Result<Fut::Output, StepError>> + Send + 'static {
                // Called at once, so that the future borrows nothing of the function.
                let decide = || {
                    $(let $arg = $arg::from_step(&input, &cx)?;)*
                    Ok::<_, StepError>(self($($arg),*))
                };
                let deciding = decide();
                async move { Ok(deciding?.await) }
            }
        }

        #[diagnostic::do_not_recommend]
        impl<Fun, Fut, $($arg),*> IntoExecutor<Function<($($arg,)*)>> for Fun
        where
            Fun: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: IntoOutput> + Send + 'static,
            $($arg: FromStep + Send + 'static),*
        {
            #[allow(non_snake_case, unused_variables)]
            fn into_executor(self) -> AnyExecutor {
                let name = function_name::<Fun>();
                let fun = Arc::new(self);
                let call = move |input: StepInput, cx: StepContext| {
                    let fun = fun.clone();
                    async move {
                        $(let $arg = $arg::from_step(&input, &cx)?;)*
                        drop((input, cx));
                        fun($($arg),*).await.into_output()
                    }
                };
                AnyExecutor::new(FunctionExecutor { name, call })
            }
        }

        #[diagnostic::do_not_recommend]
        impl<Fun, Out, $($arg),*> BlockingFn<($($arg,)*)> for Fun
        where
            Fun: Fn($($arg),*) -> Out + Send + Sync + 'static,
            Out: IntoOutput,
            $($arg: FromStep + 'static),*
        {
            #[allow(unused_variables)]
            fn into_call(self) -> (String, BlockingCall) {
                let call = move |input: &StepInput, cx: &StepContext| {
                    self($($arg::from_step(input, cx)?),*).into_output()
                };
                (function_name::<Fun>(), Arc::new(call))
            }
        }
    )* }
}
functions!((), (A), (A, B), (A, B, C));
