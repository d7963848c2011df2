//! Verifications that were noted in the log: when somebody looked last, at what, and what was found.
//!
//! A note vouches for nothing: whoever may append may write one. It tells when a check was made, and so when none was.

use super::{Snapshot, Store};
use crate::format::admin::{Admin, Verified};
use crate::log::NewRecord;
use crate::{Result, Seq, Timestamp};

/// A `store.verified` record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The seq of its record.
    pub seq: Seq,
    /// When it was noted.
    pub noted_at: Timestamp,
    /// What it says.
    pub verified: Verified,
}

impl Store {
    /// Notes in the log that it was verified, and says which record has it.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn note_verification(&self, verified: &Verified) -> Result<Seq> {
        let body = Admin::Verified(verified.clone()).encode();
        self.inner.log.transact(|session| {
            let committed = session.write(&[NewRecord::admin(&body)])?;
            session.sync()?;
            Ok(committed.first_seq)
        })
    }
}

impl Snapshot {
    /// The verifications that were noted, the last first. Each is read as it is asked for.
    pub fn verifications(&self) -> impl Iterator<Item = Result<Verification>> + '_ {
        let known = self.catalog.admin.iter().filter(|place| place.seq < self.head.next_seq);
        known.rev().filter_map(|place| match self.inner.log.admin(place) {
            Ok(Admin::Verified(verified)) => Some(self.record(place.seq).map(|record| Verification {
                seq: place.seq,
                noted_at: record.received_at,
                verified,
            })),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}
