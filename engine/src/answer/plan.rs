//! From a condition to the records of one stretch that may match it, by its index.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::bounds::Bounds;
use super::explain::Trace;
use super::narrowed::{Candidates, is_in};
use super::search::Watch;
use super::set::{LIST_COUNT_MAX, Set};
use super::stretch::Stretch;
use super::zones::Lies;
use super::{Trouble, grep, names, paths, recall};
use crate::Fault;
use crate::filter::{Asked, Matcher, Node, TermTest};
use crate::segment::Posting;
use crate::source::{Term, TermKind};

/// Where no condition leaves fewer records, windows of time are looked for before all else: each costs some twenty looks at
/// times.
const SOUGHT_MIN: u64 = 32;

/// What stands between a condition and its answer in one stretch.
pub(super) struct Planner<'a> {
    pub(super) stretch: &'a Arc<Stretch>,
    pub(super) matcher: &'a Matcher,
    pub(super) watch: &'a Watch,
    /// What is known of terms that the matcher asks for.
    pub(super) recalled: &'a [recall::Asked],
    pub(super) trace: Option<&'a RefCell<Trace>>,
    /// Whether something may be brought back from an archive to know.
    pub(super) may_fetch: bool,
}

/// A condition of several that must all hold, and what there is to know of it at little cost.
enum Part<'a> {
    /// Just the records of this term of this field.
    Posting(&'a str, &'a [u8], Posting<'a>),
    Node(&'a Node),
}

impl<'a> Planner<'a> {
    /// What the index says of the candidates.
    pub(super) fn plan(&self, candidates: Candidates) -> Result<Bounds, Trouble> {
        let Candidates { records, decided } = candidates;
        let nodes = parts(self.matcher.root()).iter().enumerate();
        let undecided: Vec<&Node> =
            nodes.filter(|(place, _)| !is_in(decided, *place)).map(|(_, node)| node).collect();
        if undecided.is_empty() {
            return Ok(Bounds::exact(records));
        }
        let bounds = self.all(&undecided, &records)?;
        Ok(bounds.and(Bounds::exact(records)))
    }

    /// How many records of `within` match, where a stored count says so, or one look at a posting.
    pub(super) fn count(&self, within: &Set) -> Result<Option<u64>, Trouble> {
        let mut left = within.clone();
        // Of those left, a few of which each is looked at, so that the others stay one range.
        let mut few = Set::none();
        let mut posting: Option<Posting<'_>> = None;
        let mut parts: Vec<&Node> = parts(self.matcher.root()).iter().collect();
        for node in &parts {
            if let Node::Time(clock, window) = node
                && self.stretch.zones()?.lies(*clock, *window) == Lies::Outside
            {
                return Ok(Some(0));
            }
        }
        // The store's own records are left out before times are looked at: these are in order but for theirs.
        parts.sort_by_key(|node| match node {
            Node::Seqs(_) => 0,
            Node::Not(_) => 1,
            Node::Time(..) => 2,
            _ => 3,
        });
        for node in parts {
            match node {
                Node::Time(clock, window) => {
                    let zones = self.stretch.zones()?;
                    let aside = zones.aside(*clock).iter().copied().filter(|offset| left.contains(*offset));
                    let aside = Set::List(aside.collect());
                    left = left.minus(&aside);
                    few = few.or(aside);
                    for set in [&mut left, &mut few].into_iter().filter(|set| !set.is_empty()) {
                        // It may say more than was asked: of others than those left.
                        let in_window = zones.records(&self.stretch.sidecar, *clock, *window, set)?;
                        *set = std::mem::replace(set, Set::none()).and(in_window);
                    }
                }
                Node::Seqs(seqs) => left = left.and(Set::Range(self.stretch.offsets(seqs))),
                Node::Not(node) if matches!(**node, Node::StoreRecord) => left = left.minus(&*self.own()?),
                _ if posting.is_some() => return Ok(None),
                _ => match self.part(node)? {
                    (_, Part::Posting(.., found)) => posting = Some(found),
                    (0, _) => return Ok(Some(0)),
                    _ => return Ok(None),
                },
            }
            if left.is_empty() && few.is_empty() {
                return Ok(Some(0));
            }
        }
        let Some(posting) = posting else { return Ok(Some(left.len() + few.len())) };
        let mut few: Vec<u32> = few.offsets(false).collect();
        posting.retain(&mut few)?;
        let of_left = match left {
            Set::Range(range) => u64::from(posting.count_in(&range)?),
            Set::Except(range, others) => count_without(posting, &range, others)?,
            Set::List(_) | Set::Bitmap(_) => return Ok(None),
        };
        Ok(Some(of_left + few.len() as u64))
    }

    /// What the index says of the records in `within`; what it says of others means nothing.
    fn bounds(&self, node: &Node, within: &Set) -> Result<Bounds, Trouble> {
        Ok(match node {
            Node::All(nodes) => self.all(&nodes.iter().collect::<Vec<_>>(), within)?,
            Node::Any(nodes) => {
                let mut any = Bounds::exact(Set::none());
                for node in nodes {
                    any = any.or(self.bounds(node, within)?);
                }
                any
            }
            Node::Not(node) => self.bounds(node, within)?.not(Set::Range(0..self.stretch.count())),
            Node::Name(name, asked) => names::bounds(self, self.matcher.name(*name), asked, within)?,
            Node::Path(path, _) => paths::bounds(self, *path, within)?,
            Node::Text(_) if !self.may_fetch && self.stretch.text.is_archived() => {
                Bounds::open(within.clone())
            }
            Node::Text(needle) => Bounds::exact(grep::records(self, needle, within)?),
            Node::Time(clock, window) => {
                let zones = self.stretch.zones()?;
                Bounds::exact(zones.records(&self.stretch.sidecar, *clock, *window, within)?)
            }
            Node::Seqs(seqs) => Bounds::exact(Set::Range(self.stretch.offsets(seqs))),
            Node::Ids(ids) => Bounds::open(self.with_ids(ids.iter().map(|(prefix, _)| *prefix))?),
            Node::StoreRecord => Bounds::exact(self.own()?.into_owned()),
        })
    }

    /// What leaves the least comes first: what follows need look at that alone.
    fn all(&self, nodes: &[&Node], within: &Set) -> Result<Bounds, Trouble> {
        let mut parts = Vec::with_capacity(nodes.len());
        for node in nodes.iter().filter(|node| is_free(node)) {
            parts.push(self.part(node)?);
        }
        for node in nodes.iter().filter(|node| !is_free(node)) {
            parts.push(self.part(node)?);
            if parts.iter().any(|(count, _)| *count == 0) {
                return Ok(Bounds::exact(Set::none()));
            }
        }
        parts.sort_by_key(|(count, _)| *count);
        let mut within = within.clone();
        if parts.first().is_some_and(|(least, _)| *least > SOUGHT_MIN) {
            within = self.in_windows(within, &mut parts)?;
        }
        let (mut all, parts) = match (parts.as_slice(), &within) {
            // What two postings have in common is seen without unpacking either.
            (
                [
                    (_, Part::Posting(name, term, few)),
                    (_, Part::Posting(other_name, other_term, many)),
                    rest @ ..,
                ],
                Set::Range(range) | Set::Except(range, _),
            ) => {
                self.note(name, term, few);
                self.note(other_name, other_term, many);
                let both: Set = few.in_both(many, range)?.into_iter().collect();
                (Bounds::exact(both.and(within)), rest)
            }
            (all, _) => (Bounds::exact(within), all),
        };
        for (_, part) in parts {
            if all.is_none() {
                break;
            }
            all = match part {
                Part::Posting(name, term, posting) if all.is_exact() => {
                    Bounds::exact(self.in_posting(name, term, *posting, all.sure)?)
                }
                Part::Posting(name, term, posting) => all.and(Bounds::exact(self.set(name, term, *posting)?)),
                Part::Node(Node::Not(node)) if all.is_exact() && matches!(**node, Node::StoreRecord) => {
                    Bounds::exact(all.sure.minus(&*self.own()?))
                }
                Part::Node(node) => {
                    let left = all.all();
                    all.and(self.bounds(node, &left)?)
                }
            };
        }
        Ok(all)
    }

    /// What of `within`, where that is a range, lies in the windows of time among the parts that are ranges too: what follows
    /// need look at that alone. These parts are done.
    fn in_windows(&self, mut within: Set, parts: &mut Vec<(u64, Part<'_>)>) -> Result<Set, Trouble> {
        let mut left = Vec::with_capacity(parts.len());
        for (count, part) in parts.drain(..) {
            if let Part::Node(Node::Time(clock, window)) = part
                && matches!(within, Set::Range(_) | Set::Except(..))
                && let Some(in_window) =
                    self.stretch.zones()?.range(&self.stretch.sidecar, *clock, *window)?
            {
                within = within.and(in_window);
                continue;
            }
            left.push((count, part));
        }
        *parts = left;
        Ok(within)
    }

    /// About how many records a condition leaves, and what was learnt on the way.
    fn part<'n>(&self, node: &'n Node) -> Result<(u64, Part<'n>), Trouble>
    where
        'a: 'n,
    {
        let count = u64::from(self.stretch.count());
        let about = match node {
            Node::Name(name, Asked::Some(test)) => {
                let name = self.matcher.name(*name);
                let posting = |(kind, bytes): &'n (TermKind, Vec<u8>)| {
                    let posting = self.posting(name, Term { kind: *kind, bytes })?;
                    Ok::<_, Fault>((u64::from(posting.count()), Part::Posting(name, bytes, posting)))
                };
                match names::terms(self, name, test) {
                    None => count,
                    Some([term]) => return Ok(posting(term)?),
                    Some(terms) => {
                        terms.iter().try_fold(0, |sum, term| Ok::<_, Fault>(sum + posting(term)?.0))?
                    }
                }
            }
            Node::Time(clock, window) => match self.stretch.zones()?.lies(*clock, *window) {
                Lies::Outside => 0,
                Lies::Across => count / 2,
                Lies::Inside => count,
            },
            Node::Seqs(seqs) => Set::Range(self.stretch.offsets(seqs)).len(),
            Node::Ids(ids) => ids.len() as u64,
            Node::StoreRecord => 1,
            Node::Name(..) | Node::Not(_) => count,
            Node::All(nodes) => nodes
                .iter()
                .try_fold(count, |least, node| self.part(node).map(|(count, _)| least.min(count)))?,
            Node::Any(nodes) => nodes
                .iter()
                .try_fold(0_u64, |sum, node| self.part(node).map(|(count, _)| sum.saturating_add(count)))?,
            Node::Text(_) => count.saturating_mul(2).saturating_add(1),
            Node::Path(..) => count.saturating_mul(4).saturating_add(1),
        };
        Ok((about, Part::Node(node)))
    }

    /// The store's own records: nearly every question leaves them out.
    fn own(&self) -> Result<Cow<'a, Set>, Trouble> {
        let known = &self.stretch.own;
        Ok(match known.get().filter(|_| self.trace.is_none()) {
            Some(own) => Cow::Borrowed(own),
            None => {
                let own = self.of_source(0)?;
                known.get_or_init(|| own.clone());
                Cow::Owned(own)
            }
        })
    }

    /// The records of one source.
    pub(super) fn of_source(&self, source: u64) -> Result<Set, Trouble> {
        let text = source.to_string();
        let term = Term { kind: TermKind::Number, bytes: text.as_bytes() };
        self.set("source", text.as_bytes(), self.posting("source", term)?)
    }

    /// The records that carry a term.
    fn posting(&self, name: &str, term: Term<'_>) -> Result<Posting<'a>, Fault> {
        let stretch = &**self.stretch;
        let recalled =
            self.recalled.iter().map(|asked| &asked.recalled).find(|recalled| recalled.is_of(name, term));
        let word = match recalled.and_then(|recalled| recalled.word(stretch)) {
            Some(word) => word,
            None => {
                let word = stretch.posting_word(name, term)?;
                if let Some(recalled) = recalled {
                    recalled.note(stretch, word);
                }
                word
            }
        };
        stretch.sidecar.posting(word)
    }

    /// The records that may have one of the event ids with these prefixes.
    pub(super) fn with_ids(&self, prefixes: impl Iterator<Item = u64>) -> Result<Set, Trouble> {
        let mut found = Vec::new();
        for prefix in prefixes {
            found.extend(self.stretch.sidecar.with_event_id(prefix)?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(Set::List(found))
    }

    /// The offsets of a posting.
    pub(super) fn set(&self, name: &str, term: &[u8], posting: Posting<'_>) -> Result<Set, Trouble> {
        self.note(name, term, &posting);
        set_of(posting)
    }

    /// Those of `set` that are in a posting.
    fn in_posting(&self, name: &str, term: &[u8], posting: Posting<'_>, set: Set) -> Result<Set, Trouble> {
        match set {
            Set::List(mut list) => {
                self.note(name, term, &posting);
                posting.retain(&mut list)?;
                Ok(Set::List(list))
            }
            set if set.covers(&(0..self.stretch.count())) => self.set(name, term, posting),
            set => Ok(self.set(name, term, posting)?.and(set)),
        }
    }

    fn note(&self, name: &str, term: &[u8], posting: &Posting<'_>) {
        if let Some(trace) = self.trace {
            trace.borrow_mut().posting(name, term, posting);
        }
    }
}

/// The offsets of a posting.
pub(super) fn set_of(posting: Posting<'_>) -> Result<Set, Trouble> {
    Ok(match posting.list(LIST_COUNT_MAX as u32)? {
        Some(list) => Set::List(list),
        None => Set::Bitmap(posting.bitmap()?),
    })
}

/// How many of a posting's records are in a range, without these few in it.
pub(super) fn count_without(
    posting: Posting<'_>,
    range: &Range<u32>,
    mut few: Vec<u32>,
) -> Result<u64, Trouble> {
    posting.retain(&mut few)?;
    Ok(u64::from(posting.count_in(range)?).saturating_sub(few.len() as u64))
}

/// The conditions that must all hold.
pub(super) fn parts(node: &Node) -> &[Node] {
    match node {
        Node::All(nodes) => nodes,
        one => std::slice::from_ref(one),
    }
}

/// Conditions of which is known what they leave without a look at the index.
fn is_free(node: &Node) -> bool {
    matches!(node, Node::Time(..) | Node::Seqs(_))
}

/// Conditions of which the postings tell, or times and seqs.
pub(super) fn reads_no_record(node: &Node) -> bool {
    match node {
        Node::Name(_, Asked::Some(TermTest::OneOf(_, globs))) => globs.is_empty(),
        Node::Not(node) => matches!(**node, Node::StoreRecord),
        node => is_free(node) || matches!(node, Node::StoreRecord),
    }
}
