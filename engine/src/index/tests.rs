//! The index against a plain second implementation of the same rules: maps of sets, hashed from scratch.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::Timestamp;
use crate::format::frame::LabelBuf;
use crate::format::index::{IndexLeaf, IndexRoot, rules_digest, term_hash};
use crate::hash::{self, IndexKey};
use crate::source::{EventTime, TermKind};

/// A small seeded generator (splitmix64): tests must give the same every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// A record that owns its parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestRecord {
    pub(crate) source: Seq,
    pub(crate) encoding: u8,
    pub(crate) labels: LabelBuf,
    pub(crate) fields: Fields,
}

/// Rules of a few sources that share some fields, and disagree on one.
pub(crate) fn test_rules(source: Seq) -> SourceRules {
    let field = |name: &str, holds, private| Declared { name: name.to_owned(), holds, private };
    let mut fields = vec![
        field("event_id", Holds::EventId, false),
        field("ts", Holds::EventTime, false),
        field("run", Holds::Terms, false),
        field("agent", Holds::Terms, false),
        field("tokens", Holds::Terms, false),
    ];
    match source {
        0 => fields = vec![field("kind", Holds::Terms, false)],
        1 => fields.push(field("secret", Holds::Terms, true)),
        // What source 3 says openly, source 4 hides: the field is private for all.
        3 => fields.extend([field("person", Holds::Terms, false), field("ratio", Holds::Terms, false)]),
        4 => fields.push(field("person", Holds::Terms, true)),
        _ => {}
    }
    SourceRules { digest: hash::index_rules(&source.to_le_bytes()), fields }
}

pub(crate) fn random_record(random: &mut Random, source_bound: u64) -> TestRecord {
    let mut record = TestRecord { source: random.below(source_bound), ..TestRecord::default() };
    record.encoding = u8::from(random.below(50) == 0);
    for _ in 0..random.below(3) {
        record.labels.push(["SOC2:CC6.1", "PCI-DSS:6.5.1", "X:1"][random.below(3) as usize]).unwrap();
    }
    let fields = &mut record.fields;
    let rules = test_rules(record.source);
    for (slot, declared) in rules.fields.iter().enumerate() {
        let slot = slot as u16;
        if declared.holds != Holds::Terms {
            continue;
        }
        for _ in 0..random.below(4).saturating_sub(1) {
            match random.below(9) {
                0 => {
                    fields.push(slot, TermKind::Text, format!("unique {}", random.below(1 << 40)).as_bytes())
                }
                1 => fields.push(slot, TermKind::Number, random.below(40).to_string().as_bytes()),
                2 => fields.push(slot, TermKind::Number, format!("-{}.5e3", random.below(9) + 1).as_bytes()),
                3 => fields.push(slot, TermKind::Bool, if random.below(2) == 0 { b"true" } else { b"false" }),
                4 => fields.push(slot, TermKind::Null, b""),
                5 => fields.push_unreadable(slot),
                // A number's text is not the number.
                6 => fields.push(slot, TermKind::Text, b"7"),
                _ => fields.push(slot, TermKind::Text, format!("run {}", random.below(6)).as_bytes()),
            }
        }
    }
    if record.source != 0 {
        if random.below(3) > 0 {
            fields.set_event_id(format!("event {}", random.below(200)).as_bytes());
        } else if random.below(3) == 0 {
            fields.push_unreadable(0);
        }
        fields.set_time(match random.below(5) {
            0 => EventTime::Absent,
            1 => EventTime::Unreadable,
            _ => EventTime::Known(Timestamp((random.below(400) as i64 - 200) * 21_600_000_000_123)),
        });
    }
    record
}

pub(crate) fn build(first_seq: Seq, records: &[TestRecord]) -> IndexBuilder {
    let mut builder = IndexBuilder::new(first_seq);
    for record in records {
        add(&mut builder, record);
    }
    builder
}

pub(crate) fn add(builder: &mut IndexBuilder, record: &TestRecord) {
    builder.add(IndexedRecord {
        source: record.source,
        rules: &test_rules(record.source),
        encoding: record.encoding,
        labels: record.labels.as_labels(),
        fields: &record.fields,
        event_id: record.fields.event_id().map(hash::event_id_prefix),
    });
}

type Postings = BTreeMap<(String, TermKind, Vec<u8>), BTreeSet<u32>>;

/// All postings of a segment, private fields' too, by the rules in this room's documentation.
pub(crate) fn plain_postings(records: &[TestRecord]) -> Postings {
    let mut postings = Postings::new();
    let mut names: BTreeSet<String> = ["source", "encoding", "day", "label"].map(str::to_owned).into();
    for (offset, record) in (0..).zip(records) {
        let mut say = |name: &str, kind, bytes: &[u8]| {
            postings.entry((name.to_owned(), kind, bytes.to_vec())).or_default().insert(offset);
            if kind != TermKind::Reserved {
                postings
                    .entry((name.to_owned(), TermKind::Reserved, b"present".to_vec()))
                    .or_default()
                    .insert(offset);
            }
        };
        say("source", TermKind::Number, record.source.to_string().as_bytes());
        say("encoding", TermKind::Number, record.encoding.to_string().as_bytes());
        record.labels.as_labels().iter().for_each(|label| say("label", TermKind::Text, label.as_bytes()));
        match record.fields.time() {
            EventTime::Known(time) => {
                let day = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(time.day());
                say("day", TermKind::Text, day.to_string().as_bytes());
            }
            EventTime::Unreadable => say("day", TermKind::Reserved, b"unreadable"),
            EventTime::Absent => {}
        }
        for (slot, declared) in test_rules(record.source).fields.iter().enumerate() {
            names.insert(declared.name.clone());
            let unreadable = record.fields.unreadable().contains(&(slot as u16));
            let present = match declared.holds {
                Holds::Terms => {
                    for (_, term) in record.fields.terms().filter(|(at, _)| usize::from(*at) == slot) {
                        say(&declared.name, term.kind, term.bytes);
                    }
                    false
                }
                Holds::EventId => record.fields.event_id().is_some(),
                Holds::EventTime => matches!(record.fields.time(), EventTime::Known(_)),
            };
            let no_time = declared.holds == Holds::EventTime && record.fields.time() == EventTime::Unreadable;
            if present {
                say(&declared.name, TermKind::Reserved, b"present");
            }
            if unreadable || no_time {
                say(&declared.name, TermKind::Reserved, b"unreadable");
            }
        }
    }
    for name in names {
        let of = |term: &str| (name.clone(), TermKind::Reserved, term.as_bytes().to_vec());
        let some = |term| postings.get(&of(term)).cloned().unwrap_or_default();
        let said: BTreeSet<u32> = some("present").union(&some("unreadable")).copied().collect();
        let absent: BTreeSet<u32> = (0..records.len() as u32).filter(|o| !said.contains(o)).collect();
        postings.insert(of("absent"), absent);
    }
    postings.retain(|_, offsets| !offsets.is_empty());
    postings
}

fn plain_commitment(first_seq: Seq, records: &[TestRecord]) -> IndexCommitment {
    let sources: BTreeSet<Seq> = records.iter().map(|record| record.source).collect();
    let private: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| test_rules(*source).fields)
        .filter_map(|declared| declared.private.then_some(declared.name))
        .collect();
    let mut leaves: Vec<IndexLeaf> = plain_postings(records)
        .into_iter()
        .filter(|((name, ..), _)| !private.contains(name))
        .map(|((name, kind, term), offsets)| {
            let mut hasher = hash::index_seqs_hasher();
            for offset in &offsets {
                hasher.update(&offset.to_le_bytes());
            }
            IndexLeaf {
                field: hash::index_field(&name),
                term: term_hash(kind, &term),
                count: offsets.len() as u32,
                seqs: Hash(*hasher.finalize().as_bytes()),
            }
        })
        .collect();
    leaves.sort();
    let sources: Vec<_> = sources.into_iter().map(|source| (source, test_rules(source).digest)).collect();
    let rules = rules_digest("indelible-extract/1", &sources);
    let leaves: Vec<(IndexKey, Hash)> = leaves.iter().map(|leaf| (leaf.key(), leaf.hash())).collect();
    let root = IndexRoot {
        leaf_count: leaves.len() as u64,
        first_seq,
        record_count: records.len() as u32,
        rules,
        tree_root: plain_root(&leaves),
    };
    IndexCommitment { index_root: root.hash(), rules, leaf_count: root.leaf_count }
}

/// RFC 6962, section 2.1, as it is written there, each node with the first key of its right subtree.
fn plain_root(leaves: &[(IndexKey, Hash)]) -> Hash {
    match leaves {
        [] => hash::index_empty(),
        [(_, leaf)] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            hash::index_node(&plain_root(left), &plain_root(right), &right[0].0)
        }
    }
}

#[test]
fn the_root_is_that_of_the_plain_rules_after_every_step() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let first_seq = random.below(1 << 40);
        let source_bound = 1 + random.below(5);
        let mut builder = IndexBuilder::new(first_seq);
        let mut records = Vec::new();
        for _ in 0..6 {
            for _ in 0..random.below(70) {
                // Some sources come late: their fields are absent from what was before.
                let bound = if records.len() < 90 { source_bound.min(2) } else { source_bound };
                let record = random_record(&mut random, bound);
                add(&mut builder, &record);
                records.push(record);
                if random.below(10) == 0 {
                    builder.commitment();
                }
            }
            assert_eq!(
                builder.commitment(),
                plain_commitment(first_seq, &records),
                "seed {seed}, {} records",
                records.len()
            );
        }
        assert_eq!(build(first_seq, &records).commitment(), builder.commitment());
    }
}

#[test]
fn every_part_of_a_record_that_is_indexed_changes_the_root() {
    let mut random = Random(7);
    let mut records: Vec<TestRecord> = (0..20).map(|_| random_record(&mut random, 3)).collect();
    records[9] = TestRecord { source: 2, ..TestRecord::default() };
    let root = |change: &dyn Fn(&mut TestRecord)| {
        let mut records = records.clone();
        change(&mut records[9]);
        build(5, &records).commitment().index_root
    };
    let changes: [&dyn Fn(&mut TestRecord); 11] = [
        &|_| {},
        &|r| r.source = 1,
        &|r| r.encoding = 3,
        &|r| r.labels.push("X:2").unwrap(),
        &|r| r.fields.set_time(EventTime::Known(Timestamp(1))),
        &|r| r.fields.set_time(EventTime::Unreadable),
        &|r| r.fields.set_event_id(b"e"),
        &|r| r.fields.push(2, TermKind::Text, b"7"),
        &|r| r.fields.push(2, TermKind::Number, b"7"),
        &|r| r.fields.push(3, TermKind::Number, b"7"),
        &|r| r.fields.push_unreadable(2),
    ];
    let roots: BTreeSet<Hash> = changes.iter().map(|change| root(change)).collect();
    assert_eq!(roots.len(), changes.len());
    assert_ne!(build(6, &records).commitment().index_root, build(5, &records).commitment().index_root);
}

#[test]
fn what_is_private_is_not_in_the_root() {
    let with = |secret: &[u8]| {
        let mut record = TestRecord { source: 1, ..TestRecord::default() };
        record.fields.push(5, TermKind::Text, secret);
        build(0, &[record]).commitment()
    };
    assert_eq!(with(b"one"), with(b"two"));
}

#[test]
fn a_term_over_the_limit_is_unreadable() {
    let record = |bytes: Option<Vec<u8>>| {
        let mut record = TestRecord { source: 2, ..TestRecord::default() };
        match bytes {
            Some(bytes) => record.fields.push(2, TermKind::Text, &bytes),
            None => record.fields.push_unreadable(2),
        }
        build(0, &[record]).commitment()
    };
    let max = crate::limits::TERM_LEN_MAX;
    assert_eq!(record(Some(vec![b'x'; max + 1])), record(None));
    assert_eq!(record(Some(vec![b'x'; 1 << 17])), record(None));
    assert_ne!(record(Some(vec![b'x'; max])), record(None));
}
