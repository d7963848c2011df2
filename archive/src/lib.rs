//! Indelible's open archive: sealed segments as plain Parquet files, which DuckDB, Spark, Trino, ClickHouse or DataFusion
//! read without Indelible, and which can be verified without the store.
//!
//! One segment is one file, one row a record: `schema` says which columns there are, `write` fills them, `read` hashes all
//! of a file again, `folder` has the files' names and puts them in place. It stands beside the engine and not in it:
//! a program that embeds the store needs no Parquet.
#![forbid(unsafe_code)]

mod folder;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use folder::{Archived, FolderReport, archive_segment, verify_folder};
pub use read::{Checked, check};
pub use schema::{About, ArchivedSource};

use indelible_engine::{Error, Fault};
use std::path::Path;

/// What the Parquet library says of a file, as damage: a file that it cannot read is not what was written.
pub(crate) fn damaged(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> Error {
    move |error| Fault::damaged(0, "archive file", "Parquet as it was written", error).in_file(path)
}
