//! Redrawn lines: running steps, and unfinished text.

use crate::scenarios;
use crate::screen::{Written, seen, size, world};
use std::time::Duration;
use stepwright_core::executor::ExecutorType;
use stepwright_core::{Event, EventKind, RunId, StepOutput, StepPath, Timestamp};
use stepwright_term::{Display, Printing, Style, Terminal};

fn event(path: &str, time: u64, kind: EventKind) -> Event {
    let (path, run) = (StepPath::from(path), RunId::new("r").unwrap());
    Event { sequence: 0, delta: 0, time: Timestamp(time), run, path, kind }
}

fn started(path: &str) -> Event {
    let (executor_type, executor_name) = (ExecutorType::Function, "x".into());
    event(path, 0, EventKind::StepStarted { executor_type, executor_name })
}

fn says(path: &str, text: &str) -> Event {
    event(path, 0, EventKind::RunContent { content: text.into() })
}

fn completed(path: &str, time: u64, text: &str) -> Event {
    let output = StepOutput::from(text).into();
    event(path, time, EventKind::StepCompleted { output })
}

fn display(style: Style, columns: usize, rows: usize) -> (Display, Written) {
    let written = Written::default();
    (Display::new(written.clone(), Terminal::of_size(columns, rows), style), written)
}

fn lines(written: &Written, columns: usize) -> Vec<String> {
    seen(&written.text(), columns).lines().map(str::to_owned).collect()
}

/// Returns the screen this long after the run started.
pub(crate) async fn after(scenario: &str, ms: u64) -> String {
    let written = Written::default();
    let printing = Printing::of(scenarios::run(scenario, &world()));
    let printing = printing.to_terminal(written.clone(), Terminal::of_size(80, 24));
    tokio::select! {
        biased;
        () = tokio::time::sleep(Duration::from_millis(ms)) => {}
        _ = printing.into_future() => panic!("it has ended"),
    }
    seen(&written.text(), 80)
}

/// Returns the screen with the tree this long after the run started.
pub(crate) async fn tree_after(scenario: &str, ms: u64, columns: usize) -> String {
    let written = Written::default();
    let printing = Printing::of(scenarios::run(scenario, &world())).style(Style::Tree);
    let printing = printing.to_terminal(written.clone(), Terminal::of_size(columns, 24));
    tokio::select! {
        biased;
        () = tokio::time::sleep(Duration::from_millis(ms)) => {}
        _ = printing.into_future() => {}
    }
    seen(&written.text(), columns)
}

#[tokio::test(start_paused = true)]
async fn branches_that_write_at_once_stand_side_by_side() {
    let (mut display, written) = display(Style::Tree, 100, 24);
    for path in ["both/left", "both/right"] {
        display.event(&started(path));
    }
    display.event(&says("both/left", "The bridge was built in four years."));
    display.event(&says("both/right", "\x1b[31mThe town paid for it."));
    display.tick();
    let lines = lines(&written, 100);
    let beside = lines.iter().find(|line| line.contains("The bridge")).unwrap();
    assert!(beside.contains("│ The bridge was built in four years."), "{lines:#?}");
    assert!(beside.contains("│ The town paid for it."), "{lines:#?}");
    // A narrow terminal shows the last words of each on its line.
    let (mut narrow, written) = self::display(Style::Tree, 40, 24);
    for path in ["both/left", "both/right"] {
        narrow.event(&started(path));
        narrow.event(&says(path, "some words"));
    }
    narrow.tick();
    let lines = self::lines(&written, 40);
    assert_eq!(lines.iter().filter(|line| line.ends_with("some words")).count(), 2, "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_tree_fits_into_every_terminal() {
    for (columns, rows) in [(24, 6), (40, 10), (80, 24), (200, 50)] {
        let (mut display, written) = display(Style::Tree, columns, rows);
        for n in 0..200 {
            display.event(&started(&format!("each#{n}/a step with a rather long name")));
            if n % 3 == 0 {
                display.event(&completed(
                    &format!("each#{n}/a step with a rather long name"),
                    9,
                    "x",
                ));
            }
            display
                .event(&says(&format!("each#{n}/a step with a rather long name"), "日本語 words"));
        }
        display.tick();
        let lines = lines(&written, columns);
        assert!(lines.len() < rows, "{columns}×{rows}: {} lines", lines.len());
        assert!(lines.iter().any(|line| line.contains("more")), "{lines:#?}");
        // No line is wrapped: erasing would miss a row.
        assert_eq!(self::lines(&written, columns + 100), lines, "{columns}");
    }
}

#[tokio::test(start_paused = true)]
async fn text_is_seen_while_it_is_said() {
    let screen = after("article", 1_600).await;
    assert!(screen.contains("│ What is known\n│\n│ The field moves in three"), "{screen}");
    assert!(screen.lines().last().unwrap().contains(" Research  1."), "{screen}");
    let screen = after("article", 1_000).await;
    let last = screen.lines().last().unwrap();
    assert!(last.contains(" Research  0.9s  search(query: \"AI trends 2026\")"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn branches_have_a_line_each_while_one_speaks() {
    let screen = after("nested", 170).await;
    let lines: Vec<&str> = screen.lines().collect();
    let [.., said, next, web, count] = &lines[..] else { panic!("{screen}") };
    assert!(said.starts_with("      │ Found three pages about ants."), "{screen}");
    // One step has ended and is shown after the current speaker.
    assert_eq!(*next, "✓ done, and shown next: needed/revise#1/facts/papers", "{screen}");
    assert!(web.ends_with(" needed/revise#1/facts/web  0.1s"), "{screen}");
    assert!(count.ends_with(" needed/revise#1/facts/count  0.1s"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn lines_fit_and_show_the_last_words() {
    for columns in 24..100 {
        let (mut display, written) = display(Style::Compact, columns, 24);
        display.event(&started("facts/web"));
        let said = "First line\nand then a second one that is rather long, \x1b[31mred and 日本語";
        display.event(&says("facts/web", said));
        display.tick();
        let shown = lines(&written, columns);
        assert_eq!(shown.len(), 1, "{columns}: {shown:?}");
        assert!(shown[0].starts_with("⠋ facts/web  0ms"), "{columns}: {shown:?}");
        assert!(columns < 40 || shown[0].ends_with("red and 日本語"), "{columns}: {shown:?}");
        assert_eq!(lines(&written, columns + 50), shown, "{columns}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_steps_do_not_fill_the_terminal() {
    for (rows, shown) in [(24, 12), (4, 2)] {
        let (mut display, written) = display(Style::Compact, 80, rows);
        for n in 0..40 {
            display.event(&started(&format!("map#{n}/step")));
        }
        display.tick();
        let lines = lines(&written, 80);
        assert_eq!(lines.len(), shown, "{lines:?}");
        assert_eq!(*lines.last().unwrap(), format!("  … and {} more", 41 - shown));
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_ends_leaves_one_line() {
    let (mut display, written) = display(Style::Compact, 80, 24);
    display.event(&started("write"));
    display.tick();
    display.event(&completed("write", 1_240, "text"));
    display.tick();
    assert_eq!(lines(&written, 80), ["✓ write  1.2s"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_open_text_does_not_fill_the_terminal() {
    let (mut display, written) = display(Style::Panels, 40, 10);
    display.event(&started("write"));
    // One paragraph, which is open until its end.
    display.event(&says("write", &"word ".repeat(200)));
    for _ in 0..5 {
        display.tick();
    }
    let text = written.text();
    let mut terminal = vt100::Parser::new(size(10), size(40), 1_000);
    terminal.process(text.replace('\n', "\r\n").as_bytes());
    // Nothing that moves has scrolled away, where it could not be taken back.
    terminal.screen_mut().set_scrollback(usize::MAX);
    assert_eq!(terminal.screen().scrollback(), 0, "{}", terminal.screen().contents());
    display.event(&completed("write", 1, &"word ".repeat(200)));
    let all = seen(&written.text(), 40);
    assert_eq!(all.matches("word").count(), 200, "{all}");
}

/// A terminal that becomes narrower breaks the lines that are there.
#[tokio::test(start_paused = true)]
async fn another_size_leaves_no_rests() {
    for narrower in [24, 30, 45, 79, 120] {
        let (mut display, written) = display(Style::Compact, 80, 24);
        let mut terminal = vt100::Parser::new(size(24), size(80), 100);
        let mut shown = 0;
        let mut show = |terminal: &mut vt100::Parser, written: &Written| {
            let text = written.text();
            terminal.process(text[shown..].replace('\n', "\r\n").as_bytes());
            shown = text.len();
        };
        display.event(&started("web"));
        display.event(&says("web", &"many words ".repeat(12)));
        display.event(&started("papers"));
        display.tick();
        show(&mut terminal, &written);
        // Some terminals break the lines anew.
        let before = terminal.screen().contents();
        let mut terminal = vt100::Parser::new(size(24), size(narrower), 100);
        terminal.process((before.replace('\n', "\r\n") + "\r\n").as_bytes());
        display.resize(Terminal::of_size(narrower, 24));
        display.tick();
        show(&mut terminal, &written);
        display.event(&completed("web", 1, ""));
        display.event(&completed("papers", 1, ""));
        display.clear();
        show(&mut terminal, &written);
        let contents = terminal.screen().contents();
        assert_eq!(contents.trim_end(), "✓ web  1ms\n✓ papers  1ms", "{narrower}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_size_takes_nothing_away_that_stays() {
    let (mut display, written) = display(Style::Panels, 80, 24);
    display.event(&started("write"));
    display.event(&says("write", "It stays.\n\nshort"));
    display.tick();
    let first = written.text();
    let mut terminal = vt100::Parser::new(size(24), size(80), 100);
    terminal.process(first.replace('\n', "\r\n").as_bytes());
    let before = terminal.screen().contents();
    assert!(before.contains("│ short"), "{before}");
    // All that is there fits into 40 columns, but for the line at the top.
    let (_, fits) = before.split_once('\n').unwrap();
    let mut terminal = vt100::Parser::new(size(24), size(40), 100);
    terminal.process((fits.replace('\n', "\r\n") + "\r\n").as_bytes());
    display.resize(Terminal::of_size(40, 24));
    display.tick();
    display.event(&completed("write", 1, "It stays.\n\nshort"));
    terminal.process(written.text()[first.len()..].replace('\n', "\r\n").as_bytes());
    let contents = terminal.screen().contents();
    assert_eq!(contents.trim_end(), "│ It stays.\n│\n│ short\n╰─ ✓ 1ms");
}
