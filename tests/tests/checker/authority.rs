//! Logs to which a record of the store's own was added that asks for an authority, given or not: operators and their
//! approvals, holds, policies, plans and what deletes by them. Both verifiers give one verdict on each.
//!
//! `INDELIBLE_CHECKER_MUTANTS=20000` changes more of these records, `INDELIBLE_CHECKER_SEED=7` others.

use std::collections::BTreeMap;
use std::path::Path;

use indelible_engine::format::admin::Admin;
use indelible_engine::format::frame::{self, Body, FRAME_HEADER_LEN, FrameHeader, FrameRecord};
use indelible_engine::format::retention::{
    Action, Approval, Approved, Deleted, Deleting, Hold, HoldRelease, Matter, OperatorSet, Policy,
    PolicyRule, Statement, Tally, Terms,
};
use indelible_engine::trust::{self, Signer, SigningKey};
use indelible_engine::{Options, Snapshot, Store, Timestamp};
use indelible_tests::golden;
use serde_json::json;

use super::{Checker, Draw, from_environment, write_store};

/// How many changed records are tried where nothing is said.
const MUTANTS: u64 = 60;
const HOUR_NS: i64 = 3_600_000_000_000;

type Files = BTreeMap<String, Vec<u8>>;

fn operator(number: u8) -> SigningKey {
    SigningKey::from_seed(&format!("operator{number}"), [number; 32]).unwrap()
}

/// Signs a statement as it stands, whatever it is of.
fn sign<M>(mut approved: Approved<M>, by: &[u8]) -> Approved<M> {
    let bytes = approved.statement.encode();
    approved.approvals = by
        .iter()
        .map(|number| {
            let signature = trust::approve(&operator(*number), &bytes).unwrap();
            Approval::new(operator(*number).verifier().to_string(), &signature)
        })
        .collect();
    approved
}

fn set(numbers: &[u8], replaces: u64, threshold: u32) -> OperatorSet {
    let keys = numbers.iter().map(|number| operator(*number).verifier().to_string()).collect();
    OperatorSet { keys, replaces, threshold }
}

fn hold(name: &str) -> Hold {
    let word = |word: &str| word.to_owned();
    Hold {
        by: word("counsel"),
        conditions: String::new(),
        name: word(name),
        reason: word("case"),
        ticket: String::new(),
        when: json!({ "field": [{ "name": "kind" }, { "equals": [{ "word": "held" }] }] }),
    }
}

fn policy(change: impl FnOnce(&mut PolicyRule)) -> Policy {
    let mut rule = PolicyRule {
        basis: "PCI DSS 10.5.1".to_owned(),
        conditions: "kind = access".to_owned(),
        locked: true,
        name: "access".to_owned(),
        terms: Terms { hot_s: Some(100), keep_s: Some(1000), warm_s: None },
        when: json!({ "field": [{ "name": "kind" }, { "equals": [{ "word": "access" }] }] }),
    };
    change(&mut rule);
    Policy { default: Terms::default(), rules: vec![rule], text: String::new() }
}

/// A log with all that can be asked of it, and where that stands.
struct Log {
    files: Files,
    /// What the next record is asked for under.
    snapshot: Snapshot,
    as_of: Timestamp,
    operators: u64,
    standing: u64,
    released: u64,
    plan: u64,
    planned: Statement,
}

impl Log {
    fn new(dir: &Path) -> Log {
        let store =
            Store::create(dir, Options::new("authority.example/log").seal_in_background(false)).unwrap();
        let events: Vec<String> =
            (0..6).map(|number| format!(r#"{{"kind":"note","event_id":"e{number}"}}"#)).collect();
        store.append_batch(events).unwrap();
        store.seal().unwrap();
        let ask = || {
            let snapshot = store.snapshot().unwrap();
            (snapshot.received_at(), Timestamp(snapshot.received_at().0 + HOUR_NS), snapshot)
        };
        let (as_of, until, snapshot) = ask();
        let operators = store.set_operators(&snapshot.propose(set(&[1, 2, 3], 0, 2), as_of, until)).unwrap();
        store.set_policy(&policy(|_| ())).unwrap();
        let (standing, released) =
            (store.place_hold(&hold("acme")).unwrap(), store.place_hold(&hold("old")).unwrap());
        let (as_of, until, snapshot) = ask();
        let release = snapshot.propose(release(released, "old"), as_of, until);
        store.release_hold(&sign(release, &[1, 2])).unwrap();
        let (as_of, until, snapshot) = ask();
        let plan = sign(snapshot.plan_redaction(&[2, 4], "erasure", as_of, until).unwrap(), &[1, 3]);
        let plan_seq = store.apply_plan(&plan, &mut |_, _| true).unwrap().plan.unwrap();
        let (as_of, _, snapshot) = ask();
        store.close().unwrap();
        let files = golden::files_below(dir).unwrap();
        Log { files, snapshot, as_of, operators, standing, released, plan: plan_seq, planned: plan.statement }
    }

    /// A matter that these approved, its statement changed before.
    fn approved<M: Matter>(&self, matter: M, by: &[u8], change: impl FnOnce(&mut Statement)) -> Approved<M> {
        let mut approved = self.snapshot.propose(matter, self.as_of, Timestamp(self.as_of.0 + HOUR_NS));
        change(&mut approved.statement);
        sign(approved, by)
    }

    /// The files, with a record of the store's own behind all others.
    fn with(&self, body: &[u8]) -> Files {
        let mut files = self.files.clone();
        let last = files.keys().rfind(|name| name.ends_with(".log")).cloned().unwrap();
        let log = files.get_mut(&last).unwrap();
        let close = *golden::frames(log).last().unwrap();
        let header = FrameHeader::decode(&log[close..]).unwrap();
        assert_eq!(header.kind, frame::FrameKind::Close, "the log was closed");
        log.truncate(close);
        let mut added = vec![0; FRAME_HEADER_LEN];
        let labels = frame::Labels::default();
        FrameRecord { encoding: 0, source: 0, labels, body: Body::Whole(body) }.encode_into(&mut added);
        FrameHeader { kind: frame::FrameKind::Records, count: 1, ..header }.seal(&mut added);
        log.extend(added);
        files
    }
}

fn release(hold: u64, name: &str) -> HoldRelease {
    let word = |word: &str| word.to_owned();
    HoldRelease { by: word("counsel"), hold, name: word(name), reason: word("settled") }
}

type Case = (&'static str, Admin, &'static str);

/// Records, and what becomes of a log to which they are added.
fn cases(log: &Log) -> Vec<Case> {
    let as_it_is = |_: &mut Statement| ();
    let releasing = |by: &[u8], change: &dyn Fn(&mut Statement)| {
        Admin::HoldReleased(log.approved(release(log.standing, "acme"), by, |statement| change(statement)))
    };
    let of_hold = |seq, name| Admin::HoldReleased(log.approved(release(seq, name), &[1, 2], as_it_is));
    let naming = |set: OperatorSet, by: &[u8]| Admin::Operators(log.approved(set, by, as_it_is));
    let plan =
        || indelible_engine::format::retention::Plan { reason: "more".to_owned(), ..Default::default() };
    let mut altered = log.approved(release(log.standing, "acme"), &[1, 2], as_it_is);
    altered.approvals[1].signature.replace_range(..2, "00");
    let mut in_capitals = log.approved(release(log.standing, "acme"), &[1, 2], as_it_is);
    in_capitals.approvals[1].signature = in_capitals.approvals[1].signature.to_uppercase();
    let mut moved = log.approved(release(log.standing, "acme"), &[1, 2], as_it_is);
    moved.matter.reason = "another".to_owned();
    let mut again = log.approved(plan(), &[1, 2], as_it_is);
    again.statement = log.planned.clone();
    let deleting = |plan| {
        let hash = "0".repeat(64);
        let (index_root, rules) = (hash.clone(), hash);
        let (delete, spared) = (Tally::default(), Tally::default());
        Admin::Deleting(Deleting {
            delete,
            first_seq: 0,
            index_root,
            plan,
            rules,
            seqs: vec![(2, 3)],
            spared,
        })
    };
    let minutes = |count: i64| count * 60_000_000_000;
    vec![
        ("a release by two", releasing(&[1, 2], &as_it_is), "clean"),
        ("a release by all", releasing(&[3, 2, 1], &as_it_is), "clean"),
        ("a release by nobody", releasing(&[], &as_it_is), "forged"),
        ("a release by one", releasing(&[2], &as_it_is), "forged"),
        ("a release by one twice", releasing(&[2, 2], &as_it_is), "forged"),
        ("a release by one and a stranger", releasing(&[2, 9], &as_it_is), "forged"),
        ("a release by two and a stranger", releasing(&[1, 2, 9], &as_it_is), "clean"),
        ("another action", releasing(&[1, 2], &|statement| statement.action = Action::Delete), "forged"),
        ("another digest", releasing(&[1, 2], &|statement| statement.digest = "00".repeat(32)), "forged"),
        ("another origin", releasing(&[1, 2], &|statement| statement.origin = "other".to_owned()), "forged"),
        ("another store", releasing(&[1, 2], &|statement| statement.store_id = "00".repeat(16)), "forged"),
        ("another root", releasing(&[1, 2], &|statement| statement.root = "00".repeat(32)), "clean"),
        ("of a larger tree", releasing(&[1, 2], &|statement| statement.tree_size += 1000), "forged"),
        ("of a later time", releasing(&[1, 2], &|statement| statement.as_of.0 += minutes(10)), "forged"),
        ("just expired", releasing(&[1, 2], &|s| s.expires.0 = s.as_of.0 - minutes(1) / 2), "clean"),
        ("expired", releasing(&[1, 2], &|s| s.expires.0 = s.as_of.0 - minutes(2)), "forged"),
        ("an altered signature", Admin::HoldReleased(altered), "forged"),
        ("a signature in capitals", Admin::HoldReleased(in_capitals), "forged"),
        ("an altered matter", Admin::HoldReleased(moved), "forged"),
        ("a hold that was released", of_hold(log.released, "old"), "forged"),
        ("a hold by another name", of_hold(log.standing, "old"), "forged"),
        ("no hold", of_hold(log.operators, "acme"), "forged"),
        ("a hold", Admin::Hold(hold("new")), "clean"),
        ("a hold by the name of one released", Admin::Hold(hold("old")), "clean"),
        ("a hold by the name of one that stands", Admin::Hold(hold("acme")), "forged"),
        ("the same policy", Admin::Policy(policy(|_| ())), "clean"),
        ("a longer one", Admin::Policy(policy(|rule| rule.terms.keep_s = None)), "clean"),
        ("one that asks for tiers", Admin::Policy(policy(|rule| rule.terms.warm_s = Some(0))), "clean"),
        ("a shorter one", Admin::Policy(policy(|rule| rule.terms.keep_s = Some(999))), "forged"),
        ("one that is hot for less", Admin::Policy(policy(|rule| rule.terms.hot_s = Some(99))), "forged"),
        ("one that is not hot", Admin::Policy(policy(|rule| rule.terms.hot_s = None)), "forged"),
        ("one that unlocks", Admin::Policy(policy(|rule| rule.locked = false)), "forged"),
        ("one that renames", Admin::Policy(policy(|rule| rule.name = "other".to_owned())), "forged"),
        ("one of other conditions", Admin::Policy(policy(|rule| rule.when = json!({ "all": [] }))), "forged"),
        ("one that says otherwise", Admin::Policy(policy(|rule| rule.conditions = String::new())), "clean"),
        ("one without rules", Admin::Policy(Policy { rules: Vec::new(), ..policy(|_| ()) }), "forged"),
        ("operators by two", naming(set(&[4, 5], log.operators, 1), &[1, 3]), "clean"),
        ("operators by one", naming(set(&[4, 5], log.operators, 1), &[3]), "forged"),
        ("operators in the place of none", naming(set(&[4, 5], 0, 1), &[1, 3]), "forged"),
        ("operators whose threshold is 0", naming(set(&[4, 5], log.operators, 0), &[1, 3]), "forged"),
        ("operators one of whom is two", naming(set(&[4, 4], log.operators, 1), &[1, 3]), "forged"),
        ("operators of whom none can agree", naming(set(&[4], log.operators, 7), &[1, 3]), "clean"),
        ("no operators", naming(set(&[], log.operators, 1), &[1, 3]), "clean"),
        ("a plan by two", Admin::Plan(log.approved(plan(), &[1, 2], as_it_is)), "clean"),
        ("a plan by one", Admin::Plan(log.approved(plan(), &[1], as_it_is)), "forged"),
        ("a plan for a second time", Admin::Plan(sign(again, &[1, 2])), "forged"),
        ("a deletion by no plan", deleting(log.operators), "forged"),
        ("the end of no deletion", Admin::Deleted(Deleted { deleting: log.plan, first_seq: 0 }), "forged"),
    ]
}

/// What both verifiers say of these files, ours first.
fn verdicts(checker: &mut Checker, files: &Files) -> (String, String, String) {
    let dir = tempfile::tempdir().unwrap();
    write_store(dir.path(), files);
    let report = golden::verify_with(dir.path(), false).unwrap();
    let ours = report.verdict().map_or_else(|| "clean".to_owned(), |class| class.to_string());
    let theirs = checker.ask("store", dir.path(), "");
    let findings: Vec<String> = report.findings.iter().take(3).map(ToString::to_string).collect();
    (ours, theirs.verdict, format!("ours: {findings:#?}\n  theirs: {}", theirs.said))
}

#[test]
fn both_verifiers_give_one_verdict_on_what_asks_for_an_authority() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(&dir.path().join("store"));
    let mut checker = Checker::start();
    let (ours, theirs, why) = verdicts(&mut checker, &log.files);
    assert_eq!((ours.as_str(), theirs.as_str()), ("clean", "clean"), "{why}");
    let cases = cases(&log);
    let mut disputes = Vec::new();
    for (what, admin, expected) in &cases {
        let (ours, theirs, why) = verdicts(&mut checker, &log.with(&admin.encode()));
        if ours != *expected || theirs != *expected {
            disputes.push(format!("{what} is {expected}: {ours}, {theirs}\n  {why}"));
        }
    }
    let mut draw = Draw(from_environment("INDELIBLE_CHECKER_SEED", 1));
    let good: Vec<&Case> = cases.iter().filter(|(_, _, expected)| *expected == "clean").collect();
    for _ in 0..from_environment("INDELIBLE_CHECKER_MUTANTS", MUTANTS) {
        let (what, admin, _) = good[draw.below(good.len())];
        let mut body = admin.encode();
        let at = draw.below(body.len());
        match draw.below(4) {
            0 => body[at] = b"0123456789:{[]}\",ntf-"[draw.below(21)],
            1 => {
                body.remove(at);
            }
            _ => body[at] ^= 1 << draw.below(7),
        }
        let (ours, theirs, why) = verdicts(&mut checker, &log.with(&body));
        if ours != theirs {
            disputes.push(format!(
                "{what}, byte {at}: {ours}, {theirs}\n  {}\n  {why}",
                String::from_utf8_lossy(&body)
            ));
        }
    }
    assert!(disputes.is_empty(), "{} disputes:\n{}", disputes.len(), disputes.join("\n"));
}
