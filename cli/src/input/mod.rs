//! What comes in: files and stdin, as they are or compressed, cut into lines.

mod lines;
mod open;
mod trust;

pub(crate) use lines::{Chunk, Line, LineReader};
pub(crate) use open::{Input, or_stdin, read_all, total_len};
pub(crate) use trust::{cosigner_key, note, policy, verifier_key};

use crate::exit::{Failure, Outcome};

/// Why bytes cannot be an event before they are looked at as JSON: they say at their start that they are not
/// plain UTF-8.
pub(crate) fn not_plain_utf8(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        Some("it begins with a byte order mark (UTF-8 BOM), which no event can: remove its first three bytes")
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        Some("it begins with the byte order mark of UTF-16: convert the file to UTF-8")
    } else {
        None
    }
}

/// The one event that a whole input is: all of it but the line end behind it.
pub(crate) fn whole_event(bytes: &[u8]) -> Outcome<&[u8]> {
    let event = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let event = event.strip_suffix(b"\r").unwrap_or(event);
    if event.trim_ascii().is_empty() {
        return Err(Failure::Usage("there is no event on stdin".to_owned()));
    }
    match not_plain_utf8(event) {
        Some(reason) => Err(Failure::Usage(format!("event refused at byte 0: {reason}"))),
        None => Ok(event),
    }
}
