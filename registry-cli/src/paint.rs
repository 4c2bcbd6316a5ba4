//! Colours, where somebody can see them.

use std::io::IsTerminal;

/// Whether, and how, text is coloured.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    /// Whether a person reads along: tables and progress are for them.
    pub(crate) terminal: bool,
    colours: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Head,
    Good,
    Doubtful,
    Bad,
    Faint,
}

impl Paint {
    /// For a stream.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        Self {
            terminal,
            colours: terminal && !is_refused(),
        }
    }

    /// For what goes into a file.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self {
        terminal: false,
        colours: false,
    };

    /// For a terminal without colours.
    #[cfg(test)]
    pub(crate) const TERMINAL: Self = Self {
        terminal: true,
        colours: false,
    };

    /// The text in its colour.
    pub(crate) fn draw(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            _ if !self.colours || text.is_empty() => return text.to_owned(),
            Ink::Head => "1",
            Ink::Good => "32",
            Ink::Doubtful => "33",
            Ink::Bad => "1;31",
            Ink::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether nobody wants colours: `NO_COLOR`, when it holds anything, and the terminal `dumb`.
pub(crate) fn is_refused() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    refused || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// What a file, a variable or a server says cannot steer a terminal, nor end a line.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_nothing_is_coloured() {
        assert_eq!(Paint::NONE.draw(Ink::Bad, "FAIL"), "FAIL");
        let colours = Paint {
            terminal: true,
            colours: true,
        };
        assert_eq!(colours.draw(Ink::Bad, "FAIL"), "\x1b[1;31mFAIL\x1b[0m");
        assert_eq!(colours.draw(Ink::Plain, "ok"), "ok");
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
