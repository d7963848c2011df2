//! Which tier holds a segment, and moving it to another.

use std::collections::BTreeSet;

use super::{Snapshot, Store};
use crate::disk::ArchivedSegment;
use crate::format::admin::Admin;
use crate::log::SealedPlace;
use crate::log::compact::{self, Compacted};
use crate::log::files::Sealed;
use crate::log::handover;
use crate::{Error, Result, SegmentId, Timestamp};

/// Where a segment's records lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Raw, in the log.
    Hot,
    /// Compressed, in a pack.
    Warm {
        /// Length of the pack in bytes.
        pack_len: u64,
    },
    /// In an archive, as Parquet; brought back when somebody reads it.
    Archive {
        /// Length in bytes of what is kept of it here, beside its sidecar.
        kept_len: u64,
    },
}

impl Store {
    /// Moves a sealed segment from the hot tier to the warm one: its log gives way to a pack, which unpacks to the same
    /// bytes. Reads, proofs and roots are as before. Nothing is moved that is in the warm tier already.
    ///
    /// The pack is read back, compared with the log and its root with the seal before the log goes. `progress` is told
    /// how many bytes are done, of how many; where it says false the move is given up, and nothing has changed.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no sealed segment begins with `id`; [`Error::Refused`] where a policy wants its events in
    /// the hot tier still, see [`Snapshot::movable_at`]; [`Error::Fault`] where the log is damaged or is not
    /// what its seal states: then it stays; [`Error::Cancelled`]; as [`Store::append`].
    pub fn compact(
        &self,
        id: SegmentId,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Compacted>> {
        let snapshot = self.snapshot()?;
        let place = snapshot.sealed_place(id)?;
        match snapshot.movable_at(id)? {
            Some(at) if at > self.inner.log.world.clock.now() => {
                let reason = format!("a policy wants the events of segment {id} in the hot tier until {at}");
                Err(Error::Refused { what: "move to the warm tier", reason })
            }
            _ => {
                let guard = self.inner.log.own_tiers()?;
                // What was true before may have changed until the right was got.
                let catalog = self.snapshot()?.catalog;
                let place = catalog.sealed_at(id.0).unwrap_or(place);
                compact::compact(&self.inner.log, &catalog, place, &guard, progress)
            }
        }
    }
}

impl Store {
    /// Drops a sealed segment here, of which the archive at `archive` has a file: what is kept are its index, the store's own
    /// records and its part of the tree. From now on it is brought back by the store's [`Retrieve`](crate::Retrieve) when
    /// somebody reads it. Nothing is dropped that is in an archive already.
    ///
    /// Before anything goes, the segment is brought back so, and compared byte for byte. `progress` is as for
    /// [`Store::compact`]. `locked_until` is when the archive's own lock on the file ends, where that is known: until then
    /// no plan names what is in it.
    ///
    /// # Errors
    /// As [`Store::compact`]; [`Error::Archived`] where the archive cannot be reached.
    pub fn move_to_archive(
        &self,
        id: SegmentId,
        archive: &str,
        locked_until: Option<Timestamp>,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<ArchivedSegment>> {
        let (snapshot, now) = (self.snapshot()?, self.inner.log.world.clock.now());
        let place = snapshot.sealed_place(id)?;
        match snapshot.archivable_at(id)? {
            Some(at) if at > now => {
                let reason = format!("a policy wants the events of segment {id} here until {at}");
                Err(Error::Refused { what: "move to the archive", reason })
            }
            _ => {
                let to = (archive, locked_until);
                handover::hand_over(&self.inner.log, &snapshot.catalog, place, to, progress)
            }
        }
    }

    /// Brings a segment back from its archive, to stay. Nothing where it is here.
    ///
    /// # Errors
    /// As [`Store::move_to_archive`].
    pub fn restore(&self, id: SegmentId) -> Result<Option<ArchivedSegment>> {
        let snapshot = self.snapshot()?;
        handover::take_back(&self.inner.log, snapshot.sealed_place(id)?)
    }
}

impl Snapshot {
    fn sealed_place(&self, id: SegmentId) -> Result<&SealedPlace> {
        let place = self.catalog.sealed_at(id.0).filter(|place| place.first_seq == id.0);
        place.ok_or_else(|| Error::NotFound { what: "sealed segment", name: id.to_string() })
    }

    /// Which tier holds a segment now.
    ///
    /// # Errors
    /// Whatever opening its file says.
    pub fn tier(&self, id: SegmentId) -> Result<Tier> {
        if id == self.head.active {
            return Ok(Tier::Hot);
        }
        Ok(match self.inner.log.files.sealed(id)? {
            Sealed::Log(_) => Tier::Hot,
            Sealed::Pack(pack) => Tier::Warm { pack_len: pack.file_len() },
            Sealed::Archived(log) => {
                Tier::Archive { kept_len: log.archived.as_ref().map_or(0, |archived| archived.file_len) }
            }
        })
    }

    /// Where a segment's file is, if it is in an archive.
    ///
    /// # Errors
    /// Whatever opening its file says.
    pub fn archived(&self, id: SegmentId) -> Result<Option<ArchivedSegment>> {
        let log = self.inner.log.files.log(id)?;
        Ok(log.archived.as_ref().map(|archived| archived.segment.clone()))
    }

    /// The archives that segments of this log went to, by the log's records.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn archives(&self) -> Result<BTreeSet<String>> {
        let mut places = BTreeSet::new();
        for place in self.catalog.admin.iter().filter(|place| place.seq < self.head.next_seq) {
            if let Admin::Tier(tiered) = self.inner.log.admin(place)?
                && !tiered.archive.is_empty()
            {
                places.insert(tiered.archive);
            }
        }
        Ok(places)
    }

    /// When all events of a sealed segment will have been in the hot tier for as long as any rule of any policy says, by
    /// the clock of the process that sealed it; nothing for the active one.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn movable_at(&self, id: SegmentId) -> Result<Option<Timestamp>> {
        self.kept_until(id, self.retention()?.hot_s())
    }

    /// When all events of a sealed segment will have been here, in the hot or the warm tier, for as long as any rule of any
    /// policy says; as [`Snapshot::movable_at`].
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn archivable_at(&self, id: SegmentId) -> Result<Option<Timestamp>> {
        self.kept_until(id, self.retention()?.local_s())
    }

    fn kept_until(&self, id: SegmentId, seconds: u64) -> Result<Option<Timestamp>> {
        let ns = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        let until = |at: Timestamp| if ns == 0 { i64::MIN } else { at.0.saturating_add(ns) };
        Ok(self.sealed_at(id)?.map(|at| Timestamp(until(at))))
    }

    /// When a segment was sealed, by the clock of the process that did it; nothing for the active one.
    ///
    /// # Errors
    /// Whatever reading the log behind it says.
    pub fn sealed_at(&self, id: SegmentId) -> Result<Option<Timestamp>> {
        let place = self.catalog.sealed_at(id.0).filter(|place| place.first_seq == id.0);
        let next = place.map(|place| self.inner.log.files.log(SegmentId(place.end_seq))).transpose()?;
        Ok(next.map(|next| next.header.created_at))
    }
}
