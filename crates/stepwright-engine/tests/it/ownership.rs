//! The runs that a user sees, answers, cancels and deletes: their own, and no others.

use crate::support::{mark, of, text};
use futures_util::StreamExt as _;
use stepwright_core::store::RunFilter;
use stepwright_core::{Answer, Error, ErrorKind, HumanReview, Memory, Patch, RunStatus};
use stepwright_engine::{UserAccess, Workflow};

/// A workflow with a run of anna's and one without a user, which wait. Each has a session.
async fn waiting() -> Workflow {
    let asks = mark("ask").human_review(HumanReview::new().requires_confirmation("Go on?"));
    let workflow = of(asks).store(Memory::default()).build().unwrap();
    let hers = workflow.run("in").user_id("anna").run_id("hers").session_id("s-hers");
    hers.await.unwrap();
    workflow.run("in").run_id("free").session_id("s-free").await.unwrap();
    workflow
}

fn approve() -> [(&'static str, Answer); 1] {
    [("ask", Answer::Approve)]
}

/// The error of each method for a run of this name.
async fn refusals(user: &UserAccess, run: &str) -> Vec<Error> {
    let mut stream = user.resume(run).stream();
    while stream.next().await.is_some() {}
    vec![
        user.get_run(run).await.unwrap_err(),
        user.handle(run).await.map(drop).unwrap_err(),
        user.events(run, 0).await.map(drop).unwrap_err(),
        user.resume(run).await.unwrap_err(),
        user.resume(run).background().await.map(drop).unwrap_err(),
        user.resume(run).accept_changed_definition(true).await.unwrap_err(),
        user.continue_run(run, approve()).await.unwrap_err(),
        user.continue_run(run, approve()).background().await.map(drop).unwrap_err(),
        user.continue_run(run, [("none", Answer::Approve)]).await.unwrap_err(),
        stream.output().await.unwrap_err(),
    ]
}

#[tokio::test]
async fn a_run_of_another_user_is_a_run_that_does_not_exist() {
    let workflow = waiting().await;
    let ben = workflow.as_user("ben").unwrap();
    let missing = refusals(&ben, "none").await;
    for run in ["hers", "free"] {
        for (refused, missing) in refusals(&ben, run).await.into_iter().zip(&missing) {
            assert_eq!(refused.kind(), ErrorKind::NotFound);
            assert_eq!(refused.to_string().replace(run, "none"), missing.to_string());
            assert_eq!(refused.hint(), missing.hint());
            assert!(refused.output().is_none());
        }
        assert!(!ben.cancel_run(run).await.unwrap());
    }
    assert!(!ben.cancel_run("none").await.unwrap());
    assert_eq!(ben.runs(RunFilter::default()).await.unwrap(), []);
    let hers = RunFilter { user_id: Some("anna".parse().unwrap()), ..RunFilter::default() };
    assert_eq!(ben.runs(hers).await.unwrap(), []);
    assert_eq!(ben.get_last_run_output().await.unwrap(), None);
    // Nothing was done to them.
    for run in ["hers", "free"] {
        let output = workflow.get_run(run).await.unwrap();
        assert_eq!((output.status, output.requirements.len()), (RunStatus::Paused, 1));
    }
}

#[tokio::test]
async fn a_session_of_another_user_is_a_session_that_does_not_exist() {
    let workflow = waiting().await;
    let ben = workflow.as_user("ben").unwrap();
    let refusals = async |session: &str| {
        let sessions = ben.sessions();
        let patches = [Patch::set("n", 1)];
        vec![
            ben.get_session(session).await.map(drop).unwrap_err(),
            ben.get_session_state(session).await.map(drop).unwrap_err(),
            ben.get_session_metrics(session).await.map(drop).unwrap_err(),
            ben.delete_session(session).await.unwrap_err(),
            sessions.get(session).await.map(drop).unwrap_err(),
            sessions.history(session, 3).await.map(drop).unwrap_err(),
            sessions.rename(session, "mine").await.unwrap_err(),
            sessions.patch(session, &patches).await.map(drop).unwrap_err(),
            sessions.delete(session).await.unwrap_err(),
        ]
    };
    let missing = refusals("none").await;
    for session in ["s-hers", "s-free"] {
        for (refused, missing) in refusals(session).await.into_iter().zip(&missing) {
            assert_eq!(refused.kind(), ErrorKind::NotFound);
            assert_eq!(refused.to_string().replace(session, "none"), missing.to_string());
        }
        let error = ben.run("in").session_id(session).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(ben.sessions().list().await.unwrap(), []);
    assert_eq!(workflow.sessions().list().await.unwrap().len(), 2);
    assert!(workflow.get_session_state("s-hers").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_sees_and_does_everything_of_their_own() {
    let workflow = waiting().await;
    let anna = workflow.as_user("anna").unwrap();
    assert_eq!(anna.user().as_str(), "anna");
    assert!(anna.get_run("hers").await.unwrap().is_paused());
    assert!(anna.resume("hers").await.unwrap().is_paused());
    assert_eq!(anna.runs(RunFilter::default()).await.unwrap().len(), 1);
    let newest = anna.get_last_run_output().await.unwrap().unwrap();
    assert_eq!(newest.run_id.as_str(), "hers");
    let handle = anna.handle("hers").await.unwrap();
    let events = anna.events("hers", 0).await.unwrap();
    let done = anna.continue_run("hers", approve()).await.unwrap();
    assert_eq!(text(&done), "inask");
    assert!(handle.wait().await.unwrap().is_terminal());
    let replies = events.filter_map(async |event| event.unwrap().kind.reply().cloned());
    let replies: Vec<_> = replies.collect().await;
    assert_eq!(replies[0].by.as_deref(), Some("anna"));
    assert!(anna.run("again").session_id("s-hers").await.unwrap().is_paused());
    let waits = anna.get_last_run_output().await.unwrap().unwrap();
    assert!(anna.cancel_run(&waits.run_id).await.unwrap());
    assert_eq!(anna.sessions().list().await.unwrap().len(), 1);
    anna.delete_session("s-hers").await.unwrap();
    assert_eq!(anna.get_run("hers").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_run_that_is_driven_now_is_seen_by_its_user_alone() {
    // Also where nothing remembers it but the process.
    let workflow = of(crate::support::hangs("h")).build().unwrap();
    let [anna, ben] = ["anna", "ben"].map(|user| workflow.as_user(user).unwrap());
    let handle = anna.run("in").run_id("anna:r").background().await.unwrap();
    assert_eq!(ben.get_run("anna:r").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!ben.cancel_run("anna:r").await.unwrap());
    assert_eq!(ben.events("anna:r", 0).await.map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(anna.cancel_run("anna:r").await.unwrap());
    let ended = handle.wait().await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_run_of_a_user_cannot_be_begun_as_another() {
    let workflow = of(mark("a")).build().unwrap();
    let anna = workflow.as_user("anna").unwrap();
    let error = anna.run("in").user_id("ben").await.unwrap_err();
    assert_eq!(error.to_string(), "a run of user `anna` cannot be begun as user `ben`");
    let output = anna.run("in").user_id("anna").await.unwrap();
    assert_eq!(output.user_id.unwrap().as_str(), "anna");
    assert!(workflow.as_user("").is_err());
}

/// An id that is refused as taken would tell that another user has a run or a session.
#[tokio::test]
async fn an_id_that_a_user_chooses_tells_nothing_about_others() {
    let workflow = waiting().await;
    let [anna, ben] = ["anna", "ben"].map(|user| workflow.as_user(user).unwrap());
    let told = async |run: &str| {
        let error = ben.run("in").run_id(run).await.unwrap_err();
        (error.kind(), error.to_string().replace(run, "ID"), error.hint().map(str::to_owned))
    };
    let none = told("none").await;
    assert_eq!(none.0, ErrorKind::Usage);
    assert_eq!(none.1, "user `ben` cannot choose the run id `ID`");
    assert_eq!(none.2.as_deref(), Some("begin it with `ben:`, or leave it out"));
    anna.run("in").run_id("anna:1").await.unwrap();
    for taken in ["hers", "free", "anna:1", "ben:", "bens:1", "ben:a:1"] {
        assert_eq!(told(taken).await, none, "{taken}");
    }
    assert_eq!(ben.run("in").run_id("ben:1").await.unwrap().run_id.as_str(), "ben:1");
    let again = ben.run("in").run_id("ben:1").await.unwrap_err();
    assert_eq!(again.to_string(), "there is a run `ben:1` already");

    let told = async |session: &str| {
        let error = ben.run("in").session_id(session).await.unwrap_err();
        let text = error.to_string().replace(session, "ID");
        (error.kind(), text, error.hint().map(str::to_owned))
    };
    let none = told("none").await;
    assert_eq!((none.0, &*none.1), (ErrorKind::NotFound, "session `ID` was not found"));
    for taken in ["s-hers", "s-free", "anna:s", "ben:a:s"] {
        assert_eq!(told(taken).await, none, "{taken}");
    }
    for _ in 0..2 {
        ben.run("in").session_id("ben:s").await.unwrap();
    }
    // The process chooses any id for them.
    workflow.run("in").user_id("ben").session_id("theirs").await.unwrap();
    ben.run("in").session_id("theirs").await.unwrap();
}
