//! Which stretches may hold an event of some id. An id is mostly in one of them: the others are passed by without a
//! plan.

use super::AsOf;
use crate::filter::{Matcher, Node};
use crate::{Fault, Result};

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
    let stretches: Vec<_> =
        pieces.into_iter().map(|piece| Ok((piece, as_of.stretch(piece)?))).collect::<Result<_>>()?;
    let mut kept = Vec::new();
    for (prefix, _) in ids {
        // All are looked at three times, each time a little closer, so that the waits for memory of one look go on
        // side by side.
        let near: Vec<Result<usize, Fault>> =
            stretches.iter().map(|(_, stretch)| stretch.sidecar.event_id_near(*prefix)).collect();
        for ((_, stretch), near) in stretches.iter().zip(near) {
            let _ = near.and_then(|near| stretch.sidecar.touch_event_ids(near));
        }
        for (piece, stretch) in &stretches {
            let found = stretch.sidecar.find_event_by_prefix(*prefix);
            if !found.is_ok_and(|seqs| seqs.is_empty()) {
                kept.push(*piece);
            }
        }
    }
    kept.sort_unstable();
    kept.dedup();
    Ok(kept)
}
