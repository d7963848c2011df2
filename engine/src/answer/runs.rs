//! What the directories over runs of sealed segments save: segments that cannot hold a match are passed by unopened, and
//! counts that a directory states are not asked for again.
//!
//! A directory says less than a sidecar does: of a condition that it knows nothing of, every segment may hold a match.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use super::AsOf;
use super::explain::Trace;
use super::narrowed::{self, Narrowed};
use super::plan::parts;
use super::recall;
use crate::disk::Mapped;
use crate::filter::{Asked, Clock, Matcher, Node, TermTest, Window};
use crate::format::directory::{Covered, Directory, RUN_SEGMENTS_MAX, TermPlace};
use crate::index::BUILT_IN;
use crate::log::directories::Run;
use crate::source::{FieldKind, Profile, Term, TermKind};
use crate::{Fault, Result, Seq, Timestamp};

/// The segments of a run, bit `n` being segment `n`.
pub(super) type Mask = u32;
const ALL: Mask = Mask::MAX >> (Mask::BITS as usize - RUN_SEGMENTS_MAX);

/// The directories of a log as of one head.
#[derive(Debug)]
pub(super) struct Runs {
    runs: Vec<KnownRun>,
    /// The fields that hold event ids or event times in some source's records: directories say of these nothing.
    untermed: HashSet<String>,
}

/// A directory, and what questions for times learnt of it.
#[derive(Debug)]
struct KnownRun {
    run: Run,
    /// The segments in which the time of receipt stands in for the own time of some record that the filter looks at: of
    /// filters that look at the store's own records, and of those that exclude them.
    by_receipt: [OnceLock<Mask>; 2],
}

impl Runs {
    pub(super) fn new(as_of: &AsOf) -> Result<Runs> {
        let runs = as_of.log.directories(&as_of.catalog);
        let mut untermed = HashSet::new();
        if !runs.is_empty() {
            let sources = as_of.log.all_sources(&as_of.catalog)?;
            let registered = sources.iter().map(|source| &*source.profile);
            for profile in registered.chain([Profile::store_records()]) {
                let fields = profile.fields().iter();
                untermed.extend(
                    fields
                        .filter(|field| matches!(field.kind, FieldKind::Id | FieldKind::Time))
                        .map(|field| field.name.clone()),
                );
            }
        }
        let known = |run| KnownRun { run, by_receipt: Default::default() };
        Ok(Runs { runs: runs.into_iter().map(known).collect(), untermed })
    }

    /// Those of `pieces`, which ascend, that may hold a match, and what is known of the records of some.
    pub(super) fn pieces(
        &self,
        as_of: &AsOf,
        pieces: &[usize],
        matcher: &Matcher,
        recalled: &[recall::Asked],
        trace: Option<&RefCell<Trace>>,
    ) -> (Vec<usize>, Narrowed) {
        let (mut kept, mut narrowed) = (Vec::with_capacity(pieces.len()), Narrowed::default());
        let (mut pieces, mut room) = (pieces, narrowed::RECORDS_MAX);
        for known in &self.runs {
            let run = &known.run;
            let first = run.segments.start;
            let before = pieces.partition_point(|piece| *piece < first);
            let end = pieces.partition_point(|piece| *piece < run.segments.end);
            kept.extend_from_slice(&pieces[..before]);
            let of_run = &pieces[before..end];
            pieces = &pieces[end..];
            if of_run.is_empty() {
                continue;
            }
            let mask = of_run.iter().fold(0, |mask: Mask, piece| mask | 1 << (piece - first));
            let look = Look::new(known, matcher, recalled, &self.untermed);
            // A directory that is damaged says nothing: its segments are asked themselves.
            let found = look.composite(mask, &mut room, trace).and_then(|found| match found {
                Some(found) => Ok((mask, Some(found))),
                None => Ok((mask & look.may_match(matcher.root())?, None)),
            });
            let (mask, found) = found.unwrap_or_else(|_| {
                as_of.log.distrust_directory(run);
                (mask, None)
            });
            match found {
                Some(found) => found.add_to(first, look.segments(), &mut kept, &mut narrowed),
                None => kept.extend(of_run.iter().filter(|piece| mask >> (*piece - first) & 1 == 1)),
            }
        }
        kept.extend_from_slice(pieces);
        (kept, narrowed)
    }

    /// For each of `pieces`, which ascend, how many of its records match, where a directory states it.
    pub(super) fn counts(&self, pieces: &[usize], matcher: &Matcher, seqs: &Range<Seq>) -> Vec<Option<u64>> {
        let mut counts = vec![None; pieces.len()];
        for known in &self.runs {
            let run = &known.run;
            let start = pieces.partition_point(|piece| *piece < run.segments.start);
            let end = pieces.partition_point(|piece| *piece < run.segments.end);
            if start == end {
                continue;
            }
            let look = Look::new(known, matcher, &[], &self.untermed);
            let Ok(Some(of_run)) = look.counts(seqs) else { continue };
            for (count, piece) in counts.iter_mut().zip(pieces).take(end).skip(start) {
                *count = of_run.get(piece - run.segments.start).copied().flatten();
            }
        }
        counts
    }

    /// The directories, each with the pieces that it is over.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().map(|known| &known.run)
    }
}

/// A filter held against one directory.
pub(super) struct Look<'a> {
    pub(super) directory: &'a Directory<Mapped>,
    by_receipt: &'a [OnceLock<Mask>; 2],
    pub(super) matcher: &'a Matcher,
    /// What is known of terms that the matcher asks for.
    recalled: &'a [recall::Asked],
    /// Which of the log's runs it is over.
    run: usize,
    pub(super) untermed: &'a HashSet<String>,
    /// Whether the filter excludes the store's own records.
    without_own: bool,
}

impl<'a> Look<'a> {
    fn new(
        known: &'a KnownRun,
        matcher: &'a Matcher,
        recalled: &'a [recall::Asked],
        untermed: &'a HashSet<String>,
    ) -> Self {
        let KnownRun { run, by_receipt } = known;
        let is_without = |node: &Node| matches!(node, Node::Not(node) if matches!(**node, Node::StoreRecord));
        let without_own = parts(matcher.root()).iter().any(is_without);
        let place = run.segments.start / RUN_SEGMENTS_MAX;
        Look { directory: &run.directory, by_receipt, matcher, recalled, run: place, untermed, without_own }
    }

    /// The segments that the directory is over.
    pub(super) fn segments(&self) -> &'a [Covered] {
        self.directory.segments()
    }

    /// The segments that may hold a record for which `node` holds.
    pub(super) fn may_match(&self, node: &Node) -> Result<Mask, Fault> {
        Ok(match node {
            Node::All(nodes) => {
                let mut all = ALL;
                for node in nodes {
                    if all == 0 {
                        break;
                    }
                    all &= self.may_match(node)?;
                }
                all
            }
            Node::Any(nodes) => {
                nodes.iter().try_fold(0, |any, node| Ok::<_, Fault>(any | self.may_match(node)?))?
            }
            Node::Name(name, asked) => self.may_have(self.matcher.name(*name), asked)?,
            Node::Time(clock, window) => {
                let mut any = 0;
                for (place, segment) in self.directory.segments().iter().enumerate() {
                    let is_met = self.spans(place, segment, *clock)?.any(|span| meets(span, *window));
                    any |= Mask::from(is_met) << place;
                }
                any
            }
            Node::Ids(ids) => ids
                .iter()
                .try_fold(0, |any, (prefix, _)| Ok::<_, Fault>(any | self.directory.event(*prefix)?))?,
            Node::Not(_) | Node::Path(..) | Node::Text(_) | Node::Seqs(_) | Node::StoreRecord => ALL,
        })
    }

    /// The spans in which the times of a segment's records lie, as far as the filter looks at them. Where an event's own
    /// time is not known, that of its receipt stands in.
    fn spans(
        &self,
        place: usize,
        segment: &Covered,
        clock: Clock,
    ) -> Result<impl Iterator<Item = (Timestamp, Timestamp)>, Fault> {
        let mut event = None;
        let mut received = segment.received;
        if clock == Clock::Event {
            event = segment.event_times;
            if self.by_receipt()? >> place & 1 == 0 {
                received = None;
            }
        }
        Ok(event.into_iter().chain(received))
    }

    /// The segments in which the time of receipt stands in for the own time of some record that the filter looks at.
    fn by_receipt(&self) -> Result<Mask, Fault> {
        let known = &self.by_receipt[usize::from(self.without_own)];
        if let Some(mask) = known.get() {
            return Ok(*mask);
        }
        // The store's own records have no time but that of receipt.
        let own = if self.without_own { self.own_records()? } else { Vec::new() };
        let day = self.directory.field("day")?;
        let mut mask = 0;
        for (place, segment) in self.directory.segments().iter().enumerate() {
            let [_, absent, unreadable] = match &day {
                Some(day) => day.reserved(place)?,
                None => [0, segment.record_count, 0],
            };
            let own = own.iter().find(|found| usize::from(found.segment) == place).map_or(0, |own| own.count);
            mask |= Mask::from(absent.saturating_add(unreadable) > own) << place;
        }
        Ok(*known.get_or_init(|| mask))
    }

    /// How many of each segment's records are the store's own; nothing where the directory does not tell.
    fn own_records(&self) -> Result<Vec<TermPlace>, Fault> {
        let Some(field) = self.directory.field("source")? else { return Ok(Vec::new()) };
        field.find(TermKind::Number, b"0")?.map_or(Ok(Vec::new()), |index| field.places(index))
    }

    /// The segments with records of whose field `name` the test may hold.
    fn may_have(&self, name: &str, asked: &Asked) -> Result<Mask, Fault> {
        // What is not in any dictionary may still be in the events: ids and times are found elsewhere.
        if self.untermed.contains(name) {
            return Ok(ALL);
        }
        if let Asked::Some(TermTest::OneOf(terms, globs)) = asked
            && globs.is_empty()
        {
            return terms.iter().try_fold(0, |any, (kind, bytes)| {
                Ok(any | self.segments_with(name, Term { kind: *kind, bytes })?)
            });
        }
        let Some(field) = self.directory.field(name)? else { return Ok(0) };
        let reserved = |holds: fn([u32; 3]) -> bool| {
            (0..self.directory.segments().len()).try_fold(0, |mask, segment| {
                Ok::<_, Fault>(mask | Mask::from(holds(field.reserved(segment)?)) << segment)
            })
        };
        match asked {
            Asked::Exists => reserved(|[present, _, unreadable]| present > 0 || unreadable > 0),
            Asked::Unreadable => reserved(|[_, _, unreadable]| unreadable > 0),
            Asked::None(_) => reserved(|[present, ..]| present > 0),
            Asked::Some(test) if field.is_complete() => {
                let mut any = 0;
                for index in 0..field.term_count() {
                    let Some((kind, bytes)) = field.term(index)? else { continue };
                    if test.passes(Term { kind, bytes }) {
                        any = field.places(index)?.iter().fold(any, |any, place| any | 1 << place.segment);
                    }
                }
                Ok(any)
            }
            Asked::Some(_) => reserved(|[present, ..]| present > 0),
        }
    }

    /// The segments that may have a term.
    fn segments_with(&self, name: &str, term: Term<'_>) -> Result<Mask, Fault> {
        let recalled =
            self.recalled.iter().map(|asked| &asked.recalled).find(|recalled| recalled.is_of(name, term));
        if let Some(mask) = recalled.and_then(|recalled| recalled.mask(self.run)) {
            return Ok(mask);
        }
        let mask = self.directory.term(name, term.kind, term.bytes)?.mask();
        recalled.into_iter().for_each(|recalled| recalled.note_mask(self.run, mask));
        Ok(mask)
    }

    /// For each segment how many of its records match, where that is the stated count of one listed term: the filter
    /// asks for it, and else for nothing but what all of the segment's records have.
    fn counts(&self, seqs: &Range<Seq>) -> Result<Option<Vec<Option<u64>>>, Fault> {
        let (mut wanted, mut windows) = (None, Vec::new());
        for node in parts(self.matcher.root()) {
            match node {
                Node::Name(name, Asked::Some(TermTest::OneOf(terms, globs))) if wanted.is_none() => {
                    let ([term], []) = (terms.as_slice(), globs.as_slice()) else { return Ok(None) };
                    wanted = Some((self.matcher.name(*name), term));
                }
                Node::Time(clock, window) => windows.push((*clock, *window)),
                Node::Not(node) if matches!(**node, Node::StoreRecord) => {}
                _ => return Ok(None),
            }
        }
        let Some((name, (kind, bytes))) = wanted else { return Ok(None) };
        // What is stated is of all records: it will do only where none of the store's own can be among them.
        let is_of_own = || Profile::store_records().fields().iter().any(|field| field.name == name);
        if self.untermed.contains(name) || self.without_own && (is_of_own() || BUILT_IN.contains(&name)) {
            return Ok(None);
        }
        let places = match self.directory.field(name)? {
            None => Vec::new(),
            Some(field) => match field.find(*kind, bytes)? {
                Some(index) => field.places(index)?,
                None if field.is_complete() => Vec::new(),
                None => return Ok(None),
            },
        };
        let count = |place: usize, segment: &Covered| {
            let end = segment.first_seq + u64::from(segment.record_count);
            if segment.first_seq < seqs.start || seqs.end < end {
                return Ok(None);
            }
            for (clock, window) in &windows {
                let is_inside = |(first, last)| window.contains(first) && window.contains(last);
                if !self.spans(place, segment, *clock)?.all(is_inside) {
                    return Ok(None);
                }
            }
            let stated = places.iter().find(|found| usize::from(found.segment) == place);
            Ok(Some(stated.map_or(0, |found| u64::from(found.count))))
        };
        let segments = self.directory.segments().iter().enumerate();
        segments.map(|(place, segment)| count(place, segment)).collect::<Result<_, _>>().map(Some)
    }
}

fn meets((first, last): (Timestamp, Timestamp), window: Window) -> bool {
    window.from.is_none_or(|from| from <= last) && window.until.is_none_or(|until| first < until)
}
