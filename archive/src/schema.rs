//! The columns of an archive file, and what its metadata says.
//!
//! The fixed columns are all that it takes to hash a record again. Behind them, for people who ask: a column for each field
//! of the profiles by which the segment's records are read, its first value as text. `control` has all values.

use std::collections::BTreeSet;
use std::sync::Arc;

use indelible_engine::format::admin::Seal;
use indelible_engine::source::{FieldKind, Profile};
use indelible_engine::{Seq, Source};
use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;
use serde::{Deserialize, Serialize};

/// The key of the file's metadata under which [`About`] stands, as JSON.
pub(crate) const METADATA_KEY: &str = "indelible";
/// The key under which the log's frames stand, as JSON.
pub(crate) const SHAPE_KEY: &str = "indelible.log";
/// The version of the layout.
pub(crate) const VERSION: u32 = 1;
/// Longest metadata that is read, in bytes: a few profiles.
pub(crate) const METADATA_LEN_MAX: usize = 16 << 20;

/// How many of the fixed columns are hashed: they come first, so that one request fetches them.
pub(crate) const HASHED: usize = 10;
/// The fixed columns, in order. Of a deleted record there is no body, and the store has no salt any more; what its stub says
/// stands under `deleted_...`.
const FIXED: &str = "
    REQUIRED INT64 seq (INTEGER(64,false));
    REQUIRED INT64 received_at (TIMESTAMP(NANOS,true));
    REQUIRED INT64 source (INTEGER(64,false));
    REQUIRED INT32 encoding (INTEGER(8,false));
    REQUIRED GROUP labels (LIST) { REPEATED GROUP list { REQUIRED BYTE_ARRAY element (STRING); } }
    OPTIONAL BYTE_ARRAY body;
    OPTIONAL FIXED_LEN_BYTE_ARRAY (32) salt;
    OPTIONAL INT32 deleted_len (INTEGER(32,false));
    OPTIONAL FIXED_LEN_BYTE_ARRAY (32) deleted_hash;
    OPTIONAL INT64 deleted_by (INTEGER(64,false));
    OPTIONAL INT64 event_time (TIMESTAMP(NANOS,true));
    OPTIONAL BYTE_ARRAY event_day (STRING);
    REQUIRED GROUP control (LIST) { REPEATED GROUP list { REQUIRED BYTE_ARRAY element (STRING); } }
    OPTIONAL BYTE_ARRAY event_id (STRING);
";
/// Names that no field's column may have.
const TAKEN: [&str; 15] = [
    "seq",
    "received_at",
    "event_time",
    "event_day",
    // The folder's name says it to whoever reads `day=...` as a column.
    "day",
    "source",
    "encoding",
    "labels",
    "control",
    "event_id",
    "body",
    "salt",
    "deleted_len",
    "deleted_hash",
    "deleted_by",
];

/// What an archive file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The version of the layout.
    pub version: u32,
    /// The log's origin.
    pub origin: String,
    /// The store's identity, 32 hex digits.
    pub store_id: String,
    /// What the seal over the segment states.
    pub seal: Seal,
    /// The leaf of the record before the first, 64 hex digits.
    pub predecessor: String,
    /// The profiles by which the records are read.
    pub sources: Vec<ArchivedSource>,
}

/// A profile version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedSource {
    /// What the records' `source` says.
    pub seq: Seq,
    /// Its name.
    pub name: String,
    /// Its text, TOML.
    pub profile: String,
}

/// The columns of fields, in order.
pub(crate) fn field_columns(sources: &[Source]) -> Vec<String> {
    let profiles = sources.iter().map(Source::profile).chain([Profile::store_records()]);
    let fields = profiles.flat_map(Profile::fields);
    let terms = fields.filter(|field| !matches!(field.kind, FieldKind::Time | FieldKind::Id));
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let names: BTreeSet<String> = terms.map(|field| field.name.clone()).collect();
    names.into_iter().filter(|name| !TAKEN.contains(&name.as_str()) && is_plain(name)).collect()
}

/// The schema with these field columns.
pub(crate) fn schema(fields: &[String]) -> Result<Arc<Type>, ParquetError> {
    let fields: String =
        fields.iter().map(|name| format!("    OPTIONAL BYTE_ARRAY {name} (STRING);\n")).collect();
    parse_message_type(&format!("message record {{{FIXED}{fields}}}")).map(Arc::new)
}
