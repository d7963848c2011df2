//! Looking into a Roaring bitmap where it lies, in the portable format, without decoding it: which of a few offsets
//! it holds, and how many it holds in a range.
//!
//! Each function gives nothing where the bytes are no such bitmap.

use std::ops::Range;

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
    Bits(&'a [u8]),
    /// `u16` pairs: the first, and how many follow it.
    Runs(&'a [u8]),
}

/// Keeps those of `offsets`, which ascend, that the bitmap holds.
pub(super) fn retain(bitmap: &[u8], offsets: &mut Vec<u32>) -> Option<()> {
    let (mut kept, mut at) = (0, 0);
    each(bitmap, |container| {
        while offsets.get(at).is_some_and(|offset| offset >> 16 < container.key) {
            at += 1;
        }
        while let Some(&offset) = offsets.get(at).filter(|offset| **offset >> 16 == container.key) {
            if container.form.contains(offset as u16)
                && let Some(place) = offsets.get_mut(kept)
            {
                *place = offset;
                kept += 1;
            }
            at += 1;
        }
        at < offsets.len()
    })?;
    offsets.truncate(kept);
    Some(())
}

/// How many offsets of the bitmap lie in `range`.
pub(super) fn count_in(bitmap: &[u8], range: &Range<u32>) -> Option<u32> {
    let mut count = 0;
    each(bitmap, |container| {
        let first = container.key << 16;
        let from = range.start.saturating_sub(first).min(1 << 16);
        let to = range.end.saturating_sub(first).min(1 << 16);
        count += match (from, to) {
            (0, 65_536) => container.count,
            _ => container.form.below(to).saturating_sub(container.form.below(from)),
        };
        first < range.end
    })?;
    Some(count)
}

/// Calls `visit` for each container, until it says that it wants no more.
fn each<'a>(bitmap: &'a [u8], mut visit: impl FnMut(Container<'a>) -> bool) -> Option<()> {
    let cookie = u32_at(bitmap, 0);
    let (count, runs, keys_at) = if cookie == COOKIE_PLAIN {
        (u32_at(bitmap, 4) as usize, None, 8)
    } else if cookie & 0xFFFF == COOKIE_RUNS {
        let count = (cookie >> 16) as usize + 1;
        let len = count.div_ceil(8);
        (count, Some(bitmap.get(4..4 + len)?), 4 + len)
    } else {
        return None;
    };
    let keys = bitmap.get(keys_at..keys_at.checked_add(count.checked_mul(4)?)?)?;
    let has_places = runs.is_none() || count >= PLACES_FROM;
    let mut at = keys_at + keys.len() + if has_places { count * 4 } else { 0 };
    for (index, key) in keys.chunks_exact(4).enumerate() {
        let is_runs =
            runs.and_then(|runs| runs.get(index / 8)).is_some_and(|bits| bits >> (index % 8) & 1 == 1);
        let count = usize::from(u16_at(key, 2)) + 1;
        let rest = bitmap.get(at..)?;
        let (start, len) = match (is_runs, count) {
            (true, _) => (2, usize::from(u16_at(rest, 0)) * 4),
            (false, ..=ARRAY_MAX) => (0, count * 2),
            (false, _) => (0, BITS_LEN),
        };
        let bytes = rest.get(start..start + len)?;
        let form = match (is_runs, count) {
            (true, _) => Form::Runs(bytes),
            (false, ..=ARRAY_MAX) => Form::Array(bytes),
            (false, _) => Form::Bits(bytes),
        };
        at += start + len;
        if !visit(Container { key: u32::from(u16_at(key, 0)), count: count as u32, form }) {
            return Some(());
        }
    }
    Some(())
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

    /// How many are below `end`, which is at most 65,536.
    fn below(&self, end: u32) -> u32 {
        match self {
            Form::Array(array) => {
                first(array.len() / 2, |index| u32::from(u16_at(array, index * 2)) < end) as u32
            }
            Form::Bits(bits) => {
                let words = end as usize / 64;
                let whole: u32 = (0..words).map(|word| u64_at(bits, word * 8).count_ones()).sum();
                let rest = u64_at(bits, words * 8) & !(u64::MAX << (end % 64));
                whole + if end % 64 == 0 { 0 } else { rest.count_ones() }
            }
            Form::Runs(runs) => runs
                .chunks_exact(4)
                .map(|run| {
                    let start = u32::from(u16_at(run, 0));
                    end.saturating_sub(start).min(u32::from(u16_at(run, 2)) + 1)
                })
                .sum(),
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
                2 => bitmap.extend((0..200).map(|_| first + random.below(65_536) as u32)),
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
            for _ in 0..20 {
                let start = seed.below(7 << 16) as u32;
                let range = start..start + seed.below(3 << 16) as u32;
                let expected = bitmap.range_cardinality(range.clone());
                assert_eq!(u64::from(count_in(&bytes, &range).unwrap()), expected, "{range:?}");
            }
        }
    }

    #[test]
    fn what_is_no_bitmap_is_no_panic() {
        let mut seed = Random(4);
        let mut bytes = Vec::new();
        random(&mut seed).serialize_into(&mut bytes).unwrap();
        for len in 0..bytes.len().min(3_000) {
            let _ = count_in(&bytes[..len], &(5..1 << 17));
        }
        for _ in 0..3_000 {
            let at = seed.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << seed.below(8);
            let _ = retain(&bytes, &mut (0..1 << 17).step_by(50).collect());
        }
    }
}
