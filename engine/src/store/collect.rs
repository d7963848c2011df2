//! Collecting artifacts: of those that a plan names, what no event names goes.
//!
//! All events are read off the lock; under it, those that came since. Under the same lock a record says what goes, and it
//! goes: a process that puts one of them again either says so before, and it stays, or finds that it is gone. A crash
//! leaves some of what the record names: whoever applies a plan next finishes that.

use std::collections::{BTreeMap, BTreeSet};

use super::Store;
use super::artifacts::room;
use crate::artifact::ArtifactId;
use crate::format::admin::Admin;
use crate::format::retention::{Approved, Collecting, Plan};
use crate::log::{NewRecord, Session};
use crate::retention::{Uses, plan};
use crate::{Result, Seq};

/// How many artifacts go in one hold of the lock.
const BATCH: usize = 64;

/// What became of a plan's artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// How many were removed this time.
    pub artifacts: u64,
    /// Length of their files in bytes.
    pub bytes: u64,
    /// How many stay, named by an event or put again since the plan was made.
    pub spared: u64,
    /// How many are still there that are not spared: it was told to stop.
    pub left: u64,
}

impl Store {
    /// Collects the artifacts of a plan that was begun by the record at `seq`, as long as `go_on` says so.
    pub(super) fn collect(
        &self,
        approved: &Approved<Plan>,
        seq: Seq,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Collected> {
        let (log, statement) = (&self.inner.log, &approved.statement);
        let room = room(log);
        let there: BTreeSet<ArtifactId> = room.list()?.into_iter().collect();
        let mut planned = plan::artifacts(&approved.matter)?;
        planned.retain(|id| there.contains(id));
        let mut uses = self.uses(&planned)?;
        let mut collected = Collected::default();
        let mut batches = planned.chunks(BATCH);
        for batch in batches.by_ref() {
            if !go_on() {
                collected.left = batch.len() as u64;
                break;
            }
            let (going, bytes) = log.transact(|session: &mut Session<'_>| {
                self.check_time(statement)?;
                let head = session.head().clone();
                uses.read(log, &head, &*log.catalog(&head)?, &[])?;
                let (mut going, mut bytes) = (Vec::new(), 0);
                for id in batch {
                    let is_free = uses.get(*id).is_collectable(statement.tree_size, statement.as_of);
                    if let Some(len) = room.stored_len(*id)?.filter(|_| is_free) {
                        going.push(*id);
                        bytes += len;
                    }
                }
                if !going.is_empty() {
                    let artifacts = going.iter().map(ArtifactId::to_string).collect();
                    let body = Admin::Collecting(Collecting { artifacts, bytes, plan: seq }).encode();
                    session.write(&[NewRecord::admin(&body)])?;
                    session.sync()?;
                    room.remove(&going)?;
                }
                Ok((going.len(), bytes))
            })?;
            collected.artifacts += going as u64;
            collected.bytes += bytes;
            collected.spared += (batch.len() - going) as u64;
        }
        collected.left += batches.map(|batch| batch.len() as u64).sum::<u64>();
        Ok(collected)
    }

    /// Removes what a record says is collected and is still there, unless it was put again or is named after all; how
    /// many artifacts that were, and their length in bytes, by plan.
    pub(super) fn finish_collections(&self) -> Result<BTreeMap<Seq, (u64, u64)>> {
        let log = &self.inner.log;
        let collections = self.snapshot()?.retention()?.collections;
        let room = room(log);
        let mut finished = BTreeMap::new();
        if collections.is_empty() {
            return Ok(finished);
        }
        let there: BTreeSet<ArtifactId> = room.list()?.into_iter().collect();
        let mut begun: BTreeMap<ArtifactId, (Seq, Seq)> = BTreeMap::new();
        for (seq, collecting) in &collections {
            let ids = collecting.artifacts.iter().filter_map(|artifact| artifact.parse().ok());
            begun.extend(ids.filter(|id| there.contains(id)).map(|id| (id, (*seq, collecting.plan))));
        }
        if begun.is_empty() {
            return Ok(finished);
        }
        let ids: Vec<ArtifactId> = begun.keys().copied().collect();
        let mut uses = self.uses(&ids)?;
        log.transact(|session: &mut Session<'_>| {
            let head = session.head().clone();
            uses.read(log, &head, &*log.catalog(&head)?, &[])?;
            let mut going = Vec::new();
            for (id, (seq, plan)) in begun {
                let used = uses.get(id);
                if used.events == 0 && used.put.is_none_or(|(put, _)| put < seq) {
                    let (count, bytes) = finished.entry(plan).or_default();
                    *count += 1;
                    *bytes += room.stored_len(id)?.unwrap_or(0);
                    going.push(id);
                }
            }
            room.remove(&going)
        })?;
        Ok(finished)
    }

    /// The uses of artifacts by nearly all of the log: what came while it was read is left for the lock.
    fn uses(&self, ids: &[ArtifactId]) -> Result<Uses> {
        let snapshot = self.snapshot()?;
        let mut uses = Uses::new(ids.iter().copied(), &snapshot.retention()?);
        uses.read(&self.inner.log, &snapshot.head, &snapshot.catalog, &[])?;
        let snapshot = self.snapshot()?;
        uses.read(&self.inner.log, &snapshot.head, &snapshot.catalog, &[])?;
        Ok(uses)
    }
}
