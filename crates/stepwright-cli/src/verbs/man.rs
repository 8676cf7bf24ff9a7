//! `stepwright man`.

use crate::args::Man;
use crate::exit::Exit;
use crate::program::Program;
use crate::ui::print::Stdout;
use crate::ui::terminal::{Stderr, write};
use std::path::Path;
use stepwright::{Error, ErrorId};

/// Writes a manual page to stdout, or all of them into a directory.
pub(crate) fn man(arguments: &Man, program: &Program, stderr: Stderr) -> Exit {
    if let Some(dir) = &arguments.dir {
        return match written(program, dir) {
            Ok(count) => {
                write(&format!("{count} pages in {}", dir.display()));
                Exit::Completed
            }
            Err(error) => {
                let what = format!("the manual pages cannot be written to `{}`", dir.display());
                let failed = Error::usage(what).with_id(ErrorId::TERMINAL_FAILED);
                stderr.error(&failed.with_source(error));
                Exit::Failed
            }
        };
    }
    let mut stdout = Stdout::new();
    if stdout.is_read_by_people() {
        let name = program.name();
        let help = format!("this is the source of the page; to read it: {name} man | man -l -");
        stderr.help(&help);
    }
    let mut page = Vec::new();
    // Writing into memory does not fail.
    let _ = clap_mangen::Man::new(program.command()).render(&mut page);
    stdout.write(&String::from_utf8_lossy(&page));
    stdout.end(stderr, Exit::Completed)
}

fn written(program: &Program, dir: &Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(program.command().disable_help_subcommand(true), dir)?;
    let pages = std::fs::read_dir(dir)?.flatten();
    Ok(pages.filter(|page| page.path().extension().is_some_and(|ending| ending == "1")).count())
}
