//! A slot of `head`: what decodes, encodes to the same bytes.
#![no_main]

use indelible_engine::format::head::{HEAD_SLOT_LEN, Head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Head::decode(data);
    // Short inputs stand for slots that end in zeros; the checksum is set right, since nobody guesses it.
    let mut bytes = data.to_vec();
    bytes.resize(HEAD_SLOT_LEN, 0);
    let crc = crc32fast::hash(&bytes[..HEAD_SLOT_LEN - 4]);
    bytes[HEAD_SLOT_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    let Ok(head) = Head::decode(&bytes) else { return };
    assert!(head.encode() == *bytes, "{head:?}");
});
