//! Indelible, an embedded append-only evidence store: what an embedding program links.
//!
//! This crate is the embedding face: it re-exports the engine and the query language, and adds nothing of its own. With
//! `default-features = false` it brings none of the command line's dependencies along.
#![forbid(unsafe_code)]

pub use indelible_engine::*;
pub use indelible_query as query;
#[doc(inline)]
pub use indelible_query::query;
