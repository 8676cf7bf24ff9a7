//! Classifies lines of Markdown.

/// The indentation at which a line is code.
const INDENT_OF_CODE: usize = 4;

/// The fence of a code block.
#[derive(Debug)]
pub(super) struct Fence {
    mark: char,
    length: usize,
    pub(super) language: String,
}

impl Fence {
    /// Parses the opening fence of a code block.
    pub(super) fn of(line: &str) -> Option<Self> {
        if indent(line) >= INDENT_OF_CODE {
            return None;
        }
        let line = line.trim_start();
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = line.trim_start_matches(mark);
        let length = line.len() - rest.len();
        let begins = length >= 3 && !(mark == '`' && rest.contains('`'));
        let language = rest.split_whitespace().next().unwrap_or_default().to_owned();
        begins.then_some(Self { mark, length, language })
    }

    pub(super) fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.length && line.chars().all(|c| c == self.mark)
    }
}

/// The first line of a list item.
#[derive(Debug)]
pub(super) struct ListItem {
    pub(super) indent: usize,
    /// The indentation of the item's content.
    pub(super) content: usize,
    pub(super) number: Option<u64>,
}

impl ListItem {
    pub(super) fn of(line: &str) -> Option<Self> {
        if is_rule(line) {
            return None;
        }
        let indent = indent(line);
        let text = line.trim_start();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, mark) = match digits {
            0 => (None, usize::from(text.starts_with(['-', '*', '+']))),
            1..=9 if text[digits..].starts_with(['.', ')']) => {
                (text[..digits].parse().ok(), digits + 1)
            }
            _ => return None,
        };
        let rest = &text[mark..];
        let room = rest.len() - rest.trim_start_matches(' ').len();
        let begins = mark > 0 && (rest.is_empty() || room > 0);
        // Deeper indentation is code inside the item.
        let room = if room > INDENT_OF_CODE { 1 } else { room.max(1) };
        begins.then_some(Self { indent, content: indent + mark + room, number })
    }
}

pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns `true` if the line starts a block regardless of the line before it.
pub(super) fn begins_block(line: &str) -> bool {
    Fence::of(line).is_some() || is_heading(line) || is_rule(line) || line.starts_with('>')
}

pub(super) fn is_heading(line: &str) -> bool {
    if indent(line) >= INDENT_OF_CODE {
        return false;
    }
    let line = line.trim_start();
    let rest = line.trim_start_matches('#');
    matches!(line.len() - rest.len(), 1..=6) && (rest.is_empty() || rest.starts_with(' '))
}

/// Returns `true` for a horizontal rule.
pub(super) fn is_rule(line: &str) -> bool {
    let mut marks = line.chars().filter(|c| *c != ' ');
    let Some(first) = marks.next().filter(|c| matches!(c, '-' | '*' | '_')) else { return false };
    let mut others = 0;
    marks.all(|c| {
        others += 1;
        c == first
    }) && others >= 2
        && indent(line) < INDENT_OF_CODE
}

/// Returns `true` for the underline of a heading.
pub(super) fn is_underline(line: &str) -> bool {
    let line = line.trim();
    line.starts_with(['=', '-']) && line.chars().all(|c| line.starts_with(c))
}
