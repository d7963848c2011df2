//! Runs contenders in turn, round by round, and says how they compare.
//!
//! Machines are noisy, and the noise lasts longer than a round: so all contenders of a section run in each round,
//! A B C A B C, each round's first another, and what is compared are the medians.
#![expect(clippy::print_stdout, reason = "the tables are for whoever runs this")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Result;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Does it work at all?
    Quick,
    /// What one waits for.
    Normal,
    /// What one lets run on a quiet machine.
    Full,
}

impl Size {
    /// One of three numbers.
    pub fn of<T>(self, quick: T, normal: T, full: T) -> T {
        match self {
            Size::Quick => quick,
            Size::Normal => normal,
            Size::Full => full,
        }
    }
}

/// What a section measures, larger being better or worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
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

    /// How many times better `own` is than `other`.
    fn advantage(self, own: f64, other: f64) -> f64 {
        if self == Unit::Rate { own / other } else { other / own }
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
pub struct Row {
    /// Who.
    pub name: &'static str,
    /// What was measured, in the order that it was.
    pub samples: Vec<f64>,
}

impl Row {
    fn sorted(&self) -> Vec<f64> {
        let mut samples = self.samples.clone();
        samples.sort_by(f64::total_cmp);
        samples
    }

    /// The sample in the middle.
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The sample that so many percent of all lie below.
    fn percentile(&self, percent: usize) -> f64 {
        let samples = self.sorted();
        samples.get(samples.len() * percent / 100).copied().unwrap_or(f64::NAN)
    }
}

/// What Indelible is held to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The rows that it is compared to: the best of them counts. None: the value itself is compared.
    pub against: &'static [&'static str],
    /// At least so many times better than theirs, or, for a value itself that had better be small, at most.
    pub bound: f64,
}

/// One section's results. The first row is Indelible's.
#[derive(Debug, Clone)]
pub struct Table {
    /// By which the section is asked for.
    pub name: &'static str,
    /// What was measured.
    pub title: String,
    /// In what.
    pub unit: Unit,
    /// Who was measured, Indelible first.
    pub rows: Vec<Row>,
    /// What Indelible is held to.
    pub targets: Vec<Target>,
}

impl Table {
    fn judge(&self, target: &Target) -> Option<(String, f64, bool)> {
        let own = self.rows.first()?.median();
        if target.against.is_empty() {
            return Some(("itself".to_owned(), own, own <= target.bound));
        }
        let rows = self.rows.iter().filter(|row| target.against.contains(&row.name));
        let ratios = rows.map(|row| (row.name, self.unit.advantage(own, row.median())));
        let (best, ratio) = ratios.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some((best.to_owned(), ratio, ratio >= target.bound))
    }

    /// Prints the table and what became of its targets.
    pub fn print(&self) {
        println!("\n{} [{}], {}", self.title, self.name, self.unit.name());
        println!("  {:<36}{:>12}{:>12}{:>12}{:>14}", "", "p10", "p50", "p90", "Indelible is");
        let own = self.rows.first().map_or(f64::NAN, Row::median);
        for (index, row) in self.rows.iter().enumerate() {
            let better = format!("{:.2} x", self.unit.advantage(own, row.median()));
            let better = if index == 0 { "" } else { &better };
            let [low, middle, high] = [10, 50, 90].map(|percent| self.unit.show(row.percentile(percent)));
            println!("  {:<36}{low:>12}{middle:>12}{high:>12}{better:>14}", row.name);
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
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let [p10, p50, p90] = [10, 50, 90].map(|percent| row.percentile(percent));
                json!({ "name": row.name, "p10": p10, "p50": p50, "p90": p90, "samples": row.samples })
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
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut(usize) -> Result<f64> + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender of that name.
    pub fn new(name: &'static str, run: impl FnMut(usize) -> Result<f64> + 'a) -> Self {
        Contender { name, run: Box::new(run) }
    }
}

/// Runs all contenders once unmeasured and then `rounds` times.
///
/// # Errors
/// What a contender says.
pub fn rounds(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Result<Vec<Row>> {
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
pub struct Bench {
    /// How much.
    pub size: Size,
    dir: PathBuf,
}

impl Bench {
    /// Works in a directory of its own below `INDELIBLE_BENCH_DIR`, or below the build's, which should both be on
    /// a real disk: what is measured are syncs.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn new(size: Size) -> Result<Self> {
        let above = std::env::var_os("INDELIBLE_BENCH_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench"), PathBuf::from);
        let dir = above.join(format!("peers-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Bench { size, dir })
    }

    /// A place of that name where nothing is, and a disk that has nothing left to do for whoever was there.
    ///
    /// # Errors
    /// What is there and cannot be removed.
    pub fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.dir.join(name);
        if place.is_dir() {
            std::fs::remove_dir_all(&place)?;
        } else if place.exists() {
            std::fs::remove_file(&place)?;
        }
        rustix::fs::sync();
        Ok(place)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
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
///
/// # Errors
/// What cannot be looked at.
pub fn len_below(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(path.metadata()?.len());
    }
    std::fs::read_dir(path)?.map(|entry| len_below(&entry?.path())).sum()
}

/// What else must be known to read the numbers: the machine, and where the files are.
pub fn machine(dir: &Path) -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    json!({
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": cpu.trim_start_matches([' ', '\t', ':']),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load_before": read("/proc/loadavg"),
        "dir": dir,
    })
}
