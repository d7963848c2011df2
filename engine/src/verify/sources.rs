//! The profile versions and label rules that the log's own records register, shared by the threads that check segments.
//!
//! A record may be read by a profile from an earlier segment, which another thread has in hand just then. Segments
//! are taken in order, so waiting for an earlier one always ends: the earliest waits for none.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::filter::LabelRules;
use crate::hash::Hash;
use crate::source::{FieldKind, Profile};
use crate::{Result, SegmentId, Seq};

/// What a field's values are, for the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldHolds {
    Terms,
    EventId,
    EventTime,
}

/// A field as the index sees it; its place in the list is its slot.
#[derive(Debug)]
pub(super) struct FieldRule {
    pub(super) name: String,
    pub(super) private: bool,
    pub(super) holds: FieldHolds,
}

/// What the index needs of a profile.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) digest: Hash,
    pub(super) fields: Vec<FieldRule>,
}

/// A profile that records may be read by.
#[derive(Debug)]
pub(super) struct KnownSource {
    profile: Held,
    pub(super) rules: Rules,
}

#[derive(Debug)]
enum Held {
    Registered(Box<Profile>),
    Store(&'static Profile),
}

impl KnownSource {
    /// Reads the profile that a `store.source` record carries.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(KnownSource::of(Held::Registered(Box::new(Profile::parse(text)?))))
    }

    /// Source 0: the store's own records.
    fn store() -> Self {
        KnownSource::of(Held::Store(Profile::store_records()))
    }

    pub(super) fn profile(&self) -> &Profile {
        match &self.profile {
            Held::Registered(profile) => profile,
            Held::Store(profile) => profile,
        }
    }

    fn of(held: Held) -> Self {
        let mut source =
            KnownSource { profile: held, rules: Rules { digest: Hash::ZERO, fields: Vec::new() } };
        let fields = source.profile().fields().iter().map(|field| FieldRule {
            name: field.name.clone(),
            private: field.private,
            holds: match field.kind {
                FieldKind::Time => FieldHolds::EventTime,
                FieldKind::Id => FieldHolds::EventId,
                FieldKind::Text | FieldKind::Number | FieldKind::Control => FieldHolds::Terms,
            },
        });
        source.rules = Rules { digest: source.profile().digest(), fields: fields.collect() };
        source
    }
}

/// What is known of a source.
#[derive(Debug, Clone)]
pub(super) enum Lookup {
    /// An earlier record registers it.
    Known(Arc<KnownSource>),
    /// The record registers label rules.
    Rules(Arc<LabelRules>),
    /// No record registers it.
    Unknown,
    /// It cannot be told: where it would be registered, the log is bad.
    CannotTell,
}

/// The sources of the log, as far as it was read.
#[derive(Debug)]
pub(super) struct Registry {
    starts: Vec<Seq>,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    known: HashMap<Seq, Lookup>,
    /// By segment: how far it was read.
    passed: Vec<Passed>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    next_seq: Seq,
    /// Some of what was passed could not be read.
    broken: bool,
    done: bool,
}

impl Registry {
    /// For a log of these segments, ascending.
    pub(super) fn new(segments: &[SegmentId]) -> Self {
        let known = HashMap::from([(0, Lookup::Known(Arc::new(KnownSource::store())))]);
        Registry {
            starts: segments.iter().map(|segment| segment.0).collect(),
            state: Mutex::new(State { known, passed: vec![Passed::default(); segments.len()] }),
            moved: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what the record at its seq registers; `CannotTell` where it cannot be used.
    pub(super) fn register(&self, seq: Seq, source: Lookup) {
        self.lock().known.insert(seq, source);
    }

    /// Says that the segment at `place` was read up to `next_seq`; `broken` once some of it could not be.
    pub(super) fn pass(&self, place: usize, next_seq: Seq, broken: bool) {
        if let Some(passed) = self.lock().passed.get_mut(place) {
            *passed = Passed { next_seq, broken: passed.broken || broken, done: passed.done };
        }
        self.moved.notify_all();
    }

    fn finish(&self, place: usize) {
        if let Some(passed) = self.lock().passed.get_mut(place) {
            passed.done = true;
        }
        self.moved.notify_all();
    }

    /// A guard that says so when the segment at `place` will not be read further, for whatever reason.
    pub(super) fn reading(&self, place: usize) -> Reading<'_> {
        Reading { registry: self, place }
    }

    /// The source `seq`, asked for from the segment at `place`, whose own records were registered as it was read.
    pub(super) fn find(&self, place: usize, seq: Seq) -> Lookup {
        let mut state = self.lock();
        let home = self.starts.partition_point(|start| *start <= seq).checked_sub(1);
        loop {
            if let Some(found) = state.known.get(&seq) {
                return found.clone();
            }
            let Some(passed) = home.and_then(|home| state.passed.get(home)) else {
                return Lookup::CannotTell;
            };
            if home >= Some(place) || passed.done || passed.next_seq > seq {
                // Behind the end of its segment there may be one that is missing.
                let read = passed.next_seq > seq && !passed.broken;
                return if read || home >= Some(place) { Lookup::Unknown } else { Lookup::CannotTell };
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// See [`Registry::reading`].
pub(super) struct Reading<'a> {
    registry: &'a Registry,
    place: usize,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.registry.finish(self.place);
    }
}
