//! Policies, holds, approvals and plans, by example; then at random against a model.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::artifact::ArtifactId;
use crate::disk::sim::{Random, SimClock, SimDisk};
use crate::disk::{Clock, World};
use crate::filter::{Field, Filter, Test, Value};
use crate::format::retention::{Approved, Hold, HoldRelease, OperatorSet, Plan, Policy, PolicyRule, Terms};
use crate::source::Profile;
use crate::trust::{Signer, SigningKey};
use crate::{Error, Masking, OnDuplicate, Options, Seq, Store, Timestamp};

const DAY_NS: i64 = 86_400_000_000_000;
const DAY_S: u64 = 86_400;
const START: i64 = 1_790_000_000_000_000_000;

/// A store in a simulated world whose clock the test sets.
pub(super) struct Site {
    pub(super) store: Store,
    pub(super) clock: Arc<SimClock>,
}

impl Site {
    pub(super) fn new() -> Site {
        let clock = Arc::new(SimClock::new(Timestamp(START)));
        let world = World { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..SimDisk::new(1).world() };
        let options = Options::new("test.example/retention")
            .world(world)
            .allocate_len(1)
            .segment_age_s(u64::MAX >> 1)
            .seal_in_background(false);
        let store = Store::create("/store", options).unwrap();
        Site { store, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self, days: i64) {
        self.clock.advance_ns((days * DAY_NS) as u64);
    }

    fn append(&self, kind: &str) -> Seq {
        self.store.append(format!(r#"{{"kind":{kind}}}"#).as_bytes()).unwrap().seq
    }

    /// An event that names an artifact, if any.
    fn append_naming(&self, kind: &str, artifact: Option<ArtifactId>) -> Seq {
        let artifact = artifact.map(|id| format!(r#","see":["{id}"]"#)).unwrap_or_default();
        self.store.append(format!(r#"{{"kind":{kind}{artifact}}}"#).as_bytes()).unwrap().seq
    }

    /// Puts one of a few artifacts; the seq of the record that says so.
    fn put(&self, random: &mut Random) -> (ArtifactId, Seq) {
        let (info, _) = self.store.put_artifact(&mut &[random.below(8) as u8][..]).unwrap();
        (info.id, self.store.snapshot().unwrap().tree_size() - 1)
    }

    fn plan(&self) -> Approved<Plan> {
        let now = self.now();
        self.store.snapshot().unwrap().plan(now, Timestamp(now.0 + DAY_NS)).unwrap()
    }

    fn operators(&self, keys: &[&SigningKey], threshold: u32, by: &[&SigningKey]) -> crate::Result<Seq> {
        let snapshot = self.store.snapshot().unwrap();
        let mut keys: Vec<String> = keys.iter().map(|key| key.verifier().to_string()).collect();
        keys.sort();
        let replaces = snapshot.retention().unwrap().operators.seq;
        let now = self.now();
        let set = OperatorSet { keys, replaces, threshold };
        let mut change = snapshot.propose(set, now, Timestamp(now.0 + DAY_NS));
        by.iter().try_for_each(|key| change.approve(*key))?;
        self.store.set_operators(&change)
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&format!("operator{number}"), [number; 32]).unwrap()
}

fn kinds(kinds: &[&str]) -> serde_json::Value {
    let values = kinds.iter().map(|kind| Value::Word((*kind).to_owned())).collect();
    let filter = Filter::Field(Field::Name("kind".to_owned()), Test::Equals(values));
    serde_json::from_slice(&filter.encode()).unwrap()
}

fn days(days: u64) -> Terms {
    Terms { keep_s: Some(days * DAY_S), ..Terms::default() }
}

fn rule(name: &str, of: &[&str], terms: Terms, locked: bool) -> PolicyRule {
    let (basis, conditions) = (String::new(), String::new());
    PolicyRule { basis, conditions, locked, name: name.to_owned(), terms, when: kinds(of) }
}

fn policy(default: Terms, rules: Vec<PolicyRule>) -> Policy {
    Policy { default, rules, text: String::new() }
}

fn hold(name: &str, of: &[&str]) -> Hold {
    let word = |word: &str| word.to_owned();
    Hold {
        by: word("counsel"),
        conditions: String::new(),
        name: word(name),
        reason: word("case 12"),
        ticket: String::new(),
        when: kinds(of),
    }
}

/// The seqs that a plan deletes.
pub(super) fn named(plan: &Approved<Plan>) -> Vec<Seq> {
    let ranges = plan.matter.segments.iter().flat_map(|segment| &segment.seqs);
    ranges.flat_map(|(first, end)| *first..*end).collect()
}

/// The artifacts that a plan names.
fn artifacts_of(plan: &Approved<Plan>) -> Vec<ArtifactId> {
    plan.matter.artifacts.iter().map(|planned| planned.artifact.parse().unwrap()).collect()
}

#[test]
fn what_is_due_is_planned_and_what_is_kept_or_held_is_not() {
    let site = Site::new();
    let [old, long, held, odd] = [r#""a""#, r#""b""#, r#""c""#, "{}"].map(|kind| site.append(kind));
    site.store.set_policy(&policy(days(10), vec![rule("long", &["b"], days(100), false)])).unwrap();
    site.store.place_hold(&hold("case", &["c"])).unwrap();
    site.pass(11);
    assert_eq!(named(&site.plan()), [] as [Seq; 0], "nothing is sealed yet");
    site.store.seal().unwrap();
    let young = site.append(r#""a""#);
    site.store.seal().unwrap();
    let plan = site.plan();
    assert_eq!(
        named(&plan),
        [old],
        "{long} is kept longer, {held} held, {odd} may be either, {young} is young"
    );
    assert_eq!((plan.matter.delete.events, plan.matter.delete.bytes), (1, 12));
    assert_eq!(plan.matter.held.iter().map(|held| held.tally.events).sum::<u64>(), 1);
    let snapshot = site.store.snapshot().unwrap();
    let (at, until) = (plan.statement.as_of, plan.statement.expires);
    assert_eq!(snapshot.plan(at, until).unwrap(), plan, "the same time gives the same plan");
    let status = snapshot.retention_status(site.now()).unwrap();
    let of = |name: &str| status.rules.iter().find(|rule| rule.name == name).unwrap().clone();
    assert_eq!(
        (of("default").hot.events, of("default").overdue.events, of("default").held.events),
        (3, 1, 1)
    );
    assert_eq!(of("long").hot.events, 2, "what cannot be read is kept by the longest rule that may apply");
    let state = snapshot.retention().unwrap();
    let reach = snapshot.hold_reach(state.hold("case").unwrap()).unwrap();
    assert_eq!((reach.held.events, reach.seqs), (2, Some((held, odd))));
}

#[test]
fn a_promise_of_the_hot_tier_is_kept_or_told() {
    let site = Site::new();
    let hot = |days: u64| Terms { hot_s: Some(days * DAY_S), ..Terms::default() };
    site.append(r#""a""#);
    site.append(r#""b""#);
    let sealed = site.store.seal().unwrap().unwrap().id;
    site.append(r#""a""#);
    let first =
        policy(days(500), vec![rule("pci", &["a"], hot(90), false), rule("law", &["b"], hot(1), false)]);
    site.pass(2);
    site.store.compact(sealed, &mut |_, _| true).unwrap().unwrap();
    site.store.set_policy(&first).unwrap();
    let of = |name: &str| {
        let status = site.store.snapshot().unwrap().retention_status(site.now()).unwrap();
        status.rules.into_iter().find(|rule| rule.name == name).unwrap()
    };
    assert_eq!((of("pci").hot.events, of("pci").warm.events, of("pci").not_hot.events), (1, 1, 1));
    assert_eq!((of("law").warm.events, of("law").not_hot.events), (1, 0), "its day is over");
    site.pass(90);
    assert_eq!(of("pci").not_hot.events, 0);
}

#[test]
fn a_shorter_policy_shortens_nothing_that_was_stored_before_and_a_locked_rule_not_at_all() {
    let site = Site::new();
    let locked = |terms| policy(days(5), vec![rule("law", &["b"], terms, true)]);
    site.store.set_policy(&locked(days(100))).unwrap();
    site.append(r#""a""#);
    site.append(r#""b""#);
    for refused in [
        policy(days(5), vec![]),
        locked(days(99)),
        policy(days(5), vec![rule("law", &["b"], days(100), false)]),
        policy(days(5), vec![rule("law", &["c"], days(100), true)]),
        policy(days(5), vec![rule("law", &["b"], days(100), true), rule("law", &["c"], days(1), false)]),
        policy(days(5), vec![rule("default", &["b"], days(100), true)]),
    ] {
        assert!(matches!(site.store.set_policy(&refused), Err(Error::Refused { .. })));
    }
    let longer = locked(Terms::default());
    let seq = site.store.set_policy(&longer).unwrap();
    assert_eq!(site.store.set_policy(&longer).unwrap(), seq, "what is in force is not registered twice");
    assert!(site.store.set_policy(&locked(days(500))).is_err(), "for ever is longer than any period");
    site.store.set_policy(&policy(days(1), longer.rules.clone())).unwrap();
    site.store.seal().unwrap();
    site.pass(4);
    assert_eq!(named(&site.plan()), [] as [Seq; 0], "five days were promised");
    site.pass(2);
    assert_eq!(named(&site.plan()).len(), 1);
}

#[test]
fn operators_are_named_by_those_before_them_and_one_key_counts_once() {
    let site = Site::new();
    let [a, b, c] = [1, 2, 3].map(key);
    let twin = SigningKey::from_seed("another-name", [1; 32]).unwrap();
    assert!(site.operators(&[&a, &twin], 2, &[]).is_err(), "one key under two names");
    assert!(site.operators(&[&a], 0, &[]).is_err());
    site.operators(&[&a], 2, &[]).unwrap();
    assert!(matches!(site.operators(&[&a, &b], 2, &[]), Err(Error::NotAuthenticated { .. })));
    assert!(matches!(site.operators(&[&a, &b], 2, &[&b]), Err(Error::NotAuthenticated { .. })));
    site.operators(&[&a, &b], 2, &[&a]).unwrap();
    assert!(site.operators(&[&a, &b, &c], 2, &[&a, &twin]).is_err(), "the same key twice");
    assert!(matches!(site.operators(&[&a, &b, &c], 1, &[&a, &c]), Err(Error::NotAuthenticated { .. })));
    site.operators(&[&a, &b, &c], 2, &[&a, &b]).unwrap();
    // What replaces operators that are replaced already is worth nothing.
    let snapshot = site.store.snapshot().unwrap();
    let now = site.now();
    let set = OperatorSet { keys: vec![c.verifier().to_string()], replaces: 1, threshold: 1 };
    let mut late = snapshot.propose(set, now, Timestamp(now.0 + DAY_NS));
    late.approve(&a).unwrap();
    late.approve(&b).unwrap();
    assert!(matches!(site.store.set_operators(&late), Err(Error::Refused { .. })));
}

#[test]
fn a_hold_stands_until_enough_operators_release_it() {
    let site = Site::new();
    let [a, b] = [1, 2].map(key);
    site.operators(&[&a], 2, &[]).unwrap();
    site.operators(&[&a, &b], 2, &[&a]).unwrap();
    let seq = site.store.place_hold(&hold("case", &["a"])).unwrap();
    assert!(matches!(site.store.place_hold(&hold("case", &["b"])), Err(Error::Refused { .. })));
    assert!(site.store.place_hold(&Hold { by: " ".to_owned(), ..hold("nobody", &["b"]) }).is_err());
    let release = |hold: Seq, by: &[&SigningKey]| {
        let now = site.now();
        let word = |word: &str| word.to_owned();
        let matter = HoldRelease { by: word("counsel"), hold, name: word("case"), reason: word("settled") };
        let mut release = site.store.snapshot().unwrap().propose(matter, now, Timestamp(now.0 + DAY_NS));
        by.iter().for_each(|key| release.approve(*key).unwrap());
        release
    };
    assert!(matches!(site.store.release_hold(&release(seq, &[&a])), Err(Error::NotAuthenticated { .. })));
    assert!(matches!(site.store.release_hold(&release(seq + 1, &[&a, &b])), Err(Error::Refused { .. })));
    let good = release(seq, &[&a, &b]);
    let mut altered = good.clone();
    altered.matter.hold = 0;
    assert!(matches!(site.store.release_hold(&altered), Err(Error::Forged { .. })));
    let mut altered = good.clone();
    altered.statement.expires.0 += 1;
    assert!(matches!(site.store.release_hold(&altered), Err(Error::Forged { .. })));
    let old = site.clock.now();
    site.pass(2);
    assert!(matches!(site.store.release_hold(&good), Err(Error::Refused { .. })), "too late");
    site.clock.set(Timestamp(old.0 - DAY_NS));
    assert!(matches!(site.store.release_hold(&good), Err(Error::Refused { .. })), "too early");
    site.clock.set(old);
    let other = Site::new();
    assert!(matches!(other.store.release_hold(&good), Err(Error::Refused { .. })), "another log's");
    site.store.release_hold(&good).unwrap();
    assert!(site.store.snapshot().unwrap().retention().unwrap().hold("case").is_none());
    assert!(site.store.release_hold(&good).is_err(), "it is released");
    site.store.place_hold(&hold("case", &["b"])).unwrap();
}

#[test]
fn a_later_profile_takes_nothing_from_under_a_hold() {
    let site = Site::new();
    let profile = |path: &str| {
        let text =
            format!("name = \"p\"\nversion = \"1\"\n[[field]]\nname = \"kind\"\npaths = [\"{path}\"]\n");
        site.store.source(&Profile::parse(&text).unwrap()).unwrap()
    };
    let append = |source: &crate::Source| {
        let event = br#"{"kind":"a","other":"x"}"#.to_vec();
        let event = site.store.prepare(source, event, &Masking::default()).unwrap();
        site.store.commit(vec![event], OnDuplicate::Keep).unwrap();
    };
    append(&profile("kind"));
    site.store.place_hold(&hold("case", &["a"])).unwrap();
    append(&profile("other"));
    let snapshot = site.store.snapshot().unwrap();
    let state = snapshot.retention().unwrap();
    assert_eq!(snapshot.hold_reach(state.hold("case").unwrap()).unwrap().held.events, 2);
}

#[test]
fn chosen_events_are_planned_unless_something_keeps_them() {
    let site = Site::new();
    let [free, held, law] = [r#""a""#, r#""b""#, r#""c""#].map(|kind| site.append(kind));
    site.store.set_policy(&policy(days(50), vec![rule("law", &["c"], days(10), true)])).unwrap();
    site.store.place_hold(&hold("case", &["b"])).unwrap();
    let plan = |seqs: &[Seq]| {
        let now = site.now();
        site.store.snapshot().unwrap().plan_redaction(seqs, "GDPR 17", now, Timestamp(now.0 + DAY_NS))
    };
    assert!(plan(&[free]).is_err(), "it is not sealed");
    site.store.seal().unwrap();
    for (seqs, word) in
        [(vec![held], "case"), (vec![free, law], "law"), (vec![0], "no event"), (vec![999], "999")]
    {
        let error = plan(&seqs).unwrap_err().to_string();
        assert!(error.contains(word), "{seqs:?}: {error}");
    }
    assert_eq!(named(&plan(&[free, free]).unwrap()), [free]);
}

#[test]
fn a_clock_far_ahead_makes_no_plan_that_can_be_approved_later() {
    let site = Site::new();
    site.append(r#""a""#);
    site.store.set_policy(&policy(days(10), vec![])).unwrap();
    site.store.seal().unwrap();
    let right = site.now();
    site.clock.set(Timestamp(right.0 + 1000 * DAY_NS));
    let plan = site.plan();
    assert_eq!(named(&plan).len(), 1, "it is what that time would let go");
    let [a, b] = [1, 2].map(key);
    site.clock.set(right);
    site.operators(&[&a], 1, &[]).unwrap();
    let mut plan = plan;
    plan.approve(&a).unwrap();
    plan.approve(&b).unwrap();
    let error = site.store.check_plan(&plan).unwrap_err().to_string();
    assert!(error.contains("it is as of"), "{error}");
}

/// What the model knows of an event.
struct Known {
    seq: Seq,
    /// The artifact that it names.
    artifact: Option<ArtifactId>,
    /// Its kind; none where it cannot be read.
    kind: Option<usize>,
    received_at: Timestamp,
}

/// How long; none is for ever.
type Days = Option<u64>;
/// Rules as kinds and periods.
type Rules = Vec<(Vec<usize>, Days)>;

const KINDS: [&str; 4] = ["a", "b", "c", "d"];

fn some_kinds(random: &mut Random) -> Vec<usize> {
    (0..KINDS.len()).filter(|_| random.coin()).collect()
}

fn words(kinds: &[usize]) -> Vec<&'static str> {
    kinds.iter().map(|kind| KINDS[*kind]).collect()
}

#[test]
fn plans_at_random_delete_what_the_model_lets_go_and_nothing_else() {
    let (mut deleted_count, mut collected_count) = (0, 0);
    for seed in 0..40 {
        let (site, mut random) = (Site::new(), Random::new(seed));
        let operator = key(1);
        site.operators(&[&operator], 1, &[]).unwrap();
        // The plans that were carried out: the seqs of their records, and the times that were vouched for.
        let mut plans: Vec<(Seq, Timestamp)> = Vec::new();
        let mut gone: Vec<Seq> = Vec::new();
        let mut events: Vec<Known> = Vec::new();
        let mut policies: Vec<(Seq, Days, Rules)> = Vec::new();
        let mut holds: Vec<Vec<usize>> = Vec::new();
        // The artifacts that are there, and the records that say last that they were put.
        let mut artifacts: BTreeMap<ArtifactId, Seq> = BTreeMap::new();
        let mut sealed = 0;
        let some_days = |random: &mut Random| (random.below(8) > 0).then(|| 1 + random.below(20));
        let terms = |days: Option<u64>| Terms { keep_s: days.map(|days| days * DAY_S), ..Terms::default() };
        for step in 0..120 {
            match random.below(14) {
                0 => {
                    let (default, count) = (some_days(&mut random), random.below(3));
                    let rules: Vec<_> =
                        (0..count).map(|_| (some_kinds(&mut random), some_days(&mut random))).collect();
                    let stored = rules.iter().enumerate();
                    let stored =
                        stored.map(|(n, (of, keep))| rule(&n.to_string(), &words(of), terms(*keep), false));
                    let seq = site.store.set_policy(&policy(terms(default), stored.collect())).unwrap();
                    policies.push((seq, default, rules));
                }
                1 if random.below(4) == 0 => {
                    let of = some_kinds(&mut random);
                    site.store.place_hold(&hold(&format!("hold{step}"), &words(&of))).unwrap();
                    holds.push(of);
                }
                2 => {
                    site.store.seal().unwrap();
                    sealed = site.store.snapshot().unwrap().segments().last().unwrap().id.0;
                }
                3 => site.pass(random.below(40) as i64),
                4 => site.clock.set(Timestamp(site.now().0 - random.below(20) as i64 * DAY_NS)),
                5 | 6 => {
                    let (id, put) = site.put(&mut random);
                    artifacts.insert(id, put);
                }
                _ => {
                    let kind = random.below(5) as usize;
                    let json = KINDS.get(kind).map_or("[{}]".to_owned(), |kind| format!("\"{kind}\""));
                    let artifact = artifacts.keys().nth(random.below(12) as usize).copied();
                    let seq = site.append_naming(&json, artifact);
                    let received_at = site.store.snapshot().unwrap().record(seq).unwrap().received_at;
                    let kind = (kind < KINDS.len()).then_some(kind);
                    events.push(Known { seq, artifact, kind, received_at });
                }
            }
            if policies.is_empty() || step % 5 != 0 {
                continue;
            }
            let as_of = Timestamp(site.now().0 - random.below(10) as i64 * DAY_NS);
            let expires = Timestamp(site.now().0 + DAY_NS);
            let mut plan = site.store.snapshot().unwrap().plan(as_of, expires).unwrap();
            let all = site.store.snapshot().unwrap().records(..).map(|record| record.unwrap());
            // No record before a plan is younger than what its operators vouched for.
            let vouched =
                |seq: Seq| plans.iter().filter(move |(plan, _)| *plan > seq).map(|(_, as_of)| *as_of);
            let received: Vec<Timestamp> =
                all.map(|record| vouched(record.seq).fold(record.received_at, Timestamp::min)).collect();
            let expected = events.iter().filter(|event| {
                let applies = |of: &[usize]| event.kind.is_none_or(|kind| of.contains(&kind));
                let first = policies.iter().rposition(|(seq, ..)| *seq < event.seq).unwrap_or(0);
                let keeps = policies[first..].iter().map(|(_, default, rules)| {
                    let of_rules = rules.iter().filter(|(of, _)| applies(of)).map(|(_, keep)| *keep);
                    let keeps: Vec<Days> = of_rules.collect();
                    let longest = |keeps: &[Days]| keeps.iter().map(|keep| keep.unwrap_or(u64::MAX)).max();
                    longest(&keeps).unwrap_or(default.unwrap_or(u64::MAX))
                });
                let keep = keeps.max().unwrap();
                let stored_at = received[..=event.seq as usize].iter().max().unwrap();
                assert!(!plans.is_empty() || *stored_at >= event.received_at);
                let due = keep != u64::MAX && stored_at.0 + keep as i64 * DAY_NS <= as_of.0;
                event.seq < sealed && due && !holds.iter().any(|of| applies(of))
            });
            let expected: Vec<Seq> = expected.map(|event| event.seq).collect();
            assert_eq!(named(&plan), expected, "seed {seed}, step {step}");
            let stays = |event: &&Known| !expected.contains(&event.seq);
            let free = artifacts.iter().filter(|(id, put)| {
                let stored_at = received[..=**put as usize].iter().max().unwrap();
                let is_named = events.iter().filter(stays).any(|event| event.artifact == Some(**id));
                !is_named && stored_at.0 + DAY_NS <= as_of.0
            });
            let mut free: Vec<ArtifactId> = free.map(|(id, _)| *id).collect();
            assert_eq!(artifacts_of(&plan), free, "seed {seed}, step {step}");
            if (expected.is_empty() && free.is_empty()) || random.coin() {
                continue;
            }
            plan.approve(&operator).unwrap();
            // A writer goes on: it names an artifact of the plan, or puts one again.
            if let Some(id) = free.first().copied().filter(|_| random.coin()) {
                let seq = site.append_naming("\"z\"", Some(id));
                events.push(Known {
                    seq,
                    artifact: Some(id),
                    kind: Some(KINDS.len()),
                    received_at: site.now(),
                });
                free.remove(0);
            }
            let (id, put) = site.put(&mut random);
            artifacts.insert(id, put);
            free.retain(|free| *free != id);
            let applied = site.store.apply_plan(&plan, &mut |_, _| true).unwrap();
            assert_eq!((applied.deleted.events, applied.left), (expected.len() as u64, 0));
            assert_eq!((applied.artifacts.artifacts, applied.artifacts.left), (free.len() as u64, 0));
            artifacts.retain(|id, _| !free.contains(id));
            assert!(site.store.artifacts().unwrap().iter().eq(artifacts.keys()), "seed {seed}, step {step}");
            collected_count += free.len();
            plans.push((applied.plan.unwrap(), as_of));
            events.retain(|event| !expected.contains(&event.seq));
            gone.extend(expected);
            deleted_count += applied.deleted.events;
        }
        for record in site.store.snapshot().unwrap().records(..).map(|record| record.unwrap()) {
            assert_eq!(
                record.deleted.is_some(),
                gone.contains(&record.seq),
                "seed {seed}, record {}",
                record.seq
            );
        }
    }
    assert!(deleted_count > 100, "{deleted_count} events went");
    assert!(collected_count > 30, "{collected_count} artifacts went");
}
