//! The index parts of the active segment. They are caches: one that is not what its records give is remarked on, and
//! nothing depends on it.

use std::collections::VecDeque;
use std::ops::Range;

use super::finished::Restated;
use super::report::{Findings, Remark};
use super::segment::{Check, Rebuilt};
use super::sidecar::{self, Facts};
use crate::Seq;
use crate::disk::Disk;
use crate::format::sidecar::{Footer, Meta, Section};
use crate::hash::Hash;

/// Longest part that is looked at, in bytes.
const PART_LEN_MAX: u64 = 256 << 20;

/// The parts that are still to be compared, in the order of their records.
#[derive(Default)]
pub(super) struct Parts {
    waiting: VecDeque<Part>,
    current: Option<(Part, Hash)>,
}

struct Part {
    file: String,
    seqs: Range<Seq>,
}

/// What a part says of itself, if it says it whole.
fn seqs_of(disk: &dyn Disk, path: &std::path::Path) -> Option<Range<Seq>> {
    let bytes = disk.read(path, PART_LEN_MAX).ok()??;
    let place = *Footer::decode(&bytes).ok()?.sections.get(Section::Meta as usize)?;
    let end = place.offset.checked_add(place.len)?;
    let section = bytes.get(usize::try_from(place.offset).ok()?..usize::try_from(end).ok()?)?;
    let meta = Meta::decode(section).ok()?;
    let seqs = meta.first_seq..meta.first_seq.checked_add(u64::from(meta.record_count))?;
    (meta.is_part() && crc32fast::hash(section) == place.crc).then_some(seqs)
}

impl Check<'_> {
    /// Looks which parts there are of this segment.
    pub(super) fn list_parts(&mut self) {
        let mut parts = Vec::new();
        for name in self.task.part_names {
            let file = format!("log/{name}");
            if !self.task.active {
                let text = "is of a segment that is sealed; the next seal removes it";
                self.out.remarks.push(Remark::new(file, text));
                continue;
            }
            match seqs_of(&**self.task.disk, &self.task.root.join("log").join(name)) {
                Some(seqs) => parts.push(Part { file, seqs }),
                None => self.remark_on_part(file, "is damaged"),
            }
        }
        parts.sort_unstable_by_key(|part| part.seqs.start);
        self.parts.waiting = parts.into();
    }

    fn remark_on_part(&mut self, file: String, what: &str) {
        let text = format!("{what}; it is a cache: a query that may write replaces it");
        self.out.remarks.push(Remark::new(file, text));
    }

    /// Before the frame whose first record is `seq`: begins to index where a part does.
    pub(super) fn begin_part(&mut self, seq: Seq) {
        while self.parts.waiting.front().is_some_and(|part| part.seqs.start <= seq) {
            let Some(part) = self.parts.waiting.pop_front() else { break };
            match self.last_leaf {
                Some(leaf) if part.seqs.start == seq && self.parts.current.is_none() => {
                    self.settle();
                    self.begin_index(seq);
                    self.parts.current = Some((part, leaf));
                }
                _ => self.remark_on_part(part.file, "is of records that the log does not have there"),
            }
        }
    }

    /// Behind a frame that ends at `at`: compares the part that ends there.
    pub(super) fn end_part(&mut self, at: u64) {
        let expected = self.expected;
        let Some((part, predecessor)) = self.parts.current.take_if(|(part, _)| part.seqs.end <= expected)
        else {
            return;
        };
        self.settle();
        let header = self.out.header.as_ref().map(|header| header.store_id);
        let index = self.index.take().filter(|_| !self.broken && part.seqs.end == expected);
        let (Some(index), Some(store_id), Some(last_leaf)) = (index, header, self.last_leaf) else {
            return self.remark_on_part(part.file, "is of records that the log does not have there");
        };
        let index = index.finish();
        // No seal is over it.
        let restated = Restated { index_root: predecessor, rules: index.rules(), leaf_count: 0 };
        self.own_leaves.clear();
        let rebuilt = Rebuilt {
            index,
            restated,
            leaves: Vec::new(),
            places: std::mem::take(&mut self.places),
            frames: std::mem::take(&mut self.frames),
        };
        let facts = Facts { store_id, log_len: at, rewritten_by: 0, segment_root: last_leaf };
        let name = part.file.rsplit('/').next().unwrap_or_default();
        let task = sidecar::Task {
            disk: self.task.disk,
            path: &self.task.root.join("log").join(name),
            file: &part.file,
            seqs: part.seqs,
            watch: self.task.watch,
        };
        let mut findings = Findings::default();
        sidecar::check(&task, Some((&rebuilt, &facts)), &mut findings);
        if findings.class.is_some() {
            self.remark_on_part(part.file, "is not what its records give");
        }
    }

    /// At the end of the log: what is left is of no record that there is.
    pub(super) fn end_parts(&mut self) {
        let left = self.parts.current.take().map(|(part, _)| part);
        if left.is_some() {
            self.index = None;
        }
        let waiting = std::mem::take(&mut self.parts.waiting);
        for part in left.into_iter().chain(waiting) {
            self.remark_on_part(part.file, "is of records that the log does not have");
        }
    }
}
