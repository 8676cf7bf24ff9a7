//! The command shows and changes for a user what is theirs, and nothing else.

use crate::support::{ASKING, Place};
use stepwright::RunStatus;

#[test]
fn every_command_finds_nothing_of_another_user() {
    let place = Place::with(ASKING);
    let begin = ["--allow-shell", "--db", "a.db", "--session-id", "s-1", "--user-id", "ada"];
    place.run([&begin[..], &["--run-id", "r-1"]].concat()).ended(3);
    let free = ["--allow-shell", "--db", "a.db", "--session-id", "s-2", "--run-id", "r-2"];
    place.run(free).ended(3);
    let of_runs: [&[&str]; 11] = [
        &["show", "RUN"],
        &["show", "RUN", "--json"],
        &["events", "RUN"],
        &["events", "RUN", "--json"],
        &["events", "RUN", "--follow"],
        &["resume", "RUN", "--allow-shell"],
        &["resume", "RUN", "--allow-shell", "--accept-changes"],
        &["continue", "RUN", "--allow-shell", "--approve", "publish"],
        &["continue", "RUN", "--allow-shell", "--reject", "publish"],
        &["continue", "RUN", "--allow-shell", "--approve", "nothing"],
        &["cancel", "RUN"],
    ];
    let of_sessions: [&[&str]; 6] = [
        &["sessions", "show", "SESSION"],
        &["sessions", "show", "SESSION", "--json"],
        &["sessions", "rename", "SESSION", "Mine"],
        &["sessions", "state", "SESSION", "--set", "n=1"],
        &["sessions", "delete", "SESSION"],
        &["sessions", "delete", "SESSION", "--yes"],
    ];
    for line in of_runs.iter().chain(&of_sessions) {
        let as_ben = |run: &str, session: &str| {
            let words = line.iter().map(|word| match *word {
                "RUN" => run,
                "SESSION" => session,
                word => word,
            });
            let words: Vec<&str> = words.chain(["--user", "ben"]).collect();
            let ran = place.on_db(&words);
            let told = ran.stderr.replace(run, "ID").replace(session, "ID");
            (ran.code, ran.stdout, told)
        };
        let missing = as_ben("r-none", "s-none");
        assert!(missing.0 != 0 && missing.2.contains("`ID` was not found"), "{missing:?}");
        assert_eq!(as_ben("r-1", "s-1"), missing, "{line:?}");
        assert_eq!(as_ben("r-2", "s-2"), missing, "{line:?}");
    }
    let run = place.run([&begin[..5], &["--user-id", "ben"]].concat()).ended(2);
    assert!(run.stderr.contains("session `s-1` was not found"), "{run:#?}");
    for list in [
        ["runs", "--user", "ben", "--json"].as_slice(),
        &["sessions", "list", "--user", "ben", "--json"],
    ] {
        assert_eq!(place.on_db(list).ended(0).stdout.trim(), "[]");
    }
    // Nothing was done to them, and their user goes on.
    let runs = place.runs_in("a.db");
    assert!(runs.len() == 2 && runs.iter().all(|(_, status)| *status == RunStatus::Paused));
    let go_on = ["continue", "r-1", "--allow-shell", "--approve", "publish", "--user", "ada"];
    place.on_db(&go_on).ended(3);
    let events = place.on_db(&["events", "r-1", "--json", "--user-id", "ada"]).ended(0).stdout;
    assert!(events.contains(r#""by":"ada""#), "{events}");
    let shown = place.on_db(&["sessions", "show", "s-1", "--user", "ada"]).ended(0).stdout;
    assert!(shown.contains("r-1") && !shown.contains("r-2"), "{shown}");
    place.on_db(&["cancel", "r-1", "--user", "ada"]).ended(0);
    place.on_db(&["sessions", "delete", "s-1", "--yes", "--user", "ada"]).ended(0);
}
