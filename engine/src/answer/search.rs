//! A question to all of the log: which pieces of it are asked, and the sums of what they say.

use std::cell::RefCell;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::explain::{self, Explanation, SegmentExplanation, Trace};
use super::fetch::ToFetch;
use super::narrowed::{Candidates, Narrowed};
use super::plan::Planner;
use super::set::Set;
use super::stretch::Stretch;
use super::walk::Ahead;
use super::{AsOf, Hit, Slot, Trouble, glance, ids, recall};
use crate::filter::{Filter, Matcher, Scratch};
use crate::{Error, Result, SegmentId, Seq};

/// How far a search is, for whoever watches it from another thread, and whether it is still wanted.
#[derive(Debug, Default)]
pub struct Watch {
    cancelled: AtomicBool,
    passed: AtomicU64,
    total: AtomicU64,
}

impl Watch {
    /// Asks the search to stop: it ends with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// How many records it has decided on, and how many it has to.
    pub fn progress(&self) -> (u64, u64) {
        (self.passed.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// # Errors
    /// [`Error::Cancelled`] once the search was asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    pub(super) fn pass(&self, records: u64) {
        self.passed.fetch_add(records, Ordering::Relaxed);
    }
}

/// Something that cost time and did not change the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The segment.
    pub segment: SegmentId,
    /// Why its index was made anew from its log.
    pub reason: String,
}

/// The records that match a filter, one after another.
///
/// Say first which of them are wanted, and how ([`Search::within`], [`Search::newest_first`], [`Search::watched_by`]);
/// then iterate, or ask for one of the sums.
#[derive(Debug)]
pub struct Search {
    pub(super) as_of: Arc<AsOf>,
    pub(super) matcher: Arc<Matcher>,
    pub(super) seqs: Range<Seq>,
    pub(super) watch: Arc<Watch>,
    pub(super) scratch: Scratch,
    pub(super) newest_first: bool,
    /// The pieces that are still to be asked.
    pub(super) pieces: Option<std::vec::IntoIter<usize>>,
    recalled: Vec<recall::Asked>,
    pub(super) narrowed: Narrowed,
    pub(super) ahead: Ahead,
    warnings: Vec<Warning>,
    pub(super) failed: bool,
}

impl Search {
    pub(crate) fn new(as_of: Arc<AsOf>, filter: &Filter) -> Result<Search> {
        let matcher = Arc::new(Matcher::new(filter)?);
        let seqs = 0..as_of.head.next_seq;
        Ok(Search {
            as_of,
            matcher,
            seqs,
            watch: Arc::default(),
            scratch: Scratch::default(),
            newest_first: false,
            pieces: None,
            recalled: Vec::new(),
            narrowed: Narrowed::default(),
            ahead: Ahead::default(),
            warnings: Vec::new(),
            failed: false,
        })
    }

    /// Only those in a range of seqs.
    #[must_use]
    pub fn within(mut self, seqs: impl RangeBounds<Seq>) -> Self {
        let start = match seqs.start_bound() {
            Bound::Included(&seq) => seq,
            Bound::Excluded(&seq) => seq.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match seqs.end_bound() {
            Bound::Included(&seq) => seq.saturating_add(1),
            Bound::Excluded(&seq) => seq,
            Bound::Unbounded => Seq::MAX,
        };
        self.seqs = self.seqs.start.max(start)..self.seqs.end.min(end);
        self
    }

    /// The last record first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Lets another thread see how far the search is, and stop it.
    #[must_use]
    pub fn watched_by(mut self, watch: Arc<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// What cost time so far and should not have.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many records match. Those are read alone of which the index can't say.
    ///
    /// # Errors
    /// Whatever reading the log says; [`Error::Cancelled`].
    pub fn total(&mut self) -> Result<u64> {
        let mut total = 0;
        let pieces = self.take_pieces()?;
        let stated = self.as_of.runs()?.counts(pieces.as_slice(), &self.matcher, &self.seqs);
        for (piece, stated) in pieces.zip(stated) {
            let seqs = self.of_piece(piece)?;
            let rewritten = self.as_of.view(piece)?.rewritten_by != 0;
            if let Some(count) = stated.filter(|_| !rewritten) {
                total += count;
                self.watch.pass(seqs.end - seqs.start);
                continue;
            }
            total += self.ask(piece, |search, stretch| {
                let planner = search.planner(stretch);
                let candidates = search.candidates(piece, stretch, &seqs);
                if candidates.decided == 0
                    && let Some(count) = planner.count(&candidates.records)?
                {
                    return Ok(count);
                }
                let bounds = planner.plan(candidates)?;
                Ok(bounds.sure.len() + search.confirm(stretch, bounds.open)?.len() as u64)
            })?;
            self.watch.pass(seqs.end - seqs.start);
        }
        Ok(total)
    }

    /// How the filter is answered. This answers it, but for segments of which something would have to be fetched from an
    /// archive: what these hold is left open.
    ///
    /// # Errors
    /// As [`Search::total`].
    pub fn explain(&mut self) -> Result<Explanation> {
        let mut explanation = Explanation::default();
        let trace = RefCell::new(Trace::default());
        let (kept, narrowed) = self.kept_pieces(&[], Some(&trace))?;
        let mut trace = trace.into_inner();
        self.narrowed = narrowed;
        for piece in self.as_of.pieces(&self.seqs) {
            let seqs = self.of_piece(piece)?;
            if kept.binary_search(&piece).is_err() {
                let id = self.as_of.view(piece)?.segment;
                let records = explain::asked(&seqs);
                explanation.segments.push(SegmentExplanation { id, records, ..Default::default() });
                explanation.passed_by += 1;
                continue;
            }
            // A piece that has to be asked twice must not count twice.
            let (of_piece, traced) =
                self.ask(piece, |search, stretch| search.explain_piece(piece, stretch, &seqs))?;
            explanation.add(of_piece);
            trace.add(traced);
        }
        explanation.bytes_read += trace.posting_len;
        explanation.postings = trace.into_postings();
        Ok(explanation)
    }

    fn explain_piece(
        &mut self,
        piece: usize,
        stretch: &Arc<Stretch>,
        seqs: &Range<Seq>,
    ) -> Result<(Explanation, Trace), Trouble> {
        let (mut explanation, trace) = (Explanation::default(), RefCell::new(Trace::default()));
        let mut planner = self.planner(stretch);
        (planner.trace, planner.may_fetch) = (Some(&trace), false);
        let bounds = planner.plan(self.candidates(piece, stretch, seqs))?;
        let (sure, open) = (bounds.sure.len(), bounds.open.len());
        explanation.matches += sure;
        if ToFetch::of(stretch, bounds.open.clone())?.is_empty() {
            for offset in bounds.open.offsets(false) {
                let hit = stretch.hit(offset)?;
                explanation.bytes_read += hit.body().len() as u64;
                let matches = self.matcher.matches(&hit.subject()?, &mut self.scratch)?;
                explanation.matches += u64::from(matches);
            }
            explanation.records_read += open;
        } else {
            explanation.left_open += open;
        }
        let (rebuilt, records) = (stretch.rebuilt.clone(), explain::asked(seqs));
        explanation.segments.push(SegmentExplanation { id: stretch.id, records, sure, open, rebuilt });
        Ok((explanation, trace.into_inner()))
    }

    pub(super) fn planner<'a>(&'a self, stretch: &'a Arc<Stretch>) -> Planner<'a> {
        let Search { matcher, watch, recalled, .. } = self;
        Planner { stretch, matcher, watch, recalled, trace: None, may_fetch: true }
    }

    /// Those of `seqs` in a piece that may match, as far as is known before its stretch is asked.
    pub(super) fn candidates(&self, piece: usize, stretch: &Stretch, seqs: &Range<Seq>) -> Candidates {
        self.narrowed.candidates(piece, stretch, seqs)
    }

    /// A search of the same records, by another filter.
    pub(super) fn of_same(&self, filter: &Filter) -> Result<Search> {
        Ok(Search::new(Arc::clone(&self.as_of), filter)?.watched_by(Arc::clone(&self.watch)))
    }

    /// Those of the candidates that match.
    pub(super) fn matching(
        &mut self,
        stretch: &Arc<Stretch>,
        candidates: Candidates,
    ) -> Result<Set, Trouble> {
        let bounds = self.planner(stretch).plan(candidates)?;
        let confirmed: Set = self.confirm(stretch, bounds.open)?.into_iter().collect();
        Ok(bounds.sure.or(confirmed))
    }

    /// Those of `open` that match.
    pub(super) fn confirm(&mut self, stretch: &Arc<Stretch>, open: Set) -> Result<Vec<u32>, Trouble> {
        let mut found = Vec::new();
        for offset in open.offsets(false) {
            self.watch.check()?;
            let hit = stretch.hit(offset)?;
            if matches(&hit, &self.matcher, &mut self.scratch)? {
                found.push(offset);
            }
        }
        Ok(found)
    }

    /// Lets `ask` ask the stretch of a piece; where that is not whole, a new one.
    pub(super) fn ask<T>(
        &mut self,
        piece: usize,
        mut ask: impl FnMut(&mut Self, &Arc<Stretch>) -> Result<T, Trouble>,
    ) -> Result<T> {
        self.watch.check()?;
        let as_of = Arc::clone(&self.as_of);
        as_of.ask(piece, |stretch| {
            if let Some(reason) = &stretch.rebuilt {
                self.warn(stretch.id, reason);
            }
            let answer = ask(self, stretch);
            stretch.text.let_go();
            answer
        })
    }

    fn warn(&mut self, segment: SegmentId, reason: &str) {
        let warning = Warning { segment, reason: reason.to_owned() };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The pieces that may hold matches, to be looked at once.
    pub(super) fn take_pieces(&mut self) -> Result<std::vec::IntoIter<usize>> {
        if let Some(pieces) = self.pieces.take() {
            return Ok(pieces);
        }
        self.watch.total.store(self.seqs.end.saturating_sub(self.seqs.start), Ordering::Relaxed);
        let (asked_count, all_count) = (self.as_of.pieces(&self.seqs).len(), self.as_of.views.len());
        self.recalled = self.as_of.opened.recall.of(&self.matcher, asked_count, all_count);
        let (mut kept, narrowed) = self.kept_pieces(&self.recalled, None)?;
        self.narrowed = narrowed;
        if !self.recalled.is_empty() {
            self.as_of.opened.recall.keep(&self.recalled, kept.len());
            kept.retain(|piece| {
                let stretch = self.as_of.stretches.get(*piece).and_then(Slot::get);
                stretch.is_none_or(|stretch| !self.recalled.iter().any(|asked| asked.rules_out(stretch)))
            });
        }
        let left = kept.iter().map(|piece| self.of_piece(*piece)).try_fold(0, |left, seqs| {
            let seqs = seqs?;
            Ok::<_, Error>(left + (seqs.end - seqs.start))
        })?;
        self.watch.pass(self.seqs.end.saturating_sub(self.seqs.start).saturating_sub(left));
        let count = kept.len().min(TOUCHED_MAX);
        let first = if self.newest_first { kept.len() - count..kept.len() } else { 0..count };
        self.touch_postings(kept.get(first).unwrap_or_default());
        Ok(kept.into_iter())
    }

    /// Touches where the postings begin that are known in some pieces, so that the waits for memory go on side by side.
    fn touch_postings(&self, pieces: &[usize]) {
        if self.recalled.is_empty() {
            return;
        }
        let asked = pieces.iter().filter(|piece| !self.narrowed.speaks_of(**piece));
        let stretches = asked.filter_map(|piece| self.as_of.stretches.get(*piece)?.get());
        let touched = stretches.fold(0, |sum, stretch| {
            let words = self.recalled.iter().filter_map(|asked| asked.recalled.word(stretch));
            words.fold(sum, |sum, word| sum ^ stretch.sidecar.touch_posting(word))
        });
        std::hint::black_box(touched);
    }

    /// The pieces that may hold matches, and which of their records, as far as directories and event ids say.
    pub(super) fn kept_pieces(
        &self,
        recalled: &[recall::Asked],
        trace: Option<&RefCell<Trace>>,
    ) -> Result<(Vec<usize>, Narrowed)> {
        let asked = self.as_of.pieces(&self.seqs);
        let asked = match ids::wanted(&self.matcher) {
            Some(ids) => ids::pieces_with(&self.as_of, asked, ids.iter().map(|(prefix, _)| *prefix))?,
            None => asked.collect(),
        };
        Ok(self.as_of.runs()?.pieces(&self.as_of, &asked, &self.matcher, recalled, trace))
    }

    /// The seqs of a piece that are wanted.
    pub(super) fn of_piece(&self, piece: usize) -> Result<Range<Seq>> {
        let view = self.as_of.view(piece)?;
        let (start, end) = (self.seqs.start.max(view.first_seq), self.seqs.end.min(view.end_seq));
        Ok(start..end.max(start))
    }
}

/// Of at most so many pieces the postings are touched before the first is asked.
const TOUCHED_MAX: usize = 128;

/// Whether a record matches: all of the event is read only where a glance does not tell.
pub(super) fn matches(hit: &Hit, matcher: &Matcher, scratch: &mut Scratch) -> Result<bool> {
    match glance::holds(matcher.root(), hit) {
        Some(holds) => Ok(holds),
        None => matcher.matches(&hit.subject()?, scratch),
    }
}
