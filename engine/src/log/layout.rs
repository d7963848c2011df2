//! Where things are in a store's directory. The names stand here and nowhere else.

use std::path::{Path, PathBuf};

use crate::{SegmentId, Seq};

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Layout { root: root.to_path_buf() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Hints for people: origin and format version.
    pub(crate) fn hints(&self) -> PathBuf {
        self.root.join("indelible.toml")
    }

    /// Held by whoever commits.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Held by whoever is next to commit.
    pub(crate) fn gate(&self) -> PathBuf {
        self.root.join("gate")
    }

    /// Held by whoever moves sealed segments to another tier, or deletes from them.
    pub(crate) fn tiers(&self) -> PathBuf {
        self.root.join("tiers")
    }

    /// Shared by all who have the store open; held alone by whoever recovers it.
    pub(crate) fn open(&self) -> PathBuf {
        self.root.join("open")
    }

    pub(crate) fn head(&self) -> PathBuf {
        self.root.join("head")
    }

    pub(crate) fn catalog(&self) -> PathBuf {
        self.root.join("catalog")
    }

    /// Artifacts, below the first two digits of their names.
    pub(crate) fn artifacts_dir(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn log(&self, segment: SegmentId) -> PathBuf {
        self.log_dir().join(segment.file_name("log"))
    }

    /// Where the packs are: sealed segments in the warm tier.
    pub(crate) fn packs_dir(&self) -> PathBuf {
        self.root.join("packs")
    }

    /// A sealed segment's log, compressed.
    pub(crate) fn pack(&self, segment: SegmentId) -> PathBuf {
        self.packs_dir().join(segment.file_name("pack"))
    }

    /// Where is kept what the archive's segments leave here.
    pub(crate) fn archived_dir(&self) -> PathBuf {
        self.root.join("archived")
    }

    /// What is kept of a segment that is in the archive.
    pub(crate) fn kept(&self, segment: SegmentId) -> PathBuf {
        self.archived_dir().join(segment.file_name("kept"))
    }

    pub(crate) fn sidecar(&self, segment: SegmentId) -> PathBuf {
        self.log_dir().join(segment.file_name("idx"))
    }

    /// The index of a stretch of the active segment's log: a cache.
    pub(crate) fn part(&self, segment: SegmentId, number: u64) -> PathBuf {
        self.log_dir().join(segment.file_name(&format!("part-{number}")))
    }

    /// Where the directories over runs of sealed segments are: caches.
    pub(crate) fn directories_dir(&self) -> PathBuf {
        self.root.join("dir")
    }

    /// The directory over the run of segments that begins with this one.
    pub(crate) fn directory(&self, first: SegmentId) -> PathBuf {
        self.directories_dir().join(first.file_name("dir"))
    }

    /// The latest signed note.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    pub(crate) fn checkpoints_dir(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The note signed at a tree size: twenty digits, so that names sort as numbers do.
    pub(crate) fn checkpoint_at(&self, size: u64) -> PathBuf {
        self.checkpoints_dir().join(format!("{size:020}"))
    }

    /// Where bytes are kept that recovery cut off.
    pub(crate) fn lost_dir(&self) -> PathBuf {
        self.root.join("lost")
    }

    /// What was cut from a segment's log at a byte offset, by the how-manieth recovery that cut there.
    pub(crate) fn lost(&self, segment: SegmentId, at: Seq, attempt: u32) -> PathBuf {
        self.lost_dir().join(format!("{segment}-{at}-{attempt}"))
    }

    /// The roots of the tree's whole groups of 2^`level` leaves, 32 bytes each: a cache.
    pub(crate) fn tree_level(&self, level: u8) -> PathBuf {
        self.root.join("tree").join(format!("level-{level:02}"))
    }
}
