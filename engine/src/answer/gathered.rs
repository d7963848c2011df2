//! Where the event ids of the youngest records are: of the sealed segments that no directory on disk is over yet, and of
//! the active segment's parts.
//!
//! Each of these can be asked for itself, and is, at the cost of some waits for memory each. Once enough questions had to,
//! a directory of their ids alone is made of their sidecars, up to sixteen of them at a time. It lives in memory, about
//! two bytes an id, as long as the store is open and the log has these parts. The last view of the active segment grows,
//! and is never in one.

use std::ops::Range;
use std::sync::{Arc, Mutex, TryLockError};

use hashbrown::HashMap;

use super::AsOf;
use super::stretch::Stretch;
use crate::disk::Mapped;
use crate::format::directory::{Covered, Directory, Draft, DraftComposites, DraftEntry, RUN_SEGMENTS_MAX};
use crate::hash::Hash;
use crate::log::directories::Run;
use crate::{Fault, Result, Seq};

/// From so many questions for an id on it is worth while: a directory of a million ids is made in a few milliseconds, and
/// saves each question one or two microseconds.
const QUESTIONS_MIN: u32 = 256;
/// Most ids of one directory: what is sorted takes 8 bytes each.
const IDS_MAX: usize = 4 << 20;

/// What one snapshot takes over from another, by first seqs.
#[derive(Debug, Default)]
pub(super) struct Gathered(Mutex<HashMap<Seq, Known>>);

/// A run of pieces that was asked for ids.
#[derive(Debug)]
struct Known {
    /// The first seq of each piece, and the one after its last.
    covers: Vec<Range<Seq>>,
    question_count: u32,
    /// None where it was not made yet, or cannot be.
    directory: Option<Arc<Directory<Mapped>>>,
}

impl Gathered {
    /// Notes a question for an id, and gives the directories that there are in memory, in order; whether later questions to
    /// the same snapshot need not ask again.
    pub(super) fn ask(&self, as_of: &AsOf) -> Result<(Vec<Run>, bool)> {
        let mut known = match self.0.try_lock() {
            Ok(known) => known,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread makes one: this question goes without.
            Err(TryLockError::WouldBlock) => return Ok((Vec::new(), false)),
        };
        let runs = uncovered(as_of)?;
        known.retain(|first, _| runs.iter().any(|run| first_of(as_of, run) == Some(*first)));
        let (mut found, mut is_settled) = (Vec::new(), true);
        for pieces in runs {
            let views = as_of.views.get(pieces.clone()).unwrap_or_default();
            let covers: Vec<Range<Seq>> = views.iter().map(|view| view.first_seq..view.end_seq).collect();
            let Some(first) = covers.first().map(|first| first.start) else { continue };
            let new = || Known { covers: Vec::new(), question_count: 0, directory: None };
            let run = known.entry(first).or_insert_with(new);
            if run.covers != covers {
                *run = Known { covers, ..new() };
            }
            run.question_count = run.question_count.saturating_add(1);
            is_settled &= run.question_count >= QUESTIONS_MIN;
            if run.question_count == QUESTIONS_MIN {
                run.directory = make(as_of, pieces.clone()).map(Arc::new);
            }
            found.extend(run.directory.clone().map(|directory| Run { segments: pieces, directory }));
        }
        Ok((found, is_settled))
    }
}

fn first_of(as_of: &AsOf, pieces: &Range<usize>) -> Option<Seq> {
    as_of.views.get(pieces.start).map(|view| view.first_seq)
}

/// The pieces that never change and that no directory on disk is over, in runs of at least two: of sealed segments, or of
/// parts.
fn uncovered(as_of: &AsOf) -> Result<Vec<Range<usize>>> {
    let start = as_of.runs()?.iter().map(|run| run.segments.end).max().unwrap_or(0);
    let sealed_end = as_of.views.partition_point(|view| as_of.is_sealed(view));
    // The last view is of the active segment's last records.
    let end = as_of.views.len().saturating_sub(1);
    let runs = |pieces: Range<usize>| {
        let starts = pieces.clone().step_by(RUN_SEGMENTS_MAX);
        starts.map(move |start| start..pieces.end.min(start + RUN_SEGMENTS_MAX)).filter(|run| run.len() > 1)
    };
    Ok(runs(start..sealed_end.min(end)).chain(runs(sealed_end.max(start)..end)).collect())
}

/// A directory of the ids of these pieces; none where some of them can't be read, or are too many.
fn make(as_of: &AsOf, pieces: Range<usize>) -> Option<Directory<Mapped>> {
    let stretches: Vec<&Arc<Stretch>> =
        pieces.map(|piece| as_of.stretch(piece)).collect::<Result<_>>().ok()?;
    Directory::open(Mapped::heap(draft(&stretches).ok()??.encode()?)).ok()
}

fn draft(stretches: &[&Arc<Stretch>]) -> Result<Option<Draft>, Fault> {
    let metas = || stretches.iter().map(|stretch| stretch.sidecar.meta());
    let id_count = metas().map(|meta| meta.event_id_count as usize).sum();
    let Some(store_id) = metas().next().map(|meta| meta.store_id).filter(|_| id_count <= IDS_MAX) else {
        return Ok(None);
    };
    let mut event_ids = Vec::with_capacity(id_count);
    for (place, stretch) in (0..).zip(stretches) {
        let prefixes = stretch.sidecar.event_id_prefixes()?;
        event_ids.extend(prefixes.map(|prefix| DraftEntry::of_event(prefix, place)));
    }
    let segments = metas().map(|meta| Covered {
        first_seq: meta.first_seq,
        record_count: meta.record_count,
        index_root: meta.index_root,
        event_times: None,
        received: None,
    });
    let segments = segments.collect();
    let (fields, unlisted) = (Vec::new(), Vec::new());
    let (last_leaf, composites) = (Hash::ZERO, DraftComposites::default());
    Ok(Some(Draft { store_id, last_leaf, segments, fields, unlisted, event_ids, composites }))
}
