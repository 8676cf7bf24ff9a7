//! Questions whose answers come when the process of the agent is gone. One test: it ends all agents
//! that wait in this process.

use crate::places::{PLACES, cut_at, workflow};
use crate::support::{Scripted, ended, facts};
use stepwright_core::{Answer, Memory, RunStatus};

#[tokio::test]
async fn a_question_waits_in_each_container_and_another_process_can_go_on() {
    for place in PLACES {
        let agent = Scripted::new("acp", "asks");
        let mut store = Memory::default();
        let run = format!("gone-{place}");
        let mut output =
            ended(workflow(place, &store, &agent).run("in").run_id(run.as_str())).await;
        let mut answers = 0;
        while output.status == RunStatus::Paused {
            answers += 1;
            assert!(answers < 6, "{place}: {output:?}");
            let id = output.requirements[0].id.clone();
            stepwright_harness::__private::forget_parked();
            let all = facts(&store, &run).await;
            store = cut_at(&run, &all, all.len()).await;
            let again = workflow(place, &store, &agent);
            output = ended(again.continue_run(run.as_str(), [(&*id, Answer::Approve)])).await;
        }
        assert_eq!(output.status, RunStatus::Completed, "{place}: {output:?}");
        assert_eq!(agent.logged_all("edit"), ["edit a", "edit b"], "{place}");
        // Each process after the first one has loaded the conversation.
        let loads = agent.logged_all("loaded").len();
        assert_eq!(loads + 1, agent.logged_all("started").len(), "{place}");
    }
}
