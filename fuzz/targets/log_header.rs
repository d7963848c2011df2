//! A log file's header: what decodes, encodes to the same bytes.
#![no_main]

use indelible_engine::format::Writable;
use indelible_engine::format::log_header::{LOG_HEADER_LEN, LogHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = LogHeader::decode(data);
    // Short inputs stand for headers that end in zeros; the checksum is set right, since nobody guesses it.
    let mut bytes = data.to_vec();
    bytes.resize(LOG_HEADER_LEN, 0);
    let crc = crc32fast::hash(&bytes[..LOG_HEADER_LEN - 4]);
    bytes[LOG_HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    let Ok((header, writable)) = LogHeader::decode(&bytes) else { return };
    assert_eq!(header.frontier.len() as u32, header.first_seq.count_ones());
    // A header of a later write version is read, but this release would write its own version.
    if writable == Writable::Yes {
        assert!(header.encode() == *bytes, "{header:?}");
    }
});
