//! Answers: from a filter to the records that match it, by index.
//!
//! Each segment is asked for itself. Its sidecar says of every condition which records surely match and which are
//! *open*: where the index can't decide, the record is read and the filter's [`Matcher`](crate::filter::Matcher) asked. So an answer is
//! always what the matcher would say of every record of the snapshot; the index only makes it cheap.
//!
//! A sidecar is a cache of what the log says. One that is missing or damaged is made anew from the log, in memory,
//! and the answer says so; bytes of the log itself are used only once their frame's checksum was found right.
//!
//! # What this room does not do
//! It reads no query language, sorts nothing, and writes nothing.

mod bounds;
#[cfg(test)]
mod damage_tests;
mod explain;
mod fences;
mod fetch;
mod gathered;
mod glance;
mod grep;
mod group;
mod hit;
mod ids;
mod memo;
mod names;
mod narrowed;
#[cfg(test)]
mod narrowed_tests;
mod paths;
mod plan;
mod recall;
mod runs;
mod search;
mod set;
mod stretch;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod vocabulary;
mod walk;
mod ways;
mod zones;

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use hashbrown::HashMap;

use crate::format::head::Head;
use crate::log::directories::Run;
use crate::log::views::View;
use crate::log::{Catalog, Log, lock};
use crate::{Error, Fault, Result, Seq};

pub use explain::{Explanation, PostingExplanation, SegmentExplanation};
pub use fetch::ToFetch;
use gathered::Gathered;
pub use group::{GroupKey, Groups, OwnedTerm};
pub use hit::Hit;
pub(crate) use ids::events;
use memo::Memo;
use recall::Recall;
use runs::Runs;
pub use search::{Search, Warning, Watch};
use stretch::Stretch;
pub use tally::Tally;
pub use vocabulary::FieldSummary;
pub(crate) use vocabulary::{field_summaries, terms};
use ways::Tables;

/// The log as of one head, and the stretches of it that were opened: once, not once a question.
#[derive(Debug)]
pub(crate) struct AsOf {
    log: Arc<Log>,
    head: Arc<Head>,
    catalog: Arc<Catalog>,
    views: Arc<[View]>,
    opened: Arc<Opened>,
    /// For each view, its stretch.
    stretches: Vec<Slot>,
    runs: OnceLock<Runs>,
    /// The directories that know event ids, those in memory too, once there are all that there will be.
    id_runs: OnceLock<Vec<Run>>,
}

/// The stretch of a view: as it was opened, and as it was made anew where that was found not to be whole. Both are set
/// once, so that a question takes no lock to come to them.
#[derive(Debug, Default)]
struct Slot {
    opened: OnceLock<Arc<Stretch>>,
    remade: OnceLock<Arc<Stretch>>,
    /// Held by whoever opens it: others wait, rather than do the same.
    opening: Mutex<()>,
}

impl Slot {
    fn get(&self) -> Option<&Arc<Stretch>> {
        self.remade.get().or_else(|| self.opened.get())
    }
}

/// What one snapshot of a store takes over from another: open stretches by their first seqs, counts, where event ids and
/// postings are, and what tables of terms may take.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    stretches: Mutex<HashMap<Seq, Arc<Stretch>>>,
    memo: Memo,
    gathered: Gathered,
    recall: Recall,
    /// How many stretches were opened.
    stretch_count: AtomicU64,
    tables: Arc<Tables>,
}

impl AsOf {
    pub(crate) fn new(
        log: Arc<Log>,
        head: Arc<Head>,
        catalog: Arc<Catalog>,
        views: Arc<[View]>,
        opened: Arc<Opened>,
    ) -> AsOf {
        let stretches = views.iter().map(|_| Slot::default()).collect();
        AsOf { log, head, catalog, views, opened, stretches, runs: OnceLock::new(), id_runs: OnceLock::new() }
    }

    /// Lets `ask` ask the stretch of a view. Where that turns out not to be whole, it is made anew from the log, and
    /// `ask` asked again.
    fn ask<T>(&self, piece: usize, mut ask: impl FnMut(&Arc<Stretch>) -> Result<T, Trouble>) -> Result<T> {
        let stretch = self.stretch(piece)?;
        let fault = match ask(stretch) {
            Ok(answer) => return Ok(answer),
            Err(Trouble::Other(error)) => return Err(error),
            Err(Trouble::Stretch(fault)) => fault,
        };
        let stretch = self.remake(piece, stretch, &fault)?;
        ask(stretch).map_err(|trouble| match trouble {
            Trouble::Other(error) => error,
            Trouble::Stretch(fault) => fault.in_file(&self.log.layout.log(stretch.id)),
        })
    }

    /// The stretch of a view, opened at the first call.
    fn stretch(&self, piece: usize) -> Result<&Arc<Stretch>> {
        let (view, slot) = self.slot(piece)?;
        if let Some(stretch) = slot.get() {
            return Ok(stretch);
        }
        let _guard = lock(&slot.opening);
        if let Some(stretch) = slot.get() {
            return Ok(stretch);
        }
        let known = lock(&self.opened.stretches).get(&view.first_seq).cloned();
        // What is in an archive may have been brought back meanwhile, by whomever.
        let is_back = || {
            let path = self.log.layout.log(view.segment);
            self.log.world.disk.exists(&path).unwrap_or(false)
        };
        let fits = |stretch: &Arc<Stretch>| {
            stretch.sidecar.end_seq() == view.end_seq
                && stretch.text.is_sealed() == self.is_sealed(view)
                && stretch.sidecar.meta().rewritten_by >= view.rewritten_by
                && !(stretch.text.is_archived() && is_back())
        };
        let stretch = match known.filter(fits) {
            Some(stretch) => stretch,
            None => {
                let stretch = Arc::new(Stretch::open(self, view)?);
                self.opened.keep(&stretch);
                stretch
            }
        };
        Ok(slot.opened.get_or_init(|| stretch))
    }

    /// A stretch that was found not to be whole, made anew; nothing can be done about one that was already.
    fn remake(&self, piece: usize, stretch: &Stretch, fault: &Fault) -> Result<&Arc<Stretch>> {
        let (view, slot) = self.slot(piece)?;
        if stretch.rebuilt.is_some() {
            return Err(fault.clone().in_file(&self.log.layout.log(view.segment)));
        }
        let _guard = lock(&slot.opening);
        if let Some(remade) = slot.remade.get() {
            return Ok(remade);
        }
        let stretch = Arc::new(Stretch::from_log(self, view, fault.to_string())?);
        self.opened.keep(&stretch);
        Ok(slot.remade.get_or_init(|| stretch))
    }

    /// The places among the views of those that hold records of `seqs`.
    fn pieces(&self, seqs: &Range<Seq>) -> Range<usize> {
        let start = self.views.partition_point(|view| view.end_seq <= seqs.start);
        let end = self.views.partition_point(|view| view.first_seq < seqs.end);
        start..end.max(start)
    }

    /// The directories over the sealed segments, looked for at the first call.
    fn runs(&self) -> Result<&Runs> {
        if let Some(runs) = self.runs.get() {
            return Ok(runs);
        }
        let runs = Runs::new(self)?;
        Ok(self.runs.get_or_init(|| runs))
    }

    /// The view at `piece`.
    fn view(&self, piece: usize) -> Result<&View> {
        Ok(self.slot(piece)?.0)
    }

    /// The same, with the place of its stretch.
    fn slot(&self, piece: usize) -> Result<(&View, &Slot)> {
        let missing = || Error::NotFound { what: "part of the log", name: piece.to_string() };
        self.views.get(piece).zip(self.stretches.get(piece)).ok_or_else(missing)
    }

    /// Whether nothing is ever written to the view's log again.
    fn is_sealed(&self, view: &View) -> bool {
        view.segment != self.head.active
    }
}

impl Opened {
    fn keep(&self, stretch: &Arc<Stretch>) {
        let (first, end) = (stretch.sidecar.first_seq(), stretch.sidecar.end_seq());
        let mut opened = lock(&self.stretches);
        // Any will do: it is opened again at need.
        if opened.len() >= OPEN_MAX
            && let Some(seq) = opened.keys().next().copied()
        {
            opened.remove(&seq);
        }
        // What were parts of the active segment are one sealed segment now.
        opened.retain(|seq, _| !(first..end).contains(seq));
        opened.insert(first, Arc::clone(stretch));
    }
}

/// How many stretches a store keeps open for the next snapshot.
const OPEN_MAX: usize = 1024;

/// Why a stretch gave no answer.
#[derive(Debug)]
enum Trouble {
    /// The sidecar is not what it should be, or not what the log is: the log may still be whole.
    Stretch(Fault),
    Other(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Stretch(fault)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Other(error)
    }
}
