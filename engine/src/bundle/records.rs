//! The records of a bundle: of each what its entry states, its salt and its body, and nothing that follows from them.
//!
//! An entry names its predecessor's leaf. Where the record before is here too, that leaf follows from it; where not, it
//! is stored, and is one more leaf that the proof need not hold.

use super::RECORDS;
use super::read::Cursor;
use crate::format::bytes::{array, i64_at, u16_at, u32_at};
use crate::format::entry::Entry;
use crate::format::frame::Labels;
use crate::hash::{self, Hash, RecordSalt};
use crate::{Result, Seq, Timestamp, limits};

/// Length of what each record begins with, in bytes.
const FIXED_LEN: usize = 54;

/// Where one record of a bundle stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    pub(super) source: Seq,
    pub(super) encoding: u8,
    label_count: u8,
    labels_at: usize,
    body_at: usize,
    body_len: u32,
}

/// The records of a bundle, read.
#[derive(Debug)]
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Ascending by seq.
    pub(super) spans: Vec<Span>,
    /// The leaves of all records, and of those before them: ascending by seq.
    pub(super) leaves: Vec<(Seq, Hash)>,
}

impl Records {
    /// Reads the records, and hashes each.
    ///
    /// # Errors
    /// Damaged where the bytes are not records in the one form that they can have.
    pub(super) fn decode(bytes: Vec<u8>) -> Result<Records> {
        let mut cursor = Cursor::new(RECORDS, &bytes);
        let sources = decode_sources(&mut cursor)?;
        let (mut spans, mut leaves): (Vec<Span>, Vec<(Seq, Hash)>) = (Vec::new(), Vec::new());
        let (mut used, mut scratch) = (vec![false; sources.len()], Vec::new());
        while !cursor.is_at_end() {
            let fixed = cursor.take("record", FIXED_LEN)?;
            let mut seq = [0; 8];
            seq[..6].copy_from_slice(&array::<6>(fixed, 0));
            let seq = Seq::from_le_bytes(seq);
            let place = usize::from(u16_at(fixed, 6));
            let (Some(source), Some(used)) = (sources.get(place), used.get_mut(place)) else {
                return Err(cursor.fault("record source", "one of the list", place));
            };
            *used = true;
            let before = spans.last().map(|span| span.seq);
            if before.is_some_and(|before| before >= seq) {
                return Err(cursor.fault("record seq", "more than that of the record before", seq));
            }
            let predecessor = match leaves.last() {
                _ if seq == 0 => Hash::ZERO,
                Some((last, leaf)) if last + 1 == seq => *leaf,
                _ => {
                    let leaf = cursor.hash("leaf of the record before")?;
                    leaves.push((seq - 1, leaf));
                    leaf
                }
            };
            let labels_at = cursor.at();
            let label_count = fixed[21];
            let labels = Labels::decode(label_count, bytes.get(labels_at..).unwrap_or_default())
                .map_err(|fault| cursor.place(fault.shifted(labels_at as u64)))?;
            cursor.take("labels", labels.as_bytes().len())?;
            let body_len = u32_at(fixed, 16);
            if body_len as usize > limits::EVENT_LEN_MAX {
                return Err(cursor.fault("body length", limits::EVENT_LEN_MAX, body_len));
            }
            let body_at = cursor.at();
            let body = cursor.take("body", body_len as usize)?;
            let entry = Entry {
                encoding: fixed[20],
                source: *source,
                seq,
                received_at: Timestamp(i64_at(fixed, 8)),
                body_len,
                labels,
                predecessor,
                body_hash: hash::body(&RecordSalt(array(fixed, 22)), body),
            };
            leaves.push((seq, entry.leaf(&mut scratch)));
            let Entry { encoding, source, received_at, .. } = entry;
            spans.push(Span {
                seq,
                received_at,
                source,
                encoding,
                label_count,
                labels_at,
                body_at,
                body_len,
            });
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            return Err(cursor.fault("list of sources", "sources of records", sources[unused]));
        }
        Ok(Records { bytes, spans, leaves })
    }

    /// The record's bytes.
    pub(super) fn body(&self, span: &Span) -> &[u8] {
        self.bytes.get(span.body_at..span.body_at + span.body_len as usize).unwrap_or_default()
    }

    /// The record's labels.
    pub(super) fn labels(&self, span: &Span) -> Labels<'_> {
        let bytes = self.bytes.get(span.labels_at..span.body_at).unwrap_or_default();
        // They were read once already.
        Labels::decode(span.label_count, bytes).unwrap_or_default()
    }

    /// The records of a range of seqs.
    pub(super) fn within(&self, seqs: &std::ops::Range<Seq>) -> &[Span] {
        let start = self.spans.partition_point(|span| span.seq < seqs.start);
        let end = self.spans.partition_point(|span| span.seq < seqs.end);
        self.spans.get(start..end).unwrap_or_default()
    }
}

fn decode_sources(cursor: &mut Cursor<'_>) -> Result<Vec<Seq>> {
    let mut sources: Vec<Seq> = Vec::new();
    for _ in 0..cursor.u16("count of sources")? {
        let source = cursor.u64("source")?;
        if sources.last().is_some_and(|last| *last >= source) {
            return Err(cursor.fault("source", "more than the one before", source));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// Writes the records of a bundle, in the order of their seqs.
#[derive(Debug)]
pub(crate) struct RecordWriter {
    sources: Vec<Seq>,
    bytes: Vec<u8>,
    last_seq: Option<Seq>,
}

impl RecordWriter {
    /// For records of just these sources, ascending.
    pub(crate) fn new(sources: Vec<Seq>) -> Self {
        let mut bytes = (sources.len() as u16).to_le_bytes().to_vec();
        sources.iter().for_each(|source| bytes.extend_from_slice(&source.to_le_bytes()));
        RecordWriter { sources, bytes, last_seq: None }
    }

    /// Whether the predecessor's leaf of the record at `seq` must be given, as the record before was not.
    fn needs_predecessor(&self, seq: Seq) -> bool {
        seq > 0 && self.last_seq.is_none_or(|last| last + 1 != seq)
    }

    /// Appends a record; its predecessor's leaf is written only where it is needed.
    pub(crate) fn push(&mut self, entry: &Entry<'_>, salt: &RecordSalt, body: &[u8]) {
        let place = self.sources.partition_point(|source| *source < entry.source) as u16;
        let out = &mut self.bytes;
        out.extend_from_slice(&array::<6>(&entry.seq.to_le_bytes(), 0));
        out.extend_from_slice(&place.to_le_bytes());
        out.extend_from_slice(&entry.received_at.0.to_le_bytes());
        out.extend_from_slice(&entry.body_len.to_le_bytes());
        out.extend_from_slice(&[entry.encoding, entry.labels.count()]);
        out.extend_from_slice(&salt.0);
        if self.needs_predecessor(entry.seq) {
            self.bytes.extend_from_slice(&entry.predecessor.0);
        }
        self.bytes.extend_from_slice(entry.labels.as_bytes());
        self.bytes.extend_from_slice(body);
        self.last_seq = Some(entry.seq);
    }

    /// The member.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
