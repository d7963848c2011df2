//! Which stretches may hold an event of some id. An id is mostly in one of them: the others are passed by without a
//! plan. And whoever wants just the events of an id is spared the plan of that one, too.

use std::sync::Arc;

use super::gathered::IdRun;
use super::stretch::Stretch;
use super::{AsOf, Hit, Trouble};
use crate::filter::{Filter, Matcher, Node, Scratch};
use crate::{Fault, Result, hash};

/// The events with an id, in the order of the log: what a search for it finds.
pub(crate) fn events(as_of: &Arc<AsOf>, id: &str) -> Result<Vec<Hit>> {
    let ids = [(hash::event_id_prefix(id.as_bytes()), id.to_owned())];
    let (kept, mut found) = (as_of.runs()?.with_ids(as_of, &ids), Vec::new());
    for piece in pieces_with(as_of, kept, &ids)? {
        found.extend(as_of.ask(piece, |stretch| events_of(stretch, ids[0].0, id))?);
    }
    Ok(found)
}

/// The events of a stretch with an id.
fn events_of(stretch: &Arc<Stretch>, prefix: u64, id: &str) -> Result<Vec<Hit>, Trouble> {
    let mut found = Vec::new();
    for seq in stretch.sidecar.find_event_by_prefix(prefix)? {
        let offset = (seq - stretch.sidecar.first_seq()) as u32;
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
        found.extend(is_it.then_some(hit));
    }
    stretch.text.let_go();
    Ok(found)
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

/// Those of `pieces` that may have one of the ids; a piece that is not whole is left for the search to deal with.
pub(super) fn pieces_with(as_of: &AsOf, pieces: Vec<usize>, ids: &[(u64, String)]) -> Result<Vec<usize>> {
    let asked;
    let runs = match as_of.id_runs.get() {
        Some(runs) => runs,
        None => {
            let (runs, is_settled) = as_of.opened.gathered.ask(as_of)?;
            asked = runs;
            if is_settled { as_of.id_runs.get_or_init(|| asked) } else { &asked }
        }
    };
    let masks: Vec<u32> = runs.iter().map(|run| mask(run, ids)).collect();
    let (mut kept, mut others) = (Vec::new(), Vec::new());
    for piece in pieces {
        match runs.iter().zip(&masks).find(|(run, _)| run.pieces.contains(&piece)) {
            Some((run, mask)) if mask >> (piece - run.pieces.start) & 1 == 1 => kept.push(piece),
            Some(_) => {}
            None => match as_of.stretch(piece) {
                Ok(stretch) => others.push((piece, &**stretch)),
                Err(_) => kept.push(piece),
            },
        }
    }
    kept.extend(asked_themselves(&others, ids));
    kept.sort_unstable();
    Ok(kept)
}

/// The pieces of a run that may have one of the ids, the first being bit 0.
fn mask(run: &IdRun, ids: &[(u64, String)]) -> u32 {
    ids.iter().fold(0, |mask, (prefix, _)| mask | run.directory.event(*prefix).unwrap_or(u32::MAX))
}

/// Those of the pieces whose sidecars have one of the ids.
fn asked_themselves(pieces: &[(usize, &Stretch)], ids: &[(u64, String)]) -> Vec<usize> {
    let mut kept = Vec::new();
    for (prefix, _) in ids {
        // All are looked at three times, each time a little closer, so that the waits for memory of one look go on
        // side by side.
        let near: Vec<Result<usize, Fault>> =
            pieces.iter().map(|(_, stretch)| stretch.sidecar.event_id_near(*prefix)).collect();
        for ((_, stretch), near) in pieces.iter().zip(near) {
            let _ = near.and_then(|near| stretch.sidecar.touch_event_ids(near));
        }
        for (piece, stretch) in pieces {
            let found = stretch.sidecar.find_event_by_prefix(*prefix);
            if !found.is_ok_and(|seqs| seqs.is_empty()) {
                kept.push(*piece);
            }
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}
