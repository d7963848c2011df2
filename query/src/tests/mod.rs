//! Whole queries on small stores.

mod controls;
mod face;
mod naive;
mod page;
mod random;
mod sample;

use std::collections::BTreeMap;

use indelible_engine::filter::Filter;
use indelible_engine::source::Profile;
use indelible_engine::{Options as StoreOptions, Snapshot, Store, Timestamp};

pub(crate) use sample::QUESTIONS;

use crate::{Answer, Disclosed, Options, Query, Result, Row, Value, Vocabulary};

/// A store of these events; the directory lives as long as it does.
pub(crate) struct Sample {
    _dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) snapshot: Snapshot,
}

impl Sample {
    /// The events of each batch in a segment of their own; the last one stays open.
    pub(crate) fn new<'e>(batches: impl IntoIterator<Item = Vec<&'e str>>) -> Sample {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open_or_create(dir.path().join("store"), StoreOptions::new("acme.example/sample"))
            .expect("a store");
        for (index, batch) in batches.into_iter().enumerate() {
            if index > 0 {
                store.seal().expect("a seal");
            }
            store.append_batch(batch).expect("events");
        }
        Sample { snapshot: store.snapshot().expect("a snapshot"), store, _dir: dir }
    }

    pub(crate) fn run(&self, text: &str) -> Result<Answer> {
        let query = Query::parse(text, &Vocabulary::of(&self.snapshot)?)?;
        query.run(&self.snapshot, &Options::at(now()))
    }

    /// All records, without their store.
    pub(crate) fn disclosed(&self) -> Disclosed {
        self.disclosed_to(&[Filter::everything()])
    }

    /// The records that one of these filters matches, without their store.
    pub(crate) fn disclosed_to(&self, filters: &[Filter]) -> Disclosed {
        let sources = self.snapshot.sources().expect("sources");
        let profiles = sources
            .iter()
            .map(|source| (source.seq(), Profile::parse(source.profile().text()).expect("a profile")));
        let mut records = BTreeMap::new();
        for hit in filters.iter().flat_map(|filter| self.snapshot.search(filter).expect("a search")) {
            let record = hit.expect("a record").to_record();
            records.insert(record.seq, record);
        }
        Disclosed::new(records.into_values(), profiles).expect("records that can be read")
    }
}

/// 2026-04-10T00:00:00Z.
pub(crate) fn now() -> Timestamp {
    Timestamp(1_775_779_200_000_000_000)
}

/// A row as a line: of an event its id and what was added, of a table all columns.
pub(crate) fn show(row: &Row) -> String {
    let values = row.values().iter().map(|value| match value {
        Value::Missing => "-".to_owned(),
        value => value.to_string(),
    });
    id(row).into_iter().chain(values).collect::<Vec<_>>().join(" ")
}

/// The id of the event that a row is; its seq, where it has none.
pub(crate) fn id(row: &Row) -> Option<String> {
    let event = row.event()?;
    let id = event.fields().expect("fields").event_id().map(|id| String::from_utf8_lossy(id).into_owned());
    Some(id.unwrap_or_else(|| format!("#{}", event.seq())))
}
