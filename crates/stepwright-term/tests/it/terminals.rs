//! People at a real terminal: this program starts itself on one.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use stepwright_core::{HumanReview, Memory, RunStatus, StepInput};
use stepwright_engine::{Step, Workflow};
use stepwright_term::PrintResponse as _;

/// A generous limit for things that happen at once. A passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says which of the programs below is to be one.
const PROGRAM: &str = "STEPWRIGHT_TERM_TEST_PROGRAM";

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

fn workflow() -> Workflow {
    let draft = Step::new("draft", |input: StepInput| async move {
        match &input.feedback {
            Some(said) => format!("Ants, {}", said.feedback),
            None => "Ants.".to_owned(),
        }
    });
    let publish =
        Step::new(
            "publish",
            |input: StepInput| async move { format!("published: {}", input.text()) },
        );
    Workflow::builder("News")
        .step(draft.human_review(HumanReview::new().requires_output_review("Is it good?")))
        .step(publish.human_review(HumanReview::new().requires_confirmation("Publish it?")))
        .store(Memory::default())
        .build()
        .unwrap()
}

/// The program that is started on the terminal. Without a terminal it does nothing.
#[test]
fn a_program() {
    let Ok(program) = std::env::var(PROGRAM) else { return };
    let workflow = workflow();
    if program == "host" {
        ctrlc::set_handler(|| writeln!(std::io::stdout(), "the host was told").unwrap()).unwrap();
    }
    let status = match program.as_str() {
        "print" => {
            let printing = workflow.print_response("x").run_id("r-1").to_continue("app go RUN_ID");
            printing.blocking().unwrap().status
        }
        "never" => workflow.print_response("x").ask(false).blocking().unwrap().status,
        _ => {
            let conversation = workflow.cli_app().emoji("").blocking().unwrap();
            conversation.last.map_or(RunStatus::Pending, |last| last.unwrap().status)
        }
    };
    writeln!(std::io::stdout(), "left it {status}").unwrap();
    if matches!(program.as_str(), "host" | "plain") {
        // It goes on with other things. A test that fails takes it down.
        loop {
            std::thread::park();
        }
    }
}

/// A person at a terminal.
struct Person {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

impl Person {
    fn at(program: &str, columns: u16, editor: Option<&str>) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(200, columns)).unwrap();
        // A shell that starts the tests in the background lets them ignore Ctrl-C, and what they
        // start would ignore it too.
        let mut command = if cfg!(target_os = "linux") {
            pty_process::blocking::Command::new("env")
                .arg("--default-signal=INT")
                .arg(std::env::current_exe().unwrap())
        } else {
            pty_process::blocking::Command::new(std::env::current_exe().unwrap())
        };
        command = command
            .args(["--exact", "terminals::a_program", "--nocapture", "--test-threads=1"])
            .env(PROGRAM, program)
            .env("TERM", "xterm-256color");
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "VISUAL", "EDITOR"] {
            command = command.env_remove(name);
        }
        if let Some(editor) = editor {
            command = command.env("EDITOR", editor);
        }
        let child = command.spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let size = |n: u16| n.try_into().unwrap();
        let screen = vt100::Parser::new(size(200), size(columns), 0);
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let (from, to) = (pty.clone(), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends when the program has.
            while let Ok(read @ 1..) = (&*from).read(&mut bytes) {
                to.0.lock().unwrap().process(&bytes[..read]);
                to.1.notify_all();
            }
        });
        Self { pty, child, screen }
    }

    fn types(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this is seen.
    #[track_caller]
    fn sees(&self, is_seen: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut screen = self.screen.0.lock().unwrap();
        loop {
            let shown = screen.screen().contents();
            if is_seen(&shown) {
                return shown;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "in vain:\n{shown}");
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    /// Waits until this is asked, and types.
    #[track_caller]
    fn answers(&self, question: &str, text: &str) {
        self.sees(|screen| screen.trim_end().ends_with(question));
        self.types(text);
    }

    #[track_caller]
    fn leaves(&self, status: &str) -> String {
        self.sees(|screen| screen.contains(&format!("left it {status}")))
    }
}

/// A program that has handlers of its own gets its signals back when the conversation is over, as
/// often as there is one.
#[test]
fn signals_are_the_programs_again_after_a_conversation() {
    use std::os::unix::process::ExitStatusExt as _;
    // Signals are taken while a run is under way, so there has to be one.
    let talks = |program| {
        let person = Person::at(program, 80, None);
        person.answers("User ›", "x\r");
        person.answers("y/n/e ›", CTRL_D);
        person.answers("User ›", CTRL_D);
        person.leaves("PAUSED");
        person
    };
    let host = talks("host");
    for times in 1..=2 {
        host.types(CTRL_C);
        host.sees(|screen| screen.matches("the host was told").count() == times);
    }
    // One that has none ends, as it would have before.
    let mut plain = talks("plain");
    plain.types(CTRL_C);
    assert_eq!(plain.child.wait().unwrap().signal(), Some(2));
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn somebody_answers_and_the_run_goes_on() {
    for columns in [40, 80, 200] {
        let person = Person::at("print", columns, None);
        person.answers("y/n/e ›", "n\r");
        person.answers("what should be better (or Enter) ›", "and queens\r");
        person.answers("y/n/e ›", "y\r");
        person.answers("y/n ›", "y\r");
        let screen = person.leaves("COMPLETED");
        assert!(screen.contains("│ published: Ants, and queens"), "{screen}");
        assert!(screen.contains("completed in "), "{screen}");
    }
}

#[test]
fn a_text_is_changed_where_it_is_typed_or_in_an_editor() {
    let person = Person::at("print", 80, None);
    person.answers("y/n/e ›", "e\r");
    // The text from before is there to be changed.
    person.answers("› Ants.", "\x7f and bees\r");
    person.answers("y/n ›", "y\r");
    let screen = person.leaves("COMPLETED");
    assert!(screen.contains("│ published: Ants and bees"), "{screen}");

    let person = Person::at("print", 80, Some("sed -i s/Ants/Wasps/"));
    person.answers("y/n/e ›", "e\r");
    person.answers("y/n ›", "y\r");
    let screen = person.leaves("COMPLETED");
    assert!(screen.contains("│ published: Wasps."), "{screen}");

    // One that does not work is told, and the text is typed.
    let person = Person::at("print", 80, Some("false"));
    person.answers("y/n/e ›", "e\r");
    person.answers("› Ants.", "\r");
    person.sees(|screen| {
        screen.contains("error[SW0118]: `false` ended with")
            && screen.contains("nothing was changed\n")
    });
    person.answers("y/n/e ›", CTRL_D);
    person.leaves("PAUSED");
}

#[test]
fn whoever_leaves_a_question_is_told_how_to_go_on() {
    for key in [CTRL_C, CTRL_D] {
        let person = Person::at("print", 80, None);
        person.answers("y/n/e ›", key);
        let screen = person.leaves("PAUSED");
        assert!(screen.contains("│ draft!review  a review"), "{screen}");
        assert!(screen.contains("│ to go on: app go r-1"), "{screen}");
    }
    let screen = Person::at("never", 80, None).leaves("PAUSED");
    assert!(!screen.contains("y/n"), "{screen}");
}

#[test]
fn a_conversation_asks_too_and_goes_on_when_somebody_leaves_a_question() {
    let person = Person::at("talk", 80, None);
    person.answers("User ›", "x\r");
    person.answers("y/n/e ›", CTRL_C);
    person.sees(|screen| screen.contains("to go on: workflow.continue_run("));
    person.answers("User ›", "/answer\r");
    person.answers("y/n/e ›", "y\r");
    person.answers("y/n ›", "y\r");
    person.sees(|screen| screen.contains("│ published: Ants."));
    // Answers are not remembered among what was asked.
    person.answers("User ›", "\x1b[A");
    person.answers("User › /answer", "\r");
    person.answers("User ›", CTRL_D);
    person.leaves("COMPLETED");
}
