//! The values that a field had lately, each with the number that an index knows it by.
//!
//! Most fields say one of few things in most events. Whoever counts them by a table of all terms spends most of his time on
//! finding in it, again and again, what he found there a moment ago; this is a small table before the large one.

use super::fields::{Term, TermKind};

/// How many values are remembered: no more than fit the caches nearest to the processor, for all fields.
const PLACES: usize = 64;

/// Some values of one field.
#[derive(Debug, Clone)]
pub(crate) struct Lately(Box<[(Glance, u32); PLACES]>);

/// The first bytes of a value, its last ones, and how many there are: up to sixteen of them, that is the whole value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glance {
    first: u64,
    last: u64,
    len: u32,
    /// None where nothing is known.
    kind: Option<TermKind>,
}

/// Up to so many bytes a glance tells all.
const WHOLE_MAX: u32 = 16;

impl Glance {
    const NOTHING: Glance = Glance { first: 0, last: 0, len: 0, kind: None };

    /// At a value.
    #[inline]
    pub(crate) fn at(term: Term<'_>) -> Glance {
        let bytes = term.bytes;
        let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
        };
        Glance { first, last, len: bytes.len() as u32, kind: Some(term.kind) }
    }

    #[inline]
    fn place(&self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29) ^ u64::from(self.len))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize % PLACES
    }
}

impl Default for Lately {
    fn default() -> Self {
        Lately(Box::new([(Glance::NOTHING, 0); PLACES]))
    }
}

impl Lately {
    /// The number of a value that is still known; `is` tells whether a number is that of the whole value, where a glance
    /// does not.
    #[inline]
    pub(crate) fn get(&self, glance: &Glance, is: impl FnOnce(u32) -> bool) -> Option<u32> {
        let (known, id) = &self.0[glance.place()];
        (known == glance && (glance.len <= WHOLE_MAX || is(*id))).then_some(*id)
    }

    /// Remembers a value's number.
    #[inline]
    pub(crate) fn put(&mut self, glance: &Glance, id: u32) {
        self.0[glance.place()] = (*glance, id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_value_has_the_number_that_was_found_for_it() {
        let mut values: Vec<(TermKind, Vec<u8>)> = Vec::new();
        for len in 0..40_u8 {
            for change in 0..=len {
                let mut bytes: Vec<u8> = (0..len).collect();
                if let Some(byte) = bytes.get_mut(usize::from(change)) {
                    *byte ^= 0x20;
                }
                values.push((TermKind::Text, bytes.clone()));
                values.push((TermKind::Number, bytes));
            }
        }
        values.push((TermKind::Text, vec![0; 3]));
        values.push((TermKind::Text, vec![0; 4]));
        let ids: HashMap<_, u32> = values.iter().cloned().zip(0..).collect();
        let (mut lately, mut found) = (Lately::default(), 0);
        // Each twice in a row, and all of them over and over.
        for round in 0..6 {
            for (kind, bytes) in values.iter().skip(round * 7) {
                for _ in 0..2 {
                    let id = ids[&(*kind, bytes.clone())];
                    let glance = Glance::at(Term { kind: *kind, bytes });
                    match lately.get(&glance, |found| found == id) {
                        Some(known) => assert_eq!(known, id),
                        None => {
                            found += 1;
                            lately.put(&glance, id);
                        }
                    }
                }
            }
        }
        assert!(found <= 6 * values.len(), "what was found a moment ago is known");
    }
}
