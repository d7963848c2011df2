//! Directories against the sidecars that they are made of, and the example of their description.

use std::sync::Arc;

use super::tests::{FIRST_SEQ, described, example, hex_dump, locator, open, records};
use super::*;
use crate::StoreId;
use crate::format::directory::{Directory, InRun, TermPlace};
use crate::hash::{Hash, LogTree, TreeHash};
use crate::index::tests::{TestRecord, build};
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
            .map(|(n, records)| {
                let (locator, log_len) = locator(count);
                let leaves: Vec<Hash> = (0..count as u32).map(|i| LogTree::leaf(&i.to_le_bytes())).collect();
                let (store_id, segment_root) = (StoreId([5; 16]), Hash([6; 32]));
                let facts = SegmentFacts {
                    store_id,
                    log_len,
                    rewritten_by: 0,
                    segment_root,
                    leaves: &leaves,
                    locator: &locator,
                };
                let mut bytes = Vec::new();
                let first_seq = FIRST_SEQ + n * count as u64;
                encode_sidecar(&mut build(first_seq, records), &facts, &mut bytes).unwrap();
                Arc::new(open(&bytes).unwrap())
            })
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
