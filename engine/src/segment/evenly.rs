//! Finding integers that lie evenly, as hashes do, among ascending ones: in a few looks.

use crate::format::bytes::u64_at;

/// The place of the first of `count` ascending integers that is not below `wanted`.
///
/// Hashes lie evenly, so where one stands can be told from its value but for a few places; from there the two ends
/// come together in growing steps. Should they not lie evenly, what is left is halved.
pub(super) fn first_not_below(integers: &[u8], count: usize, wanted: u64) -> usize {
    let (mut low, mut high) = (0, count);
    let look = |at: usize, low: &mut usize, high: &mut usize| {
        let value = u64_at(integers, at * 8);
        if value < wanted {
            *low = at + 1
        } else {
            *high = at
        }
        value
    };
    if count > 0 {
        look(guess(wanted, count), &mut low, &mut high);
        let near = near(integers, count, wanted);
        if (low..high).contains(&near) {
            look(near, &mut low, &mut high);
        }
    }
    let mut step = 4;
    while high - low > 2 * step {
        look(low + step, &mut low, &mut high);
        if high - low > step {
            look(high - step, &mut low, &mut high);
        }
        step *= 4;
    }
    while low < high {
        look(low + (high - low) / 2, &mut low, &mut high);
    }
    low
}

/// Where a share of `2^64` stands among `of` places.
fn guess(share: u64, of: usize) -> usize {
    ((u128::from(share) * of as u128) >> 64) as usize
}

/// Near which place `wanted` stands, by the integer that stands where it should.
pub(super) fn near(integers: &[u8], count: usize, wanted: u64) -> usize {
    let at = guess(wanted, count);
    let value = u64_at(integers, at * 8);
    if value < wanted {
        at.saturating_add(guess(wanted - value, count))
    } else {
        at.saturating_sub(guess(value - wanted, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::Random;

    #[test]
    fn integers_are_found_however_they_lie() {
        let mut random = Random(1);
        for round in 0..300 {
            let spread = [u64::MAX, 1 << 60, 1000, 3][round % 4];
            let mut integers: Vec<u64> = (0..random.below(3000)).map(|_| random.below(spread)).collect();
            if round % 3 == 0 {
                integers.extend([0, u64::MAX, u64::MAX]);
            }
            integers.sort_unstable();
            let bytes: Vec<u8> = integers.iter().flat_map(|integer| integer.to_le_bytes()).collect();
            let others = [0, 1, spread / 2, u64::MAX - 1, u64::MAX];
            for wanted in integers.iter().copied().chain(others) {
                let expected = integers.partition_point(|integer| *integer < wanted);
                assert_eq!(first_not_below(&bytes, integers.len(), wanted), expected);
            }
        }
    }
}
