//! From the pieces of the log to the records that match, a batch at a time.
//!
//! What a record takes is mostly waiting for memory, twice in a row: for where it is stated to lie, and for its header.
//! So records are looked for ahead of their turn, many at once, of as many segments as it takes, and what is waited for is
//! touched for all of them before it is used for the first: the waits go on side by side.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::plan::{parts, reads_no_record};
use super::search::matches;
use super::set::{Offsets, Set};
use super::stretch::{Place, Stretch};
use super::{Hit, Search, Trouble};
use crate::format::frame::RECORD_HEADER_LEN;
use crate::{Fault, Result, Seq};

/// Most records that are looked for ahead of their turn.
const RECORDS_MAX: usize = 128;
/// How many are at first: whoever wants one record is not made to wait for many, but a few take hardly longer than one.
const RECORDS_MIN: usize = 8;
/// Each time so many times more are looked for.
const GROWTH: usize = 4;

/// What was found ahead of its turn.
#[derive(Debug)]
pub(super) struct Ahead {
    /// The pieces that were asked, in their order.
    entered: VecDeque<Entered>,
    /// How many records to look for at once.
    record_count: usize,
    /// The next records, the first of them last; and of each, whether the index says that it matches.
    hits: Vec<Hit>,
    are_sure: Vec<bool>,
    batch: Batch,
    /// How many records were decided on since whoever watches was last told.
    passed: u64,
}

/// A piece that was asked.
#[derive(Debug)]
struct Entered {
    piece: usize,
    stretch: Arc<Stretch>,
    /// Its records that may match, as far as they were not looked for.
    offsets: Offsets,
    /// Those that must be read to know, where there are any.
    open: Option<Set>,
    /// Its records behind those that were looked for.
    left: Range<Seq>,
}

/// Records that are looked for at once: of each of the first pieces those up to its end, and where they lie.
#[derive(Debug, Default)]
struct Batch {
    offsets: Vec<u32>,
    ends: Vec<usize>,
    places: Vec<Place>,
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead {
            entered: VecDeque::new(),
            record_count: RECORDS_MIN,
            hits: Vec::new(),
            are_sure: Vec::new(),
            batch: Batch::default(),
            passed: 0,
        }
    }
}

impl Search {
    /// Looks for the records that come next; false where there are no more.
    fn look_further(&mut self) -> Result<bool> {
        loop {
            self.watch.check()?;
            if !self.gather()? {
                return Ok(false);
            }
            match self.ahead.find(self.newest_first) {
                Ok(()) => return Ok(true),
                Err((_, Trouble::Other(error))) => return Err(error),
                Err((index, Trouble::Stretch(fault))) => self.enter_again(index, &fault)?,
            }
        }
    }

    /// Says which records come next; false where there are no more.
    fn gather(&mut self) -> Result<bool> {
        self.ahead.batch.clear();
        let wanted = self.ahead.record_count;
        self.ahead.record_count = (wanted * GROWTH).min(RECORDS_MAX);
        loop {
            let Ahead { entered, batch, passed, .. } = &mut self.ahead;
            let count = batch.offsets.len();
            if count == 0 {
                self.watch.pass(std::mem::take(passed));
            }
            let Some(next) = entered.get_mut(batch.ends.len()) else {
                if self.enter_next(count > 0)? {
                    continue;
                }
                return Ok(count > 0);
            };
            // What is not mapped is read, for each record by itself: not before it is wanted.
            let is_mapped = next.stretch.text.is_mapped();
            if count > 0 && !is_mapped {
                return Ok(true);
            }
            batch.offsets.extend(next.offsets.by_ref().take(wanted - count));
            if batch.offsets.is_empty() {
                self.ahead.leave(1);
                continue;
            }
            batch.ends.push(batch.offsets.len());
            if batch.offsets.len() == wanted || !is_mapped {
                return Ok(true);
            }
        }
    }

    /// Asks the piece that comes next; false where there is none. If it is only `to_fill` a batch, one that does not tell at
    /// little cost is left for later.
    fn enter_next(&mut self, to_fill: bool) -> Result<bool> {
        let mut pieces = self.take_pieces()?;
        let rest = pieces.as_slice();
        let next = if self.newest_first { rest.last() } else { rest.first() };
        let tells_at_once = |piece: &usize| {
            self.as_of.stretches.get(*piece).is_some_and(|slot| slot.get().is_some())
                && parts(self.matcher.root()).iter().all(reads_no_record)
        };
        let next = next.copied().filter(|piece| !to_fill || tells_at_once(piece));
        let entered = next.map(|piece| self.of_piece(piece).and_then(|left| self.enter(piece, left)));
        match entered {
            Some(Ok(())) if self.newest_first => pieces.next_back(),
            Some(Ok(())) => pieces.next(),
            // What was gathered before is handed out first; then it is asked again.
            Some(Err(error)) if !to_fill => return Err(error),
            Some(Err(_)) | None => {
                self.pieces = Some(pieces);
                return Ok(false);
            }
        };
        self.pieces = Some(pieces);
        Ok(true)
    }

    /// Asks a piece which of its records may match, those in `left`.
    fn enter(&mut self, piece: usize, left: Range<Seq>) -> Result<()> {
        let entered = self.ask(piece, |search, stretch| {
            let bounds = search.planner(stretch).plan(search.candidates(piece, stretch, &left))?;
            let all = bounds.all();
            Ok((!all.is_empty()).then(|| Entered {
                piece,
                stretch: Arc::clone(stretch),
                offsets: all.offsets(search.newest_first),
                open: Some(bounds.open).filter(|open| !open.is_empty()),
                left: left.clone(),
            }))
        })?;
        match entered {
            Some(entered) => self.ahead.entered.push_back(entered),
            None => self.ahead.passed += left.end - left.start,
        }
        Ok(())
    }

    /// Asks all entered pieces once more, as that at `index` was found not to be whole: it is made anew, or if it is not the
    /// first, left for the batch behind the next, so that what comes before it is handed out whatever becomes of it.
    fn enter_again(&mut self, index: usize, fault: &Fault) -> Result<()> {
        let before = index.checked_sub(1).and_then(|last| self.ahead.batch.ends.get(last));
        match (before, self.ahead.entered.front()) {
            (Some(&count), _) => self.ahead.record_count = count,
            (None, Some(first)) => {
                self.as_of.remake(first.piece, &first.stretch, fault)?;
            }
            (None, None) => {}
        }
        for Entered { piece, left, .. } in std::mem::take(&mut self.ahead.entered) {
            self.enter(piece, left)?;
        }
        Ok(())
    }

    /// Whether the record that comes next matches; nothing where none was looked for.
    #[inline]
    fn next_matches(&mut self) -> Result<Option<bool>> {
        let Some(hit) = self.ahead.hits.last() else { return Ok(None) };
        self.watch.check()?;
        let is_sure = self.ahead.are_sure.pop().unwrap_or_default();
        Ok(Some(is_sure || matches(hit, &self.matcher, &mut self.scratch)?))
    }
}

impl Ahead {
    /// Finds the records of the batch. Where a piece is in the way, says which of those that were entered; then nothing
    /// was found.
    fn find(&mut self, newest_first: bool) -> Result<(), (usize, Trouble)> {
        let Ahead { entered, hits, are_sure, batch, .. } = self;
        let Batch { offsets, ends, places } = batch;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let shares: Vec<(&Entered, Range<usize>)> =
            entered.iter().zip(starts.zip(ends.iter()).map(|(start, end)| start..*end)).collect();
        let of = |share: &Range<usize>| offsets.get(share.clone()).unwrap_or_default();
        for (Entered { stretch, .. }, share) in &shares {
            stretch.sidecar.touch_places(of(share));
        }
        for (index, (Entered { stretch, .. }, share)) in shares.iter().enumerate() {
            stretch.places(of(share), |place| places.push(place)).map_err(|trouble| (index, trouble))?;
        }
        let touched = shares.iter().fold(0, |sum, (Entered { stretch, .. }, share)| {
            let log = stretch.text.bytes();
            let places = places.get(share.clone()).unwrap_or_default();
            // A record's header may begin on one line of memory and end on the next.
            places.iter().fold(sum, |sum, Place { at, .. }| {
                let ends = (log.get(at.start), log.get(at.start + RECORD_HEADER_LEN - 1));
                sum ^ ends.0.unwrap_or(&0) ^ ends.1.unwrap_or(&0)
            })
        });
        std::hint::black_box(touched);
        for (index, (Entered { stretch, open, .. }, share)) in shares.iter().enumerate().rev() {
            let offsets = of(share).iter().rev();
            for (place, offset) in places.drain(share.start..).rev().zip(offsets) {
                are_sure.push(open.as_ref().is_none_or(|open| !open.contains(*offset)));
                match Hit::new(stretch, place) {
                    Ok(hit) => hits.push(hit),
                    Err(fault) => {
                        hits.clear();
                        are_sure.clear();
                        return Err((index, fault.into()));
                    }
                }
            }
        }
        drop(shares);
        self.go_on(newest_first);
        Ok(())
    }

    /// Goes behind the records that were found, the last of which is the first hit.
    fn go_on(&mut self, newest_first: bool) {
        self.leave(self.batch.ends.len() - 1);
        if let (Some(last), Some(Entered { left, .. })) = (self.hits.first(), self.entered.front_mut())
            && left.contains(&last.seq)
        {
            let behind = if newest_first { left.start..last.seq } else { last.seq + 1..left.end };
            self.passed += (left.end - left.start) - (behind.end - behind.start);
            *left = behind;
        }
    }

    /// Leaves the first pieces behind.
    fn leave(&mut self, count: usize) {
        for Entered { left, stretch, .. } in self.entered.drain(..count) {
            self.passed += left.end - left.start;
            stretch.text.let_go();
        }
    }
}

impl Batch {
    fn clear(&mut self) {
        self.offsets.clear();
        self.ends.clear();
        self.places.clear();
    }
}

impl Iterator for Search {
    type Item = Result<Hit>;

    /// A hit goes from where it was found to whoever asks, and nowhere between: it is long, and to write and read it again
    /// takes as long as to find it.
    #[inline]
    fn next(&mut self) -> Option<Result<Hit>> {
        loop {
            if self.failed {
                return None;
            }
            let failed = match self.next_matches() {
                Ok(Some(true)) => return self.ahead.hits.pop().map(Ok),
                Ok(Some(false)) => {
                    self.ahead.hits.pop();
                    continue;
                }
                Ok(None) => match self.look_further() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.failed = true;
            return Some(Err(failed));
        }
    }
}
