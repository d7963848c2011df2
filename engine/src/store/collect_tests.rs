//! Artifacts go by an approved plan, where nothing names them, and by nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::artifact::ArtifactId;
use crate::disk::sim::{SimClock, SimDisk};
use crate::disk::{Clock, Disk, World};
use crate::filter::{Field, Filter, Test, Value};
use crate::format::retention::{Approved, Hold, OperatorSet, Plan, Policy, Terms};
use crate::trust::{Signer, SigningKey};
use crate::verify::{self, Depth, FindingClass, Report};
use crate::{Seq, Timestamp};

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

pub(super) struct Site {
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<SimClock>,
    pub(super) store: Store,
    pub(super) key: SigningKey,
}

impl Site {
    /// A store that keeps everything for ten days, with one operator.
    pub(super) fn new() -> Site {
        let (disk, clock) = (SimDisk::new(1), Arc::new(SimClock::new(Timestamp(1_790_000_000_000_000_000))));
        let world = World { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..disk.world() };
        let options = Options::new("test.example/collect")
            .world(world)
            .allocate_len(1)
            .segment_age_s(u64::MAX >> 1)
            .seal_in_background(false);
        let store = Store::create("/store", options).unwrap();
        let key = SigningKey::from_seed("operator", [1; 32]).unwrap();
        let site = Site { disk, clock, store, key };
        let set = OperatorSet { keys: vec![site.key.verifier().to_string()], replaces: 0, threshold: 1 };
        let change = site.store.snapshot().unwrap().propose(set, site.now(), site.later());
        site.store.set_operators(&change).unwrap();
        let default = Terms { keep_s: Some(10 * 86_400), ..Terms::default() };
        let policy = Policy { default, rules: Vec::new(), text: String::new() };
        site.store.set_policy(&policy).unwrap();
        site
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn later(&self) -> Timestamp {
        Timestamp(self.now().0 + DAY_NS)
    }

    pub(super) fn pass(&self, hours: i64) {
        self.clock.advance_ns((hours * HOUR_NS) as u64);
    }

    pub(super) fn put(&self, text: &str) -> ArtifactId {
        self.store.put_artifact(&mut text.as_bytes()).unwrap().0.id
    }

    /// What a crash leaves of putting an artifact: its file is in its place, and no record says so.
    fn leave(&self, text: &str) -> ArtifactId {
        let (room, beside) = (self.store.artifacts_room(), Path::new("/store/artifact-left.new"));
        let id = room.write_beside(&mut text.as_bytes(), beside).unwrap().id;
        room.place(id, beside).unwrap();
        id
    }

    pub(super) fn append(&self, text: &str) -> Seq {
        self.store.append(text.as_bytes()).unwrap().seq
    }

    pub(super) fn name(&self, id: ArtifactId) -> Seq {
        self.append(&format!(r#"{{"kind":"x","artifact":"{id}"}}"#))
    }

    pub(super) fn plan(&self) -> Approved<Plan> {
        self.plan_as_of(self.now())
    }

    pub(super) fn plan_as_of(&self, as_of: Timestamp) -> Approved<Plan> {
        let mut plan = self.store.snapshot().unwrap().plan(as_of, self.later()).unwrap();
        plan.approve(&self.key).unwrap();
        plan
    }

    pub(super) fn apply(&self, plan: &Approved<Plan>) -> Collected {
        self.store.apply_plan(plan, &mut |_, _| true).unwrap().artifacts
    }

    pub(super) fn file(&self, id: ArtifactId) -> PathBuf {
        let name = id.0.to_string();
        PathBuf::from("/store/artifacts").join(&name[..2]).join(&name)
    }

    pub(super) fn verified(&self, depth: Depth) -> Report {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let options = verify::Options { depth, threads: 1, ..Default::default() };
        verify::verify(&disk, Path::new("/store"), &options).unwrap()
    }

    #[track_caller]
    pub(super) fn assert_clean(&self) {
        for depth in [Depth::Quick, Depth::Full] {
            let report = self.verified(depth);
            assert!(report.is_clean(), "{depth:?}: {:#?}", report.findings);
        }
    }
}

/// The artifacts that a plan names.
fn named(plan: &Approved<Plan>) -> Vec<ArtifactId> {
    plan.matter.artifacts.iter().map(|planned| planned.artifact.parse().unwrap()).collect()
}

fn kept(site: &Site) -> Vec<ArtifactId> {
    site.store.artifacts().unwrap()
}

fn sorted(mut ids: Vec<ArtifactId>) -> Vec<ArtifactId> {
    ids.sort();
    ids
}

#[test]
fn what_nothing_names_for_a_day_goes_by_a_plan_and_what_is_named_or_young_stays() {
    let site = Site::new();
    let [stray, second, pointed, quoted] =
        ["stray", "second", "pointed", "quoted"].map(|text| site.put(text));
    site.name(pointed);
    site.append(&format!(r#"{{"text":"{{\"see\":\"{}\"}}"}}"#, quoted.0.to_string().to_uppercase()));
    assert_eq!(named(&site.plan()), [] as [ArtifactId; 0], "all are young");
    site.pass(25);
    let young = site.put("young");
    let plan = site.plan();
    assert_eq!(named(&plan), sorted(vec![stray, second]));
    assert!(plan.matter.artifacts.iter().all(|planned| planned.bytes > 0));
    let again = site.store.snapshot().unwrap().plan(plan.statement.as_of, plan.statement.expires).unwrap();
    assert_eq!(again.matter, plan.matter, "the same store and time give the same plan");
    let unapproved = Approved { approvals: Vec::new(), ..plan.clone() };
    assert!(matches!(
        site.store.apply_plan(&unapproved, &mut |_, _| true),
        Err(Error::NotAuthenticated { .. })
    ));
    let bytes = plan.matter.artifacts.iter().map(|planned| planned.bytes).sum();
    assert_eq!(site.apply(&plan), Collected { artifacts: 2, bytes, spared: 0, left: 0 });
    assert_eq!(kept(&site), sorted(vec![pointed, quoted, young]));
    site.assert_clean();
    assert!(site.store.apply_plan(&plan, &mut |_, _| true).is_err(), "carried out already");
    site.put("stray");
    site.assert_clean();
    assert_eq!(kept(&site).len(), 4, "what went can be put again");
}

#[test]
fn what_is_named_or_put_again_since_the_plan_was_made_stays() {
    let site = Site::new();
    let ids = ["named", "again", "stray"].map(|text| site.put(text));
    site.pass(30);
    let plan = site.plan();
    assert_eq!(named(&plan), sorted(ids.to_vec()));
    site.name(ids[0]);
    // However old the clock makes it: it is behind the plan.
    site.clock.set(Timestamp(plan.statement.as_of.0 + 1));
    site.put("again");
    let collected = site.apply(&plan);
    assert_eq!((collected.artifacts, collected.spared), (1, 2));
    assert_eq!(kept(&site), sorted(ids[..2].to_vec()));
    site.assert_clean();
    site.pass(2);
    let rest = site.apply(&plan);
    assert_eq!((rest.artifacts, rest.spared), (0, 2), "it has been named, and that stays so");
}

#[test]
fn what_only_events_name_that_go_goes_with_them_and_a_hold_keeps_both() {
    let site = Site::new();
    let [own, shared, held, other] = ["own", "shared", "held", "other"].map(|text| site.put(text));
    let seq = site.append(&format!(r#"{{"artifact":["{own}","{shared}"],"text":"{own}"}}"#));
    site.name(shared);
    site.append(&format!(r#"{{"kind":"h","artifact":"{held}"}}"#));
    site.store.seal().unwrap();
    site.pass(30);
    let snapshot = site.store.snapshot().unwrap();
    let mut plan = snapshot.plan_redaction(&[seq], "asked to", site.now(), site.later()).unwrap();
    plan.approve(&site.key).unwrap();
    assert_eq!(named(&plan), [own], "and not {other}, which is no part of what was asked for");
    assert_eq!(site.apply(&plan).artifacts, 1);
    site.assert_clean();
    let when = Filter::Field(Field::Name("kind".to_owned()), Test::Equals(vec![Value::Word("h".to_owned())]));
    let [by, conditions, name, reason] = ["counsel", "kind = h", "case", "a case"].map(str::to_owned);
    let when = serde_json::from_slice(&when.encode()).unwrap();
    let hold = Hold { by, conditions, name, reason, ticket: String::new(), when };
    site.pass(300);
    let before = site.plan();
    assert_eq!(named(&before), sorted(vec![shared, held, other]), "nothing is held yet");
    site.store.place_hold(&hold).unwrap();
    assert_eq!(named(&site.plan()), sorted(vec![shared, other]));
    let collected = site.apply(&before);
    assert_eq!((collected.artifacts, collected.spared), (2, 1));
    assert_eq!(kept(&site), [held]);
    site.assert_clean();
}

#[test]
fn a_file_that_no_record_speaks_of_goes_by_a_plan_unless_it_is_put_or_named_meanwhile() {
    let site = Site::new();
    let left = ["left", "again", "named"].map(|text| site.leave(text));
    let young = site.put("young");
    site.assert_clean();
    let plan = site.plan();
    assert_eq!(named(&plan), sorted(left.to_vec()), "nobody was told that these are there");
    assert!(!site.store.put_artifact(&mut "again".as_bytes()).unwrap().1, "it is there already");
    site.name(left[2]);
    let collected = site.apply(&plan);
    assert_eq!((collected.artifacts, collected.spared), (1, 2));
    assert_eq!(kept(&site), sorted(vec![left[1], left[2], young]));
    site.assert_clean();
}

#[test]
fn one_that_is_missing_was_collected_or_removed_without_authority() {
    let site = Site::new();
    let [gone, stolen] = ["gone", "stolen"].map(|text| site.put(text));
    site.name(stolen);
    site.pass(30);
    site.apply(&site.plan());
    let on_record = site.store.snapshot().unwrap().artifacts_on_record().unwrap();
    assert_eq!(on_record.into_keys().collect::<Vec<_>>(), [stolen]);
    site.disk.remove(&site.file(stolen)).unwrap();
    for depth in [Depth::Quick, Depth::Full] {
        let report = site.verified(depth);
        let [finding] = &report.findings[..] else { panic!("{:#?}", report.findings) };
        assert_eq!(
            (finding.class, finding.found.as_str()),
            (FindingClass::Forged, "removed without authority")
        );
        assert!(finding.file.ends_with(&stolen.0.to_string()), "and not {gone}: {finding}");
    }
}

#[test]
fn what_a_crash_left_of_a_collection_is_told_and_finished() {
    let site = Site::new();
    let ids = ["one", "two", "three"].map(|text| site.put(text));
    let files = ids.map(|id| (id, (&site.disk as &dyn Disk).read(&site.file(id), 1 << 20).unwrap().unwrap()));
    site.pass(30);
    let plan = site.plan();
    assert_eq!(site.apply(&plan).artifacts, 3);
    files.iter().for_each(|(id, bytes)| site.disk.put(&site.file(*id), bytes).unwrap());
    site.assert_clean();
    let report = site.verified(Depth::Full);
    assert_eq!(report.remarks.iter().filter(|remark| remark.text.contains("went by record")).count(), 3);
    // Of those that are there still one is put again, and one is named: these stay.
    site.put("one");
    site.name(ids[1]);
    assert_eq!(site.apply(&plan).artifacts, 1, "the plan's end is told once more");
    assert_eq!(kept(&site), sorted(ids[..2].to_vec()));
    site.assert_clean();
}

#[test]
fn no_clock_makes_an_artifact_old() {
    let site = Site::new();
    site.append("{}");
    let right = site.now();
    // By a clock that is behind, an artifact is no older than the events before it.
    site.clock.set(Timestamp(right.0 - 100 * DAY_NS));
    site.put("behind");
    site.clock.set(right);
    assert_eq!(named(&site.plan()), [] as [ArtifactId; 0]);
    // What is planned by a clock that is ahead cannot be approved by the right one.
    site.clock.set(Timestamp(right.0 + 100 * DAY_NS));
    let early = site.plan();
    assert_eq!(named(&early).len(), 1);
    site.clock.set(right);
    assert!(site.store.apply_plan(&early, &mut |_, _| true).is_err());
    assert_eq!(kept(&site).len(), 1);
    // The clock of the machine that carries it out counts for nothing.
    let now = site.plan();
    site.put("young");
    site.clock.set(Timestamp(right.0 + DAY_NS - 1));
    assert_eq!(site.apply(&now), Collected::default());
    assert_eq!(kept(&site).len(), 2);
    site.assert_clean();
}

#[test]
fn a_backup_that_artifacts_went_from_meanwhile_is_none() {
    let site = Site::new();
    for text in ["one", "two", "three"] {
        site.put(text);
    }
    site.pass(30);
    let (plan, mut applied) = (site.plan(), false);
    let copied = site.store.backup(Path::new("/copy"), &mut |_, _| {
        if !std::mem::replace(&mut applied, true) {
            assert_eq!(site.apply(&plan).artifacts, 3);
        }
        true
    });
    assert!(matches!(copied, Err(Error::Refused { what: "backup", .. })), "{copied:?}");
    site.store.backup(Path::new("/again"), &mut |_, _| true).unwrap();
}

#[test]
fn artifacts_are_no_events_and_no_part_of_the_log_s_state() {
    let site = Site::new();
    site.append("{}");
    let before = site.store.snapshot().unwrap();
    for n in 0..50 {
        site.put(&n.to_string());
        site.append("{}");
    }
    let after = site.store.snapshot().unwrap();
    assert_eq!(after.tree_size(), before.tree_size() + 100);
    assert_eq!(after.store_records().count(), before.store_records().count(), "nothing has to be folded");
    assert_eq!(after.totals::<0>([]).unwrap().event_count, 51);
    let own = after.store_records().count();
    site.assert_clean();
    drop((before, after));
    // A store without hints is the same store: a process that comes later reads the log.
    let Site { disk, store, .. } = site;
    store.close().unwrap();
    for file in ["head", "catalog"] {
        disk.remove(&Path::new("/store").join(file)).unwrap();
    }
    let store = Store::open("/store", Options::default().world(disk.world()).allocate_len(1)).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!((snapshot.totals::<0>([]).unwrap().event_count, snapshot.store_records().count()), (51, own));
}
