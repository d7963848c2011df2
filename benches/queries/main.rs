//! Measures questions to a store that holds a year of events, warm and in one process, side by side with peers.
//!
//! ```text
//! cargo bench -p indelible-benches --features tantivy --bench queries -- \
//!     [--events N] [--rounds N] [--only NAME] [--alone] [--python PYTHON] [--json FILE]
//! ```
//! Each question is asked with many parameters, round by round, in turns by each contender; a table for each question has the
//! percentiles over all that was asked, how Indelible compares, and whether it is as far ahead of the best peer as it is held to
//! be. Contenders must agree on every answer: on how many rows there are, and on the bytes of all. All of them read bodies, or
//! their lengths, from one snapshot on one thread, but for DuckDB, which has two.
//!
//! Without its feature tantivy is left out, as it is long to build; so is DuckDB, which measures itself in a process of its own,
//! where PYTHON does not have it. By default that is the Python that the tests of archives make.
//!
//! The stores are kept below the bench directory, about 6 GB for a million events, and used again by the next run. `--alone`
//! makes and asks Indelible's only.
#![allow(clippy::print_stdout, reason = "the tables are for whoever runs this")]

mod duckdb;
mod lmdb;
mod own;
mod questions;
mod redb;
mod sqlite;
#[cfg(feature = "tantivy")]
mod tantivy;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indelible_benches::Result;
use indelible_benches::harness::{Row, Table, Target, Unit, machine};
use serde_json::{Value, json};

use self::lmdb::Snapshot as Lmdb;
use self::redb::Redb;
use duckdb::DuckDb;
use own::Indelible;
use questions::{Answer, Asked, Question, questions};
use sqlite::Sqlite;

const PEERS: &[&str] = &["SQLite", "LMDB", "redb", "tantivy", duckdb::NAME];
/// How many processes are started cold, and how long one may take.
const COLD_COUNT: usize = 60;
const COLD_MS: f64 = 15.0;

/// Who can answer questions.
trait Contender {
    fn name(&self) -> &'static str;
    fn ask(&mut self, question: &Question) -> Result<Answer>;

    /// Asks, and says how long it took.
    fn timed(&mut self, question: &Question) -> Result<(Answer, Duration)> {
        let start = Instant::now();
        let answer = self.ask(question)?;
        Ok((answer, start.elapsed()))
    }
}

struct Arguments {
    events: usize,
    rounds: usize,
    only: Option<String>,
    /// Without peers.
    alone: bool,
    python: Option<PathBuf>,
    json: Option<PathBuf>,
    /// Ask for one run and end.
    ask_once: Option<String>,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments {
        events: 1_000_000,
        rounds: 3,
        only: None,
        alone: false,
        python: None,
        json: None,
        ask_once: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            // From cargo.
            "--bench" => {}
            "--events" => parsed.events = value()?.parse()?,
            "--rounds" => parsed.rounds = value()?.parse()?,
            "--alone" => parsed.alone = true,
            "--ask-once" => parsed.ask_once = Some(value()?),
            "--only" => parsed.only = Some(value()?),
            "--python" => parsed.python = Some(value()?.into()),
            "--json" => parsed.json = Some(value()?.into()),
            other => {
                let usage = "usage: queries [--events N] [--rounds N] [--only NAME] [--alone] [--python PYTHON] [--json FILE]";
                return Err(format!("unknown argument {other}; {usage}").into());
            }
        }
    }
    Ok(parsed)
}

/// Below `INDELIBLE_BENCH_DIR`, or the build's own directory.
fn place(events: usize) -> Result<PathBuf> {
    let above = std::env::var_os("INDELIBLE_BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench"), PathBuf::from);
    let place = above.join(format!("queries-{events}"));
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// Opens the store, asks for a run's timeline, and ends: what a cold process does.
fn ask_once(arguments: &Arguments, run: &str) -> Result {
    let mut own = Indelible::open(&place(arguments.events)?, arguments.events)?;
    println!("{:?}", own.ask(&Question::Run(run.to_owned()))?);
    Ok(())
}

/// Indelible and, where they are wanted and can be had, the peers.
fn contenders(place: &Path, arguments: &Arguments) -> Result<Vec<Box<dyn Contender>>> {
    let events = arguments.events;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Indelible::open(place, events)?)];
    if arguments.alone {
        return Ok(contenders);
    }
    contenders.push(Box::new(Sqlite::open(place, events)?));
    contenders.push(Box::new(Lmdb::open(place, events)?));
    contenders.push(Box::new(Redb::open(place, events)?));
    #[cfg(feature = "tantivy")]
    contenders.push(Box::new(tantivy::Segment::open(place, events)?));
    #[cfg(not(feature = "tantivy"))]
    println!("without tantivy: --features tantivy builds it in");
    match DuckDb::open(place, events, arguments.python.as_deref())? {
        Some(duckdb) => contenders.push(Box::new(duckdb)),
        None => println!("without DuckDB: --python names a Python that has its package"),
    }
    Ok(contenders)
}

/// Has all contenders ask what there is to ask, and compares their answers.
fn measure(asked: &Asked, rounds: usize, contenders: &mut [Box<dyn Contender>]) -> Result<Table> {
    let mut samples = vec![Vec::new(); contenders.len()];
    let mut first: Vec<Answer> = Vec::new();
    for _ in 0..rounds {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            // What is measured is a process that is warm: the caches are full of what the contender before asked for, so
            // that each asks all its questions in a row, and then once more.
            for is_measured in [false, true] {
                let mut answers = Vec::with_capacity(asked.questions.len());
                for question in &asked.questions {
                    let (answer, elapsed) = contender.timed(question)?;
                    answers.push(answer);
                    if is_measured {
                        samples.push(elapsed.as_nanos() as f64 / 1000.0);
                    }
                }
                if first.is_empty() {
                    first = answers;
                } else if first != answers {
                    return Err(format!("{}: {} answers otherwise", asked.name, contender.name()).into());
                }
            }
        }
    }
    let mut counts: Vec<u64> = first.iter().map(|answer| answer.rows).collect();
    counts.sort_unstable();
    let row_count = counts.get(counts.len() / 2).copied().unwrap_or(0);
    let rows =
        contenders.iter().zip(samples).map(|(contender, samples)| Row { name: contender.name(), samples });
    Ok(Table {
        name: asked.name,
        title: format!("{} parameters, {row_count} rows at the median", asked.questions.len()),
        unit: Unit::Us,
        rows: rows.collect(),
        targets: vec![Target { against: PEERS, bound: asked.bound }],
    })
}

/// Measures processes that ask for one run's timeline each, from their start to their end.
fn cold(arguments: &Arguments, runs: &[Question]) -> Result<Table> {
    let mut samples = Vec::new();
    for question in runs.iter().take(COLD_COUNT) {
        let Question::Run(run) = question else { continue };
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["--events", &arguments.events.to_string(), "--ask-once", run]);
        let start = Instant::now();
        let output = command.output()?;
        samples.push(start.elapsed().as_secs_f64() * 1000.0);
        if !output.status.success() {
            return Err("a process that asks once failed".into());
        }
    }
    Ok(Table {
        name: "timeline of a run, cold",
        title: format!("{} processes, from their start to their end", samples.len()),
        unit: Unit::Ms,
        rows: vec![Row { name: "Indelible", samples }],
        targets: vec![Target { against: &[], bound: COLD_MS }],
    })
}

fn main() -> Result {
    let arguments = arguments()?;
    if let Some(run) = &arguments.ask_once {
        return ask_once(&arguments, run);
    }
    let place = place(arguments.events)?;
    let mut contenders = contenders(&place, &arguments)?;
    let machine = machine(&place);
    println!("machine: {machine}");
    let mut tables: Vec<Value> = Vec::new();
    let mut done = |table: Table| {
        table.print();
        tables.push(table.json());
    };
    for asked in questions(arguments.events) {
        if arguments.only.as_deref().is_none_or(|only| only == asked.name) {
            done(measure(&asked, arguments.rounds, &mut contenders)?);
        }
        if arguments.only.is_none() && asked.name == "timeline of a run" {
            done(cold(&arguments, &asked.questions)?);
        }
    }
    if let Some(path) = arguments.json {
        let report = json!({ "machine": machine, "events": arguments.events, "tables": tables });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}
