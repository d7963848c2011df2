//! Directories against the sidecars that they are made of, and the example of their description.

use std::sync::Arc;

use super::tests::{FIRST_SEQ, described, example, hex_dump, locator, open, records};
use super::*;
use crate::StoreId;
use crate::format::directory::{Condition, Directory, InRun, TermPlace};
use crate::hash::{Hash, LogTree, TreeHash};
use crate::index::tests::{Random, TestRecord, build};
use crate::source::{Term, TermKind};

#[test]
fn the_example_of_a_directory_is_what_is_written_and_read() {
    let bytes = encode_directory(&[Arc::new(open(&example()).unwrap())]).unwrap().unwrap();
    assert!(described("directory") == bytes, "the example should be:\n{}", hex_dump(&bytes));
    let directory = Directory::open(bytes).unwrap();
    let place = TermPlace { segment: 0, count: 1, ordinal: 0 };
    assert_eq!(directory.term("run", TermKind::Text, b"r1").unwrap(), InRun::Listed(vec![place]));
    assert_eq!(directory.term("run", TermKind::Text, b"r2").unwrap(), InRun::Perhaps(0));
    assert_eq!(directory.event(crate::hash::event_id_prefix(b"e1")).unwrap(), 1);
}

#[test]
fn an_altered_or_cut_directory_is_found() {
    let bytes = encode_directory(&[Arc::new(open(&example()).unwrap())]).unwrap().unwrap();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 0x41;
        let found = Directory::open(altered).and_then(|directory| directory.check_all());
        // Any write version is read.
        assert!(found.is_err() || (10..12).contains(&at), "byte {at}");
    }
    for len in 0..bytes.len() {
        assert!(Directory::open(bytes[..len].to_vec()).is_err(), "{len} bytes");
    }
}

/// A sidecar of these records, whose log is so many bytes longer than they take.
fn sidecar_of(first_seq: u64, records: &[TestRecord], longer_by: u64) -> Arc<Sidecar> {
    let (locator, log_len) = locator(records.len());
    let leaves: Vec<Hash> = (0..records.len() as u32).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
    let facts = SegmentFacts {
        store_id: StoreId([5; 16]),
        log_len: log_len + longer_by,
        rewritten_by: 0,
        segment_root: Hash([6; 32]),
        leaves: &leaves,
        locator: &locator,
    };
    let mut bytes = Vec::new();
    encode_sidecar(&mut build(first_seq, records), &facts, &mut bytes).unwrap();
    Arc::new(open(&bytes).unwrap())
}

#[test]
fn a_directory_says_of_each_term_and_event_which_segments_have_it() {
    for (seed, segments, count) in [(31, 1, 0), (32, 1, 40), (33, 3, 90), (34, 16, 30), (35, 2, 3000)] {
        let mut all: Vec<Vec<TestRecord>> = (0..segments).map(|n| records(seed * 100 + n, count)).collect();
        if count == 3000 {
            // A trace id, which no other record has.
            for (n, record) in all.iter_mut().flatten().filter(|record| record.source != 0).enumerate() {
                record.fields.push(2, TermKind::Text, format!("trace {n}").as_bytes());
            }
        }
        let sidecars: Vec<Arc<Sidecar>> = (0_u64..)
            .zip(&all)
            .map(|(n, records)| sidecar_of(FIRST_SEQ + n * count as u64, records, 0))
            .collect();
        let bytes = encode_directory(&sidecars).unwrap().unwrap();
        let directory = Directory::open(bytes).unwrap();
        directory.check_all().unwrap();
        assert_eq!(directory.segments().len(), segments as usize);
        let (mut listed, mut perhaps, mut in_vain) = (0, 0, 0);
        for (n, sidecar) in sidecars.iter().enumerate() {
            let covered = directory.segments()[n];
            assert_eq!((covered.first_seq, covered.record_count), (sidecar.first_seq(), count as u32));
            assert_eq!(covered.index_root, sidecar.meta().index_root);
            for index in 0..sidecar.field_count().unwrap() {
                let field = sidecar.field_at(index).unwrap().unwrap();
                let in_run = directory.field(field.name()).unwrap().unwrap();
                let reserved = [field.present(), field.absent(), field.unreadable()];
                assert_eq!(in_run.reserved(n).unwrap(), reserved.map(|posting| posting.unwrap().count()));
                for ordinal in 0..field.term_count() {
                    let term = field.term(ordinal).unwrap().unwrap();
                    match directory.term(field.name(), term.kind, term.bytes).unwrap() {
                        InRun::Listed(places) => {
                            let place = places.iter().find(|place| place.segment == n as u8).unwrap();
                            let count = field.posting(ordinal).unwrap().count();
                            assert_eq!((place.ordinal, place.count), (ordinal, count));
                            listed += 1;
                        }
                        InRun::Perhaps(mask) => {
                            assert!(mask >> n & 1 == 1, "{} {:?}", field.name(), term);
                            assert!(!in_run.is_complete());
                            perhaps += 1;
                            in_vain += mask.count_ones() - 1;
                        }
                    }
                }
            }
            for prefix in sidecar.event_id_prefixes().unwrap() {
                assert!(directory.event(prefix).unwrap() >> n & 1 == 1);
            }
        }
        for field in directory.fields() {
            let field = field.unwrap();
            assert!(!field.is_complete() || field.unlisted_count() == 0);
            for index in 0..field.term_count() {
                let (kind, bytes) = field.term(index).unwrap().unwrap();
                let has = |sidecar: &Arc<Sidecar>| {
                    let found = sidecar.field(field.name()).unwrap();
                    found.and_then(|field| field.find(Term { kind, bytes }).unwrap()).is_some()
                };
                let places = field.places(index).unwrap();
                assert!((0..).zip(&sidecars).all(|(n, s)| has(s) == places.iter().any(|p| p.segment == n)));
            }
            assert_eq!(field.term(field.term_count()).unwrap(), None);
        }
        assert_eq!(directory.term("no such field", TermKind::Text, b"x").unwrap(), InRun::Perhaps(0));
        assert!(listed > 0 || count == 0);
        assert_eq!(perhaps > 0, count == 3000, "only large fields have terms that are not listed");
        assert!(in_vain <= perhaps / 20, "{in_vain} of {perhaps}");
    }
}

/// Segments of records of which a few are the store's own; all others have an agent, one of three runs or none, and some of
/// nine counts of tokens.
fn records_of_agents(random: &mut Random, segments: usize) -> Vec<Vec<TestRecord>> {
    let record = |random: &mut Random| {
        let mut record = TestRecord { source: 2, ..TestRecord::default() };
        if random.below(40) == 0 {
            record.source = 0;
            record.fields.push(0, TermKind::Text, b"store.note");
            return record;
        }
        let agent = format!("agent {}", random.below(90));
        record.fields.push(3, TermKind::Text, agent.as_bytes());
        if random.below(5) > 0 {
            record.fields.push(2, TermKind::Text, format!("run {}", random.below(3)).as_bytes());
        }
        for tokens in (1..10).filter(|_| random.below(2) == 0).collect::<Vec<_>>() {
            record.fields.push(4, TermKind::Number, format!("{tokens}").as_bytes());
        }
        record
    };
    (0..segments).map(|segment| (0..700 + segment).map(|_| record(random)).collect()).collect()
}

fn bytes_of(all: &[Vec<TestRecord>], longer_by: u64) -> Vec<u8> {
    let mut next = FIRST_SEQ;
    let sidecar = |records: &Vec<TestRecord>| {
        next += records.len() as u64;
        sidecar_of(next - records.len() as u64, records, longer_by)
    };
    let sidecars: Vec<Arc<Sidecar>> = all.iter().map(sidecar).collect();
    encode_directory(&sidecars).unwrap().unwrap()
}

fn directory_of(all: &[Vec<TestRecord>], longer_by: u64) -> Directory<Vec<u8>> {
    Directory::open(bytes_of(all, longer_by)).unwrap()
}

#[test]
fn a_composite_index_says_which_records_have_a_term_and_what_they_have_beside() {
    let mut random = Random(91);
    let all = records_of_agents(&mut random, 6);
    let directory = directory_of(&all, 1 << 20);
    directory.check_all().unwrap();
    let records: Vec<&TestRecord> = all.iter().flatten().collect();
    let has = |record: &TestRecord, slot: u16, term: &[u8]| {
        record.source == 2 && record.fields.terms().any(|(at, found)| (at, found.bytes) == (slot, term))
    };
    assert_eq!(directory.composites().map(|composite| composite.lead_name()).collect::<Vec<_>>(), ["agent"]);
    let columns: Vec<&str> = directory.columns().collect();
    assert_eq!(columns, ["kind", "run", "source", "tokens"], "all others hold the same everywhere");
    let bit = |field: &str, kind, term: &[u8]| {
        let column = columns.iter().position(|column| *column == field).unwrap();
        let bit = directory.field(field).unwrap().unwrap().find(kind, term).unwrap().unwrap();
        (column, 1_u64 << bit)
    };
    let composite = directory.composite("agent").unwrap();
    assert!(directory.composite("run").is_none());
    let lead = composite.lead().unwrap().unwrap();
    assert_eq!(lead.term_count(), 90);
    for index in 0..90 {
        let (_, term) = lead.term(index).unwrap().unwrap();
        let expected: Vec<u32> =
            (0..).zip(&records).filter(|(_, record)| has(record, 3, term)).map(|(n, _)| n).collect();
        let rows = composite.rows(index).unwrap();
        assert!(rows.records().eq(expected.iter().copied()));
        assert_eq!((rows.len(), composite.count(index)), (expected.len(), expected.len()));
        // Half of the records' range, and conditions on one, two and all columns.
        let range = 500..3000_u32;
        let (run, run_bit) = bit("run", TermKind::Text, format!("run {}", index % 3).as_bytes());
        let (tokens, tokens_bit) = bit("tokens", TermKind::Number, b"7");
        let (source, source_bit) = bit("source", TermKind::Number, b"0");
        let conditions = [
            Condition { column: tokens, terms: tokens_bit, wanted: true },
            Condition { column: run, terms: run_bit, wanted: index % 2 == 0 },
            Condition { column: source, terms: source_bit, wanted: false },
        ];
        for count in 0..=conditions.len() {
            let expected = expected.iter().copied().filter(|number| {
                let record = records[*number as usize];
                let in_run = has(record, 2, format!("run {}", index % 3).as_bytes());
                let tests = [has(record, 4, b"7"), in_run == (index % 2 == 0), true];
                range.contains(number) && tests.into_iter().take(count).all(|test| test)
            });
            let found = rows.meeting(rows.places(range.clone()), &conditions[..count]);
            assert_eq!(found, expected.collect::<Vec<_>>(), "{count} conditions");
        }
        for (place, number) in expected.iter().enumerate().step_by(5) {
            let record = records[*number as usize];
            let held = (1..10).filter(|tokens| has(record, 4, tokens.to_string().as_bytes()));
            let bits = held.map(|tokens| bit("tokens", TermKind::Number, tokens.to_string().as_bytes()).1);
            assert_eq!(rows.terms(tokens, place), bits.sum::<u64>());
        }
    }
    assert!(composite.rows(90).is_err(), "there are no more terms");
}

#[test]
fn composite_indexes_take_no_more_than_their_share() {
    let mut random = Random(92);
    let all = records_of_agents(&mut random, 6);
    let logs: u64 = all.iter().map(|records| locator(records.len()).1).sum();
    let entries = all.iter().flatten().filter(|record| record.source == 2).count() as u64;
    let (mut with, mut without) = (0, 0);
    // Of each record of an agent four bytes, one for each column, and one more for that of more than 256 sets.
    for longer_by in (0..entries * 9 * 4).step_by(500) {
        let bytes = bytes_of(&all, longer_by);
        let len = |index: usize| u64::from_le_bytes(*bytes[16 + index * 24 + 8..].first_chunk().unwrap());
        if Directory::open(bytes.as_slice()).unwrap().composites().next().is_some() {
            with += 1;
            assert!(len(6) >= entries * 9 && (len(6) + len(7)) * 16 <= logs + longer_by * 6);
        } else {
            without += 1;
            assert_eq!((len(6), len(7)), (0, 8));
        }
    }
    assert!(with > 10 && without > 10, "{with} with and {without} without");
    // Agents that are in a segment each are found there.
    let apart: Vec<Vec<TestRecord>> = (0..6)
        .map(|segment| {
            let record = |n: usize| {
                let mut record = TestRecord { source: 2, ..TestRecord::default() };
                record.fields.push(3, TermKind::Text, format!("agent {segment} {}", n % 30).as_bytes());
                record.fields.push(2, TermKind::Text, format!("run {}", n % 2).as_bytes());
                record
            };
            (0..300).map(record).collect()
        })
        .collect();
    assert_eq!(directory_of(&apart, 1 << 20).composites().count(), 0);
}

#[test]
fn an_altered_composite_index_is_found_before_it_is_used() {
    let whole = bytes_of(&records_of_agents(&mut Random(93), 4), 1 << 20);
    let rows = |bytes: Vec<u8>| {
        let directory = Directory::open(bytes)?;
        let composite = directory.composite("agent").unwrap();
        (0..composite.lead()?.unwrap().term_count()).try_for_each(|index| composite.rows(index).map(drop))
    };
    rows(whole.clone()).unwrap();
    // The last two sections are those of blocks and of what says where these are.
    let section = |index: usize| {
        let entry = 16 + index * 24;
        let at = u64::from_le_bytes(*whole[entry..].first_chunk().unwrap()) as usize;
        at..at + u64::from_le_bytes(*whole[entry + 8..].first_chunk().unwrap()) as usize
    };
    for at in section(6).step_by(7).chain(section(7).step_by(3)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        assert!(rows(bytes).is_err(), "byte {at}");
    }
}

#[test]
fn a_directory_of_more_columns_than_a_reader_has_room_for_is_refused() {
    use crate::format::directory::{
        COLUMNS_MAX, Covered, Draft, DraftColumn, DraftComposites, DraftField, DraftLead,
    };
    let directory = |count: usize| {
        let field = |n| DraftField {
            name: format!("field {n:03}"),
            reserved: vec![[0, 1, 0]],
            terms: Vec::new(),
            unlisted_count: 0,
        };
        let columns = (0..count).map(|field| (DraftColumn { field, sets: vec![0] }, vec![0]));
        let mut composites = DraftComposites::new(columns.collect());
        composites.push(DraftLead { field: 0, ends: Vec::new(), records: Vec::new() });
        let index_root = Hash::ZERO;
        let covered =
            Covered { first_seq: 0, record_count: 1, index_root, event_times: None, received: None };
        let draft = Draft {
            store_id: StoreId([5; 16]),
            last_leaf: Hash::ZERO,
            segments: vec![covered],
            fields: (0..count).map(field).collect(),
            unlisted: Vec::new(),
            event_ids: Vec::new(),
            composites,
        };
        Directory::open(draft.encode().unwrap())
    };
    assert_eq!(directory(COLUMNS_MAX).unwrap().columns().count(), COLUMNS_MAX);
    assert!(directory(COLUMNS_MAX + 1).is_err());
}
