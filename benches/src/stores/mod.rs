//! Peers that are measured both at taking events in and at answering questions, each with one layout for both.

mod lmdb;
#[cfg(feature = "tantivy")]
mod tantivy;

pub use lmdb::Lmdb;
#[cfg(feature = "tantivy")]
pub use tantivy::Tantivy;
