//! The parts of the path that every event goes, one by one: `cargo bench -p indelible-benches --bench engine`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use indelible_benches::Events;
use indelible_engine::disk::Mapped;
use indelible_engine::format::entry::Entry;
use indelible_engine::format::frame::{Body, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, Labels};
use indelible_engine::hash::{self, Hash, LogTree, SegmentSalt};
use indelible_engine::index::{IndexBuilder, IndexedRecord, SourceRules};
use indelible_engine::merkle::Frontier;
use indelible_engine::segment::{Locator, SegmentFacts, Sidecar, encode_sidecar};
use indelible_engine::source::{Fields, Profile};
use indelible_engine::{StoreId, Timestamp};

const COUNT: usize = 1000;
/// About as many records as a segment has.
const SEGMENT_COUNT: usize = 100_000;
/// Records that come in while a segment's index is prepared off the lock.
const LATE_COUNT: usize = 500;

fn entry(seq: u64, body_len: u32) -> Entry<'static> {
    Entry {
        encoding: 0,
        source: 1,
        seq,
        received_at: Timestamp(seq as i64),
        body_len,
        labels: Labels::default(),
        predecessor: Hash::ZERO,
        body_hash: Hash::ZERO,
    }
}

fn hashing(criterion: &mut Criterion) {
    let events = Events::list(1, COUNT);
    let mut group = criterion.benchmark_group("hash");
    group.throughput(Throughput::Elements(COUNT as u64));
    let salt = SegmentSalt([7; 32]);
    group.bench_function("body", |bencher| {
        bencher.iter(|| {
            for (seq, event) in events.iter().enumerate() {
                black_box(hash::body(&salt.record(seq as u64), event));
            }
        });
    });
    let bodies: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    let mut hashes = Vec::new();
    group.bench_function("bodies side by side", |bencher| {
        bencher.iter(|| {
            hashes.clear();
            hash::bodies(&salt, 0, &bodies, &mut hashes);
            black_box(hashes.len())
        });
    });
    let mut scratch = Vec::new();
    group.bench_function("entry", |bencher| {
        bencher.iter(|| {
            for seq in 0..COUNT as u64 {
                black_box(entry(seq, 620).leaf(&mut scratch));
            }
        });
    });
    group.bench_function("merkle push", |bencher| {
        bencher.iter(|| {
            let mut frontier = Frontier::<LogTree>::new();
            for byte in 0..COUNT {
                frontier.push(Hash([byte as u8; 32]));
            }
            black_box(frontier.root())
        });
    });
    group.finish();
}

fn framing(criterion: &mut Criterion) {
    let events = Events::list(2, COUNT);
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(COUNT as u64));
    let header = FrameHeader {
        kind: FrameKind::Records,
        payload_len: 0,
        count: COUNT as u32,
        first_seq: 1,
        received_at: Timestamp(0),
        synced_len: 0,
        predecessor: Hash::ZERO,
    };
    let mut frame = Vec::new();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            frame.clear();
            frame.resize(FRAME_HEADER_LEN, 0);
            for event in &events {
                let record = FrameRecord {
                    encoding: 0,
                    source: 1,
                    labels: Labels::default(),
                    body: Body::Whole(event),
                };
                record.encode_into(&mut frame);
            }
            header.seal(&mut frame);
            black_box(frame.len())
        });
    });
    group.finish();
}

/// What the default profile finds in each of `events`.
fn extracted(events: &[Vec<u8>]) -> Vec<Fields> {
    let fields_of = |event: &Vec<u8>| {
        let mut fields = Fields::default();
        assert!(Profile::evidence().extract(event, &mut fields).is_ok());
        fields
    };
    events.iter().map(fields_of).collect()
}

fn add_all(builder: &mut IndexBuilder, rules: &SourceRules, records: &[Fields]) {
    for fields in records {
        let labels = Labels::default();
        let event_id = fields.event_id().map(hash::event_id_prefix);
        builder.add(IndexedRecord { source: 1, rules, encoding: 0, labels, fields, event_id });
    }
}

/// The index of a few records, which stays in the cache, and of as many as a segment has.
fn indexing(criterion: &mut Criterion) {
    let profile = Profile::evidence();
    let rules = profile.rules();
    let events = Events::list(3, SEGMENT_COUNT);
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(COUNT as u64));
    let mut fields = Fields::default();
    group.bench_function("extract", |bencher| {
        bencher.iter(|| {
            for event in &events[..COUNT] {
                fields.clear();
                black_box(profile.extract(event, &mut fields).is_ok());
            }
        });
    });
    let records = extracted(&events);
    drop(events);
    let filled = |count: usize| {
        let mut builder = IndexBuilder::new(0);
        add_all(&mut builder, &rules, &records[..count]);
        builder
    };
    group.bench_function("add", |bencher| bencher.iter(|| filled(COUNT)));
    group.bench_function("commitment", |bencher| {
        let setup = || filled(COUNT);
        bencher.iter_batched_ref(setup, |builder| black_box(builder.commitment()), BatchSize::LargeInput);
    });
    group.sample_size(10).throughput(Throughput::Elements(SEGMENT_COUNT as u64));
    group.bench_function("add, a segment", |bencher| bencher.iter(|| filled(SEGMENT_COUNT)));
    group.bench_function("first commitment, a segment", |bencher| {
        let setup = || filled(SEGMENT_COUNT);
        bencher.iter_batched_ref(setup, |builder| black_box(builder.commitment()), BatchSize::PerIteration);
    });
    // What a roll does under the lock: most of the segment is committed to already.
    group.throughput(Throughput::Elements(LATE_COUNT as u64));
    group.bench_function("commitment after some more", |bencher| {
        let setup = || {
            let mut builder = filled(SEGMENT_COUNT - LATE_COUNT);
            builder.commitment();
            add_all(&mut builder, &rules, &records[SEGMENT_COUNT - LATE_COUNT..]);
            builder
        };
        bencher.iter_batched_ref(setup, |builder| black_box(builder.commitment()), BatchSize::PerIteration);
    });
    group.finish();
}

/// A sidecar of as many records as a segment has: encoding it, opening it, checking all of it.
fn sidecar(criterion: &mut Criterion) {
    let rules = Profile::evidence().rules();
    let records = extracted(&Events::list(4, SEGMENT_COUNT));
    let mut builder = IndexBuilder::new(0);
    add_all(&mut builder, &rules, &records);
    builder.commitment();
    let mut locator = Locator::new();
    for frame in 0..(SEGMENT_COUNT / COUNT) as u64 {
        locator.frame(frame * 700_000, 640_000, Timestamp(frame as i64));
        (0..COUNT).for_each(|_| locator.record(640));
    }
    let leaves = vec![Hash::ZERO; SEGMENT_COUNT];
    let facts = SegmentFacts {
        rewritten_by: 0,
        store_id: StoreId([5; 16]),
        log_len: 1 << 40,
        segment_root: Hash::ZERO,
        leaves: &leaves,
        locator: &locator,
    };
    let mut bytes = Vec::new();
    let mut group = criterion.benchmark_group("sidecar");
    group.sample_size(10).throughput(Throughput::Elements(SEGMENT_COUNT as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            black_box(encode_sidecar(&mut builder, &facts, &mut bytes).is_ok())
        });
    });
    let mapped = || Mapped::heap(bytes.clone());
    group.bench_function("open", |bencher| {
        bencher.iter_batched(
            mapped,
            |bytes| black_box(Sidecar::open(bytes).is_ok()),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("open and check all", |bencher| {
        let check = |bytes| Sidecar::open(bytes).and_then(|sidecar| sidecar.check_all());
        bencher.iter_batched(mapped, |bytes| black_box(check(bytes).is_ok()), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, hashing, framing, indexing, sidecar);
criterion_main!(benches);
