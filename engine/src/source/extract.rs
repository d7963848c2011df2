//! Extraction: one pass over an event that checks all of it and finds every field of a profile.
//!
//! Of a field with several paths, the first that is present in the event wins, wherever it stands in the bytes;
//! null counts only where no path has anything else. What is there and can't be a term of its field (an object, a
//! value over a limit, a number where a time without a zone stands) makes the field *unreadable*: never absent.

use std::cell::Cell;

use super::control;
use super::decimal;
use super::fields::{EventTime, Fields, Slot, TermKind};
use super::join::{self, Part};
use super::keys::Print;
use super::path::{DEAD, NodeId, ROOT};
use super::profile::{FieldKind, Profile, Reader, Target};
use super::scan::{Scalar, Sink, Top, is_text, scalar_of, scan_text};
use super::shapes::{Seen, Shapes, VALUES_MAX};
use super::time;
use crate::hash::Hash;
use crate::{Error, Result, limits};

/// The version of these rules, which the index names: any change of what is extracted from some event by a profile
/// that was valid before needs a new one beside the old. (A key that no profile could have is no such change.)
pub const EXTRACTOR: &str = "indelible-extract/1";

/// The rank of a slot that has nothing yet.
const NOTHING: u8 = u8::MAX;
/// Added to the rank of a null, so that it loses against every value.
const NULL: u8 = 0x80;

/// Buffers that outlive an extraction, so that the next one allocates nothing.
#[derive(Debug, Default)]
struct Scratch {
    /// Arrays and objects that are open and on some path: the node, and of an array the next element's place.
    open: Vec<(NodeId, Option<u32>)>,
    /// The rank of the best path of each slot so far.
    best: Vec<u8>,
    /// Values whose path has a condition, and parts of an id, to be taken up at the end: the target, where they
    /// stand, and whether they are an object or array.
    waiting: Vec<(u16, usize, usize, bool)>,
    /// The conditions that are met, a bit each.
    met: Vec<bool>,
    /// The parts of an id that is joined of several values, as far as they were met.
    parts: Vec<Option<Part>>,
    id: Vec<u8>,
    controls: control::Memo,
    text: Vec<u8>,
    reasons: Vec<(Slot, &'static str)>,
    /// All values, in order, where the event's shape is to be learnt.
    seen: Vec<Seen>,
}

impl Scratch {
    /// Gets ready for the next event.
    fn begin(&mut self, profile: &Profile) {
        self.open.clear();
        self.best.clear();
        self.best.resize(profile.readers.len(), NOTHING);
        self.waiting.clear();
        self.met.clear();
        self.met.resize(profile.conditions.len(), false);
        self.parts.clear();
        self.parts.resize(profile.joined.map_or(0, |(_, count)| usize::from(count)), None);
        self.reasons.clear();
        self.seen.clear();
    }
}

/// The shapes of the events that this thread has read, by profile.
#[derive(Debug, Default)]
struct KnownShapes(Vec<(Hash, Shapes)>);

impl KnownShapes {
    /// So many profiles' shapes are kept.
    const PROFILES_MAX: usize = 8;

    fn of(&mut self, profile: &Profile) -> &mut Shapes {
        let digest = profile.digest();
        let place = match self.0.iter().position(|known| known.0 == digest) {
            Some(place) => place,
            None => {
                if self.0.len() == Self::PROFILES_MAX {
                    self.0.remove(0);
                }
                self.0.push((digest, Shapes::default()));
                self.0.len() - 1
            }
        };
        &mut self.0[place].1
    }
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
    static SHAPES: Cell<KnownShapes> = const { Cell::new(KnownShapes(Vec::new())) };
}

impl Profile {
    /// Checks `event` and finds what this profile names in it; `out` is cleared first.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] where the event is no JSON object by RFC 8259, names a key twice in one object, has
    /// half a surrogate pair or a byte order mark, nests deeper than
    /// [`EVENT_DEPTH_MAX`](limits::EVENT_DEPTH_MAX), or claims to be a record of the store's own.
    pub fn extract(&self, event: &[u8], out: &mut Fields) -> Result<()> {
        self.extract_with(event, out, |_| {})
    }

    /// As [`Profile::extract`]; `reasons` is given why fields are unreadable.
    pub(super) fn extract_with(
        &self,
        event: &[u8],
        out: &mut Fields,
        reasons: impl FnOnce(&[(Slot, &'static str)]),
    ) -> Result<()> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let mut known = SHAPES.take();
        let result = self.extract_by(event, out, &mut scratch, known.of(self));
        SHAPES.set(known);
        match result {
            Ok(()) => reasons(&scratch.reasons),
            Err(_) => out.clear(),
        }
        if scratch.text.capacity() <= 1 << 20 {
            SCRATCH.set(Some(scratch));
        }
        result
    }

    /// Reads the event by the shape of one before it, or scans it, and learns its shape then.
    fn extract_by(
        &self,
        event: &[u8],
        out: &mut Fields,
        scratch: &mut Scratch,
        shapes: &mut Shapes,
    ) -> Result<()> {
        out.clear();
        is_text(event)?;
        let by_shape = shapes.are_of_use();
        if by_shape {
            let mut extraction = Extraction::new(self, event, out, scratch);
            let take = |node, value: Scalar<'_>, at, end| extraction.value(node, value, at, end);
            if shapes.read(event, take).is_some() {
                return extraction.finish();
            }
            out.clear();
        }
        let mut extraction = Extraction::new(self, event, out, scratch);
        extraction.learning = by_shape;
        scan_text(event, Top::Object, limits::EVENT_DEPTH_MAX, &mut extraction)?;
        if extraction.learning {
            shapes.learn(event, &extraction.scratch.seen);
        }
        extraction.finish()
    }
}

struct Extraction<'a, 'e> {
    profile: &'e Profile,
    event: &'a [u8],
    out: &'e mut Fields,
    scratch: &'e mut Scratch,
    /// The node of the next value, where an object is the innermost open.
    next: NodeId,
    /// How many objects and arrays are open below the last one that is on some path.
    dead: u32,
    /// Where the value of `kind` stands, for messages.
    kind_at: usize,
    /// Some text, be it not that of `kind`, begins like the kinds of the store's own.
    has_own_kind: bool,
    /// All values are noted, and so far the event's shape can be learnt.
    learning: bool,
}

impl<'a> Sink<'a> for Extraction<'a, '_> {
    #[inline]
    fn key(&mut self, key: &[u8], print: Print, _at: usize) {
        if self.dead == 0 {
            let here = self.scratch.open.last().map_or(DEAD, |open| open.0);
            self.next = self.profile.trie.member(here, key, print);
        }
    }

    #[inline]
    fn start(&mut self, array: bool, at: usize) {
        if self.dead > 0 {
            self.dead += 1;
            return;
        }
        let node = self.arrive();
        if node == DEAD {
            self.dead = 1;
            return;
        }
        self.scratch.open.push((node, array.then_some(0)));
        for mark in self.profile.trie.marks(node) {
            if !mark.deeper {
                // Of a shape only its values tell anything.
                self.learning = false;
                self.meet(mark.target, None, at, at);
            }
        }
    }

    #[inline]
    fn end(&mut self, _end: usize) {
        if self.dead > 0 {
            self.dead -= 1;
        } else {
            self.scratch.open.pop();
        }
    }

    #[inline]
    fn scalar(&mut self, value: Scalar<'a>, at: usize, end: usize) {
        let node = if self.dead > 0 { DEAD } else { self.arrive() };
        if self.learning {
            self.learning = self.scratch.seen.len() < VALUES_MAX;
            self.scratch.seen.push(Seen { node, at, end, string: matches!(value, Scalar::String(_)) });
        }
        self.value(node, value, at, end);
    }
}

impl<'a, 'e> Extraction<'a, 'e> {
    fn new(profile: &'e Profile, event: &'a [u8], out: &'e mut Fields, scratch: &'e mut Scratch) -> Self {
        scratch.begin(profile);
        Extraction {
            profile,
            event,
            out,
            scratch,
            next: ROOT,
            dead: 0,
            kind_at: 0,
            has_own_kind: false,
            learning: false,
        }
    }

    /// The node of the value that starts here.
    #[inline]
    fn arrive(&mut self) -> NodeId {
        match self.scratch.open.last_mut() {
            Some((node, Some(index))) => {
                let element = self.profile.trie.element(*node, *index);
                *index = index.saturating_add(1);
                element
            }
            _ => self.next,
        }
    }

    /// A value at a node.
    #[inline]
    fn value(&mut self, node: NodeId, value: Scalar<'_>, at: usize, end: usize) {
        let profile = self.profile;
        for mark in profile.trie.marks(node) {
            self.meet(mark.target, Some(value), at, end);
        }
    }

    /// A value at the end of a path; none where it is an object or array.
    #[inline]
    fn meet(&mut self, target: u16, value: Option<Scalar<'_>>, at: usize, end: usize) {
        match self.profile.targets.get(usize::from(target)) {
            Some(&Target::Field { slot, rank, when: None }) => self.take(slot, rank, value, at),
            Some(Target::Field { .. } | Target::Part { .. }) => {
                self.scratch.waiting.push((target, at, end, value.is_none()))
            }
            Some(&Target::Condition(index)) => self.decide(index, value),
            None => {}
        }
    }

    fn decide(&mut self, condition: u16, value: Option<Scalar<'_>>) {
        let condition = usize::from(condition);
        let (Some(is), Some(met)) =
            (self.profile.conditions.get(condition), self.scratch.met.get_mut(condition))
        else {
            return;
        };
        let value = match value {
            Some(Scalar::String(text)) => text.unescaped(&mut self.scratch.text),
            Some(Scalar::True) => b"true",
            Some(Scalar::False) => b"false",
            _ => return,
        };
        *met |= is.iter().any(|wanted| wanted.as_bytes() == value);
    }

    /// Takes up what waited, and refuses a user's event that calls itself the store's own.
    fn finish(mut self) -> Result<()> {
        for index in 0..self.scratch.waiting.len() {
            let Some(&(target, at, end, container)) = self.scratch.waiting.get(index) else { break };
            let Some(&target) = self.profile.targets.get(usize::from(target)) else { break };
            let (Target::Field { when, .. } | Target::Part { when, .. }) = target else { continue };
            if when.is_some_and(|when| self.scratch.met.get(usize::from(when)) != Some(&true)) {
                continue;
            }
            let place = (!container).then_some((at, end));
            match target {
                Target::Field { slot, rank, .. } => {
                    let value = place.map(|(at, end)| scalar_of(self.event.get(at..end).unwrap_or_default()));
                    self.take(slot, rank, value, at);
                }
                Target::Part { part, .. } => {
                    if let Some(known) = self.scratch.parts.get_mut(usize::from(part)) {
                        *known = Some(place);
                    }
                }
                Target::Condition(_) => {}
            }
        }
        if let Some((slot, _)) = self.profile.joined {
            self.join(slot);
        }
        let Some(kind) = self.profile.guarded_kind.filter(|_| self.has_own_kind) else { return Ok(()) };
        let own = |term: &super::Term<'_>| term.kind == TermKind::Text && is_own_kind(term.bytes);
        if self.out.terms().any(|(slot, term)| slot == kind && own(&term)) {
            return Err(Error::InvalidEvent {
                offset: self.kind_at as u64,
                reason:
                    "kinds that start with `store.` are the store's own; name this event's kind otherwise"
                        .to_owned(),
            });
        }
        Ok(())
    }

    /// Gives a value to a field, by its path of this rank.
    fn take(&mut self, slot: Slot, rank: u8, value: Option<Scalar<'_>>, at: usize) {
        let profile = self.profile;
        let Some(reader) = profile.readers.get(usize::from(slot)) else { return };
        let rank = if matches!(value, Some(Scalar::Null)) { rank | NULL } else { rank };
        let Some(best) = self.scratch.best.get_mut(usize::from(slot)) else { return };
        if rank > *best {
            return;
        }
        if rank < *best {
            if *best != NOTHING {
                self.out.retract(slot);
                match reader.kind {
                    FieldKind::Time => self.out.set_time(EventTime::Absent),
                    FieldKind::Id => self.out.retract_event_id(),
                    _ => {}
                }
            }
            *best = rank;
        }
        if profile.guarded_kind == Some(slot) {
            self.kind_at = at;
        }
        let Some(value) = value else {
            return self.unreadable(slot, reader, "an object or array, not one value");
        };
        match reader.kind {
            FieldKind::Text => self.take_text(slot, reader, value),
            FieldKind::Number => self.take_number(slot, reader, value),
            FieldKind::Time => self.take_time(slot, reader, value),
            FieldKind::Id => self.take_id(slot, reader, value),
            FieldKind::Control => self.take_control(slot, reader, value),
        }
    }

    #[inline]
    fn take_text(&mut self, slot: Slot, reader: &Reader, value: Scalar<'_>) {
        match value {
            Scalar::String(text) => {
                let text = text.unescaped(&mut self.scratch.text);
                if text.len() > limits::TERM_LEN_MAX {
                    return self.unreadable(slot, reader, "longer than an indexed value may be");
                }
                self.has_own_kind |= is_own_kind(text);
                self.out.push(slot, TermKind::Text, text);
            }
            Scalar::Number(number) => self.push_number(slot, reader, number),
            Scalar::True => self.out.push(slot, TermKind::Bool, b"true"),
            Scalar::False => self.out.push(slot, TermKind::Bool, b"false"),
            Scalar::Null => self.out.push(slot, TermKind::Null, b""),
        }
    }

    fn take_number(&mut self, slot: Slot, reader: &Reader, value: Scalar<'_>) {
        match value {
            Scalar::Number(number) => self.push_number(slot, reader, number),
            Scalar::Null => self.out.push(slot, TermKind::Null, b""),
            Scalar::String(text) if !text.escaped && decimal::is_number(text.raw) => {
                self.push_number(slot, reader, text.raw);
            }
            _ => self.unreadable(slot, reader, "not a number"),
        }
    }

    fn push_number(&mut self, slot: Slot, reader: &Reader, number: &[u8]) {
        let buffer = &mut self.scratch.text;
        buffer.clear();
        if !decimal::canonical(number, buffer) {
            return self.unreadable(slot, reader, "a number with too many digits to index");
        }
        self.out.push(slot, TermKind::Number, buffer);
    }

    fn take_time(&mut self, slot: Slot, reader: &Reader, value: Scalar<'_>) {
        let buffer = &mut self.scratch.text;
        let time = match (value, reader.epoch) {
            // No time, and nothing unreadable either.
            (Scalar::Null, _) => return,
            (Scalar::Number(number), Some(unit)) => time::epoch(number, unit, buffer),
            (Scalar::String(text), Some(unit)) if !text.escaped && decimal::is_number(text.raw) => {
                time::epoch(text.raw, unit, buffer)
            }
            (Scalar::String(text), _) if reader.rfc3339 => time::rfc3339(text.unescaped(buffer)),
            _ => None,
        };
        match time {
            Some(time) => self.out.set_time(EventTime::Known(time)),
            None => {
                self.unreadable(slot, reader, "not a time in a form that the profile declares, with a zone")
            }
        }
    }

    fn take_id(&mut self, slot: Slot, reader: &Reader, value: Scalar<'_>) {
        match id_bytes(value, &mut self.scratch.text) {
            Ok(Some(id)) => self.out.set_event_id(id),
            Ok(None) => {}
            Err(reason) => self.unreadable(slot, reader, reason),
        }
    }

    /// Sets the id that is joined of the parts that were met.
    fn join(&mut self, slot: Slot) {
        let Scratch { parts, id, text, .. } = &mut *self.scratch;
        match join::join(self.event, parts, text, id) {
            Ok(()) => self.out.set_event_id(id),
            Err(reason) => {
                if let Some(reader) = self.profile.readers.get(usize::from(slot)) {
                    self.unreadable(slot, reader, reason);
                }
            }
        }
    }

    fn take_control(&mut self, slot: Slot, reader: &Reader, value: Scalar<'_>) {
        let Scalar::String(text) = value else { return self.take_text(slot, reader, value) };
        let Scratch { text: buffer, controls, .. } = &mut *self.scratch;
        let normal = controls.normalise(text.unescaped(buffer), reader.framework.as_deref());
        match normal {
            Some(normal) => {
                self.has_own_kind |= is_own_kind(normal);
                self.out.push(slot, TermKind::Text, normal);
            }
            None => self.unreadable(slot, reader, "longer than an indexed value may be"),
        }
    }

    #[cold]
    fn unreadable(&mut self, slot: Slot, reader: &Reader, reason: &'static str) {
        self.out.push_unreadable(slot);
        match reader.kind {
            FieldKind::Time => self.out.set_time(EventTime::Unreadable),
            FieldKind::Id => self.out.retract_event_id(),
            _ => {}
        }
        self.scratch.reasons.push((slot, reason));
    }
}

/// Whether a record's kind says that it is one of the store's own.
fn is_own_kind(kind: &[u8]) -> bool {
    kind.starts_with(b"store.")
}

/// The bytes of an id, or of a part of one; none of null. `buffer` is room for what must be unescaped.
///
/// # Errors
/// Why the value is none.
pub(super) fn id_bytes<'b>(
    value: Scalar<'b>,
    buffer: &'b mut Vec<u8>,
) -> std::result::Result<Option<&'b [u8]>, &'static str> {
    let id = match value {
        Scalar::Null => return Ok(None),
        Scalar::String(text) => text.unescaped(buffer),
        Scalar::Number(number) => {
            buffer.clear();
            if !decimal::canonical(number, buffer) {
                return Err("a number with too many digits for an id");
            }
            buffer.as_slice()
        }
        Scalar::True | Scalar::False => return Err("true or false is no id"),
    };
    match id.len() {
        0 => Err("an empty id"),
        len if len > limits::EVENT_ID_LEN_MAX => Err("longer than an id may be"),
        _ => Ok(Some(id)),
    }
}
