//! Chains of models.

use futures_util::StreamExt as _;
use stepwright_core::model::{
    AnyModel, Completion, Model as _, ModelError, ModelErrorKind, ModelEvent, ModelRequest,
    StopReason,
};
use stepwright_models::{Fallback, FallbackReason, guarded};
use stepwright_testing::model::{Reply, ScriptedModel, check_stream_contract};

fn fails(kind: ModelErrorKind) -> Reply {
    Reply::from(ModelError::new(kind, "no"))
}

fn named(name: &str, reply: impl Into<Reply>) -> ScriptedModel {
    ScriptedModel::new([reply.into()]).named(name)
}

/// Returns the answer of a chain of two, and the number of requests to the second.
async fn answered(first: Reply) -> (Result<Completion, ModelError>, usize) {
    let second = named("b", Reply::text("second"));
    let chain = Fallback::new(AnyModel::new(named("a", first)), [AnyModel::new(second.clone())]);
    let answer = AnyModel::new(chain).complete(ModelRequest::default()).await;
    (answer, second.requests().len())
}

#[tokio::test]
async fn the_next_model_answers_where_one_is_down() {
    use ModelErrorKind::{Overloaded, RateLimited, Timeout, Transport, Truncated};
    for kind in [Overloaded, RateLimited, Timeout, Transport, Truncated] {
        let (answer, asked) = answered(fails(kind)).await;
        let answer = answer.unwrap();
        assert_eq!((&*answer.turn.text(), asked), ("second", 1), "{kind:?}");
        assert_eq!(answer.model.as_deref(), Some("scripted:b"));
        assert_eq!(answer.warning.as_deref(), Some("`scripted:a` did not answer: no"));
    }
    // No credit.
    let spent = ModelError { status: Some(402), ..ModelError::new(ModelErrorKind::Auth, "no") };
    assert_eq!(answered(Reply::from(spent)).await.1, 1);
}

#[tokio::test]
async fn another_failure_is_final() {
    use ModelErrorKind::{Auth, BadRequest, Malformed, Refused};
    for kind in [Auth, BadRequest, Malformed, Refused] {
        let (answer, asked) = answered(fails(kind)).await;
        assert_eq!((answer.unwrap_err().kind, asked), (kind, 0), "{kind:?}");
    }
    let (answer, asked) = answered(Reply::text("first")).await;
    let answer = answer.unwrap();
    assert_eq!((&*answer.turn.text(), asked, answer.warning), ("first", 0, None));
    assert_eq!(answer.model.as_deref(), Some("scripted:a"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_begins_again_with_the_next_model() {
    for restarts in [false, true] {
        let second = named("b", Reply::text("second"));
        let first = AnyModel::new(guarded(named("a", Reply::text("half an ans").and_cut())));
        let chain = Fallback::new(first, [AnyModel::new(second.clone())]).restarts(restarts);
        // The deltas since the restart must add up to the answer.
        let answer = check_stream_contract(&chain, ModelRequest::default()).await;
        assert_eq!(second.requests().len(), usize::from(restarts));
        if !restarts {
            assert_eq!(answer.unwrap_err().kind, ModelErrorKind::Truncated);
            continue;
        }
        let answer = answer.unwrap();
        assert_eq!(answer.turn.text(), "second");
        let warning = answer.warning.unwrap();
        assert!(warning.starts_with("`scripted:a` broke off: "), "{warning}");
        let first = AnyModel::new(guarded(named("a", Reply::text("half an ans").and_cut())));
        let last = AnyModel::new(guarded(named("b", Reply::text("as bro").and_cut())));
        let chain = Fallback::new(first, [last]).restarts(true);
        let events: Vec<_> = chain.stream(ModelRequest::default()).collect().await;
        let restarts = |it: &&Result<ModelEvent, _>| matches!(it, Ok(ModelEvent::Restarted(_)));
        assert_eq!(events.iter().filter(restarts).count(), 1);
        assert!(events.last().unwrap().is_err(), "there is no third model");
    }
}

#[tokio::test]
async fn a_refusal_is_passed_on_where_that_is_asked_for() {
    let refuses = [
        fails(ModelErrorKind::Refused),
        Reply::text("").with_stop(StopReason::Refused).with_tokens(7, 1),
    ];
    for refusal in refuses {
        for (reasons, expected) in [
            (FallbackReason::USUAL.to_vec(), 0),
            (FallbackReason::ALL.to_vec(), 1),
            (vec![FallbackReason::Refused], 1),
        ] {
            let second = named("b", Reply::text("second"));
            let first = AnyModel::new(named("a", refusal.clone()));
            let chain = Fallback::new(first, [AnyModel::new(second.clone())]).on(reasons);
            let answer = AnyModel::new(chain).complete(ModelRequest::default()).await;
            assert_eq!(second.requests().len(), expected, "{answer:?}");
        }
    }
    let second = named("b", Reply::text("second"));
    let down = named("a", fails(ModelErrorKind::Overloaded));
    let chain = Fallback::new(AnyModel::new(down), [AnyModel::new(second.clone())]);
    let chain = chain.on([FallbackReason::Refused]);
    AnyModel::new(chain).complete(ModelRequest::default()).await.unwrap_err();
    assert!(second.requests().is_empty());
}

#[tokio::test]
async fn after_the_first_word_no_other_model_is_asked() {
    let down = ModelError::new(ModelErrorKind::Overloaded, "no");
    let second = named("b", Reply::text("second"));
    let first = named("a", Reply::text("half").and_error(down));
    let chain = Fallback::new(AnyModel::new(first), [AnyModel::new(second.clone())]);
    let events: Vec<_> = chain.stream(ModelRequest::default()).collect().await;
    assert!(matches!(&events[0], Ok(ModelEvent::TextDelta(_))), "{events:?}");
    assert_eq!(events.last().unwrap().as_ref().unwrap_err().kind, ModelErrorKind::Overloaded);
    assert!(second.requests().is_empty());
}

#[tokio::test]
async fn the_last_failure_tells_of_all() {
    let models =
        ["a", "b", "c"].map(|name| AnyModel::new(named(name, fails(ModelErrorKind::Overloaded))));
    let [first, others @ ..] = models;
    let error = AnyModel::new(Fallback::new(first, others)).complete(ModelRequest::default()).await;
    let error = error.unwrap_err();
    assert!(error.retryable);
    assert_eq!(
        error.message,
        "`scripted:a` did not answer: no; `scripted:b` did not answer: no; `scripted:c`: no"
    );
}
