//! The address of a request: a part that chooses the server, and one in which values are encoded.

use super::rendered;
use crate::command::{Place, places};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::format::reader::Reader;
use crate::format::{Referring, Text};
use crate::reference::{OwnedValues, Reference};
use crate::source::Span;
use crate::system::{check_address, refused};
use crate::template::Flavour;
use crate::tree::Node;
use stepwright_core::{ErrorId, StepError};

/// The values that the author of a file or its user sets, and no run.
const CONSTANT: [&str; 3] = ["vars", "env", "secrets"];

/// The characters behind the host and the port.
const AFTER_HOST: [char; 3] = ['/', '?', '#'];

/// The template of an address.
#[derive(Debug)]
pub(super) struct Address {
    /// The scheme, the host and the port; or a value with an address as a whole.
    head: Text,
    /// The path and what follows it, in which each value is encoded.
    tail: Text,
}

/// The part of a template that chooses the server.
struct Head {
    /// The offset behind it.
    end: usize,
    /// `true` if it is a value with an address as a whole.
    is_whole: bool,
    /// The place of a value or a block in it that may not be one of a run.
    wrong: Option<Span>,
}

impl Address {
    pub(super) fn referring(&self) -> [Referring<'_>; 2] {
        [(&self.head).into(), (&self.tail).into()]
    }

    /// Returns the template as written.
    pub(super) fn as_written(&self) -> String {
        format!("{}{}", self.head.template.text(), self.tail.template.text()).trim().to_owned()
    }

    /// Returns `true` if values of a run choose the server.
    fn is_open(&self) -> bool {
        !self.head.template.references().iter().all(is_constant) && {
            let head = head(self.head.template.text());
            head.is_whole
        }
    }

    /// Checks the address. `others` are the other values of its request.
    pub(super) fn check(&self, others: &[Referring<'_>], mistakes: &mut Diagnostics) {
        let code = ErrorId::HTTP_ADDRESS_REFUSED;
        let source = &self.head.written.source;
        if !self.head.has_expressions() && !self.tail.has_expressions() {
            let url = self.as_written();
            if let Err(error) = check_address(&url) {
                let error = error.data;
                let span = self.head.written.place(Span::new(0, url.len()));
                let mistake = Diagnostic::new(code, source, span, error.message);
                let help =
                    "an address begins with `https://` or `http://`: `https://example.org/a`";
                mistakes.push(mistake.help(error.hint.unwrap_or_else(|| help.to_owned())));
            }
            return;
        }
        if self.is_open()
            && let Some((of, secret)) = others.iter().find_map(|of| Some((of, secret(of)?)))
        {
            let message = "the server that gets this secret is chosen by a value of the run";
            let span = of.written.place(secret.span);
            let mistake = Diagnostic::new(code, &of.written.source, span, message);
            let mistake = mistake.also(self.head.written.scalar, "the address");
            mistakes.push(mistake.help(
                "write the host into `url`, or take it from `vars` or `env`: \
                 `url: \"https://example.org/{{ input }}\"`",
            ));
        }
    }

    /// Renders the address.
    pub(super) async fn rendered(&self, values: &OwnedValues) -> Result<String, StepError> {
        let head = rendered(values.clone(), &self.head).await?;
        let tail = rendered(values.clone(), &self.tail).await?;
        let path = tail.split(['?', '#']).next().unwrap_or_default();
        // Servers and clients read an encoded dot as a dot.
        let is_dots = |part: &str| {
            matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
        };
        if self.tail.has_expressions() && path.split('/').any(is_dots) {
            let what = "a value makes a part of the address `.` or `..`, which leads elsewhere";
            return Err(refused(what)
                .with_id(ErrorId::HTTP_ADDRESS_REFUSED)
                .with_hint("check the value before the request, or pass it with `query`"));
        }
        Ok(head.trim_start().to_owned() + &tail)
    }
}

fn is_constant(reference: &Reference) -> bool {
    CONSTANT.contains(&reference.root.as_str())
}

fn secret<'r>(of: &Referring<'r>) -> Option<&'r Reference> {
    of.references.iter().find(|reference| reference.root == "secrets")
}

/// Finds the part of a template that chooses the server.
fn head(text: &str) -> Head {
    let all = places(text);
    let mut pieces = all.iter().peekable();
    while pieces
        .next_if(|one| matches!(one, Place::Text(_, text) if text.trim().is_empty()))
        .is_some()
    {}
    let (mut wrong, mut has_scheme, mut is_first) = (None, false, true);
    while let Some(piece) = pieces.next() {
        match piece {
            Place::Text(at, part) => {
                let from = match part.find("//") {
                    _ if has_scheme => Some(0),
                    Some(scheme) => Some(scheme + 2),
                    None => None,
                };
                has_scheme = from.is_some();
                if let Some(end) = from.and_then(|from| Some(from + part[from..].find(AFTER_HOST)?))
                {
                    return Head { end: at + end, is_whole: false, wrong };
                }
            }
            Place::Value(span) => {
                let next = pieces.peek();
                let ends = match next {
                    None => true,
                    Some(Place::Text(_, next)) => next.starts_with(AFTER_HOST),
                    Some(_) => false,
                };
                if is_first && ends {
                    let end = match next {
                        Some(Place::Text(at, _)) => *at,
                        _ => text.len(),
                    };
                    return Head { end, is_whole: true, wrong: None };
                }
                wrong = wrong.or(Some(*span));
            }
            Place::Block(span, part) => {
                // Each branch may have a host of its own.
                match part {
                    Some(part) => has_scheme |= part.contains("//"),
                    None => wrong = wrong.or(Some(*span)),
                }
            }
        }
        is_first = false;
    }
    Head { end: text.len(), is_whole: false, wrong }
}

impl Reader<'_> {
    /// Parses an address.
    pub(super) fn address(&mut self, node: &Node, name: &str) -> Option<Address> {
        let word = self.word(node, name)?;
        if self.is_expression(&word, name) {
            return None;
        }
        let head = head(&word.text);
        let (before, after) = word.text.split_at(head.end);
        let text = self.text(before, Flavour::Plain, self.written(&word, 0))?;
        let values = text.template.references().iter().find(|it| !is_constant(it));
        let is_block = head.wrong.is_some_and(|span| word.text[span.start..].starts_with("{%"));
        if let Some(span) = head.wrong
            && (is_block || values.is_some())
        {
            let place = text.written.place(span);
            let mistake = self.mistake(place, "a value of the run is part of the host");
            let help = "end the host with `/` before the value, or make the whole address one \
                        value: `\"{{ input.url }}\"`";
            self.push(mistake.coded(ErrorId::HTTP_ADDRESS_REFUSED).help(help));
            return None;
        }
        let tail = self.text(after, Flavour::Address, self.written(&word, head.end))?;
        Some(Address { head: text, tail })
    }
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn the_head_ends_behind_the_host() {
        for (text, wanted) in [
            ("https://a.org/{{ input }}", "https://a.org"),
            ("https://a.org?q={{ input }}", "https://a.org"),
            ("https://a.org", "https://a.org"),
            ("{{ vars.base }}/x", "{{ vars.base }}"),
            (" {{ input }}", " {{ input }}"),
            ("{{ input }}?page=2", "{{ input }}"),
            ("https://{{ vars.host }}:1/{{ input }}", "https://{{ vars.host }}:1"),
            (
                "{% if a %}https://a{% else %}https://b{% endif %}/x",
                "{% if a %}https://a{% else %}https://b{% endif %}",
            ),
        ] {
            let found = head(text);
            assert_eq!(&text[..found.end], wanted);
        }
    }

    #[test]
    fn a_value_in_the_host_is_found() {
        for text in [
            "https://a.org{{ input }}",
            "https://{{ input }}/x",
            "https://a.org:{{ input }}/x",
            "{{ a }}://a.org/x",
            "{{ a }}{{ b }}",
            "{{ a }}.org/x",
            "https:{{ a }}/x",
            "https://a.org{% if a %}{{ a }}{% endif %}/x",
            "{% if a %}https://a/{% else %}https://b{% endif %}{{ c }}",
        ] {
            assert!(head(text).wrong.is_some(), "{text}");
        }
    }
}
