//! The page behind the slots of `head` that counts commits which failed.
//!
//! A hint like the rest of that file, and no evidence: it stands where nothing has to be allocated for it, so that it can
//! be written when the disk is full, and is never synced. Owns the layout; who counts is for the log to know.

use super::bytes::{array, i64_at, put, u32_at, u64_at};
use super::head::{HEAD_SLOT_LEN, HEAD_SLOTS};
use super::version::READ_VERSION;
use crate::Timestamp;
use crate::error::Fault;

/// Length of the page in bytes: what every disk writes whole.
pub const FAILURES_LEN: usize = 512;
/// Where it stands in the file.
pub const FAILURES_AT: u64 = HEAD_SLOT_LEN as u64 * HEAD_SLOTS;

const MAGIC: [u8; 8] = *b"INDFAIL\n";
const CRC_AT: usize = FAILURES_LEN - 4;

/// How a commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The disk, or the user's share of it, was full. Nothing of the commit is in the log.
    DiskFull,
    /// The system said something else. Nothing of the commit is in the log.
    Io,
    /// A sync failed, or what was half written could not be cut: from then on the store takes nothing more until it is
    /// opened anew.
    Closing,
    /// The store took nothing more.
    Closed,
}

/// How many commits failed since the page was made, and when the last one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Commits for which the disk was full.
    pub disk_full: u64,
    /// Commits that failed by another word of the system's.
    pub io: u64,
    /// Commits after which the store took nothing more.
    pub closing: u64,
    /// Commits that were refused since.
    pub closed: u64,
    /// When the last of all these failed, by the wall clock.
    pub last_at: Option<Timestamp>,
}

impl FailureClass {
    /// All classes.
    pub const ALL: [FailureClass; 4] =
        [FailureClass::DiskFull, FailureClass::Io, FailureClass::Closing, FailureClass::Closed];

    /// Its name for machines.
    pub fn name(self) -> &'static str {
        match self {
            FailureClass::DiskFull => "disk-full",
            FailureClass::Io => "io",
            FailureClass::Closing => "closing",
            FailureClass::Closed => "closed",
        }
    }
}

impl Failures {
    /// How many of one class.
    pub fn count(&self, class: FailureClass) -> u64 {
        match class {
            FailureClass::DiskFull => self.disk_full,
            FailureClass::Io => self.io,
            FailureClass::Closing => self.closing,
            FailureClass::Closed => self.closed,
        }
    }

    /// How many of all classes.
    pub fn total(&self) -> u64 {
        FailureClass::ALL.iter().fold(0, |sum, class| sum.saturating_add(self.count(*class)))
    }

    /// Counts one more, at `now`.
    pub fn add(&mut self, class: FailureClass, now: Timestamp) {
        let count = match class {
            FailureClass::DiskFull => &mut self.disk_full,
            FailureClass::Io => &mut self.io,
            FailureClass::Closing => &mut self.closing,
            FailureClass::Closed => &mut self.closed,
        };
        *count = count.saturating_add(1);
        self.last_at = Some(now);
    }

    /// The page's bytes.
    pub fn encode(&self) -> [u8; FAILURES_LEN] {
        let mut bytes = [0; FAILURES_LEN];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, u32::from(READ_VERSION).to_le_bytes());
        put(&mut bytes, 12, u32::from(self.last_at.is_some()).to_le_bytes());
        put(&mut bytes, 16, self.last_at.unwrap_or_default().0.to_le_bytes());
        for (place, class) in FailureClass::ALL.into_iter().enumerate() {
            put(&mut bytes, 24 + 8 * place, self.count(class).to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        put(&mut bytes, CRC_AT, crc.to_le_bytes());
        bytes
    }

    /// Reads the page.
    ///
    /// # Errors
    /// Damaged where the bytes are not a whole, valid page of this version: as a hint, it is then no use.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() != FAILURES_LEN {
            return Err(Fault::damaged(0, "failures page length", FAILURES_LEN, bytes.len()));
        }
        let (expected, found) = (crc32fast::hash(&bytes[..CRC_AT]), u32_at(bytes, CRC_AT));
        let failures = Failures {
            disk_full: u64_at(bytes, 24),
            io: u64_at(bytes, 32),
            closing: u64_at(bytes, 40),
            closed: u64_at(bytes, 48),
            last_at: (u32_at(bytes, 12) == 1).then(|| Timestamp(i64_at(bytes, 16))),
        };
        // The checksum first: of what it does not fit, nothing else means anything.
        if expected != found || array::<8>(bytes, 0) != MAGIC || failures.encode() != *bytes {
            return Err(Fault::damaged(
                0,
                "failures page",
                format_args!("{expected:08x}"),
                format_args!("{found:08x}"),
            ));
        }
        Ok(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Failures {
        let mut failures = Failures::default();
        for (class, times) in FailureClass::ALL.into_iter().zip([1, 2, 3, 4]) {
            (0..times).for_each(|at| failures.add(class, Timestamp(at)));
        }
        failures
    }

    #[test]
    fn what_is_counted_is_read_again() {
        for failures in [Failures::default(), some()] {
            assert_eq!(Failures::decode(&failures.encode()).unwrap(), failures);
        }
        assert_eq!(
            (some().total(), some().count(FailureClass::Closed), some().last_at),
            (10, 4, Some(Timestamp(3)))
        );
    }

    #[test]
    fn every_altered_byte_is_found() {
        let good = some().encode();
        for at in 0..good.len() {
            let mut bytes = good;
            bytes[at] ^= 0x10;
            assert!(Failures::decode(&bytes).is_err(), "byte {at}");
        }
        assert!(Failures::decode(&[0; FAILURES_LEN]).is_err() && Failures::decode(&good[..100]).is_err());
    }
}
