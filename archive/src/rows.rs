//! The columns of a group of rows that are hashed, and its rows as records.

use indelible_engine::Timestamp;
use indelible_engine::format::frame::{Body, FrameRecord, LabelBuf, Stub};
use indelible_engine::hash::{Hash, RecordSalt};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::reader::RowGroupReader;

/// How many rows are read at once.
const READ_ROWS: usize = 8192;

/// A column's values, and how they are laid out in rows.
struct Column<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// The columns of a group of rows that are hashed.
pub(crate) struct Rows {
    pub(crate) count: usize,
    seqs: Vec<i64>,
    received: Vec<i64>,
    sources: Vec<i64>,
    encodings: Vec<i32>,
    labels: Vec<Vec<ByteArray>>,
    bodies: Vec<Option<ByteArray>>,
    salts: Vec<Option<FixedLenByteArray>>,
    deleted_lens: Vec<Option<i32>>,
    deleted_hashes: Vec<Option<FixedLenByteArray>>,
    deleted_by: Vec<Option<i64>>,
}

/// A row, as a record. Its body has its salt, be it the segment's or its own.
pub(crate) struct Row<'a> {
    pub(crate) seq: u64,
    pub(crate) received_at: Timestamp,
    source: u64,
    encoding: u8,
    labels: LabelBuf,
    pub(crate) body: Body<'a>,
}

impl Rows {
    pub(crate) fn read(group: &dyn RowGroupReader) -> Result<Rows, ParquetError> {
        Ok(Rows {
            count: usize::try_from(group.metadata().num_rows()).map_err(|_| short())?,
            seqs: column::<Int64Type>(group, "seq")?.values,
            received: column::<Int64Type>(group, "received_at")?.values,
            sources: column::<Int64Type>(group, "source")?.values,
            encodings: column::<Int32Type>(group, "encoding")?.values,
            labels: lists(column::<ByteArrayType>(group, "labels.list.element")?),
            bodies: optional(column::<ByteArrayType>(group, "body")?),
            salts: optional(column::<FixedLenByteArrayType>(group, "salt")?),
            deleted_lens: optional(column::<Int32Type>(group, "deleted_len")?),
            deleted_hashes: optional(column::<FixedLenByteArrayType>(group, "deleted_hash")?),
            deleted_by: optional(column::<Int64Type>(group, "deleted_by")?),
        })
    }

    /// The record of a row.
    ///
    /// # Errors
    /// Where the row is not whole.
    pub(crate) fn record(&self, row: usize) -> Result<Row<'_>, ParquetError> {
        self.whole(row).ok_or_else(short)
    }

    fn whole(&self, row: usize) -> Option<Row<'_>> {
        let mut labels = LabelBuf::default();
        for label in self.labels.get(row)? {
            labels.push(std::str::from_utf8(label.data()).ok()?).ok()?;
        }
        let body = match (self.bodies.get(row)?, self.salts.get(row)?) {
            (Some(body), Some(salt)) => Body::Salted(RecordSalt(salt.data().try_into().ok()?), body.data()),
            (None, None) => Body::Deleted(Stub {
                body_len: (*self.deleted_lens.get(row)?)?.cast_unsigned(),
                body_hash: Hash(self.deleted_hashes.get(row)?.as_ref()?.data().try_into().ok()?),
                plan: (*self.deleted_by.get(row)?)?.cast_unsigned(),
            }),
            _ => return None,
        };
        Some(Row {
            seq: self.seqs.get(row)?.cast_unsigned(),
            received_at: Timestamp(*self.received.get(row)?),
            source: self.sources.get(row)?.cast_unsigned(),
            encoding: u8::try_from(*self.encodings.get(row)?).ok()?,
            labels,
            body,
        })
    }
}

impl Row<'_> {
    /// As a frame has it.
    pub(crate) fn as_record(&self) -> FrameRecord<'_> {
        FrameRecord {
            encoding: self.encoding,
            source: self.source,
            labels: self.labels.as_labels(),
            body: self.body,
        }
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

/// A value or none for each row.
fn optional<T>(column: Column<T>) -> Vec<Option<T>> {
    let mut values = column.values.into_iter();
    let value = |definition: &i16| if *definition > 0 { values.next() } else { None };
    column.definitions.iter().map(value).collect()
}

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
