//! Questions to a snapshot: which records match a filter, how many, and which words there are.

use std::collections::BTreeMap;

use super::Snapshot;
use crate::Result;
use crate::answer::{self, Explanation, FieldSummary, Groups, Hit, OwnedTerm, Search};
use crate::filter::{Filter, Glob};

impl Snapshot {
    /// The records that match a filter, in the order of the log, the store's own among them.
    ///
    /// ```
    /// # use indelible_engine::{Options, Store};
    /// use indelible_engine::filter::{Field, Filter, Test, Value};
    ///
    /// # fn main() -> indelible_engine::Result<()> {
    /// # let dir = std::env::temp_dir().join(format!("indelible-doc-ask-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&dir);
    /// let store = Store::open_or_create(&dir, Options::new("acme.example/agents-prod"))?;
    /// store.append(br#"{"run_id":"run_8bce4","kind":"deployment"}"#)?;
    /// let of_run = Test::Equals(vec![Value::Text("run_8bce4".to_owned())]);
    /// let filter = Filter::Field(Field::Name("run".to_owned()), of_run);
    /// for hit in store.snapshot()?.search(&filter)? {
    ///     assert_eq!(hit?.body(), br#"{"run_id":"run_8bce4","kind":"deployment"}"#);
    /// }
    /// # let _ = std::fs::remove_dir_all(&dir);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidFilter`](crate::Error::InvalidFilter); whatever reading the active segment's log says.
    pub fn search(&self, filter: &Filter) -> Result<Search> {
        Search::new(self.as_of()?, filter)
    }

    /// The events with this id, in the order of the log.
    ///
    /// ```
    /// use indelible_engine::{Options, Store};
    ///
    /// # fn main() -> indelible_engine::Result<()> {
    /// # let dir = std::env::temp_dir().join(format!("indelible-doc-id-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&dir);
    /// let store = Store::open_or_create(&dir, Options::new("acme.example/agents-prod"))?;
    /// store.append(br#"{"event_id":"evt_1","kind":"deployment"}"#)?;
    /// let events = store.snapshot()?.events_with_id("evt_1")?;
    /// assert_eq!(events[0].body(), br#"{"event_id":"evt_1","kind":"deployment"}"#);
    /// # let _ = std::fs::remove_dir_all(&dir);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn events_with_id(&self, id: &str) -> Result<Vec<Hit>> {
        answer::events(&*self.as_of()?, id)
    }

    /// How many records match.
    ///
    /// # Errors
    /// As [`Search::total`].
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        self.search(filter)?.total()
    }

    /// The records that match, counted by the values of these fields.
    ///
    /// # Errors
    /// As [`Search::group_by`].
    pub fn count_by(&self, filter: &Filter, fields: &[&str]) -> Result<Groups> {
        self.search(filter)?.group_by(fields)
    }

    /// How a filter is answered. This answers it, and so takes as long, but for what would have to be fetched from an
    /// archive.
    ///
    /// # Errors
    /// As [`Search::total`].
    pub fn explain(&self, filter: &Filter) -> Result<Explanation> {
        self.search(filter)?.explain()
    }

    /// All fields that the log's profiles declare, and the index's own, by name.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn fields(&self) -> Result<Vec<FieldSummary>> {
        let as_of = self.as_of()?;
        answer::field_summaries(&as_of)
    }

    /// The values of a field that match a glob, or all of them, each with the count of the records that have it.
    /// Fields that hold event ids or times have none here.
    ///
    /// # Errors
    /// Whatever reading the log says; [`Error::OverLimit`](crate::Error::OverLimit) for more than
    /// [`GROUPS_MAX`](crate::limits::GROUPS_MAX).
    pub fn terms(&self, field: &str, glob: Option<&Glob>) -> Result<BTreeMap<OwnedTerm, u64>> {
        let as_of = self.as_of()?;
        answer::terms(&as_of, field, glob)
    }
}
