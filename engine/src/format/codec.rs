//! The encoding of metadata that people never read: the bincode legacy layout (fixed-width little-endian
//! integers, `u64` lengths), through `wincode`. Trailing bytes are refused.

use wincode::{SchemaRead, SchemaWrite};

use crate::error::Fault;

/// Appends a CRC-32 to the encoding of `value`.
///
/// # Errors
/// Damaged, should the value be too large to encode.
pub fn encode<T: SchemaWrite<wincode::config::DefaultConfig, Src = T>>(value: &T) -> Result<Vec<u8>, Fault> {
    let mut bytes = wincode::serialize(value)
        .map_err(|error| Fault::damaged(0, "metadata", "an encodable value", error))?;
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// Reads what [`encode`] wrote, all of it and nothing more.
///
/// # Errors
/// Damaged for a wrong checksum, short, trailing or impossible bytes.
pub fn decode<T: for<'de> SchemaRead<'de, wincode::config::DefaultConfig, Dst = T>>(
    bytes: &[u8],
) -> Result<T, Fault> {
    let Some((payload, crc)) = bytes.split_last_chunk::<4>() else {
        return Err(Fault::damaged(0, "metadata length", "at least 4", bytes.len()));
    };
    let (expected, found) = (crc32fast::hash(payload), u32::from_le_bytes(*crc));
    if expected != found {
        return Err(Fault::damaged(
            payload.len() as u64,
            "metadata checksum",
            format_args!("{expected:08x}"),
            format_args!("{found:08x}"),
        ));
    }
    wincode::deserialize_exact(payload).map_err(|error| Fault::damaged(0, "metadata", "a whole value", error))
}
