//! Markdown, whole and in pieces.

use super::*;

fn options(width: usize) -> MarkdownOptions {
    MarkdownOptions { width, paint: Paint::default() }
}

fn shown(lines: &[Line]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| Paint::default().line(line)).collect();
    lines.join("\n")
}

fn rendered(text: &str, width: usize) -> String {
    in_pieces(text, width, text.len().max(1))
}

fn in_pieces(text: &str, width: usize, letters: usize) -> String {
    let mut markdown = Markdown::new(options(width));
    let chars: Vec<char> = text.chars().collect();
    let mut lines = Vec::new();
    for piece in chars.chunks(letters) {
        lines.extend(markdown.push(&piece.iter().collect::<String>()));
        markdown.open();
    }
    lines.extend(markdown.finish());
    shown(&lines)
}

const EVERYTHING: &str = "\
# Title

Some *emphasis* and **strength**, `code`, ~~gone~~ and a [link](https://example.org/a).
The same paragraph\\
after a hard break.
## Lists
- one
- two with a text that is long enough to be broken
  - nested
    deeper
- three

  with a second paragraph
1. first
1. second
   ```rust
   fn main() {

   }
   ```
3. third

> A quote,
> of two lines.

```python
def f(x):

    return x
```
| Name | Age |
|:-----|----:|
| Ada  | 36 |
| Grace Hopper | 85 |

- [x] done
- [ ] open

---
Setext
======
The end.";

#[test]
fn everything_has_its_form() {
    let expected = "\
# Title

Some emphasis and strength, `code`, gone
and a link (https://example.org/a). The
same paragraph
after a hard break.

## Lists

• one
• two with a text that is long enough to
  be broken
  • nested deeper
• three

  with a second paragraph
1. first
2. second

   rust
     fn main() {

     }
3. third

▌ A quote, of two lines.

python
  def f(x):

      return x

Name         │ Age
─────────────┼────
Ada          │  36
Grace Hopper │  85

• ☑ done
• ☐ open

────────────────────────

# Setext

The end.";
    assert_eq!(rendered(EVERYTHING, 40), expected);
}

#[test]
fn how_it_is_cut_makes_no_difference() {
    for width in [8, 40, 100] {
        let whole = rendered(EVERYTHING, width);
        for letters in [1, 2, 3, 7, 100] {
            assert_eq!(in_pieces(EVERYTHING, width, letters), whole, "{letters} of {width}");
        }
    }
}

#[test]
fn what_is_open_is_seen_before_it_ends() {
    let mut markdown = Markdown::new(options(40));
    assert_eq!(shown(&markdown.push("# Ti")), "");
    assert_eq!(shown(&markdown.open()), "# Ti");
    assert_eq!(shown(&markdown.push("tle\n\nText")), "# Title");
    assert_eq!(shown(&markdown.open()), "\nText");
    assert_eq!(shown(&markdown.push("\n\n```\nlet")), "\nText\n");
    assert_eq!(shown(&markdown.open()), "  let");
    // Lines of code are finished at their line break.
    assert_eq!(shown(&markdown.push(" x;\n")), "  let x;");
    assert_eq!(shown(&markdown.finish()), "");
}

#[test]
fn no_line_is_wider_than_it_may_be() {
    let nested = "1. a\n   1. b\n      1. c\n         1. d\n            1. long words here";
    let wide = "日本語のテキストです。".repeat(8);
    let table = format!("|{}|\n|{}|\n|{}|", "name|".repeat(9), "---|".repeat(9), "x|".repeat(9));
    let code = format!("```\n{}\n```", "abcdefghij".repeat(20));
    let emoji = "👩‍🚀🏳️‍🌈❤️ ".repeat(30);
    for text in [EVERYTHING, nested, &wide, &table, &code, &emoji, &"> ".repeat(12)] {
        for width in 8..60 {
            let mut markdown = Markdown::new(options(width));
            let mut lines = markdown.push(text);
            lines.extend(markdown.finish());
            for line in lines {
                let found = crate::styled::width_of_line(&line);
                assert!(found <= width, "{found} > {width}: {line:?}");
            }
        }
    }
}

#[test]
fn addresses_are_links_where_that_is_possible() {
    let paint = Paint { color: true, links: true };
    let line = |text: &str| {
        let mut markdown = Markdown::new(MarkdownOptions { width: 200, paint });
        markdown.push(text);
        paint.line(&markdown.finish()[0])
    };
    assert_eq!(
        line("[a](https://example.org/)"),
        "\x1b]8;;https://example.org/\x1b\\\x1b[4ma\x1b[0m\x1b]8;;\x1b\\"
    );
    // An address cannot smuggle in other sequences.
    assert_eq!(line("[a](javascript:alert)"), "\x1b[4ma\x1b[0m\x1b[2m (javascript:alert)\x1b[0m");
    assert!(!line("[a](https://e.org/\x1b]8;;x\x07b)").contains("\x1b]8;;x"));
    assert!(!line("[a](<https://e.org/&#27;]0;evil&#7;>)").contains("\x1b]0"));
    assert!(!line("&#27;[2J and &#x9b;2J").contains("\x1b[2J"), "{:?}", line("&#27;[2J"));
}

#[test]
fn what_is_nested_too_deeply_is_shown_as_it_is() {
    let deep = "- ".repeat(5000) + "x";
    assert!(rendered(&deep, 40).starts_with("- - -"));
    assert!(rendered(&"> ".repeat(5000), 40).starts_with("> > >"));
}

/// The work for a text in pieces grows linearly with the text, counted in bytes read instead of
/// time.
#[test]
fn a_long_text_is_not_read_again_and_again() {
    let paragraphs = "A sentence with *some* words in it.\n\n".repeat(30_000);
    assert!(paragraphs.len() > 1_000_000, "{}", paragraphs.len());
    let paragraph = "word ".repeat(40_000);
    let word = "x".repeat(200_000);
    let code = format!("```\n{}", "let x = 1;\n".repeat(20_000));
    let list = "- an item of a list\n".repeat(10_000);
    let nested = format!("- one\n{}", "  - nested item\n".repeat(12_000));
    let table = format!("|a|b|\n|-|-|\n{}", "|1|2|\n".repeat(30_000));
    let quote = "> a line of a quote\n".repeat(10_000);
    let blanks = format!("- a\n{}", "\n".repeat(200_000));
    for text in [paragraphs, paragraph, word, code, list, nested, table, quote, blanks] {
        let mut markdown = Markdown::new(options(80));
        let mut pushed = 0;
        for piece in text.as_bytes().chunks(64) {
            markdown.push(str::from_utf8(piece).unwrap());
            pushed += 1;
            // Frames are drawn by time, not for each piece.
            if pushed % 100 == 0 {
                markdown.open();
            }
        }
        markdown.finish();
        let frames = pushed / 100 + 1;
        let most = 2 * text.len() as u64 + frames * 2 * OPEN_BYTES_MAX as u64;
        let beginning = text.chars().take(20).collect::<String>();
        assert!(markdown.work() <= most, "{beginning}: {} > {most}", markdown.work());
    }
}
