//! Sets of a segment's records, by offset, each in the form that costs least: a range, a short list, a bitmap.

use std::fmt;
use std::ops::Range;

use roaring::RoaringBitmap;

/// Up to this many offsets two lists are put together as a list.
pub(super) const LIST_COUNT_MAX: usize = 4096;

/// Up to this many offsets are named as exceptions from a range.
const FEW: usize = 256;

/// A set of offsets.
#[derive(Debug, Clone)]
pub(super) enum Set {
    Range(Range<u32>),
    /// A range but for a few that are in it, at least one: what is left of a segment without the store's own records.
    Except(Range<u32>, Vec<u32>),
    /// Ascending, each once.
    List(Vec<u32>),
    Bitmap(RoaringBitmap),
}

impl Set {
    pub(super) fn none() -> Set {
        Set::Range(0..0)
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Set::Range(range) => u64::from(range.end.saturating_sub(range.start)),
            Set::Except(range, few) => range.len() as u64 - few.len() as u64,
            Set::List(list) => list.len() as u64,
            Set::Bitmap(bitmap) => bitmap.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Set::Range(range) => range.is_empty(),
            Set::Except(range, few) => range.len() == few.len(),
            Set::List(list) => list.is_empty(),
            Set::Bitmap(bitmap) => bitmap.is_empty(),
        }
    }

    pub(super) fn contains(&self, offset: u32) -> bool {
        match self {
            Set::Range(range) => range.contains(&offset),
            Set::Except(range, few) => range.contains(&offset) && few.binary_search(&offset).is_err(),
            Set::List(list) => list.binary_search(&offset).is_ok(),
            Set::Bitmap(bitmap) => bitmap.contains(offset),
        }
    }

    /// Whether every offset of `range` is in it.
    pub(super) fn covers(&self, range: &Range<u32>) -> bool {
        match self {
            _ if range.is_empty() => true,
            Set::Range(own) => own.start <= range.start && range.end <= own.end,
            Set::Except(own, few) => {
                own.start <= range.start
                    && range.end <= own.end
                    && !few.iter().any(|offset| range.contains(offset))
            }
            Set::List(list) => {
                list.len() >= range.len() && range.clone().all(|offset| list.binary_search(&offset).is_ok())
            }
            Set::Bitmap(bitmap) => bitmap.contains_range(range.clone()),
        }
    }

    pub(super) fn and(self, other: Set) -> Set {
        match (self, other) {
            (Set::Range(a), Set::Range(b)) => Set::Range(a.start.max(b.start)..a.end.min(b.end)),
            (Set::List(list), Set::Range(range)) | (Set::Range(range), Set::List(list))
                if list.first() >= Some(&range.start) && list.last() < Some(&range.end) =>
            {
                Set::List(list)
            }
            (Set::List(mut list), other) | (other, Set::List(mut list)) => {
                list.retain(|offset| other.contains(*offset));
                Set::List(list)
            }
            (Set::Range(range), Set::Bitmap(mut bitmap)) | (Set::Bitmap(mut bitmap), Set::Range(range)) => {
                bitmap.remove_range(..range.start);
                bitmap.remove_range(range.end.max(range.start)..);
                Set::Bitmap(bitmap)
            }
            (Set::Except(range, few), other) | (other, Set::Except(range, few)) => {
                Set::Range(range).and(other).minus(&Set::List(few))
            }
            (Set::Bitmap(a), Set::Bitmap(b)) => Set::Bitmap(a & b),
        }
    }

    /// Whether both have some offset.
    pub(super) fn meets(&self, other: &Set) -> bool {
        match (self, other) {
            (Set::List(list), set) | (set, Set::List(list)) => {
                list.iter().any(|offset| set.contains(*offset))
            }
            (Set::Bitmap(a), Set::Bitmap(b)) => !a.is_disjoint(b),
            (one, other) => !one.clone().and(other.clone()).is_empty(),
        }
    }

    pub(super) fn or(self, other: Set) -> Set {
        match (self, other) {
            (one, other) if other.is_empty() => one,
            (one, other) if one.is_empty() => other,
            (Set::Range(a), Set::Range(b)) if a.start <= b.end && b.start <= a.end => {
                Set::Range(a.start.min(b.start)..a.end.max(b.end))
            }
            (Set::List(a), Set::List(b)) if a.len() + b.len() <= LIST_COUNT_MAX => Set::List(merge(&a, &b)),
            (one, other) => Set::Bitmap(one.into_bitmap() | other.into_bitmap()),
        }
    }

    pub(super) fn minus(self, other: &Set) -> Set {
        match (self, other) {
            (one, other) if other.is_empty() || one.is_empty() => one,
            (Set::Range(a), Set::Range(b)) if b.start <= a.start => {
                Set::Range(b.end.max(a.start).min(a.end)..a.end)
            }
            (Set::Range(a), Set::Range(b)) if a.end <= b.end => Set::Range(a.start..b.start.min(a.end)),
            (Set::List(mut list), Set::List(few)) if few.len() < list.len() / 8 => {
                for offset in few {
                    if let Ok(at) = list.binary_search(offset) {
                        list.remove(at);
                    }
                }
                Set::List(list)
            }
            (Set::List(mut list), other) => {
                list.retain(|offset| !other.contains(*offset));
                Set::List(list)
            }
            (Set::Range(range), Set::List(list)) if list.len() <= FEW => {
                let few: Vec<u32> = list.iter().copied().filter(|offset| range.contains(offset)).collect();
                if few.is_empty() { Set::Range(range) } else { Set::Except(range, few) }
            }
            (one, Set::Except(range, few)) => {
                let back = Set::List(few.iter().copied().filter(|offset| one.contains(*offset)).collect());
                one.minus(&Set::Range(range.clone())).or(back)
            }
            (one, Set::Range(range)) => {
                let mut bitmap = one.into_bitmap();
                bitmap.remove_range(range.clone());
                Set::Bitmap(bitmap)
            }
            (one, Set::List(list)) => {
                let mut bitmap = one.into_bitmap();
                list.iter().for_each(|offset| {
                    bitmap.remove(*offset);
                });
                Set::Bitmap(bitmap)
            }
            (one, Set::Bitmap(other)) => Set::Bitmap(one.into_bitmap() - other),
        }
    }

    pub(super) fn into_bitmap(self) -> RoaringBitmap {
        match self {
            Set::Range(range) => {
                let mut bitmap = RoaringBitmap::new();
                bitmap.insert_range(range);
                bitmap
            }
            Set::Except(range, few) => {
                let mut bitmap = Set::Range(range).into_bitmap();
                few.into_iter().for_each(|offset| {
                    bitmap.remove(offset);
                });
                bitmap
            }
            Set::List(list) => list.into_iter().collect(),
            Set::Bitmap(bitmap) => bitmap,
        }
    }

    /// The offsets, ascending; or from the last to the first.
    pub(super) fn offsets(self, backwards: bool) -> Offsets {
        let from = match self {
            Set::Range(range) => From::Range(range, Vec::new()),
            Set::Except(range, few) => From::Range(range, few),
            Set::List(list) => From::List(list.into_iter()),
            Set::Bitmap(bitmap) => From::Bitmap(Box::new(bitmap.into_iter())),
        };
        Offsets { from, backwards }
    }
}

impl FromIterator<u32> for Set {
    /// The set of offsets that come in ascending order, each once.
    fn from_iter<I: IntoIterator<Item = u32>>(offsets: I) -> Set {
        let list: Vec<u32> = offsets.into_iter().collect();
        if list.len() <= LIST_COUNT_MAX { Set::List(list) } else { Set::Bitmap(list.into_iter().collect()) }
    }
}

fn merge(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    while let (Some(&x), Some(&y)) = (a.peek(), b.peek()) {
        merged.push(x.min(y));
        if x <= y {
            a.next();
        }
        if y <= x {
            b.next();
        }
    }
    merged.extend(a);
    merged.extend(b);
    merged
}

/// The offsets of a set, one after another.
pub(super) struct Offsets {
    from: From,
    backwards: bool,
}

impl fmt::Debug for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offsets").field("backwards", &self.backwards).finish_non_exhaustive()
    }
}

enum From {
    /// All of it but for these.
    Range(Range<u32>, Vec<u32>),
    List(std::vec::IntoIter<u32>),
    Bitmap(Box<roaring::bitmap::IntoIter>),
}

impl Iterator for Offsets {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match (&mut self.from, self.backwards) {
            (From::Range(range, few), false) => range.find(|offset| few.binary_search(offset).is_err()),
            (From::Range(range, few), true) => range.rfind(|offset| few.binary_search(offset).is_err()),
            (From::List(list), false) => list.next(),
            (From::List(list), true) => list.next_back(),
            (From::Bitmap(bitmap), false) => bitmap.next(),
            (From::Bitmap(bitmap), true) => bitmap.next_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::index::tests::Random;

    fn random(random: &mut Random) -> Set {
        let start = random.below(20) as u32;
        match random.below(5) {
            0 => Set::none(),
            4 => Set::Range(start..start + 20)
                .minus(&Set::List((0..40).filter(|_| random.below(3) == 0).collect())),
            1 => Set::Range(start..start + random.below(20) as u32),
            2 => Set::List((0..40).filter(|_| random.below(4) == 0).collect()),
            _ => Set::Bitmap((0..40).filter(|_| random.below(2) == 0).collect()),
        }
    }

    fn plain(set: &Set) -> BTreeSet<u32> {
        let ascending: Vec<u32> = set.clone().offsets(false).collect();
        let mut descending: Vec<u32> = set.clone().offsets(true).collect();
        descending.reverse();
        assert_eq!(ascending, descending);
        assert!(ascending.is_sorted_by(|a, b| a < b));
        assert_eq!(set.len(), ascending.len() as u64);
        assert_eq!(set.is_empty(), ascending.is_empty());
        ascending.into_iter().collect()
    }

    #[test]
    fn sets_are_sets_whatever_their_form() {
        let mut seed = Random(7);
        for _ in 0..20_000 {
            let (a, b) = (random(&mut seed), random(&mut seed));
            let (x, y) = (plain(&a), plain(&b));
            assert_eq!(plain(&a.clone().and(b.clone())), &x & &y);
            assert_eq!(plain(&a.clone().or(b.clone())), &x | &y);
            assert_eq!(plain(&a.clone().minus(&b)), &x - &y, "{a:?} {b:?}");
            let (from, to) = (seed.below(40) as u32, seed.below(40) as u32);
            assert_eq!(a.covers(&(from..to)), (from..to).all(|offset| x.contains(&offset)));
            assert_eq!(a.contains(from), x.contains(&from));
        }
    }
}
