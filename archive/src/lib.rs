//! Indelible's open archive: sealed segments as plain Parquet files, which DuckDB, Spark, Trino, ClickHouse or DataFusion
//! read without Indelible, and which can be verified without the store.
//!
//! One segment is one file, one row a record: `schema` says which columns there are, `shape` how its log was cut into frames,
//! `write` fills them, `read` and `rows` hash all of a file again, or a group of rows. A `Target` is where the files are, in a `folder` or a `bucket`;
//! `copy` puts segments there, `verify` looks at all and `cache`
//! brings pieces of them back, of files of which it asks `ranges` alone; `prune` takes out what was deleted since. It stands beside the engine and not in it: a program that embeds
//! the store needs no Parquet.
#![forbid(unsafe_code)]

#[cfg(feature = "s3")]
mod bucket;
mod cache;
mod copy;
mod folder;
mod prune;
mod ranges;
mod read;
mod rows;
mod schema;
mod shape;
mod target;
#[cfg(test)]
mod tests;
mod verify;
mod write;

pub use cache::{Cache, Fetch, Told};
pub use copy::{Archived, archive_segment};
pub use prune::{Pruned, prune_archive};
pub use read::{Checked, check, rebuild};
pub use schema::{About, ArchivedSource};
pub use target::{Object, Target};
pub use verify::{ArchiveReport, verify_archive};

use std::fmt::Display;
use std::io;
use std::path::Path;

use indelible_engine::{Error, Fault};
use parquet::errors::ParquetError;

/// What the Parquet library says of a file that is read, as damage: a file that it cannot read is not what was written. What
/// it passes on of those who fetch, and of the system, is what they said.
pub(crate) fn damaged(path: &Path) -> impl Fn(ParquetError) -> Error {
    told("read", path)
}

/// The same of a file that is written: there a full disk is what may go wrong.
pub(crate) fn unwritten(path: &Path) -> impl Fn(ParquetError) -> Error {
    told("write", path)
}

fn told(action: &'static str, path: &Path) -> impl Fn(ParquetError) -> Error {
    move |error| {
        let damage = |error: &dyn Display| {
            Fault::damaged(0, "archive file", "Parquet as it was written", error).in_file(path)
        };
        let ParquetError::External(source) = error else { return damage(&error) };
        match source.downcast::<Error>().map_err(|source| source.downcast::<io::Error>()) {
            Ok(error) => *error,
            // What has no number of the system's comes from whoever unpacks: the bytes make no sense.
            Err(Ok(error)) if error.raw_os_error().is_some() => Error::io(action, path)(*error),
            Err(Ok(error)) => damage(&error),
            Err(Err(source)) => damage(&source),
        }
    }
}
