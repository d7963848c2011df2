//! A posting as it lies in a sidecar.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::contains;
use crate::error::Fault;
use crate::format::bitmap::Bitmap;
use crate::format::bytes::u32_at;
use crate::format::sidecar::{NO_POSTING, POSTING_PLACE, POSTING_ROARING};

/// The offsets of one term, borrowed from a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting<'a> {
    form: Form<'a>,
    /// Where it stands in the postings section, for faults.
    at: u64,
    record_count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form<'a> {
    None,
    One(u32),
    /// `u32`s.
    List(&'a [u8]),
    /// The count that the sidecar states, and a bitmap in the portable format.
    Roaring(u32, &'a [u8]),
}

/// The bitmap of the offsets of a list.
fn bitmap_of(offsets: impl IntoIterator<Item = u32>) -> RoaringBitmap {
    let mut bitmap = RoaringBitmap::new();
    // Not `from_sorted_iter`: what is read from disk may be in any order, and that must be no panic.
    bitmap.extend(offsets);
    bitmap.optimize();
    bitmap
}

/// Appends the posting of `offsets` to the postings section; its word.
///
/// Nothing is appended for no offset and for one. A list is written where it is not longer than the bitmap.
/// Nothing is given back where the section has become too long for its words.
pub(super) fn encode(offsets: &[u32], section_len: u64, out: &mut Vec<u8>) -> Option<u32> {
    match offsets {
        [] => return Some(NO_POSTING),
        [one] => return Some(*one),
        _ => {}
    }
    let place = u32::try_from(section_len / 4).ok().filter(|place| place | POSTING_PLACE != NO_POSTING)?;
    if place & POSTING_PLACE != 0 {
        return None;
    }
    // The shortest bitmap takes 15 bytes beside the count and its own length.
    let bitmap = (offsets.len() > 4).then(|| Bitmap::new(offsets));
    let bitmap = bitmap.filter(|bitmap| bitmap.encoded_len() + 4 < offsets.len() * 4);
    let count = offsets.len() as u32;
    match bitmap {
        None => {
            out.extend_from_slice(&count.to_le_bytes());
            out.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        }
        Some(bitmap) => {
            out.extend_from_slice(&(count | POSTING_ROARING).to_le_bytes());
            out.extend_from_slice(&(bitmap.encoded_len() as u32).to_le_bytes());
            bitmap.encode_into(out);
            out.resize(out.len().next_multiple_of(4), 0);
        }
    }
    Some(place | POSTING_PLACE)
}

impl<'a> Posting<'a> {
    /// The posting that `word` stands for, in the postings `section`.
    pub(super) fn decode(word: u32, section: &'a [u8], record_count: u32) -> Result<Self, Fault> {
        let posting = |form, at| Posting { form, at, record_count };
        if word == NO_POSTING {
            return Ok(posting(Form::None, 0));
        }
        if word & POSTING_PLACE == 0 {
            let one = posting(Form::One(word), 0);
            return if word < record_count { Ok(one) } else { Err(one.beyond(word)) };
        }
        let at = (word & !POSTING_PLACE) as usize * 4;
        let cut = || Fault::damaged(at as u64, "posting", "one inside the section", "the section's end");
        let rest = section.get(at..).filter(|rest| rest.len() >= 8).ok_or_else(cut)?;
        let count = u32_at(rest, 0);
        let form = if count & POSTING_ROARING == 0 {
            Form::List(rest.get(4..).and_then(|rest| rest.get(..count as usize * 4)).ok_or_else(cut)?)
        } else {
            let bytes = rest.get(8..).and_then(|bytes| bytes.get(..u32_at(rest, 4) as usize));
            Form::Roaring(count & !POSTING_ROARING, bytes.ok_or_else(cut)?)
        };
        Ok(posting(form, at as u64))
    }

    /// How many records carry the term.
    pub fn count(&self) -> u32 {
        match self.form {
            Form::None => 0,
            Form::One(_) => 1,
            Form::List(bytes) => (bytes.len() / 4) as u32,
            Form::Roaring(count, _) => count,
        }
    }

    /// Keeps those of `offsets`, which ascend, that are in the posting. Nothing is decoded that they don't ask for.
    ///
    /// # Errors
    /// As [`Posting::bitmap`].
    pub fn retain(&self, offsets: &mut Vec<u32>) -> Result<(), Fault> {
        match self.form {
            Form::None => offsets.clear(),
            Form::One(one) => offsets.retain(|offset| *offset == one),
            Form::List(bytes) => {
                let mut rest = bytes.chunks_exact(4).map(|chunk| u32_at(chunk, 0)).peekable();
                offsets.retain(|offset| {
                    while rest.next_if(|other| other < offset).is_some() {}
                    rest.peek() == Some(offset)
                });
            }
            Form::Roaring(_, bytes) => contains::retain(bytes, offsets).ok_or_else(|| self.torn())?,
        }
        Ok(())
    }

    /// Those of its offsets within a range that are in another posting of the segment too, which has no fewer.
    ///
    /// # Errors
    /// As [`Posting::bitmap`].
    pub fn in_both(&self, other: &Posting<'_>, within: &Range<u32>) -> Result<Vec<u32>, Fault> {
        if let (Form::Roaring(_, few), Form::Roaring(_, many)) = (self.form, other.form) {
            let both = contains::in_both(few, many, within).ok_or_else(|| self.torn())?;
            return match both.last() {
                Some(&last) if last >= self.record_count => Err(self.beyond(last)),
                _ => Ok(both),
            };
        }
        let mut list = self.list(u32::MAX)?.unwrap_or_default();
        list.retain(|offset| within.contains(offset));
        other.retain(&mut list)?;
        Ok(list)
    }

    /// How many of its offsets lie in `range`.
    ///
    /// # Errors
    /// As [`Posting::bitmap`].
    pub fn count_in(&self, range: &Range<u32>) -> Result<u32, Fault> {
        if *range == (0..self.record_count) {
            return Ok(self.count());
        }
        match self.form {
            Form::Roaring(_, bytes) => contains::count_in(bytes, range).ok_or_else(|| self.torn()),
            _ => Ok(self
                .list(u32::MAX)?
                .unwrap_or_default()
                .iter()
                .filter(|offset| range.contains(offset))
                .count() as u32),
        }
    }

    fn torn(&self) -> Fault {
        Fault::damaged(self.at, "posting bitmap", "a roaring bitmap", "something else")
    }

    /// Length in bytes of what stands in the postings section.
    pub fn encoded_len(&self) -> u64 {
        match self.form {
            Form::None | Form::One(_) => 0,
            Form::List(bytes) => bytes.len() as u64 + 4,
            Form::Roaring(_, bytes) => bytes.len() as u64 + 8,
        }
    }

    /// Their offsets from the segment's first seq.
    ///
    /// # Errors
    /// Damaged where the bytes are no posting of this segment.
    pub fn bitmap(&self) -> Result<RoaringBitmap, Fault> {
        let bitmap = match self.form {
            Form::None => RoaringBitmap::new(),
            Form::One(one) => RoaringBitmap::from_iter([one]),
            Form::List(bytes) => bitmap_of(bytes.chunks_exact(4).map(|chunk| u32_at(chunk, 0))),
            Form::Roaring(_, bytes) => {
                let mut rest = bytes;
                let bitmap = RoaringBitmap::deserialize_from(&mut rest)
                    .map_err(|error| Fault::damaged(self.at, "posting bitmap", "a roaring bitmap", error))?;
                if !rest.is_empty() {
                    return Err(Fault::damaged(self.at, "posting bitmap", "no bytes behind it", rest.len()));
                }
                bitmap
            }
        };
        if bitmap.len() != u64::from(self.count()) {
            return Err(Fault::damaged(self.at, "posting count", bitmap.len(), self.count()));
        }
        match bitmap.max() {
            Some(max) if max >= self.record_count => Err(self.beyond(max)),
            _ => Ok(bitmap),
        }
    }

    /// Their offsets as a list, where they are no more than `count_max`.
    ///
    /// # Errors
    /// As [`Posting::bitmap`].
    pub fn list(&self, count_max: u32) -> Result<Option<Vec<u32>>, Fault> {
        if self.count() > count_max {
            return Ok(None);
        }
        let list = match self.form {
            Form::None => Vec::new(),
            Form::One(one) => vec![one],
            Form::List(bytes) => bytes.chunks_exact(4).map(|chunk| u32_at(chunk, 0)).collect(),
            Form::Roaring(count, bytes) => {
                contains::offsets(bytes, count as usize).ok_or_else(|| self.torn())?
            }
        };
        // All are compared, whatever comes of it: so several are at once.
        let ascends = list.iter().zip(list.iter().skip(1)).fold(true, |ascends, (a, b)| ascends & (a < b));
        if !ascends || list.len() != self.count() as usize {
            return Err(Fault::damaged(
                self.at,
                "posting offsets",
                "ascending, as many as it says",
                "others",
            ));
        }
        match list.last() {
            Some(&last) if last >= self.record_count => Err(self.beyond(last)),
            _ => Ok(Some(list)),
        }
    }

    fn beyond(&self, offset: u32) -> Fault {
        Fault::damaged(self.at, "posting offset", format_args!("below {}", self.record_count), offset)
    }
}
