//! Event ids that are made of several values, such as a request's id and the stage that it is in.
//!
//! The parts are joined by `/`. In each, `~` is written `~0` and `/` is written `~1`, as in a JSON Pointer (RFC 6901):
//! so two events have one id only if every part is the same. There is no id unless all parts are there.

use super::extract::id_bytes;
use super::scan::scalar_of;
use crate::limits;

/// Where the value of a part stands in the event; nothing where it is an object or array.
pub(super) type Part = Option<(usize, usize)>;

/// Makes the id of `parts` into `id`; `text` is room to work in. It is empty where a part is absent or null.
///
/// # Errors
/// Why there is no telling the id, though every part is there.
pub(super) fn join(
    event: &[u8],
    parts: &[Option<Part>],
    text: &mut Vec<u8>,
    id: &mut Vec<u8>,
) -> Result<(), &'static str> {
    id.clear();
    let bytes = |&(at, end): &(usize, usize)| event.get(at..end).unwrap_or_default();
    let is_there = |part: &Option<Part>| match part {
        None => false,
        Some(None) => true,
        Some(Some(place)) => bytes(place) != b"null",
    };
    if !parts.iter().all(is_there) {
        return Ok(());
    }
    for (index, part) in parts.iter().flatten().enumerate() {
        let place = part.as_ref().ok_or("an object or array, not one value")?;
        let part = id_bytes(scalar_of(bytes(place)), text)?;
        if index > 0 {
            id.push(b'/');
        }
        for &byte in part.unwrap_or_default() {
            match byte {
                b'~' => id.extend_from_slice(b"~0"),
                b'/' => id.extend_from_slice(b"~1"),
                _ => id.push(byte),
            }
        }
        if id.len() > limits::EVENT_ID_LEN_MAX {
            return Err("longer than an id may be");
        }
    }
    Ok(())
}
