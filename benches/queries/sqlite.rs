//! SQLite as a contender: a table of events, a table that links them to controls, and an index for each question.

use std::path::Path;

use indelible_benches::{Events, Fields};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::questions::{Answer, DAYS, Question, SEED};
use super::{Contender, Result};

pub(crate) struct Sqlite {
    db: Connection,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -1048576;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY, event_id TEXT, run TEXT, agent TEXT, kind TEXT, decision TEXT, ts TEXT,
        body BLOB NOT NULL
    );
    CREATE TABLE event_control (
        control TEXT NOT NULL, agent TEXT, kind TEXT, ts TEXT, seq INTEGER NOT NULL
    );
";
const INDEXES: &str = "
    CREATE INDEX event_by_id ON event (event_id);
    CREATE INDEX event_by_run ON event (run);
    CREATE INDEX event_by_agent ON event (agent, decision, ts);
    CREATE INDEX control_by_ts ON event_control (control, ts);
    CREATE INDEX control_by_agent ON event_control (control, agent, kind, seq);
";
const TEXT: &str = "SELECT length(body) FROM event WHERE instr(body, CAST(?1 AS BLOB)) > 0";

impl Sqlite {
    /// Opens the database in `place`, or makes it.
    pub(crate) fn open(place: &Path, events: usize) -> Result<Self> {
        let path = place.join("sqlite");
        if !path.exists() {
            Self::make(&path.with_extension("making"), events)?;
            std::fs::rename(path.with_extension("making"), &path)?;
        }
        let db = Connection::open(path)?;
        db.execute_batch("PRAGMA mmap_size = 8589934592; PRAGMA cache_size = -1048576;")?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(Sqlite { db })
    }

    fn make(path: &Path, events: usize) -> Result {
        let _ = std::fs::remove_file(path);
        let mut db = Connection::open(path)?;
        db.execute_batch(SCHEMA)?;
        let transaction = db.transaction()?;
        {
            let mut insert =
                transaction.prepare("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            let mut link = transaction.prepare("INSERT INTO event_control VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for (seq, body) in (0_i64..).zip(Events::spread(SEED, events, DAYS).take(events)) {
                let fields = Fields::of(&body)?;
                let Fields { event_id, run_id, agent_id, kind, policy, ts, controls, .. } = &fields;
                insert.execute(params![seq, event_id, run_id, agent_id, kind, policy.decision, ts, body])?;
                for control in controls {
                    link.execute(params![control, agent_id, kind, ts, seq])?;
                }
            }
        }
        transaction.execute_batch(INDEXES)?;
        Ok(transaction.commit()?)
    }

    /// Rows of one column, the length of a body.
    fn rows(&self, sql: &str, parameters: impl Params) -> Result<Answer> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut answer = Answer::default();
        while let Some(row) = rows.next()? {
            answer.rows += 1;
            answer.sum += row.get::<_, i64>(0)? as u64;
        }
        Ok(answer)
    }
}

impl Contender for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        match question {
            Question::Event(id) => self.rows("SELECT length(body) FROM event WHERE event_id = ?1", [id]),
            Question::Run(run) => self.rows("SELECT length(body) FROM event WHERE run = ?1", [run]),
            Question::Denials { agent, from, until } => self.rows(
                "SELECT length(body) FROM event WHERE agent = ?1 AND decision = 'deny' AND ts >= ?2 AND ts < ?3",
                [agent, from, until],
            ),
            Question::Controls => self.rows("SELECT count(*) FROM event_control GROUP BY control", []),
            Question::ControlCount { control, from, until } => {
                let sql = "SELECT count(*) FROM event_control WHERE control = ?1 AND ts >= ?2 AND ts < ?3";
                let mut statement = self.db.prepare_cached(sql)?;
                let count: Option<i64> =
                    statement.query_row([control, from, until], |row| row.get(0)).optional()?;
                Ok(Answer { rows: 1, sum: count.unwrap_or(0) as u64 })
            }
            Question::Conjunction { control, agent, kind } => self.rows(
                "SELECT length(body) FROM event_control JOIN event USING (seq)
                 WHERE event_control.control = ?1 AND event_control.agent = ?2 AND event_control.kind = ?3",
                [control, agent, kind],
            ),
            Question::Text(text) => self.rows(TEXT, [text]),
        }
    }
}
