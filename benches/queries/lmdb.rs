//! LMDB as a contender: one snapshot, read by all questions.

use std::path::Path;

use indelible_benches::Events;
use indelible_benches::stores::Lmdb;
use lmdb::{Cursor, Database, Error, RoTransaction, Transaction};
use memchr::memmem::Finder;

use super::questions::{Answer, DAYS, Question, SEED};
use super::{Contender, Result};

/// How many events go into one transaction.
const BATCH_COUNT: usize = 50_000;

pub(crate) struct Snapshot {
    store: &'static Lmdb,
    transaction: RoTransaction<'static>,
}

impl Snapshot {
    /// Opens the store in `place`, or makes it.
    pub(crate) fn open(place: &Path, events: usize) -> Result<Self> {
        let path = place.join("lmdb");
        if !path.exists() {
            let making = path.with_extension("making");
            let _ = std::fs::remove_dir_all(&making);
            let mut store = Lmdb::open(&making, false)?;
            let mut all = Events::spread(SEED, events, DAYS).take(events).peekable();
            while all.peek().is_some() {
                store.append(&all.by_ref().take(BATCH_COUNT).collect::<Vec<_>>())?;
            }
            store.env.sync(true)?;
            drop(store);
            std::fs::rename(&making, &path)?;
        }
        // A transaction borrows the store, which lives as long as the process.
        let store: &'static Lmdb = Box::leak(Box::new(Lmdb::open(&path, false)?));
        Ok(Snapshot { store, transaction: store.env.begin_ro_txn()? })
    }

    /// The bodies of all seqs that a key has.
    fn rows(&self, tree: Database, key: &[u8]) -> Result<Answer> {
        let mut answer = Answer::default();
        for entry in self.transaction.open_ro_cursor(tree)?.iter_dup_of(key) {
            let (found, seq) = entry?;
            // For a key that is not there, the cursor stands at the one after it.
            if found != key {
                break;
            }
            self.read(seq, &mut answer)?;
        }
        Ok(answer)
    }

    fn read(&self, seq: &[u8], answer: &mut Answer) -> Result {
        answer.rows += 1;
        answer.sum += self.transaction.get(self.store.bodies, &seq)?.len() as u64;
        Ok(())
    }

    /// Hands over what a tree has at keys from `from` to before `until`.
    fn range(
        &self,
        tree: Database,
        from: &[u8],
        until: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result,
    ) -> Result {
        for entry in self.transaction.open_ro_cursor(tree)?.iter_from(from) {
            let (key, value) = entry?;
            if key >= until {
                break;
            }
            each(key, value)?;
        }
        Ok(())
    }
}

impl Contender for Snapshot {
    fn name(&self) -> &'static str {
        "LMDB"
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        let store = self.store;
        let mut answer = Answer::default();
        match question {
            Question::Event(id) => match self.transaction.get(store.by_id, id) {
                Ok(seq) => self.read(seq, &mut answer)?,
                Err(Error::NotFound) => {}
                Err(error) => return Err(error.into()),
            },
            Question::Run(run) => return self.rows(store.by_run, run.as_bytes()),
            Question::Denials { agent, from, until } => {
                let (from, until) = (Lmdb::key(&[agent, "deny", from]), Lmdb::key(&[agent, "deny", until]));
                self.range(store.by_decision, &from, &until, |_, seq| self.read(seq, &mut answer))?;
            }
            Question::Controls => {
                let mut last: &[u8] = &[];
                for entry in self.transaction.open_ro_cursor(store.by_day)?.iter_start() {
                    let (key, count) = entry?;
                    let control = key.split(|&byte| byte == 0).next().unwrap_or_default();
                    if control != last {
                        answer.rows += 1;
                        last = control;
                    }
                    answer.sum += Lmdb::number(count)?;
                }
            }
            Question::ControlCount { control, from, until } => {
                let day = |time: &str| Lmdb::key(&[control, time.get(..10).unwrap_or_default()]);
                answer.rows = 1;
                self.range(store.by_day, &day(from), &day(until), |_, count| {
                    answer.sum += Lmdb::number(count)?;
                    Ok(())
                })?;
            }
            Question::Conjunction { control, agent, kind } => {
                return self.rows(store.by_control, &Lmdb::key(&[control, agent, kind]));
            }
            Question::Text(text) => {
                let needle = Finder::new(text);
                for entry in self.transaction.open_ro_cursor(store.bodies)?.iter_start() {
                    let (_, body) = entry?;
                    if needle.find(body).is_some() {
                        answer.rows += 1;
                        answer.sum += body.len() as u64;
                    }
                }
            }
        }
        Ok(answer)
    }
}
