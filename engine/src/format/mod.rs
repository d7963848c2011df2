//! The on-disk structures, one file each: encode, decode, validity. No I/O, no clock, no path.
//!
//! `docs/FORMAT.md` has a section for each file here. All integers are little-endian and of fixed width. What a
//! decoder accepts, it re-encodes to the same bytes; every length is bounded before it is used.

pub mod admin;
pub mod artifact;
pub(crate) mod bitmap;
pub(crate) mod bytes;
pub mod codec;
pub mod directory;
pub mod disclosure;
pub mod entry;
pub mod failures;
pub mod frame;
pub mod head;
pub mod index;
pub mod kept;
pub mod keys;
pub mod log_header;
pub mod pack;
pub mod retention;
pub mod sidecar;
#[cfg(test)]
mod tests;
mod version;

pub use version::{READ_VERSION, WRITE_VERSION, Writable};
