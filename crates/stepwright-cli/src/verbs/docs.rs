//! `stepwright docs`.

use crate::args::Docs;
use crate::exit::Exit;
use crate::ui::print::{Stdout, ended};
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use std::io::Read as _;
use stepwright::term::rendered;
use stepwright::{Error, ErrorId};

/// The pages, compressed by `build.rs`.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/docs.bin"));

/// The largest edit distance at which a similar page is suggested.
const DIFFERENCE_MAX: usize = 3;

/// A page of the documentation.
pub(crate) struct Page {
    /// The name of its file, without the extension.
    pub(crate) topic: String,
    pub(crate) text: String,
}

impl Page {
    /// Returns the heading of the page.
    pub(crate) fn title(&self) -> String {
        let first = self.text.lines().find(|line| line.starts_with("# "));
        first.unwrap_or(&self.topic).trim_start_matches("# ").replace('`', "")
    }
}

/// Shows a page, or lists all of them.
pub(crate) fn docs(arguments: &Docs, stderr: Stderr) -> Exit {
    let pages = pages();
    let mut stdout = Stdout::new();
    let Some(topic) = &arguments.topic else {
        let rows = pages.iter().map(|page| [page.topic.clone(), page.title()]).collect();
        stdout.write_rows(&table(["TOPIC", "PAGE"], rows));
        return stdout.end(stderr, Exit::Completed);
    };
    let wanted = topic.trim_end_matches(".md").trim_end_matches(".txt").to_lowercase();
    let Some(page) = pages.iter().find(|page| page.topic == wanted) else {
        let near = pages.iter().map(|page| page.topic.as_str());
        // The beginning of a topic is as near as the topic.
        let distance = |name: &str| {
            if name.starts_with(&wanted) { 0 } else { strsim::damerau_levenshtein(&wanted, name) }
        };
        let near = near.map(|name| (distance(name), name)).min();
        let error = Error::usage(format!("there is no page `{topic}`"));
        let error = error.with_id(ErrorId::TOPIC_UNKNOWN);
        stderr.error(&match near {
            Some((difference, name)) if difference <= DIFFERENCE_MAX => {
                error.with_hint(format!("did you mean `{name}`?"))
            }
            _ => error.with_hint("`stepwright docs` lists the pages"),
        });
        return Exit::Usage;
    };
    let text = if stdout.is_read_by_people() {
        rendered(&page.text.as_str().into(), stdout.terminal())
    } else {
        ended(&page.text)
    };
    stdout.write(&text);
    stdout.end(stderr, Exit::Completed)
}

/// Unpacks all pages.
pub(crate) fn pages() -> Vec<Page> {
    let mut all = String::new();
    let unpacked = flate2::read::DeflateDecoder::new(PACKED).read_to_string(&mut all);
    unpacked.expect("the pages were packed with the command");
    let mut parts = all.split('\0');
    let mut pages = Vec::new();
    while let (Some(topic), Some(text)) = (parts.next(), parts.next()) {
        pages.push(Page { topic: topic.to_owned(), text: text.to_owned() });
    }
    pages
}
