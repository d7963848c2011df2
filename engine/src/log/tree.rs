//! The log's tree as the proofs read it: any node, from leaves and from caches of the roots of whole groups.
//!
//! The caches, `tree/level-08`, `tree/level-16` and so on, have the roots of whole groups of 256 leaves, of 256 such
//! groups, and so on, below sealed segments; so any node is a few hundred hashes away. They are never ahead of what
//! is sealed, and who signs a checkpoint reads them only below the last size that was signed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::scan::{self, FrameScan};
use super::{Catalog, Log, lock};
use crate::disk::{File, Open};
use crate::format::frame;
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::{Hash, LogTree};
use crate::merkle::{self, NodeReader};
use crate::{Error, Result, SegmentId, Seq};

/// How many levels lie between one cache and the next: groups are of 256.
const TIER_LEVELS: u8 = 8;
/// The levels that are cached: enough for the largest tree.
pub(super) const TIERS: [u8; 5] = [8, 16, 24, 32, 40];

/// Most nodes that are remembered below the lowest cached level, and above it: 96 bytes each. The first that are asked for
/// stay, and among the lower ones these are those of the tree's right edge, which every proof needs.
const LOW_NODES_MAX: usize = 1 << 10;
const HIGH_NODES_MAX: usize = 1 << 17;

/// Nodes by level and index.
type Remembered = Mutex<HashMap<(u8, u64), Hash>>;

/// What is known of the log's tree as of one head, shared by all that is proven there: the files of the caches, and nodes
/// that were hashed before.
#[derive(Debug, Default)]
pub(crate) struct KnownNodes {
    /// For each of [`TIERS`] its cache, where there is one.
    caches: OnceLock<[Option<Arc<dyn File>>; TIERS.len()]>,
    /// The leaves of the active segment, once one was asked for: no cache has them, and a proof asks for many.
    active: OnceLock<Vec<Hash>>,
    /// Of the levels below the lowest of [`TIERS`], and of the others.
    nodes: [Remembered; 2],
}

impl KnownNodes {
    /// Where a node is remembered, if it is worth it.
    fn of_level(&self, level: u8) -> Option<(&Remembered, usize)> {
        let [low, high] = &self.nodes;
        match level {
            0 => None,
            level if level < TIER_LEVELS => Some((low, LOW_NODES_MAX)),
            _ => Some((high, HIGH_NODES_MAX)),
        }
    }
}

/// The log's tree as of one head.
#[derive(Debug)]
pub(crate) struct LogNodes<'a> {
    log: &'a Log,
    head: &'a Head,
    catalog: Arc<Catalog>,
    known: Arc<KnownNodes>,
}

impl<'a> LogNodes<'a> {
    /// With what is known of the tree as of this very head.
    pub(crate) fn new(log: &'a Log, head: &'a Head, known: Arc<KnownNodes>) -> Result<Self> {
        Ok(LogNodes { log, head, catalog: log.catalog(head)?, known })
    }

    /// The same tree, from the leaves alone.
    pub(crate) fn without_caches(mut self) -> Self {
        self.known =
            Arc::new(KnownNodes { caches: OnceLock::from(TIERS.map(|_| None)), ..KnownNodes::default() });
        self
    }

    /// The cache of a level. One that is not there, or can't be read, costs time.
    fn cache(&self, level: u8) -> Option<&Arc<dyn File>> {
        let open = |level| {
            let whole = self.head.active.0 >> level > 0;
            let path = self.log.layout.tree_level(level);
            whole.then(|| self.log.world.disk.open(&path, Open::Read).ok()).flatten()
        };
        let caches = self.known.caches.get_or_init(|| TIERS.map(open));
        caches.get(TIERS.iter().position(|tier| *tier == level)?)?.as_ref()
    }

    /// The roots of `count` whole groups of a cached level, from `first` on; `level` 0 are the leaves.
    pub(crate) fn run(&self, level: u8, first: u64, count: u64) -> Result<Vec<Hash>> {
        if level == 0 {
            return self.leaves(first..first + count);
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(32)];
        if let Some(cache) = self.cache(level) {
            // What could not be read stays zero.
            let _ = cache.read_up_to(&mut bytes, first * 32);
        }
        let (cached, _) = bytes.as_chunks::<32>();
        (first..)
            .zip(cached)
            .map(|(index, root)| match Hash(*root) {
                // A crash may leave room that was never filled. No group's root is all zeros.
                Hash::ZERO => self.group(level, index),
                root => Ok(root),
            })
            .collect()
    }

    /// The root of a whole group of a cached level, from the cache below it.
    fn group(&self, level: u8, index: u64) -> Result<Hash> {
        if level == TIER_LEVELS {
            return self.subtree(level, index);
        }
        let below = self.run(level - TIER_LEVELS, index << TIER_LEVELS, 1 << TIER_LEVELS)?;
        Ok(merkle::root::<LogTree>(&below))
    }

    /// The root of a perfect subtree below the caches: from its leaves, or of segments in an archive, from what is kept of
    /// them.
    fn subtree(&self, level: u8, index: u64) -> Result<Hash> {
        let seqs = index << level..(index + 1) << level;
        match self.kept(level, &seqs) {
            Kept::Nothing => Ok(merkle::root::<LogTree>(&self.leaves(seqs)?)),
            Kept::Root(root) => Ok(root),
            Kept::Parts => {
                let children = [self.subtree(level - 1, index * 2)?, self.subtree(level - 1, index * 2 + 1)?];
                Ok(merkle::root::<LogTree>(&children))
            }
        }
    }

    /// What is kept of a subtree over these records whose leaves are in an archive.
    fn kept(&self, level: u8, seqs: &std::ops::Range<Seq>) -> Kept {
        let files = &self.log.files;
        let mut seq = seqs.start;
        while seq < seqs.end
            && let Some(place) = self.catalog.sealed_at(seq)
        {
            let id = SegmentId(place.first_seq);
            let has_leaves = files.sidecar(id).is_some_and(|sidecar| sidecar.has_leaves());
            let log = if has_leaves { None } else { files.log(id).ok() };
            if let Some(archived) = log.as_ref().and_then(|log| log.archived.as_ref()) {
                if place.first_seq > seqs.start || place.end_seq < seqs.end {
                    return Kept::Parts;
                }
                let mut start = place.first_seq;
                for (of_level, root) in &archived.kept.nodes {
                    if start == seqs.start && *of_level == level {
                        return Kept::Root(Hash(*root));
                    }
                    let end = start + (1 << of_level);
                    if start <= seqs.start && seqs.end <= end {
                        return Kept::Nothing;
                    }
                    start = end;
                }
                // Beyond all nodes, as what is kept speaks of fewer records than the seal: a leaf has no parts.
                return if level == 0 { Kept::Nothing } else { Kept::Parts };
            }
            seq = place.end_seq;
        }
        Kept::Nothing
    }

    /// The leaves of the records in `seqs`, from sidecars where there are any.
    fn leaves(&self, seqs: std::ops::Range<Seq>) -> Result<Vec<Hash>> {
        let mut leaves = Vec::new();
        let mut seq = seqs.start;
        while seq < seqs.end {
            let Some(place) = self.catalog.sealed_at(seq) else {
                leaves.extend(self.active_leaves(seq..seqs.end)?);
                break;
            };
            let stop = place.end_seq.min(seqs.end);
            self.log.leaves(self.head, SegmentId(place.first_seq), seq..stop, &mut leaves)?;
            seq = stop;
        }
        Ok(leaves)
    }

    /// The leaves of these records of the active segment. Its log is read once, however often this is asked: what is kept
    /// of it is 32 bytes a record.
    fn active_leaves(&self, seqs: std::ops::Range<Seq>) -> Result<&[Hash]> {
        let first_seq = self.head.active.0;
        let leaves = match self.known.active.get() {
            Some(leaves) => leaves,
            None => {
                let mut leaves = Vec::new();
                self.log.leaves(self.head, self.head.active, first_seq..self.head.next_seq, &mut leaves)?;
                self.known.active.get_or_init(|| leaves)
            }
        };
        let place = |seq: Seq| usize::try_from(seq.checked_sub(first_seq)?).ok();
        let found = place(seqs.start).zip(place(seqs.end)).and_then(|(start, end)| leaves.get(start..end));
        found.ok_or_else(|| Error::NotFound { what: "record", name: seqs.end.saturating_sub(1).to_string() })
    }
}

/// What is kept of a subtree of the log's tree when its leaves are in an archive.
enum Kept {
    /// Nothing, or the leaves are here: they are to be read.
    Nothing,
    Root(Hash),
    /// Its halves, or parts of them.
    Parts,
}

impl NodeReader for LogNodes<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        // The last cached level at or below this one; a node is the root over a run of that level's.
        let base = TIERS.iter().rev().copied().find(|tier| *tier <= level).unwrap_or(0);
        let levels = level - base;
        let hashed = || match base {
            0 => self.subtree(level, index),
            _ => Ok(merkle::root::<LogTree>(&self.run(base, index << levels, 1 << levels)?)),
        };
        let Some((known, count_max)) = self.known.of_level(level) else { return hashed() };
        let found = lock(known).get(&(level, index)).copied();
        if let Some(found) = found {
            return Ok(found);
        }
        let node = hashed()?;
        let mut known = lock(known);
        if known.len() < count_max {
            known.insert((level, index), node);
        }
        Ok(node)
    }
}

impl Log {
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
        let sidecar = if id == head.active { None } else { self.files.sidecar_of(&log) };
        let at = sidecar.and_then(|sidecar| {
            let located = sidecar.locate(sidecar.offset_of(seqs.start)?).ok()??;
            Some(located.frame.position)
        });
        let end = if id == head.active {
            head.written_len
        } else {
            log.file.len().map_err(Error::io("measure", &log.path))?
        };
        let mut scan = FrameScan::new(&log.file, &log.path, at.unwrap_or(LOG_HEADER_LEN as u64), end);
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

    /// Brings the caches of group roots up to the sealed segments of `head`.
    pub(super) fn extend_groups(&self, head: &Head) -> Result<()> {
        for level in TIERS {
            let whole = head.active.0 >> level;
            if whole == 0 {
                break;
            }
            let path = self.layout.tree_level(level);
            let io = |action| Error::io(action, path.clone());
            if let Some(dir) = path.parent() {
                self.world.disk.create_dir(dir).map_err(Error::io("make directory", dir))?;
            }
            let file = self.world.disk.open(&path, Open::Create).map_err(io("open"))?;
            let mut cached = vec![0; usize::try_from(whole).unwrap_or(usize::MAX).saturating_mul(32)];
            let len = file.read_up_to(&mut cached, 0).map_err(io("read"))?;
            let filled = cached[..len].as_chunks::<32>().0.iter().take_while(|root| **root != Hash::ZERO.0);
            let known = filled.count() as u64;
            let nodes = LogNodes::new(self, head, Arc::default())?;
            let mut roots = Vec::new();
            for index in known..whole {
                roots.extend(nodes.group(level, index)?.0);
            }
            file.write_all_at(&roots, known * 32).map_err(io("write"))?;
            // Each seal reads its segment's leaves once: a process that appends for long must not keep them all
            // mapped.
            if let Some(first) = nodes.catalog.sealed_at(known << level) {
                self.files.close_sidecars(SegmentId(first.first_seq)..);
            }
            file.sync().map_err(io("sync"))?;
        }
        Ok(())
    }
}
