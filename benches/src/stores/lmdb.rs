//! LMDB: bodies by seq, and a tree of keys for each question that the queries benchmark asks.
//!
//! Seqs are native integers, which LMDB compares fastest, and the seqs of a run, or of a control, agent and kind, lie side by
//! side as its fixed-size duplicates.

use std::path::Path;

use lmdb::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Error, RwTransaction, Transaction, WriteFlags,
};

use crate::{Fields, Result};

/// How much the store may hold; only address space is taken for it.
const MAP_LEN: usize = 64 << 30;

/// A store.
#[derive(Debug)]
#[expect(missing_docs, reason = "each tree says what is in it by its name")]
pub struct Lmdb {
    pub env: Environment,
    pub bodies: Database,
    pub by_id: Database,
    pub by_run: Database,
    /// Agent, decision, time and seq to seq.
    pub by_decision: Database,
    /// Control, agent and kind to seqs.
    pub by_control: Database,
    /// Control and day to how many events there are.
    pub by_day: Database,
    next: u64,
}

impl Lmdb {
    /// Opens the store in the directory `place`, or makes it there. With `sync`, what was appended is on the disk.
    ///
    /// # Errors
    /// What LMDB says.
    pub fn open(place: &Path, sync: bool) -> Result<Self> {
        std::fs::create_dir_all(place)?;
        let lazy = if sync { EnvironmentFlags::empty() } else { EnvironmentFlags::NO_SYNC };
        let mut builder = Environment::new();
        let env = builder
            .set_flags(lazy | EnvironmentFlags::NO_MEM_INIT)
            .set_max_dbs(8)
            .set_map_size(MAP_LEN)
            .open(place)?;
        let seqs = DatabaseFlags::DUP_SORT | DatabaseFlags::DUP_FIXED | DatabaseFlags::INTEGER_DUP;
        let plain = DatabaseFlags::empty();
        let tree = |name, flags| env.create_db(Some(name), flags);
        let (bodies, by_id) = (tree("bodies", DatabaseFlags::INTEGER_KEY)?, tree("by_id", plain)?);
        let (by_run, by_decision) = (tree("by_run", seqs)?, tree("by_decision", plain)?);
        let (by_control, by_day) = (tree("by_control", seqs)?, tree("by_day", plain)?);
        let next = env.begin_ro_txn()?.stat(bodies)?.entries() as u64;
        Ok(Lmdb { env, bodies, by_id, by_run, by_decision, by_control, by_day, next })
    }

    /// Appends in one transaction.
    ///
    /// # Errors
    /// What LMDB says, and events that are none of ours.
    pub fn append<E: AsRef<[u8]>>(&mut self, events: &[E]) -> Result {
        let mut transaction = self.env.begin_rw_txn()?;
        let mut seq = self.next;
        for event in events {
            self.insert(&mut transaction, seq, event.as_ref())?;
            seq += 1;
        }
        transaction.commit()?;
        self.next = seq;
        Ok(())
    }

    fn insert(&self, transaction: &mut RwTransaction<'_>, seq: u64, body: &[u8]) -> Result {
        let fields = Fields::of(body)?;
        let (order, decision) = (seq.to_be_bytes(), fields.policy.decision);
        let (seq, none) = (seq.to_ne_bytes(), WriteFlags::empty());
        transaction.put(self.bodies, &seq, &body, WriteFlags::APPEND)?;
        transaction.put(self.by_id, &fields.event_id, &seq, none)?;
        transaction.put(self.by_run, &fields.run_id, &seq, none)?;
        let decided = [&*Lmdb::key(&[fields.agent_id, decision, fields.ts]), &order].concat();
        transaction.put(self.by_decision, &decided, &seq, none)?;
        for control in &fields.controls {
            let key = Lmdb::key(&[control, fields.agent_id, fields.kind]);
            transaction.put(self.by_control, &key, &seq, none)?;
            let key = Lmdb::key(&[control, fields.day()]);
            let count = match transaction.get(self.by_day, &key) {
                Ok(count) => Lmdb::number(count)?,
                Err(Error::NotFound) => 0,
                Err(error) => return Err(error.into()),
            };
            transaction.put(self.by_day, &key, &(count + 1).to_ne_bytes(), none)?;
        }
        Ok(())
    }

    /// The parts of a key, one after another, a zero between them.
    pub fn key(parts: &[&str]) -> Vec<u8> {
        parts.join("\0").into_bytes()
    }

    /// A seq or a count, as the trees have it.
    ///
    /// # Errors
    /// Bytes that are neither.
    pub fn number(bytes: &[u8]) -> Result<u64> {
        Ok(u64::from_ne_bytes(bytes.try_into()?))
    }
}
