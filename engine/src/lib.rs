//! Indelible's engine: an embedded, append-only evidence store.
//!
//! The rooms stand in the order of their dependencies: each uses only those above it.
//! `docs/ARCHITECTURE.md` walks one event through them; `docs/FORMAT.md` is the on-disk format.
#![deny(unsafe_code)]

mod error;
mod id;
pub mod limits;

pub mod hash;
pub mod merkle;
pub mod trust;

pub mod format;

pub mod disk;

mod witness;

pub mod source;

pub mod filter;

pub mod index;
pub mod segment;

mod log;

pub mod answer;
pub mod artifact;

pub mod retention;

pub mod bundle;

pub mod verify;

mod store;

pub use disk::{ArchivedSegment, Retrieve, Retrieved};
pub use error::{Class, Error, Fault, Result};
pub use format::admin::Document;
pub use id::{Origin, SegmentId, Seq, StoreId, Timestamp};
pub use log::compact::Compacted;
pub use log::seal::SealedSegment;
pub use log::{Recovery, Sync};
pub use store::{
    Applied, ApplyProgress, CheckpointSigner, Collected, Drawn, Drill, DrilledSegments, FileSigner,
    Integrity, Masking, Moved, OnDuplicate, Options, Outcome, Prepared, ProvenRecord, Receipt, Record,
    Records, RegisteredDocument, RegisteredRules, Resource, SegmentInfo, SegmentLog, Snapshot, Source, Store,
    Tier, Totals, Verification,
};
pub use witness::Witness;
