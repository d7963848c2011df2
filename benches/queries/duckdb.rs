//! DuckDB as a contender: a Python process of its own, `contender.py`, which measures itself.
//!
//! Building DuckDB takes longer than all else here together, and its Python package is the same engine, built. What it measures
//! is the time within Python from a statement that is parsed to the row that is fetched.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use indelible_benches::Events;
use serde_json::{Value, json};

use super::questions::{Answer, DAYS, Question, SEED};
use super::{Contender, Result};

pub(crate) const NAME: &str = "DuckDB, measured in its own process";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/queries/contender.py");

pub(crate) struct DuckDb {
    process: Child,
    /// Closed when there is nothing more to ask, which ends the process.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl DuckDb {
    /// Opens the database in `place`, or makes it. Nothing where there is no Python that has DuckDB.
    pub(crate) fn open(place: &Path, events: usize, python: Option<&Path>) -> Result<Option<Self>> {
        let python = python.map_or_else(of_tests, Path::to_owned);
        let has_duckdb = Command::new(&python).args(["-c", "import duckdb"]).output();
        if !has_duckdb.is_ok_and(|output| output.status.success()) {
            return Ok(None);
        }
        let path = place.join("duckdb");
        if !path.exists() {
            make(&python, &path, events)?;
        }
        let mut command = Command::new(&python);
        let command = command.arg(SCRIPT).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (questions, answers) = (process.stdin.take(), process.stdout.take().ok_or("no answers")?);
        Ok(Some(DuckDb { process, questions, answers: BufReader::new(answers) }))
    }
}

/// The Python that the tests of archives make, or the system's.
fn of_tests() -> PathBuf {
    // target/<profile>/deps/<this bench>
    let target = std::env::current_exe().ok().and_then(|exe| exe.ancestors().nth(3).map(Path::to_owned));
    let python = target.map(|target| target.join("test-python/bin/python")).filter(|python| python.exists());
    python.unwrap_or_else(|| "python3".into())
}

fn make(python: &Path, path: &Path, events: usize) -> Result {
    let (making, input) = (path.with_extension("making"), path.with_extension("jsonl"));
    let _ = std::fs::remove_file(&making);
    let mut file = BufWriter::new(File::create(&input)?);
    for event in Events::spread(SEED, events, DAYS).take(events) {
        file.write_all(&event)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let made = Command::new(python).arg(SCRIPT).args([&making, &input]).status();
    std::fs::remove_file(&input)?;
    if !made?.success() {
        return Err("DuckDB could not make its database".into());
    }
    Ok(std::fs::rename(making, path)?)
}

/// A question as the script takes it: its name, and what it asks for.
fn asked(question: &Question) -> Value {
    match question {
        Question::Event(id) => json!(["event", id]),
        Question::Run(run) => json!(["run", run]),
        Question::Denials { agent, from, until } => json!(["denials", agent, from, until]),
        Question::Controls => json!(["controls"]),
        Question::ControlCount { control, from, until } => json!(["control count", control, from, until]),
        Question::Conjunction { control, agent, kind } => json!(["conjunction", control, agent, kind]),
        Question::Text(text) => json!(["text", text]),
    }
}

impl Contender for DuckDb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        Ok(self.timed(question)?.0)
    }

    fn timed(&mut self, question: &Question) -> Result<(Answer, Duration)> {
        let questions = self.questions.as_mut().ok_or("DuckDB is asked no more")?;
        writeln!(questions, "{}", asked(question))?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let (elapsed_ns, rows, sum): (u64, u64, u64) = serde_json::from_str(&line)?;
        Ok((Answer { rows, sum }, Duration::from_nanos(elapsed_ns)))
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        drop(self.questions.take());
        // However it ends, nothing more is asked of it.
        let _ = self.process.wait();
    }
}
