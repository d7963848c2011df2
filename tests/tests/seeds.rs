//! What the fuzzing starts from, `fuzz/corpus/<target>/seed-*`: made here, and checked to be what this release
//! writes, so that a change of the format cannot leave the fuzzing with inputs that are refused at the door.
//!
//! `INDELIBLE_WRITE_SEEDS=1 cargo test -p indelible-tests seeds` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::bundle::{Candidates, Challenge, EVIDENCE_MEMBERS, Scope, pack};
use indelible_engine::disk::Mapped;
use indelible_engine::filter::{Clock, Field, Filter, Test, Value, Window};
use indelible_engine::format::admin::{Admin, Document, Drilled, DrilledTier, Seal, StoredRule, Verified};
use indelible_engine::format::directory::Directory;
use indelible_engine::format::entry::Entry;
use indelible_engine::format::failures::Failures;
use indelible_engine::format::frame::{
    Body, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, LabelBuf, Labels,
};
use indelible_engine::format::head::Head;
use indelible_engine::format::log_header::{LOG_HEADER_LEN, LogHeader};
use indelible_engine::format::retention::{ArtifactPut, Collecting};
use indelible_engine::hash::{Hash, SegmentSalt};
use indelible_engine::index::{IndexBuilder, IndexedRecord};
use indelible_engine::segment::{
    Locator, PackWriter, SegmentFacts, Sidecar, encode_directory, encode_sidecar,
};
use indelible_engine::source::{Fields, Profile, shipped};
use indelible_engine::trust::{Checkpoint, CosignerKey, Note, Policy, SigningKey};
use indelible_engine::{Options, Origin, SegmentId, Seq, Store, StoreId, Timestamp};
use indelible_tests::golden;

const EVENTS: [&str; 6] = [
    r#"{"kind":"tool","id":"e-1","time":"2026-05-01T12:00:00Z","run":"r-1","cost":1.50}"#,
    r#"{"kind":"model","id":"e-2","time":"2026-05-01T12:00:01.5+02:00","run":"r-1","tokens":{"in":12,"out":-3e2}}"#,
    r#" { "kind" : "a\u00e9\ud83d\ude00\n" , "list" : [ 1 , 2.50 , "x" , null , true , [ ] , { } ] } "#,
    r#"{"time":"never","id":null,"n":1234567890123456789012345678901234567890,"z":-0.0}"#,
    r#"{"Records":[{"eventID":"1"},{"eventID":"2","a":{"b":[{"c":{}}]}}]}"#,
    r#"{"token":"ghp_0123456789abcdefghijABCDEFGHIJ012345","text":"AKIAIOSFODNN7EXAMPLE"}"#,
];

/// Each seed by `target/name`.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let mut add = |name: &str, bytes: Vec<u8>| seeds.insert(name.to_owned(), bytes);
    add("frame/seed-records", frame());
    add("frame/seed-close", close_frame());
    add("entry/seed-labelled", entry());
    // Both end in zeros and a checksum: the target puts them back.
    add("log_header/seed-seven-records", without_tail(log_header().encode().as_slice()));
    add("head/seed-seven-records", without_tail(head().encode().as_slice()));
    add("head/seed-failures", without_tail(failures().encode().as_slice()));
    for (index, admin) in admins().into_iter().enumerate() {
        add(&format!("admin/seed-{index}"), admin.encode());
    }
    add("codec/seed-catalog", catalog());
    let (note, checkpoint, key) = note();
    add("note/seed-note", note);
    add("note/seed-checkpoint", checkpoint);
    add("note/seed-key", key);
    let (cosigner, policy) = witnesses();
    add("note/seed-cosigner-key", cosigner);
    add("note/seed-policy", policy);
    for (name, bytes) in bundles() {
        add(&format!("bundle/seed-{name}"), bytes);
    }
    add("sidecar/seed-empty", sidecar(7, &[]));
    add("sidecar/seed-six-events", sidecar(7, &EVENTS));
    add("directory/seed-one-segment", directory(&[&EVENTS]));
    add("directory/seed-composite", composite_directory());
    add("pack/seed-six-events", warm_pack());
    for (index, event) in EVENTS.iter().enumerate() {
        add(&format!("event/seed-{index}"), event.as_bytes().to_vec());
    }
    for shipped in shipped() {
        add(&format!("profile/seed-{}", shipped.name), shipped.text.as_bytes().to_vec());
    }
    // The examples of the language's page.
    let page = include_str!("../../docs/QUERY.md");
    for (index, question) in page.lines().filter_map(|line| line.strip_prefix("> ")).enumerate() {
        add(&format!("query/seed-{index}"), question.as_bytes().to_vec());
    }
    seeds
}

/// A pack of a log of one frame of records and a close frame.
fn warm_pack() -> Vec<u8> {
    let (mut bytes, runs) = (Vec::new(), [0, 1, 0, 1, 0, 1]);
    let log_header = LogHeader { first_seq: 0, frontier: Vec::new(), ..log_header() }.encode();
    let mut pack = PackWriter::new(&mut bytes, log_header, &runs).expect("memory takes it");
    let mut at = LOG_HEADER_LEN as u64;
    for frame in [frame(), close_frame()] {
        let (header, payload) = indelible_engine::format::frame::decode(&frame).expect("a frame");
        pack.push(at, &header, payload).expect("memory takes it");
        at += header.frame_len();
    }
    pack.finish(at).expect("memory takes it");
    bytes
}

fn labels() -> LabelBuf {
    let mut labels = LabelBuf::default();
    labels.push("masked:secret").expect("a label");
    labels.push("é").expect("a label");
    labels
}

fn frame() -> Vec<u8> {
    let labels = labels();
    let mut frame = vec![0; FRAME_HEADER_LEN];
    for (source, event) in (3..).zip(EVENTS) {
        let labels = if source == 4 { labels.as_labels() } else { Labels::default() };
        FrameRecord { encoding: 0, source, labels, body: Body::Whole(event.as_bytes()) }
            .encode_into(&mut frame);
    }
    header(FrameKind::Records, EVENTS.len() as u32).seal(&mut frame);
    frame
}

fn close_frame() -> Vec<u8> {
    let mut frame = vec![0; FRAME_HEADER_LEN];
    header(FrameKind::Close, 0).seal(&mut frame);
    frame
}

fn header(kind: FrameKind, count: u32) -> FrameHeader {
    FrameHeader {
        kind,
        payload_len: 0,
        count,
        first_seq: 7,
        received_at: Timestamp(1_775_035_800_000_000_000),
        synced_len: 2048,
        predecessor: Hash([9; 32]),
    }
}

fn entry() -> Vec<u8> {
    let labels = labels();
    let mut bytes = Vec::new();
    Entry {
        encoding: 0,
        source: 3,
        seq: 7,
        received_at: Timestamp(-1),
        body_len: 12,
        labels: labels.as_labels(),
        predecessor: Hash([9; 32]),
        body_hash: Hash([8; 32]),
    }
    .encode_into(&mut bytes);
    bytes
}

fn log_header() -> LogHeader {
    LogHeader {
        store_id: StoreId([5; 16]),
        first_seq: 7,
        created_at: Timestamp(1_775_035_800_000_000_000),
        predecessor: Hash([9; 32]),
        salt: SegmentSalt([4; 32]),
        rewritten_by: 0,
        frontier: vec![Hash([1; 32]), Hash([2; 32]), Hash([3; 32])],
    }
}

fn head() -> Head {
    Head {
        turn: 3,
        store_id: StoreId([5; 16]),
        boot_id: [6; 16],
        generation: 2,
        active: SegmentId(0),
        durable_len: 4096,
        written_len: 4200,
        next_seq: 7,
        last_leaf: Hash([9; 32]),
        received_at: Timestamp(1_775_035_800_000_000_000),
        since_boot_ns: 12,
        admin_end: 2,
        closed: false,
        rolling: true,
        frontier: vec![Hash([1; 32]), Hash([2; 32]), Hash([3; 32])],
    }
}

fn without_tail(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len() - 4];
    let end = body.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    body[..end].to_vec()
}

fn admins() -> Vec<Admin> {
    vec![
        Admin::Created {
            forked_from: None,
            format: 1,
            log_key: Some("example.org/log+0+AA==".to_owned()),
            origin: "example.org/log".to_owned(),
            retention: "forever".to_owned(),
            store_id: "05".repeat(16),
        },
        Admin::Sealed(Seal {
            end_seq: 9,
            first_seq: 0,
            index_root: "0a".repeat(32),
            root: "0b".repeat(32),
            rules: "0c".repeat(32),
        }),
        Admin::Source { name: "x".to_owned(), profile: "name = \"x\"\n".to_owned() },
        Admin::Clock { step_ns: -5 },
        Admin::Rules {
            name: "x".to_owned(),
            rules: vec![StoredRule {
                labels: vec!["A:1".to_owned()],
                when: serde_json::json!({"text": "x"}),
            }],
            text: String::new(),
            version: "1".to_owned(),
        },
        Admin::Mapping(document()),
        Admin::Artifact(ArtifactPut { artifact: format!("blake3:{}", "0e".repeat(32)), len: 7 }),
        Admin::Collecting(Collecting {
            artifacts: vec![format!("blake3:{}", "0e".repeat(32))],
            bytes: 71,
            plan: 6,
        }),
        Admin::Pack(document()),
        Admin::Verified(Verified {
            checkpoint_size: None,
            duration_ms: 17,
            findings: [("damaged".to_owned(), 2)].into(),
            full_count: 9,
            record_count: 10,
            root: Some("0d".repeat(32)),
            scope: "subset 3/7".to_owned(),
            verdict: "damaged".to_owned(),
            version: "x 1".to_owned(),
        }),
        Admin::Drilled(Drilled {
            checkpoint_size: 10,
            seed: "x".to_owned(),
            tiers: vec![DrilledTier {
                drawn_count: 3,
                failed_count: 1,
                longest_us: 70,
                record_count: 9,
                tier: "warm".to_owned(),
                took_us: 90,
            }],
            verdict: "incomplete".to_owned(),
            version: "x 1".to_owned(),
        }),
    ]
}

fn document() -> Document {
    Document { name: "x".to_owned(), text: "# x".to_owned(), version: "1".to_owned() }
}

/// The layout of the codec for what the target calls a catalog, without its checksum.
fn catalog() -> Vec<u8> {
    let mut bytes = vec![5; 16];
    let numbers = |bytes: &mut Vec<u8>, numbers: &[u64]| {
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    };
    // admin_end; one place; two places; a name of one byte.
    numbers(&mut bytes, &[3, 1, 0, 0, 2048, 2, 0, 9, 4096, 9, 12, 2300, 1]);
    bytes.push(b'n');
    numbers(&mut bytes, &[2]);
    bytes.extend_from_slice(&[1, 2]);
    bytes
}

fn note() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let key = SigningKey::from_seed("example.org/log", [1; 32]).expect("a key");
    let origin = "example.org/log".parse::<Origin>().expect("an origin");
    let checkpoint = Checkpoint::new(&origin, 7, Hash([9; 32]));
    let note = checkpoint.sign(&key).expect("a signature").to_string();
    let text = checkpoint.encode().expect("a checkpoint");
    let key = indelible_engine::trust::Signer::verifier(&key).to_string();
    (note.into_bytes(), text.into_bytes(), key.into_bytes())
}

/// A witness's key, and a policy that asks for one of two.
fn witnesses() -> (Vec<u8>, Vec<u8>) {
    let key = |seed: u8| {
        let key = SigningKey::from_seed(&format!("w{seed}.example.org"), [seed; 32]).expect("a key");
        CosignerKey::of(indelible_engine::trust::Signer::verifier(&key)).to_string()
    };
    let (one, two) = (key(2), key(3));
    let policy = format!(
        "witness one {one}\nwitness two {two} https://w3.example.org/\ngroup g any one two\nquorum g\n"
    );
    Policy::decode(policy.as_bytes()).expect("a policy");
    (one.into_bytes(), policy.into_bytes())
}

fn failures() -> Failures {
    Failures {
        disk_full: 3,
        io: 1,
        closing: 1,
        closed: 9,
        last_at: Some(Timestamp(1_775_035_800_000_000_000)),
    }
}

/// Bundles of questions to golden stores: one that shows a posting, one that shows vocabularies, one that shows nothing, and one
/// of a log from which records were deleted.
fn bundles() -> Vec<(&'static str, Vec<u8>)> {
    let equals = |word: &str| {
        Filter::Field(Field::Name("kind".to_owned()), Test::Equals(vec![Value::Word(word.to_owned())]))
    };
    let window = Window { from: None, until: Some(Timestamp(1_775_000_000_000_000_000)) };
    let vocabulary = Filter::Any(vec![equals("store*"), Filter::Time(Clock::Event, window)]);
    let filters = vec![
        ("term", equals("store.source")),
        ("vocabulary", vocabulary),
        ("everything", Filter::everything()),
        ("challenge", equals("store.source")),
    ];
    let mut bundles = bundles_of("two-segments", filters);
    bundles.extend(bundles_of("deleted", vec![("deleted", equals("tool.call"))]));
    bundles
}

fn bundles_of(name: &str, filters: Vec<(&'static str, Filter)>) -> Vec<(&'static str, Vec<u8>)> {
    let golden = golden::all().expect("golden stores");
    let golden = golden.into_iter().find(|golden| golden.name == name).expect("this one");
    let dir = tempfile::tempdir().expect("a directory");
    golden::write(&golden, dir.path()).expect("a store");
    let note = Note::decode(&golden.files["checkpoint"]).expect("a checkpoint");
    let size = Checkpoint::decode(note.text()).expect("a checkpoint").size;
    let store =
        Store::open(dir.path().join(golden.name), Options::new(golden::ORIGIN)).expect("the store opens");
    let snapshot = store.snapshot().expect("a snapshot");
    filters
        .into_iter()
        .map(|(name, filter)| {
            let is_challenged = name == "challenge";
            let challenge = is_challenged.then(|| Challenge { sample: 3, seed: "seed".to_owned() });
            let candidates = Candidates::All;
            let scope = Scope { seqs: 0..size, filters: vec![filter], candidates, challenge };
            let mut evidence = snapshot.export(&scope, &note).expect("a bundle");
            if is_challenged {
                evidence.extends = Some(snapshot.prove_extension(size / 2, &note).expect("a proof"));
            }
            let members = evidence.members();
            let members: Vec<(&str, &[u8])> =
                EVIDENCE_MEMBERS.into_iter().zip(members.iter().map(Vec::as_slice)).collect();
            (name, pack(&members).expect("an archive"))
        })
        .collect()
}

fn directory(segments: &[&[&str]]) -> Vec<u8> {
    let mut next = 7;
    let sidecar = |events: &&[&str]| {
        let first_seq = next;
        next += events.len() as u64;
        Arc::new(Sidecar::open(Mapped::heap(sidecar(first_seq, events))).expect("a sidecar"))
    };
    let sidecars: Vec<Arc<Sidecar>> = segments.iter().map(sidecar).collect();
    encode_directory(&sidecars).expect("sidecars").expect("a directory")
}

/// A directory with a composite index: over four segments, in each of which 66 agents do something of two kinds.
fn composite_directory() -> Vec<u8> {
    let event = |n: usize| {
        let (agent, kind, padding) = (n % 66, n % 5 / 3, "x".repeat(300));
        format!(r#"{{"agent_id":"agent-{agent}","kind":"kind-{kind}","text":"{padding}"}}"#)
    };
    let events: Vec<String> = (0..280).map(event).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let segments: Vec<&[&str]> = events.chunks(70).collect();
    let bytes = directory(&segments);
    let directory = Directory::open(bytes.as_slice()).expect("a directory");
    assert_eq!(directory.composites().map(|composite| composite.lead_name()).collect::<Vec<_>>(), ["agent"]);
    bytes
}

fn sidecar(first_seq: Seq, events: &[&str]) -> Vec<u8> {
    let profile = Profile::evidence();
    let rules = profile.rules();
    let mut builder = IndexBuilder::new(first_seq);
    let mut locator = Locator::new();
    let mut fields = Fields::default();
    let labels = labels();
    let mut position = 2048;
    for (index, event) in events.iter().enumerate() {
        profile.extract(event.as_bytes(), &mut fields).expect("an event");
        let labels = labels.as_labels();
        let event_id = fields.event_id().map(indelible::hash::event_id_prefix);
        builder.add(IndexedRecord {
            source: 3,
            rules: &rules,
            encoding: 0,
            labels,
            fields: &fields,
            event_id,
        });
        locator.frame(position, event.len() as u32 + 16, Timestamp(index as i64));
        locator.record(event.len() + 16);
        position += FRAME_HEADER_LEN as u64 + 16 + event.len() as u64;
    }
    let leaves = vec![Hash([9; 32]); events.len()];
    let facts = SegmentFacts {
        rewritten_by: 0,
        store_id: StoreId([5; 16]),
        log_len: position,
        segment_root: Hash([8; 32]),
        leaves: &leaves,
        locator: &locator,
    };
    let mut bytes = Vec::new();
    encode_sidecar(&mut builder, &facts, &mut bytes).expect("a sidecar");
    bytes
}

#[test]
fn seeds_are_what_this_release_writes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let write = std::env::var_os("INDELIBLE_WRITE_SEEDS").is_some();
    for (name, bytes) in seeds() {
        let path = corpus.join(&name);
        if write {
            fs::create_dir_all(path.parent().expect("a target's directory")).expect("a directory");
            fs::write(&path, &bytes).expect("a seed is written");
        }
        let found = fs::read(&path).unwrap_or_default();
        assert!(found == bytes, "fuzz/corpus/{name} is not what this release writes: write the seeds anew");
    }
}
