//! A growing set of offsets as a bitmap: for the sets that nearly every record is in.

use std::ops::Range;

#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn insert(&mut self, offset: u32) {
        let word = offset as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (offset % 64);
    }

    /// The 64 offsets from `64 * word`.
    pub(super) fn word(&self, word: usize) -> u64 {
        self.0.get(word).copied().unwrap_or(0)
    }
}

/// The set bits of `word`, ascending.
pub(super) fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(bit)
    })
}

/// The words of a bitmap that have bits of `offsets`, and which bits these are.
pub(super) fn words(offsets: Range<u32>) -> impl Iterator<Item = (usize, u64)> {
    (offsets.start as usize / 64..offsets.end.div_ceil(64) as usize).map(move |word| {
        let base = word as u32 * 64;
        let mut wanted = u64::MAX;
        if base < offsets.start {
            wanted &= u64::MAX << (offsets.start - base);
        }
        if offsets.end - base < 64 {
            wanted &= !(u64::MAX << (offsets.end - base));
        }
        (word, wanted)
    })
}
