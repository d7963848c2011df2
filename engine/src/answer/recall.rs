//! Where the postings of terms are that were asked for before, so that a question to many stretches does not look up the
//! same agent or control in each of them, and in each directory over them, time and again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hashbrown::{Equivalent, HashMap};

use super::plan::parts;
use super::stretch::Stretch;
use crate::filter::{self, Matcher, Node, TermTest};
use crate::format::directory::RUN_SEGMENTS_MAX;
use crate::format::sidecar::NO_POSTING;
use crate::log::lock;
use crate::source::{Term, TermKind};

/// For a question to fewer stretches it is not worth while: many terms, as those of runs, are in few, and are asked for once.
const STRETCHES_MIN: usize = 4;
/// Conditions on more terms than this are none of agents and the like.
const TERMS_MAX: usize = 4;
/// Most bytes that all of a store take; then it is begun anew.
const LEN_MAX: usize = 4 << 20;

/// What is known of all terms that were asked for.
#[derive(Debug, Default)]
pub(super) struct Recall(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    terms: HashMap<Key, Arc<Recalled>>,
    len: usize,
}

/// A field's name, and a term of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(Box<str>, u8, Box<[u8]>);

/// The same, borrowed.
#[derive(Debug, Clone, Copy, Hash)]
struct KeyRef<'a>(&'a str, u8, &'a [u8]);

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        (self.0, self.1, self.2) == (&*key.0, key.1, &*key.2)
    }
}

/// Of one term the words of its postings: each in a slot that a few stretches share, with the number of that which has it.
#[derive(Debug)]
pub(super) struct Recalled {
    key: Key,
    slots: Box<[AtomicU64]>,
    /// For each run of segments that has a directory, which of them may have it: a mask and [`KNOWN`]. What is noted of a
    /// run stays true of it: nothing is ever added to a sealed segment.
    runs: Box<[AtomicU32]>,
}

/// Stands in a mask that was noted.
const KNOWN: u32 = 1 << RUN_SEGMENTS_MAX;

/// A term that a question asks for, and what is known of it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) recalled: Arc<Recalled>,
    /// Whether nothing matches where it is not.
    is_required: bool,
}

impl Asked {
    /// Whether it is known that nothing of a stretch matches.
    pub(super) fn rules_out(&self, stretch: &Stretch) -> bool {
        self.is_required && self.recalled.word(stretch) == Some(NO_POSTING)
    }
}

impl Recall {
    /// The terms of which a question asks for the postings: that of `asked_count` of the stretches, or of those among them
    /// that the directories leave.
    pub(super) fn of(&self, matcher: &Matcher, asked_count: usize, stretch_count: usize) -> Vec<Asked> {
        let mut recalled = Vec::new();
        if asked_count < STRETCHES_MIN {
            return recalled;
        }
        for node in parts(matcher.root()) {
            let Node::Name(name, filter::Asked::Some(TermTest::OneOf(terms, globs))) = node else { continue };
            if globs.is_empty() && terms.len() <= TERMS_MAX {
                recalled.extend(terms.iter().map(|(kind, term)| Asked {
                    recalled: self.get(matcher.name(*name), *kind, term, stretch_count),
                    is_required: terms.len() == 1,
                }));
            }
        }
        recalled
    }

    /// What is known of a term, or room for it, which is kept by [`Recall::keep`] alone.
    fn get(&self, name: &str, kind: TermKind, term: &[u8], stretch_count: usize) -> Arc<Recalled> {
        let slot_count = stretch_count.next_power_of_two();
        let known = lock(&self.0).terms.get(&KeyRef(name, kind as u8, term)).cloned();
        if let Some(recalled) = known.filter(|recalled| recalled.slots.len() >= slot_count) {
            return recalled;
        }
        let key = Key(name.into(), kind as u8, term.into());
        let slots = (0..slot_count).map(|_| AtomicU64::new(0)).collect();
        let runs = (0..slot_count / RUN_SEGMENTS_MAX).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Recalled { key, slots, runs })
    }

    /// Keeps what is learnt of terms for the questions to come, where that is worth while: the directories have left
    /// `asked_count` stretches.
    pub(super) fn keep(&self, asked: &[Asked], asked_count: usize) {
        if asked_count < STRETCHES_MIN {
            return;
        }
        let mut known = lock(&self.0);
        for Asked { recalled, .. } in asked {
            let before = known.terms.get(&recalled.key);
            if before.is_some_and(|before| before.slots.len() >= recalled.slots.len()) {
                continue;
            }
            let (len, before_len) = (recalled.len(), before.map_or(0, |before| before.len()));
            if known.len + len > LEN_MAX {
                *known = Known::default();
            } else {
                known.len -= before_len;
            }
            known.len += len;
            known.terms.insert(recalled.key.clone(), Arc::clone(recalled));
        }
    }
}

impl Recalled {
    /// About how many bytes it takes.
    fn len(&self) -> usize {
        size_of_val(&*self.slots)
            + size_of_val(&*self.runs)
            + 2 * (size_of::<Key>() + self.key.0.len() + self.key.2.len())
    }

    pub(super) fn is_of(&self, name: &str, term: Term<'_>) -> bool {
        KeyRef(name, term.kind as u8, term.bytes).equivalent(&self.key)
    }

    /// The word of its posting in a stretch, if it was noted.
    pub(super) fn word(&self, stretch: &Stretch) -> Option<u32> {
        let slot = self.slot(stretch)?.load(Ordering::Relaxed);
        (slot >> 32 == u64::from(stretch.number)).then_some(slot as u32)
    }

    pub(super) fn note(&self, stretch: &Stretch, word: u32) {
        if let Some(slot) = self.slot(stretch) {
            slot.store(u64::from(stretch.number) << 32 | u64::from(word), Ordering::Relaxed);
        }
    }

    /// The segments of a run that may have it, if they were noted.
    pub(super) fn mask(&self, run: usize) -> Option<u32> {
        let mask = self.runs.get(run)?.load(Ordering::Relaxed);
        (mask & KNOWN != 0).then_some(mask & !KNOWN)
    }

    pub(super) fn note_mask(&self, run: usize, mask: u32) {
        if let Some(noted) = self.runs.get(run) {
            noted.store(mask | KNOWN, Ordering::Relaxed);
        }
    }

    /// Nothing where the stretch has no number.
    fn slot(&self, stretch: &Stretch) -> Option<&AtomicU64> {
        let number = stretch.number as usize;
        self.slots.get(number & (self.slots.len() - 1)).filter(|_| number != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let recall = Recall::default();
        for n in 0..200 {
            let term = format!("term {}", n % 120);
            let stretch_count = [5, 4000, 70_000][n % 3];
            let recalled = recall.get("agent", TermKind::Text, term.as_bytes(), stretch_count);
            recall.keep(&[Asked { recalled: Arc::clone(&recalled), is_required: true }], STRETCHES_MIN);
            assert!(recalled.slots.len() >= stretch_count);
            assert!(recalled.is_of("agent", Term { kind: TermKind::Text, bytes: term.as_bytes() }));
            let known = lock(&recall.0);
            assert_eq!(known.len, known.terms.values().map(|recalled| recalled.len()).sum::<usize>());
            assert!(known.len <= LEN_MAX);
        }
        let again = recall.get("agent", TermKind::Text, b"term 79", 3);
        let known = Arc::clone(&lock(&recall.0).terms[&KeyRef("agent", TermKind::Text as u8, b"term 79")]);
        assert!(Arc::ptr_eq(&again, &known) && again.slots.len() > 3);
    }
}
