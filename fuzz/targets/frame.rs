//! A frame: what decodes, encodes to the same bytes, record by record and as a whole.
#![no_main]

use indelible_engine::format::frame::{self, FRAME_HEADER_LEN};
use libfuzzer_sys::fuzz_target;

const CRC_AT: usize = 76;

fuzz_target!(|data: &[u8]| {
    let _ = frame::decode(data);
    let _ = frame::records(data, data.len() as u32);
    // Nobody guesses a checksum: set the right one, so that what stands behind it is reached.
    let Ok(header) = frame::FrameHeader::decode(data) else { return };
    let Some(bytes) = data.get(..FRAME_HEADER_LEN + header.payload_len as usize) else { return };
    let mut bytes = bytes.to_vec();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..CRC_AT]);
    hasher.update(&bytes[FRAME_HEADER_LEN..]);
    bytes[CRC_AT..FRAME_HEADER_LEN].copy_from_slice(&hasher.finalize().to_le_bytes());

    let (header, payload) = frame::decode(&bytes).expect("a right header and checksum");
    assert_eq!(header.frame_len(), bytes.len() as u64);
    let mut again = vec![0; FRAME_HEADER_LEN];
    match frame::records(payload, header.count) {
        Ok(records) => {
            for record in records {
                let from = again.len();
                record.encode_into(&mut again);
                assert_eq!(again.len() - from, record.encoded_len());
                assert_eq!(record.labels.iter().count(), usize::from(record.labels.count()));
            }
        }
        Err(_) => again.extend_from_slice(payload),
    }
    header.seal(&mut again);
    assert_eq!(again, bytes);
});
