//! From a snapshot's records to the rows of a file, a group of rows at a time.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::answer::Hit;
use indelible_engine::filter::Filter;
use indelible_engine::source::EventTime;
use indelible_engine::{Error, Result, Seq, Snapshot, Timestamp};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::damaged;
use crate::schema::{About, METADATA_KEY, SHAPE_KEY, field_columns, schema};
use crate::shape::Shape;

/// How long the events of one group of rows get, in bytes: whoever wants one row may have to read its group.
const GROUP_LEN: usize = 16 << 20;

/// A column with a value here and there.
#[derive(Default)]
struct Sparse {
    values: Vec<ByteArray>,
    definitions: Vec<i16>,
}

impl Sparse {
    fn push(&mut self, value: Option<&[u8]>) {
        self.definitions.push(i16::from(value.is_some()));
        self.values.extend(value.map(|value| ByteArray::from(value.to_vec())));
    }
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
        self.values.extend(values.map(|value| ByteArray::from(value.to_vec())));
        let count = self.values.len() - before;
        self.definitions.extend(std::iter::repeat_n(i16::from(count > 0), count.max(1)));
        self.repetitions.push(0);
        self.repetitions.extend(std::iter::repeat_n(1, count.saturating_sub(1)));
    }
}

/// The rows that are gathered.
#[derive(Default)]
struct Rows {
    len: usize,
    seqs: Vec<i64>,
    received: Vec<i64>,
    times: Vec<i64>,
    time_definitions: Vec<i16>,
    days: Sparse,
    sources: Vec<i64>,
    encodings: Vec<i32>,
    labels: Lists,
    controls: Lists,
    event_ids: Sparse,
    bodies: Vec<ByteArray>,
    salts: Vec<parquet::data_type::FixedLenByteArray>,
    fields: Vec<Sparse>,
}

impl Rows {
    fn new(field_count: usize) -> Self {
        Rows { fields: (0..field_count).map(|_| Sparse::default()).collect(), ..Rows::default() }
    }

    fn push(&mut self, hit: &Hit, salt: [u8; 32], names: &[String]) -> Result<()> {
        let found = hit.fields()?;
        let rules = hit.profile().fields();
        let time = match hit.event_time()? {
            EventTime::Known(time) => Some(time),
            EventTime::Absent | EventTime::Unreadable => None,
        };
        self.len += hit.body().len();
        self.seqs.push(hit.seq.cast_signed());
        self.received.push(hit.received_at.0);
        self.times.extend(time.map(|time| time.0));
        self.time_definitions.push(i16::from(time.is_some()));
        self.days.push(time.and_then(day).as_ref().map(|day| day.as_bytes()));
        self.sources.push(hit.source.cast_signed());
        self.encodings.push(hit.encoding.into());
        self.labels.push(hit.labels().iter().map(str::as_bytes));
        let of = |name: &str| {
            let slot = rules.iter().position(|rule| rule.name == name);
            let terms = found.terms().filter(move |(at, _)| slot == Some(usize::from(*at)));
            terms.map(|(_, term)| term.bytes)
        };
        self.controls.push(of("control"));
        self.event_ids.push(found.event_id());
        for (name, column) in names.iter().zip(&mut self.fields) {
            column.push(of(name).next());
        }
        self.bodies.push(ByteArray::from(hit.body().to_vec()));
        self.salts.push(ByteArray::from(salt.to_vec()).into());
        Ok(())
    }

    fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        column::<Int64Type, W>(group, &self.seqs, None, None)?;
        column::<Int64Type, W>(group, &self.received, None, None)?;
        column::<Int64Type, W>(group, &self.times, Some(&self.time_definitions), None)?;
        sparse(group, &self.days)?;
        column::<Int64Type, W>(group, &self.sources, None, None)?;
        column::<Int32Type, W>(group, &self.encodings, None, None)?;
        lists(group, &self.labels)?;
        lists(group, &self.controls)?;
        sparse(group, &self.event_ids)?;
        column::<ByteArrayType, W>(group, &self.bodies, None, None)?;
        column::<FixedLenByteArrayType, W>(group, &self.salts, None, None)?;
        self.fields.iter().try_for_each(|field| sparse(group, field))
    }
}

fn sparse<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    from: &Sparse,
) -> Result<(), ParquetError> {
    column::<ByteArrayType, W>(group, &from.values, Some(&from.definitions), None)
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
    let fail = damaged(path);
    // Profiles that came later read none of these records, and a file is the same whenever it is written.
    let sources: Vec<_> = snapshot.sources()?.into_iter().filter(|source| source.seq() < seqs.end).collect();
    let names = field_columns(&sources);
    let unwritten = |error: serde_json::Error| fail(ParquetError::External(error.into()));
    let text = serde_json::to_string(about).map_err(unwritten)?;
    let frames = serde_json::to_string(shape).map_err(unwritten)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("indelible {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![
            KeyValue::new(METADATA_KEY.to_owned(), text),
            KeyValue::new(SHAPE_KEY.to_owned(), frames),
        ]))
        .build();
    let mut file = SerializedFileWriter::new(out, schema(&names).map_err(&fail)?, Arc::new(properties))
        .map_err(&fail)?;
    let mut rows = Rows::new(names.len());
    let mut flush = |rows: &mut Rows| -> Result<(), ParquetError> {
        let mut group = file.next_row_group()?;
        rows.write(&mut group)?;
        group.close()?;
        *rows = Rows::new(names.len());
        Ok(())
    };
    for hit in snapshot.search(&Filter::Seqs(seqs))? {
        let hit = hit?;
        rows.push(&hit, snapshot.salt(hit.seq)?.0, &names)?;
        if rows.len >= GROUP_LEN {
            flush(&mut rows).map_err(&fail)?;
        }
        if hit.seq % 4096 == 0 && !progress(hit.seq) {
            return Err(Error::Cancelled);
        }
    }
    if !rows.seqs.is_empty() {
        flush(&mut rows).map_err(&fail)?;
    }
    file.into_inner().map_err(fail)
}
