//! Calls of functions of Python: on the caller's thread, on other threads or on an event loop.

use crate::call::{self, Call};
use crate::caller::Caller;
use crate::convert::bridge;
use crate::errors::step_error;
use crate::function::{Function, Kind, Prepared, emit, gone, raised};
use pyo3::prelude::*;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use stepwright::{BoxFuture, StepContext, StepError, StepOutput};
use stepwright_host::{Asked, HostFunction, Place};

impl HostFunction for Function {
    fn name(&self) -> &str {
        &self.0.of.name
    }

    fn call(
        &self,
        asked: Asked,
        cx: Option<StepContext>,
        place: Place,
    ) -> BoxFuture<'static, Result<StepOutput, StepError>> {
        let function = self.clone();
        let caller = cx.as_ref().and_then(|cx| cx.state::<Caller>().cloned());
        let caller = caller.filter(|caller| !caller.is_closed());
        Box::pin(async move {
            let here = caller.as_ref().filter(|caller| caller.computes() && !place.beside);
            let answer = match (function.0.kind, here) {
                (Kind::Sync, Some(caller)) => function.compute(caller, asked, cx).await,
                (Kind::Generator, Some(caller)) => function.generate(caller, asked, cx).await,
                (Kind::Sync | Kind::Generator, None) => {
                    call::on_thread(Call::new(function, asked, cx, caller.clone())).await
                }
                (Kind::Async | Kind::AsyncGenerator, _) => {
                    let call = Call::new(function, asked, cx, caller.clone());
                    call::on_event_loop(call).await
                }
            };
            // The run is cancelled, and does not fail: the driver sees the interrupt, and drops
            // this.
            if caller.is_some_and(|caller| caller.is_interrupted()) {
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}

impl Function {
    /// Calls the function on the caller's thread.
    async fn compute(
        &self,
        caller: &Caller,
        asked: Asked,
        cx: Option<StepContext>,
    ) -> Result<StepOutput, StepError> {
        let (function, noted) = (self.clone(), caller.clone());
        let called = caller.at_home(move |py| {
            let Prepared { arguments, keywords, changed } =
                function.prepare(py, asked, cx.as_ref()).map_err(|e| step_error(py, e))?;
            let keywords = keywords.as_ref().map(|keywords| keywords.bind(py));
            match function.callable().bind(py).call(arguments.bind(py), keywords) {
                Ok(value) => Self::returned(py, &value, changed),
                Err(error) => Err(raised(py, error, &noted)),
            }
        });
        called.await.unwrap_or_else(gone)
    }

    /// Calls a generator on the caller's thread, piece by piece, so that readers get each at once.
    async fn generate(
        &self,
        caller: &Caller,
        asked: Asked,
        cx: Option<StepContext>,
    ) -> Result<StepOutput, StepError> {
        let (function, noted, context) = (self.clone(), caller.clone(), cx.clone());
        let begun = caller.at_home(move |py| {
            let Prepared { arguments, keywords, changed } =
                function.prepare(py, asked, context.as_ref()).map_err(|e| step_error(py, e))?;
            let keywords = keywords.as_ref().map(|keywords| keywords.bind(py));
            let pieces = function.callable().bind(py).call(arguments.bind(py), keywords);
            let pieces = pieces.and_then(|pieces| bridge(py, "Pieces")?.call1((pieces,)));
            let pieces = pieces.map_err(|error| raised(py, error, &noted))?;
            Ok((Arc::new(pieces.unbind()), changed))
        });
        let (pieces, changed) = begun.await.unwrap_or_else(gone)?;
        loop {
            let (held, noted, context) = (pieces.clone(), caller.clone(), cx.clone());
            let next = caller.at_home(move |py| {
                let next = held.bind(py).call_method0("next");
                let next = next.map_err(|error| raised(py, error, &noted))?;
                if next.is_none() {
                    return Ok(false);
                }
                emit(&next, context.as_ref()).map_err(|error| step_error(py, error))?;
                Ok(true)
            });
            if !next.await.unwrap_or_else(gone)? {
                break;
            }
            Yielded(false).await;
        }
        let output = caller.at_home(move |py| {
            let value = pieces.bind(py).getattr("output");
            let value = value.map_err(|error| step_error(py, error))?;
            Self::returned(py, &value, changed)
        });
        output.await.unwrap_or_else(gone)
    }
}

/// Waits until the others had their turn.
struct Yielded(bool);

impl Future for Yielded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
