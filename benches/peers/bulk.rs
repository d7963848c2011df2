//! Taking in a file of events, from reading it to having all durable, indexed and sealed.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use indelible_benches::stores::Lmdb;
use indelible_benches::{Events, Fields};
use indelible_engine::{Masking, OnDuplicate, Options, Prepared, Store};
use sha2::{Digest, Sha256};

use crate::stores::{Fjall, Sqlite};
use indelible_benches::Result;
use indelible_benches::harness::{Bench, Contender, Row, Table, Target, Unit, len_below, rounds};

/// How much is read, prepared and committed at once.
const CHUNK_LEN: usize = 1 << 20;
/// Length of an entry: what the log's tree hashes of each record, beside the byte that marks a leaf.
const ENTRY_LEN: usize = 96;
const WORKERS: usize = 2;

/// The whole lines of a file, about a mebibyte of them at once, numbered in order.
struct Chunks {
    state: Mutex<ChunkState>,
}

struct ChunkState {
    file: File,
    next: u64,
    at: u64,
    rest: Vec<u8>,
}

struct Chunk {
    number: u64,
    /// Its offset in the file.
    at: u64,
    bytes: Vec<u8>,
}

impl Chunks {
    fn open(path: &Path) -> Result<Self> {
        let state = ChunkState { file: File::open(path)?, next: 0, at: 0, rest: Vec::new() };
        Ok(Chunks { state: Mutex::new(state) })
    }

    fn next(&self) -> Result<Option<Chunk>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = std::mem::take(&mut state.rest);
        bytes.reserve(CHUNK_LEN);
        let room = (CHUNK_LEN - bytes.len()) as u64;
        (&state.file).take(room).read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if end == 0 {
            return Ok(None);
        }
        state.rest = bytes.split_off(end);
        let (number, at) = (state.next, state.at);
        state.next += 1;
        state.at += end as u64;
        Ok(Some(Chunk { number, at, bytes }))
    }
}

/// The lines of a chunk, each of which has its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', bytes)
        .filter_map(move |end| bytes.get(std::mem::replace(&mut start, end + 1)..end))
}

/// Lets threads pass in the order of their numbers.
#[derive(Default)]
struct Turns {
    next: Mutex<u64>,
    changed: Condvar,
}

impl Turns {
    fn take<T>(&self, number: u64, work: impl FnOnce() -> T) -> T {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        while *next != number {
            next = self.changed.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        drop(next);
        let result = work();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
        result
    }
}

/// Has all chunks of `input` handled by as many threads as there are workers.
fn by_workers(input: &Path, work: impl Fn(Chunk) -> Result + Sync) -> Result {
    let chunks = Chunks::open(input)?;
    let (chunks, work) = (&chunks, &work);
    thread::scope(|scope| {
        let run = move || {
            while let Some(chunk) = chunks.next()? {
                work(chunk)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..WORKERS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a worker broke off")?)
    })
}

fn indelible(input: &Path, place: &Path) -> Result {
    let store = Store::create(place, Options::new("bench.example/bulk"))?;
    let source = store.source(indelible_engine::source::Profile::evidence())?;
    let (masking, turns) = (Masking::default(), Turns::default());
    by_workers(input, |chunk| {
        let (number, chunk) = (chunk.number, Bytes::from(chunk.bytes));
        let events: indelible_engine::Result<Vec<Prepared>> =
            lines(&chunk).map(|line| store.prepare(&source, chunk.slice_ref(line), &masking)).collect();
        turns.take(number, || store.commit(events?, OnDuplicate::Keep))?;
        Ok(())
    })?;
    store.seal()?;
    Ok(store.close()?)
}

/// Reads, parses, hashes and writes, and nothing else.
fn floor(input: &Path, place: &Path) -> Result {
    let output = File::create(place)?;
    by_workers(input, |chunk| {
        let mut sum = 0_u8;
        let mut entry = [0; 1 + ENTRY_LEN];
        for line in lines(&chunk.bytes) {
            let fields = Fields::of(line)?;
            entry[60..92].copy_from_slice(blake3::hash(line).as_bytes());
            sum ^= Sha256::digest(entry)[0] ^ fields.kind.len() as u8;
        }
        std::hint::black_box(sum);
        Ok(output.write_all_at(&chunk.bytes, chunk.at)?)
    })?;
    Ok(output.sync_data()?)
}

fn sqlite(input: &Path, place: &Path) -> Result {
    let mut store = Sqlite::create(place)?;
    let chunks = Chunks::open(input)?;
    while let Some(chunk) = chunks.next()? {
        let lines: Vec<&[u8]> = lines(&chunk.bytes).collect();
        lines.chunks(1000).try_for_each(|events| store.append(events))?;
    }
    Ok(())
}

fn fjall(input: &Path, place: &Path) -> Result {
    let mut store = Fjall::create(place)?;
    let chunks = Chunks::open(input)?;
    while let Some(chunk) = chunks.next()? {
        let lines: Vec<&[u8]> = lines(&chunk.bytes).collect();
        lines.chunks(1000).try_for_each(|events| store.append(events))?;
    }
    Ok(())
}

fn lmdb(input: &Path, place: &Path) -> Result {
    let mut store = Lmdb::open(place, true)?;
    let chunks = Chunks::open(input)?;
    loop {
        let mut batch = Vec::new();
        while batch.len() < LMDB_CHUNKS {
            let Some(chunk) = chunks.next()? else { break };
            batch.push(chunk);
        }
        if batch.is_empty() {
            return Ok(());
        }
        store.append(&batch.iter().flat_map(|chunk| lines(&chunk.bytes)).collect::<Vec<_>>())?;
    }
}

#[cfg(feature = "tantivy")]
fn tantivy(input: &Path, place: &Path) -> Result {
    let index = indelible_benches::stores::Tantivy::open(place)?;
    let mut writer = index.writer(WORKERS)?;
    by_workers(input, |chunk| lines(&chunk.bytes).try_for_each(|line| index.add(&writer, line)))?;
    writer.commit()?;
    Ok(writer.wait_merging_threads()?)
}

/// Bytes that this process has sent towards the disk so far.
fn written() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes")?.parse()?)
}

const FLOOR: &str = "floor: read, parse, hash, write";
const SQLITE: &str = "SQLite, 1,000 a transaction";
const FJALL: &str = "fjall, 1,000 a batch";
/// With the indexes that the queries benchmark needs and no others.
const LMDB: &str = "LMDB, 32 MiB a transaction";
const LMDB_CHUNKS: usize = 32;

/// All fields as terms, one commit.
#[cfg(feature = "tantivy")]
const TANTIVY: &str = "tantivy, 2 + 2 threads, one commit";

type Work = fn(&Path, &Path) -> Result;
const CONTENDERS: &[(&str, Work)] = &[
    ("Indelible", indelible),
    (FLOOR, floor),
    (SQLITE, sqlite),
    (FJALL, fjall),
    (LMDB, lmdb),
    #[cfg(feature = "tantivy")]
    (TANTIVY, tantivy),
];

/// What the rounds of one contender wrote, as multiples of the bytes received.
#[derive(Default)]
struct Tally {
    written: Vec<f64>,
    kept: Vec<f64>,
}

/// The work that each contender gets.
struct Load<'a> {
    bench: &'a Bench,
    input: &'a Path,
    count: usize,
    received: f64,
}

impl Load<'_> {
    fn measure(&self, tally: &mut Tally, work: Work) -> Result<f64> {
        let place = self.bench.place("bulk.store")?;
        let (start, written_before) = (Instant::now(), written()?);
        work(self.input, &place)?;
        let rate = self.count as f64 / start.elapsed().as_secs_f64();
        tally.written.push((written()? - written_before) / self.received);
        tally.kept.push(len_below(&place)? as f64 / self.received);
        Ok(rate)
    }
}

/// Rates, bytes written and bytes left on the disk.
pub(crate) fn bulk(bench: &Bench) -> Result<Vec<Table>> {
    let (round_count, count) = bench.size.of((3, 50_000), (5, 200_000), (5, 1_000_000));
    let input = bench.place("bulk.jsonl")?;
    let mut file = BufWriter::new(File::create(&input)?);
    for event in Events::new(3).take(count) {
        file.write_all(&event)?;
        file.write_all(b"\n")?;
    }
    file.into_inner()?.sync_all()?;
    let received = len_below(&input)? as f64;
    let load = &Load { bench, input: &input, count, received };
    let mut tallies: Vec<Tally> = CONTENDERS.iter().map(|_| Tally::default()).collect();
    let contenders = CONTENDERS.iter().zip(&mut tallies);
    let contenders = contenders
        .map(|(&(name, work), tally)| Contender::new(name, move |_| load.measure(tally, work)))
        .collect();
    let rows = rounds(round_count, contenders)?;
    let tallied = |samples: fn(&Tally) -> &Vec<f64>| -> Vec<Row> {
        let stores = CONTENDERS.iter().zip(&tallies).filter(|((name, _), _)| *name != FLOOR);
        stores.map(|(&(name, _), tally)| Row { name, samples: samples(tally).clone() }).collect()
    };
    let at_most = |bound| vec![Target { against: &[], bound }];
    Ok(vec![
        Table {
            name: "bulk",
            title: format!("A file of {count} events, durable, indexed and sealed, {WORKERS} threads"),
            unit: Unit::Rate,
            rows,
            targets: vec![
                Target { against: &[FLOOR], bound: 0.5 },
                Target { against: &[SQLITE], bound: 5.0 },
                #[cfg(feature = "tantivy")]
                Target { against: &[TANTIVY], bound: 2.0 },
            ],
        },
        Table {
            name: "bulk-written",
            title: "Bytes sent to the disk for each byte received".to_owned(),
            unit: Unit::Amplification,
            rows: tallied(|tally| &tally.written),
            targets: at_most(1.25),
        },
        Table {
            name: "bulk-kept",
            title: "Bytes on the disk afterwards for each byte received".to_owned(),
            unit: Unit::Amplification,
            rows: tallied(|tally| &tally.kept),
            targets: Vec::new(),
        },
    ])
}
