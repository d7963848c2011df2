//! Sidecars against the plain rules of the index, and against every byte that may go wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::disk::Mapped;
use crate::error::Fault;
use crate::format::disclosure::NotProven;
use crate::format::sidecar::Section;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::index::IndexBuilder;
use crate::index::tests::{Random, TestRecord, build, plain_postings, random_record, test_rules};
use crate::source::{EventTime, Term, TermKind};
use crate::{Seq, StoreId, Timestamp};

pub(super) const FIRST_SEQ: Seq = 1000;

pub(super) fn records(seed: u64, count: usize) -> Vec<TestRecord> {
    let mut random = Random(seed);
    (0..count).map(|_| random_record(&mut random, 5)).collect()
}

/// Frames of one to four records, with a gap (a close frame) before each fifth.
pub(super) fn locator(count: usize) -> (Locator, u64) {
    let mut locator = Locator::new();
    let mut position = 128;
    let mut offset = 0;
    for frame in 0.. {
        if offset == count {
            break;
        }
        let in_frame = (frame % 4 + 1).min(count - offset);
        let lens: Vec<usize> = (offset..offset + in_frame).map(|offset| 20 + offset % 50).collect();
        position += if frame % 5 == 4 { 80 } else { 0 };
        let payload_len = lens.iter().sum::<usize>() as u32;
        locator.frame(position, payload_len, Timestamp(frame as i64 * 1000 - 5));
        lens.iter().for_each(|len| locator.record(*len));
        position += 80 + u64::from(payload_len);
        offset += in_frame;
    }
    (locator, position + 80)
}

fn sidecar_of(records: &[TestRecord]) -> Vec<u8> {
    let (locator, log_len) = locator(records.len());
    let leaves: Vec<Hash> = (0..records.len() as u32).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
    let facts = SegmentFacts {
        store_id: StoreId([5; 16]),
        log_len,
        rewritten_by: 0,
        segment_root: Hash([6; 32]),
        leaves: &leaves,
        locator: &locator,
    };
    let mut bytes = Vec::new();
    let len = encode_sidecar(&mut build(FIRST_SEQ, records), &facts, &mut bytes).unwrap();
    assert_eq!(len, bytes.len() as u64);
    bytes
}

pub(super) fn open(bytes: &[u8]) -> Result<Sidecar, Fault> {
    Sidecar::open(Mapped::heap(bytes.to_vec()))
}

#[test]
fn what_was_indexed_is_read_back() {
    for (seed, count) in [(1, 0), (2, 1), (3, 63), (4, 64), (5, 65), (6, 700)] {
        let records = records(seed, count);
        let sidecar = open(&sidecar_of(&records)).unwrap();
        sidecar.check_all().unwrap();
        let commitment = build(FIRST_SEQ, &records).commitment();
        let meta = sidecar.meta();
        assert_eq!((meta.first_seq, meta.record_count as usize), (FIRST_SEQ, count));
        assert_eq!(
            (meta.index_root, meta.rules, meta.leaf_count),
            (commitment.index_root, commitment.rules, commitment.leaf_count)
        );
        check_by_offset(&sidecar, &records);
        check_by_term(&sidecar, &records);
    }
}

#[test]
fn a_part_is_the_same_bytes_whatever_else_the_index_has_taken() {
    let part_of = |records: &[TestRecord], locator: &Locator, offsets: std::ops::Range<u32>, first_seq| {
        let facts = PartFacts {
            store_id: StoreId([5; 16]),
            log_len: 1 << 40,
            predecessor: Hash([1; 32]),
            last_leaf: Hash([2; 32]),
            locator,
        };
        let mut bytes = Vec::new();
        encode_part(&build(first_seq, records), offsets, &facts, &mut bytes).unwrap();
        bytes
    };
    for (seed, count) in [(1, 80), (2, 900), (3, 40_000)] {
        let all = records(seed, count);
        let (locator, _) = locator(count);
        let firsts: Vec<u32> = locator.frames.iter().map(|frame| frame.first_offset).collect();
        for (from, to) in [(0, 1), (1, 2), (5, 11), (0, 20), (firsts.len() - 9, firsts.len())] {
            let end = firsts.get(to).copied().unwrap_or(count as u32);
            let offsets = firsts[from]..end;
            let own = &all[offsets.start as usize..end as usize];
            let mut places = Locator::new();
            for frame in &locator.frames[from..to] {
                places.frame(frame.position, frame.payload_len, frame.received_at);
                let last = locator.frames.iter().find(|f| f.position > frame.position);
                let frame_end = last.map_or(count as u32, |next| next.first_offset);
                (frame.first_offset..frame_end).for_each(|offset| places.record(20 + offset as usize % 50));
            }
            let alone = part_of(own, &places, 0..own.len() as u32, FIRST_SEQ + u64::from(offsets.start));
            assert_eq!(
                part_of(&all, &locator, offsets, FIRST_SEQ),
                alone,
                "seed {seed}, frames {from}..{to}"
            );
            let part = open(&alone).unwrap();
            part.check_all().unwrap();
            assert!(part.meta().is_part());
            assert_eq!(part.leaf(0).unwrap(), None);
            check_by_term(&part, own);
        }
    }
}

fn check_by_offset(sidecar: &Sidecar, records: &[TestRecord]) {
    let (locator, _) = locator(records.len());
    let mut by_id: BTreeMap<&[u8], Vec<Seq>> = BTreeMap::new();
    for (offset, record) in (0_u32..).zip(records) {
        assert_eq!(sidecar.offset_of(FIRST_SEQ + u64::from(offset)), Some(offset));
        let located = sidecar.locate(offset).unwrap().unwrap();
        let frame = locator.frames.iter().rfind(|frame| frame.first_offset <= offset).unwrap();
        assert_eq!(located.frame, *frame);
        assert_eq!(located.record_at, frame.position + u64::from(locator.records[offset as usize]));
        assert_eq!(located.record_len, 20 + offset % 50);
        assert_eq!(sidecar.received_at(offset).unwrap(), Some(frame.received_at));
        assert_eq!(sidecar.leaf(offset).unwrap(), Some(LogTree::leaf(&offset.to_le_bytes())));
        assert_eq!(sidecar.event_time(offset).unwrap(), Some(record.fields.time()));
        if let Some(id) = record.fields.event_id() {
            by_id.entry(id).or_default().push(FIRST_SEQ + u64::from(offset));
        }
    }
    for (id, seqs) in by_id {
        assert_eq!(sidecar.find_event(id).unwrap(), seqs);
    }
    assert_eq!(sidecar.find_event(b"no such event").unwrap(), Vec::<Seq>::new());
    let end = records.len() as u32;
    assert_eq!(sidecar.offset_of(FIRST_SEQ - 1), None);
    assert_eq!(sidecar.offset_of(sidecar.end_seq()), None);
    assert_eq!(sidecar.locate(end).unwrap(), None);
    assert_eq!(sidecar.leaf(end).unwrap(), None);
    assert_eq!(sidecar.event_time(end).unwrap(), None);
    assert_eq!(sidecar.received_at(end).unwrap(), None);
}

fn check_by_term(sidecar: &Sidecar, records: &[TestRecord]) {
    let mut term_count = 0;
    let plain = plain_postings(records);
    for ((name, kind, bytes), offsets) in &plain {
        let field = sidecar.field(name).unwrap().unwrap();
        assert_eq!(field.name(), name);
        let posting = match (kind, bytes.as_slice()) {
            (TermKind::Reserved, b"present") => field.present().unwrap(),
            (TermKind::Reserved, b"absent") => field.absent().unwrap(),
            (TermKind::Reserved, _) => field.unreadable().unwrap(),
            _ => {
                term_count += 1;
                let term = Term { kind: *kind, bytes };
                let ordinal = field.find(term).unwrap().unwrap();
                assert_eq!(field.term(ordinal).unwrap(), Some(term));
                field.posting(ordinal).unwrap()
            }
        };
        assert_eq!(posting.count() as usize, offsets.len());
        assert!(posting.bitmap().unwrap().iter().eq(offsets.iter().copied()), "{name} {bytes:?}");
    }
    let declared = records.iter().flat_map(|record| test_rules(record.source).fields);
    let private: BTreeSet<String> =
        declared.filter_map(|field| field.private.then_some(field.name)).collect();
    let mut found = 0;
    for index in 0..sidecar.field_count().unwrap() {
        let field = sidecar.field_at(index).unwrap().unwrap();
        found += field.term_count();
        let none = Term { kind: TermKind::Text, bytes: b"no such term" };
        assert_eq!(field.find(none).unwrap(), None);
        assert_eq!(field.find(Term { kind: TermKind::Reserved, bytes: b"present" }).unwrap(), None);
        assert_eq!(field.is_private(), private.contains(field.name()), "{}", field.name());
    }
    assert_eq!(found, term_count);
    assert!(sidecar.field("no such field").unwrap().is_none());
}

#[test]
fn numbers_stand_in_order_and_a_column_names_them() {
    let mut records = Vec::new();
    for offset in 0..600_u32 {
        let mut record = TestRecord { source: 2, ..TestRecord::default() };
        if offset % 3 > 0 {
            let number = format!("{}", i64::from(offset * 7919 % 600) - 300);
            record.fields.push(4, TermKind::Number, number.as_bytes());
        }
        records.push(record);
    }
    let sidecar = open(&sidecar_of(&records)).unwrap();
    sidecar.check_all().unwrap();
    let tokens = sidecar.field("tokens").unwrap().unwrap();
    assert!(tokens.has_column());
    let value = |ordinal: u32| {
        let term = tokens.term(ordinal).unwrap().unwrap();
        std::str::from_utf8(term.bytes).unwrap().parse::<i64>().unwrap()
    };
    let ordinals = tokens.ordinals(TermKind::Number);
    assert!(ordinals.clone().is_sorted_by(|a, b| value(*a) < value(*b)));
    for offset in 0..600 {
        let expected = (offset % 3 > 0).then(|| i64::from(offset * 7919 % 600) - 300);
        assert_eq!(tokens.column(offset).unwrap().map(value), expected, "{offset}");
    }
    assert_eq!(tokens.column(600).unwrap(), None);
    // One record with two numbers, and there is no column.
    records[9].fields.push(4, TermKind::Number, b"1");
    records[9].fields.push(4, TermKind::Number, b"2");
    let sidecar = open(&sidecar_of(&records)).unwrap();
    sidecar.check_all().unwrap();
    assert!(!sidecar.field("tokens").unwrap().unwrap().has_column());
    assert!(!sidecar.field("source").unwrap().unwrap().has_column());
}

#[test]
fn long_postings_are_bitmaps_and_short_ones_lists() {
    let mut records = vec![TestRecord { source: 2, ..TestRecord::default() }; 70_000];
    for (offset, record) in records.iter_mut().enumerate() {
        let mut carry = |term: &str, every: usize| {
            if offset % every == 0 {
                record.fields.push(2, TermKind::Text, term.as_bytes());
            }
        };
        carry("all", 1);
        carry("many", 3);
        carry("some", 1000);
        carry("few", 20_000);
        carry("one", 1 << 20);
    }
    let bytes = sidecar_of(&records);
    let sidecar = open(&bytes).unwrap();
    sidecar.check_all().unwrap();
    let field = sidecar.field("run").unwrap().unwrap();
    for (term, every) in [("all", 1), ("many", 3), ("some", 1000), ("few", 20_000), ("one", 1 << 20)] {
        let term = Term { kind: TermKind::Text, bytes: term.as_bytes() };
        let bitmap = field.posting_of_term(term).unwrap().unwrap().bitmap().unwrap();
        assert!(bitmap.iter().eq((0..70_000).step_by(every)));
    }
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let records = records(8, 300);
    assert_eq!(sidecar_of(&records), sidecar_of(&records));
    // Also where the root was asked for on the way.
    let mut builder = IndexBuilder::new(FIRST_SEQ);
    for record in &records {
        crate::index::tests::add(&mut builder, record);
        builder.commitment();
    }
    let (locator, log_len) = locator(records.len());
    let leaves: Vec<Hash> = (0..records.len() as u32).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
    let (store_id, segment_root) = (StoreId([5; 16]), Hash([6; 32]));
    let facts =
        SegmentFacts { store_id, log_len, rewritten_by: 0, segment_root, leaves: &leaves, locator: &locator };
    let mut bytes = Vec::new();
    encode_sidecar(&mut builder, &facts, &mut bytes).unwrap();
    assert!(bytes == sidecar_of(&records));
}

#[test]
fn counts_that_do_not_agree_are_refused() {
    let (locator, log_len) = locator(3);
    let (store_id, segment_root) = (StoreId([5; 16]), Hash([6; 32]));
    let facts = SegmentFacts {
        store_id,
        log_len,
        rewritten_by: 0,
        segment_root,
        leaves: &[Hash::ZERO; 2],
        locator: &locator,
    };
    assert!(encode_sidecar(&mut build(0, &records(1, 3)), &facts, &mut Vec::new()).is_err());
}

/// Reads everything that there is to read; what it says does not matter here.
fn read_all(sidecar: &Sidecar) {
    let count = sidecar.meta().record_count.min(100);
    for offset in 0..=count {
        let _ = sidecar.locate(offset);
        let _ = sidecar.received_at(offset);
        let _ = sidecar.leaf(offset);
        let _ = sidecar.event_time(offset);
    }
    let _ = sidecar.find_event(b"event 1");
    let _ = sidecar.leaves();
    for index in 0..sidecar.field_count().unwrap_or(0).min(100) {
        let Ok(Some(field)) = sidecar.field_at(index) else { continue };
        let _ = sidecar.field(field.name());
        for posting in [field.present(), field.absent(), field.unreadable()].into_iter().flatten() {
            let _ = posting.bitmap();
        }
        for ordinal in 0..field.term_count().min(100) {
            if let Ok(Some(term)) = field.term(ordinal) {
                let _ = field.find(term);
            }
            let _ = field.posting(ordinal).and_then(|posting| posting.bitmap());
        }
        for offset in 0..=count {
            let _ = field.column(offset);
        }
    }
    let _ = sidecar.check_all();
}

#[test]
fn every_flipped_byte_is_found() {
    let bytes = sidecar_of(&records(9, 40));
    let mut altered = bytes.clone();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xFF] {
            altered[at] = bytes[at] ^ flip;
            let fault = open(&altered).and_then(|sidecar| {
                read_all(&sidecar);
                sidecar.check_all()
            });
            assert!(fault.is_err(), "byte {at} ^ {flip:#x}");
        }
        altered[at] = bytes[at];
    }
}

#[test]
fn every_truncation_and_every_extension_is_found() {
    let bytes = sidecar_of(&records(10, 20));
    for len in 0..bytes.len() {
        assert!(open(&bytes[..len]).is_err(), "{len}");
    }
    assert!(open(&[&bytes[..], &[0; 8]].concat()).is_err());
    assert!(open(&[&[0; 8], &bytes[..]].concat()).is_err());
}

/// The checksums put right after a change: what is left is what the structure itself says.
fn reseal(bytes: &mut [u8]) {
    let footer_at = bytes.len() - crate::format::sidecar::SIDECAR_FOOTER_LEN;
    for section in 0..crate::format::sidecar::SECTION_COUNT {
        let at = footer_at + section * 24;
        let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
        let (offset, len) = (number(at), number(at + 8));
        let crc = crc32fast::hash(&bytes[offset..offset + len]);
        bytes[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
    }
    let tail = bytes.len() - 32;
    let crc = crc32fast::hash(&bytes[footer_at..tail + 20]);
    bytes[tail + 20..tail + 24].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn wrong_bytes_under_right_checksums_never_panic_and_mostly_are_found() {
    let bytes = sidecar_of(&records(11, 30));
    let sidecar = open(&bytes).unwrap();
    let (mut found, mut tried) = (0, 0);
    for section in Section::ALL {
        let place = sidecar.footer.sections[section as usize];
        for at in place.offset..place.offset + place.len {
            for flip in [0x01, 0x80, 0xFF] {
                let mut altered = bytes.clone();
                altered[at as usize] ^= flip;
                reseal(&mut altered);
                let fault = open(&altered).and_then(|sidecar| {
                    read_all(&sidecar);
                    sidecar.check_all()
                });
                // Leaves, hashes, times and the like are free: only the log can tell that they are wrong.
                if !matches!(
                    section,
                    Section::Meta | Section::Leaves | Section::EventTimes | Section::EventIds
                ) {
                    tried += 1;
                    found += u32::from(fault.is_err());
                }
            }
        }
    }
    assert!(found * 10 > tried * 8, "{found} of {tried}");
}

#[test]
fn a_sidecar_of_another_version_is_unsupported_and_not_damaged() {
    let mut bytes = sidecar_of(&records(12, 3));
    let tail = bytes.len() - 32;
    bytes[tail + 16] = 9;
    reseal(&mut bytes);
    assert_eq!(open(&bytes).unwrap_err().class, crate::Class::Unsupported);
}

#[test]
fn a_sidecar_is_written_to_a_file_and_mapped() {
    use crate::disk::{Disk, Open, RealDisk};
    let directory = std::env::temp_dir().join(format!("indelible-sidecar-{}", std::process::id()));
    let path = directory.join("00000000000000001000.idx");
    RealDisk.create_dir(&directory).unwrap();
    let records = records(13, 50);
    let (locator, log_len) = locator(records.len());
    let leaves: Vec<Hash> = (0..records.len() as u32).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
    let (store_id, segment_root) = (StoreId([5; 16]), Hash([6; 32]));
    let facts =
        SegmentFacts { store_id, log_len, rewritten_by: 0, segment_root, leaves: &leaves, locator: &locator };
    let file = RealDisk.open(&path, Open::CreateNew).unwrap();
    write_sidecar(&*file, &path, &mut build(FIRST_SEQ, &records), &facts).unwrap();
    let mapped = RealDisk.map(&path).unwrap();
    assert!(*mapped == *sidecar_of(&records));
    let sidecar = Sidecar::open(mapped).unwrap();
    sidecar.check_all().unwrap();
    assert_eq!(sidecar.event_time(0).unwrap(), Some(records[0].fields.time()));
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The example of the format's description: one record of source 2.
pub(super) fn example() -> Vec<u8> {
    sidecar_of(&[example_record()])
}

fn example_record() -> TestRecord {
    let mut record = TestRecord { source: 2, ..TestRecord::default() };
    record.fields.set_event_id(b"e1");
    record.fields.set_time(EventTime::Known(Timestamp(1_700_000_000_000_000_000)));
    record.fields.push(2, TermKind::Text, b"r1");
    record.fields.push(4, TermKind::Number, b"42");
    record
}

/// The bytes of an example in the format's description.
pub(super) fn described(name: &str) -> Vec<u8> {
    let text = concat!(
        include_str!("../../../docs/FORMAT-sidecar.md"),
        include_str!("../../../docs/FORMAT-directory.md")
    );
    let block = text.split(&format!("```hex {name}\n")).nth(1).and_then(|rest| rest.split("```").next());
    let lines = block.unwrap().lines().filter_map(|line| line.split_once(": "));
    let digits = lines.flat_map(|(_, hex)| hex.split(' '));
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn the_example_of_a_part_is_the_meta_section_that_is_written_and_read() {
    let (locator, log_len) = locator(1);
    let facts = PartFacts {
        store_id: StoreId([5; 16]),
        log_len: log_len - 80,
        predecessor: LogTree::leaf(b"before"),
        last_leaf: LogTree::leaf(b"last"),
        locator: &locator,
    };
    let mut bytes = Vec::new();
    encode_part(&build(FIRST_SEQ, &[example_record()]), 0..1, &facts, &mut bytes).unwrap();
    let part = open(&bytes).unwrap();
    part.check_all().unwrap();
    let meta = part.meta().encode();
    assert!(described("part-meta") == meta, "the example should be:\n{}", hex_dump(&meta));
    assert_eq!((part.meta().index_root, part.meta().segment_root), (facts.predecessor, facts.last_leaf));
    assert_eq!(part.leaves().unwrap().len(), 0);
}

#[test]
fn the_example_of_the_description_is_what_is_written_and_read() {
    let bytes = described("sidecar");
    assert!(bytes == example(), "the example should be:\n{}", hex_dump(&example()));
    let sidecar = open(&bytes).unwrap();
    sidecar.check_all().unwrap();
    assert_eq!(sidecar.event_time(0).unwrap(), Some(EventTime::Known(Timestamp(1_700_000_000_000_000_000))));
    assert_eq!(sidecar.find_event(b"e1").unwrap(), [FIRST_SEQ]);
    let day = Term { kind: TermKind::Text, bytes: b"2023-11-14" };
    assert!(sidecar.field("day").unwrap().unwrap().find(day).unwrap().is_some());
}

pub(super) fn hex_dump(bytes: &[u8]) -> String {
    let line = |(index, line): (usize, &[u8])| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}: {}", index * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_disclosed_proves_postings_absences_and_vocabularies() {
    for (seed, count) in [(21, 0), (22, 1), (23, 90)] {
        let records = records(seed, count);
        let sidecar = open(&sidecar_of(&records)).unwrap();
        let leaves = sidecar.index_leaves().unwrap();
        let root = sidecar.meta().index_root;
        let plain = plain_postings(&records);
        let private = |name: &str| sidecar.field(name).unwrap().is_some_and(|field| field.is_private());
        for ((name, kind, bytes), offsets) in plain.iter().filter(|((name, ..), _)| !private(name)) {
            let term = Term { kind: *kind, bytes };
            let offsets: Vec<u32> = offsets.iter().copied().collect();
            let shown = leaves.disclose(&[Shown::Term { field: name, term }]);
            let opened = shown.open(&root).unwrap();
            opened.posting(name, *kind, bytes, &offsets).unwrap();
            assert_eq!(opened.absence(name, *kind, bytes), Err(NotProven::Present));
            let fewer = &offsets[..offsets.len() - 1];
            assert_eq!(opened.posting(name, *kind, bytes, fewer), Err(NotProven::OtherRecords));
            let absent = leaves
                .disclose(&[Shown::Term { field: name, term: Term { kind: *kind, bytes: b"no such" } }]);
            absent.open(&root).unwrap().absence(name, *kind, b"no such").unwrap();

            let shown = leaves.disclose(&[Shown::Vocabulary { field: name }]);
            let opened = shown.open(&root).unwrap();
            let vocabulary = opened.vocabulary(name).unwrap();
            assert_eq!(vocabulary.len(), plain.keys().filter(|(other, ..)| other == name).count());
            let mut withheld = shown.clone();
            withheld.leaves.remove(0);
            assert!(withheld.open(&root).is_err());
        }
        let nothing = leaves.disclose(&[]);
        let opened = nothing.open(&root).unwrap();
        assert_eq!(opened.vocabulary("no such field").is_ok(), count == 0);
        let elsewhere = leaves.disclose(&[Shown::Vocabulary { field: "no such field" }]);
        assert_eq!(elsewhere.open(&root).unwrap().vocabulary("no such field"), Ok(&[][..]));
        assert_eq!(elsewhere.open(&Hash::ZERO).unwrap_err(), NotProven::Statement);
    }
}
