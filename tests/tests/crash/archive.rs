//! Power cut at every changing call, and errors at every call, while segments go to an archive and come back: no record is
//! lost or changed, the store verifies clean, and what was begun can be gone on with to its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::disk::Disk;
use indelible_engine::disk::sim::{Cut, Failure, SimDisk, SyncLoss, What};
use indelible_engine::{
    ArchivedSegment, Error, Options, Record, Result, Retrieve, Retrieved, SegmentId, Store, verify,
};

use super::cuts::{caught, in_parallel};
use super::workload::{STORE, machine, options};

/// An archive that burns down in no test: the logs of the segments, each one piece.
#[derive(Debug, Default)]
struct Shelf(BTreeMap<SegmentId, Vec<u8>>);

impl Retrieve for Shelf {
    fn retrieve(&self, segment: &ArchivedSegment, at: u64, _: bool) -> Result<Retrieved> {
        let log = self.0.get(&segment.id).and_then(|log| log.get(usize::try_from(at).ok()?..));
        let missing = || Error::NotFound { what: "segment", name: segment.id.to_string() };
        Ok(Retrieved { bytes: log.ok_or_else(missing)?.to_vec(), fetched_len: 1 })
    }

    fn is_here(&self, _: &ArchivedSegment, _: u64) -> bool {
        false
    }
}

/// A store of three sealed segments, the second in the warm tier, and all that must be there whatever happens.
struct Site {
    disk: SimDisk,
    shelf: Arc<Shelf>,
    before: Vec<Record>,
}

impl Site {
    fn new() -> Result<Site> {
        let (disk, _) = machine(31);
        let new = Options::new("crash.example/archive")
            .world(disk.world())
            .segment_len(1 << 20)
            .allocate_len(2_048)
            .seal_in_background(false);
        let store = Store::create(STORE, new)?;
        for segment in 0..3 {
            for n in 0..4 {
                store.append(
                    format!(r#"{{"event_id":"e-{segment}-{n}","run_id":"run_{}"}}"#, n % 2).as_bytes(),
                )?;
            }
            store.seal()?;
        }
        let ids = sealed(&store)?;
        let log = |id: &SegmentId| {
            let path = Path::new(STORE).join("log").join(id.file_name("log"));
            let bytes = disk.files().into_iter().find(|(known, _)| *known == path).map(|(_, bytes)| bytes);
            (*id, bytes.unwrap_or_default())
        };
        let shelf = Arc::new(Shelf(ids.iter().map(log).collect()));
        store.compact(ids[1], &mut |_, _| true)?;
        let before = store.snapshot()?.records(..).collect::<Result<_>>()?;
        store.close()?;
        Ok(Site { disk, shelf, before })
    }

    /// Opens the store in a process of its own.
    fn open(&self, disk: &SimDisk) -> Result<Store> {
        Store::open(STORE, options(&disk.process()).retrieve(self.shelf.clone()))
    }

    /// Hands all sealed segments over, takes the first back and hands it over again.
    fn there_and_back(&self, disk: &SimDisk) -> Result<()> {
        let store = self.open(disk)?;
        let ids = sealed(&store)?;
        for id in &ids {
            store.move_to_archive(*id, "/shelf", None, &mut |_, _| true)?;
        }
        store.restore(ids[0])?;
        store.move_to_archive(ids[0], "/shelf", None, &mut |_, _| true)?;
        store.restore(ids[2])?;
        store.close()
    }

    /// Whether all records are there as they were, and the store verifies clean.
    fn check(&self, disk: &SimDisk, store: &Store) -> Result<(), String> {
        let now = store.snapshot().and_then(|snapshot| snapshot.records(..).collect::<Result<Vec<_>>>());
        let now = now.map_err(|error| format!("read: {error}"))?;
        if !now.starts_with(&self.before) {
            return Err("a record is another".to_owned());
        }
        let files: Arc<dyn Disk> = Arc::new(disk.clone());
        let retrieve: Option<Arc<dyn Retrieve>> = Some(self.shelf.clone());
        let quiet = verify::Options { threads: 1, retrieve, ..verify::Options::default() };
        let report = verify::verify(&files, Path::new(STORE), &quiet).map_err(|error| error.to_string())?;
        report.findings.first().map_or(Ok(()), |finding| Err(format!("verify: {finding}")))
    }

    /// Opens what was left, checks it, and brings it to an end.
    fn examine(&self, disk: &SimDisk) -> Result<(), String> {
        let store = self.open(disk).map_err(|error| format!("open: {error}"))?;
        self.check(disk, &store)?;
        store.close().map_err(|error| format!("close: {error}"))?;
        self.there_and_back(disk).map_err(|error| format!("go on: {error}"))?;
        let store = self.open(disk).map_err(|error| format!("open again: {error}"))?;
        self.check(disk, &store).map_err(|error| format!("when gone on with: {error}"))?;
        let logs = disk.files().into_iter().filter(|(path, _)| path.starts_with("/data/store/log"));
        let logs = logs.filter(|(path, _)| path.extension().is_some_and(|end| end == "log")).count();
        if logs == 2 {
            Ok(())
        } else {
            Err(format!("{logs} logs are there, not the active one and the third"))
        }
    }
}

fn sealed(store: &Store) -> Result<Vec<SegmentId>> {
    Ok(store.snapshot()?.segments().filter(|segment| segment.sealed).map(|segment| segment.id).collect())
}

#[test]
fn segments_that_go_to_an_archive_are_whole_wherever_that_is_cut_off() {
    let site = Site::new().expect("the disk is well");
    site.disk.record();
    site.there_and_back(&site.disk).expect("the disk is well");
    let cuts: Vec<Cut> = site.disk.cuts();
    let kept = cuts.iter().filter(|cut| cut.call.starts_with("rename") && cut.call.ends_with(".kept"));
    assert_eq!(kept.count(), 4, "what is kept is put in place each time");
    in_parallel(&cuts, |cut| {
        let told = |error| format!("cut {} before {}: {error}", cut.index, cut.call);
        for left in cut.ways(10, cut.index) {
            let disk = cut.crash(left);
            caught(|| site.examine(&disk)).map_err(|error| told(format!("{left}: {error}")))?;
        }
        caught(|| site.examine(&cut.kill())).map_err(told)
    });
}

#[test]
fn errors_on_the_way_to_an_archive_and_back_lose_nothing() {
    let calls = {
        let site = Site::new().expect("the disk is well");
        let first = site.disk.calls();
        site.there_and_back(&site.disk).expect("the disk is well");
        first..site.disk.calls()
    };
    let kinds = [What::Io(SyncLoss::Dropped), What::IoDone, What::NoSpace, What::Short];
    let cases: Vec<_> =
        calls.flat_map(|at| kinds.into_iter().map(move |what| Failure::new(at, what, at % 2 == 0))).collect();
    assert!(cases.len() > 400, "{} cases", cases.len());
    in_parallel(&cases, |failure| {
        caught(|| {
            let site = Site::new().map_err(|error| error.to_string())?;
            site.disk.fail(*failure);
            // Whether it came to its end is for the disk to say.
            let _ = site.there_and_back(&site.disk);
            site.disk.heal();
            site.examine(&site.disk)
        })
        .map_err(|error| format!("{failure:?}: {error}"))
    });
}
