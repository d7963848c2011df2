//! Looking into a Roaring bitmap where it lies, in the portable format, without decoding it: which of a few offsets
//! it holds, how many it holds in a range, and all of them where they are few.
//!
//! Each function gives nothing where the bytes are no such bitmap.

use std::ops::{Range, RangeInclusive};

use crate::format::bytes::{u16_at, u32_at, u64_at};

/// Without containers of runs.
const COOKIE_PLAIN: u32 = 12_346;
/// With containers of runs; the count of containers less one stands in the upper half.
const COOKIE_RUNS: u32 = 12_347;
/// With containers of runs, their places are stated from so many on.
const PLACES_FROM: usize = 4;
/// Most offsets of an array.
const ARRAY_MAX: usize = 4096;
const BITS_LEN: usize = 8192;
/// For more offsets than this, most lines of a container of bits are looked at.
const MANY: usize = 64;

/// The offsets that share their upper half.
#[derive(Debug, Clone, Copy)]
struct Container<'a> {
    key: u32,
    count: u32,
    form: Form<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    /// Ascending `u16`s.
    Array(&'a [u8]),
    /// A bit each.
    Bits(&'a [u8; BITS_LEN]),
    /// `u16` pairs: the first, and how many follow it.
    Runs(&'a [u8]),
}

/// Keeps those of `offsets`, which ascend, that the bitmap holds.
pub(super) fn retain(bitmap: &[u8], offsets: &mut Vec<u32>) -> Option<()> {
    let (mut kept, mut at) = (0, 0);
    each(bitmap, |container| {
        let rest = offsets.get(at..).unwrap_or_default();
        let start = at + rest.partition_point(|offset| offset >> 16 < container.key);
        at = start
            + offsets
                .get(start..)
                .unwrap_or_default()
                .partition_point(|offset| offset >> 16 == container.key);
        // One loop for each form, not one that asks for the form each time.
        kept = match container.form {
            Form::Bits(bits) => keep_in_bits(offsets, start..at, kept, bits),
            Form::Array(array) => {
                let mut rest = array.as_chunks().0;
                keep(offsets, start..at, kept, |low| {
                    rest = from(rest, low);
                    rest.first().is_some_and(|first| u16::from_le_bytes(*first) == low)
                })
            }
            form => keep(offsets, start..at, kept, |low| form.contains(low)),
        };
        at < offsets.len()
    })?;
    offsets.truncate(kept);
    Some(())
}

/// The offsets within a range that both bitmaps hold, `few` being the one of fewer. Nothing where the arrays of `few` do not
/// ascend.
pub(super) fn in_both(few: &[u8], many: &[u8], within: &Range<u32>) -> Option<Vec<u32>> {
    let mut both = Vec::new();
    let (mut few, mut many) = (Containers::new(few)?, Containers::new(many)?);
    let mut other = many.next()?;
    while let Some(container) = few.next()? {
        while other.is_some_and(|other| other.key < container.key) {
            other = many.next()?;
        }
        let Some(other) = other.filter(|other| other.key == container.key) else { continue };
        let Some(lows) = lows(within, container.key) else { continue };
        let whole = |low: u16| container.key << 16 | u32::from(low);
        if let Form::Array(array) = container.form {
            let array = array.as_chunks().0;
            if !ascends(array) {
                return None;
            }
            let array = between(array, &lows);
            match other.form {
                Form::Bits(bits) => {
                    touch(bits, array.len());
                    push_set(array, bits, whole(0), &mut both);
                }
                Form::Array(others) => {
                    let mut rest = others.as_chunks().0;
                    for low in array {
                        let low = u16::from_le_bytes(*low);
                        rest = from(rest, low);
                        if rest.first().is_some_and(|first| u16::from_le_bytes(*first) == low) {
                            both.push(whole(low));
                        }
                    }
                }
                Form::Runs(_) => {
                    let lows = array.iter().map(|low| u16::from_le_bytes(*low));
                    both.extend(lows.filter(|low| other.form.contains(*low)).map(whole));
                }
            }
        } else if let (Form::Bits(bits), Form::Bits(others)) = (container.form, other.form) {
            let words = usize::from(lows.start() / 64)..usize::from(lows.end() / 64) + 1;
            let pairs = (0..).zip(bits.as_chunks().0).zip(others.as_chunks().0);
            for ((index, word), other) in pairs.take(words.end).skip(words.start) {
                let word = u64::from_le_bytes(*word) & u64::from_le_bytes(*other);
                each_bit(word, |bit| {
                    let low = index * 64 + bit;
                    both.extend(lows.contains(&low).then(|| whole(low)));
                });
            }
        } else {
            container.form.each(|low| {
                if lows.contains(&low) && other.form.contains(low) {
                    both.push(whole(low));
                }
            });
        }
    }
    Some(both)
}

/// The lower halves that offsets of a range have whose upper half is `key`; nothing where there are none.
fn lows(range: &Range<u32>, key: u32) -> Option<RangeInclusive<u16>> {
    let (first, last) = (key << 16, key << 16 | u32::from(u16::MAX));
    let (start, end) = (range.start.max(first), range.end.checked_sub(1)?.min(last));
    (start <= end).then_some(start as u16..=end as u16)
}

/// What of an ascending array lies in a range.
fn between<'a>(array: &'a [[u8; 2]], range: &RangeInclusive<u16>) -> &'a [[u8; 2]] {
    let start = array.partition_point(|low| u16::from_le_bytes(*low) < *range.start());
    let end = array.partition_point(|low| u16::from_le_bytes(*low) <= *range.end());
    array.get(start..end).unwrap_or_default()
}

/// Whether each is above the one before. All are compared, whatever comes of it: so several are at once.
fn ascends(array: &[[u8; 2]]) -> bool {
    let pairs = array.iter().zip(array.iter().skip(1));
    pairs.fold(true, |ascends, (a, b)| ascends & (u16::from_le_bytes(*a) < u16::from_le_bytes(*b)))
}

/// Pushes those of an array, each with `high` above it, whose bits are set.
#[inline(never)] // The loop needs all registers.
fn push_set(array: &[[u8; 2]], bits: &[u8; BITS_LEN], high: u32, set: &mut Vec<u32>) {
    let start = set.len();
    set.resize(start + array.len(), 0);
    let places = set.get_mut(start..).unwrap_or_default();
    let mut kept = 0;
    for low in array {
        let low = u16::from_le_bytes(*low);
        // Each is written, behind those that stay: whether it stays is no branch, which could not be foretold.
        if let Some(place) = places.get_mut(kept) {
            *place = high | u32::from(low);
        }
        // A `u16` has no bit outside.
        kept += usize::from(bits[usize::from(low / 8)] >> (low % 8) & 1);
    }
    set.truncate(start + kept);
}

/// Brings a container of bits into the caches if so many offsets are to be looked for that most of its lines are needed:
/// one after another they come faster than in the order in which they are asked for.
fn touch(bits: &[u8; BITS_LEN], count: usize) {
    if count > MANY {
        std::hint::black_box(bits.iter().step_by(64).fold(0, |sum, bits| sum ^ bits));
    }
}

/// Calls `visit` with the place of each bit that is set.
fn each_bit(mut word: u64, mut visit: impl FnMut(u16)) {
    while word != 0 {
        visit(word.trailing_zeros() as u16);
        word &= word - 1;
    }
}

/// Moves those of `range` whose lower half is wanted to `kept` and behind; where these end.
fn keep(
    offsets: &mut [u32],
    range: Range<usize>,
    mut kept: usize,
    mut wanted: impl FnMut(u16) -> bool,
) -> usize {
    for at in range {
        let Some(&offset) = offsets.get(at) else { break };
        // Written in any case: whether it stays is no branch, which could not be foretold.
        if let Some(place) = offsets.get_mut(kept) {
            *place = offset;
        }
        kept += usize::from(wanted(offset as u16));
    }
    kept
}

/// The same for a container of bits. Of 64 offsets at a time it is seen first which stay, and then these alone are moved:
/// they are mostly few.
fn keep_in_bits(offsets: &mut [u32], range: Range<usize>, mut kept: usize, bits: &[u8; BITS_LEN]) -> usize {
    touch(bits, range.len());
    for start in range.clone().step_by(64) {
        let some = offsets.get(start..range.end.min(start + 64)).unwrap_or_default();
        let mut stay = (0..).zip(some).fold(0_u64, |stay, (place, offset)| {
            // A `u16` has no bit outside.
            let byte = bits[usize::from(*offset as u16 / 8)];
            stay | u64::from(byte >> (offset % 8) & 1) << place
        });
        while stay != 0 {
            let at = start + stay.trailing_zeros() as usize;
            offsets.copy_within(at..at + 1, kept);
            kept += 1;
            stay &= stay - 1;
        }
    }
    kept
}

/// What is left of an ascending array from the first that is not below `low` on, which is looked for in growing steps.
fn from(array: &[[u8; 2]], low: u16) -> &[[u8; 2]] {
    let is_below = |entry: &[u8; 2]| u16::from_le_bytes(*entry) < low;
    let mut end = 1;
    while array.get(end - 1).is_some_and(is_below) {
        end *= 2;
    }
    let near = array.get(end / 2..end.min(array.len())).unwrap_or_default();
    array.get(end / 2 + near.partition_point(is_below)..).unwrap_or_default()
}

/// The offsets of the bitmap; nothing where they are more than `count_max`.
pub(super) fn offsets(bitmap: &[u8], count_max: usize) -> Option<Vec<u32>> {
    let mut offsets = Vec::with_capacity(count_max.min(bitmap.len()));
    let mut containers = Containers::new(bitmap)?;
    while let Some(container) = containers.next()? {
        if offsets.len() + container.count as usize > count_max {
            return None;
        }
        let whole = |low: u16| container.key << 16 | u32::from(low);
        match container.form {
            Form::Array(array) => {
                offsets.extend(array.as_chunks().0.iter().map(|low| whole(u16::from_le_bytes(*low))));
            }
            form => form.each(|low| offsets.push(whole(low))),
        }
    }
    Some(offsets)
}

/// How many offsets of the bitmap lie in `range`.
pub(super) fn count_in(bitmap: &[u8], range: &Range<u32>) -> Option<u32> {
    let mut count = 0;
    each(bitmap, |container| {
        let first = container.key << 16;
        let from = range.start.saturating_sub(first).min(1 << 16);
        let to = range.end.saturating_sub(first).min(1 << 16);
        // What is outside the range may be the shorter part.
        let of_container = if to.saturating_sub(from) > 1 << 15 {
            container
                .count
                .saturating_sub(container.form.within(0, from) + container.form.within(to, 1 << 16))
        } else {
            container.form.within(from, to)
        };
        count = u32::saturating_add(count, of_container);
        first < range.end
    })?;
    Some(count)
}

/// Calls `visit` for each container, until it says that it wants no more.
fn each<'a>(bitmap: &'a [u8], mut visit: impl FnMut(Container<'a>) -> bool) -> Option<()> {
    let mut containers = Containers::new(bitmap)?;
    while let Some(container) = containers.next()? {
        if !visit(container) {
            break;
        }
    }
    Some(())
}

/// The containers of a bitmap, one after another.
#[derive(Debug)]
struct Containers<'a> {
    bitmap: &'a [u8],
    /// For each its key and its count, and whether it is one of runs.
    heads: std::slice::ChunksExact<'a, u8>,
    runs: Option<&'a [u8]>,
    /// No key may be below.
    key_min: u32,
    index: usize,
    /// Where the next one begins.
    at: usize,
}

impl<'a> Containers<'a> {
    fn new(bitmap: &'a [u8]) -> Option<Self> {
        let cookie = u32_at(bitmap, 0);
        let (count, runs, heads_at) = if cookie == COOKIE_PLAIN {
            (u32_at(bitmap, 4) as usize, None, 8)
        } else if cookie & 0xFFFF == COOKIE_RUNS {
            let count = (cookie >> 16) as usize + 1;
            let len = count.div_ceil(8);
            (count, Some(bitmap.get(4..4 + len)?), 4 + len)
        } else {
            return None;
        };
        let heads = bitmap.get(heads_at..heads_at.checked_add(count.checked_mul(4)?)?)?;
        let has_places = runs.is_none() || count >= PLACES_FROM;
        let at = heads_at + heads.len() + if has_places { count * 4 } else { 0 };
        Some(Containers { bitmap, heads: heads.chunks_exact(4), runs, key_min: 0, index: 0, at })
    }

    /// The next one; the inner nothing stands behind the last. One that does not come behind the one before, or whose runs
    /// are not of as many offsets as it says, is none: what it says is what it may cost.
    fn next(&mut self) -> Option<Option<Container<'a>>> {
        let Some(head) = self.heads.next() else { return Some(None) };
        let key = u32::from(u16_at(head, 0));
        if key < self.key_min {
            return None;
        }
        self.key_min = key + 1;
        let index = self.index;
        let is_runs =
            self.runs.and_then(|runs| runs.get(index / 8)).is_some_and(|bits| bits >> (index % 8) & 1 == 1);
        let count = usize::from(u16_at(head, 2)) + 1;
        let rest = self.bitmap.get(self.at..)?;
        let (start, len) = match (is_runs, count) {
            (true, _) => (2, usize::from(u16_at(rest, 0)) * 4),
            (false, ..=ARRAY_MAX) => (0, count * 2),
            (false, _) => (0, BITS_LEN),
        };
        let bytes = rest.get(start..start + len)?;
        let form = match (is_runs, count) {
            (true, _) if len_of_runs(bytes) != count => return None,
            (true, _) => Form::Runs(bytes),
            (false, ..=ARRAY_MAX) => Form::Array(bytes),
            (false, _) => Form::Bits(bytes.first_chunk()?),
        };
        self.at += start + len;
        self.index += 1;
        Some(Some(Container { key, count: count as u32, form }))
    }
}

/// How many offsets there are in runs.
fn len_of_runs(runs: &[u8]) -> usize {
    runs.chunks_exact(4).map(|run| usize::from(u16_at(run, 2)) + 1).sum()
}

impl Form<'_> {
    fn contains(&self, low: u16) -> bool {
        match self {
            Form::Bits(bits) => bits.get(usize::from(low) / 8).is_some_and(|bits| bits >> (low % 8) & 1 == 1),
            Form::Array(array) => {
                let at = first(array.len() / 2, |index| u16_at(array, index * 2) < low);
                at < array.len() / 2 && u16_at(array, at * 2) == low
            }
            Form::Runs(runs) => {
                let behind = first(runs.len() / 4, |index| u16_at(runs, index * 4) <= low);
                behind
                    .checked_sub(1)
                    .is_some_and(|run| low - u16_at(runs, run * 4) <= u16_at(runs, run * 4 + 2))
            }
        }
    }

    /// How many lie from `start` up to `end`, which is at most 65,536.
    fn within(&self, start: u32, end: u32) -> u32 {
        if start >= end {
            return 0;
        }
        match self {
            Form::Array(array) => {
                let below =
                    |end: u32| first(array.len() / 2, |index| u32::from(u16_at(array, index * 2)) < end);
                (below(end) - below(start)) as u32
            }
            Form::Bits(bits) => {
                let (first, last) = (start as usize / 64, (end as usize - 1) / 64);
                let word = |index: usize| {
                    let cut_low = if index == first { start % 64 } else { 0 };
                    let cut_high = if index == last { 63 - (end - 1) % 64 } else { 0 };
                    (u64_at(bits.as_slice(), index * 8) >> cut_low << cut_low << cut_high).count_ones()
                };
                let inner = bits.get((first + 1) * 8..last * 8).unwrap_or_default();
                let whole: u32 =
                    inner.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum();
                whole + word(first) + if last > first { word(last) } else { 0 }
            }
            Form::Runs(runs) => runs
                .chunks_exact(4)
                .map(|run| {
                    let first = u32::from(u16_at(run, 0));
                    let behind = first + u32::from(u16_at(run, 2)) + 1;
                    behind.min(end).saturating_sub(first.max(start))
                })
                .sum(),
        }
    }

    /// Calls `visit` with each.
    fn each(&self, mut visit: impl FnMut(u16)) {
        match self {
            Form::Array(array) => array.as_chunks().0.iter().for_each(|low| visit(u16::from_le_bytes(*low))),
            Form::Bits(bits) => {
                for (index, word) in (0..).zip(bits.as_chunks().0) {
                    each_bit(u64::from_le_bytes(*word), |bit| visit(index * 64 + bit));
                }
            }
            Form::Runs(runs) => {
                for run in runs.chunks_exact(4) {
                    let first = u16_at(run, 0);
                    (first..=first.saturating_add(u16_at(run, 2))).for_each(&mut visit);
                }
            }
        }
    }
}

/// The first of `count` places that is not `before`, by halving.
fn first(count: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use roaring::RoaringBitmap;

    use super::*;
    use crate::index::tests::Random;

    fn random(random: &mut Random) -> RoaringBitmap {
        let mut bitmap = RoaringBitmap::new();
        for key in 0..1 + random.below(6) as u32 {
            let first = key << 16;
            match random.below(5) {
                0 => {}
                1 => bitmap.extend(first..first + 1 + random.below(65_536) as u32),
                2 => bitmap.extend((0..random.below(4_000)).map(|_| first + random.below(65_536) as u32)),
                3 => bitmap.extend((0..9_000).map(|_| first + random.below(65_536) as u32)),
                _ => bitmap.extend((0..5_000).map(|n| first + n / 7 * 13 + n % 7)),
            }
        }
        bitmap.optimize();
        bitmap
    }

    #[test]
    fn what_is_seen_in_the_bytes_is_what_is_in_the_bitmap() {
        let mut seed = Random(3);
        for _ in 0..300 {
            let bitmap = random(&mut seed);
            let mut bytes = Vec::new();
            bitmap.serialize_into(&mut bytes).unwrap();
            let mut offsets: Vec<u32> = (0..500).map(|_| seed.below(7 << 16) as u32).collect();
            offsets.extend(bitmap.iter().step_by(97));
            offsets.sort_unstable();
            offsets.dedup();
            let expected: Vec<u32> =
                offsets.iter().copied().filter(|offset| bitmap.contains(*offset)).collect();
            retain(&bytes, &mut offsets).unwrap();
            assert_eq!(offsets, expected);
            let other = random(&mut seed);
            let mut others = Vec::new();
            other.serialize_into(&mut others).unwrap();
            let both = &bitmap & &other;
            assert_eq!(in_both(&bytes, &others, &(0..u32::MAX)).unwrap(), both.iter().collect::<Vec<u32>>());
            assert_eq!(
                super::offsets(&bytes, bitmap.len() as usize).unwrap(),
                bitmap.iter().collect::<Vec<u32>>()
            );
            for _ in 0..20 {
                let start = seed.below(7 << 16) as u32;
                let range = start..start + seed.below(3 << 16) as u32;
                let expected = bitmap.range_cardinality(range.clone());
                assert_eq!(u64::from(count_in(&bytes, &range).unwrap()), expected, "{range:?}");
                let expected: Vec<u32> = both.iter().filter(|offset| range.contains(offset)).collect();
                assert_eq!(in_both(&bytes, &others, &range).unwrap(), expected, "{range:?}");
            }
        }
    }

    #[test]
    fn what_is_no_bitmap_is_no_panic() {
        let mut seed = Random(4);
        let mut bytes = Vec::new();
        random(&mut seed).serialize_into(&mut bytes).unwrap();
        let whole = bytes.clone();
        for len in 0..bytes.len().min(3_000) {
            let _ = count_in(&bytes[..len], &(5..1 << 17));
            let _ = in_both(&bytes[..len], &bytes, &(5..1 << 17));
        }
        for _ in 0..3_000 {
            let at = seed.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << seed.below(8);
            let _ = retain(&bytes, &mut (0..1 << 17).step_by(50).collect());
            let _ = in_both(&bytes, &whole, &(0..u32::MAX));
            let _ = in_both(&whole, &bytes, &(70_000..u32::MAX));
        }
    }

    #[test]
    fn a_bitmap_costs_no_more_than_it_says() {
        // A container of many runs, each of all offsets: 16 GiB, were they taken for what they say.
        let (mut runs, mut bytes) = (Vec::new(), (COOKIE_RUNS).to_le_bytes().to_vec());
        (0..30_000).for_each(|_| runs.extend([0, 0, 0xFF, 0xFF]));
        bytes.extend([1, 0, 0, 1, 0]);
        bytes.extend(30_000_u16.to_le_bytes());
        bytes.extend(&runs);
        assert_eq!(offsets(&bytes, 4096), None);
        assert_eq!(in_both(&bytes, &bytes, &(0..u32::MAX)), None);
        assert_eq!(count_in(&bytes, &(0..5)), None);
        // Whole containers far beyond the segment's end.
        let mut bitmap = RoaringBitmap::new();
        bitmap.insert_range(0..1 << 24);
        bitmap.optimize();
        bytes.clear();
        bitmap.serialize_into(&mut bytes).unwrap();
        assert_eq!(offsets(&bytes, 100_000), None);
        assert_eq!(in_both(&bytes, &bytes, &(0..100_000)).unwrap().len(), 100_000);
        // One key twice.
        let mut twice = 12_346_u32.to_le_bytes().to_vec();
        twice.extend([2, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0]);
        twice.extend([24, 0, 0, 0, 26, 0, 0, 0, 1, 0, 2, 0]);
        assert_eq!(offsets(&twice, 9), None);
    }
}
