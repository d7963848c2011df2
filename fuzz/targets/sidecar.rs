//! A sidecar: whatever its bytes, opening, checking and reading end with an answer or a fault, never a panic.
#![no_main]

use indelible_engine::disk::Mapped;
use indelible_engine::segment::Sidecar;
use indelible_engine::source::{Term, TermKind};
use libfuzzer_sys::fuzz_target;

/// Bytes of a section's entry in the footer, and of the footer's tail.
const SECTION_LEN: usize = 24;
const TAIL_LEN: usize = 32;

fuzz_target!(|data: &[u8]| {
    read(data.to_vec());
    let mut bytes = data.to_vec();
    mend(&mut bytes);
    read(bytes);
});

/// Sets all checksums right, since nobody guesses them: what stands behind them must not be trusted either.
fn mend(bytes: &mut [u8]) {
    let u64_at = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let Some(tail) = bytes.len().checked_sub(TAIL_LEN) else { return };
    let count = u64_at(bytes, tail + 8) as u32 as usize;
    let Some(table) = tail.checked_sub(count.saturating_mul(SECTION_LEN)) else { return };
    for at in (table..tail).step_by(SECTION_LEN) {
        let (offset, len) = (u64_at(bytes, at) as usize, u64_at(bytes, at + 8) as usize);
        let section = offset.checked_add(len).and_then(|end| bytes.get(offset..end));
        let crc = crc32fast::hash(section.unwrap_or_default());
        bytes[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[table..tail + 20]);
    bytes[tail + 20..tail + 24].copy_from_slice(&crc.to_le_bytes());
}

fn read(bytes: Vec<u8>) {
    let Ok(sidecar) = Sidecar::open(Mapped::heap(bytes)) else { return };
    let checked = sidecar.check_all();
    let count = sidecar.meta().record_count;
    for offset in (0..count.min(64)).chain([count, u32::MAX]) {
        let _ = sidecar.locate(offset);
        let _ = sidecar.received_at(offset);
        let _ = sidecar.leaf(offset);
        let _ = sidecar.event_time(offset);
    }
    let _ = sidecar.frames().map(Iterator::count);
    let _ = sidecar.leaves();
    let _ = sidecar.find_event(b"an id");
    for index in 0..sidecar.field_count().unwrap_or(0).min(32) + 1 {
        let Ok(Some(field)) = sidecar.field_at(index) else { continue };
        let found = sidecar.field(field.name());
        if checked.is_ok() {
            assert!(matches!(found, Ok(Some(found)) if found.name() == field.name()));
        }
        for posting in [field.present(), field.absent(), field.unreadable()].into_iter().flatten() {
            let _ = posting.bitmap();
        }
        for ordinal in (0..field.term_count().min(32)).chain([u32::MAX]) {
            let term = field.term(ordinal);
            if let Ok(Some(term)) = term
                && checked.is_ok()
            {
                assert_eq!(field.find(term).ok(), Some(Some(ordinal)));
            }
            if let Ok(posting) = field.posting(ordinal) {
                let bitmap = posting.bitmap();
                if let Ok(bitmap) = bitmap {
                    assert_eq!(bitmap.len(), u64::from(posting.count()));
                }
            }
        }
        let _ = field.find(Term { kind: TermKind::Text, bytes: b"a term" });
        for offset in (0..count.min(64)).chain([u32::MAX]) {
            let _ = field.column(offset);
        }
    }
}
