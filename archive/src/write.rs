//! From a snapshot's records to the rows of a file, a group of rows for each piece of the log.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::answer::Hit;
use indelible_engine::filter::Filter;
use indelible_engine::format::frame::Stub;
use indelible_engine::hash::RecordSalt;
use indelible_engine::source::EventTime;
use indelible_engine::{Error, Record, Result, Seq, Snapshot, Timestamp};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;

use crate::schema::{About, METADATA_KEY, SHAPE_KEY, field_columns, schema};
use crate::shape::Shape;
use crate::unwritten;

/// A column with a value here and there.
struct Sparse<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Sparse { values: Vec::new(), definitions: Vec::new() }
    }
}

impl<T> Sparse<T> {
    fn push(&mut self, value: Option<T>) {
        self.definitions.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

fn text(bytes: &[u8]) -> ByteArray {
    ByteArray::from(bytes.to_vec())
}

fn fixed(bytes: [u8; 32]) -> FixedLenByteArray {
    text(&bytes).into()
}

/// A column of lists.
#[derive(Default)]
struct Lists {
    values: Vec<ByteArray>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl Lists {
    fn push<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>) {
        let before = self.values.len();
        self.values.extend(values.map(text));
        let count = self.values.len() - before;
        self.definitions.extend(std::iter::repeat_n(i16::from(count > 0), count.max(1)));
        self.repetitions.push(0);
        self.repetitions.extend(std::iter::repeat_n(1, count.saturating_sub(1)));
    }
}

/// The rows that are gathered.
#[derive(Default)]
struct Rows {
    seqs: Vec<i64>,
    received: Vec<i64>,
    sources: Vec<i64>,
    encodings: Vec<i32>,
    labels: Lists,
    bodies: Sparse<ByteArray>,
    salts: Sparse<FixedLenByteArray>,
    deleted_lens: Sparse<i32>,
    deleted_hashes: Sparse<FixedLenByteArray>,
    deleted_by: Sparse<i64>,
    times: Sparse<i64>,
    days: Sparse<ByteArray>,
    controls: Lists,
    event_ids: Sparse<ByteArray>,
    fields: Vec<Sparse<ByteArray>>,
}

impl Rows {
    fn new(field_count: usize) -> Self {
        Rows { fields: (0..field_count).map(|_| Sparse::default()).collect(), ..Rows::default() }
    }

    fn push(&mut self, hit: &Hit, salt: RecordSalt, names: &[String]) -> Result<()> {
        let found = hit.fields()?;
        let rules = hit.profile().fields();
        let time = match hit.event_time()? {
            EventTime::Known(time) => Some(time),
            EventTime::Absent | EventTime::Unreadable => None,
        };
        self.entry((hit.seq, hit.received_at), (hit.source, hit.encoding), hit.labels().iter());
        self.bodies.push(Some(text(hit.body())));
        self.salts.push(Some(fixed(salt.0)));
        self.stub(None);
        self.times.push(time.map(|time| time.0));
        self.days.push(time.and_then(day).map(|day| text(day.as_bytes())));
        let of = |name: &str| {
            let slot = rules.iter().position(|rule| rule.name == name);
            let terms = found.terms().filter(move |(at, _)| slot == Some(usize::from(*at)));
            terms.map(|(_, term)| term.bytes)
        };
        self.controls.push(of("control"));
        self.event_ids.push(found.event_id().map(text));
        for (name, column) in names.iter().zip(&mut self.fields) {
            column.push(of(name).next().map(text));
        }
        Ok(())
    }

    /// Adds what is left of a record that was deleted.
    fn push_deleted(&mut self, record: &Record) {
        let source = (record.source, record.encoding);
        self.entry((record.seq, record.received_at), source, record.labels.iter().map(String::as_str));
        self.bodies.push(None);
        self.salts.push(None);
        self.stub(record.deleted);
        self.times.push(None);
        self.controls.push(std::iter::empty());
        let columns = [&mut self.days, &mut self.event_ids].into_iter().chain(&mut self.fields);
        columns.for_each(|column| column.push(None));
    }

    fn entry<'l>(
        &mut self,
        (seq, received_at): (Seq, Timestamp),
        (source, encoding): (Seq, u8),
        labels: impl Iterator<Item = &'l str>,
    ) {
        self.seqs.push(seq.cast_signed());
        self.received.push(received_at.0);
        self.sources.push(source.cast_signed());
        self.encodings.push(encoding.into());
        self.labels.push(labels.map(str::as_bytes));
    }

    fn stub(&mut self, stub: Option<Stub>) {
        self.deleted_lens.push(stub.map(|stub| stub.body_len.cast_signed()));
        self.deleted_hashes.push(stub.map(|stub| fixed(stub.body_hash.0)));
        self.deleted_by.push(stub.map(|stub| stub.plan.cast_signed()));
    }

    fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        column::<Int64Type, W>(group, &self.seqs, None, None)?;
        column::<Int64Type, W>(group, &self.received, None, None)?;
        column::<Int64Type, W>(group, &self.sources, None, None)?;
        column::<Int32Type, W>(group, &self.encodings, None, None)?;
        lists(group, &self.labels)?;
        sparse::<ByteArrayType, W>(group, &self.bodies)?;
        sparse::<FixedLenByteArrayType, W>(group, &self.salts)?;
        sparse::<Int32Type, W>(group, &self.deleted_lens)?;
        sparse::<FixedLenByteArrayType, W>(group, &self.deleted_hashes)?;
        sparse::<Int64Type, W>(group, &self.deleted_by)?;
        sparse::<Int64Type, W>(group, &self.times)?;
        sparse::<ByteArrayType, W>(group, &self.days)?;
        lists(group, &self.controls)?;
        sparse::<ByteArrayType, W>(group, &self.event_ids)?;
        self.fields.iter().try_for_each(|field| sparse::<ByteArrayType, W>(group, field))
    }
}

fn sparse<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    from: &Sparse<T::T>,
) -> Result<(), ParquetError> {
    column::<T, W>(group, &from.values, Some(&from.definitions), None)
}

fn lists<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    from: &Lists,
) -> Result<(), ParquetError> {
    column::<ByteArrayType, W>(group, &from.values, Some(&from.definitions), Some(&from.repetitions))
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema".to_owned()))?;
    column.typed::<T>().write_batch(values, definitions, repetitions)?;
    column.close()
}

/// The UTC day of a time, `YYYY-MM-DD`.
fn day(time: Timestamp) -> Option<String> {
    time.to_string().get(..10).map(str::to_owned)
}

/// Writes the records of `seqs` as a file; `progress` is told the seqs that are done, and stops by saying false.
pub(crate) fn write<W: Write + Send>(
    snapshot: &Snapshot,
    seqs: std::ops::Range<Seq>,
    (about, shape): (&About, &Shape),
    out: W,
    path: &Path,
    progress: &mut dyn FnMut(Seq) -> bool,
) -> Result<W> {
    let fail = unwritten(path);
    // Profiles that came later read none of these records, and a file is the same whenever it is written.
    let sources: Vec<_> = snapshot.sources()?.into_iter().filter(|source| source.seq() < seqs.end).collect();
    let names = field_columns(&sources);
    let unspoken = |error: serde_json::Error| fail(ParquetError::External(error.into()));
    let (facts, frames) = (serde_json::to_string(about), serde_json::to_string(shape));
    let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    // What differs from row to row gains nothing by a dictionary, and nobody looks for a range of it.
    for column in ["body", "salt", "deleted_hash"] {
        let column = ColumnPath::from(column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    // What grows from row to row is written as the steps.
    for column in ["seq", "received_at", "event_time"] {
        let column = ColumnPath::from(column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    let properties = properties
        .set_created_by(format!("indelible {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![
            KeyValue::new(METADATA_KEY.to_owned(), facts.map_err(unspoken)?),
            KeyValue::new(SHAPE_KEY.to_owned(), frames.map_err(unspoken)?),
        ]))
        .build();
    let mut file = SerializedFileWriter::new(out, schema(&names).map_err(&fail)?, Arc::new(properties))
        .map_err(&fail)?;
    let mut hits = snapshot.search(&Filter::Seqs(seqs.clone()))?.peekable();
    let ends = shape.pieces.iter().skip(1).map(|piece| piece.first_seq).chain([seqs.end]);
    let mut next = seqs.start;
    for end in ends {
        let mut rows = Rows::new(names.len());
        while next < end {
            if (next - seqs.start).is_multiple_of(4096) && !progress(next) {
                return Err(Error::Cancelled);
            }
            let hit = hits.next_if(|hit| hit.as_ref().map_or(true, |hit| hit.seq == next)).transpose()?;
            match hit {
                Some(hit) => rows.push(&hit, snapshot.salt(next)?, &names)?,
                // No search finds what was deleted.
                None => rows.push_deleted(&snapshot.record(next)?),
            }
            next += 1;
        }
        let mut group = file.next_row_group().map_err(&fail)?;
        rows.write(&mut group).and_then(|()| group.close().map(drop)).map_err(&fail)?;
    }
    file.into_inner().map_err(fail)
}
