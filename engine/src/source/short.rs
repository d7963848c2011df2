//! Equality of byte strings that are mostly short, without a call of a function that is made for long ones.

/// Whether `a` and `b` are the same bytes.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // The first bytes and the last ones: together all of them, some of them twice.
    if a.len() > 32 {
        return a == b;
    }
    if let (Some(a), Some(b)) = (ends::<16>(a), ends::<16>(b)) {
        return a.map(u128::from_le_bytes) == b.map(u128::from_le_bytes);
    }
    if let (Some(a), Some(b)) = (ends::<8>(a), ends::<8>(b)) {
        return a.map(u64::from_le_bytes) == b.map(u64::from_le_bytes);
    }
    if let (Some(a), Some(b)) = (ends::<4>(a), ends::<4>(b)) {
        return a.map(u32::from_le_bytes) == b.map(u32::from_le_bytes);
    }
    a.iter().eq(b)
}

#[inline(always)]
fn ends<const LEN: usize>(bytes: &[u8]) -> Option<[[u8; LEN]; 2]> {
    Some([*bytes.first_chunk()?, *bytes.last_chunk()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_at_every_length() {
        for len in 0..70 {
            let bytes: Vec<u8> = (0..len).collect();
            assert!(equal(&bytes, &bytes.clone()), "{len}");
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 0x40;
                assert!(!equal(&bytes, &other), "byte {at} of {len}");
                assert!(!equal(&bytes, &bytes[..at]), "{at} bytes of {len}");
            }
        }
    }
}
