//! Which tier holds a segment, and moving it to another.

use super::{Snapshot, Store};
use crate::log::compact::{self, Compacted};
use crate::log::files::Sealed;
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
        let place = snapshot.catalog.sealed_at(id.0).filter(|place| place.first_seq == id.0);
        let place = place.ok_or_else(|| Error::NotFound { what: "sealed segment", name: id.to_string() })?;
        match snapshot.movable_at(id)? {
            Some(at) if at > self.inner.log.world.clock.now() => {
                let reason = format!("a policy wants the events of segment {id} in the hot tier until {at}");
                Err(Error::Refused { what: "move to the warm tier", reason })
            }
            _ => compact::compact(&self.inner.log, &snapshot.catalog, place, progress),
        }
    }
}

impl Snapshot {
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
        })
    }

    /// When all events of a sealed segment will have been in the hot tier for as long as any rule of any policy says, by
    /// the clock of the process that sealed it; nothing for the active one.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn movable_at(&self, id: SegmentId) -> Result<Option<Timestamp>> {
        let hot_ns =
            i64::try_from(self.retention()?.hot_s()).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        Ok(self
            .sealed_at(id)?
            .map(|at| if hot_ns == 0 { Timestamp(i64::MIN) } else { Timestamp(at.0.saturating_add(hot_ns)) }))
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
