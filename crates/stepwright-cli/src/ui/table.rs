//! Tables for people.

use stepwright::term::harmless;
use stepwright_term::width_of;

/// Formats rows in columns with headings. Escapes control characters in the cells.
pub(crate) fn table<const N: usize>(names: [&str; N], rows: Vec<[String; N]>) -> String {
    let rows = rows.into_iter().map(|row| row.map(|cell| harmless(&cell)));
    let rows: Vec<[String; N]> = [names.map(str::to_owned)].into_iter().chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| width_of(&row[column]));
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let filled = |(cell, width): (&String, &usize)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(width_of(cell))))
        };
        let cells = row.iter().zip(&widths).map(filled);
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let row = |id: &str, status: &str| [id.to_owned(), status.to_owned()];
        let shown = table(["RUN", "STATUS"], vec![row("r-10", "failed"), row("r\x1b[31m", "é")]);
        assert_eq!(shown, "RUN   STATUS\nr-10  failed\nr     é\n");
        // Some letters are two columns wide.
        let shown = table(["USER", "STATUS"], vec![row("日本語", "failed"), row("ada", "paused")]);
        assert_eq!(shown, "USER    STATUS\n日本語  failed\nada     paused\n");
    }
}
