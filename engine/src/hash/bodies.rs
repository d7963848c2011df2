//! Body hashes of many records at once.
//!
//! BLAKE3 hashes one short input at a fraction of the machine's speed: its vectors are made for sixteen blocks at a
//! time. Here bodies that have as many whole blocks lie side by side in the vectors' lanes, and so do their salts and
//! their last blocks, which are of different lengths. What comes out is the plain BLAKE3 hash, as [`body`] gives it,
//! several times as fast for bodies of 600 bytes.

use blake3::platform::Platform;

use super::lanes::{BLOCK_LEN, Blocks, IV, LANES};
use super::{BODY_CONTEXT, END_ROOT, Hash, START, SegmentSalt, body, words_of};

/// Fewer bodies than this are hashed one after the other: mostly empty lanes gain nothing.
const LANES_MIN: usize = 4;
/// One BLAKE3 chunk: longer inputs are trees of chunks, which the crate itself lays side by side.
const CHUNK_LEN: usize = 1024;
/// Appends to `hashes` the body hash of each of `bodies`, which are those of consecutive records from `first_seq`
/// on in the segment of `salt`.
pub fn bodies(salt: &SegmentSalt, first_seq: u64, bodies: &[&[u8]], hashes: &mut Vec<Hash>) {
    if bodies.len() < LANES_MIN {
        let seqs = (first_seq..).zip(bodies);
        return hashes.extend(seqs.map(|(seq, bytes)| body(&salt.record(seq), bytes)));
    }
    let start = hashes.len();
    hashes.resize(start + bodies.len(), Hash::ZERO);
    let out = &mut hashes[start..];
    // The inputs of one count of whole blocks that wait for their lanes to fill.
    let mut waiting: [Vec<usize>; CHUNK_LEN / BLOCK_LEN] = Default::default();
    let mut lanes = Lanes::new();
    for (index, bytes) in bodies.iter().enumerate() {
        let len = BLOCK_LEN + bytes.len();
        if len > CHUNK_LEN {
            out[index] = body(&salt.record(first_seq + index as u64), bytes);
            continue;
        }
        let blocks = (len - 1) / BLOCK_LEN;
        if blocks == 0 {
            // An empty body: the salt block is the last one too.
            out[index] = body(&salt.record(first_seq + index as u64), bytes);
            continue;
        }
        waiting[blocks].push(index);
        if waiting[blocks].len() == LANES {
            lanes.hash(blocks, &waiting[blocks], salt, first_seq, bodies, out);
            waiting[blocks].clear();
        }
    }
    for (blocks, indexes) in waiting.iter().enumerate().filter(|(_, indexes)| !indexes.is_empty()) {
        lanes.hash(blocks, indexes, salt, first_seq, bodies, out);
    }
}

/// Room for the inputs of all lanes, salt block and body each.
struct Lanes {
    platform: Platform,
    inputs: [[u8; CHUNK_LEN]; LANES],
}

impl Lanes {
    fn new() -> Self {
        Lanes { platform: Platform::detect(), inputs: [[0; CHUNK_LEN]; LANES] }
    }

    fn hash(
        &mut self,
        blocks: usize,
        indexes: &[usize],
        salt: &SegmentSalt,
        first_seq: u64,
        bodies: &[&[u8]],
        out: &mut [Hash],
    ) {
        let salts = salt.records(indexes.iter().map(|index| first_seq + *index as u64));
        for ((input, salt), &index) in self.inputs.iter_mut().zip(&salts).zip(indexes) {
            let (block, rest) = input.split_at_mut(BLOCK_LEN);
            block[..32].copy_from_slice(&BODY_CONTEXT);
            block[32..].copy_from_slice(salt);
            rest[..bodies[index].len()].copy_from_slice(bodies[index]);
        }
        let mut values = [0; LANES * 32];
        let inputs = &self.inputs[..indexes.len()];
        match blocks {
            1 => whole_blocks::<64>(self.platform, inputs, &mut values),
            2 => whole_blocks::<128>(self.platform, inputs, &mut values),
            3 => whole_blocks::<192>(self.platform, inputs, &mut values),
            4 => whole_blocks::<256>(self.platform, inputs, &mut values),
            5 => whole_blocks::<320>(self.platform, inputs, &mut values),
            6 => whole_blocks::<384>(self.platform, inputs, &mut values),
            7 => whole_blocks::<448>(self.platform, inputs, &mut values),
            8 => whole_blocks::<512>(self.platform, inputs, &mut values),
            9 => whole_blocks::<576>(self.platform, inputs, &mut values),
            10 => whole_blocks::<640>(self.platform, inputs, &mut values),
            11 => whole_blocks::<704>(self.platform, inputs, &mut values),
            12 => whole_blocks::<768>(self.platform, inputs, &mut values),
            13 => whole_blocks::<832>(self.platform, inputs, &mut values),
            14 => whole_blocks::<896>(self.platform, inputs, &mut values),
            _ => whole_blocks::<960>(self.platform, inputs, &mut values),
        }
        let mut last = Blocks::keyed(&IV);
        for (lane, ((input, value), &index)) in
            inputs.iter().zip(values.as_chunks::<32>().0).zip(indexes).enumerate()
        {
            last.chain(lane, &words_of(value));
            last.put(lane, [&input[blocks * BLOCK_LEN..BLOCK_LEN + bodies[index].len()], &[]]);
        }
        for (hash, &index) in last.hash(END_ROOT).iter().zip(indexes) {
            out[index] = Hash(*hash);
        }
    }
}

/// The chaining value of each input after its first `N` bytes.
fn whole_blocks<const N: usize>(platform: Platform, inputs: &[[u8; CHUNK_LEN]], values: &mut [u8]) {
    let mut lanes = [&[0; N]; LANES];
    for (lane, input) in lanes.iter_mut().zip(inputs) {
        if let Some(whole) = input.first_chunk::<N>() {
            *lane = whole;
        }
    }
    let no = blake3::IncrementCounter::No;
    platform.hash_many(&lanes[..inputs.len()], &IV, 0, no, 0, START, 0, values);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_side_by_side_gives_the_plain_hash_for_every_length() {
        let salt = SegmentSalt([9; 32]);
        let byte = |index: usize| (index * 7 % 251) as u8;
        let owned: Vec<Vec<u8>> = (0..2200).map(|len| (0..len).map(byte).collect()).collect();
        // Lengths in order, then of one kind many times over, then mixed.
        let mixed: Vec<usize> = (0..2200).map(|n| n * 977 % 2200).collect();
        let orders = [(0..2200).collect::<Vec<_>>(), vec![600; 100], mixed, vec![3], vec![]];
        for order in orders {
            let inputs: Vec<&[u8]> = order.iter().map(|&len| owned[len].as_slice()).collect();
            let mut hashes = vec![Hash([1; 32])];
            bodies(&salt, 40, &inputs, &mut hashes);
            assert_eq!(hashes[0], Hash([1; 32]), "what was there stays");
            for (index, input) in inputs.iter().enumerate() {
                let plain = body(&salt.record(40 + index as u64), input);
                assert_eq!(hashes[index + 1], plain, "body of {} bytes", input.len());
            }
        }
    }
}
