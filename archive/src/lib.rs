//! Indelible's open archive: sealed segments as plain Parquet files, which DuckDB, Spark, Trino, ClickHouse or DataFusion
//! read without Indelible, and which can be verified without the store.
//!
//! One segment is one file, one row a record: `schema` says which columns there are, `shape` how its log was cut into frames,
//! `write` fills them, `read` hashes all of a file again. A `Target` is where the files are, in a `folder` or a `bucket`;
//! `copy` puts segments there, `verify` looks at all and `cache`
//! brings them back. It stands beside the engine and not in it: a program that embeds
//! the store needs no Parquet.
#![forbid(unsafe_code)]

#[cfg(feature = "s3")]
mod bucket;
mod cache;
mod copy;
mod folder;
mod read;
mod schema;
mod shape;
mod target;
#[cfg(test)]
mod tests;
mod verify;
mod write;

pub use cache::{Cache, Told};
pub use copy::{Archived, archive_segment};
pub use read::{Checked, check, rebuild};
pub use schema::{About, ArchivedSource};
pub use target::{Object, Target};
pub use verify::{ArchiveReport, verify_archive};

use indelible_engine::{Error, Fault};
use std::path::Path;

/// What the Parquet library says of a file, as damage: a file that it cannot read is not what was written.
pub(crate) fn damaged(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> Error {
    move |error| Fault::damaged(0, "archive file", "Parquet as it was written", error).in_file(path)
}
