//! Power cut at every changing call while a plan is carried out: what it does not name is there as it was, what it names is
//! whole or gone, the store verifies clean, and the plan can be gone on with to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::artifact::ArtifactId;
use indelible_engine::disk::sim::{Cut, SimDisk};
use indelible_engine::disk::{Clock, Disk};
use indelible_engine::format::retention::{Approved, OperatorSet, Plan};
use indelible_engine::hash::Hash;
use indelible_engine::trust::{Signer, SigningKey};
use indelible_engine::{Error, Options, Record, Seq, Store, Timestamp, verify};

use super::cuts::{caught, in_parallel};
use super::workload::{STORE, machine, options};

const HOUR_NS: i64 = 3_600_000_000_000;

/// Two days, in nanoseconds: artifacts are collected when they are more than one old.
const TWO_DAYS_NS: u64 = 2 * 24 * 3_600_000_000_000;

/// A machine on which a plan was carried out, and what its store had before.
struct Deleted {
    cuts: Vec<Cut>,
    /// The records before, by seq: leaf and body.
    before: BTreeMap<Seq, (Hash, Vec<u8>)>,
    planned: BTreeSet<Seq>,
    plan: Approved<Plan>,
    /// The artifacts that only what goes names, and one that an event that stays names too.
    own: [ArtifactId; 2],
    shared: ArtifactId,
}

fn records(store: &Store) -> Result<Vec<Record>, Error> {
    store.snapshot()?.records_with_integrity(..).collect()
}

/// Three sealed segments, the second in the warm tier, from each of which some events go.
fn carried_out() -> Result<Deleted, Error> {
    let (disk, _) = machine(21);
    let new = Options::new("crash.example/deletions")
        .world(disk.world())
        .segment_len(1 << 20)
        .allocate_len(2_048)
        .seal_in_background(false);
    let store = Store::create(STORE, new)?;
    let put = |mut text: &[u8]| store.put_artifact(&mut text).map(|(info, _)| info.id);
    let (own, shared) = ([put(b"a diff")?, put(b"a prompt")?], put(b"a log")?);
    for segment in 0..3 {
        for n in 0..5 {
            let see = match (segment, n) {
                (0, 0) => format!("{} {} {shared}", own[0], own[1]),
                (0, 1) => shared.to_string(),
                _ => String::new(),
            };
            let event = format!(
                r#"{{"event_id":"e-{segment}-{n}","run_id":"run_{}","secret":"{segment}{n}","see":"{see}"}}"#,
                n % 2
            );
            store.append(event.as_bytes())?;
        }
        store.seal()?;
    }
    let second = store.snapshot()?.segments().nth(1).map(|segment| segment.id);
    store.compact(second.unwrap_or_default(), &mut |_, _| true)?;
    let operator = SigningKey::from_seed("operator", [7; 32])?;
    let snapshot = store.snapshot()?;
    disk.clock().advance_ns(TWO_DAYS_NS);
    let now = disk.clock().now();
    let later = Timestamp(now.0 + HOUR_NS);
    let set = OperatorSet { keys: vec![operator.verifier().to_string()], replaces: 0, threshold: 1 };
    store.set_operators(&snapshot.propose(set, now, later))?;
    let snapshot = store.snapshot()?;
    let users: Vec<Seq> =
        records(&store)?.iter().filter(|record| !record.is_store_record()).map(|record| record.seq).collect();
    let planned: BTreeSet<Seq> = users.iter().copied().step_by(3).collect();
    let chosen: Vec<Seq> = planned.iter().copied().collect();
    let mut plan = snapshot.plan_redaction(&chosen, "asked to", now, later)?;
    plan.approve(&operator)?;
    let before = records(&store)?
        .into_iter()
        .map(|record| (record.seq, (record.integrity.map_or(Hash::ZERO, |tied| tied.leaf), record.body)))
        .collect();
    disk.record();
    store.apply_plan(&plan, &mut |_, _| true)?;
    store.close()?;
    Ok(Deleted { cuts: disk.cuts(), before, planned, plan, own, shared })
}

impl Deleted {
    /// Whether a store has all that it must have; with `done`, nothing that the plan names.
    fn check(&self, disk: &SimDisk, store: &Store, done: bool) -> Result<(), String> {
        let told = |error: Error| format!("read: {error}");
        let now: BTreeMap<Seq, Record> =
            records(store).map_err(told)?.into_iter().map(|record| (record.seq, record)).collect();
        for (seq, (leaf, body)) in &self.before {
            let record = now.get(seq).ok_or_else(|| format!("record {seq} is missing"))?;
            if record.integrity.map(|tied| tied.leaf) != Some(*leaf) {
                return Err(format!("record {seq} has another leaf"));
            }
            let planned = self.planned.contains(seq);
            match record.deleted {
                None if done && planned => return Err(format!("record {seq} is still there")),
                None if record.body != *body => return Err(format!("record {seq} has another body")),
                Some(_) if !planned => return Err(format!("record {seq} went, and no plan names it")),
                _ => {}
            }
        }
        let whole =
            |id: ArtifactId| store.artifact(id).and_then(|mut artifact| artifact.copy_to(&mut io::sink()));
        whole(self.shared).map_err(|error| format!("the artifact that is named still: {error}"))?;
        let left = store.artifacts().map_err(told)?.into_iter().filter(|id| self.own.contains(id)).count();
        if done && left > 0 {
            return Err(format!("{left} artifacts are still there"));
        }
        let files: Arc<dyn Disk> = Arc::new(disk.clone());
        let quiet = verify::Options { threads: 1, ..verify::Options::default() };
        let report = verify::verify(&files, Path::new(STORE), &quiet).map_err(|error| error.to_string())?;
        report.findings.first().map_or(Ok(()), |finding| Err(format!("verify: {finding}")))
    }

    /// Opens what a crash left, checks it, and carries the plan out to its end.
    fn examine(&self, disk: &SimDisk) -> Result<(), String> {
        let told = |what: &'static str| move |error: Error| format!("{what}: {error}");
        // A machine that comes up again must not be behind the plan: nobody could apply it then.
        let (clock, as_of) = (disk.clock(), self.plan.statement.as_of);
        if clock.now() < as_of {
            clock.set(as_of);
        }
        let store = Store::open(STORE, options(disk)).map_err(told("open"))?;
        self.check(disk, &store, false)?;
        let state = store.snapshot().and_then(|snapshot| snapshot.retention()).map_err(told("state"))?;
        let done = state.deletions.iter().filter(|deletion| deletion.done);
        let done: u64 = done.map(|deletion| deletion.deleting.delete.events).sum();
        // In the boot of a process that was killed the last record may be one that only the next commit takes over.
        let is_known = disk.boot() > 0;
        match store.apply_plan(&self.plan, &mut |_, _| true) {
            Ok(applied) if !is_known || done + applied.deleted.events == self.planned.len() as u64 => {}
            // All was done, and only the end of it was not told to anybody.
            Err(Error::Refused { .. }) if !is_known || done == self.planned.len() as u64 => {}
            Ok(applied) => return Err(format!("{done} were gone, and {applied:?}")),
            Err(error) => return Err(format!("apply: {error}")),
        }
        self.check(disk, &store, true).map_err(|error| format!("when gone on with: {error}"))?;
        for (path, bytes) in disk.files() {
            let name = path.display().to_string();
            let gone = self.planned.iter().filter_map(|seq| self.before.get(seq));
            for (_, body) in gone {
                if name.starts_with(STORE) && bytes.windows(body.len()).any(|window| window == body) {
                    return Err(format!("a deleted event is still in {name}"));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn a_deletion_loses_nothing_else_and_comes_to_its_end_wherever_it_is_cut_off() {
    let deleted = carried_out().expect("the disk is well");
    assert_eq!((deleted.planned.len(), deleted.plan.matter.artifacts.len()), (5, 2));
    let removed =
        deleted.cuts.iter().filter(|cut| cut.call.starts_with("remove") && cut.call.contains("artifacts"));
    assert_eq!(removed.count(), 2);
    let renames =
        deleted.cuts.iter().filter(|cut| cut.call.starts_with("rename") && cut.call.ends_with(".log"));
    assert_eq!(renames.count(), 3, "each segment's log is replaced");
    in_parallel(&deleted.cuts, |cut| {
        let told = |error| format!("cut {} before {}: {error}", cut.index, cut.call);
        for left in cut.ways(10, cut.index) {
            let disk = cut.crash(left);
            caught(|| deleted.examine(&disk)).map_err(|error| told(format!("{left}: {error}")))?;
        }
        caught(|| deleted.examine(&cut.kill())).map_err(told)
    });
}
