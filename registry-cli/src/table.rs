//! Rows and columns: aligned, with a head, on a terminal; in a pipe, tabs between the cells and nothing else.

use crate::paint::{Ink, Paint, printable};

/// A table that is being filled. Without words for it, it has no head.
pub(crate) struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<(Ink, String)>>,
}

/// No cell but the last makes a column wider than this.
const WIDEST: usize = 40;

impl Table {
    pub(crate) fn new(head: &'static [&'static str]) -> Self {
        Self {
            head,
            rows: Vec::new(),
        }
    }

    /// One row, a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (Ink, String)>) {
        let cells = cells.into_iter().map(|(ink, text)| (ink, printable(&text)));
        self.rows.push(cells.collect());
    }

    /// The whole of it; a line for each row.
    pub(crate) fn render(&self, paint: Paint) -> String {
        if !paint.terminal {
            let lines = self.rows.iter().map(|row| {
                let cells: Vec<&str> = row.iter().map(|(_, text)| text.as_str()).collect();
                cells.join("\t") + "\n"
            });
            return lines.collect();
        }
        let head: Vec<(Ink, String)> = self
            .head
            .iter()
            .map(|word| (Ink::Head, (*word).to_owned()))
            .collect();
        let head = (!head.is_empty()).then_some(head);
        let all = || head.iter().chain(&self.rows);
        let width = |column: usize| {
            let widths = all().filter_map(|row| Some(row.get(column)?.1.chars().count()));
            widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
        };
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        all().map(|row| line(row, &widths, paint)).collect()
    }
}

fn line(row: &[(Ink, String)], widths: &[usize], paint: Paint) -> String {
    let mut out = String::new();
    for (column, (ink, text)) in row.iter().enumerate() {
        out += &paint.draw(*ink, text);
        if column + 1 < row.len() {
            let width = widths.get(column).copied().unwrap_or(0);
            let blanks = width.saturating_sub(text.chars().count()) + 2;
            out.extend(std::iter::repeat_n(' ', blanks));
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "WHERE", "WHAT"]);
        for cells in [["mysql.main", "db1", "a\tb"], ["x", "", ""]] {
            table.row(cells.map(|cell| (Ink::Plain, cell.to_owned())));
        }
        table
    }

    #[test]
    fn columns_are_aligned_on_a_terminal() {
        let expected = "NAME        WHERE  WHAT\nmysql.main  db1    a\u{fffd}b\nx\n";
        assert_eq!(table().render(Paint::TERMINAL), expected);
    }

    #[test]
    fn a_table_without_a_head_is_aligned_too() {
        let mut table = Table::new(&[]);
        for cells in [["login", "ok"], ["query", "FAIL"], ["x", "y"]] {
            table.row(cells.map(|cell| (Ink::Plain, cell.to_owned())));
        }
        assert_eq!(
            table.render(Paint::TERMINAL),
            "login  ok\nquery  FAIL\nx      y\n"
        );
    }

    #[test]
    fn tabs_divide_them_in_a_pipe() {
        assert_eq!(
            table().render(Paint::NONE),
            "mysql.main\tdb1\ta\u{fffd}b\nx\t\t\n"
        );
    }
}
