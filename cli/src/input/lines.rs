//! Cuts a stream into lines, in chunks that worker threads can take away.
//!
//! A chunk is what one read of the input completed: a whole buffer of a file, or the one line that has just
//! come down a pipe. So nothing waits for a buffer to fill, and no line is copied more than once. A line ends
//! with LF or CR LF; the ending is no part of the event, all else is. A line over the limit is passed over
//! without being held in memory, and reported.

use std::io::{self, Read};
use std::ops::Range;

use bytes::Bytes;

/// The bytes that are asked for at once.
const READ_LEN: usize = 256 << 10;

/// Some whole lines.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Bytes,
    lines: Vec<(u64, Span)>,
}

/// A chunk that is being cut.
#[derive(Debug)]
struct Cut {
    bytes: Vec<u8>,
    lines: Vec<(u64, Span)>,
}

impl Cut {
    fn new(bytes: Vec<u8>) -> Self {
        Cut { bytes, lines: Vec::new() }
    }

    fn done(self) -> Chunk {
        Chunk { bytes: self.bytes.into(), lines: self.lines }
    }
}

#[derive(Debug, Clone)]
enum Span {
    Whole(Range<usize>),
    /// The line's length, and its kept beginning.
    TooLong(u64, Range<usize>),
}

/// One line that holds something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its bytes, without the line's end.
    Whole(&'a [u8]),
    /// Longer than the limit: how long, and how it begins.
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// Its first bytes.
        start: &'a [u8],
    },
}

/// A line and its number in the file, from 1.
pub(crate) type Lines<'a> = (u64, Line<'a>);

impl Chunk {
    /// A part of one of the lines, sharing the chunk's bytes.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }

    /// The lines that hold something, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Lines<'_>> {
        self.lines.iter().map(|(number, span)| {
            let line = match span {
                Span::Whole(range) => Line::Whole(&self.bytes[range.clone()]),
                Span::TooLong(len, range) => Line::TooLong { len: *len, start: &self.bytes[range.clone()] },
            };
            (*number, line)
        })
    }
}

/// Reads lines.
pub(crate) struct LineReader<R> {
    inner: R,
    len_max: usize,
    /// The beginning of a line whose end has not come yet.
    tail: Vec<u8>,
    /// How many bytes of the line that is being passed over came after `tail`; none where it is not too long.
    over: Option<u64>,
    /// The number of the line that `tail` begins.
    number: u64,
    /// How many lines were empty so far.
    blank_count: u64,
    ended: bool,
    /// Whether an input may be one JSON document over many lines, and none has been looked at yet.
    documents: bool,
}

impl<R: Read> LineReader<R> {
    /// Lines of `inner` of at most `len_max` bytes each.
    pub(crate) fn new(inner: R, len_max: usize) -> Self {
        LineReader {
            inner,
            len_max,
            tail: Vec::new(),
            over: None,
            number: 1,
            blank_count: 0,
            ended: false,
            documents: false,
        }
    }

    /// Also takes an input that is one document over many lines, as a line of its own: one whose first line
    /// does not end as it begins, with its object or array closed.
    pub(crate) fn with_documents(mut self) -> Self {
        self.documents = true;
        self
    }

    /// How many lines held nothing but white space; they are passed over.
    pub(crate) fn blank_count(&self) -> u64 {
        self.blank_count
    }

    /// The lines that the next read completes; at the end, none.
    ///
    /// # Errors
    /// What the input says. Lines that came before are given out first.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if std::mem::take(&mut self.documents) {
            let start = self.first_line()?;
            let mut chunk = Cut::new(start);
            if is_document(&chunk.bytes) {
                self.ended = true;
                let rest = (self.len_max as u64 + 1).saturating_sub(chunk.bytes.len() as u64);
                self.inner.by_ref().take(rest).read_to_end(&mut chunk.bytes)?;
                let end = chunk.bytes.len();
                let span = if end > self.len_max {
                    Span::TooLong(end as u64, 0..self.len_max)
                } else {
                    Span::Whole(0..end)
                };
                chunk.lines.push((1, span));
                return Ok(Some(chunk.done()));
            }
            self.cut(&mut chunk, 0);
            if !chunk.lines.is_empty() {
                return Ok(Some(chunk.done()));
            }
        }
        while !self.ended {
            let mut chunk = Cut::new(std::mem::take(&mut self.tail));
            let old = chunk.bytes.len();
            chunk.bytes.resize(old + READ_LEN, 0);
            let len = loop {
                match self.inner.read(&mut chunk.bytes[old..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            chunk.bytes.truncate(old + len);
            if len == 0 {
                self.ended = true;
                self.end(&mut chunk, 0, old);
            } else {
                self.cut(&mut chunk, old);
            }
            if !chunk.lines.is_empty() {
                return Ok(Some(chunk.done()));
            }
        }
        Ok(None)
    }

    /// Reads until the first line that holds something has ended, and maybe more.
    fn first_line(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() <= self.len_max && !bytes.trim_ascii_start().contains(&b'\n') {
            let old = bytes.len();
            bytes.resize(old + READ_LEN, 0);
            let len = loop {
                match self.inner.read(&mut bytes[old..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            bytes.truncate(old + len);
            if len == 0 {
                break;
            }
        }
        Ok(bytes)
    }

    /// Cuts what is in `chunk` at its line ends; none stand before `fresh`.
    fn cut(&mut self, chunk: &mut Cut, fresh: usize) {
        let mut start = 0;
        let mut from = fresh;
        while let Some(at) = memchr::memchr(b'\n', chunk.bytes.get(from..).unwrap_or_default()) {
            let end = from + at;
            self.end(chunk, start, end);
            self.number += 1;
            start = end + 1;
            from = start;
        }
        let kept = chunk.bytes.len() - start;
        if let Some(passed) = &mut self.over {
            // Its beginning was kept already: what came since is only counted.
            *passed += (kept - fresh) as u64;
            chunk.bytes.truncate(fresh);
        } else if kept > self.len_max + 1 {
            self.over = Some((kept - self.len_max) as u64);
            chunk.bytes.truncate(start + self.len_max);
        }
        // A long line that grows read by read is moved, not copied, each time.
        self.tail = if start == 0 { std::mem::take(&mut chunk.bytes) } else { chunk.bytes.split_off(start) };
    }

    /// One line has come to its end.
    fn end(&mut self, chunk: &mut Cut, start: usize, end: usize) {
        let mut line_end = end;
        if let Some(passed) = self.over.take() {
            let kept_end = (start + self.len_max).min(end);
            let len = self.len_max as u64 + passed + (end - kept_end) as u64;
            chunk.lines.push((self.number, Span::TooLong(len, start..kept_end)));
            return;
        }
        if line_end > start && chunk.bytes[line_end - 1] == b'\r' {
            line_end -= 1;
        }
        let line = &chunk.bytes[start..line_end];
        if line.iter().all(|&b| matches!(b, b' ' | b'\t' | b'\r')) {
            // At the end of the input, no line at all is not an empty line.
            self.blank_count += u64::from(end > start || !self.ended);
        } else if line.len() > self.len_max {
            let kept_end = start + self.len_max;
            chunk.lines.push((self.number, Span::TooLong((line_end - start) as u64, start..kept_end)));
        } else {
            chunk.lines.push((self.number, Span::Whole(start..line_end)));
        }
    }
}

/// Whether the first line that holds something opens an object or an array and does not close it.
fn is_document(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    (first.starts_with(b"{") && !first.ends_with(b"}")) || (first.starts_with(b"[") && !first.ends_with(b"]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of the lengths given, over and over.
    struct Pieces<'a> {
        bytes: &'a [u8],
        lens: Vec<usize>,
        at: usize,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.lens[self.at % self.lens.len()].min(self.bytes.len()).min(buffer.len());
            self.at += 1;
            buffer[..len].copy_from_slice(&self.bytes[..len]);
            self.bytes = &self.bytes[len..];
            Ok(len)
        }
    }

    /// The lines as `number:text`, a too long one as `number:text…length`; the blank ones; the chunks.
    fn read(bytes: &[u8], lens: &[usize], len_max: usize) -> (Vec<String>, u64, usize) {
        let mut reader = LineReader::new(Pieces { bytes, lens: lens.to_vec(), at: 0 }, len_max);
        let (mut lines, mut chunks) = (Vec::new(), 0);
        while let Some(chunk) = reader.next_chunk().unwrap() {
            chunks += 1;
            lines.extend(chunk.lines().map(|(number, line)| match line {
                Line::Whole(text) => format!("{number}:{}", text.escape_ascii()),
                Line::TooLong { len, start } => format!("{number}:{}…{len}", start.escape_ascii()),
            }));
        }
        (lines, reader.blank_count(), chunks)
    }

    #[test]
    fn lines_are_the_same_however_the_input_comes() {
        let table: [(&[u8], &[&str], u64); 10] = [
            (b"", &[], 0),
            (b"a", &["1:a"], 0),
            (b"a\n", &["1:a"], 0),
            (b"a\nb", &["1:a", "2:b"], 0),
            (b"a\r\nb\r\n", &["1:a", "2:b"], 0),
            (b"\n\na\n \t\r\nb\n\n", &["3:a", "5:b"], 4),
            (b" a \n", &["1: a "], 0),
            (b"a\rb\r\r\n", &[r"1:a\rb\r"], 0),
            (b"a\0b\n\xff\n", &[r"1:a\x00b", r"2:\xff"], 0),
            (b"\xef\xbb\xbf{}\n", &[r"1:\xef\xbb\xbf{}"], 0),
        ];
        for (bytes, expected, blank) in table {
            for lens in [&[1][..], &[2], &[3], &[1, 2, 5], &[4096]] {
                let (lines, blank_count, _) = read(bytes, lens, 100);
                assert_eq!((lines, blank_count), (expected.iter().map(|s| s.to_string()).collect(), blank));
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_is_told_with_its_length_and_the_next_is_fine() {
        let table: [(&[u8], &[&str]); 6] = [
            (b"12345\nab\n", &["1:12345", "2:ab"]),
            (b"123456\nab\n", &["1:12345…6", "2:ab"]),
            (b"1234567890123\nab\n", &["1:12345…13", "2:ab"]),
            (b"ab\n1234567890123", &["1:ab", "2:12345…13"]),
            (b"12345\r\nab\n", &["1:12345", "2:ab"]),
            (b"1234567\n7654321\nab", &["1:12345…7", "2:76543…7", "3:ab"]),
        ];
        for (bytes, expected) in table {
            for lens in [&[1][..], &[2], &[3], &[6], &[7], &[4096]] {
                assert_eq!(read(bytes, lens, 5).0, expected, "{lens:?} {}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn a_document_over_many_lines_is_one_line_where_that_is_asked_for() {
        let table: [(&str, &[&str]); 5] = [
            ("{\n \"Records\": []\n}\n", &["{\n \"Records\": []\n}\n"]),
            ("\n{ \"Records\": [\n{}]}", &["\n{ \"Records\": [\n{}]}"]),
            ("{}\n{}\n", &["{}", "{}"]),
            ("\n\n{}\n{\n}", &["{}", "{", "}"]),
            ("", &[]),
        ];
        for (text, expected) in table {
            for lens in [&[1][..], &[3], &[4096]] {
                let pieces = Pieces { bytes: text.as_bytes(), lens: lens.to_vec(), at: 0 };
                let mut reader = LineReader::new(pieces, 1000).with_documents();
                let mut lines = Vec::new();
                while let Some(chunk) = reader.next_chunk().unwrap() {
                    lines.extend(chunk.lines().map(|(_, line)| match line {
                        Line::Whole(text) => String::from_utf8(text.to_vec()).unwrap(),
                        Line::TooLong { .. } => panic!("no line is long"),
                    }));
                }
                assert_eq!(lines, expected);
            }
        }
    }

    #[test]
    fn a_line_is_given_out_as_soon_as_it_is_there() {
        // Three writes of one line each: three chunks, without waiting for a buffer to fill.
        assert_eq!(read(b"{}\n{}\n{}\n", &[3], 100).2, 3);
    }

    #[test]
    fn memory_stays_small_over_a_line_without_end() {
        let mut reader = LineReader::new(io::repeat(b'x').take(64 << 20), 1000);
        let chunk = reader.next_chunk().unwrap().unwrap();
        assert!(chunk.bytes.len() < 2 * READ_LEN);
        let lines: Vec<_> = chunk.lines().collect();
        assert!(matches!(lines[..], [(1, Line::TooLong { len, .. })] if len == 64 << 20));
    }
}
