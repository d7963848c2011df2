//! Answers against a plain second way to them: every record read, and the matcher asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FsPath;

use super::*;
use crate::filter::{Clock, Comparison, Field, Filter, Glob, Matcher, Quantity, Scratch, Subject, Test};
use crate::filter::{Value, Window};
use crate::format::frame::LabelBuf;
use crate::index::tests::Random;
use crate::source::{EventTime, Fields, Profile, Term, TermKind};
use crate::{Masking, OnDuplicate, Options, Record, Result, Snapshot, Store, Timestamp};

/// A second kind of event. Its `run` is a number, its event id stands where the other's model does, and it hides what
/// it masks under a label.
const OTHER: &str = r#"
name = "other"
version = "1"
[[field]]
name = "event_id"
kind = "id"
paths = ["model"]
[[field]]
name = "ts"
kind = "time"
forms = ["epoch_ms"]
paths = ["when"]
[[field]]
name = "run"
kind = "number"
paths = ["run_no"]
[[field]]
name = "kind"
paths = ["kind"]
[[field]]
name = "model"
paths = ["event_id"]
[[mask]]
name = "secret"
path = "secret"
action = "drop"
"#;

fn pick<'a>(random: &mut Random, words: &[&'a str]) -> &'a str {
    words[random.below(words.len() as u64) as usize]
}

/// 2026-04-01T00:00:00Z.
const START_S: u64 = 1_775_001_600;

fn evidence_event(random: &mut Random, n: u64) -> String {
    let mut parts = Vec::new();
    let run = match random.below(8) {
        0 => "null".to_owned(),
        1 => format!("{}", random.below(5)),
        2 => r#"{"a":1}"#.to_owned(),
        _ => format!(r#""run_{}""#, random.below(6)),
    };
    if random.below(6) > 0 {
        parts.push(format!(r#""run_id":{run}"#));
    }
    let kind = pick(random, &["deploy", "deploy.start", "tool.call", "Grüße", "7", "true"]);
    parts.push(format!(r#""kind":"{kind}""#));
    let controls = ["\"SOC2:CC6.1\"", "\"SOC2:CC8.1\"", "\"PCI-DSS:6.5.1\"", "null", "3", "true", "{}"];
    let controls: Vec<&str> = (0..random.below(4)).map(|_| pick(random, &controls)).collect();
    if random.below(3) > 0 {
        parts.push(format!(r#""controls":[{}]"#, controls.join(",")));
    }
    if random.below(2) == 0 {
        let number = pick(random, &["1", "10", "2.50", "-3", "1e3", "\"12\"", "null", "[1,2]"]);
        parts.push(format!(r#""tokens":{{"input":{number}}},"latency_ms":{number}"#));
    }
    let time = Timestamp((START_S + random.below(5 * 86_400)) as i64 * 1_000_000_000);
    match random.below(6) {
        0 => {}
        1 => parts.push(r#""ts":"yesterday""#.to_owned()),
        _ => parts.push(format!(r#""ts":"{time}""#)),
    }
    parts.push(format!(
        r#""note":{{"text":"{}","deep":[{{"x":{}}},"y"]}}"#,
        pick(random, &["a \\\"b\\\"", "needle", "hay", "nee", "dle"]),
        random.below(4)
    ));
    if random.below(12) == 0 {
        let key = pick(random, &["rare", r"r\u0061re", r"rare\u0020"]);
        parts.push(format!(r#""{key}":{{"key":{}}}"#, random.below(3)));
    }
    // An id stands anywhere among the members, and is written in more ways than one.
    if random.below(5) > 0 {
        let id = match random.below(8) {
            0 => format!(r#""\u0065{}""#, random.below(n + 2)),
            1 => pick(random, &["7", "null", "true", r#""""#, r#"["e3"]"#]).to_owned(),
            _ => format!(r#""e{}""#, random.below(n + 2)),
        };
        let key = pick(random, &["event_id", "event_id", "event_id", r"event\u005fid"]);
        parts.insert(random.below(parts.len() as u64 + 1) as usize, format!(r#""{key}":{id}"#));
    }
    format!("{{{}}}", parts.join(","))
}

fn other_event(random: &mut Random, n: u64) -> String {
    let mut parts = vec![format!(r#""kind":"{}""#, pick(random, &["deploy", "scan"]))];
    if random.below(4) > 0 {
        parts.push(format!(r#""model":"e{}""#, random.below(n + 2)));
    }
    match random.below(4) {
        0 => parts.push(r#""when":{}"#.to_owned()),
        1 => {}
        _ => parts.push(format!(r#""when":{}"#, (START_S + random.below(5 * 86_400)) * 1000)),
    }
    if random.below(2) == 0 {
        parts.push(format!(r#""run_no":{}"#, pick(random, &["1", "2", "true", "null", "\"3\""])));
    }
    if random.below(3) == 0 {
        parts.push(format!(r#""event_id":"{}""#, pick(random, &["run_1", "m2", "needle"])));
    }
    if random.below(3) == 0 {
        parts.push(r#""secret":"hunter2""#.to_owned());
    }
    format!("{{{}}}", parts.join(","))
}

pub(super) fn write(store: &Store, random: &mut Random, count: u64) {
    let sources =
        [store.source(Profile::evidence()).unwrap(), store.source(&Profile::parse(OTHER).unwrap()).unwrap()];
    let mut left = count;
    while left > 0 {
        let events = 1 + random.below(left.min(9));
        let prepared = (0..events)
            .map(|n| {
                let other = random.below(4) == 0;
                let text =
                    if other { other_event(random, count + n) } else { evidence_event(random, count + n) };
                store
                    .prepare(&sources[usize::from(other)], text.into_bytes(), &Masking::default())
                    .unwrap_or_else(|error| panic!("{error}"))
            })
            .collect();
        store.commit(prepared, OnDuplicate::Keep).unwrap();
        left -= events;
    }
}

/// A store of several sealed segments and an active one; sometimes of so many that there are directories over them.
pub(crate) fn random_store(dir: &FsPath, random: &mut Random) -> Store {
    // Short enough that the active segment has parts.
    let options = Options::new("test.example/answers").allocate_len(64 << 10).segment_len(256 << 10);
    let store = Store::create(dir, options).unwrap();
    let (segments, records) =
        if random.below(4) == 0 { (16 + random.below(20), 8) } else { (random.below(4), 120) };
    for _ in 0..segments {
        let count = 1 + random.below(records);
        write(&store, random, count);
        store.seal().unwrap();
    }
    let count = random.below(60);
    write(&store, random, count);
    store
}

fn random_value(random: &mut Random) -> Value {
    let word = pick(
        random,
        &[
            "run_1",
            "run_*",
            "*",
            "deploy*",
            "?ool.call",
            "SOC2:CC6.1",
            "SOC2:*",
            "1",
            "2.5",
            "true",
            "null",
            "7",
            "e3",
            "e1?",
            "1000",
            "3",
            "2026-04-02",
            "no such value",
            "0",
            "Gr??e",
            "2026-04-02T00:00:00Z",
        ],
    );
    if random.below(3) == 0 { Value::Text(word.to_owned()) } else { Value::Word(word.to_owned()) }
}

fn random_time(random: &mut Random) -> Timestamp {
    Timestamp((START_S + random.below(6 * 86_400)) as i64 * 1_000_000_000)
}

fn random_test(random: &mut Random) -> Test {
    let comparisons =
        [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];
    let comparison = comparisons[random.below(4) as usize];
    match random.below(8) {
        0 => Test::Exists,
        1 => Test::Unreadable,
        2 | 3 => Test::Equals((0..1 + random.below(3)).map(|_| random_value(random)).collect()),
        4 => Test::Differs(random_value(random)),
        5 => {
            Test::Compare(comparison, Quantity::Number(pick(random, &["1", "2.5", "-3", "11", "1e3"]).into()))
        }
        6 => Test::Compare(comparison, Quantity::Time(random_time(random))),
        _ => Test::Matches(pick(random, &["^run_[0-3]$", "e", "^1", "CC6|CC8", "T0.:"]).to_owned()),
    }
}

pub(crate) fn random_filter(random: &mut Random, depth: u64, end: Seq) -> Filter {
    let seqs = |random: &mut Random| {
        let start = random.below(end + 2);
        start..start + random.below(end + 2)
    };
    let window = |random: &mut Random| Window {
        from: (random.below(3) > 0).then(|| random_time(random)),
        until: (random.below(3) > 0).then(|| random_time(random)),
    };
    if random.below(8) == 0 {
        // As a query has it that does not ask for the store's own records.
        return Filter::Not(Box::new(Filter::StoreRecord));
    }
    match random.below(if depth == 0 { 9 } else { 13 }) {
        0..=3 => {
            let names = [
                "run",
                "kind",
                "control",
                "event_id",
                "ts",
                "model",
                "source",
                "encoding",
                "day",
                "label",
                "agent",
                "no_such_field",
            ];
            Filter::Field(Field::Name(pick(random, &names).to_owned()), random_test(random))
        }
        4 => {
            let paths =
                ["run_id", "note.deep[].x", "controls", "tokens.input", "note", "no.such", "rare.key"];
            Filter::Field(Field::Path(pick(random, &paths).parse().unwrap()), random_test(random))
        }
        5 => Filter::Text(
            pick(random, &["needle", "run_1", "a \"b\"", "", "Grüße", "nee", "e\",\"d"]).to_owned(),
        ),
        6 => {
            let clock = if random.below(4) == 0 { Clock::Received } else { Clock::Event };
            Filter::Time(clock, window(random))
        }
        7 => match random.below(3) {
            0 => Filter::Seqs(seqs(random)),
            1 => Filter::StoreRecord,
            _ => Filter::Not(Box::new(Filter::StoreRecord)),
        },
        8 => Filter::Ids((0..random.below(4)).map(|_| format!("e{}", random.below(100))).collect()),
        9 => Filter::Not(Box::new(random_filter(random, depth - 1, end))),
        10 => Filter::Any((0..random.below(4)).map(|_| random_filter(random, depth - 1, end)).collect()),
        _ => Filter::All((0..random.below(4)).map(|_| random_filter(random, depth - 1, end)).collect()),
    }
}

/// Calls `visit` for each record of the snapshot that matches; one that was deleted matches nothing.
fn scan(snapshot: &Snapshot, filter: &Filter, mut visit: impl FnMut(&Record, &Subject<'_>)) {
    let (matcher, mut scratch) = (Matcher::new(filter).unwrap(), Scratch::default());
    for record in snapshot.records(..) {
        let record = record.unwrap();
        if record.deleted.is_some() {
            continue;
        }
        let source = (record.source != 0).then(|| snapshot.source(record.source).unwrap());
        let profile = source.as_ref().map_or(Profile::store_records(), |source| source.profile());
        let mut fields = Fields::default();
        profile.extract(&record.body, &mut fields).unwrap();
        let mut labels = LabelBuf::default();
        record.labels.iter().for_each(|label| labels.push(label).unwrap());
        let subject = Subject {
            seq: record.seq,
            received_at: record.received_at,
            source: record.source,
            encoding: record.encoding,
            labels: labels.as_labels(),
            body: &record.body,
            profile,
            fields: &fields,
        };
        if matcher.matches(&subject, &mut scratch).unwrap() {
            visit(&record, &subject);
        }
    }
}

/// What a record has in a field, by the same rules in other words.
fn keys(subject: &Subject<'_>, name: &str) -> BTreeSet<GroupKey> {
    let term = |kind, text: &str| GroupKey::Term(Term { kind, bytes: text.as_bytes() }.into());
    let declared = subject.profile.fields().iter().position(|field| field.name == name);
    let mut keys = BTreeSet::new();
    match (name, declared) {
        ("source", _) => keys.extend([term(TermKind::Number, &subject.source.to_string())]),
        ("encoding", _) => keys.extend([term(TermKind::Number, &subject.encoding.to_string())]),
        ("label", _) => keys.extend(subject.labels.iter().map(|label| term(TermKind::Text, label))),
        ("day", _) => match subject.fields.time() {
            EventTime::Known(time) => keys.extend([term(TermKind::Text, &time.to_string()[..10])]),
            EventTime::Unreadable => keys.extend([GroupKey::Unreadable]),
            EventTime::Absent => {}
        },
        ("ts", Some(_)) => match subject.fields.time() {
            EventTime::Known(time) => keys.extend([term(TermKind::Text, &time.to_string())]),
            EventTime::Unreadable => keys.extend([GroupKey::Unreadable]),
            EventTime::Absent => {}
        },
        ("event_id", Some(slot)) => match subject.fields.event_id() {
            Some(id) => keys.extend([term(TermKind::Text, std::str::from_utf8(id).unwrap())]),
            None if subject.fields.unreadable().contains(&(slot as u16)) => {
                keys.extend([GroupKey::Unreadable])
            }
            None => {}
        },
        (_, None) => {}
        (_, Some(slot)) => {
            let own = subject.fields.terms().filter(|(at, _)| usize::from(*at) == slot);
            keys.extend(own.map(|(_, term)| GroupKey::Term(term.into())));
            if subject.fields.unreadable().contains(&(slot as u16)) {
                keys.insert(GroupKey::Unreadable);
            }
        }
    }
    if keys.is_empty() {
        keys.insert(GroupKey::Absent);
    }
    keys
}

pub(super) fn is(name: &str, value: &str) -> Filter {
    Filter::Field(Field::Name(name.to_owned()), Test::Equals(vec![Value::Text(value.to_owned())]))
}

fn seqs(search: Search) -> Vec<Seq> {
    search.map(|hit| hit.unwrap().seq).collect()
}

/// Asks everything about `filter` in every way, and compares with the scan.
pub(super) fn check(snapshot: &Snapshot, filter: &Filter, random: &mut Random) {
    let context = || String::from_utf8(filter.encode()).unwrap();
    let names = ["run", "kind", "control", "event_id", "ts", "source", "day", "label", "agent", "nothing"];
    let by: Vec<&str> = (0..1 + random.below(2)).map(|_| pick(random, &names)).collect();
    let (mut expected, mut groups) = (Vec::new(), Groups::default());
    scan(snapshot, filter, |record, subject| {
        // Where others were deleted, what stayed is proven under salts of its own, of which a hit says nothing.
        expected.push(Record { own_salt: None, ..record.clone() });
        groups.records += 1;
        let mut combinations = vec![Vec::new()];
        for name in &by {
            let keys = keys(subject, name);
            let with = |key: &Vec<GroupKey>| {
                let key = key.clone();
                keys.iter().map(move |next| key.iter().cloned().chain([next.clone()]).collect())
            };
            combinations = combinations.iter().flat_map(with).collect();
        }
        combinations.into_iter().for_each(|key: Vec<GroupKey>| *groups.counts.entry(key).or_default() += 1);
    });
    let found: Result<Vec<Hit>> = snapshot.search(filter).unwrap().collect();
    let found: Vec<Record> = found.unwrap().iter().map(Hit::to_record).collect();
    assert_eq!(found, expected, "{}", context());
    let expected: Vec<Seq> = expected.iter().map(|record| record.seq).collect();
    let mut backwards = seqs(snapshot.search(filter).unwrap().newest_first());
    backwards.reverse();
    assert_eq!(backwards, expected, "{}", context());
    let start = random.below(snapshot.tree_size() + 1);
    let range = start..start + random.below(80);
    let within = seqs(snapshot.search(filter).unwrap().within(range.clone()));
    let expected_within: Vec<Seq> = expected.iter().copied().filter(|seq| range.contains(seq)).collect();
    assert_eq!(within, expected_within, "{}", context());
    assert_eq!(snapshot.count(filter).unwrap(), expected.len() as u64, "{}", context());
    assert_eq!(snapshot.count_by(filter, &by).unwrap(), groups, "{by:?} {}", context());
    let explanation = snapshot.explain(filter).unwrap();
    assert_eq!(explanation.matches, expected.len() as u64, "{}", context());
    let id = format!("e{}", expected.len() % 100);
    let with_id = seqs(snapshot.search(&Filter::Ids(vec![id.clone()])).unwrap());
    let found = snapshot.events_with_id(&id).unwrap();
    assert_eq!(found.iter().map(|hit| hit.seq).collect::<Vec<_>>(), with_id, "{id}");
}

#[test]
fn answers_are_those_of_a_scan() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let store = random_store(dir.path(), &mut random);
        let snapshot = store.snapshot().unwrap();
        for _ in 0..150 {
            let filter = random_filter(&mut random, 3, snapshot.tree_size());
            check(&snapshot, &filter, &mut random);
        }
        // Counts over everything are remembered: they must come out the same again.
        let own = Filter::Not(Box::new(Filter::StoreRecord));
        for filter in [&Filter::everything(), &own, &Filter::everything(), &own] {
            (0..12).for_each(|_| check(&snapshot, filter, &mut random));
        }
    }
}

#[test]
fn tallies_say_what_each_question_alone_would() {
    for seed in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random(seed + 200);
        let store = random_store(dir.path(), &mut random);
        let snapshot = store.snapshot().unwrap();
        let end = snapshot.tree_size();
        let within = random_filter(&mut random, 1, end);
        let parts: Vec<Filter> = (0..6).map(|_| random_filter(&mut random, 2, end)).collect();
        let groups = [vec![], vec![0], vec![1, 2], vec![3, 4, 5, 0], vec![2, 2]];
        let fields = ["run", "ts", "control", "label", "nothing"];
        let tallies = snapshot.search(&within).unwrap().tally(&parts, &groups, &fields).unwrap();
        for (tally, group) in tallies.iter().zip(&groups) {
            let any = Filter::Any(group.iter().map(|part| parts[*part].clone()).collect());
            let (mut records, mut times) = (0, BTreeSet::new());
            let mut values = vec![BTreeSet::new(); fields.len()];
            scan(&snapshot, &Filter::All(vec![within.clone(), any]), |_, subject| {
                records += 1;
                times.insert(subject.time());
                for (values, name) in values.iter_mut().zip(fields) {
                    let is_value =
                        |key: &GroupKey| matches!(key, GroupKey::Term(term) if term.kind != TermKind::Null);
                    values.extend(keys(subject, name).into_iter().filter(is_value));
                }
            });
            let values = values.iter().map(|values| values.len() as u64).collect();
            let (first, last) = (times.first().copied(), times.last().copied());
            assert_eq!(*tally, Tally { records, first, last, values }, "seed {seed}, {group:?}");
        }
    }
}

#[test]
fn several_windows_and_a_range_are_counted_together() {
    let at = |hour: i64| Timestamp((START_S as i64 + hour * 3_600) * 1_000_000_000);
    for hours in [[1, 2, 3, 4, 5, 6], [3, 1, 6, 2, 5, 4]] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path().join("store"), Options::new("acme.example/t")).unwrap();
        let events: Vec<String> = hours.iter().map(|hour| format!(r#"{{"ts":"{}"}}"#, at(*hour))).collect();
        store.append_batch(events).unwrap();
        let snapshot = store.snapshot().unwrap();
        for (from, until, within) in [(0, 9, 0..9), (2, 4, 0..9), (3, 9, 2..5), (5, 3, 0..9), (1, 6, 4..7)] {
            let since = Window { from: Some(at(from)), until: None };
            let until = Window { from: None, until: Some(at(until)) };
            let filter = Filter::Time(Clock::Event, since).and(Filter::Time(Clock::Event, until));
            let ask = || snapshot.search(&filter).unwrap().within(within.clone());
            assert_eq!(ask().total().unwrap(), seqs(ask()).len() as u64, "{hours:?} {filter:?} {within:?}");
        }
    }
}

#[test]
fn a_snapshot_answers_the_same_while_the_log_goes_on() {
    let mut random = Random(99);
    let dir = tempfile::tempdir().unwrap();
    let store = random_store(dir.path(), &mut random);
    let snapshot = store.snapshot().unwrap();
    let filters: Vec<Filter> = (0..30).map(|_| random_filter(&mut random, 2, 200)).collect();
    let answers = |snapshot: &Snapshot| -> Vec<Vec<Seq>> {
        filters.iter().map(|filter| seqs(snapshot.search(filter).unwrap())).collect()
    };
    let before = answers(&snapshot);
    for _ in 0..3 {
        write(&store, &mut random, 40);
        assert_eq!(answers(&snapshot), before);
        store.seal().unwrap();
        assert_eq!(answers(&snapshot), before);
        for filter in filters.iter().chain([&Filter::everything()]) {
            check(&store.snapshot().unwrap(), filter, &mut random);
            check(&snapshot, filter, &mut random);
        }
    }
}

#[test]
fn ids_are_found_by_what_is_remembered_of_the_youngest_segments() {
    let mut is_remembered = false;
    for seed in 0..6 {
        let mut random = Random(seed + 300);
        let dir = tempfile::tempdir().unwrap();
        let store = random_store(dir.path(), &mut random);
        for _ in 0..3 {
            let snapshot = store.snapshot().unwrap();
            for _ in 0..256 {
                assert_eq!(snapshot.count(&Filter::Ids(vec!["nowhere".to_owned()])).unwrap(), 0);
            }
            for _ in 0..30 {
                let ids = (0..1 + random.below(2)).map(|_| format!("e{}", random.below(130))).collect();
                check(&snapshot, &Filter::Ids(ids), &mut random);
            }
            check(&snapshot, &Filter::Ids(vec!["7".to_owned()]), &mut random);
            let as_of = snapshot.search(&Filter::everything()).unwrap().as_of;
            is_remembered |= as_of.id_runs.get().is_some_and(|runs| !runs.is_empty());
            write(&store, &mut random, 30);
            store.seal().unwrap();
        }
        store.close().unwrap();
        // One of the sidecars that they are gathered of is damaged: it is asked itself, and made anew.
        let sidecar = dir.path().join("log").join("00000000000000000000.idx");
        let mut bytes = std::fs::read(&sidecar).unwrap();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 2;
        std::fs::write(&sidecar, bytes).unwrap();
        let store = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
        let snapshot = store.snapshot().unwrap();
        for n in 0..20 {
            check(&snapshot, &Filter::Ids(vec![format!("e{n}")]), &mut random);
        }
    }
    assert!(is_remembered);
}

#[test]
fn one_record_of_many_values_is_no_more_groups_than_there_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), Options::new("test.example/answers")).unwrap();
    let list = |name: &str| {
        let values: Vec<String> = (0..250).map(|n| format!("\"{name}{n}\"")).collect();
        values.join(",")
    };
    let profile = r#"
name = "wide"
version = "1"
[[field]]
name = "one"
paths = ["one[]"]
all = true
[[field]]
name = "two"
paths = ["two[]"]
all = true
[[field]]
name = "three"
paths = ["three[]"]
all = true
"#;
    let source = store.source(&Profile::parse(profile).unwrap()).unwrap();
    let event = format!(r#"{{"one":[{}],"two":[{}],"three":[{}]}}"#, list("a"), list("b"), list("c"));
    let event = store.prepare(&source, event.into_bytes(), &Masking::default()).unwrap();
    store.commit(vec![event], OnDuplicate::Keep).unwrap();
    let snapshot = store.snapshot().unwrap();
    let all = Filter::everything();
    assert_eq!(snapshot.count_by(&all, &["one", "two"]).unwrap().counts.len(), 250 * 250 + 1);
    let refused = snapshot.count_by(&all, &["one", "two", "three"]);
    assert!(matches!(refused, Err(Error::OverLimit { .. })));
}

#[test]
fn counts_by_a_field_leave_the_search_and_what_is_remembered_as_they_were() {
    let mut random = Random(77);
    let dir = tempfile::tempdir().unwrap();
    let store = random_store(dir.path(), &mut random);
    let snapshot = store.snapshot().unwrap();
    let all = Filter::everything();
    let mut begun = snapshot.search(&all).unwrap();
    begun.next().unwrap().unwrap();
    begun.group_by(&["kind"]).unwrap();
    for _ in 0..2 {
        let mut search = snapshot.search(&all).unwrap();
        assert_eq!(search.group_by(&["kind"]).unwrap().records, snapshot.tree_size());
        assert_eq!(search.total().unwrap(), snapshot.tree_size());
        assert_eq!(search.group_by(&["kind"]).unwrap().records, snapshot.tree_size());
    }
}

#[test]
fn the_words_of_a_field_come_with_their_counts() {
    let mut random = Random(8);
    let dir = tempfile::tempdir().unwrap();
    let store = random_store(dir.path(), &mut random);
    let snapshot = store.snapshot().unwrap();
    for name in ["run", "kind", "control", "source", "day", "label", "nothing"] {
        let mut expected: BTreeMap<OwnedTerm, u64> = BTreeMap::new();
        let (mut present, mut unreadable) = (0, 0);
        scan(&snapshot, &Filter::everything(), |_, subject| {
            let keys = keys(subject, name);
            unreadable += u64::from(keys.contains(&GroupKey::Unreadable));
            present += u64::from(keys.iter().any(|key| matches!(key, GroupKey::Term(_))));
            for key in keys {
                if let GroupKey::Term(term) = key {
                    *expected.entry(term).or_default() += 1;
                }
            }
        });
        assert_eq!(snapshot.terms(name, None).unwrap(), expected, "{name}");
        let glob = Glob::new("run_*");
        expected.retain(|term, _| term.kind == TermKind::Text && glob.matches(&term.bytes));
        assert_eq!(snapshot.terms(name, Some(&glob)).unwrap(), expected, "{name}");
        let fields = snapshot.fields().unwrap();
        let field = fields.iter().find(|field| field.name == name);
        assert_eq!(field.map_or((0, 0), |field| (field.present, field.unreadable)), (present, unreadable));
    }
}

#[test]
fn records_of_a_growing_log_are_read_again_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("store"), Options::new("acme.example/test")).unwrap();
    // Now each in a frame of its own, now ten in one, and more frames than are kept in memory.
    let event = |n: usize| format!(r#"{{"kind":"x","n":{n},"text":"{}"}}"#, "y".repeat(n));
    for n in 0..20 {
        store.append(event(n).as_bytes()).unwrap();
    }
    store.append_batch((20..30).map(event)).unwrap();
    store.append_batch((30..40).map(event)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let filter =
        Filter::Field(Field::Name("kind".to_owned()), Test::Equals(vec![Value::Text("x".to_owned())]));
    let expected: Vec<(Seq, Vec<u8>)> = snapshot
        .records(..)
        .map(|record| record.unwrap())
        .filter(|r| r.source != 0)
        .map(|record| (record.seq, record.body))
        .collect();
    assert_eq!(expected.len(), 40);
    for round in 0..3 {
        let hits = snapshot.search(&filter).unwrap().map(|hit| hit.unwrap());
        let found: Vec<(Seq, Vec<u8>)> = hits.map(|hit| (hit.seq, hit.body().to_vec())).collect();
        assert_eq!(found, expected, "round {round}");
        // Few of a frame, many in a row, and all of it.
        let some = Filter::Field(Field::Path("n".parse().unwrap()), Test::Exists);
        assert_eq!(seqs(snapshot.search(&some).unwrap()).len(), 40, "round {round}");
        let text = Filter::Text("y".repeat(30));
        assert_eq!(snapshot.count(&text).unwrap(), 10, "round {round}");
    }
}

#[test]
fn terms_are_found_however_often_a_field_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("store"), Options::new("acme.example/test")).unwrap();
    // Every third is not there, and every fifth is there twice; the last ones are in the active segment.
    let is_there = |n: u64| !n.is_multiple_of(3);
    let events = |from: u64, to: u64| {
        let all = (from..to)
            .filter(move |n| is_there(*n))
            .flat_map(|n| vec![n; if n.is_multiple_of(5) { 2 } else { 1 }]);
        all.map(|n| format!(r#"{{"run_id":"run_{n}","kind":"x"}}"#))
    };
    store.append_batch(events(0, 900)).unwrap();
    store.seal().unwrap();
    store.append_batch(events(900, 1000)).unwrap();
    let snapshot = store.snapshot().unwrap();
    for n in 0..1100 {
        let run = Value::Text(format!("run_{n}"));
        let filter = Filter::Field(Field::Name("run".to_owned()), Test::Equals(vec![run]));
        let expected = if n >= 1000 || !is_there(n) { 0 } else { 1 + u64::from(n.is_multiple_of(5)) };
        assert_eq!(snapshot.count(&filter).unwrap(), expected, "{n}");
    }
}

#[test]
fn terms_that_are_asked_for_again_are_found_in_segments_old_and_new() {
    let mut random = Random(31);
    let dir = tempfile::tempdir().unwrap();
    // Not so long that a part of the active segment is a view of its own.
    let options = Options::new("test.example/again").allocate_len(1 << 20).segment_len(4 << 20);
    let store = Store::create(dir.path(), options).unwrap();
    let mut snapshots = Vec::new();
    for round in 0..11 {
        // Enough for bitmaps with arrays and with bits, of some terms; in some segments a term is not there at all.
        let event = |n: u64| {
            let kind = if n.is_multiple_of(2 + round % 4) { "deploy" } else { "tool.call" };
            let (agent, control) = (n * 7 % (3 + round), n * 5 % 11);
            format!(
                r#"{{"event_id":"{round}-{n}","agent_id":"a{agent}","kind":"{kind}","controls":["C-{control}"]}}"#
            )
        };
        store.append_batch((0..300 + random.below(300)).map(event)).unwrap();
        snapshots.push(store.snapshot().unwrap());
        store.seal().unwrap();
        snapshots.push(store.snapshot().unwrap());
        for _ in 0..6 {
            let agent = format!("a{}", random.below(15));
            let kind = pick(&mut random, &["deploy", "tool.call", "none"]);
            let filter = Filter::All(vec![is("kind", kind), is("agent", &agent)]);
            let control = is("control", &format!("C-{}", random.below(12)));
            let snapshot = &snapshots[random.below(snapshots.len() as u64) as usize];
            check(snapshot, &filter.clone().and(control.clone()), &mut random);
            check(snapshot, &filter.and(Filter::Not(Box::new(Filter::StoreRecord))), &mut random);
            check(snapshot, &Filter::All(vec![is("agent", &agent), control]), &mut random);
        }
    }
}

#[test]
fn a_search_can_be_stopped_and_says_how_far_it_is() {
    let mut random = Random(9);
    let dir = tempfile::tempdir().unwrap();
    let store = random_store(dir.path(), &mut random);
    write(&store, &mut random, 50);
    let snapshot = store.snapshot().unwrap();
    let watch = Arc::new(Watch::default());
    let filter = Filter::Field(Field::Path("kind".parse().unwrap()), Test::Exists);
    let mut search = snapshot.search(&filter).unwrap().watched_by(Arc::clone(&watch));
    let seen = search.by_ref().take(20).last().unwrap().unwrap();
    let (passed, total) = watch.progress();
    assert!((1..=seen.seq + 1).contains(&passed) && total == snapshot.tree_size(), "{passed} of {total}");
    watch.cancel();
    assert!(matches!(search.next(), Some(Err(Error::Cancelled))));
    assert!(search.next().is_none());
    let mut search = snapshot.search(&filter).unwrap().watched_by(Arc::default());
    assert!(search.by_ref().all(|hit| hit.is_ok()));
    let watch = Arc::new(Watch::default());
    let total = snapshot.search(&filter).unwrap().watched_by(Arc::clone(&watch)).total().unwrap();
    assert!(total > 0);
    assert_eq!(watch.progress(), (snapshot.tree_size(), snapshot.tree_size()));
}
