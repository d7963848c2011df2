//! The peers: other embedded stores, each as durable as Indelible is: on the disk before the call returns.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase, TableDefinition};
use rusqlite::{Connection, params};

use crate::group::Sink;
use indelible_benches::Fields;
use indelible_benches::Result;

/// SQLite as one would build an audit log on it: indexed columns, and a table that links events to controls.
pub(crate) struct Sqlite {
    db: Connection,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -65536;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY, event_id TEXT, run TEXT, tenant TEXT, agent TEXT, kind TEXT, decision TEXT,
        rule TEXT, environment TEXT, model TEXT, ts TEXT, body BLOB NOT NULL
    );
    CREATE INDEX event_by_id ON event (event_id);
    CREATE INDEX event_by_run ON event (run);
    CREATE INDEX event_by_tenant ON event (tenant);
    CREATE INDEX event_by_agent ON event (agent);
    CREATE INDEX event_by_kind ON event (kind);
    CREATE INDEX event_by_decision ON event (decision);
    CREATE INDEX event_by_rule ON event (rule);
    CREATE INDEX event_by_ts ON event (ts);
    CREATE TABLE event_control (
        control TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (control, seq)
    ) WITHOUT ROWID;
";
const INSERT: &str = "INSERT INTO event
    (event_id, run, tenant, agent, kind, decision, rule, environment, model, ts, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const LINK: &str = "INSERT OR IGNORE INTO event_control (control, seq) VALUES (?1, ?2)";

impl Sqlite {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let db = Connection::open(path)?;
        db.execute_batch(SCHEMA)?;
        Ok(Sqlite { db })
    }

    /// One durable transaction.
    pub(crate) fn append<E: AsRef<[u8]>>(&mut self, events: &[E]) -> Result {
        let transaction = self.db.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            let mut link = transaction.prepare_cached(LINK)?;
            for event in events {
                let body = event.as_ref();
                let fields = Fields::of(body)?;
                insert.execute(params![
                    fields.event_id,
                    fields.run_id,
                    fields.tenant,
                    fields.agent_id,
                    fields.kind,
                    fields.policy.decision,
                    fields.policy.matched_rule,
                    fields.environment,
                    fields.model,
                    fields.ts,
                    body
                ])?;
                let seq = transaction.last_insert_rowid();
                for control in &fields.controls {
                    link.execute(params![control, seq])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Sink for Sqlite {
    fn commit(&mut self, events: &[&[u8]]) -> Result {
        self.append(events)
    }
}

/// redb with the bodies by seq and nothing indexed: less than is asked of a store of evidence.
pub(crate) struct Redb {
    db: redb::Database,
    next: u64,
}

const BODIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bodies");

impl Redb {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Redb { db: redb::Database::create(path)?, next: 0 })
    }

    /// One durable transaction.
    pub(crate) fn append<E: AsRef<[u8]>>(&mut self, events: &[E]) -> Result {
        let transaction = self.db.begin_write()?;
        {
            let mut table = transaction.open_table(BODIES)?;
            for event in events {
                table.insert(self.next, event.as_ref())?;
                self.next += 1;
            }
        }
        Ok(transaction.commit()?)
    }

    /// How many events there are.
    pub(crate) fn count(&self) -> Result<u64> {
        use redb::ReadableTableMetadata;
        Ok(self.db.begin_read()?.open_table(BODIES)?.len()?)
    }
}

/// fjall, an LSM tree: bodies by seq, and a key for each field, term and seq of what SQLite has indexes of.
pub(crate) struct Fjall {
    db: Database,
    bodies: Keyspace,
    terms: Keyspace,
    next: u64,
}

impl Fjall {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let db = Database::builder(path).open()?;
        let bodies = db.keyspace("bodies", KeyspaceCreateOptions::default)?;
        let terms = db.keyspace("terms", KeyspaceCreateOptions::default)?;
        Ok(Fjall { db, bodies, terms, next: 0 })
    }

    /// One durable batch.
    pub(crate) fn append<E: AsRef<[u8]>>(&mut self, events: &[E]) -> Result {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for event in events {
            let body = event.as_ref();
            let fields = Fields::of(body)?;
            let seq = self.next.to_be_bytes();
            batch.insert(&self.bodies, seq, body);
            let policy = &fields.policy;
            let indexed = [
                &fields.event_id,
                &fields.run_id,
                &fields.tenant,
                &fields.agent_id,
                &fields.kind,
                &policy.decision,
                &policy.matched_rule,
                &fields.ts,
            ];
            let of_fields = (0_u8..).zip(indexed);
            for (field, term) in of_fields.chain(fields.controls.iter().map(|control| (u8::MAX, control))) {
                let key = [&[field], term.as_bytes(), &[0], &seq].concat();
                batch.insert(&self.terms, key, []);
            }
            self.next += 1;
        }
        Ok(batch.commit()?)
    }

    /// How many events there are.
    pub(crate) fn count(&self) -> Result<u64> {
        Ok(self.bodies.len()? as u64)
    }
}

impl Sink for Fjall {
    fn commit(&mut self, events: &[&[u8]]) -> Result {
        self.append(events)
    }
}
