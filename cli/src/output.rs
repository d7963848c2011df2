//! Where words go: data on stdout, talk on stderr, and nothing raw on a terminal.
//!
//! Events, file names and messages hold bytes of others. What reaches a terminal is escaped here, so that no
//! event can move the cursor, ring, colour, or reorder what a reader sees. What is piped goes out as it is.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::exit::{Failure, Outcome};
use crate::render::{Cell, Grid, Pager};

/// Columns of a terminal that does not say how wide it is.
const WIDTH_DEFAULT: usize = 80;

/// Stdout, buffered. [`Out::finish`] must be called: what was not flushed has not been said.
pub(crate) struct Out {
    /// Dropped before the pager, which then sees the end.
    sink: io::BufWriter<Box<dyn Write>>,
    pager: Option<Pager>,
    terminal: bool,
    colour: bool,
}

impl Out {
    /// The process's stdout.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Out {
            sink: io::BufWriter::with_capacity(64 << 10, Box::new(stdout)),
            pager: None,
            terminal,
            colour: terminal && wants_colour(),
        }
    }

    /// The process's stdout; on a terminal through the user's pager.
    pub(crate) fn paged() -> Self {
        let mut out = Out::stdout();
        if let Some((pager, stdin)) = out.terminal.then(Pager::start).flatten() {
            out.sink = io::BufWriter::with_capacity(64 << 10, Box::new(stdin));
            out.pager = Some(pager);
        }
        out
    }

    /// Whether a pager shows what is written.
    pub(crate) fn is_paged(&self) -> bool {
        self.pager.is_some()
    }

    /// How many columns a line may have: as many as `COLUMNS` or the terminal says; piped, as many as it likes.
    pub(crate) fn width(&self) -> Option<usize> {
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let of_terminal = || {
            let size = terminal_size::terminal_size_of(io::stdout());
            size.map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0))
        };
        said.filter(|columns| *columns > 0).or_else(|| self.terminal.then(of_terminal))
    }

    /// Whether a person is looking.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes bytes of others as one line: as they are when piped, escaped on a terminal.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Outcome<()> {
        let written = if self.terminal {
            self.sink.write_all(escape(bytes).as_bytes())
        } else {
            self.sink.write_all(bytes)
        };
        written.and_then(|()| self.sink.write_all(b"\n")).map_err(broken)
    }

    /// Writes bytes of others as they are. Not for a terminal.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.sink.write_all(bytes).map_err(broken)
    }

    /// Writes a line of our own. Words of others in it must have gone through [`escape`], [`Out::paint`] or a
    /// [`Table`].
    pub(crate) fn line(&mut self, line: impl Display) -> Outcome<()> {
        writeln!(self.sink, "{line}").map_err(broken)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Outcome<()> {
        let text =
            serde_json::to_vec(value).map_err(|error| Failure::Io("write JSON".into(), error.into()))?;
        self.bytes(&text)
    }

    /// A word in a colour, where colours are wanted. The word is escaped.
    pub(crate) fn paint(&self, colour: Colour, word: impl Display) -> String {
        paint(self.colour, colour, &word.to_string())
    }

    /// Hands over what has been written so far.
    pub(crate) fn flush(&mut self) -> Outcome<()> {
        self.sink.flush().map_err(broken)
    }

    /// Flushes, for good: a command that did not come here has not ended well. A pager is waited for; one that could not
    /// be run has shown nothing.
    pub(crate) fn finish(mut self) -> Outcome<()> {
        let flushed = self.flush();
        let Out { sink, pager, .. } = self;
        // The pager sees the end.
        drop(sink);
        pager.map_or(Ok(()), Pager::end)?;
        flushed
    }
}

fn broken(error: io::Error) -> Failure {
    Failure::Io("write to stdout".into(), error)
}

/// The few colours that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// It is well.
    Good,
    /// Look at this.
    Notice,
    /// It is not well.
    Bad,
    /// A heading.
    Strong,
    /// It is there for those who look for it.
    Faint,
}

fn paint(wanted: bool, colour: Colour, word: &str) -> String {
    let word = escape(word.as_bytes());
    if !wanted {
        return word.into_owned();
    }
    let code = match colour {
        Colour::Good => "32",
        Colour::Notice => "33",
        Colour::Bad => "31",
        Colour::Strong => "1",
        Colour::Faint => "2",
    };
    format!("\u{1b}[{code}m{word}\u{1b}[0m")
}

/// Colours are wanted unless `NO_COLOR` is set to something (no-color.org) or the terminal is dumb.
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Whether stderr is a terminal.
pub(crate) fn talks_to_a_person() -> bool {
    io::stderr().is_terminal()
}

/// Says something on stderr. Talk that cannot be said is no reason to fail: the exit code still speaks.
pub(crate) fn say(words: impl Display) {
    let mut line = escape_lines(&words.to_string());
    line.push('\n');
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Says what went wrong.
pub(crate) fn error(words: &dyn Display) {
    let colour = io::stderr().is_terminal() && wants_colour();
    let mut line = format!("{} {}\n", paint(colour, Colour::Bad, "error:"), escape_lines(&words.to_string()));
    line.retain(|c| c != '\r');
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Says what should be looked at.
pub(crate) fn warn(words: impl Display) {
    let colour = io::stderr().is_terminal() && wants_colour();
    let line =
        format!("{} {}\n", paint(colour, Colour::Notice, "warning:"), escape_lines(&words.to_string()));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// A text of many lines for stdout: escaped where it goes to a terminal.
pub(crate) fn escape_text(text: &str, to_terminal: bool) -> Cow<'_, str> {
    if to_terminal { Cow::Owned(escape_lines(text)) } else { Cow::Borrowed(text) }
}

/// Escapes all but line ends.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(|line| escape(line.as_bytes())).collect::<Vec<_>>().join("\n")
}

/// Makes bytes safe for a terminal: control characters, the characters that reorder or hide text, and bytes
/// that are no UTF-8 are written out; all else stays as it is. Inside a JSON string the result means the same.
pub(crate) fn escape(bytes: &[u8]) -> Cow<'_, str> {
    let clean = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(is_unsafe));
    if let Some(text) = clean {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unsafe(c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            } else {
                safe.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02x}");
        }
    }
    Cow::Owned(safe)
}

/// How a terminal shows a text, and in how many columns.
pub(crate) fn shown(text: &str) -> (String, usize) {
    let shown = escape(text.as_bytes()).into_owned();
    let width = shown.width();
    (shown, width)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Line and paragraph separators, bidirectional marks and overrides, invisible characters, tags.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{061c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A count with thin grouping: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 event`, `2 events`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A length in bytes for people: `617 B`, `1.5 MiB`.
pub(crate) fn length(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// How long something took, for people, from nanoseconds: its two greatest units, as in `2m05s`; what is shorter than a
/// second has one, as `340ms` or `15µs`.
pub(crate) fn span(ns: i64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let seconds = ns / 1_000_000_000;
    let Some(first) = UNITS.iter().position(|(_, unit)| seconds >= *unit) else {
        return match ns {
            0 => "0s".to_owned(),
            1..1_000 => format!("{sign}{ns}ns"),
            1_000..1_000_000 => format!("{sign}{}µs", ns / 1_000),
            _ => format!("{sign}{}ms", ns / 1_000_000),
        };
    };
    let mut text = sign.to_owned();
    let mut rest = seconds;
    for (at, (name, unit)) in UNITS.iter().enumerate().skip(first).take(2) {
        let amount = rest / unit;
        rest %= unit;
        let _ = match at {
            at if at == first => write!(text, "{amount}{name}"),
            _ if amount > 0 => write!(text, "{amount:02}{name}"),
            _ => Ok(()),
        };
    }
    text
}

/// How long ago something was, for people, from nanoseconds: `12 s ago`, `3 days ago`.
pub(crate) fn age(ns: i64) -> String {
    let seconds = u64::try_from(ns / 1_000_000_000).unwrap_or(0);
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} minutes ago", seconds / 60),
        7200..172_800 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Rows in columns as wide as their widest word.
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Table { rows: vec![headings.iter().map(|word| Cell::words(word)).collect()] }
    }

    /// Adds a row; words of others are escaped.
    pub(crate) fn row(&mut self, words: impl IntoIterator<Item = String>) {
        self.rows.push(words.into_iter().map(|word| Cell::words(&word)).collect());
    }

    /// Writes the table.
    pub(crate) fn print(&self, out: &mut Out) -> Outcome<()> {
        let grid = Grid::of(&self.rows, None);
        for (number, row) in self.rows.iter().enumerate() {
            let line = grid.line(row);
            if number == 0 {
                out.line(out.paint(Colour::Strong, line))?;
            } else {
                out.line(line)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_raw_reaches_a_terminal() {
        let table: [(&[u8], &str); 8] = [
            (br#"{"a":1}"#, r#"{"a":1}"#),
            (b"\x1b[31mred\x07", r"\u001b[31mred\u0007"),
            (b"a\r\nb\tc\0", r"a\u000d\u000ab\u0009c\u0000"),
            ("del\u{7f} c1\u{9b}31m".as_bytes(), r"del\u007f c1\u009b31m"),
            ("a\u{202e}b\u{2066}c\u{feff}".as_bytes(), r"a\u202eb\u2066c\ufeff"),
            ("tag\u{e0041}".as_bytes(), r"tag\udb40\udc41"),
            (b"bad \xff\xc3 utf8", r"bad \xff\xc3 utf8"),
            ("Grüße, 世界 🙂".as_bytes(), "Grüße, 世界 🙂"),
        ];
        for (input, expected) in table {
            assert_eq!(escape(input), expected);
        }
    }

    #[test]
    fn what_is_escaped_in_a_json_string_means_the_same() {
        let text = "\u{7f}\u{9b}\u{202e}\u{e0041}";
        let json = serde_json::to_string(text).unwrap();
        let shown = escape(json.as_bytes()).into_owned();
        assert!(shown.is_ascii());
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn colours_come_only_when_wanted_and_hold_no_raw_word() {
        assert_eq!(paint(false, Colour::Bad, "a\u{1b}b"), r"a\u001bb");
        assert_eq!(paint(true, Colour::Bad, "a\u{1b}b"), "\u{1b}[31ma\\u001bb\u{1b}[0m");
    }

    #[test]
    fn numbers_are_readable() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, expected) in table {
            assert_eq!(count(number), expected);
        }
        let table = [
            (0, "0s"),
            (340, "340ms"),
            (1_500, "1s"),
            (12_345, "12s"),
            (60_000, "1m"),
            (125_000, "2m05s"),
            (3_600_000, "1h"),
            (378_000, "6m18s"),
            (90_000_000, "1d01h"),
            (-5_000, "-5s"),
        ];
        for (millis, expected) in table {
            assert_eq!(span(millis * 1_000_000), expected);
        }
        assert_eq!((span(15_935), span(-7)), ("15µs".to_owned(), "-7ns".to_owned()));
        let table =
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")];
        for (bytes, expected) in table {
            assert_eq!(length(bytes), expected);
        }
    }
}
