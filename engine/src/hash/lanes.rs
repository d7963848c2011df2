//! Sixteen short messages hashed side by side, one in each lane of the machine's vectors.
//!
//! The `blake3` crate lays only whole blocks side by side, and `sha2` nothing; but a log is full of messages of one or
//! two blocks, whose hashing alone waits mostly for its own last step. Here are both compression functions once more,
//! as their specifications write them (BLAKE3 section 2.2, FIPS 180-4 section 6.2.2), over vectors instead of words.
//! What comes out is what the crates give; tests hold them against each other.

use std::array::from_fn;
use std::sync::LazyLock;

use fearless_simd::{Level, Simd, SimdBase, dispatch, u32x16};

use super::Hash;

/// How many messages lie side by side.
pub(super) const LANES: usize = 16;
pub(super) const BLOCK_LEN: usize = 64;
/// Both functions' initial value: the fractions of the square roots of the first eight primes.
pub(super) const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What the machine can do, found out once.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

/// One BLAKE3 block of each message.
pub(super) struct Blocks {
    /// Word by word, the chaining value of each lane.
    values: [[u32; LANES]; 8],
    blocks: [[u8; BLOCK_LEN]; LANES],
    lens: [u32; LANES],
}

impl Blocks {
    /// Empty blocks, to be hashed under this key or initial value.
    pub(super) fn keyed(key: &[u32; 8]) -> Self {
        Blocks { values: key.map(|word| [word; LANES]), blocks: [[0; BLOCK_LEN]; LANES], lens: [0; LANES] }
    }

    /// Puts a block in a lane that is empty.
    pub(super) fn put(&mut self, lane: usize, parts: [&[u8]; 2]) {
        let [first, second] = parts;
        self.blocks[lane][..first.len()].copy_from_slice(first);
        self.blocks[lane][first.len()..][..second.len()].copy_from_slice(second);
        self.lens[lane] = (first.len() + second.len()) as u32;
    }

    /// Sets the chaining value with which a lane's block is hashed.
    pub(super) fn chain(&mut self, lane: usize, value: &[u32; 8]) {
        for (words, word) in self.values.iter_mut().zip(value) {
            words[lane] = *word;
        }
    }

    /// The hash of each lane, these blocks being the last ones of their messages.
    pub(super) fn hash(&self, flags: u8) -> [[u8; 32]; LANES] {
        let words = dispatch!(*LEVEL, simd => blake3(simd, self, u32::from(flags)));
        from_fn(|lane| {
            let mut hash = [0; 32];
            for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(&words) {
                *bytes = word[lane].to_le_bytes();
            }
            hash
        })
    }
}

/// A message of two SHA-256 blocks in each lane, padding included: FIPS 180-4, section 5.1.1.
pub(super) struct Messages {
    /// Word by word, that of each lane.
    words: [[u32; LANES]; 2 * BLOCK_LEN / 4],
}

impl Messages {
    pub(super) fn new() -> Self {
        Messages { words: [[0; LANES]; 2 * BLOCK_LEN / 4] }
    }

    /// Puts a message of one of [`TWO_BLOCKS`](super::TWO_BLOCKS) lengths in a lane that is empty.
    #[inline]
    pub(super) fn put(&mut self, lane: usize, parts: [&[u8]; 3]) {
        let mut message = [0; 2 * BLOCK_LEN];
        let mut len = 0;
        for part in parts {
            message[len..][..part.len()].copy_from_slice(part);
            len += part.len();
        }
        message[len] = 0x80;
        for (word, bytes) in self.words.iter_mut().zip(message.as_chunks::<4>().0).take(len / 4 + 1) {
            word[lane] = u32::from_be_bytes(*bytes);
        }
        self.words[31][lane] = 8 * len as u32;
    }

    /// SHA-256 of each lane's message; what empty lanes give means nothing.
    pub(super) fn hash(&self) -> [Hash; LANES] {
        let words = dispatch!(*LEVEL, simd => sha256(simd, &self.words));
        from_fn(|lane| {
            let mut hash = [0; 32];
            for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(&words) {
                *bytes = word[lane].to_be_bytes();
            }
            Hash(hash)
        })
    }
}

#[inline(always)]
fn rotate<S: Simd, const BITS: u32>(words: u32x16<S>) -> u32x16<S> {
    (words >> BITS) | (words << (u32::BITS - BITS))
}

/// BLAKE3's order of message words, from one round to the next.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

#[inline(always)]
fn mix<S: Simd>(state: &mut [u32x16<S>; 16], [a, b, c, d]: [usize; 4], x: u32x16<S>, y: u32x16<S>) {
    state[a] = state[a] + state[b] + x;
    state[d] = rotate::<S, 16>(state[d] ^ state[a]);
    state[c] += state[d];
    state[b] = rotate::<S, 12>(state[b] ^ state[c]);
    state[a] = state[a] + state[b] + y;
    state[d] = rotate::<S, 8>(state[d] ^ state[a]);
    state[c] += state[d];
    state[b] = rotate::<S, 7>(state[b] ^ state[c]);
}

#[inline(always)]
fn blake3<S: Simd>(simd: S, input: &Blocks, flags: u32) -> [[u32; LANES]; 8] {
    let mut words = [[0; LANES]; 16];
    for (lane, block) in input.blocks.iter().enumerate() {
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            word[lane] = u32::from_le_bytes(*bytes);
        }
    }
    let mut message: [u32x16<S>; 16] = from_fn(|i| u32x16::from_slice(simd, &words[i]));
    let zero = u32x16::splat(simd, 0);
    let mut state: [u32x16<S>; 16] = from_fn(|i| match i {
        0..8 => u32x16::from_slice(simd, &input.values[i]),
        8..12 => u32x16::splat(simd, IV[i - 8]),
        14 => u32x16::from_slice(simd, &input.lens),
        15 => u32x16::splat(simd, flags),
        _ => zero,
    });
    for _ in 0..7 {
        for (column, words) in message.as_chunks::<2>().0.iter().take(4).enumerate() {
            mix(&mut state, [column, 4 + column, 8 + column, 12 + column], words[0], words[1]);
        }
        for (column, words) in message.as_chunks::<2>().0.iter().skip(4).enumerate() {
            let diagonal = [column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4];
            mix(&mut state, diagonal, words[0], words[1]);
        }
        message = PERMUTATION.map(|from| message[from]);
    }
    let mut out = [[0; LANES]; 8];
    for (i, out) in out.iter_mut().enumerate() {
        (state[i] ^ state[i + 8]).store_slice(out);
    }
    out
}

/// SHA-256's constants, those of sixteen rounds each: the fractions of the cube roots of the first 64 primes.
const K: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

/// SHA-256 of messages of two blocks, padding included.
#[inline(always)]
fn sha256<S: Simd>(simd: S, words: &[[u32; LANES]; 32]) -> [[u32; LANES]; 8] {
    let mut value: [u32x16<S>; 8] = IV.map(|word| u32x16::splat(simd, word));
    for block in words.as_chunks::<16>().0 {
        let mut schedule: [u32x16<S>; 16] = from_fn(|i| u32x16::from_slice(simd, &block[i]));
        let mut state = value;
        let [extended @ .., last] = &K;
        for constants in extended {
            rounds::<S, true>(&mut state, &mut schedule, constants);
        }
        rounds::<S, false>(&mut state, &mut schedule, last);
        for (value, word) in value.iter_mut().zip(state) {
            *value += word;
        }
    }
    let mut out = [[0; LANES]; 8];
    for (value, out) in value.iter().zip(&mut out) {
        value.store_slice(out);
    }
    out
}

/// Sixteen rounds of SHA-256. They are written out, so that state and schedule stay in registers: a loop would fetch
/// both by their index.
#[inline(always)]
fn rounds<S: Simd, const EXTEND: bool>(
    state: &mut [u32x16<S>; 8],
    schedule: &mut [u32x16<S>; 16],
    constants: &[u32; 16],
) {
    macro_rules! each {
        ($($round:literal)*) => { $(round::<S, $round, EXTEND>(state, schedule, constants[$round]);)* };
    }
    each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
}

/// One round of SHA-256. From one to the next the state's words change their names and not their places, which are all
/// back after eight rounds; in a schedule that is to be extended, the word sixteen rounds on takes the place of this
/// round's.
#[inline(always)]
fn round<S: Simd, const ROUND: usize, const EXTEND: bool>(
    state: &mut [u32x16<S>; 8],
    schedule: &mut [u32x16<S>; 16],
    constant: u32,
) {
    let [a, b, c, d, e, f, g, h] = from_fn(|word| (word + 8 - ROUND % 8) % 8);
    let word = schedule[ROUND];
    let constant = u32x16::splat(word.simd, constant);
    let sum = rotate::<S, 6>(state[e]) ^ rotate::<S, 11>(state[e]) ^ rotate::<S, 25>(state[e]);
    let choice = (state[e] & state[f]) ^ (!state[e] & state[g]);
    let first = state[h] + constant + word + choice + sum;
    let sum = rotate::<S, 2>(state[a]) ^ rotate::<S, 13>(state[a]) ^ rotate::<S, 22>(state[a]);
    let majority = (state[a] & state[b]) ^ (state[a] & state[c]) ^ (state[b] & state[c]);
    state[d] += first;
    state[h] = first + sum + majority;
    if EXTEND {
        let (near, far) = (schedule[(ROUND + 1) % 16], schedule[(ROUND + 14) % 16]);
        let near = rotate::<S, 7>(near) ^ rotate::<S, 18>(near) ^ (near >> 3);
        let far = rotate::<S, 17>(far) ^ rotate::<S, 19>(far) ^ (far >> 10);
        schedule[ROUND] = word + near + schedule[(ROUND + 9) % 16] + far;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BLAKE3's flags of a keyed hash of one block.
    const ONE_KEYED_BLOCK: u8 = 1 << 4 | 1 | 1 << 1 | 1 << 3;

    fn bytes(seed: usize, len: usize) -> Vec<u8> {
        (0..len).map(|at| (seed * 131 + at * 7) as u8).collect()
    }

    #[test]
    fn blocks_of_every_length_give_the_hash_of_the_crate() {
        let key = [0xA7; 32];
        let words = [0xA7A7_A7A7; 8];
        for start in 0..=BLOCK_LEN - LANES + 1 {
            let messages: Vec<Vec<u8>> = (start..start + LANES).map(|len| bytes(start, len)).collect();
            let mut blocks = Blocks::keyed(&words);
            for (lane, message) in messages.iter().enumerate() {
                let (first, second) = message.split_at(message.len() / 3);
                blocks.put(lane, [first, second]);
            }
            for (message, hash) in messages.iter().zip(blocks.hash(ONE_KEYED_BLOCK)) {
                assert_eq!(hash, *blake3::keyed_hash(&key, message).as_bytes(), "{}", message.len());
            }
        }
    }
}
