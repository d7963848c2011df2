//! A pack: whatever its bytes, opening it and unpacking all of it end with an answer or a fault, never a panic.
#![no_main]

use std::ops::Range;

use indelible_engine::format::pack::{BLOCK_LEN, Directory, PACK_HEADER_LEN, PACK_TAIL_LEN, STRIPE_LEN, Tail};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    read(data);
    let mut bytes = data.to_vec();
    if mend(&mut bytes).is_some() {
        read(&bytes);
    }
});

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let mut word = [0; 8];
    word[..N].copy_from_slice(bytes.get(at..)?.first_chunk::<N>()?);
    usize::try_from(u64::from_le_bytes(word)).ok()
}

fn crc(bytes: &[u8], range: Range<usize>) -> [u8; 4] {
    crc32fast::hash(bytes.get(range).unwrap_or_default()).to_le_bytes()
}

fn put(bytes: &mut [u8], at: usize, value: [u8; 4]) -> Option<()> {
    bytes.get_mut(at..at + 4).map(|place| place.copy_from_slice(&value))
}

/// Sets all checksums right, since nobody guesses them: what stands behind them must not be trusted either.
fn mend(bytes: &mut [u8]) -> Option<()> {
    let tail = bytes.len().checked_sub(PACK_TAIL_LEN)?;
    let directory = number::<8>(bytes, tail + 32)?;
    let stripes = number::<4>(bytes, tail + 20)?.min(64);
    let blocks = directory.checked_add(stripes * STRIPE_LEN)?;
    for stripe in 0..stripes {
        let entry = directory.checked_add(stripe * STRIPE_LEN)?;
        let mut at = number::<8>(bytes, entry + 16)?;
        for block in number::<4>(bytes, entry + 40)?..number::<4>(bytes, entry + 44)?.min(256) {
            let entry = blocks.checked_add(block * BLOCK_LEN)?;
            let end = at.checked_add(number::<4>(bytes, entry)?)?;
            put(bytes, entry + 12, crc(bytes, at..end))?;
            at = end;
        }
        let len = number::<4>(bytes, entry + 36)? * 2 + number::<4>(bytes, entry + 52)?;
        put(bytes, entry + 56, crc(bytes, at..at.checked_add(len)?))?;
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..PACK_HEADER_LEN)?);
    hasher.update(bytes.get(directory..tail + 52)?);
    put(bytes, tail + 52, hasher.finalize().to_le_bytes())
}

fn read(bytes: &[u8]) {
    let len = bytes.len() as u64;
    let Ok(tail) = Tail::decode(&bytes[bytes.len().saturating_sub(PACK_TAIL_LEN)..], len) else { return };
    let end = usize::try_from(tail.directory_at).ok().and_then(|at| bytes.get(at..));
    let head = bytes.get(..PACK_HEADER_LEN).unwrap_or_default();
    let Ok(directory) = Directory::decode(head, end.unwrap_or_default(), len) else { return };
    let slice = |range: Range<u64>| bytes.get(range.start as usize..range.end as usize).unwrap_or_default();
    let mut leaves = Vec::new();
    for (index, stripe) in directory.stripes.iter().enumerate() {
        if let Ok(log) = directory.unpack(index, slice(stripe.file_range()), &mut leaves) {
            assert_eq!(log.len() as u64, stripe.log.end - stripe.log.start);
        }
    }
    for index in 0..directory.blocks.len() as u32 {
        let _ = directory.unpack_block(index, slice(directory.block_range(index).unwrap_or_default()));
    }
    for at in [0, 1, u64::MAX, directory.log_len] {
        assert!(directory.stripe_at(at).is_none_or(|index| index < directory.stripes.len()));
    }
}
