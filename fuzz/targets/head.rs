//! A slot of `head`, and the page behind the slots: what decodes, encodes to the same bytes.
#![no_main]

use indelible_engine::format::failures::{FAILURES_LEN, Failures};
use indelible_engine::format::head::{HEAD_SLOT_LEN, Head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = (Head::decode(data), Failures::decode(data));
    let slot = sealed(data, HEAD_SLOT_LEN);
    if let Ok(head) = Head::decode(&slot) {
        assert!(head.encode() == *slot, "{head:?}");
    }
    let page = sealed(data, FAILURES_LEN);
    if let Ok(failures) = Failures::decode(&page) {
        assert!(failures.encode() == *page, "{failures:?}");
    }
});

/// Short inputs stand for what ends in zeros; the checksum is set right, since nobody guesses it.
fn sealed(data: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(len, 0);
    let crc = crc32fast::hash(&bytes[..len - 4]);
    bytes[len - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}
