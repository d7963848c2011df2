//! The records of a bundle: of each what its entry states, its salt and its body, and nothing that follows from them.
//!
//! What many records have in common, source, encoding and labels, is written once; what mostly grows by little, as the
//! difference to the record before. An entry names its predecessor's leaf. Where the record before is here too, that leaf
//! follows from it; where not, it is stored, and is one more leaf that the proof need not hold.

use std::collections::BTreeSet;

use super::RECORDS;
use super::read::{Cursor, push_varint};
use crate::format::entry::Entry;
use crate::format::frame::Labels;
use crate::hash::{self, Hash, RecordSalt};
use crate::{Result, Seq, Timestamp, limits};

/// What records have in common, in the order in which they are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    source: Seq,
    encoding: u8,
    /// As in an entry.
    labels: Vec<u8>,
    label_count: u8,
}

impl Head {
    /// Of a record whose entry says this.
    pub(crate) fn new(source: Seq, encoding: u8, labels: Labels<'_>) -> Head {
        Head { source, encoding, labels: labels.as_bytes().to_vec(), label_count: labels.count() }
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Head> {
        let (source, encoding) = (cursor.u64("source")?, cursor.u8("encoding")?);
        let label_count = cursor.u8("count of labels")?;
        let labels = Labels::decode(label_count, cursor.rest())
            .map_err(|fault| cursor.place(fault.shifted(cursor.at() as u64)))?;
        cursor.take("labels", labels.as_bytes().len())?;
        Ok(Head::new(source, encoding, labels))
    }

    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source.to_le_bytes());
        out.extend_from_slice(&[self.encoding, self.label_count]);
        out.extend_from_slice(&self.labels);
    }

    fn labels(&self) -> Labels<'_> {
        // They were read once already.
        Labels::decode(self.label_count, &self.labels).unwrap_or_default()
    }
}

/// Where one record of a bundle stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    pub(super) source: Seq,
    pub(super) encoding: u8,
    head: usize,
    body_at: usize,
    body_len: u32,
}

/// The records of a bundle, read.
#[derive(Debug)]
pub(super) struct Records {
    bytes: Vec<u8>,
    heads: Vec<Head>,
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
        let heads = decode_heads(&mut cursor)?;
        let (mut spans, mut leaves): (Vec<Span>, Vec<(Seq, Hash)>) = (Vec::new(), Vec::new());
        let (mut used, mut scratch) = (vec![false; heads.len()], Vec::new());
        let (mut next, mut clock) = (0, Timestamp(0));
        while !cursor.is_at_end() {
            let gap = cursor.varint("gap before a record")?;
            let seq = gap.saturating_add(next);
            if seq >= limits::TREE_SIZE_MAX {
                return Err(cursor.fault("record seq", format_args!("below {}", limits::TREE_SIZE_MAX), seq));
            }
            let place = usize::try_from(cursor.varint("place of a head")?).unwrap_or(usize::MAX);
            let (Some(head), Some(used)) = (heads.get(place), used.get_mut(place)) else {
                return Err(cursor.fault("place of a head", "one of the list", place));
            };
            *used = true;
            let received_at = later(clock, cursor.varint("time of receipt")?);
            let body_len = cursor.varint("body length")?;
            if body_len > limits::EVENT_LEN_MAX as u64 {
                return Err(cursor.fault("body length", limits::EVENT_LEN_MAX, body_len));
            }
            let salt = RecordSalt(cursor.hash("salt")?.0);
            let predecessor = match leaves.last() {
                _ if seq == 0 => Hash::ZERO,
                Some((_, leaf)) if gap == 0 => *leaf,
                _ => {
                    let leaf = cursor.hash("leaf of the record before")?;
                    leaves.push((seq - 1, leaf));
                    leaf
                }
            };
            let body_at = cursor.at();
            let body = cursor.take("body", body_len as usize)?;
            let entry = Entry {
                encoding: head.encoding,
                source: head.source,
                seq,
                received_at,
                body_len: body_len as u32,
                labels: head.labels(),
                predecessor,
                body_hash: hash::body(&salt, body),
            };
            leaves.push((seq, entry.leaf(&mut scratch)));
            let Entry { encoding, source, body_len, .. } = entry;
            spans.push(Span { seq, received_at, source, encoding, head: place, body_at, body_len });
            (next, clock) = (seq + 1, received_at);
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            return Err(cursor.fault(
                "list of heads",
                "heads of records",
                format_args!("one of none at {unused}"),
            ));
        }
        Ok(Records { bytes, heads, spans, leaves })
    }

    /// The record's bytes.
    pub(super) fn body(&self, span: &Span) -> &[u8] {
        self.bytes.get(span.body_at..span.body_at + span.body_len as usize).unwrap_or_default()
    }

    /// The record's labels.
    pub(super) fn labels(&self, span: &Span) -> Labels<'_> {
        self.heads.get(span.head).map(Head::labels).unwrap_or_default()
    }

    /// The records of a range of seqs.
    pub(super) fn within(&self, seqs: &std::ops::Range<Seq>) -> &[Span] {
        let start = self.spans.partition_point(|span| span.seq < seqs.start);
        let end = self.spans.partition_point(|span| span.seq < seqs.end);
        self.spans.get(start..end).unwrap_or_default()
    }
}

fn decode_heads(cursor: &mut Cursor<'_>) -> Result<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    for _ in 0..cursor.u32("count of heads")? {
        let head = Head::decode(cursor)?;
        if heads.last().is_some_and(|last| *last >= head) {
            return Err(cursor.fault("head", "one that comes behind the one before", "another"));
        }
        heads.push(head);
    }
    Ok(heads)
}

/// The time that lies by this step behind or before another: steps forward are even, steps back odd.
fn later(time: Timestamp, step: u64) -> Timestamp {
    let distance = (step >> 1) as i64 ^ -((step & 1) as i64);
    Timestamp(time.0.wrapping_add(distance))
}

/// The step from one time to another, as [`later`] takes it.
fn step(from: Timestamp, to: Timestamp) -> u64 {
    let distance = to.0.wrapping_sub(from.0);
    (distance << 1 ^ distance >> 63) as u64
}

/// Writes the records of a bundle, in the order of their seqs.
#[derive(Debug)]
pub(crate) struct RecordWriter {
    heads: Vec<Head>,
    bytes: Vec<u8>,
    next: Seq,
    clock: Timestamp,
}

impl RecordWriter {
    /// For records of just these heads.
    pub(crate) fn new(heads: BTreeSet<Head>) -> Self {
        let heads: Vec<Head> = heads.into_iter().collect();
        let mut bytes = (heads.len() as u32).to_le_bytes().to_vec();
        heads.iter().for_each(|head| head.push(&mut bytes));
        RecordWriter { heads, bytes, next: 0, clock: Timestamp(0) }
    }

    /// Appends a record; its predecessor's leaf is written only where it does not follow from the record before.
    pub(crate) fn push(&mut self, entry: &Entry<'_>, salt: &RecordSalt, body: &[u8]) {
        let own = (entry.source, entry.encoding, entry.labels.as_bytes());
        let place = self.heads.partition_point(|head| (head.source, head.encoding, &*head.labels) < own);
        let gap = entry.seq - self.next;
        let numbers = [gap, place as u64, step(self.clock, entry.received_at), u64::from(entry.body_len)];
        numbers.into_iter().for_each(|number| push_varint(&mut self.bytes, number));
        self.bytes.extend_from_slice(&salt.0);
        if gap > 0 {
            self.bytes.extend_from_slice(&entry.predecessor.0);
        }
        self.bytes.extend_from_slice(body);
        (self.next, self.clock) = (entry.seq + 1, entry.received_at);
    }

    /// The member.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::described;
    use crate::format::frame::LabelBuf;

    fn labels() -> LabelBuf {
        let mut labels = LabelBuf::default();
        labels.push("SOC2:CC8.1").unwrap();
        labels
    }

    /// Two records, 5 and 6, the later one received 3 ns before.
    fn example() -> (Vec<u8>, Vec<(Seq, Hash)>) {
        let (labels, bodies) =
            (labels(), [&br#"{"kind":"x"}"#[..], br#"{"kind":"store.clock","step_ns":-3}"#]);
        let heads = [Head::new(1, 0, labels.as_labels()), Head::new(0, 0, Labels::default())];
        let mut writer = RecordWriter::new(heads.into());
        let (mut leaves, mut scratch) = (vec![(4, Hash([4; 32]))], Vec::new());
        for (number, body) in (0..).zip(bodies) {
            let salt = RecordSalt([0xA0 + number; 32]);
            let entry = Entry {
                encoding: 0,
                source: 1 - u64::from(number),
                seq: 5 + u64::from(number),
                received_at: Timestamp(1_775_035_800_000_000_000 - 3 * i64::from(number)),
                body_len: body.len() as u32,
                labels: if number == 0 { labels.as_labels() } else { Labels::default() },
                predecessor: leaves.last().unwrap().1,
                body_hash: hash::body(&salt, body),
            };
            writer.push(&entry, &salt, body);
            leaves.push((entry.seq, entry.leaf(&mut scratch)));
        }
        (writer.finish(), leaves)
    }

    #[test]
    fn the_example_of_the_format_page_is_what_is_written_and_is_read() {
        let bytes = described("records");
        let (written, leaves) = example();
        assert_eq!(written, bytes);
        let read = Records::decode(bytes).unwrap();
        assert_eq!(read.leaves, leaves);
        let told: Vec<_> =
            read.spans.iter().map(|span| (span.seq, span.source, span.received_at.0)).collect();
        assert_eq!(told, [(5, 1, 1_775_035_800_000_000_000), (6, 0, 1_775_035_799_999_999_997)]);
        assert_eq!(read.labels(&read.spans[0]), labels().as_labels());
        assert_eq!(read.body(&read.spans[1]), br#"{"kind":"store.clock","step_ns":-3}"#);
    }

    #[test]
    fn another_byte_is_another_record_or_none() {
        let (bytes, leaves) = example();
        for at in 0..bytes.len() {
            for other in 0..=255 {
                let mut altered = bytes.clone();
                altered[at] = other;
                let read = Records::decode(altered);
                assert!(
                    other == bytes[at] || read.is_err() || read.unwrap().leaves != leaves,
                    "{other} at {at}"
                );
            }
            assert!(Records::decode(bytes[..at].to_vec()).is_err() || at == 0 || at == bytes.len() - 35 - 38);
        }
        let heads = 4 + 10 + 10 + 11;
        let swapped = [&bytes[..4], &bytes[14..heads], &bytes[4..14], &bytes[heads..]].concat();
        assert!(Records::decode(swapped).is_err(), "heads in another order");
    }

    #[test]
    fn times_that_lie_as_far_apart_as_can_be_have_a_step_between_them() {
        let times = [i64::MIN, -1, 0, 1, 1_775_035_800_000_000_000, i64::MAX].map(Timestamp);
        for from in times {
            for to in times {
                assert_eq!(later(from, step(from, to)), to);
            }
        }
        assert_eq!([0, 3, -3].map(|to| step(Timestamp(0), Timestamp(to))), [0, 6, 5]);
    }
}
