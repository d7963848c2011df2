//! A directory over a run of segments: whatever its bytes, opening, checking and asking end with an answer or a fault.
#![no_main]

use indelible_engine::format::directory::{Condition, Directory};
use indelible_engine::format::index::TermKind;
use libfuzzer_sys::fuzz_target;

/// Where the section table begins, how long an entry is, and where the header's checksum stands.
const TABLE_AT: usize = 16;
const ENTRY_LEN: usize = 24;
const CRC_AT: usize = 208;

fuzz_target!(|data: &[u8]| {
    ask(data);
    let mut bytes = data.to_vec();
    mend(&mut bytes);
    ask(&bytes);
});

/// Sets all checksums right, since nobody guesses them: what stands behind them must not be trusted either.
fn mend(bytes: &mut [u8]) {
    mend_blocks(bytes);
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

/// The same for the blocks of composite indexes, whose checksums stand behind columns, leading fields and sets.
fn mend_blocks(bytes: &mut [u8]) {
    let short = |bytes: &[u8], at: usize| number(bytes, at) as u32 as usize;
    let (blocks, heads) = (TABLE_AT + 6 * ENTRY_LEN, TABLE_AT + 7 * ENTRY_LEN);
    let (blocks_at, heads_at, heads_len) = (number(bytes, blocks), number(bytes, heads), number(bytes, heads + 8));
    if heads_at.max(blocks_at) > bytes.len() || heads_len > bytes.len() {
        return;
    }
    let (columns, leads) = (short(bytes, heads_at), short(bytes, heads_at + 4));
    if columns.max(leads) > bytes.len() {
        return;
    }
    let sets: Vec<usize> = (1..=columns).map(|column| short(bytes, heads_at + 8 * column + 4)).collect();
    let row_len = 4 + sets.iter().map(|count| if *count <= 256 { 1 } else { 2 }).sum::<usize>();
    let terms_at = heads_at + 8 + 8 * (columns + leads) + 8 * sets.iter().sum::<usize>();
    for at in (terms_at..heads_at + heads_len).step_by(12) {
        let (start, len) = (short(bytes, at) * 8, (short(bytes, at + 4) * row_len).next_multiple_of(8));
        let crc = crc32fast::hash(bytes.get(blocks_at + start..blocks_at + start + len).unwrap_or_default());
        if let Some(place) = bytes.get_mut(at + 8..at + 12) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes) as usize
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
    let columns = directory.columns().count();
    for composite in directory.composites() {
        let count = composite.lead().ok().flatten().map_or(0, |lead| lead.term_count());
        for index in (0..count.saturating_add(1)).take(1000) {
            let Ok(rows) = composite.rows(index) else { continue };
            let _ = rows.places(0..u32::MAX);
            let all = rows.meeting(0..rows.len(), &[]);
            assert!(all.iter().copied().eq(rows.records()));
            for column in 0..columns {
                let meets = |terms, wanted| {
                    rows.meeting(0..rows.len(), &[Condition { column, terms, wanted }]).len()
                };
                assert_eq!(meets(5, true) + meets(5, false), rows.len());
                let _ = rows.terms(column, rows.len() / 2);
            }
        }
    }
}
