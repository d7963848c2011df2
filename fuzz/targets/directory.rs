//! A directory over a run of segments: whatever its bytes, opening, checking and asking end with an answer or a fault.
#![no_main]

use indelible_engine::format::directory::Directory;
use indelible_engine::format::index::TermKind;
use libfuzzer_sys::fuzz_target;

/// Where the section table begins, how long an entry is, and where the header's checksum stands.
const TABLE_AT: usize = 16;
const ENTRY_LEN: usize = 24;
const CRC_AT: usize = 160;

fuzz_target!(|data: &[u8]| {
    ask(data);
    let mut bytes = data.to_vec();
    mend(&mut bytes);
    ask(&bytes);
});

/// Sets all checksums right, since nobody guesses them: what stands behind them must not be trusted either.
fn mend(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes) as usize
    };
    for at in (TABLE_AT..CRC_AT).step_by(ENTRY_LEN) {
        let (offset, len) = (number(bytes, at), number(bytes, at + 8));
        let section = offset.checked_add(len).and_then(|end| bytes.get(offset..end));
        let crc = crc32fast::hash(section.unwrap_or_default());
        if let Some(place) = bytes.get_mut(at + 16..at + 20) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }
    let crc = crc32fast::hash(bytes.get(..CRC_AT).unwrap_or_default());
    if let Some(place) = bytes.get_mut(CRC_AT..CRC_AT + 4) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

fn ask(bytes: &[u8]) {
    let Ok(directory) = Directory::open(bytes) else { return };
    let _ = directory.check_all();
    let _ = directory.lookup_counts();
    for segment in directory.segments() {
        assert!(segment.event_times.is_none_or(|(earliest, latest)| earliest <= latest));
    }
    for key in [0, 1, u64::MAX, u64::MAX / 3, bytes.len() as u64] {
        if let Ok(mask) = directory.event(key) {
            assert_eq!(mask >> directory.segments().len(), 0);
        }
    }
    for field in directory.fields() {
        let Ok(field) = field else { continue };
        for segment in 0..directory.segments().len() {
            let _ = field.reserved(segment);
        }
        for index in (0..field.term_count()).take(1000) {
            let _ = field.places(index);
            if let Ok(Some((kind, term))) = field.term(index) {
                let _ = directory.term(field.name(), kind, term);
            }
        }
        let _ = directory.term(field.name(), TermKind::Text, b"no such term");
    }
}
