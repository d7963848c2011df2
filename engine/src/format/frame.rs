//! A frame: what one commit writes to the log, a header and its records, all under one checksum.
//!
//! A close frame has no records; it says that all before it is durable and that the writer left in order.

use std::ops::Range;

use super::bytes::{array, hash_at, i64_at, put, u32_at, u64_at};
use crate::error::Fault;
use crate::hash::{self, Hash, RecordSalt, SegmentSalt};
use crate::{Seq, Timestamp, limits};

/// Length of a frame's header in bytes.
pub const FRAME_HEADER_LEN: usize = 80;
/// Length of a record's fixed header in bytes.
pub const RECORD_HEADER_LEN: usize = 16;

const MAGIC: [u8; 4] = *b"\x89IDF";
/// The first byte of every frame.
pub(crate) const MAGIC_FIRST_BYTE: u8 = MAGIC[0];
const CRC_AT: usize = 76;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Holds records.
    Records = 1,
    /// Ends a session of writing in order.
    Close = 2,
}

/// A frame's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is for.
    pub kind: FrameKind,
    /// Length of the records in bytes.
    pub payload_len: u32,
    /// Count of the records.
    pub count: u32,
    /// The seq of the first record; of the next one, in a close frame.
    pub first_seq: Seq,
    /// The clock's reading at the commit.
    pub received_at: Timestamp,
    /// Length of this file known durable when the frame was written: what lies below is never torn.
    pub synced_len: u64,
    /// The leaf of the record before the first.
    pub predecessor: Hash,
}

impl FrameHeader {
    /// Length of the whole frame in bytes.
    pub fn frame_len(&self) -> u64 {
        FRAME_HEADER_LEN as u64 + u64::from(self.payload_len)
    }

    /// Writes the header over the first bytes of `frame`, whose payload stands behind them already.
    ///
    /// `payload_len` is taken from `frame`, not from `self`.
    pub fn seal(&self, frame: &mut [u8]) {
        let payload_len = (frame.len() - FRAME_HEADER_LEN) as u32;
        put(frame, 0, MAGIC);
        put(frame, 4, [self.kind as u8, 0, 0, 0]);
        put(frame, 8, payload_len.to_le_bytes());
        put(frame, 12, self.count.to_le_bytes());
        put(frame, 16, self.first_seq.to_le_bytes());
        put(frame, 24, self.received_at.0.to_le_bytes());
        put(frame, 32, self.synced_len.to_le_bytes());
        put(frame, 40, self.predecessor.0);
        put(frame, 72, [0; 4]);
        let crc = checksum(frame);
        put(frame, CRC_AT, crc.to_le_bytes());
    }

    /// Reads a header, without the checksum, which also covers the payload: see [`decode`].
    ///
    /// # Errors
    /// Damaged where a field cannot be right.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() < FRAME_HEADER_LEN {
            return Err(Fault::damaged(0, "frame header length", FRAME_HEADER_LEN, bytes.len()));
        }
        let magic: [u8; 4] = array(bytes, 0);
        if magic != MAGIC {
            return Err(Fault::damaged(0, "frame magic", MAGIC.escape_ascii(), magic.escape_ascii()));
        }
        let kind = match array::<4>(bytes, 4) {
            [1, 0, 0, 0] => FrameKind::Records,
            [2, 0, 0, 0] => FrameKind::Close,
            other => return Err(Fault::damaged(4, "frame kind", "1 or 2", other.escape_ascii())),
        };
        let header = FrameHeader {
            kind,
            payload_len: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
            first_seq: u64_at(bytes, 16),
            received_at: Timestamp(i64_at(bytes, 24)),
            synced_len: u64_at(bytes, 32),
            predecessor: hash_at(bytes, 40),
        };
        let (len, count) = (header.payload_len as usize, header.count);
        if len > PAYLOAD_LEN_MAX {
            let max = format_args!("at most {PAYLOAD_LEN_MAX}");
            return Err(Fault::damaged(8, "frame payload length", max, len));
        }
        let right_count = match kind {
            FrameKind::Close => count == 0 && len == 0,
            FrameKind::Records => {
                count > 0 && count <= limits::FRAME_RECORDS_MAX && len >= count as usize * RECORD_HEADER_LEN
            }
        };
        if !right_count {
            return Err(Fault::damaged(12, "frame record count", "one that fits the payload", count));
        }
        if array::<4>(bytes, 72) != [0; 4] {
            return Err(Fault::damaged(72, "reserved bytes", "zeros", "something else"));
        }
        Ok(header)
    }
}

/// Most bytes that a record needs beside its body.
const RECORD_ROOM: usize = RECORD_HEADER_LEN + limits::LABELS_MAX * (1 + limits::LABEL_LEN_MAX) + SALT_LEN;

/// Longest payload of a frame, in bytes.
pub const PAYLOAD_LEN_MAX: usize = {
    let one = limits::EVENT_LEN_MAX + RECORD_ROOM;
    if limits::FRAME_PAYLOAD_LEN > one { limits::FRAME_PAYLOAD_LEN } else { one }
};

/// CRC-32 over the frame but for the four bytes of the checksum itself.
fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..CRC_AT]);
    hasher.update(&frame[FRAME_HEADER_LEN..]);
    hasher.finalize()
}

/// Reads the frame at the start of `bytes`, checksum and all; what lies behind it is not looked at.
///
/// # Errors
/// Damaged where the bytes are short or were altered.
pub fn decode(bytes: &[u8]) -> Result<(FrameHeader, &[u8]), Fault> {
    let header = FrameHeader::decode(bytes)?;
    let len = FRAME_HEADER_LEN + header.payload_len as usize;
    let Some(frame) = bytes.get(..len) else {
        return Err(Fault::damaged(8, "frame length", len, bytes.len()));
    };
    let (expected, found) = (checksum(frame), u32_at(frame, CRC_AT));
    if expected != found {
        return Err(Fault::damaged(
            CRC_AT as u64,
            "frame checksum",
            format_args!("{expected:08x}"),
            format_args!("{found:08x}"),
        ));
    }
    Ok((header, &frame[FRAME_HEADER_LEN..]))
}

/// A record as it stands in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRecord<'a> {
    /// How the body is written: 0 is the event verbatim.
    pub encoding: u8,
    /// The seq of the `store.source` record by which the event is read; 0 for the store's own records.
    pub source: Seq,
    /// The labels, each behind its length: as in the entry.
    pub labels: Labels<'a>,
    /// What there is of the event.
    pub body: Body<'a>,
}

/// What a frame has of a record's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// The event's bytes. Its salt follows from the segment's.
    Whole(&'a [u8]),
    /// The event's bytes behind a salt of its own: of a record that stayed where others of its segment were deleted.
    Salted(RecordSalt, &'a [u8]),
    /// The event was deleted. What its entry says of it is left.
    Deleted(Stub),
}

/// What is left of an event that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stub {
    /// Length of the event in bytes.
    pub body_len: u32,
    /// The salted hash of the event. The salt is gone, so that no guess at the event can be tested against it.
    pub body_hash: Hash,
    /// The seq of the `store.plan` record by which it was deleted.
    pub plan: Seq,
}

impl<'a> Body<'a> {
    /// The event's bytes; nothing where it was deleted.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Body::Whole(bytes) | Body::Salted(_, bytes) => Some(bytes),
            Body::Deleted(_) => None,
        }
    }

    /// Length of the event in bytes, be it there or not.
    pub fn event_len(&self) -> u32 {
        match self {
            Body::Whole(bytes) | Body::Salted(_, bytes) => bytes.len() as u32,
            Body::Deleted(stub) => stub.body_len,
        }
    }

    /// The salt of the record at `seq`, in a log whose segment has this one; nothing where it was deleted.
    pub fn salt(&self, segment: &SegmentSalt, seq: Seq) -> Option<RecordSalt> {
        match self {
            Body::Whole(_) => Some(segment.record(seq)),
            Body::Salted(salt, _) => Some(*salt),
            Body::Deleted(_) => None,
        }
    }

    /// The salted hash of the event of the record at `seq`.
    pub fn hash(&self, segment: &SegmentSalt, seq: Seq) -> Hash {
        match self {
            Body::Whole(bytes) => hash::body(&segment.record(seq), bytes),
            Body::Salted(salt, bytes) => hash::body(salt, bytes),
            Body::Deleted(stub) => stub.body_hash,
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Body::Whole(bytes) => bytes.len(),
            Body::Salted(_, bytes) => SALT_LEN + bytes.len(),
            Body::Deleted(_) => STUB_LEN,
        }
    }
}

/// Appends to `hashes` the body hashes of the records of one frame, whose first has seq `first_seq`.
pub fn body_hashes<'r, 'b: 'r>(
    salt: &SegmentSalt,
    first_seq: Seq,
    records: impl Iterator<Item = &'r FrameRecord<'b>> + Clone,
    hashes: &mut Vec<Hash>,
) {
    let whole = records.clone().map(|record| match record.body {
        Body::Whole(bytes) => Some(bytes),
        _ => None,
    });
    match whole.collect::<Option<Vec<&[u8]>>>() {
        Some(bodies) => hash::bodies(salt, first_seq, &bodies, hashes),
        None => hashes.extend((first_seq..).zip(records).map(|(seq, record)| record.body.hash(salt, seq))),
    }
}

/// A record's labels in their encoded form: each a length byte and that many bytes of UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Labels<'a> {
    count: u8,
    bytes: &'a [u8],
}

impl<'a> Labels<'a> {
    /// Reads `count` labels from the start of `bytes`.
    #[inline]
    pub(crate) fn decode(count: u8, bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut at = 0;
        for _ in 0..count {
            let Some(&len) = bytes.get(at) else {
                return Err(Fault::damaged(at as u64, "label", "a length", "the end"));
            };
            let text = bytes.get(at + 1..at + 1 + usize::from(len));
            if len == 0 || usize::from(len) > limits::LABEL_LEN_MAX {
                return Err(Fault::damaged(at as u64, "label length", "1 to 64", len));
            }
            if text.is_none_or(|text| std::str::from_utf8(text).is_err()) {
                return Err(Fault::damaged(at as u64, "label", "UTF-8 of that length", "something else"));
            }
            at += 1 + usize::from(len);
        }
        Ok(Labels { count, bytes: &bytes[..at] })
    }

    /// How many labels there are.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The labels as they stand in frames and entries.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Each label.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first()?;
            let (text, tail) = tail.split_at_checked(usize::from(len))?;
            rest = tail;
            std::str::from_utf8(text).ok()
        })
    }
}

/// Labels in their encoded form, as they are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelBuf {
    count: u8,
    bytes: Vec<u8>,
}

impl LabelBuf {
    /// Adds a label.
    ///
    /// # Errors
    /// The reason why it cannot be one: empty, too long, too many.
    pub fn push(&mut self, label: &str) -> Result<(), String> {
        if label.is_empty() || label.len() > limits::LABEL_LEN_MAX {
            return Err(format!("a label has 1 to {} bytes: {label:?}", limits::LABEL_LEN_MAX));
        }
        self.count = self
            .count
            .checked_add(1)
            .ok_or_else(|| format!("a record has at most {} labels", limits::LABELS_MAX))?;
        self.bytes.push(label.len() as u8);
        self.bytes.extend_from_slice(label.as_bytes());
        Ok(())
    }

    /// The labels, borrowed.
    pub fn as_labels(&self) -> Labels<'_> {
        Labels { count: self.count, bytes: &self.bytes }
    }
}

impl<'a> FrameRecord<'a> {
    /// Length of the record in a frame, in bytes.
    pub fn encoded_len(&self) -> usize {
        RECORD_HEADER_LEN + self.labels.bytes.len() + self.body.encoded_len()
    }

    /// Appends the record to a frame's payload.
    pub fn encode_into(&self, payload: &mut Vec<u8>) {
        let form = match self.body {
            Body::Whole(_) => FORM_WHOLE,
            Body::Deleted(_) => FORM_DELETED,
            Body::Salted(..) => FORM_SALTED,
        };
        payload.extend_from_slice(&self.body.event_len().to_le_bytes());
        payload.extend_from_slice(&[form, self.encoding, self.labels.count, 0]);
        payload.extend_from_slice(&self.source.to_le_bytes());
        payload.extend_from_slice(self.labels.bytes);
        match self.body {
            Body::Whole(bytes) => payload.extend_from_slice(bytes),
            Body::Salted(salt, bytes) => {
                payload.extend_from_slice(&salt.0);
                payload.extend_from_slice(bytes);
            }
            Body::Deleted(stub) => {
                payload.extend_from_slice(&stub.body_hash.0);
                payload.extend_from_slice(&stub.plan.to_le_bytes());
            }
        }
    }

    /// Reads the record at the start of `payload`.
    ///
    /// # Errors
    /// As [`RecordParts::decode`].
    pub fn decode(payload: &'a [u8]) -> Result<Self, Fault> {
        let RecordParts { encoding, source, label_count, form, labels_end, len, .. } =
            RecordParts::decode(payload)?;
        let labels = Labels { count: label_count, bytes: &payload[RECORD_HEADER_LEN..labels_end] };
        let bytes = &payload[labels_end..len];
        let body = match form {
            FORM_WHOLE => Body::Whole(bytes),
            FORM_SALTED => Body::Salted(RecordSalt(array(bytes, 0)), &bytes[SALT_LEN..]),
            _ => Body::Deleted(Stub {
                body_len: u32_at(payload, 0),
                body_hash: hash_at(bytes, 0),
                plan: u64_at(bytes, 32),
            }),
        };
        Ok(FrameRecord { encoding, source, labels, body })
    }
}

/// Where the parts of a record stand in its bytes: for whoever reads many records, and of each but a little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordParts {
    /// How the body is written: 0 is the event verbatim.
    pub encoding: u8,
    /// The seq of the `store.source` record by which the event is read; 0 for the store's own records.
    pub source: Seq,
    /// How many labels stand before the body.
    pub label_count: u8,
    form: u8,
    labels_end: usize,
    /// The event's bytes; empty where it was deleted.
    pub event: Range<usize>,
    /// Length of the record in bytes.
    pub len: usize,
}

impl RecordParts {
    /// Finds the parts of the record at the start of `payload`.
    ///
    /// # Errors
    /// Damaged where the bytes are no record; unsupported for a form that this release does not know.
    #[inline(always)] // Whoever reads many records needs few of the parts.
    pub fn decode(payload: &[u8]) -> Result<Self, Fault> {
        if payload.len() < RECORD_HEADER_LEN {
            return Err(Fault::damaged(0, "record header length", RECORD_HEADER_LEN, payload.len()));
        }
        let body_len = u32_at(payload, 0) as usize;
        let [form, encoding, label_count, reserved] = array(payload, 4);
        if form > FORM_SALTED {
            let expected = format_args!("{FORM_WHOLE} to {FORM_SALTED}").to_string();
            return Err(Fault::new(crate::Class::Unsupported, 4, "record form", expected, form));
        }
        if reserved != 0 {
            return Err(Fault::damaged(7, "reserved byte", 0, reserved));
        }
        let labels = Labels::decode(label_count, &payload[RECORD_HEADER_LEN..])
            .map_err(|fault| fault.shifted(RECORD_HEADER_LEN as u64))?;
        let labels_end = RECORD_HEADER_LEN + labels.bytes.len();
        let before = if form == FORM_SALTED { SALT_LEN } else { 0 };
        let rest = if form == FORM_DELETED { STUB_LEN } else { before.saturating_add(body_len) };
        let room = payload.len() - labels_end;
        if rest > room {
            let expected = format_args!("at most {}", room.saturating_sub(before)).to_string();
            return Err(Fault::damaged(0, "body length", expected, body_len));
        }
        let len = labels_end + rest;
        let event = if form == FORM_DELETED { labels_end..labels_end } else { labels_end + before..len };
        Ok(RecordParts { encoding, source: u64_at(payload, 8), label_count, form, labels_end, event, len })
    }
}

/// A record whose event stands in the frame.
const FORM_WHOLE: u8 = 0;
/// In place of the event the hash of it, and the seq of the plan that says why.
const FORM_DELETED: u8 = 1;
/// A record whose event stands in the frame behind the record's salt.
const FORM_SALTED: u8 = 2;
const SALT_LEN: usize = 32;
const STUB_LEN: usize = 40;

/// Reads all records of a frame's payload.
///
/// # Errors
/// Damaged where the records do not fill the payload exactly; offsets count from the payload's start.
pub fn records(payload: &[u8], count: u32) -> Result<Vec<FrameRecord<'_>>, Fault> {
    let mut records = Vec::with_capacity((count as usize).min(payload.len() / RECORD_HEADER_LEN));
    let mut at = 0;
    for _ in 0..count {
        let record = FrameRecord::decode(&payload[at..]).map_err(|fault| fault.shifted(at as u64))?;
        at += record.encoded_len();
        records.push(record);
    }
    if at != payload.len() {
        return Err(Fault::damaged(at as u64, "frame payload length", at, payload.len()));
    }
    Ok(records)
}
