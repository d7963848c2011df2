//! Reading an archive file back: every body, entry and leaf is hashed anew, and the root compared with the seal. Nothing
//! else is needed but the file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use indelible_engine::format::admin::Admin;
use indelible_engine::format::entry::Entry;
use indelible_engine::format::frame::{Body, FrameRecord, LabelBuf};
use indelible_engine::hash::{self, Hash, LogTree, RecordSalt};
use indelible_engine::merkle::Frontier;
use indelible_engine::{Class, Error, Fault, Result, Timestamp};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use crate::damaged;
use crate::schema::{About, METADATA_KEY, METADATA_LEN_MAX, SHAPE_KEY, VERSION};
use crate::shape::{Rebuild, Shape};

/// What a file was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it says of itself; the seal's root is that of its records.
    pub about: About,
    /// The leaf of its last record.
    pub last_leaf: Hash,
    /// The seal over the segment before, which is the first record of every segment but the log's first.
    pub before: Option<indelible_engine::format::admin::Seal>,
}

/// A column's values, and how they are laid out in rows.
struct Column<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// Hashes all of a file again. `path` is where it is said to be.
///
/// # Errors
/// [`Error::Fault`]: damaged where it is no whole archive file, forged where its records are not those that its seal
/// states, unsupported for a later version.
pub fn check(file: File, path: &Path) -> Result<Checked> {
    let reader = SerializedFileReader::new(file).map_err(damaged(path))?;
    let about = about(&reader, path)?;
    walk(&reader, about, path, &mut |_, _| Ok(()))
}

/// Writes the log that a file was made of, byte for byte, hashing all of it again. Who writes it must not use it where this
/// fails.
///
/// # Errors
/// As [`check`]; [`Error::Io`].
pub fn rebuild<W: Write>(file: File, path: &Path, out: W) -> Result<(Checked, W)> {
    let reader = SerializedFileReader::new(file).map_err(damaged(path))?;
    let about = about(&reader, path)?;
    let shape: Shape = serde_json::from_str(metadata(&reader, SHAPE_KEY, path)?).map_err(|error| {
        Fault::damaged(0, "archived frames", "what Indelible writes", error).in_file(path)
    })?;
    let (_, header) = shape.header().map_err(|fault| fault.in_file(path))?;
    let stated = (header.store_id.to_string(), header.first_seq, header.predecessor.to_string());
    if stated != (about.store_id.clone(), about.seal.first_seq, about.predecessor.clone()) {
        let fault = Fault::forged(0, "archived log header", "one of this store and segment", "another");
        return Err(fault.in_file(path));
    }
    let fail = Error::io("write the log of", path);
    let mut log = match Rebuild::new(&shape, out) {
        Ok(log) => log,
        Err(error) => return Err(fail(error)),
    };
    let checked = walk(&reader, about, path, &mut |record, predecessor| {
        if header.salt.record(record.seq).0 != record.salt.0 {
            return Err(Fault::forged(0, "salt", "the one by the log's header", "another").in_file(path));
        }
        let row = FrameRecord {
            encoding: record.encoding,
            source: record.source,
            labels: record.labels.as_labels(),
            body: Body::Whole(record.body),
        };
        log.push(record.seq, record.received_at, predecessor, &row)
            .map_err(Error::io("write the log of", path))
    })?;
    let out = log.finish(checked.about.seal.end_seq, checked.last_leaf);
    Ok((checked, out.map_err(Error::io("write the log of", path))?))
}

/// Goes through all records, each with the leaf before it, and compares what they come to with the seal.
fn walk(
    reader: &SerializedFileReader<File>,
    about: About,
    path: &Path,
    visit: &mut dyn FnMut(&Row<'_>, Hash) -> Result<()>,
) -> Result<Checked> {
    let fail = damaged(path);
    let forged =
        |what, expected: String, found: String| Fault::forged(0, what, expected, found).in_file(path);
    let mut last_leaf = Hash::from_hex(&about.predecessor).ok_or_else(|| {
        forged("archive predecessor", "64 hex digits".to_owned(), about.predecessor.clone())
    })?;
    let (mut frontier, mut next, mut before) = (Frontier::<LogTree>::new(), about.seal.first_seq, None);
    let mut scratch = Vec::new();
    for group in 0..reader.num_row_groups() {
        let rows = Rows::read(&*reader.get_row_group(group).map_err(&fail)?).map_err(&fail)?;
        for row in 0..rows.count {
            let record = rows.record(row).ok_or_else(|| fail(short()))?;
            if record.seq != next {
                return Err(forged("archive seq", next.to_string(), record.seq.to_string()));
            }
            if record.seq == about.seal.first_seq && record.seq > 0 {
                before = match Admin::decode(record.body) {
                    Ok(Admin::Sealed(seal)) if record.source == 0 => Some(seal),
                    _ => {
                        return Err(forged(
                            "first record",
                            "the seal of the segment before".to_owned(),
                            "another".to_owned(),
                        ));
                    }
                };
            }
            visit(&record, last_leaf)?;
            let entry = Entry {
                encoding: record.encoding,
                source: record.source,
                seq: record.seq,
                received_at: record.received_at,
                body_len: record.body.len() as u32,
                labels: record.labels.as_labels(),
                predecessor: last_leaf,
                body_hash: hash::body(&record.salt, record.body),
            };
            last_leaf = entry.leaf(&mut scratch);
            frontier.push(last_leaf);
            next += 1;
        }
    }
    if next != about.seal.end_seq {
        return Err(forged("archive end", about.seal.end_seq.to_string(), next.to_string()));
    }
    let root = frontier.root().to_string();
    if root != about.seal.root {
        return Err(forged("segment root", about.seal.root.clone(), root));
    }
    Ok(Checked { about, last_leaf, before })
}

fn about(reader: &SerializedFileReader<File>, path: &Path) -> Result<About> {
    let bad =
        |found: String| Fault::damaged(0, "archive metadata", "what Indelible writes", found).in_file(path);
    let text = metadata(reader, METADATA_KEY, path)?;
    let version =
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|json| json["version"].as_u64());
    if version.is_some_and(|version| version != u64::from(VERSION)) {
        let found = version.unwrap_or_default();
        let fault = Fault::new(
            Class::Unsupported,
            0,
            "archive version",
            VERSION,
            format_args!("{found}: use a newer release"),
        );
        return Err(fault.in_file(path));
    }
    serde_json::from_str(text).map_err(|error| bad(error.to_string()))
}

/// What the file's metadata has under a key.
fn metadata<'r>(reader: &'r SerializedFileReader<File>, key: &str, path: &Path) -> Result<&'r str> {
    let pairs = reader.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    let text = pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref());
    text.filter(|text| text.len() <= METADATA_LEN_MAX)
        .ok_or_else(|| Fault::damaged(0, "archive metadata", "what Indelible writes", "none").in_file(path))
}

/// The columns of a group of rows that are hashed.
struct Rows {
    count: usize,
    seqs: Vec<i64>,
    received: Vec<i64>,
    sources: Vec<i64>,
    encodings: Vec<i32>,
    labels: Vec<Vec<ByteArray>>,
    bodies: Vec<ByteArray>,
    salts: Vec<parquet::data_type::FixedLenByteArray>,
}

/// A row, as a record.
struct Row<'a> {
    seq: u64,
    received_at: Timestamp,
    source: u64,
    encoding: u8,
    labels: LabelBuf,
    body: &'a [u8],
    salt: RecordSalt,
}

impl Rows {
    fn read(group: &dyn RowGroupReader) -> Result<Rows, ParquetError> {
        Ok(Rows {
            count: usize::try_from(group.metadata().num_rows()).map_err(|_| short())?,
            seqs: column::<Int64Type>(group, "seq")?.values,
            received: column::<Int64Type>(group, "received_at")?.values,
            sources: column::<Int64Type>(group, "source")?.values,
            encodings: column::<Int32Type>(group, "encoding")?.values,
            labels: lists(column::<ByteArrayType>(group, "labels.list.element")?),
            bodies: column::<ByteArrayType>(group, "body")?.values,
            salts: column::<FixedLenByteArrayType>(group, "salt")?.values,
        })
    }

    fn record(&self, row: usize) -> Option<Row<'_>> {
        let mut labels = LabelBuf::default();
        for label in self.labels.get(row)? {
            labels.push(std::str::from_utf8(label.data()).ok()?).ok()?;
        }
        Some(Row {
            seq: self.seqs.get(row)?.cast_unsigned(),
            received_at: Timestamp(*self.received.get(row)?),
            source: self.sources.get(row)?.cast_unsigned(),
            encoding: u8::try_from(*self.encodings.get(row)?).ok()?,
            labels,
            body: self.bodies.get(row)?.data(),
            salt: RecordSalt(self.salts.get(row)?.data().try_into().ok()?),
        })
    }
}

fn short() -> ParquetError {
    ParquetError::General("a row is not whole".to_owned())
}

/// All of a group's values of the column with this path.
fn column<T: DataType>(group: &dyn RowGroupReader, path: &str) -> Result<Column<T::T>, ParquetError> {
    let columns = group.metadata().columns();
    let found = columns.iter().position(|column| column.column_path().string() == path);
    let index = found.ok_or_else(|| ParquetError::General(format!("there is no column {path}")))?;
    if columns.get(index).is_none_or(|column| column.column_type() != T::get_physical_type()) {
        return Err(ParquetError::General(format!("column {path} is of another type")));
    }
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(index)?);
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let (rows, _, _) =
            reader.read_records(READ_ROWS, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
        if rows == 0 {
            return Ok(Column { values, definitions, repetitions });
        }
    }
}

/// How many rows are read at once.
const READ_ROWS: usize = 8192;

fn lists(column: Column<ByteArray>) -> Vec<Vec<ByteArray>> {
    let (mut lists, mut values): (Vec<Vec<ByteArray>>, _) = (Vec::new(), column.values.into_iter());
    for (definition, repetition) in column.definitions.iter().zip(&column.repetitions) {
        if *repetition == 0 {
            lists.push(Vec::new());
        }
        if let Some(list) = lists.last_mut().filter(|_| *definition > 0) {
            list.extend(values.next());
        }
    }
    lists
}
