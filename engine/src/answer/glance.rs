//! What a glance at a record tells of a condition, before any of its fields are found: whoever asks for an event by its
//! id is not made to wait until the whole event is read.

use super::Hit;
use crate::filter::{Clock, Node};

/// Whether `node` holds of a record; nothing where its fields must be found to know.
pub(super) fn holds(node: &Node, hit: &Hit) -> Option<bool> {
    match node {
        Node::All(nodes) => nodes.iter().try_fold(true, |all, node| Some(all && holds(node, hit)?)),
        Node::Not(node) => holds(node, hit).map(|holds| !holds),
        Node::StoreRecord => Some(hit.is_store_record()),
        Node::Seqs(seqs) => Some(seqs.contains(&hit.seq)),
        Node::Time(Clock::Received, window) => Some(window.contains(hit.received_at)),
        Node::Ids(ids) => hit.plain_id().map(|found| ids.iter().any(|(_, id)| id.as_bytes() == found)),
        Node::Any(_) | Node::Name(..) | Node::Path(..) | Node::Text(_) | Node::Time(Clock::Event, _) => None,
    }
}
