//! A sealed segment without its events: what its sidecar keeps, held against what the logs' headers and the seal state.
//!
//! The leaves that the sidecar keeps are hashed to the tree that this log's header says came before and the next one's
//! says came after; so they are the leaves that checkpoints are over. The store's own records are read where the sidecar
//! has them, hashed, and compared with their leaves. Whatever does not agree is not judged here: then the log itself is
//! read, frame by frame, and either shows what is wrong or that the sidecar is.

use std::io;
use std::sync::Arc;

use super::range::{RangeMark, TreeRange};
use super::report::{Finding, Findings, Remark};
use super::segment::{Check, Task, peek_seal};
use super::sidecar;
use super::stated::Stated;
use crate::Timestamp;
use crate::disk::File;
use crate::error::Fault;
use crate::format::entry::Entry;
use crate::format::frame::{Body, FrameRecord};
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::hash::{self, Hash};

/// Most bytes of the store's own records that are held for one segment.
const OWN_LEN_MAX: u64 = 16 << 20;

/// What was seen of a segment, all of which agrees.
struct Seen {
    record_count: u32,
    own: Vec<Own>,
    /// The tree over the leaves, where the sidecar keeps them.
    range: Option<TreeRange>,
    marks: Vec<RangeMark>,
    last_leaf: Hash,
}

/// One of the store's own records.
struct Own {
    offset: u32,
    at: u64,
    received_at: Timestamp,
    bytes: Vec<u8>,
}

impl Check<'_> {
    /// Looks at a sealed segment by its sidecar. Whether that was enough: else its log is to be read.
    pub(super) fn by_sidecar(&mut self, log: &Arc<dyn File>) -> io::Result<bool> {
        let task = self.task;
        let Some(header) = self.out.header.clone().filter(|_| !self.broken) else { return Ok(false) };
        // That each stub has its plan, only the stubs tell; and what is brought from an archive was asked to be read.
        if task.active || header.rewritten_by != 0 || !task.source.is_here() {
            return Ok(false);
        }
        if !task.has_sidecar {
            let text = "has no sidecar to go by: its frames were read and hashed";
            self.out.remarks.push(Remark::new(&task.file, text));
            return Ok(false);
        }
        let path = task.root.join("log").join(task.id.file_name("idx"));
        let file = sidecar_file(task);
        let mut findings = Findings::default();
        let whole = sidecar::Task {
            disk: task.disk,
            path: &path,
            file: &file,
            seqs: task.id.0..task.next_seq(),
            watch: task.watch,
        };
        self.out.sidecar = sidecar::check(&whole, None, &mut findings);
        let is_whole = findings.list.is_empty();
        for finding in findings.list {
            self.find(finding);
        }
        if !is_whole {
            return Ok(false);
        }
        let seen = Stated::open(task.disk, &path, task.watch)
            .and_then(|stated| look(task, &header, &stated, log, self.out.log_len));
        match seen {
            Ok(Some(seen)) => {
                self.take(seen);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => {
                task.watch.check()?;
                self.sidecar_fault = Some(error);
                Ok(false)
            }
        }
    }

    fn take(&mut self, seen: Seen) {
        let first = self.task.id.0;
        for own in &seen.own {
            let seq = first + u64::from(own.offset);
            // It was decoded before.
            let Ok(record) = FrameRecord::decode(&own.bytes) else { continue };
            self.received_at = own.received_at;
            self.form(own.at, seq, &record);
            self.event(own.at, seq, &record);
        }
        self.first_record(0, first);
        let own_count = seen.own.len() as u64;
        self.out.record_count += own_count;
        self.out.unread_count = u64::from(seen.record_count) - own_count;
        self.expected = first + u64::from(seen.record_count);
        self.last_leaf = Some(seen.last_leaf);
        self.out.last_leaf = Some(seen.last_leaf);
        self.out.marks = seen.marks;
        self.out.range = seen.range;
    }
}

/// What a sidecar that the log does not bear out is told as.
pub(super) fn finding(task: &Task<'_>, error: io::Error) -> Finding {
    let file = sidecar_file(task);
    let finding = match error.downcast::<Fault>() {
        Ok(fault) => Finding::fault(file, 0, fault),
        Err(error) => Finding::unreadable(file, &error),
    };
    finding.seqs(task.id.0..task.next_seq())
}

fn sidecar_file(task: &Task<'_>) -> String {
    format!("log/{}", task.id.file_name("idx"))
}

fn forged(what: &'static str, expected: impl ToString, found: impl ToString) -> io::Error {
    io::Error::other(Fault::forged(0, what, expected.to_string(), found.to_string()))
}

/// Sees that all that can be known without the events agrees; nothing where the log is to be read in any case.
fn look(
    task: &Task<'_>,
    header: &LogHeader,
    stated: &Stated<'_>,
    log: &Arc<dyn File>,
    log_len: u64,
) -> io::Result<Option<Seen>> {
    let meta = &stated.meta;
    let agree = |what, is: bool, expected: &dyn ToString, found: &dyn ToString| {
        if is { Ok(()) } else { Err(forged(what, expected.to_string(), found.to_string())) }
    };
    agree("sidecar store id", meta.store_id == header.store_id, &header.store_id, &meta.store_id)?;
    agree("sidecar first seq", meta.first_seq == task.id.0, &task.id.0, &meta.first_seq)?;
    agree("sidecar log length", meta.log_len == log_len, &log_len, &meta.log_len)?;
    agree("sidecar deletions", meta.rewritten_by == 0, &0, &meta.rewritten_by)?;
    let Some(next) = task.next else { return Ok(None) };
    let Ok((after, _)) = LogHeader::decode(&next.first_bytes(task.disk, LOG_HEADER_LEN)?) else {
        return Ok(None);
    };
    let end = meta.first_seq + u64::from(meta.record_count);
    let (Some(seal), true) = (peek_seal(task.disk, next)?, after.first_seq == end) else {
        return Ok(None);
    };
    agree(
        "sidecar segment root",
        seal.root == meta.segment_root.to_string(),
        &seal.root,
        &meta.segment_root,
    )?;
    agree(
        "sidecar index root",
        seal.index_root == meta.index_root.to_string(),
        &seal.index_root,
        &meta.index_root,
    )?;
    agree("sidecar rules", seal.rules == meta.rules.to_string(), &seal.rules, &meta.rules)?;
    let Some(mut offsets) = stated.own_offsets()? else { return Ok(None) };
    if offsets.first() != Some(&0) {
        // A segment's first record is the store's own, whatever an index has of it.
        offsets.insert(0, 0);
    }
    let Some(own) = own_records(&offsets, stated, log)? else { return Ok(None) };
    let mut seen =
        Seen { record_count: meta.record_count, own, range: None, marks: Vec::new(), last_leaf: Hash::ZERO };
    let mut leaves = OwnLeaves::new(&seen.own, header);
    if stated.has_leaves() {
        let mut range = TreeRange::new(meta.first_seq);
        let mut marks = task.marks.iter().skip_while(|mark| **mark <= meta.first_seq).peekable();
        stated.leaves(|some| {
            some.iter().for_each(|leaf| leaves.pass(leaf));
            let mut rest = some;
            while let Some(mark) = marks.next_if(|mark| **mark <= range.end() + rest.len() as u64) {
                let before;
                (before, rest) = rest.split_at((mark - range.end()) as usize);
                range.extend(before);
                seen.marks.push(range.mark());
            }
            range.extend(rest);
        })?;
        let mut tree = TreeRange::from_frontier(header.first_seq, &header.frontier);
        tree.join(&range.mark(), &[]);
        let is_tree = tree.frontier() == after.frontier;
        agree("sidecar leaves", is_tree, &"those of the tree that the next log goes on from", &"others")?;
        leaves.compare(&seen.own, header, meta.first_seq)?;
        seen.range = Some(range);
    } else {
        stated.leaves(|some| leaves.last = some.last().copied().unwrap_or(leaves.last))?;
    }
    seen.last_leaf = leaves.last;
    let is_last = seen.last_leaf == after.predecessor;
    agree("sidecar last leaf", is_last, &after.predecessor, &seen.last_leaf)?;
    Ok(Some(seen))
}

/// Reads the store's own records; nothing where they are too long to be held.
fn own_records(offsets: &[u32], stated: &Stated<'_>, log: &Arc<dyn File>) -> io::Result<Option<Vec<Own>>> {
    let (mut own, mut room) = (Vec::with_capacity(offsets.len()), OWN_LEN_MAX);
    for offset in offsets {
        let place = stated.place(*offset)?;
        let len = place.end - place.start;
        let Some(left) = room.checked_sub(len) else { return Ok(None) };
        room = left;
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        log.read_exact_at(&mut bytes, place.start)?;
        let whole = FrameRecord::decode(&bytes).is_ok_and(|record| {
            record.encoded_len() == bytes.len() && record.source == 0 && matches!(record.body, Body::Whole(_))
        });
        if !whole {
            return Err(forged("sidecar place", "a record of the store's own", "something else"));
        }
        own.push(Own { offset: *offset, at: place.start, received_at: place.frame.received_at, bytes });
    }
    Ok(Some(own))
}

/// The leaves of the store's own records and those before them, as they pass.
struct OwnLeaves {
    /// The leaf before each, and its own.
    pairs: Vec<[Hash; 2]>,
    offsets: Vec<u32>,
    at: u32,
    last: Hash,
}

impl OwnLeaves {
    fn new(own: &[Own], header: &LogHeader) -> Self {
        let offsets = own.iter().map(|own| own.offset).collect();
        OwnLeaves { pairs: Vec::with_capacity(own.len()), offsets, at: 0, last: header.predecessor }
    }

    fn pass(&mut self, leaf: &Hash) {
        if self.offsets.get(self.pairs.len()) == Some(&self.at) {
            self.pairs.push([self.last, *leaf]);
        }
        self.at += 1;
        self.last = *leaf;
    }

    /// Hashes the records, and compares.
    fn compare(&self, own: &[Own], header: &LogHeader, first_seq: u64) -> io::Result<()> {
        let mut scratch = Vec::new();
        for (own, [predecessor, stated]) in own.iter().zip(&self.pairs) {
            let record = FrameRecord::decode(&own.bytes).map_err(io::Error::other)?;
            let seq = first_seq + u64::from(own.offset);
            let body = record.body.bytes().unwrap_or_default();
            let entry = Entry {
                encoding: record.encoding,
                source: record.source,
                seq,
                received_at: own.received_at,
                body_len: record.body.event_len(),
                labels: record.labels,
                predecessor: *predecessor,
                body_hash: hash::body(&header.salt.record(seq), body),
            };
            let leaf = entry.leaf(&mut scratch);
            if leaf != *stated {
                return Err(forged("sidecar leaf", leaf, stated));
            }
        }
        Ok(())
    }
}
