//! redb as a contender: bodies by seq, and a table of keys for each question.

use std::path::Path;

use indelible_benches::{Events, Fields};
use memchr::memmem::Finder;
use redb::{
    Database, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition as Table, WriteTransaction,
};

use super::questions::{Answer, DAYS, Question, SEED};
use super::{Contender, Result};

const BODIES: Table<'_, u64, &[u8]> = Table::new("bodies");
const BY_ID: Table<'_, &str, u64> = Table::new("by_id");
const BY_RUN: Table<'_, (&str, u64), ()> = Table::new("by_run");
const BY_DECISION: Table<'_, (&str, &str, &str, u64), ()> = Table::new("by_decision");
const BY_CONTROL: Table<'_, (&str, &str, &str, u64), ()> = Table::new("by_control");
/// How many events a control has on a day.
const BY_DAY: Table<'_, (&str, &str), u64> = Table::new("by_day");
/// How many events go into one transaction.
const BATCH_COUNT: usize = 50_000;

pub(crate) struct Redb {
    db: ReadOnlyDatabase,
}

impl Redb {
    /// Opens the database in `place`, or makes it.
    pub(crate) fn open(place: &Path, events: usize) -> Result<Self> {
        let path = place.join("redb");
        if !path.exists() {
            let making = path.with_extension("making");
            let _ = std::fs::remove_file(&making);
            let db = Database::create(&making)?;
            let mut all = (0..).zip(Events::spread(SEED, events, DAYS).take(events)).peekable();
            while all.peek().is_some() {
                let transaction = db.begin_write()?;
                for (seq, body) in all.by_ref().take(BATCH_COUNT) {
                    insert(&transaction, seq, &body)?;
                }
                transaction.commit()?;
            }
            drop(db);
            std::fs::rename(&making, &path)?;
        }
        let db = Database::builder().set_cache_size(4 << 30).open_read_only(path)?;
        Ok(Redb { db })
    }
}

fn insert(transaction: &WriteTransaction, seq: u64, body: &[u8]) -> Result {
    let fields = Fields::of(body)?;
    let Fields { event_id, run_id, agent_id, kind, policy, ts, controls, .. } = &fields;
    transaction.open_table(BODIES)?.insert(seq, body)?;
    transaction.open_table(BY_ID)?.insert(event_id, seq)?;
    transaction.open_table(BY_RUN)?.insert((*run_id, seq), ())?;
    transaction.open_table(BY_DECISION)?.insert((*agent_id, policy.decision, *ts, seq), ())?;
    for control in controls {
        transaction.open_table(BY_CONTROL)?.insert((*control, *agent_id, *kind, seq), ())?;
        let mut by_day = transaction.open_table(BY_DAY)?;
        let day = fields.day();
        let count = by_day.get((*control, day))?.map_or(0, |count| count.value());
        by_day.insert((*control, day), count + 1)?;
    }
    Ok(())
}

impl Contender for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        let transaction = self.db.begin_read()?;
        let bodies = transaction.open_table(BODIES)?;
        let mut answer = Answer::default();
        let mut read = |seq: u64| -> Result {
            answer.rows += 1;
            answer.sum += bodies.get(seq)?.map_or(0, |body| body.value().len() as u64);
            Ok(())
        };
        match question {
            Question::Event(id) => {
                if let Some(seq) = transaction.open_table(BY_ID)?.get(id.as_str())? {
                    read(seq.value())?;
                }
            }
            Question::Run(run) => {
                for entry in
                    transaction.open_table(BY_RUN)?.range((run.as_str(), 0)..=(run.as_str(), u64::MAX))?
                {
                    read(entry?.0.value().1)?;
                }
            }
            Question::Denials { agent, from, until } => {
                let range =
                    (agent.as_str(), "deny", from.as_str(), 0)..(agent.as_str(), "deny", until.as_str(), 0);
                for entry in transaction.open_table(BY_DECISION)?.range(range)? {
                    read(entry?.0.value().3)?;
                }
            }
            Question::Controls => {
                let mut last = String::new();
                for entry in transaction.open_table(BY_DAY)?.iter()? {
                    let (key, count) = entry?;
                    if key.value().0 != last {
                        answer.rows += 1;
                        last = key.value().0.to_owned();
                    }
                    answer.sum += count.value();
                }
            }
            Question::ControlCount { control, from, until } => {
                let (from, until) = (from.get(..10).unwrap_or_default(), until.get(..10).unwrap_or_default());
                answer.rows = 1;
                for entry in transaction
                    .open_table(BY_DAY)?
                    .range((control.as_str(), from)..(control.as_str(), until))?
                {
                    answer.sum += entry?.1.value();
                }
            }
            Question::Conjunction { control, agent, kind } => {
                let at = |seq| (control.as_str(), agent.as_str(), kind.as_str(), seq);
                for entry in transaction.open_table(BY_CONTROL)?.range(at(0)..=at(u64::MAX))? {
                    read(entry?.0.value().3)?;
                }
            }
            Question::Text(text) => {
                let needle = Finder::new(text);
                for entry in bodies.iter()? {
                    let (_, body) = entry?;
                    if needle.find(body.value()).is_some() {
                        answer.rows += 1;
                        answer.sum += body.value().len() as u64;
                    }
                }
            }
        }
        Ok(answer)
    }
}
