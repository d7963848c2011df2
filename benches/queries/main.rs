//! Measures questions to a store that holds a year of events, warm and in one process, side by side with peers.
//!
//! ```text
//! cargo bench -p indelible-benches --features tantivy --bench queries -- [--events N] [--rounds N] [--only NAME] [--alone]
//! ```
//! Without its feature, tantivy is left out: it is long to build.
//!
//! Each question is asked with many parameters, round by round, in turns by each contender; what is printed are
//! percentiles over all that was asked. Contenders must agree on every answer. The stores are kept below the bench directory and used
//! again by the next run.
#![allow(clippy::print_stdout, reason = "the tables are for whoever runs this")]

mod lmdb;
mod own;
mod questions;
mod redb;
mod sqlite;
#[cfg(feature = "tantivy")]
mod tantivy;

use std::path::{Path, PathBuf};
use std::time::Instant;

use indelible_benches::Result;

use self::lmdb::Snapshot as Lmdb;
use self::redb::Redb;
use own::Indelible;
use questions::{Answer, Question, questions};
use sqlite::Sqlite;

/// Who can answer questions.
trait Contender {
    fn name(&self) -> &'static str;
    fn ask(&mut self, question: &Question) -> Result<Answer>;
}

struct Arguments {
    events: usize,
    rounds: usize,
    only: Option<String>,
    /// Without peers.
    alone: bool,
    /// Ask for one run and end.
    ask_once: Option<String>,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments { events: 1_000_000, rounds: 3, only: None, alone: false, ask_once: None };
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
            other => {
                let usage = "usage: queries [--events N] [--rounds N] [--only NAME] [--alone]";
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

/// Measures processes that ask one question each, from their start to their end.
fn cold(arguments: &Arguments) -> Result {
    let mut samples = Vec::new();
    for (_, asked) in questions(arguments.events).iter().filter(|(name, _)| *name == "timeline of a run") {
        for question in asked.iter().take(60) {
            let Question::Run(run) = question else { continue };
            let mut command = std::process::Command::new(std::env::current_exe()?);
            command.args(["--events", &arguments.events.to_string(), "--ask-once", run]);
            let start = Instant::now();
            let output = command.output()?;
            samples.push(start.elapsed().as_nanos() as f64 / 1000.0);
            if !output.status.success() {
                return Err("a process that asks once failed".into());
            }
        }
    }
    samples.sort_by(f64::total_cmp);
    let at = |percent: usize| samples.get(samples.len() * percent / 100).copied().unwrap_or(f64::NAN);
    let (low, middle, high) = (at(10), at(50), at(90));
    println!(
        "{:<28}{:<12}{:>8}{low:>12.2}{middle:>12.2}{high:>12.2}",
        "run, cold process",
        "Indelible",
        samples.len()
    );
    Ok(())
}

fn main() -> Result {
    let arguments = arguments()?;
    if let Some(run) = &arguments.ask_once {
        return ask_once(&arguments, run);
    }
    let place = place(arguments.events)?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Indelible::open(&place, arguments.events)?)];
    if !arguments.alone {
        contenders.push(Box::new(Sqlite::open(&place, arguments.events)?));
        contenders.push(Box::new(Lmdb::open(&place, arguments.events)?));
        contenders.push(Box::new(Redb::open(&place, arguments.events)?));
        #[cfg(feature = "tantivy")]
        contenders.push(Box::new(tantivy::Segment::open(&place, arguments.events)?));
        #[cfg(not(feature = "tantivy"))]
        println!("without tantivy, which is long to build: --features tantivy takes it in");
    }
    println!(
        "{:<28}{:<12}{:>8}{:>12}{:>12}{:>12}{:>10}",
        "", "", "asked", "p10 us", "p50 us", "p90 us", "rows p50"
    );
    for (name, asked) in questions(arguments.events) {
        if arguments.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let mut samples = vec![Vec::new(); contenders.len()];
        let mut first: Vec<Answer> = Vec::new();
        // Each asks all its questions in a row: what is measured is a process that is warm.
        for round in 0..=arguments.rounds {
            for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
                let mut answers = Vec::with_capacity(asked.len());
                for question in &asked {
                    let start = Instant::now();
                    answers.push(contender.ask(question)?);
                    if round > 0 {
                        samples.push(start.elapsed().as_nanos() as f64 / 1000.0);
                    }
                }
                if first.is_empty() {
                    first = answers;
                } else if first != answers {
                    return Err(format!("{name}: {} answers otherwise", contender.name()).into());
                }
            }
        }
        let mut rows: Vec<u64> = first.iter().map(|answer| answer.rows).collect();
        rows.sort_unstable();
        for (contender, mut samples) in contenders.iter().zip(samples) {
            samples.sort_by(f64::total_cmp);
            let at = |percent: usize| samples.get(samples.len() * percent / 100).copied().unwrap_or(f64::NAN);
            let rows = rows.get(rows.len() / 2).copied().unwrap_or(0);
            let (low, middle, high) = (at(10), at(50), at(90));
            let (name, who, count) = (name, contender.name(), samples.len());
            println!("{name:<28}{who:<12}{count:>8}{low:>12.2}{middle:>12.2}{high:>12.2}{rows:>10}");
        }
    }
    if arguments.only.is_none() {
        cold(&arguments)?;
    }
    Ok(())
}
