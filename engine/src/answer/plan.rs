//! From a condition to the records of one segment that may match it, by the segment's index.

use std::cell::RefCell;

use super::bounds::Bounds;
use super::explain::Trace;
use super::search::Watch;
use super::set::Set;
use super::stretch::Stretch;
use super::{Trouble, names};
use crate::filter::{Asked, Clock, Matcher, Node, Window};
use crate::segment::Posting;
use crate::source::{EventTime, Term, TermKind};

/// What stands between a condition and its answer in one segment.
pub(super) struct Planner<'a> {
    pub(super) stretch: &'a Stretch,
    pub(super) matcher: &'a Matcher,
    pub(super) watch: &'a Watch,
    pub(super) trace: Option<&'a RefCell<Trace>>,
}

impl Planner<'_> {
    /// What the index says of the records in `within`.
    pub(super) fn plan(&self, within: Set) -> Result<Bounds, Trouble> {
        let bounds = self.bounds(self.matcher.root(), &within)?;
        Ok(bounds.and(Bounds::exact(within)))
    }

    /// What the index says of the records in `within`; what it says of others means nothing.
    fn bounds(&self, node: &Node, within: &Set) -> Result<Bounds, Trouble> {
        let everything = || Set::Range(0..self.stretch.count());
        Ok(match node {
            Node::All(nodes) => {
                let mut nodes: Vec<(u64, &Node)> =
                    nodes.iter().map(|node| Ok((self.cost(node)?, node))).collect::<Result<_, Trouble>>()?;
                // What leaves the least comes first: what follows need look at that alone.
                nodes.sort_by_key(|(cost, _)| *cost);
                let mut all = Bounds::exact(within.clone());
                for (_, node) in nodes {
                    let left = all.all();
                    if left.is_empty() {
                        break;
                    }
                    all = all.and(self.bounds(node, &left)?);
                }
                all
            }
            Node::Any(nodes) => {
                let mut any = Bounds::exact(Set::none());
                for node in nodes {
                    any = any.or(self.bounds(node, within)?);
                }
                any
            }
            Node::Not(node) => self.bounds(node, within)?.not(everything()),
            Node::Name(name, asked) => self.name(self.matcher.name(*name), asked, within)?,
            Node::Path(..) => Bounds::open(within.clone()),
            Node::Text(needle) => Bounds::exact(self.text(needle, within)?),
            Node::Time(clock, window) => Bounds::exact(self.time(*clock, *window, within)?),
            Node::Seqs(seqs) => Bounds::exact(Set::Range(self.stretch.offsets(seqs))),
            Node::Ids(ids) => {
                let mut open = Vec::new();
                for id in ids {
                    let seqs = self.stretch.sidecar.find_event(id.as_bytes())?;
                    open.extend(seqs.iter().map(|seq| (seq - self.stretch.sidecar.first_seq()) as u32));
                }
                open.sort_unstable();
                open.dedup();
                Bounds::open(Set::List(open))
            }
            Node::StoreRecord => Bounds::exact(self.of_source(0)?),
        })
    }

    /// About how many records a condition leaves, those first that are cheap to know. Costs nothing itself.
    fn cost(&self, node: &Node) -> Result<u64, Trouble> {
        let count = u64::from(self.stretch.count());
        Ok(match node {
            Node::Ids(ids) => ids.len() as u64,
            Node::Seqs(_) => 0,
            Node::Name(name, Asked::Some(test)) => {
                names::count_max(self, self.matcher.name(*name), test)?.unwrap_or(count)
            }
            Node::StoreRecord => 1,
            Node::Name(..) | Node::Time(..) | Node::Not(_) => count,
            Node::All(nodes) => nodes
                .iter()
                .map(|node| self.cost(node))
                .try_fold(count, |min, cost| cost.map(|c| min.min(c)))?,
            Node::Any(nodes) => nodes
                .iter()
                .map(|node| self.cost(node))
                .try_fold(0_u64, |sum, cost| cost.map(|cost| sum.saturating_add(cost)))?,
            Node::Text(_) => count.saturating_mul(2),
            Node::Path(..) => count.saturating_mul(4),
        })
    }

    /// The records of one source.
    pub(super) fn of_source(&self, source: u64) -> Result<Set, Trouble> {
        let Some(field) = self.stretch.sidecar.field("source")? else { return Ok(Set::none()) };
        let text = source.to_string();
        let term = Term { kind: TermKind::Number, bytes: text.as_bytes() };
        field.posting_of_term(term)?.map_or(Ok(Set::none()), |posting| self.set("source", &text, posting))
    }

    /// The offsets of a posting.
    pub(super) fn set(&self, field: &str, term: &str, posting: Posting<'_>) -> Result<Set, Trouble> {
        if let Some(trace) = self.trace {
            trace.borrow_mut().posting(field, term, &posting);
        }
        Ok(match posting.list()? {
            Some(list) => Set::List(list),
            None => Set::Bitmap(posting.bitmap()?),
        })
    }

    fn text(&self, needle: &memchr::memmem::Finder<'_>, within: &Set) -> Result<Set, Trouble> {
        let mut found = Vec::new();
        for offset in within.clone().offsets(false) {
            self.watch.check()?;
            if needle.find(self.stretch.hit(offset)?.body()).is_some() {
                found.push(offset);
            }
        }
        Ok(found.into_iter().collect())
    }

    fn time(&self, clock: Clock, window: Window, within: &Set) -> Result<Set, Trouble> {
        let sidecar = &self.stretch.sidecar;
        let mut found = Vec::new();
        for offset in within.clone().offsets(false) {
            let known = match clock {
                Clock::Event => sidecar.event_time(offset)?,
                Clock::Received => None,
            };
            let time = match known {
                Some(EventTime::Known(time)) => Some(time),
                _ => sidecar.received_at(offset)?,
            };
            if time.is_some_and(|time| window.contains(time)) {
                found.push(offset);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// What the index says of a condition on a named field.
    fn name(&self, name: &str, asked: &Asked, within: &Set) -> Result<Bounds, Trouble> {
        names::bounds(self, name, asked, within)
    }
}
