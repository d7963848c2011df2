//! From a filter to the records of a segment that may match it, as far as is known of the segment's index.
//!
//! Whoever makes a bundle and whoever checks it ask this one function. So a bundle need not say which records it owes:
//! that follows from the filter and from what is shown. What is not shown limits nothing: a condition that the shown
//! index does not decide may hold of every record. To show more can only narrow what a bundle owes, never widen what it
//! can claim.

use roaring::RoaringBitmap;

use super::checked::{Residual, Why};
use super::index::NamedTerm;
use super::schema::{FieldIndex, Schema};
use super::shown::ShownIndex;
use crate::filter::{Asked, Clock, Filter, Matcher, Node, TermTest, Window};
use crate::format::disclosure::Opened;
use crate::format::index::{ABSENT, PRESENT, TermKind, UNREADABLE};
use crate::source::Term;
use crate::{Seq, Timestamp};

/// What is known of which records of a segment match, as offsets. Each set holds the one before.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// These match, by the index.
    pub(crate) sure: RoaringBitmap,
    /// These match, or have something unreadable where the filter looks: a bundle owes them in any case.
    pub(crate) owed: RoaringBitmap,
    /// All others do not match.
    pub(crate) may: RoaringBitmap,
}

impl Known {
    fn exact(sure: RoaringBitmap) -> Known {
        Known { owed: sure.clone(), may: sure.clone(), sure }
    }

    /// These are to be read to know.
    fn open(owed: RoaringBitmap) -> Known {
        Known { sure: RoaringBitmap::new(), may: owed.clone(), owed }
    }

    /// Nothing says which of these match.
    fn undecided(may: RoaringBitmap) -> Known {
        Known { sure: RoaringBitmap::new(), owed: RoaringBitmap::new(), may }
    }

    pub(crate) fn and(self, other: &Known) -> Known {
        Known { sure: self.sure & &other.sure, owed: self.owed & &other.owed, may: self.may & &other.may }
    }

    fn or(self, other: &Known) -> Known {
        Known { sure: self.sure | &other.sure, owed: self.owed | &other.owed, may: self.may | &other.may }
    }

    fn not(self, all: &RoaringBitmap) -> Known {
        let sure = all - &self.may;
        // What was open stays open.
        let owed = &sure | (self.owed - &self.sure);
        Known { owed, may: all - self.sure, sure }
    }
}

/// What of an index it takes to decide a condition.
#[derive(Debug)]
pub(crate) enum Wanted<'f> {
    /// A term's records.
    Posting(NamedTerm),
    /// All terms of a field, and the records of those that pass.
    Vocabulary(&'f str, Pick<'f>),
}

/// Which terms of a field matter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pick<'f> {
    All,
    Test(&'f TermTest),
    /// The days that have a moment in the window.
    Days(Window),
}

impl Pick<'_> {
    pub(crate) fn picks(&self, term: Term<'_>) -> bool {
        match self {
            Pick::All => true,
            Pick::Test(test) => test.passes(term),
            Pick::Days(window) => day_lies(term.bytes, *window) != Lies::Outside,
        }
    }
}

/// A filter in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InSegment<'s> {
    pub(crate) matcher: &'s Matcher,
    pub(crate) schema: &'s Schema,
    pub(crate) first_seq: Seq,
    pub(crate) record_count: u32,
    /// The offsets of records that were deleted: nothing is asked of them.
    pub(crate) gone: &'s RoaringBitmap,
}

impl<'s> InSegment<'s> {
    /// What of the index it takes to decide a condition, as far as the index can.
    pub(crate) fn wanted(&self, node: &'s Node, out: &mut Vec<Wanted<'s>>) {
        let mut posting = |field: &str, kind, term: &[u8]| {
            let field = field.to_owned();
            out.push(Wanted::Posting(NamedTerm { field, kind, term: term.to_vec() }));
        };
        match node {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| self.wanted(node, out)),
            Node::Not(node) => self.wanted(node, out),
            Node::Name(name, asked) => self.wanted_of_field(self.matcher.name(*name), asked, out),
            Node::Time(Clock::Event, window) => {
                posting("day", TermKind::Reserved, ABSENT);
                posting("day", TermKind::Reserved, UNREADABLE);
                out.push(Wanted::Vocabulary("day", Pick::Days(*window)));
            }
            Node::StoreRecord => posting("source", TermKind::Number, b"0"),
            Node::Path(..) | Node::Text(_) | Node::Time(..) | Node::Seqs(_) | Node::Ids(_) => {}
        }
    }

    fn wanted_of_field(&self, name: &'s str, asked: &'s Asked, out: &mut Vec<Wanted<'s>>) {
        let index = self.schema.field(name);
        if matches!(index, FieldIndex::Nowhere | FieldIndex::Private) {
            return;
        }
        let mut posting = |kind, term: &[u8]| {
            out.push(Wanted::Posting(NamedTerm { field: name.to_owned(), kind, term: term.to_vec() }));
        };
        posting(TermKind::Reserved, UNREADABLE);
        if index == FieldIndex::Reserved || matches!(asked, Asked::Exists | Asked::None(_)) {
            posting(TermKind::Reserved, PRESENT);
        }
        let (FieldIndex::Terms, Asked::Some(test) | Asked::None(test)) = (index, asked) else { return };
        match test {
            TermTest::OneOf(terms, globs) if globs.is_empty() => {
                terms.iter().for_each(|(kind, term)| posting(*kind, term));
            }
            test => out.push(Wanted::Vocabulary(name, Pick::Test(test))),
        }
    }

    /// Adds of the terms that the filter asks for those that are shown to be in no record.
    pub(crate) fn add_absent(&self, opened: &Opened<'_>, shown: &mut ShownIndex) {
        let mut wanted = Vec::new();
        self.wanted(self.matcher.root(), &mut wanted);
        for wanted in wanted {
            if let Wanted::Posting(term) = wanted
                && opened.absence(&term.field, term.kind, &term.term).is_ok()
            {
                shown.insert(term, Some(RoaringBitmap::new()));
            }
        }
    }

    /// What is known of the records that match. `node` is `filter`, compiled; what the shown index does not decide
    /// is added to `residual`.
    pub(crate) fn known(
        &self,
        filter: &Filter,
        node: &Node,
        shown: &ShownIndex,
        residual: &mut Vec<Residual>,
    ) -> Known {
        let mut undecided = |why: Why| {
            let condition = Residual { condition: filter.clone(), why };
            if !residual.contains(&condition) {
                residual.push(condition);
            }
            self.undecided()
        };
        match (filter, node) {
            (Filter::All(filters), Node::All(nodes)) => {
                let before = residual.len();
                let pairs = filters.iter().zip(nodes);
                let known = pairs.fold(self.everything(), |known, (filter, node)| {
                    known.and(&self.known(filter, node, shown, residual))
                });
                if known.may.is_empty() {
                    // Nothing is left that any of these could say more of.
                    residual.truncate(before);
                }
                known
            }
            (Filter::Any(filters), Node::Any(nodes)) => {
                filters.iter().zip(nodes).fold(Known::exact(RoaringBitmap::new()), |known, (filter, node)| {
                    known.or(&self.known(filter, node, shown, residual))
                })
            }
            (Filter::Not(filter), Node::Not(node)) => {
                self.known(filter, node, shown, residual).not(&self.all())
            }
            (_, Node::Name(name, asked)) => {
                let known = self.of_field(self.matcher.name(*name), asked, shown);
                known.unwrap_or_else(|(why, may)| {
                    let known = undecided(why);
                    may.map_or(known, Known::undecided)
                })
            }
            (_, Node::Time(Clock::Event, window)) => {
                self.at_days(*window, shown).unwrap_or_else(|| undecided(Why::NotShown))
            }
            (_, Node::Seqs(seqs)) => Known::exact(self.offsets(seqs)),
            (_, Node::StoreRecord) => match shown.posting("source", TermKind::Number, b"0") {
                Some(posting) => Known::exact(posting.clone()),
                None => undecided(Why::NotShown),
            },
            _ => undecided(Why::NotIndexed),
        }
    }

    /// Where it is not decided, why, and the records that may match where at least these are known.
    fn of_field(
        &self,
        name: &str,
        asked: &Asked,
        shown: &ShownIndex,
    ) -> Result<Known, (Why, Option<RoaringBitmap>)> {
        let reserved = |term| shown.posting(name, TermKind::Reserved, term).ok_or((Why::NotShown, None));
        let index = self.schema.field(name);
        match (index, asked) {
            (FieldIndex::Nowhere, _) => Ok(Known::exact(RoaringBitmap::new())),
            (FieldIndex::Private, _) => Err((Why::Private, None)),
            (_, Asked::Exists) => Ok(Known::exact(reserved(PRESENT)? | reserved(UNREADABLE)?)),
            (_, Asked::Unreadable) => Ok(Known::open(reserved(UNREADABLE)?.clone())),
            (FieldIndex::Reserved, _) => {
                Err((Why::NoTerms, Some(reserved(PRESENT)? | reserved(UNREADABLE)?)))
            }
            (FieldIndex::Terms, Asked::Some(test)) => {
                let sure = passing(name, test, shown).ok_or((Why::NotShown, None))?;
                let owed = &sure | reserved(UNREADABLE)?;
                Ok(Known { sure, may: owed.clone(), owed })
            }
            (FieldIndex::Terms, Asked::None(test)) => {
                let (present, unreadable) = (reserved(PRESENT)?, reserved(UNREADABLE)?);
                let passing = passing(name, test, shown).ok_or((Why::NotShown, None))?;
                let owed = (present | unreadable) - &passing;
                Ok(Known { sure: &owed - unreadable, may: owed.clone(), owed })
            }
        }
    }

    /// The records of the days of a window. On the first and the last day, and where a record has no time of its own so
    /// that the time of receipt stands in, the record is to be read.
    fn at_days(&self, window: Window, shown: &ShownIndex) -> Option<Known> {
        let reserved = |term| shown.posting("day", TermKind::Reserved, term);
        let (mut sure, mut owed) = (RoaringBitmap::new(), reserved(ABSENT)? | reserved(UNREADABLE)?);
        for (day, posting) in shown.vocabulary("day")? {
            match day_lies(day.bytes, window) {
                Lies::Outside => {}
                Lies::Across => owed |= posting?,
                Lies::Inside => sure |= posting?,
            }
        }
        owed |= &sure;
        Some(Known { sure, may: owed.clone(), owed })
    }

    /// What is known where nothing is asked.
    pub(crate) fn everything(&self) -> Known {
        Known::exact(self.all())
    }

    /// What is known where nothing is shown.
    pub(crate) fn undecided(&self) -> Known {
        Known::undecided(self.all())
    }

    fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.record_count);
        all - self.gone
    }

    /// The offsets of those of `seqs` that are in this segment and were not deleted.
    pub(crate) fn offsets(&self, seqs: &std::ops::Range<Seq>) -> RoaringBitmap {
        let end = self.first_seq + u64::from(self.record_count);
        let offset = |seq: Seq| (seq.clamp(self.first_seq, end) - self.first_seq) as u32;
        let mut offsets = RoaringBitmap::new();
        offsets.insert_range(offset(seqs.start)..offset(seqs.end));
        offsets - self.gone
    }
}

/// The records with a term that passes, where all of these are known.
fn passing(name: &str, test: &TermTest, shown: &ShownIndex) -> Option<RoaringBitmap> {
    let mut passing = RoaringBitmap::new();
    match test {
        TermTest::OneOf(terms, globs) if globs.is_empty() => {
            for (kind, term) in terms {
                passing |= shown.posting(name, *kind, term)?;
            }
        }
        test => {
            for (_, posting) in shown.vocabulary(name)?.filter(|(term, _)| test.passes(*term)) {
                passing |= posting?;
            }
        }
    }
    Some(passing)
}

/// How a day lies to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lies {
    Outside,
    Across,
    Inside,
}

/// Days in the index's form have the order of their texts.
fn day_lies(day: &[u8], Window { from, until }: Window) -> Lies {
    let is_midnight = |time: Timestamp| time.0.rem_euclid(86_400_000_000_000) == 0;
    let day_of = |time: Timestamp| time.day_text().into_bytes();
    let last = until.map(|until| Timestamp(until.0.saturating_sub(1)));
    let is_empty = from.zip(until).is_some_and(|(from, until)| until <= from);
    let before = from.is_some_and(|from| day < day_of(from).as_slice());
    let after = last.is_some_and(|last| day > day_of(last).as_slice());
    if is_empty || before || after {
        return Lies::Outside;
    }
    let begins = from.is_none_or(|from| is_midnight(from) || day > day_of(from).as_slice());
    let ends = until.is_none_or(|until| day < day_of(until).as_slice());
    if begins && ends { Lies::Inside } else { Lies::Across }
}
