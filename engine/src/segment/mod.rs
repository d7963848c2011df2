//! Sealed segments: their sidecars, written once from the index and read where they lie.
//!
//! A sidecar holds nothing that the log does not: it can be rebuilt from the log, and whoever doubts it rebuilds
//! and compares. Its checksums tell damage; they are no evidence. `docs/FORMAT.md` has the layout.
//!
//! Reading never panics and never trusts: each access is checked against the file's true length, and a section's
//! checksum is checked once, before its first use.

mod check;
mod composite;
mod contains;
mod dictionary;
mod directory;
#[cfg(test)]
mod directory_tests;
mod disclose;
mod evenly;
mod locator;
mod pack;
mod posting;
mod sidecar;
mod write;

#[cfg(test)]
mod tests;

pub use dictionary::Field;
pub use directory::encode_directory;
pub use disclose::{IndexLeaves, Shown};
pub use locator::{Located, Locator};
pub use pack::{PackWriter, runs_of};
pub use posting::Posting;
pub use sidecar::{EventTimes, FrameCursor, Sidecar};
pub(crate) use write::FileWriter;
pub use write::{PartFacts, SegmentFacts, encode_part, encode_sidecar, encode_without_leaves, write_sidecar};
