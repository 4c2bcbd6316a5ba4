//! From byte offsets to lines and columns.

use crate::shape::Position;

/// Where the lines of a text begin.
#[derive(Debug)]
pub struct Lines<'s> {
    source: &'s str,
    /// The offset of each line, and whether it is ASCII, where counting characters is a subtraction.
    starts: Vec<(usize, bool)>,
}

impl<'s> Lines<'s> {
    /// Finds the lines.
    #[must_use]
    pub fn new(source: &'s str) -> Self {
        let mut start = 0;
        let starts = source.split_inclusive('\n').map(|line| {
            let this = (start, line.is_ascii());
            start += line.len();
            this
        });
        let mut starts: Vec<(usize, bool)> = starts.collect();
        if source.is_empty() || source.ends_with('\n') {
            starts.push((source.len(), true));
        }
        Self { source, starts }
    }

    /// The place of a byte, both from 1. A byte order mark has no column; the end of the text is a place too.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.source.len());
        let line = self
            .starts
            .partition_point(|(start, _)| *start <= offset)
            .saturating_sub(1);
        let (start, ascii) = self.starts[line];
        let before = offset - start;
        let columns = if ascii {
            before
        } else {
            // An offset inside a character counts as the character itself.
            let line = &self.source[start..];
            line.char_indices()
                .take_while(|(index, c)| *index < before && index + c.len_utf8() <= before)
                .filter(|(_, c)| *c != '\u{feff}')
                .count()
        };
        let number = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            column: number(columns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_from_one() {
        let source = "\u{feff}a\r\nö = 1\n\nx";
        let lines = Lines::new(source);
        let at = |text: &str| {
            let Position { line, column } = lines.position(source.find(text).unwrap());
            (line, column)
        };
        assert_eq!(
            (at("a"), at("ö"), at("="), at("x")),
            ((1, 1), (2, 1), (2, 3), (4, 1))
        );
        assert_eq!(lines.position(9999), Position { line: 4, column: 2 });
        assert_eq!(Lines::new("").position(0), Position { line: 1, column: 1 });
        assert_eq!(Lines::new("a\n").position(2), Position { line: 2, column: 1 });
    }
}
