//! The time that a check takes, for 1 000 and for 4 000 steps, and the ratio of both: about 4 if
//! the time is linear. `cargo bench -p stepwright-file --bench checks`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};
use stepwright_file::{Definition, Options};

/// The number of measurements of each size. Their medians are compared.
const ROUNDS: usize = 21;

/// Returns a file with steps that refer to the steps before them, in containers too.
fn file(steps: usize) -> String {
    let mut text = "format: 1\nname: Large\nsteps:\n".to_owned();
    for n in 0..steps / 4 {
        let before = n.saturating_sub(1);
        let _ = write!(
            text,
            "  - {{name: v{n}, value: {{a: '= size(input) + {n}', b: {n}}}}}\n  \
             - {{name: t{n}, template: '{{{{ steps.v{before}.b }}}}: {{{{ steps.v0.a }}}}'}}\n  \
             - name: c{n}\n    if: '= steps.v{n}.b > 3'\n    \
             then: [{{name: x{n}, value: '= steps.v{n}.a'}}]\n"
        );
    }
    text
}

fn median(text: &str) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            Definition::parse(text, "large.yaml", &Options::default()).expect("no mistakes");
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

fn main() {
    let (small, large) = (median(&file(1_000)), median(&file(4_000)));
    println!("1000 steps are checked in {:.1} ms", small.as_secs_f64() * 1000.0);
    println!("4000 steps take {:.2} times as long", large.as_secs_f64() / small.as_secs_f64());
}
