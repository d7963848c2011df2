//! A challenge: a few records that the index must name in full, drawn so that its maker could not choose them.
//!
//! An index is its operator's word. Whoever doubts it, and will not read all records, names a seed once the checkpoint is
//! signed: seed and root draw records, and the bundle holds each of them beside the posting of each of its terms. An index
//! that leaves out a part of the records is found out by every one of these that is drawn.

use std::collections::BTreeSet;
use std::ops::Range;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::agree;
use super::checked::Disclosed;
use super::index::NamedTerm;
use super::schema::Schema;
use crate::hash::{self, Hash};
use crate::source::Fields;
use crate::{Error, Result, Seq, limits};

/// What draws records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// How many records are drawn, as far as there are so many.
    pub sample: u32,
    /// What whoever asks chose, after the checkpoint was signed: an operator who knows it before can try out indexes until
    /// one passes.
    pub seed: String,
}

/// What a challenge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// How many records were drawn: all of them are here, and the index names each by all of its terms.
    pub records: u64,
    /// How many they were drawn from: those of the scope in sealed segments that were not deleted.
    pub of: u64,
}

impl Challenge {
    /// Whether it keeps within the limits.
    ///
    /// # Errors
    /// [`Error::OverLimit`]; [`Error::InvalidFilter`] where it draws nothing.
    pub(super) fn check(&self) -> Result<()> {
        for (what, found, limit) in [
            ("sample of a challenge", u64::from(self.sample), u64::from(limits::CHALLENGE_SAMPLE_MAX)),
            ("length of a challenge's seed", self.seed.len() as u64, limits::CHALLENGE_SEED_LEN_MAX as u64),
        ] {
            if found > limit {
                return Err(Error::OverLimit { what, found, limit });
            }
        }
        if self.sample == 0 || self.seed.is_empty() {
            let reason = "a challenge draws at least one record, and has a seed".to_owned();
            return Err(Error::InvalidFilter { reason });
        }
        Ok(())
    }

    /// The records that are drawn of `seqs` without those that are gone, under a checkpoint's root:
    /// [`Challenge::sample`] of them, or all.
    pub(crate) fn draw(&self, root: &Hash, seqs: &Range<Seq>, gone: &RoaringTreemap) -> BTreeSet<Seq> {
        let count = seqs.end.saturating_sub(seqs.start).saturating_sub(gone.len());
        if count <= u64::from(self.sample) {
            return seqs.clone().filter(|seq| !gone.contains(*seq)).collect();
        }
        let mut drawn = BTreeSet::new();
        for number in 0.. {
            if drawn.len() >= self.sample as usize {
                break;
            }
            let word = hash::challenge(root, seqs, number, &self.seed);
            drawn.insert(nth(seqs, gone, (word % u128::from(count)) as u64));
        }
        drawn
    }
}

/// Of those of `seqs` that are not gone, the one at this place.
fn nth(seqs: &Range<Seq>, gone: &RoaringTreemap, place: u64) -> Seq {
    // The first seq up to which more stayed than stand before the place.
    let (mut low, mut high) = (seqs.start + place, seqs.end.saturating_sub(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if middle + 1 - seqs.start - gone.rank(middle) > place {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Every term of a record of which the index of its segment must have a posting that names it, reserved ones among them.
///
/// # Errors
/// [`Error::InvalidEvent`] where the body is no event.
pub(crate) fn terms_of(
    schema: &Schema,
    record: &Disclosed<'_>,
    fields: &mut Fields,
) -> Result<Vec<NamedTerm>> {
    record.profile.extract(record.body, fields)?;
    let mut terms = Vec::new();
    for name in schema.committed() {
        for (kind, term) in agree::terms(record, fields, name) {
            terms.push(NamedTerm { field: name.to_owned(), kind, term });
        }
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_format_page_is_what_is_drawn() {
        let page = include_str!("../../../docs/FORMAT-bundle.md");
        let (_, after) = page.split_once("```text challenge\n").unwrap();
        let words = after.split_once("```").unwrap().0.split_whitespace();
        let expected: BTreeSet<Seq> = words.map(|word| word.parse().unwrap()).collect();
        let challenge = Challenge { sample: 5, seed: "dice 4 2 6".to_owned() };
        assert_eq!(challenge.draw(&Hash([7; 32]), &(0..1000), &RoaringTreemap::new()), expected);
        assert_eq!(expected.len(), 5);
    }

    #[test]
    fn as_many_are_drawn_as_there_are_and_each_can_be() {
        let root = Hash([1; 32]);
        let none = RoaringTreemap::new();
        let of =
            |sample, seed: u64, seqs| Challenge { sample, seed: seed.to_string() }.draw(&root, &seqs, &none);
        assert_eq!(of(5, 0, 3..8), (3..8).collect());
        assert_eq!(of(9, 0, 3..8), (3..8).collect());
        assert!(of(9, 0, 3..3).is_empty());
        let (mut seen, mut differing) = (BTreeSet::new(), 0);
        for seed in 0..200 {
            let drawn = of(4, seed, 10..20);
            assert_eq!(drawn.len(), 4);
            assert!(drawn.iter().all(|seq| (10..20).contains(seq)));
            let other =
                Challenge { sample: 4, seed: seed.to_string() }.draw(&Hash([2; 32]), &(10..20), &none);
            differing += u32::from(other != drawn);
            seen.extend(drawn);
        }
        assert_eq!(seen.len(), 10);
        assert!(differing > 190, "another root draws others: {differing}");
    }

    #[test]
    fn what_is_gone_is_not_drawn_and_everything_else_can_be() {
        for bits in 0_u64..1 << 8 {
            let gone: RoaringTreemap = (0..8).filter(|at| bits >> at & 1 == 1).map(|at| 100 + at).collect();
            let stayed: Vec<Seq> = (100..108).filter(|seq| !gone.contains(*seq)).collect();
            for (place, seq) in (0..).zip(&stayed) {
                assert_eq!(nth(&(100..108), &gone, place), *seq, "{bits:08b}");
            }
            let challenge = Challenge { sample: 3, seed: bits.to_string() };
            let drawn = challenge.draw(&Hash([1; 32]), &(100..108), &gone);
            assert_eq!(drawn.len(), stayed.len().min(3));
            assert!(drawn.iter().all(|seq| stayed.contains(seq)));
        }
    }

    #[test]
    fn what_draws_nothing_or_too_much_is_refused() {
        let is_good = |sample, seed: &str| Challenge { sample, seed: seed.to_owned() }.check().is_ok();
        assert!(is_good(1, "x") && is_good(limits::CHALLENGE_SAMPLE_MAX, &"x".repeat(256)));
        assert!(!is_good(0, "x") && !is_good(1, "") && !is_good(1, &"x".repeat(257)));
        assert!(!is_good(limits::CHALLENGE_SAMPLE_MAX + 1, "x"));
    }
}
