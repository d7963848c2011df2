//! What queries are put to. A snapshot answers by its index; whoever has nothing but records is asked one by one.
//!
//! This is all that the executor sees of a log: so the same query runs on a store and on what a store's owner gave out
//! of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use indelible_engine::answer::{OwnedTerm, Search, Watch};
use indelible_engine::filter::{Filter, Glob};
use indelible_engine::source::Profile;
use indelible_engine::{Seq, Snapshot};

use crate::controls::MappedControls;
use crate::error::Result;
use crate::run::{Row, Rows};

/// Records that queries can be put to.
pub trait Ground: fmt::Debug + Send + Sync {
    /// The records in a range of seqs that match, each as a row.
    ///
    /// # Errors
    /// Where the filter is none, and whatever reading the records says.
    fn rows(&self, filter: &Filter, seqs: Range<Seq>, order: Order, watch: &Arc<Watch>) -> Result<Rows>;

    /// The same as a search by index, which can count and explain without reading; none where there is no index.
    ///
    /// # Errors
    /// As [`Ground::rows`].
    fn search(&self, filter: &Filter, seqs: Range<Seq>, watch: &Arc<Watch>) -> Result<Option<Search>>;

    /// The values of a field that match a glob, each with the count of the records that have it.
    ///
    /// # Errors
    /// Whatever reading the records says.
    fn terms(&self, field: &str, glob: &Glob) -> Result<BTreeMap<OwnedTerm, u64>>;

    /// Calls `visit` with each profile by which some of the records may be read.
    ///
    /// # Errors
    /// Whatever reading the records says.
    fn each_profile(&self, visit: &mut dyn FnMut(&Profile)) -> Result<()>;

    /// Which records in a range of seqs are in no answer because they were deleted: how many, by the seqs of the records
    /// that have their plans.
    ///
    /// # Errors
    /// Whatever reading the records says.
    fn deleted(&self, _seqs: Range<Seq>) -> Result<BTreeMap<Seq, u64>> {
        Ok(BTreeMap::new())
    }

    /// The controls that queries ask about, where they are given no others: those that ship.
    ///
    /// # Errors
    /// Whatever reading the records says.
    fn controls(&self) -> Result<MappedControls> {
        MappedControls::shipped()
    }
}

/// In which order records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// That of the log.
    OldestFirst,
    /// Against it.
    NewestFirst,
}

impl Ground for Snapshot {
    fn rows(&self, filter: &Filter, seqs: Range<Seq>, order: Order, watch: &Arc<Watch>) -> Result<Rows> {
        let search = Snapshot::search(self, filter)?.within(seqs).watched_by(Arc::clone(watch));
        let search = if order == Order::NewestFirst { search.newest_first() } else { search };
        Ok(Box::new(search.map(|hit| Ok(Row::of_event(hit?)))))
    }

    fn search(&self, filter: &Filter, seqs: Range<Seq>, watch: &Arc<Watch>) -> Result<Option<Search>> {
        Ok(Some(Snapshot::search(self, filter)?.within(seqs).watched_by(Arc::clone(watch))))
    }

    fn terms(&self, field: &str, glob: &Glob) -> Result<BTreeMap<OwnedTerm, u64>> {
        Ok(Snapshot::terms(self, field, Some(glob))?)
    }

    fn each_profile(&self, visit: &mut dyn FnMut(&Profile)) -> Result<()> {
        self.sources()?.iter().for_each(|source| visit(source.profile()));
        Ok(())
    }

    fn deleted(&self, seqs: Range<Seq>) -> Result<BTreeMap<Seq, u64>> {
        Ok(Snapshot::deleted(self, seqs)?)
    }

    fn controls(&self) -> Result<MappedControls> {
        MappedControls::of(self)
    }
}

/// How many records in a range of seqs match: by index where there is one.
pub(crate) fn total(
    ground: &dyn Ground,
    filter: &Filter,
    seqs: &Range<Seq>,
    watch: &Arc<Watch>,
) -> Result<u64> {
    if let Some(mut search) = ground.search(filter, seqs.clone(), watch)? {
        return Ok(search.total()?);
    }
    let mut rows = ground.rows(filter, seqs.clone(), Order::OldestFirst, watch)?;
    rows.try_fold(0, |count, row| row.map(|_| count + 1))
}
