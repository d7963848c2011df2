//! Runs contenders in turn, round by round, and says how they compare.
//!
//! Machines are noisy, and the noise lasts longer than a round: so all contenders of a section run in each round,
//! A B C A B C, each round's first another, and what is compared are the medians.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) use indelible_benches::Result;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Quick,
    Normal,
    Full,
}

impl Size {
    /// One of three numbers.
    pub(crate) fn of<T>(self, quick: T, normal: T, full: T) -> T {
        match self {
            Size::Quick => quick,
            Size::Normal => normal,
            Size::Full => full,
        }
    }
}

/// What a section measures, larger being better or worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Events a second.
    Rate,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Bytes for each event.
    Bytes,
    /// Bytes written for each byte received.
    Amplification,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Rate => "events/s",
            Unit::Ms => "ms",
            Unit::Us => "us",
            Unit::Bytes => "bytes/event",
            Unit::Amplification => "bytes/byte",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Unit::Rate => format!("{value:.0}"),
            Unit::Ms | Unit::Us | Unit::Bytes => format!("{value:.2}"),
            Unit::Amplification => format!("{value:.3}"),
        }
    }
}

/// One row of a table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<f64>,
}

impl Row {
    fn sorted(&self) -> Vec<f64> {
        let mut samples = self.samples.clone();
        samples.sort_by(f64::total_cmp);
        samples
    }

    pub(crate) fn median(&self) -> f64 {
        let samples = self.sorted();
        samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn bounds(&self) -> (f64, f64) {
        let samples = self.sorted();
        let at = |index: Option<&f64>| index.copied().unwrap_or(f64::NAN);
        (at(samples.first()), at(samples.last()))
    }
}

/// What Indelible is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// The rows that it is compared to: the best of them counts. None: the value itself is compared.
    pub(crate) against: &'static [&'static str],
    /// At least so many times theirs, or, for a value itself that had better be small, at most.
    pub(crate) bound: f64,
}

/// One section's results. The first row is Indelible's.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) rows: Vec<Row>,
    pub(crate) targets: Vec<Target>,
}

impl Table {
    fn judge(&self, target: &Target) -> Option<(String, f64, bool)> {
        let own = self.rows.first()?.median();
        if target.against.is_empty() {
            return Some(("itself".to_owned(), own, own <= target.bound));
        }
        let rows = self.rows.iter().filter(|row| target.against.contains(&row.name));
        let best = rows.max_by(|one, other| one.median().total_cmp(&other.median()))?;
        let ratio = own / best.median();
        Some((best.name.to_owned(), ratio, ratio >= target.bound))
    }

    /// Prints the table and what became of its targets.
    pub(crate) fn print(&self) {
        println!("\n{} [{}], {}", self.title, self.name, self.unit.name());
        let heads = ["", "min", "median", "max", "Indelible is"];
        println!("  {:<34}{:>12}{:>12}{:>12}{:>14}", heads[0], heads[1], heads[2], heads[3], heads[4]);
        let own = self.rows.first().map_or(f64::NAN, Row::median);
        for (index, row) in self.rows.iter().enumerate() {
            let (min, max) = row.bounds();
            let ratio = if index == 0 { String::new() } else { format!("{:.2} x", own / row.median()) };
            let show = |value| self.unit.show(value);
            println!(
                "  {:<34}{:>12}{:>12}{:>12}{ratio:>14}",
                row.name,
                show(min),
                show(row.median()),
                show(max)
            );
        }
        for target in &self.targets {
            if let Some((against, ratio, met)) = self.judge(target) {
                let (verdict, at) = (if met { "met" } else { "MISSED" }, target.bound);
                let way = if target.against.is_empty() { "at most" } else { "at least" };
                println!("  target {way} {at} against {against}: {ratio:.2}, {verdict}");
            }
        }
    }

    /// The table for machines.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let (min, max) = row.bounds();
                json!({ "name": row.name, "min": min, "median": row.median(), "max": max, "samples": row.samples })
            })
            .collect();
        let targets: Vec<Value> = self
            .targets
            .iter()
            .filter_map(|target| {
                let (against, found, met) = self.judge(target)?;
                Some(json!({ "against": against, "bound": target.bound, "found": found, "met": met }))
            })
            .collect();
        json!({ "name": self.name, "title": self.title, "unit": self.unit.name(), "rows": rows, "targets": targets })
    }
}

/// A contender: given the number of the round, does its part and gives a sample.
pub(crate) struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut(usize) -> Result<f64> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, run: impl FnMut(usize) -> Result<f64> + 'a) -> Self {
        Contender { name, run: Box::new(run) }
    }
}

/// Runs all contenders once unmeasured and then `rounds` times.
pub(crate) fn rounds(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        contenders.iter().map(|contender| Row { name: contender.name, samples: Vec::new() }).collect();
    let count = contenders.len();
    for round in 0..=rounds {
        for index in (0..count).map(|index| (index + round) % count) {
            let sample = (contenders[index].run)(round)?;
            if round > 0 {
                rows[index].samples.push(sample);
            }
        }
    }
    Ok(rows)
}

/// Where and how much to measure.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) size: Size,
    dir: PathBuf,
}

impl Bench {
    /// Works in a directory of its own below `INDELIBLE_BENCH_DIR`, or below the build's, which should both be on
    /// a real disk: what is measured are syncs.
    pub(crate) fn new(size: Size) -> Result<Self> {
        let above = std::env::var_os("INDELIBLE_BENCH_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench"), PathBuf::from);
        let dir = above.join(format!("peers-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Bench { size, dir })
    }

    /// A place of that name where nothing is.
    pub(crate) fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.dir.join(name);
        if place.is_dir() {
            std::fs::remove_dir_all(&place)?;
        } else if place.exists() {
            std::fs::remove_file(&place)?;
        }
        Ok(place)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Leftovers cost space and nothing else.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// How many bytes the files below `path` hold.
pub(crate) fn len_below(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(path.metadata()?.len());
    }
    std::fs::read_dir(path)?.map(|entry| len_below(&entry?.path())).sum()
}
