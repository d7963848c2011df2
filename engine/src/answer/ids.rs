//! Which stretches may hold an event of some id. An id is mostly in one of them: the others are passed by without a
//! plan. And whoever wants just the events of an id is spared the plan of that one, too.
//!
//! All directories are asked in one pass, those on disk and those that [`gathered`](super::gathered) keeps in memory; what
//! none of them is over is asked itself.

use std::ops::Range;
use std::sync::Arc;

use super::stretch::Stretch;
use super::{AsOf, Hit, Trouble};
use crate::filter::{Filter, Matcher, Node, Scratch};
use crate::log::directories::Run;
use crate::{Result, hash};

/// The events with an id, in the order of the log: what a search for it finds.
pub(crate) fn events(as_of: &AsOf, id: &str) -> Result<Vec<Hit>> {
    let prefix = hash::event_id_prefix(id.as_bytes());
    let mut found = Vec::with_capacity(1);
    for piece in pieces_with(as_of, 0..as_of.views.len(), std::iter::once(prefix))? {
        let before = found.len();
        as_of.ask(piece, |stretch| {
            // A stretch that is not whole is asked twice.
            found.truncate(before);
            add_events(stretch, prefix, id, &mut found)
        })?;
    }
    Ok(found)
}

/// Adds the events of a stretch with an id.
fn add_events(stretch: &Arc<Stretch>, prefix: u64, id: &str, found: &mut Vec<Hit>) -> Result<(), Trouble> {
    for offset in stretch.sidecar.with_event_id(prefix)? {
        if stretch.is_deleted(offset) {
            continue;
        }
        let hit = stretch.hit(offset)?;
        let is_it = match hit.plain_id() {
            Some(found) => found == id.as_bytes(),
            // Rare: an id that is escaped, stands elsewhere, or is none.
            None => {
                let matcher = Matcher::new(&Filter::Ids(vec![id.to_owned()]))?;
                matcher.matches(&hit.subject()?, &mut Scratch::default())?
            }
        };
        if is_it {
            found.push(hit);
        }
    }
    stretch.text.let_go();
    Ok(())
}

/// The ids of which a matching record must have one, each with its prefix, where the filter asks for any.
pub(super) fn wanted(matcher: &Matcher) -> Option<&[(u64, String)]> {
    let of = |node: &'_ Node| matches!(node, Node::Ids(_));
    let node = match matcher.root() {
        Node::All(nodes) => nodes.iter().find(|node| of(node))?,
        one => one,
    };
    if let Node::Ids(ids) = node { Some(ids) } else { None }
}

/// Those of `asked` that may have an event id with one of these prefixes; a piece that is not whole is left for whoever
/// asks it to deal with.
pub(super) fn pieces_with(
    as_of: &AsOf,
    asked: Range<usize>,
    prefixes: impl Iterator<Item = u64> + Clone,
) -> Result<Vec<usize>> {
    let unsettled;
    let runs = match as_of.id_runs.get() {
        Some(runs) => runs,
        None => {
            let (gathered, is_settled) = as_of.opened.gathered.ask(as_of)?;
            let runs: Vec<Run> = as_of.runs()?.iter().cloned().chain(gathered).collect();
            if is_settled {
                as_of.id_runs.get_or_init(|| runs)
            } else {
                unsettled = runs;
                &unsettled
            }
        }
    };
    let (mut kept, mut next) = (Vec::new(), asked.start);
    let start = runs.partition_point(|run| run.segments.end <= asked.start);
    let end = runs.partition_point(|run| run.segments.start < asked.end);
    for runs in runs.get(start..end).unwrap_or_default().chunks(RUNS_AT_ONCE) {
        let masks = masks(as_of, runs, prefixes.clone());
        for (run, mask) in runs.iter().zip(masks) {
            let Range { start, end } = run.segments;
            keep_asked(as_of, next..start, prefixes.clone(), &mut kept);
            let of_run = start.max(next)..end.min(asked.end);
            kept.extend(of_run.filter(|piece| mask >> (piece - start) & 1 == 1));
            next = end.max(next);
        }
    }
    keep_asked(as_of, next..asked.end, prefixes, &mut kept);
    Ok(kept)
}

/// So many directories are looked at side by side.
const RUNS_AT_ONCE: usize = 8;

/// For each of at most [`RUNS_AT_ONCE`] runs, which of its pieces may have one of the ids, the first being bit 0. What
/// is looked at is found in all of them and touched before the first looks, so that the waits for memory go on side by
/// side.
fn masks(as_of: &AsOf, runs: &[Run], prefixes: impl Iterator<Item = u64>) -> [u32; RUNS_AT_ONCE] {
    let mut masks = [0; RUNS_AT_ONCE];
    for prefix in prefixes {
        let mut buckets = [None; RUNS_AT_ONCE];
        for (bucket, run) in buckets.iter_mut().zip(runs) {
            *bucket = run.directory.event_bucket(prefix).ok();
        }
        buckets.iter().flatten().for_each(|bucket| bucket.touch());
        for ((mask, bucket), run) in masks.iter_mut().zip(buckets).zip(runs) {
            *mask |= bucket.map_or_else(
                || {
                    as_of.log.distrust_directory(run);
                    u32::MAX
                },
                |bucket| bucket.segments(),
            );
        }
    }
    masks
}

/// Keeps those of `pieces` whose sidecars have one of the ids.
fn keep_asked(
    as_of: &AsOf,
    pieces: Range<usize>,
    prefixes: impl Iterator<Item = u64> + Clone,
    kept: &mut Vec<usize>,
) {
    let has = |stretch: &Stretch, prefix: u64| {
        stretch.sidecar.with_event_id(prefix).map_or(true, |mut offsets| offsets.next().is_some())
    };
    if pieces.len() > 1 {
        // All are looked at twice before, each time a little closer, so that the waits for memory of one look go on side
        // by side.
        for prefix in prefixes.clone() {
            let sidecars = || pieces.clone().filter_map(|piece| Some(&as_of.stretch(piece).ok()?.sidecar));
            let near: Vec<_> = sidecars().map(|sidecar| sidecar.event_id_near(prefix)).collect();
            for (sidecar, near) in sidecars().zip(near) {
                let _ = near.and_then(|near| sidecar.touch_event_ids(near));
            }
        }
    }
    kept.extend(pieces.filter(|piece| match as_of.stretch(*piece) {
        Ok(stretch) => prefixes.clone().any(|prefix| has(stretch, prefix)),
        Err(_) => true,
    }));
}
