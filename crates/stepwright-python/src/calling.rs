//! Calls of functions of Python: on the caller's thread, in the caller's task, on other threads or
//! on an event loop.

use crate::answer::{Answer, Ended};
use crate::call::{self, Call};
use crate::caller::Caller;
use crate::errors::step_error;
use crate::function::{Function, Kind, Prepared, gone, raised_or_waits};
use crate::pump::{Pieces, Pump};
use crate::suspended;
use crate::waits::Answers;
use pyo3::prelude::*;
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
            let answers = Answers::default();
            let output = loop {
                let caller = caller.as_ref();
                let (asked, context) = (asked.clone(), cx.clone());
                match function.once(caller, asked, context, place, &answers).await {
                    Ok(Ended::Output(output)) => break Ok(output),
                    Ok(Ended::Waits(waits)) => {
                        let Some(cx) = &cx else { break gone(crate::caller::Gone) };
                        if let Err(error) = waits.answered(cx, &answers).await {
                            break Err(error);
                        }
                    }
                    Err(error) => break Err(error),
                }
            };
            // The run is cancelled, and does not fail: the driver sees the interrupt, and drops
            // this.
            if caller.is_some_and(|caller| caller.is_interrupted()) {
                std::future::pending::<()>().await;
            }
            output
        })
    }
}

impl Function {
    /// Calls the function where it belongs.
    async fn once(
        &self,
        caller: Option<&Caller>,
        asked: Asked,
        cx: Option<StepContext>,
        place: Place,
        answers: &Answers,
    ) -> Answer {
        let alone = caller.filter(|_| !place.beside);
        let here = alone.filter(|caller| caller.computes());
        let awaits = alone.filter(|caller| caller.awaits());
        let (function, answers) = (self.clone(), answers.clone());
        match (self.0.kind, here, awaits) {
            (Kind::Sync, Some(caller), _) => function.compute(caller, asked, cx, answers).await,
            (Kind::Generator, Some(caller), _) => {
                function.generate(caller, asked, cx, answers).await
            }
            (Kind::Async, _, Some(caller)) => {
                suspended::in_task(function, caller, asked, cx, answers).await
            }
            (Kind::Sync | Kind::Generator, ..) => {
                call::on_thread(Call::new(function, asked, cx, caller.cloned(), answers)).await
            }
            (Kind::Async | Kind::AsyncGenerator, ..) => {
                call::on_event_loop(Call::new(function, asked, cx, caller.cloned(), answers)).await
            }
        }
    }

    /// Calls the function on the caller's thread.
    async fn compute(
        self,
        caller: &Caller,
        asked: Asked,
        cx: Option<StepContext>,
        answers: Answers,
    ) -> Answer {
        let noted = caller.clone();
        let called = caller.at_home(move |py| {
            let prepared = self.prepare(py, asked, cx.as_ref(), &answers);
            let Prepared { arguments, keywords, changed } =
                prepared.map_err(|error| step_error(py, error))?;
            let keywords = keywords.as_ref().map(|keywords| keywords.bind(py));
            match self.callable().bind(py).call(arguments.bind(py), keywords) {
                Ok(value) => Self::returned(py, &value, changed).map(Ended::Output),
                Err(error) => raised_or_waits(py, error, Some(&noted)),
            }
        });
        called.await.unwrap_or_else(gone)
    }

    /// Calls a generator on the caller's thread: piece by piece if the caller reads events, so that
    /// it gets each at once.
    async fn generate(
        self,
        caller: &Caller,
        asked: Asked,
        cx: Option<StepContext>,
        answers: Answers,
    ) -> Answer {
        let (noted, reads) = (caller.clone(), caller.reads());
        let called = caller.at_home(move |py| {
            let prepared = self.prepare(py, asked, cx.as_ref(), &answers);
            let Prepared { arguments, keywords, changed } =
                prepared.map_err(|error| step_error(py, error))?;
            let keywords = keywords.as_ref().map(|keywords| keywords.bind(py));
            let made = self.callable().bind(py).call(arguments.bind(py), keywords);
            let pieces = made.and_then(|made| Pieces::of(&made, changed));
            let mut pieces = match pieces {
                Ok(pieces) => pieces,
                Err(error) => return Ok(Err(raised_or_waits(py, error, Some(&noted)))),
            };
            if reads {
                let (pump, receiver) = Pump::new(pieces, cx);
                noted.set_pump(Box::new(pump));
                // Wakes the reader, if it is another thread that has come here.
                noted.home().push(Box::new(|| {}));
                return Ok(Ok(receiver));
            }
            Ok(Err(loop {
                match pieces.show_next(py, cx.as_ref(), &noted) {
                    Ok(true) if cx.as_ref().is_some_and(StepContext::is_cancelled) => {
                        pieces.close(py);
                        break Err(StepError::terminal("the run was cancelled"));
                    }
                    Ok(true) => {}
                    Ok(false) => break pieces.output(py),
                    Err(answer) => break answer,
                }
            }))
        });
        match called.await.unwrap_or_else(gone)? {
            Ok(receiver) => receiver.await.unwrap_or_else(|_| gone(crate::caller::Gone)),
            Err(answer) => answer,
        }
    }
}
