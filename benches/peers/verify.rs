//! Verifying a store in full, against hashing its bodies and entries and nothing else; and looking at it quickly.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indelible_benches::Events;
use indelible_engine::disk::{Disk, RealDisk};
use indelible_engine::verify::{self, Depth};
use indelible_engine::{Options, Store, Sync};
use sha2::{Digest, Sha256};

use indelible_benches::Result;
use indelible_benches::harness::{Bench, Contender, Table, Target, Unit, rounds};

const THREADS: u64 = 2;
/// Length of what is hashed of each record beside its body: the byte that marks a leaf, and the entry.
const LEAF_LEN: usize = 97;
const FLOOR: &str = "floor: read, hash bodies and entries";

fn verified(place: &Path, depth: Depth) -> Result<Duration> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = verify::Options { depth, threads: THREADS as usize, ..verify::Options::default() };
    let start = Instant::now();
    let report = verify::verify(&disk, place, &options)?;
    let took = start.elapsed();
    if !report.findings.is_empty() {
        return Err(format!("the store that was just made has findings: {:?}", report.findings).into());
    }
    Ok(took)
}

/// Reads a part of `path`, which holds one event a line, and hashes every line and an entry of it.
fn hash_part(path: &Path, part: std::ops::Range<u64>) -> Result<u8> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(path)?);
    lines.seek(SeekFrom::Start(part.start))?;
    let (mut at, mut line) = (part.start, Vec::new());
    let mut leaf = [0; LEAF_LEN];
    let mut sum = 0;
    // Who begins within a line leaves it to whoever reads the part before.
    if part.start > 0 {
        at += lines.read_until(b'\n', &mut line)? as u64;
    }
    while at <= part.end {
        line.clear();
        match lines.read_until(b'\n', &mut line)? {
            0 => break,
            len => at += len as u64,
        }
        leaf[65..].copy_from_slice(blake3::hash(&line).as_bytes());
        sum ^= Sha256::digest(leaf)[0];
    }
    Ok(sum)
}

fn floor(path: &Path, count: usize) -> Result<f64> {
    let start = Instant::now();
    let share = path.metadata()?.len() / THREADS + 1;
    thread::scope(|scope| {
        let parts = (0..THREADS).map(|part| part * share..(part + 1) * share);
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || hash_part(path, part))).collect();
        for thread in threads {
            std::hint::black_box(thread.join().map_err(|_| "a thread broke off")??);
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    })
}

/// A store of several sealed segments; all from the page cache.
pub(crate) fn full(bench: &Bench) -> Result<Vec<Table>> {
    let (round_count, count) = bench.size.of((3, 100_000), (7, 300_000), (11, 600_000));
    let (place, lines) = (bench.place("verify.indelible")?, bench.place("verify.jsonl")?);
    let options = Options::new("bench.example/verify").sync(Sync::Buffered).segment_len(32 << 20);
    let store = Store::create(&place, options)?;
    let mut text = Vec::new();
    let mut events = Events::new(9);
    for _ in 0..count / 1000 {
        let batch: Vec<Vec<u8>> = events.by_ref().take(1000).collect();
        batch.iter().for_each(|event| text.extend_from_slice(&[event, &b"\n"[..]].concat()));
        store.append_batch(batch)?;
    }
    store.seal()?;
    store.close()?;
    std::fs::write(&lines, &text)?;
    drop(text);
    let rows = rounds(
        round_count,
        vec![
            Contender::new("Indelible, verify in full", |_| {
                Ok(count as f64 / verified(&place, Depth::Full)?.as_secs_f64())
            }),
            Contender::new(FLOOR, |_| floor(&lines, count)),
        ],
    )?;
    let full = Table {
        name: "verify",
        title: format!("Verifying {count} events in full, {THREADS} threads"),
        unit: Unit::Rate,
        rows,
        targets: vec![Target { against: &[FLOOR], bound: 0.75 }],
    };
    let ms = |depth| verified(&place, depth).map(|took| took.as_secs_f64() * 1e3);
    let rows = rounds(
        round_count,
        vec![
            Contender::new("Indelible, quick", |_| ms(Depth::Quick)),
            Contender::new("Indelible, checksums", |_| ms(Depth::Checksums)),
        ],
    )?;
    let quick = Table {
        name: "verify-quick",
        title: format!("Looking at {count} events quickly, {THREADS} threads"),
        unit: Unit::Ms,
        rows,
        // Ten million in a second.
        targets: vec![Target { against: &[], bound: count as f64 / 1e4 }],
    };
    Ok(vec![full, quick])
}
