//! Filters compiled: whether one record matches. This is what a filter means; an index may only be quicker.

use std::cmp::Ordering;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use super::{Clock, Comparison, Field, Filter, Glob, Quantity, Test, Value, Window};
use crate::format::frame::Labels;
use crate::source::{
    EventTime, FieldKind, Fields, FoundValue, JsonValue, Paths, Profile, Slot, Term, TermKind,
    canonical_number, compare_number_values, rfc3339,
};
use crate::{Error, Result, Seq, Timestamp, hash, limits};

/// A record as filters see it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its position in the log.
    pub seq: Seq,
    /// The clock's reading at its commit.
    pub received_at: Timestamp,
    /// The seq of its source; 0 for the store's own records.
    pub source: Seq,
    /// How its body is written.
    pub encoding: u8,
    /// Its labels.
    pub labels: Labels<'a>,
    /// The event's bytes.
    pub body: &'a [u8],
    /// The profile of its source.
    pub profile: &'a Profile,
    /// What that profile found in the event.
    pub fields: &'a Fields,
}

impl Subject<'_> {
    /// The record's time: the event's own, or where it has none that can be read, the time of receipt.
    pub fn time(&self) -> Timestamp {
        match self.fields.time() {
            EventTime::Known(time) => time,
            EventTime::Absent | EventTime::Unreadable => self.received_at,
        }
    }
}

/// A filter, compiled. Cheap to share among threads; each has its own [`Scratch`].
#[derive(Debug, Clone)]
pub struct Matcher {
    root: Node,
    names: Vec<String>,
    paths: Paths,
}

/// Buffers of one thread that evaluates filters; they make no difference to the answer.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The source for which `slots` was made, and for each name its field in that source's profile.
    source: Option<Seq>,
    slots: Vec<Place>,
    found: Vec<FoundValue>,
    /// Whether `found` is of the record at hand.
    is_found: bool,
    text: Vec<u8>,
    number: Vec<u8>,
}

impl Scratch {
    /// Where the values are of the name that a node asks for.
    pub(super) fn place(&self, node: &Node) -> Place {
        match node {
            Node::Name(name, _) => self.slots.get(*name).copied().unwrap_or(Place::Nowhere),
            _ => Place::Nowhere,
        }
    }
}

/// Where the values of a name are, in the records of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    Slot(Slot),
    EventId(Slot),
    EventTime(Slot),
    Source,
    Encoding,
    Day,
    Label,
}

/// A filter, compiled.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Name(usize, Asked),
    Path(usize, Asked),
    Text(Box<Finder<'static>>),
    Time(Clock, Window),
    Seqs(std::ops::Range<Seq>),
    /// Each with the prefix of its hash, by which indexes find it.
    Ids(Vec<(u64, String)>),
    StoreRecord,
}

/// What is asked of a field.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Exists,
    Unreadable,
    /// A value passes.
    Some(TermTest),
    /// There are values, and none passes.
    None(TermTest),
}

/// A test on one value, compiled.
#[derive(Debug, Clone)]
pub enum TermTest {
    /// The value is one of these terms, or matches one of these globs.
    OneOf(Vec<(TermKind, Vec<u8>)>, Vec<Glob>),
    /// The value is a number in this order to the decimal.
    Number(Comparison, Vec<u8>),
    /// The value is a text that is an RFC 3339 time in this order to the time.
    Time(Comparison, Timestamp),
    /// The value is a text or number in which the expression matches.
    Regex(Regex),
}

impl TermTest {
    /// The test on one of several values.
    pub fn one_of(values: &[Value]) -> TermTest {
        let (mut terms, mut globs) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::Word(word) if Glob::is_glob(word) => globs.push(Glob::new(word)),
                Value::Word(word) => {
                    terms.push((TermKind::Text, word.as_bytes().to_vec()));
                    let mut number = Vec::new();
                    match word.as_str() {
                        "true" | "false" => terms.push((TermKind::Bool, word.as_bytes().to_vec())),
                        "null" => terms.push((TermKind::Null, Vec::new())),
                        _ if canonical_number(word.as_bytes(), &mut number) => {
                            terms.push((TermKind::Number, number))
                        }
                        _ => {}
                    }
                }
                Value::Text(text) => terms.push((TermKind::Text, text.as_bytes().to_vec())),
            }
        }
        TermTest::OneOf(terms, globs)
    }

    /// Whether a term passes. A number must be canonical.
    pub fn passes(&self, term: Term<'_>) -> bool {
        match self {
            TermTest::OneOf(terms, globs) => {
                terms.iter().any(|(kind, bytes)| *kind == term.kind && bytes == term.bytes)
                    || term.kind == TermKind::Text && globs.iter().any(|glob| glob.matches(term.bytes))
            }
            TermTest::Number(comparison, number) => {
                term.kind == TermKind::Number && comparison.holds(compare_number_values(term.bytes, number))
            }
            TermTest::Time(comparison, time) => {
                let read = || rfc3339(term.bytes);
                term.kind == TermKind::Text && read().is_some_and(|found| comparison.holds(found.cmp(time)))
            }
            TermTest::Regex(regex) => {
                matches!(term.kind, TermKind::Text | TermKind::Number) && regex.is_match(term.bytes)
            }
        }
    }

    /// Whether a number passes that is too long for a canonical decimal, and so for a term, as the event writes it.
    pub fn passes_long_number(&self, number: &[u8]) -> bool {
        match self {
            TermTest::OneOf(terms, _) => terms.iter().any(|(kind, term)| {
                *kind == TermKind::Number && compare_number_values(number, term) == Ordering::Equal
            }),
            TermTest::Number(comparison, other) => comparison.holds(compare_number_values(number, other)),
            TermTest::Time(..) => false,
            TermTest::Regex(regex) => regex.is_match(number),
        }
    }
}

impl Matcher {
    /// Compiles a filter.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] where it is over a limit, or an expression or number in it is none.
    pub fn new(filter: &Filter) -> Result<Matcher> {
        let (depth, count) = filter.measure();
        if depth > limits::FILTER_DEPTH_MAX || count > limits::FILTER_CONDITIONS_MAX {
            let reason = format!(
                "{count} conditions, {depth} deep: over the limits of {} and {}",
                limits::FILTER_CONDITIONS_MAX,
                limits::FILTER_DEPTH_MAX
            );
            return Err(Error::InvalidFilter { reason });
        }
        let mut matcher = Matcher { root: Node::All(Vec::new()), names: Vec::new(), paths: Paths::default() };
        matcher.root = matcher.compile(filter)?;
        Ok(matcher)
    }

    /// The compiled tree; names are places in [`Matcher::name`].
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// The name that a node speaks of.
    pub(crate) fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }

    /// The longest key of the path that a node speaks of.
    pub(crate) fn path_key(&self, place: usize) -> Option<&str> {
        self.paths.longest_key(place)
    }

    fn compile(&mut self, filter: &Filter) -> Result<Node> {
        Ok(match filter {
            Filter::All(filters) => Node::All(self.compile_all(filters)?),
            Filter::Any(filters) => Node::Any(self.compile_all(filters)?),
            Filter::Not(filter) => Node::Not(Box::new(self.compile(filter)?)),
            Filter::Field(Field::Name(name), test) => {
                let place = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
                    self.names.push(name.clone());
                    self.names.len() - 1
                });
                Node::Name(place, Asked::new(test)?)
            }
            Filter::Field(Field::Path(path), test) => Node::Path(self.paths.add(path), Asked::new(test)?),
            Filter::Text(text) => Node::Text(Box::new(Finder::new(&text_needle(text)).into_owned())),
            Filter::Time(clock, window) => Node::Time(*clock, *window),
            Filter::Seqs(seqs) => Node::Seqs(seqs.clone()),
            Filter::Ids(ids) => {
                Node::Ids(ids.iter().map(|id| (hash::event_id_prefix(id.as_bytes()), id.clone())).collect())
            }
            Filter::StoreRecord => Node::StoreRecord,
        })
    }

    fn compile_all(&mut self, filters: &[Filter]) -> Result<Vec<Node>> {
        filters.iter().map(|filter| self.compile(filter)).collect()
    }

    /// Whether the record matches.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] where a path is followed and the body is no event.
    pub fn matches(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Result<bool> {
        self.begin(subject, scratch);
        self.holds(&self.root, subject, scratch)
    }

    /// Calls `found` with the place of each filter that holds of those that this is any of.
    pub(super) fn each_branch(
        &self,
        subject: &Subject<'_>,
        scratch: &mut Scratch,
        mut found: impl FnMut(usize),
    ) -> Result<()> {
        self.begin(subject, scratch);
        let Node::Any(branches) = &self.root else { return Ok(()) };
        for (place, branch) in branches.iter().enumerate() {
            if self.holds(branch, subject, scratch)? {
                found(place);
            }
        }
        Ok(())
    }

    /// Readies the buffers for a record.
    pub(super) fn begin(&self, subject: &Subject<'_>, scratch: &mut Scratch) {
        if scratch.source != Some(subject.source) || scratch.slots.len() != self.names.len() {
            scratch.source = Some(subject.source);
            scratch.slots = self.names.iter().map(|name| Place::of(subject.profile, name)).collect();
        }
        scratch.is_found = false;
    }

    /// Whether a part of the filter holds of the record that `scratch` was made ready for.
    pub(super) fn holds(&self, node: &Node, subject: &Subject<'_>, scratch: &mut Scratch) -> Result<bool> {
        Ok(match node {
            Node::All(nodes) => {
                for node in nodes {
                    if !self.holds(node, subject, scratch)? {
                        return Ok(false);
                    }
                }
                true
            }
            Node::Any(nodes) => {
                for node in nodes {
                    if self.holds(node, subject, scratch)? {
                        return Ok(true);
                    }
                }
                false
            }
            Node::Not(node) => !self.holds(node, subject, scratch)?,
            Node::Name(name, asked) => {
                let place = scratch.slots.get(*name).copied().unwrap_or(Place::Nowhere);
                named_holds(place, asked, subject)
            }
            Node::Path(path, asked) => {
                if !scratch.is_found {
                    self.paths.find(subject.body, &mut scratch.found)?;
                    scratch.is_found = true;
                }
                path_holds(*path, asked, subject, scratch)
            }
            Node::Text(needle) => needle.find(subject.body).is_some(),
            Node::Time(Clock::Event, window) => window.contains(subject.time()),
            Node::Time(Clock::Received, window) => window.contains(subject.received_at),
            Node::Seqs(seqs) => seqs.contains(&subject.seq),
            Node::Ids(ids) => subject
                .fields
                .event_id()
                .is_some_and(|found| ids.iter().any(|(_, id)| id.as_bytes() == found)),
            Node::StoreRecord => subject.source == 0,
        })
    }
}

impl Asked {
    fn new(test: &Test) -> Result<Asked> {
        Ok(match test {
            Test::Exists => Asked::Exists,
            Test::Unreadable => Asked::Unreadable,
            Test::Equals(values) => Asked::Some(TermTest::one_of(values)),
            Test::Differs(value) => Asked::None(TermTest::one_of(std::slice::from_ref(value))),
            Test::Compare(comparison, quantity) => Asked::Some(compare_test(*comparison, quantity)?),
            Test::Matches(pattern) => Asked::Some(TermTest::Regex(regex(pattern)?)),
        })
    }

    /// What these values, ended by nothing, and these facts make of it.
    fn holds(
        &self,
        exists: bool,
        unreadable: bool,
        has_value: bool,
        mut any: impl FnMut(&TermTest) -> bool,
    ) -> bool {
        match self {
            Asked::Exists => exists,
            Asked::Unreadable => unreadable,
            Asked::Some(test) => any(test),
            Asked::None(test) => has_value && !any(test),
        }
    }
}

/// The compiled form of a comparison.
pub(crate) fn compare_test(comparison: Comparison, quantity: &Quantity) -> Result<TermTest> {
    Ok(match quantity {
        Quantity::Number(number) => {
            let mut canonical = Vec::new();
            if !canonical_number(number.as_bytes(), &mut canonical) {
                return Err(Error::InvalidFilter {
                    reason: format!("{number:?} is no number of a sane length"),
                });
            }
            TermTest::Number(comparison, canonical)
        }
        Quantity::Time(time) => TermTest::Time(comparison, *time),
    })
}

/// The expression, if it is one and stays small. It runs in time linear in the text.
pub(crate) fn regex(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(limits::REGEX_LEN_MAX)
        .dfa_size_limit(limits::REGEX_LEN_MAX)
        .nest_limit(limits::FILTER_DEPTH_MAX as u32)
        .build()
        .map_err(|error| Error::InvalidFilter { reason: error.to_string() })
}

/// The bytes that are looked for in an event where a text is searched: the text as JSON writes it in a string.
pub(crate) fn text_needle(text: &str) -> Vec<u8> {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.as_bytes().get(1..quoted.len() - 1).unwrap_or_default().to_vec()
}

impl Place {
    pub(crate) fn of(profile: &Profile, name: &str) -> Place {
        match name {
            "source" => return Place::Source,
            "encoding" => return Place::Encoding,
            "day" => return Place::Day,
            "label" => return Place::Label,
            _ => {}
        }
        let slot = profile.fields().iter().position(|field| field.name == name);
        let Some((slot, kind)) =
            slot.and_then(|slot| Some((Slot::try_from(slot).ok()?, profile.fields()[slot].kind)))
        else {
            return Place::Nowhere;
        };
        match kind {
            FieldKind::Id => Place::EventId(slot),
            FieldKind::Time => Place::EventTime(slot),
            FieldKind::Text | FieldKind::Number | FieldKind::Control => Place::Slot(slot),
        }
    }
}

/// Whether there is something where the record's profile looks for an id, and it could not be read.
pub(super) fn id_is_unreadable(subject: &Subject<'_>) -> bool {
    let is_id = |slot: &Slot| {
        subject.profile.fields().get(usize::from(*slot)).is_some_and(|field| field.kind == FieldKind::Id)
    };
    subject.fields.event_id().is_none() && subject.fields.unreadable().iter().any(is_id)
}

fn named_holds(place: Place, asked: &Asked, subject: &Subject<'_>) -> bool {
    let fields = subject.fields;
    let one = |kind, bytes: &[u8]| asked.holds(true, false, true, |test| test.passes(Term { kind, bytes }));
    let none = |unreadable: bool| asked.holds(unreadable, unreadable, false, |_| false);
    match place {
        Place::Nowhere => none(false),
        Place::Source => one(TermKind::Number, subject.source.to_string().as_bytes()),
        Place::Encoding => one(TermKind::Number, subject.encoding.to_string().as_bytes()),
        Place::Label => {
            let has = subject.labels.iter().next().is_some();
            let any = |test: &TermTest| {
                subject
                    .labels
                    .iter()
                    .any(|label| test.passes(Term { kind: TermKind::Text, bytes: label.as_bytes() }))
            };
            asked.holds(has, false, has, any)
        }
        Place::Day => match fields.time() {
            EventTime::Known(time) => one(TermKind::Text, time.day_text().as_bytes()),
            time => none(time == EventTime::Unreadable),
        },
        Place::EventTime(_) => match fields.time() {
            EventTime::Known(time) => one(TermKind::Text, time.to_string().as_bytes()),
            time => none(time == EventTime::Unreadable),
        },
        Place::EventId(slot) => match fields.event_id() {
            Some(id) => one(TermKind::Text, id),
            None => none(fields.unreadable().contains(&slot)),
        },
        Place::Slot(slot) => {
            let unreadable = fields.unreadable().contains(&slot);
            let has = fields.terms().any(|(at, _)| at == slot);
            asked.holds(has || unreadable, unreadable, has, |test| {
                fields.terms().any(|(at, term)| at == slot && test.passes(term))
            })
        }
    }
}

fn path_holds(path: usize, asked: &Asked, subject: &Subject<'_>, scratch: &mut Scratch) -> bool {
    let Scratch { found, text, number, .. } = scratch;
    let here = || found.iter().filter(move |value| value.path == path);
    let exists = here().next().is_some();
    let is_container = |value: &FoundValue| matches!(subject.body.get(value.start), Some(b'{' | b'['));
    let has_value = here().any(|value| !is_container(value));
    asked.holds(exists, false, has_value, |test| {
        here().any(|value| match value.value(subject.body, text) {
            JsonValue::Text(bytes) => test.passes(Term { kind: TermKind::Text, bytes }),
            JsonValue::Number(written) => {
                number.clear();
                if canonical_number(written, number) {
                    test.passes(Term { kind: TermKind::Number, bytes: number })
                } else {
                    test.passes_long_number(written)
                }
            }
            JsonValue::Bool(true) => test.passes(Term { kind: TermKind::Bool, bytes: b"true" }),
            JsonValue::Bool(false) => test.passes(Term { kind: TermKind::Bool, bytes: b"false" }),
            JsonValue::Null => test.passes(Term { kind: TermKind::Null, bytes: b"" }),
            JsonValue::Container(_) => false,
        })
    })
}
