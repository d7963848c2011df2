//! What a bundle shows of each segment's index: docs/FORMAT-bundle.md.
//!
//! Of each segment: its sources, from which the rules follow; what the index root hashes and does not follow from the
//! seal; the leaves that are shown, each with the term's own words where they matter and with its posting where that
//! matters; and the proof that they are leaves of that index.

use roaring::RoaringBitmap;

use super::read::{Cursor, push_varint};
use super::{INDEX, steps};
use crate::format::disclosure::Disclosure;
use crate::format::index::{IndexLeaf, TermKind, term_hash};
use crate::hash::{self, Hash, IndexKey};
use crate::merkle::SearchStep;
use crate::{Error, Result, Seq, limits};

/// A leaf by its hashes alone: it stands where a missing one would.
const BY_HASH: u8 = 0;
/// A leaf with its field's name and its term.
const NAMED: u8 = 1;
/// The same, with the offsets of its records.
const WITH_POSTING: u8 = 2;

/// A term of a field, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NamedTerm {
    pub(crate) field: String,
    pub(crate) kind: TermKind,
    pub(crate) term: Vec<u8>,
}

/// A leaf of an index that is shown.
#[derive(Debug)]
pub(crate) struct ShownLeaf<'b> {
    pub(crate) leaf: IndexLeaf,
    pub(crate) named: Option<NamedTerm>,
    /// As it is written.
    posting: Option<&'b [u8]>,
}

/// What is shown of one segment's index.
#[derive(Debug)]
pub(crate) struct ShownSegment<'b> {
    /// The sources of the segment's records, ascending.
    pub(crate) sources: Vec<Seq>,
    pub(crate) leaf_count: u64,
    pub(crate) tree_root: Hash,
    /// The fields of which all leaves are said to be shown and named, ascending.
    pub(crate) vocabularies: Vec<String>,
    pub(crate) leaves: Vec<ShownLeaf<'b>>,
    pub(crate) steps: Vec<SearchStep>,
}

impl<'b> ShownSegment<'b> {
    /// Reads what is shown of the next segment.
    pub(super) fn decode(cursor: &mut Cursor<'b>) -> Result<ShownSegment<'b>> {
        let mut sources: Vec<Seq> = Vec::new();
        for _ in 0..cursor.u16("count of sources")? {
            sources.push(cursor.u64("source")?);
        }
        let (leaf_count, tree_root) = (cursor.u64("leaf count")?, cursor.hash("tree root")?);
        let mut vocabularies = Vec::new();
        for _ in 0..cursor.u16("count of vocabularies")? {
            vocabularies.push(decode_name(cursor)?);
        }
        let ascend = sources.is_sorted_by(|a, b| a < b) && vocabularies.is_sorted_by(|a, b| a < b);
        if !ascend {
            return Err(cursor.fault("sources and vocabularies", "ascending", "another order"));
        }
        let mut leaves = Vec::new();
        for _ in 0..cursor.u32("count of leaves")? {
            leaves.push(ShownLeaf::decode(cursor)?);
        }
        let keys: Vec<IndexKey> = leaves.iter().map(|shown: &ShownLeaf<'_>| shown.leaf.key()).collect();
        let steps = steps::decode(cursor, &keys)?;
        Ok(ShownSegment { sources, leaf_count, tree_root, vocabularies, leaves, steps })
    }
}

impl<'b> ShownLeaf<'b> {
    fn decode(cursor: &mut Cursor<'b>) -> Result<Self> {
        let form = cursor.u8("form of a leaf")?;
        let (field, term, named) = match form {
            BY_HASH => (cursor.hash("field hash")?, cursor.hash("term hash")?, None),
            NAMED | WITH_POSTING => {
                let field = decode_name(cursor)?;
                let kind = match cursor.u8("type of a term")? {
                    0 => TermKind::Reserved,
                    1 => TermKind::Text,
                    2 => TermKind::Number,
                    3 => TermKind::Bool,
                    4 => TermKind::Null,
                    other => return Err(cursor.fault("type of a term", "0 to 4", other)),
                };
                let len = usize::from(cursor.u16("length of a term")?);
                if len > limits::TERM_LEN_MAX {
                    return Err(cursor.fault("length of a term", limits::TERM_LEN_MAX, len));
                }
                let term = cursor.take("term", len)?.to_vec();
                let hashes = (hash::index_field(&field), term_hash(kind, &term));
                (hashes.0, hashes.1, Some(NamedTerm { field, kind, term }))
            }
            other => return Err(cursor.fault("form of a leaf", "0, 1 or 2", other)),
        };
        let leaf =
            IndexLeaf { field, term, count: cursor.u32("count of records")?, seqs: cursor.hash("seqs")? };
        let posting = if form == WITH_POSTING { Some(posting_bytes(cursor, leaf.count)?) } else { None };
        Ok(ShownLeaf { leaf, named, posting })
    }

    /// The offsets of the leaf's records, where they are shown; checked against the leaf.
    ///
    /// # Errors
    /// [`Error::Forged`] where the leaf states others.
    pub(super) fn posting(&self) -> Result<Option<RoaringBitmap>> {
        let Some(bytes) = self.posting else { return Ok(None) };
        let mut cursor = Cursor::new(INDEX, bytes);
        let (mut offsets, mut hasher, mut buffer) =
            (RoaringBitmap::new(), hash::index_seqs_hasher(), Vec::with_capacity(4096));
        let mut end = 0;
        while !cursor.is_at_end() {
            let run = decode_run(&mut cursor, end)?;
            end = run.end;
            offsets.insert_range(run.clone());
            for offset in run {
                buffer.extend_from_slice(&offset.to_le_bytes());
                if buffer.len() == 4096 {
                    hasher.update(&buffer);
                    buffer.clear();
                }
            }
        }
        hasher.update(&buffer);
        if self.leaf.seqs.0 != *hasher.finalize().as_bytes() {
            let name = self.named.as_ref().map(ToString::to_string).unwrap_or_default();
            let reason = format!("the records shown for {name} are not those that the index states");
            return Err(Error::Forged { what: "posting", reason });
        }
        Ok(Some(offsets))
    }
}

impl std::fmt::Display for NamedTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {}", self.field, String::from_utf8_lossy(&self.term))
    }
}

/// The bytes of a posting of `count` records: runs, until there are as many.
fn posting_bytes<'b>(cursor: &mut Cursor<'b>, count: u32) -> Result<&'b [u8]> {
    let (start, from) = (cursor.clone(), cursor.at());
    let (mut end, mut total) = (0, 0);
    while total < count {
        let run = decode_run(cursor, end)?;
        (end, total) = (run.end, total + (run.end - run.start));
    }
    if total != count {
        return Err(cursor.fault("posting", format_args!("{count} records"), total));
    }
    let len = cursor.at() - from;
    start.clone().take("posting", len)
}

/// The next run of offsets; `end` is that of the run before, or 0.
fn decode_run(cursor: &mut Cursor<'_>, end: u32) -> Result<std::ops::Range<u32>> {
    let gap = cursor.varint("posting")?;
    let more = cursor.varint("posting")?;
    if gap == 0 && end > 0 {
        return Err(cursor.fault("posting", "runs with a gap between them", "none"));
    }
    let start = u64::from(end).saturating_add(gap);
    let stop = start.saturating_add(more).saturating_add(1);
    if stop > u64::from(limits::SEGMENT_RECORDS_MAX) {
        return Err(cursor.fault("offset in a posting", limits::SEGMENT_RECORDS_MAX, stop));
    }
    Ok(start as u32..stop as u32)
}

fn decode_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let len = usize::from(cursor.u8("length of a field's name")?);
    let name = std::str::from_utf8(cursor.take("field's name", len)?);
    name.map(str::to_owned).map_err(|_| cursor.fault("field's name", "UTF-8", "something else"))
}

/// Appends what is shown of one segment's index. For each leaf of the disclosure `named` gives the words for it, and
/// its offsets where they are to be shown.
pub(crate) fn push_segment(
    out: &mut Vec<u8>,
    sources: &[Seq],
    vocabularies: &[String],
    disclosure: &Disclosure,
    named: impl Fn(&IndexLeaf) -> Option<(NamedTerm, Option<RoaringBitmap>)>,
) {
    out.extend_from_slice(&(sources.len() as u16).to_le_bytes());
    sources.iter().for_each(|source| out.extend_from_slice(&source.to_le_bytes()));
    out.extend_from_slice(&disclosure.statement.leaf_count.to_le_bytes());
    out.extend_from_slice(&disclosure.statement.tree_root.0);
    out.extend_from_slice(&(vocabularies.len() as u16).to_le_bytes());
    vocabularies.iter().for_each(|name| push_name(out, name));
    out.extend_from_slice(&(disclosure.leaves.len() as u32).to_le_bytes());
    for leaf in &disclosure.leaves {
        push_leaf(out, leaf, named(leaf));
    }
    let keys: Vec<IndexKey> = disclosure.leaves.iter().map(IndexLeaf::key).collect();
    steps::push(out, &disclosure.steps, &keys);
}

fn push_leaf(out: &mut Vec<u8>, leaf: &IndexLeaf, named: Option<(NamedTerm, Option<RoaringBitmap>)>) {
    let posting = match named {
        None => {
            out.push(BY_HASH);
            out.extend_from_slice(&leaf.field.0);
            out.extend_from_slice(&leaf.term.0);
            None
        }
        Some((NamedTerm { field, kind, term }, posting)) => {
            out.push(if posting.is_some() { WITH_POSTING } else { NAMED });
            push_name(out, &field);
            out.push(kind as u8);
            out.extend_from_slice(&(term.len() as u16).to_le_bytes());
            out.extend_from_slice(&term);
            posting
        }
    };
    out.extend_from_slice(&leaf.count.to_le_bytes());
    out.extend_from_slice(&leaf.seqs.0);
    if let Some(offsets) = posting {
        push_runs(out, &offsets);
    }
}

fn push_runs(out: &mut Vec<u8>, offsets: &RoaringBitmap) {
    let mut end = 0;
    for run in runs(offsets) {
        push_varint(out, u64::from(run.start - end));
        push_varint(out, u64::from(run.end - run.start - 1));
        end = run.end;
    }
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
}

/// The runs of consecutive offsets, as long as they can be.
fn runs(offsets: &RoaringBitmap) -> impl Iterator<Item = std::ops::Range<u32>> {
    let mut rest = offsets.iter().peekable();
    std::iter::from_fn(move || {
        let start = rest.next()?;
        let mut end = start + 1;
        while rest.next_if_eq(&end).is_some() {
            end += 1;
        }
        Some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::described;

    fn posting(offsets: &RoaringBitmap) -> Vec<u8> {
        let mut out = Vec::new();
        push_runs(&mut out, offsets);
        out
    }

    fn shown(bytes: &[u8], offsets: &RoaringBitmap) -> Result<Option<RoaringBitmap>> {
        let flat: Vec<u8> = offsets.iter().flat_map(u32::to_le_bytes).collect();
        let leaf = IndexLeaf {
            field: Hash::ZERO,
            term: Hash::ZERO,
            count: offsets.len() as u32,
            seqs: hash::index_seqs(&flat),
        };
        let mut cursor = Cursor::new(INDEX, bytes);
        let posting = posting_bytes(&mut cursor, leaf.count)?;
        if !cursor.is_at_end() {
            return Err(cursor.fault("posting", "the end", "more"));
        }
        ShownLeaf { leaf, named: None, posting: Some(posting) }.posting()
    }

    #[test]
    fn the_example_of_the_format_page_is_what_is_written_and_is_read() {
        let bytes = described("posting");
        let offsets: RoaringBitmap = [0, 1, 2, 7].into_iter().chain(300..500).collect();
        assert_eq!(posting(&offsets), bytes);
        assert_eq!(shown(&bytes, &offsets).unwrap(), Some(offsets));
    }

    #[test]
    fn every_set_of_offsets_has_one_spelling() {
        for bits in 0_u32..1 << 10 {
            let offsets: RoaringBitmap = (0..10).filter(|at| bits >> at & 1 == 1).collect();
            let bytes = posting(&offsets);
            assert_eq!(shown(&bytes, &offsets).unwrap().as_ref(), Some(&offsets));
            for at in 0..bytes.len() {
                for other in 0..=255 {
                    let mut altered = bytes.clone();
                    altered[at] = other;
                    assert!(
                        other == bytes[at] || shown(&altered, &offsets).is_err(),
                        "{bytes:?} {altered:?}"
                    );
                }
                assert!(shown(&bytes[..at], &offsets).is_err());
            }
        }
        let far = [0xFF, 0xFF, 0xFF, 7, 0];
        assert!(shown(&far, &RoaringBitmap::from([(1 << 24) - 1])).is_ok());
        assert!(shown(&[0x80, 0x80, 0x80, 8, 0], &RoaringBitmap::from([1 << 24])).is_err());
    }
}
