//! Measures the tiers: how long events are in each, how fast they get there, and what a run's timeline costs there.
//!
//! ```text
//! cargo bench -p indelible-benches --bench tiers -- [--events N] [--python PYTHON] [--json FILE]
//! ```
//! All lengths are ratios to the raw events. A Python that has DuckDB writes the archive's rows as its own Parquet with zstd,
//! in arrival order, to compare with.
#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_archive::{Cache, Target, archive_segment};
use indelible_benches::Events;
use indelible_engine::filter::{Field, Filter, Test, Value};
use indelible_engine::{Options, SegmentInfo, Store};
use serde_json::{Map, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many events are appended at once.
const BATCH: usize = 1000;
/// How many runs' timelines are read.
const TIMELINES: usize = 200;
/// Copies what the archive has to a Parquet file of DuckDB's, with and without the salts, which nothing compresses.
const DUCKDB: &str = "
import duckdb, os, sys
duckdb.sql('set enable_progress_bar = false')
archive, to = sys.argv[1] + '/*/*.parquet', sys.argv[2]
for what in ['*', '* exclude (salt)']:
    duckdb.sql(f\"copy (select {what} from read_parquet('{archive}', hive_partitioning=false) order by seq) to '{to}' (format parquet, compression zstd)\")
    print(os.path.getsize(to))
";

struct Arguments {
    events: usize,
    python: Option<PathBuf>,
    json: Option<PathBuf>,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments { events: 1_000_000, python: None, json: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            // From cargo.
            "--bench" => {}
            "--events" => parsed.events = value()?.parse()?,
            "--python" => parsed.python = Some(value()?.into()),
            "--json" => parsed.json = Some(value()?.into()),
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(parsed)
}

/// What was measured, by name.
#[derive(Default)]
struct Figures(Map<String, serde_json::Value>);

impl Figures {
    fn add(&mut self, name: &str, figure: f64, unit: &str, aim: &str) {
        println!("{name:<42} {figure:>10.3} {unit:<8} {aim}");
        self.0.insert(name.to_owned(), json!(figure));
    }
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    let home = std::env::temp_dir().join(format!("indelible-tiers-{}", std::process::id()));
    fs::create_dir_all(&home)?;
    let measured = measure(&home, &arguments);
    fs::remove_dir_all(&home)?;
    let figures = measured?;
    if let Some(path) = arguments.json {
        fs::write(path, serde_json::to_string_pretty(&figures.0)?)?;
    }
    Ok(())
}

fn measure(home: &Path, arguments: &Arguments) -> Result<Figures> {
    let (dir, archive, mut figures) = (home.join("store"), home.join("archive"), Figures::default());
    let retrieve = Arc::new(Cache::new(
        home.join("cache"),
        1 << 30,
        Vec::new(),
        Box::new(|_: &indelible_archive::Fetch<'_>| ()),
    ));
    let options = Options::new("bench.example/tiers")
        .seal_in_background(false)
        .allocate_len(1 << 20)
        .retrieve(retrieve);
    let store = Store::create(&dir, options)?;
    let (mut events, mut raw) = (Events::new(1).take(arguments.events), 0.0);
    loop {
        let batch: Vec<_> = events.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        raw += batch.iter().map(Vec::len).sum::<usize>() as f64;
        store.append_batch(batch)?;
    }
    store.seal()?;
    let sealed: Vec<SegmentInfo> = store.snapshot()?.segments().filter(|segment| segment.sealed).collect();
    figures.add("hot, all in / raw", len(&dir, &["log", "dir", "tree"])? / raw, "x", "at most 1.25");
    let hot = timelines(&store)?;
    figures.add("hot, timeline p50", hot, "ms", "");

    let mut memory = Memory::default();
    let took = timed(|| {
        for segment in &sealed {
            store.compact(segment.id, &mut |_, _| memory.look())?;
        }
        Ok(())
    })?;
    figures.add("compaction", raw / 1e6 / took, "MB/s", "at least 150");
    let all = ["log", "packs", "dir", "tree"];
    figures.add("warm, all in / raw", len(&dir, &all)? / raw, "x", "at most 0.30");
    figures.add("warm, packs / raw", len(&dir, &["packs"])? / raw, "x", "");
    let warm = timelines(&store)?;
    figures.add("warm, timeline p50", warm, "ms", "");
    figures.add("warm, timeline p50 / hot", warm / hot, "x", "at most 3");

    let target = Target::open(&archive.to_string_lossy(), [])?;
    let snapshot = store.snapshot()?;
    let took = timed(|| {
        for segment in &sealed {
            archive_segment(&store, &snapshot, segment, &target, &mut |_, _| memory.look())?;
        }
        Ok(())
    })?;
    figures.add("archive, written and read back", raw / 1e6 / took, "MB/s", "at least 60");
    let archived = len(&archive, &[""])?;
    figures.add("archive / raw", archived / raw, "x", "");
    let took = timed(|| {
        for segment in &sealed {
            store.move_to_archive(segment.id, &target.to_string(), None, &mut |_, _| memory.look())?;
        }
        Ok(())
    })?;
    figures.add("archive, brought back and dropped", raw / 1e6 / took, "MB/s", "");
    figures.add("archive, kept here / raw", len(&dir, &["log", "archived", "dir", "tree"])? / raw, "x", "");
    figures.add("memory beyond mapped files", memory.most()? / 1e6, "MB", "under 512");
    if let Some(python) = &arguments.python {
        let out = Command::new(python)
            .args(["-c", DUCKDB])
            .args([&archive, &home.join("duckdb.parquet")])
            .output()?;
        let lens: Vec<f64> =
            String::from_utf8(out.stdout)?.lines().map(str::parse).collect::<std::result::Result<_, _>>()?;
        let [with_salts, without] = lens[..] else {
            return Err(String::from_utf8_lossy(&out.stderr).into());
        };
        figures.add("DuckDB's Parquet / raw", with_salts / raw, "x", "");
        figures.add("DuckDB's Parquet without salts / raw", without / raw, "x", "");
        figures.add("archive / DuckDB's Parquet", archived / with_salts, "x", "at most 1.0");
    }
    Ok(figures)
}

/// Bytes of all files below some of a directory's directories.
fn len(dir: &Path, below: &[&str]) -> Result<f64> {
    fn sum(dir: &Path) -> std::io::Result<u64> {
        let mut len = 0;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let facts = entry.metadata()?;
            len += if facts.is_dir() { sum(&entry.path())? } else { facts.len() };
        }
        Ok(len)
    }
    let there = below.iter().map(|name| dir.join(name)).filter(|path| path.is_dir());
    Ok(there.map(|path| sum(&path)).sum::<std::io::Result<u64>>()? as f64)
}

/// How long the timeline of a run takes to be read at the median, in milliseconds.
fn timelines(store: &Store) -> Result<f64> {
    let snapshot = store.snapshot()?;
    let runs = snapshot.terms("run", None)?;
    let step = (runs.len() / TIMELINES).max(1);
    let mut took = Vec::new();
    for term in runs.keys().step_by(step) {
        let run = Value::Text(String::from_utf8_lossy(&term.bytes).into_owned());
        let filter = Filter::Field(Field::Name("run".to_owned()), Test::Equals(vec![run]));
        let began = Instant::now();
        let read: usize = snapshot
            .search(&filter)?
            .map(|hit| hit.map(|hit| hit.body().len()))
            .sum::<indelible_engine::Result<usize>>()?;
        std::hint::black_box(read);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied().unwrap_or(Duration::ZERO).as_secs_f64() * 1e3)
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}

/// The most memory that this process was seen to have, in KiB, beside what it maps of files: that is the page cache's.
#[derive(Default)]
struct Memory(f64);

impl Memory {
    /// Looks how much it is now. A look that fails counts as no bound at all.
    fn look(&mut self) -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        self.0 = self.0.max(now.unwrap_or(f64::INFINITY));
        true
    }

    /// The most, in bytes.
    fn most(&self) -> Result<f64> {
        if self.0 > 0.0 && self.0.is_finite() { Ok(self.0 * 1024.0) } else { Err("nobody looked".into()) }
    }
}
