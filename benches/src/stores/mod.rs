//! Peers that are measured both at taking events in and at answering questions, each with one layout for both.

mod lmdb;

pub use lmdb::Lmdb;
