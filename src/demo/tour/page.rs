//! The page that the walk is written on: plain text, with colour and pauses only where a person watches.
//!
//! Knows standard output. Must not know what is written.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How wide a line is.
pub(super) const WIDTH: usize = 100;

/// Colours, for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// The usual one.
    Plain,
    /// Headings.
    Bold,
    /// What may be passed over.
    Faint,
    /// The primary.
    Primary,
    /// A replica.
    Replica,
    /// What should not be.
    Alarm,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A person at a terminal who likes colours, or not (`NO_COLOR`).
    Person { colours: bool },
    /// A pipe or a file.
    Program,
}

/// Standard output.
#[derive(Debug)]
pub(super) struct Page {
    reader: Reader,
    out: io::Stdout,
}

impl Page {
    /// Of this process.
    pub(super) fn of_process() -> Self {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let reader = if io::stdout().is_terminal() { Reader::Person { colours } } else { Reader::Program };
        Self { reader, out: io::stdout() }
    }

    /// Writes one line.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock();
        writeln!(out, "{}", text.trim_end())?;
        out.flush()
    }

    /// Begins a chapter.
    pub(super) fn heading(&mut self, title: &str) -> io::Result<()> {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        self.line("")?;
        self.line(&self.ink(Ink::Bold, &format!("── {title} {rule}")))
    }

    /// The text in a colour, if there are any.
    pub(super) fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            _ if self.reader != (Reader::Person { colours: true }) => return text.to_owned(),
            Ink::Plain => return text.to_owned(),
            Ink::Bold => "1",
            Ink::Faint => "2",
            Ink::Primary => "33",
            Ink::Replica => "36",
            Ink::Alarm => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// How long a person wants to look; a program does not.
    pub(super) const fn pause(&self, time: Duration) -> Duration {
        match self.reader {
            Reader::Person { .. } => time,
            Reader::Program => Duration::ZERO,
        }
    }
}

/// Fills up with blanks behind the text, which counts in characters.
pub(super) fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(blanks))
}

#[cfg(test)]
mod tests {
    use super::{Ink, Page, Reader, padded};

    #[test]
    fn colours_are_for_people_who_like_them() {
        let ink = |reader| Page { reader, out: std::io::stdout() }.ink(Ink::Bold, "x");
        assert_eq!(ink(Reader::Program), "x");
        assert_eq!(ink(Reader::Person { colours: false }), "x");
        assert_eq!(ink(Reader::Person { colours: true }), "\x1b[1mx\x1b[0m");
    }

    #[test]
    fn padding_counts_characters() {
        assert_eq!(padded("é", 3), "é  ");
        assert_eq!(padded("four", 3), "four");
    }
}
