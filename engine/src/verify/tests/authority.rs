//! Records that ask for an authority that nobody gave.

use super::maker::{Maker, ORIGIN, STORE_ID, key};
use super::{FindingClass, assert_clean};
use crate::Timestamp;
use crate::format::admin::Admin;
use crate::format::retention::{
    Approved, Hold, HoldRelease, Matter, OperatorSet, Plan, Policy, PolicyRule, Statement, Terms,
};
use crate::trust::{Signer, SigningKey};

fn operator(number: u8) -> SigningKey {
    SigningKey::from_seed(&format!("operator{number}"), [number; 32]).unwrap()
}

/// A matter of the maker's log that these operators approved.
pub(super) fn approved<M: Matter>(matter: M, by: &[u8]) -> Approved<M> {
    let statement = statement(&matter);
    sign(Approved { approvals: Vec::new(), matter, statement }, by)
}

/// What is signed of a matter of the maker's log.
pub(super) fn statement<M: Matter>(matter: &M) -> Statement {
    Statement {
        action: M::ACTION,
        as_of: Timestamp(0),
        digest: matter.digest().to_string(),
        expires: Timestamp(i64::MAX),
        origin: ORIGIN.to_owned(),
        root: String::new(),
        store_id: STORE_ID.to_string(),
        tree_size: 0,
    }
}

/// The same, signed as it stands.
fn sign<M: Matter>(mut approved: Approved<M>, by: &[u8]) -> Approved<M> {
    approved.approvals.clear();
    by.iter().for_each(|number| approved.approve(&operator(*number)).unwrap());
    approved
}

fn set(numbers: &[u8], replaces: u64, threshold: u32) -> OperatorSet {
    let mut keys: Vec<String> =
        numbers.iter().map(|number| operator(*number).verifier().to_string()).collect();
    keys.sort();
    OperatorSet { keys, replaces, threshold }
}

pub(super) fn hold(name: &str) -> Admin {
    let word = |word: &str| word.to_owned();
    Admin::Hold(Hold {
        by: word("counsel"),
        conditions: String::new(),
        name: word(name),
        reason: word("case"),
        ticket: String::new(),
        when: serde_json::json!({ "all": [] }),
    })
}

fn release(hold: u64) -> HoldRelease {
    let word = |word: &str| word.to_owned();
    HoldRelease { by: word("counsel"), hold, name: word("case"), reason: word("settled") }
}

fn policy(keep_s: Option<u64>, locked: bool) -> Admin {
    let word = |word: &str| word.to_owned();
    let rule = PolicyRule {
        basis: String::new(),
        conditions: String::new(),
        locked,
        name: word("law"),
        terms: Terms { keep_s, ..Terms::default() },
        when: serde_json::json!({ "all": [] }),
    };
    Admin::Policy(Policy { default: Terms::default(), rules: vec![rule], text: String::new() })
}

/// A log with operators 1, 2 and 3, two of whom it takes, since record 3; a hold, record 4; a locked policy, record 5;
/// then these records, and a seal among them.
pub(super) fn log(records: Vec<Admin>) -> super::Report {
    let mut maker = Maker::new();
    let mut before = vec![
        Admin::Operators(approved(set(&[1], 0, 2), &[])),
        Admin::Operators(approved(set(&[1, 2, 3], 2, 2), &[1])),
        hold("case"),
        policy(Some(10), true),
    ];
    before.extend(records);
    for admin in &before {
        if maker.next_seq == 6 {
            maker.seal();
        }
        maker.frame(&[(0, admin.encode())]);
    }
    maker.close();
    maker.finish(0).verify()
}

#[test]
fn what_operators_agreed_to_is_clean() {
    assert_clean(&log(vec![
        policy(Some(20), true),
        policy(None, true),
        Admin::HoldReleased(approved(release(4), &[1, 3])),
        hold("case"),
        Admin::Operators(approved(set(&[2, 3], 3, 1), &[2, 1])),
        Admin::HoldReleased(approved(release(10), &[3])),
        Admin::Plan(approved(Plan::default(), &[2])),
    ]));
}

#[test]
fn what_nobody_was_entitled_to_is_forged() {
    let good = || approved(release(4), &[1, 2]);
    let signed = |change: &dyn Fn(&mut Statement)| {
        let mut release = good();
        change(&mut release.statement);
        let mut signed = release.clone();
        // Signed as it stands: what is wrong is what it says.
        signed.statement.digest = release.matter.digest().to_string();
        sign(signed, &[1, 2])
    };
    let altered = || {
        let mut release = good();
        release.matter.reason = "another".to_owned();
        release
    };
    let unsigned = || {
        let mut release = good();
        release.statement.expires.0 -= 1;
        release
    };
    let with_log_key = || {
        let mut with = set(&[1, 2], 3, 1);
        with.keys.push(key().verifier().to_string());
        with.keys.sort();
        with
    };
    // One key twice, and one key under two names.
    let doubled = |twin: &SigningKey| {
        let (mut one, mut other) = (approved(release(4), &[1]), approved(release(4), &[]));
        other.approve(twin).unwrap();
        one.approvals.append(&mut other.approvals);
        Admin::HoldReleased(one)
    };
    let twin = SigningKey::from_seed("another-name", [1; 32]).unwrap();
    let again = approved(Plan::default(), &[1, 2]);
    for (wrong, word) in [
        (vec![Admin::HoldReleased(approved(release(4), &[1]))], "1 of 2"),
        (vec![Admin::HoldReleased(approved(release(4), &[1, 4]))], "1 of 2"),
        (vec![doubled(&operator(1))], "1 of 2"),
        (vec![doubled(&twin)], "1 of 2"),
        (vec![Admin::HoldReleased(approved(release(5), &[1, 2]))], "of record 5"),
        (vec![Admin::HoldReleased(good()), Admin::HoldReleased(good())], "of record 4"),
        (vec![Admin::HoldReleased(altered())], "another matter"),
        (vec![Admin::HoldReleased(unsigned())], "none by"),
        (
            vec![Admin::HoldReleased(signed(&|it| it.origin = "other.example/log".to_owned()))],
            "other.example",
        ),
        (vec![Admin::HoldReleased(signed(&|it| it.store_id = "00".repeat(16)))], "one of test"),
        (vec![Admin::HoldReleased(signed(&|it| it.expires = Timestamp(-60_000_000_000)))], "until"),
        (vec![Admin::HoldReleased(signed(&|it| it.as_of = Timestamp(1_000_000)))], "as of"),
        (vec![Admin::HoldReleased(signed(&|it| it.tree_size = 99))], "as of"),
        (vec![hold("case")], "a second"),
        (vec![policy(Some(9), true)], "without \"law\""),
        (vec![policy(Some(10), false)], "without \"law\""),
        (vec![Admin::Operators(approved(set(&[1, 2], 3, 1), &[1]))], "1 of 2"),
        (vec![Admin::Operators(approved(set(&[1, 2], 2, 1), &[1, 2]))], "record 2"),
        (vec![Admin::Operators(approved(set(&[1, 2], 3, 0), &[1, 2]))], "others"),
        (vec![Admin::Operators(approved(set(&[1, 1], 3, 1), &[1, 2]))], "others"),
        (vec![Admin::Operators(approved(with_log_key(), &[1, 2]))], "others"),
        (vec![Admin::Plan(approved(Plan::default(), &[]))], "0 of 2"),
        (vec![Admin::Plan(again.clone()), Admin::Plan(again)], "the same again"),
    ] {
        let report = log(wrong);
        let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(report.verdict(), Some(FindingClass::Forged), "{word}: {found:?}");
        assert!(
            found.len() == 1 && found[0].contains("authority") && found[0].contains(word),
            "{word}: {found:?}"
        );
    }
}

#[test]
fn operators_whom_nobody_agreed_to_have_no_say() {
    let usurpers = Admin::Operators(approved(set(&[7, 8], 3, 1), &[7, 8]));
    let release_by = |by: &[u8]| Admin::HoldReleased(approved(release(4), by));
    let findings = |records| log(records).findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = findings(vec![usurpers.clone(), release_by(&[7, 8])]);
    assert!(found.len() == 2 && found.iter().all(|found| found.contains("0 of 2")), "{found:?}");
    // Those before go on to have it, and name their successors as if nothing had been.
    let successors = Admin::Operators(approved(set(&[2, 3], 3, 1), &[1, 2]));
    let found = findings(vec![usurpers, release_by(&[1, 2]), successors, hold("case")]);
    assert!(found.len() == 1 && found[0].contains("0 of 2"), "{found:?}");
}
