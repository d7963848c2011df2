//! Filters in three values: whether a record matches, does not, or cannot be told, because something in it that the
//! filter asks for could not be read.
//!
//! [`Matcher::matches`] is what a filter means, and gives an answer whatever is unreadable. Where the wrong answer loses
//! evidence (legal holds, rules of retention), the doubt itself is needed.

use super::matcher::{Asked, Matcher, Node, Place, Scratch, Subject};
use super::{Clock, matcher};
use crate::source::EventTime;

/// Whether a record matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// It does not.
    No,
    /// It depends on what could not be read.
    Undecided,
    /// It does.
    Yes,
}

impl From<bool> for Decision {
    fn from(holds: bool) -> Decision {
        if holds { Decision::Yes } else { Decision::No }
    }
}

impl std::ops::Not for Decision {
    type Output = Decision;

    fn not(self) -> Decision {
        match self {
            Decision::No => Decision::Yes,
            Decision::Undecided => Decision::Undecided,
            Decision::Yes => Decision::No,
        }
    }
}

impl Matcher {
    /// Whether the record matches. A body that cannot be followed, and an encoding that is not known, leave everything
    /// undecided that asks for the event.
    pub fn decide(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Decision {
        self.begin(subject, scratch);
        self.decide_node(self.root(), subject, scratch)
    }

    /// Kleene's logic: of `all` the least, of `any` the greatest.
    fn decide_node(&self, node: &Node, subject: &Subject<'_>, scratch: &mut Scratch) -> Decision {
        let decisions = |nodes: &[Node], scratch: &mut Scratch| -> Vec<Decision> {
            nodes.iter().map(|node| self.decide_node(node, subject, scratch)).collect()
        };
        match node {
            Node::All(nodes) => decisions(nodes, scratch).into_iter().min().unwrap_or(Decision::Yes),
            Node::Any(nodes) => decisions(nodes, scratch).into_iter().max().unwrap_or(Decision::No),
            Node::Not(node) => !self.decide_node(node, subject, scratch),
            Node::Name(_, asked) => {
                let holds = self.try_holds(node, subject, scratch);
                let unreadable = is_unreadable(scratch.place(node), subject);
                decide_values(asked, holds, unreadable)
            }
            Node::Time(Clock::Event, _) if subject.fields.time() == EventTime::Unreadable => {
                Decision::Undecided
            }
            Node::Ids(_) => {
                let holds = self.try_holds(node, subject, scratch);
                let unreadable = matcher::id_is_unreadable(subject);
                if unreadable && holds == Decision::No { Decision::Undecided } else { holds }
            }
            Node::Seqs(_) | Node::StoreRecord | Node::Time(..) | Node::Path(..) | Node::Text(_) => {
                self.try_holds(node, subject, scratch)
            }
        }
    }

    fn try_holds(&self, node: &Node, subject: &Subject<'_>, scratch: &mut Scratch) -> Decision {
        let asks_the_event =
            !matches!(node, Node::Seqs(_) | Node::StoreRecord | Node::Time(Clock::Received, _));
        if subject.encoding != 0 && asks_the_event {
            return Decision::Undecided;
        }
        self.holds(node, subject, scratch).map_or(Decision::Undecided, Decision::from)
    }
}

/// What a value that could not be read leaves of a test's answer: one value that passes settles it, either way.
fn decide_values(asked: &Asked, holds: Decision, unreadable: bool) -> Decision {
    if !unreadable {
        return holds;
    }
    match (asked, holds) {
        (Asked::Exists | Asked::Unreadable, _) => holds,
        (Asked::Some(_), Decision::Yes) => Decision::Yes,
        // Of several values one may be the one that must not be there: then what is unreadable makes no difference.
        // It cannot be told here from there being no value at all, so the doubt stays.
        (Asked::Some(_) | Asked::None(_), _) => Decision::Undecided,
    }
}

fn is_unreadable(place: Place, subject: &Subject<'_>) -> bool {
    match place {
        Place::Slot(slot) | Place::EventId(slot) => subject.fields.unreadable().contains(&slot),
        Place::EventTime(_) | Place::Day => subject.fields.time() == EventTime::Unreadable,
        Place::Nowhere | Place::Source | Place::Encoding | Place::Label => false,
    }
}
