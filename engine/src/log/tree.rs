//! The log's tree as the proofs read it: any node, from leaves and from the cache of group roots.
//!
//! The cache, `tree/level-08`, has the roots of whole groups of 256 leaves below sealed segments. It is never
//! ahead of what is sealed, and who signs a checkpoint reads it only below the last size that was signed.

use std::sync::Arc;

use super::scan::{self, FrameScan};
use super::{Catalog, Log};
use crate::disk::Open;
use crate::format::frame;
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::{self, NodeReader};
use crate::{Error, Result, SegmentId, Seq};

/// The level of the tree whose nodes are cached: groups of 256 leaves.
const GROUP_LEVEL: u8 = 8;
const GROUP_COUNT: u64 = 1 << GROUP_LEVEL;

/// The log's tree as of one head.
#[derive(Debug)]
pub(crate) struct LogNodes<'a> {
    log: &'a Log,
    head: &'a Head,
    catalog: Arc<Catalog>,
    /// The cached roots, as they were when the reader was made.
    groups: Vec<u8>,
}

impl<'a> LogNodes<'a> {
    pub(crate) fn new(log: &'a Log, head: &'a Head) -> Result<Self> {
        let catalog = log.catalog(head)?;
        let sealed_groups = head.active.0 / GROUP_COUNT;
        let path = log.layout.tree_groups();
        let groups =
            log.world.disk.read(&path, 32 * sealed_groups.max(1) + 32).ok().flatten().unwrap_or_default();
        Ok(LogNodes { log, head, catalog, groups })
    }

    fn cached(&self, index: u64) -> Option<Hash> {
        let start = usize::try_from(index).ok()?.checked_mul(32)?;
        let root = self.groups.get(start..start + 32)?.try_into().ok().map(Hash)?;
        // A crash may leave room that was never filled. No group's root is all zeros.
        (root != Hash::ZERO).then_some(root)
    }

    /// The leaves of the records in `seqs`, from sidecars where there are any.
    fn leaves(&self, seqs: std::ops::Range<Seq>) -> Result<Vec<Hash>> {
        let mut leaves = Vec::new();
        let mut seq = seqs.start;
        while seq < seqs.end {
            let (id, end) = match self.catalog.sealed_at(seq) {
                Some(place) => (SegmentId(place.first_seq), place.end_seq),
                None => (self.head.active, self.head.next_seq),
            };
            let stop = end.min(seqs.end);
            if stop <= seq {
                let name = seq.to_string();
                return Err(Error::NotFound { what: "record", name });
            }
            self.log.leaves(self.head, id, seq..stop, &mut leaves)?;
            seq = stop;
        }
        Ok(leaves)
    }
}

impl NodeReader for LogNodes<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        if level > GROUP_LEVEL {
            let (left, right) = (self.node(level - 1, 2 * index)?, self.node(level - 1, 2 * index + 1)?);
            return Ok(LogTree::node(&left, &right));
        }
        if level == GROUP_LEVEL
            && let Some(root) = self.cached(index)
        {
            return Ok(root);
        }
        Ok(merkle::root::<LogTree>(&self.leaves(index << level..(index + 1) << level)?))
    }
}

impl Log {
    /// The nodes of the log's tree as of `head`.
    pub(crate) fn nodes<'a>(&'a self, head: &'a Head) -> Result<LogNodes<'a>> {
        LogNodes::new(self, head)
    }

    /// Appends the leaves of `seqs`, all in one segment, to `leaves`.
    fn leaves(
        &self,
        head: &Head,
        id: SegmentId,
        seqs: std::ops::Range<Seq>,
        leaves: &mut Vec<Hash>,
    ) -> Result<()> {
        if id != head.active
            && let Some(sidecar) = self.files.sidecar(id)
        {
            let leaf = |seq| sidecar.leaf(sidecar.offset_of(seq)?).ok()?;
            let from_sidecar: Option<Vec<Hash>> = seqs.clone().map(leaf).collect();
            if let Some(found) = from_sidecar {
                leaves.extend(found);
                return Ok(());
            }
        }
        let log = self.files.log(id)?;
        let end = if id == head.active {
            head.written_len
        } else {
            log.file.len().map_err(Error::io("measure", &log.path))?
        };
        let mut scan = FrameScan::new(&log.file, &log.path, LOG_HEADER_LEN as u64, end);
        while let Some((at, header, payload)) = scan.next()? {
            let frame_end = header.first_seq + u64::from(header.count);
            if frame_end <= seqs.start {
                continue;
            }
            if header.first_seq >= seqs.end {
                break;
            }
            let records = frame::records(payload, header.count)
                .map_err(|fault| fault.shifted(at).in_file(&log.path))?;
            let mut found = Vec::with_capacity(records.len());
            scan::leaves(&header, &records, &log.header.salt, &mut found);
            leaves.extend(
                (header.first_seq..).zip(found).filter(|(seq, _)| seqs.contains(seq)).map(|(_, leaf)| leaf),
            );
        }
        Ok(())
    }

    /// Brings the cache of group roots up to the sealed segments of `head`.
    pub(super) fn extend_groups(&self, head: &Head) -> Result<()> {
        let path = self.layout.tree_groups();
        let io = |action| Error::io(action, path.clone());
        if let Some(dir) = path.parent() {
            self.world.disk.create_dir(dir).map_err(Error::io("make directory", dir))?;
        }
        let file = self.world.disk.open(&path, Open::Create).map_err(io("open"))?;
        let nodes = LogNodes::new(self, head)?;
        let filled = nodes.groups.chunks_exact(32).take_while(|root| **root != Hash::ZERO.0);
        let known = filled.count() as u64;
        let mut roots = Vec::new();
        for index in known..head.active.0 / GROUP_COUNT {
            roots.extend(nodes.node(GROUP_LEVEL, index)?.0);
        }
        file.write_all_at(&roots, known * 32).map_err(io("write"))?;
        // Each seal reads its segment's leaves once: a process that appends for long must not keep them all mapped.
        if let Some(first) = nodes.catalog.sealed_at(known * GROUP_COUNT) {
            self.files.close_sidecars(SegmentId(first.first_seq)..);
        }
        file.sync().map_err(io("sync"))
    }
}
