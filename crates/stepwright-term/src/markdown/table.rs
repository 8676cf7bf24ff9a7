//! Markdown tables.

use crate::styled::{DIM, Line, StyledSpan, width_of_line, wrap};
use pulldown_cmark::Alignment;

/// The cells of a row, each a styled line.
pub(super) type Row = Vec<Line>;

/// The narrowest column. If the columns do not fit, each row becomes a paragraph.
const COLUMN_MIN: usize = 5;

/// The separator between two columns.
const BETWEEN: &str = " │ ";

/// Formats a table whose first row is the heading.
pub(super) fn table(rows: &[Row], alignments: &[Alignment], width: usize) -> Vec<Line> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    if columns == 0 {
        return Vec::new();
    }
    let free = width.saturating_sub((columns - 1) * BETWEEN.chars().count());
    if free < columns * COLUMN_MIN {
        return paragraphs(rows, width);
    }
    let widths = widths(rows, columns, free);
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        lines.extend(row_lines(row, &widths, alignments));
        if at == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            lines.push(vec![StyledSpan::new(rule.join("─┼─"), DIM)]);
        }
    }
    lines
}

/// Returns the column widths: the width of the content, with the widest columns shrunk until the
/// table fits.
fn widths(rows: &[Row], columns: usize, free: usize) -> Vec<usize> {
    let natural = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width_of_line(cell)).max().unwrap_or_default().clamp(1, free)
    };
    let mut widths: Vec<usize> = (0..columns).map(natural).collect();
    while widths.iter().sum::<usize>() > free {
        let widest = widths.iter_mut().max().expect("there are columns");
        *widest -= 1;
    }
    widths
}

fn row_lines(row: &Row, widths: &[usize], alignments: &[Alignment]) -> Vec<Line> {
    let nothing = Line::new();
    let cells: Vec<Vec<Line>> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| wrap(row.get(column).unwrap_or(&nothing), *width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    (0..height)
        .map(|at| {
            let mut line = Line::new();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                if column > 0 {
                    line.push(StyledSpan::new(BETWEEN, DIM));
                }
                let text = cell.get(at).unwrap_or(&nothing);
                let room = width.saturating_sub(width_of_line(text));
                let before = match alignments.get(column) {
                    Some(Alignment::Right) => room,
                    Some(Alignment::Center) => room / 2,
                    _ => 0,
                };
                line.push(StyledSpan::plain(" ".repeat(before)));
                line.extend(text.iter().cloned());
                // No padding after the last column.
                let after = if column + 1 == widths.len() { 0 } else { room - before };
                line.push(StyledSpan::plain(" ".repeat(after)));
            }
            line
        })
        .collect()
}

/// Formats each row as lines of `heading: cell`.
fn paragraphs(rows: &[Row], width: usize) -> Vec<Line> {
    let Some((heading, rows)) = rows.split_first() else { return Vec::new() };
    if rows.is_empty() {
        return heading.iter().flat_map(|cell| wrap(cell, width)).collect();
    }
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            lines.push(Line::new());
        }
        for (column, cell) in row.iter().enumerate() {
            let mut line = heading.get(column).cloned().unwrap_or_default();
            if !line.is_empty() {
                line.push(StyledSpan::plain(": "));
            }
            line.extend(cell.iter().cloned());
            lines.extend(wrap(&line, width));
        }
    }
    lines
}
