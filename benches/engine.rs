//! The parts of the path that every event goes, one by one: `cargo bench -p indelible-benches --bench engine`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use indelible_benches::Events;
use indelible_engine::Timestamp;
use indelible_engine::format::entry::Entry;
use indelible_engine::format::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, Labels};
use indelible_engine::hash::{self, Hash, LogTree, SegmentSalt};
use indelible_engine::index::{IndexBuilder, IndexedRecord};
use indelible_engine::merkle::Frontier;
use indelible_engine::source::{Fields, Profile};

const COUNT: usize = 1000;

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
                let record = FrameRecord { encoding: 0, source: 1, labels: Labels::default(), body: event };
                record.encode_into(&mut frame);
            }
            header.seal(&mut frame);
            black_box(frame.len())
        });
    });
    group.finish();
}

fn indexing(criterion: &mut Criterion) {
    let profile = Profile::evidence();
    let events = Events::list(3, COUNT);
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(COUNT as u64));
    let mut fields = Fields::default();
    group.bench_function("extract", |bencher| {
        bencher.iter(|| {
            for event in &events {
                fields.clear();
                black_box(profile.extract(event, &mut fields).is_ok());
            }
        });
    });
    let extracted: Vec<Fields> = events
        .iter()
        .map(|event| {
            let mut fields = Fields::default();
            assert!(profile.extract(event, &mut fields).is_ok());
            fields
        })
        .collect();
    let rules = profile.rules();
    let filled = || {
        let mut builder = IndexBuilder::new(0);
        for fields in &extracted {
            builder.add(IndexedRecord {
                source: 1,
                rules: &rules,
                encoding: 0,
                labels: Labels::default(),
                fields,
            });
        }
        builder
    };
    group.bench_function("add", |bencher| bencher.iter(filled));
    group.bench_function("commitment", |bencher| {
        bencher.iter_batched_ref(filled, |builder| black_box(builder.commitment()), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, hashing, framing, indexing);
criterion_main!(benches);
