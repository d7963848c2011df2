//! Questions that composite indexes answer, against a scan: over whole directories, damaged ones, and logs that go on.

use std::path::{Path as FsPath, PathBuf};

use super::tests::{check, is, random_filter, write};
use super::*;
use crate::filter::{Clock, Field, Filter, Test, Value};
use crate::format::directory::Directory;
use crate::index::tests::Random;
use crate::{Options, Snapshot, Store, Timestamp};

/// 2026-04-01T00:00:00Z.
const START_S: u64 = 1_775_001_600;

fn event(random: &mut Random) -> String {
    let time = Timestamp((START_S + random.below(5 * 86_400)) as i64 * 1_000_000_000);
    let kind = ["\"deploy\"", "\"tool.call\"", "7", "null", "{}"][random.below(5) as usize];
    let controls: Vec<&str> = (0..random.below(4))
        .map(|_| ["\"SOC2:CC6.1\"", "\"SOC2:CC8.1\"", "\"PCI-DSS:6.5.1\""][random.below(3) as usize])
        .collect();
    let run = if random.below(4) == 0 { "null".to_owned() } else { format!("\"run_{}\"", random.below(6)) };
    let (agent, padding) = (random.below(70), "x".repeat(300));
    format!(
        r#"{{"agent_id":"agent_{agent}","kind":{kind},"controls":[{}],"run_id":{run},"ts":"{time}","note":"{padding}"}}"#,
        controls.join(",")
    )
}

fn go_on(store: &Store, random: &mut Random, segments: u64) {
    for _ in 0..segments {
        store.append_batch((0..30 + random.below(30)).map(|_| event(random))).unwrap();
        // Some of another source, of which some fields are ids and times.
        write(store, random, 3);
        store.seal().unwrap();
    }
}

/// Sealed segments of the events of seventy agents, over which directories have composite indexes.
fn store_of_agents(dir: &FsPath, random: &mut Random, segments: u64) -> Store {
    let options = Options::new("test.example/agents").allocate_len(64 << 10).seal_in_background(false);
    let store = Store::create(dir, options).unwrap();
    go_on(&store, random, segments);
    store
}

/// What a question asks that begins with an agent.
fn filter(random: &mut Random, end: Seq) -> Filter {
    let mut all = vec![is("agent", &format!("agent_{}", random.below(72)))];
    for _ in 0..random.below(4) {
        let equals = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| Value::Word((*value).to_owned())).collect();
            Filter::Field(Field::Name(name.to_owned()), Test::Equals(values))
        };
        all.push(match random.below(8) {
            0 => equals("kind", &["deploy", "7"]),
            1 => equals("kind", &["tool.call"]),
            2 => equals("control", &["SOC2:CC6.1"]),
            3 => equals("run", &["run_1", "no such run", "run_4"]),
            4 => Filter::Not(Box::new(Filter::StoreRecord)),
            5 => equals("no_such_field", &["x"]),
            6 => {
                let from = Timestamp((START_S + random.below(5 * 86_400)) as i64 * 1_000_000_000);
                let window = crate::filter::Window { from: Some(from), until: None };
                Filter::Time(if random.below(4) == 0 { Clock::Received } else { Clock::Event }, window)
            }
            _ => random_filter(random, 1, end),
        });
    }
    let place = random.below(all.len() as u64) as usize;
    all.swap(0, place);
    Filter::All(all)
}

/// Of how many pieces the records are known before these are asked.
fn narrowed(snapshot: &Snapshot, filter: &Filter) -> usize {
    let mut search = snapshot.search(filter).unwrap();
    let pieces = search.take_pieces().unwrap();
    pieces.filter(|piece| search.narrowed.speaks_of(*piece)).count()
}

fn directories(dir: &FsPath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("dir")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.collect();
    found.sort();
    found
}

#[test]
fn what_composite_indexes_answer_is_what_a_scan_finds() {
    let mut random = Random(61);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of_agents(dir.path(), &mut random, 35);
    assert_eq!(directories(dir.path()).len(), 2);
    let snapshot = store.snapshot().unwrap();
    let mut pieces = 0;
    for _ in 0..250 {
        let filter = filter(&mut random, snapshot.tree_size());
        pieces += narrowed(&snapshot, &filter);
        check(&snapshot, &filter, &mut random);
    }
    assert!(pieces > 500, "of {pieces} pieces the records were known");
    // What is decided is not asked of the segments: all that is looked at there is rows and columns.
    let question = Filter::All(vec![is("agent", "agent_3"), is("kind", "deploy")]);
    let explanation = snapshot.explain(&question).unwrap();
    let agent = explanation.postings.iter().find(|posting| posting.field == "agent").unwrap();
    let events = snapshot.count(&is("agent", "agent_3")).unwrap();
    assert_eq!(agent.records, events);
    // The snapshot is as it was when it was taken.
    let before = snapshot.count(&question).unwrap();
    go_on(&store, &mut random, 14);
    assert_eq!(directories(dir.path()).len(), 3);
    assert_eq!(snapshot.count(&question).unwrap(), before);
    let snapshot = store.snapshot().unwrap();
    for _ in 0..60 {
        check(&snapshot, &filter(&mut random, snapshot.tree_size()), &mut random);
    }
}

#[test]
fn a_damaged_composite_index_changes_no_answer() {
    let mut random = Random(62);
    let dir = tempfile::tempdir().unwrap();
    store_of_agents(dir.path(), &mut random, 17).close().unwrap();
    let [path] = directories(dir.path()).try_into().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let (mut with, mut without) = (0, 0);
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, &bytes).unwrap();
        let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
        let snapshot = store.snapshot().unwrap();
        for _ in 0..4 {
            let filter = filter(&mut random, snapshot.tree_size());
            if narrowed(&snapshot, &filter) > 0 {
                with += 1
            } else {
                without += 1
            }
            check(&snapshot, &filter, &mut random);
        }
    }
    assert!(with > 20 && without > 20, "{with} with and {without} without");
}

/// A directory's bytes in which all checksums are those of what is there.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    let section = |bytes: &[u8], index: usize| {
        let entry = 16 + index * 24;
        let at = u64::from_le_bytes(*bytes[entry..].first_chunk().unwrap()) as usize;
        at..at + u64::from_le_bytes(*bytes[entry + 8..].first_chunk().unwrap()) as usize
    };
    let directory = Directory::open(bytes.as_slice()).unwrap();
    let composite = directory.composite("agent").unwrap();
    let counts: Vec<usize> =
        (0..composite.lead().unwrap().unwrap().term_count()).map(|index| composite.count(index)).collect();
    let (blocks, heads) = (section(&bytes, 6), section(&bytes, 7));
    let row_len = blocks.len() / counts.iter().sum::<usize>();
    let (mut at, first) = (blocks.start, heads.end - counts.len() * 12);
    for (index, count) in counts.iter().enumerate() {
        let end = at + (count * row_len).next_multiple_of(8);
        let crc = crc32fast::hash(&bytes[at..end]);
        bytes[first + index * 12 + 8..][..4].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    assert_eq!(at, blocks.end);
    for index in 0..8 {
        let crc = crc32fast::hash(&bytes[section(&bytes, index)]);
        bytes[16 + index * 24 + 16..][..4].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[..208]);
    bytes[208..212].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn verification_compares_composite_indexes_with_the_records() {
    let mut random = Random(64);
    let dir = tempfile::tempdir().unwrap();
    store_of_agents(dir.path(), &mut random, 17).close().unwrap();
    let [path] = directories(dir.path()).try_into().unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(mended(whole.clone()) == whole);
    let remarks = || {
        let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
        let report = crate::verify::verify(&disk, dir.path(), &crate::verify::Options::default()).unwrap();
        assert_eq!(report.findings.len(), 0, "{:?}", report.findings);
        report.remarks.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    assert_eq!(remarks(), Vec::<String>::new());
    let blocks = u64::from_le_bytes(*whole[16 + 6 * 24..].first_chunk().unwrap()) as usize;
    let directory = Directory::open(whole.as_slice()).unwrap();
    let count = directory.composite("agent").unwrap().count(0);
    // The first agent's first record; and what it, and the last, holds of the first column.
    for (at, step) in [(blocks, 1), (blocks + count * 4, 1), (blocks + count * 5 - 1, 1)] {
        let mut bytes = whole.clone();
        bytes[at] ^= step;
        std::fs::write(&path, mended(bytes)).unwrap();
        let told = remarks();
        assert!(
            matches!(told.as_slice(), [one] if one.contains("composite index of field agent")),
            "{told:?}"
        );
    }
}
