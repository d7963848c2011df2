//! Keys that were handed over, retired and revoked, and checkpoints that they had a right to sign or had not.

use super::authority::{log as log_with_operators, statement};
use super::maker::{Maker, key};
use super::{FindingClass, Options, Report, assert_clean};
use crate::format::admin::Admin;
use crate::format::keys::{KeyRetirement, KeyRevocation, KeyRotation};
use crate::format::retention::{Approved, Matter};
use crate::trust::{Algorithm, Signer, SigningKey};

/// The log's key of this number; 0 is the one that its first record names, those from 200 on are of ML-DSA-44.
pub(super) fn log_key(number: u8) -> SigningKey {
    match number {
        0 => key(),
        200.. => SigningKey::of(Algorithm::MlDsa44, super::maker::ORIGIN, [number; 32]).unwrap(),
        number => SigningKey::from_seed(super::maker::ORIGIN, [100 + number; 32]).unwrap(),
    }
}

pub(super) fn vkey(number: u8) -> String {
    log_key(number).verifier().to_string()
}

fn signed<M: Matter>(matter: M, by: &[u8]) -> Approved<M> {
    let statement = statement(&matter);
    let mut approved = Approved { approvals: Vec::new(), matter, statement };
    by.iter().for_each(|number| approved.approve(&log_key(*number)).unwrap());
    approved
}

pub(super) fn rotation(from: u8, to: u8, by: &[u8]) -> Admin {
    Admin::Key(signed(KeyRotation { from: vkey(from), to: vkey(to) }, by))
}

pub(super) fn retirement(number: u8, by: &[u8]) -> Admin {
    Admin::KeyRetired(signed(KeyRetirement { key: vkey(number) }, by))
}

pub(super) fn revocation(number: u8, size: u64, by: &[u8]) -> Admin {
    let reason = "stolen".to_owned();
    Admin::KeyRevoked(signed(KeyRevocation { key: vkey(number), reason, size }, by))
}

/// A log whose keys change: what is done to it, in order.
pub(super) enum Step {
    Write(Box<Admin>),
    Sign(&'static [u8]),
}
use Step::Sign;

pub(super) fn write(admin: Admin) -> Step {
    Step::Write(Box::new(admin))
}

pub(super) fn log(steps: impl IntoIterator<Item = Step>, asked: Option<u8>) -> Report {
    let mut maker = Maker::new();
    for step in steps {
        maker.events(1);
        match step {
            Step::Write(admin) => maker.frame(&[(0, admin.encode())]),
            Sign(numbers) => {
                let mut note = maker.checkpoint().sign(&log_key(numbers[0])).unwrap();
                numbers[1..].iter().for_each(|number| note.add_signature(&log_key(*number)).unwrap());
                let (name, note) = (format!("checkpoints/{:020}", maker.next_seq), note.to_string());
                maker.put(&name, note.clone().into_bytes());
                maker.put("checkpoint", note.into_bytes());
            }
        }
    }
    let key = asked.map(|number| log_key(number).verifier().clone());
    maker.finish(0).verify_with(&Options { key, ..Options::default() })
}

#[track_caller]
pub(super) fn assert_found(report: &Report, class: FindingClass, word: &str) {
    let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(report.verdict(), Some(class), "{word}: {found:#?}");
    assert!(found.iter().any(|finding| finding.contains(word)), "{word}: {found:#?}");
}

/// A key hands over to another, which is alone after a while and hands over in its turn.
fn lawful() -> Vec<Step> {
    vec![
        Sign(&[0]),
        write(rotation(0, 1, &[0, 1])),
        Sign(&[0, 1]),
        Sign(&[0]),
        write(retirement(0, &[1])),
        Sign(&[1]),
        write(rotation(1, 2, &[1, 2])),
        write(retirement(1, &[2])),
        Sign(&[2]),
    ]
}

#[test]
fn who_knows_any_key_of_the_log_is_led_to_the_one_that_signs_today() {
    assert_clean(&log(lawful(), None));
    let first = log(lawful(), Some(0));
    assert_clean(&first);
    let told = &first.remarks[0].text;
    let (one, two) = (log_key(1).verifier().short(), log_key(2).verifier().short());
    assert!(
        told.contains(&format!("to {one} by record")) && told.contains(&format!("to {two} by")),
        "{told}"
    );
    assert!(told.ends_with(&format!("is signed by {}", vkey(2))), "{told}");
    // The latest note stands in two files.
    assert_eq!(first.covered.signature_count, 6);
    for later in [1, 2] {
        assert_clean(&log(lawful(), Some(later)));
    }
    assert_eq!(log(lawful(), Some(2)).covered.signature_count, 2, "what came before stands under these two");
    assert_eq!(log(lawful(), Some(2)).remarks, []);
    assert_found(&log(lawful(), Some(9)), FindingClass::NotAuthenticated, &vkey(9));
}

#[test]
fn a_key_that_has_signed_nothing_yet_vouches_for_nothing() {
    let steps = || [Sign(&[0]), write(rotation(0, 1, &[0, 1]))];
    assert_clean(&log(steps(), None));
    assert_clean(&log(steps(), Some(0)));
    assert_found(&log(steps(), Some(1)), FindingClass::NotAuthenticated, "by a key that it handed over to");
}

#[test]
fn a_checkpoint_of_a_key_that_is_not_in_force_is_forged() {
    let retired = || lawful().into_iter().chain([Sign(&[0])]);
    let early = || [Sign(&[1]), write(rotation(0, 1, &[0, 1])), Sign(&[0, 1])];
    let unknown = || [Sign(&[5])];
    for asked in [None, Some(0), Some(1)] {
        assert_found(&log(retired(), asked), FindingClass::Forged, "which was retired by record");
        assert_found(&log(early(), asked), FindingClass::Forged, "which signs from 5 records on");
    }
    assert_found(&log(unknown(), None), FindingClass::NotAuthenticated, &log_key(5).verifier().short());
    assert_clean(&log(unknown(), Some(5)));
}

#[test]
fn what_a_revoked_key_signed_stands_up_to_its_size() {
    // Records: two of the start, then an event before each step; the note by both is over seven.
    let steps = |size, last: &'static [u8]| {
        [
            Sign(&[0]),
            write(rotation(0, 1, &[0, 1])),
            Sign(&[0]),
            Sign(&[0, 1]),
            write(revocation(0, size, &[1])),
            Sign(last),
        ]
    };
    for asked in [None, Some(0), Some(1)] {
        assert_clean(&log(steps(6, &[1]), asked));
        assert_found(
            &log(steps(6, &[0]), asked),
            FindingClass::Forged,
            "revoked from size 6 on by record 8: stolen",
        );
    }
    for asked in [None, Some(1)] {
        assert_found(&log(steps(5, &[1]), asked), FindingClass::Forged, "revoked from size 5 on");
    }
    // Who had the key before it handed over may have made the other key too.
    let thiefs = [write(rotation(0, 1, &[0, 1])), write(revocation(0, 3, &[1])), Sign(&[1])];
    assert_found(&log(thiefs, Some(0)), FindingClass::NotAuthenticated, "get the log's present key from");
}

#[test]
fn keys_change_by_who_is_entitled_alone() {
    let both = || rotation(0, 1, &[0, 1]);
    let other_log = || {
        let mut approved = signed(KeyRotation { from: vkey(0), to: vkey(1) }, &[]);
        approved.statement.origin = "other.example/log".to_owned();
        [0, 1].iter().for_each(|number| approved.approve(&log_key(*number)).unwrap());
        Admin::Key(approved)
    };
    let altered = || {
        let mut approved = signed(KeyRotation { from: vkey(0), to: vkey(1) }, &[0, 1]);
        approved.matter.to = vkey(2);
        Admin::Key(approved)
    };
    for (records, word) in [
        (vec![rotation(0, 1, &[1])], format!("none by {}", log_key(0).verifier().short())),
        (vec![rotation(0, 1, &[0])], format!("none by {}", log_key(1).verifier().short())),
        (vec![rotation(2, 1, &[2, 1])], "is not in force".to_owned()),
        (vec![rotation(0, 0, &[0])], "was a key of this log before".to_owned()),
        (vec![other_log()], "other.example".to_owned()),
        (vec![altered()], "another matter".to_owned()),
        (vec![both(), both()], "was a key of this log before".to_owned()),
        (vec![both(), retirement(0, &[0])], "none beside".to_owned()),
        (vec![both(), retirement(0, &[])], "none beside".to_owned()),
        (vec![both(), retirement(2, &[1])], "is not in force".to_owned()),
        (vec![both(), retirement(0, &[1]), retirement(1, &[0])], "none beside".to_owned()),
        (vec![both(), revocation(0, 1, &[0])], "0 of 2".to_owned()),
        (vec![both(), revocation(0, 1, &[2])], "0 of 2".to_owned()),
        (vec![both(), revocation(0, 99, &[1])], "records only, not 99".to_owned()),
        (vec![both(), revocation(0, 4, &[1]), revocation(0, 5, &[1])], "from size 4 on already".to_owned()),
    ] {
        let steps = || records.clone().into_iter().map(write);
        let report = log(steps(), None);
        assert_found(&report, FindingClass::Forged, &word);
        assert_eq!(report.findings.len(), 1, "{word}: {:#?}", report.findings);
        assert!(report.findings[0].what == "authority", "{word}");
    }
    // A hand-over that nobody was entitled to gives the other key no right.
    let stolen = log([write(rotation(0, 1, &[1])), Sign(&[1])], Some(0));
    assert_found(
        &stolen,
        FindingClass::NotAuthenticated.max(FindingClass::Forged),
        &log_key(1).verifier().short(),
    );
    assert!(stolen.findings.iter().any(|finding| finding.what == "signature"), "{:#?}", stolen.findings);
}

#[test]
fn operators_can_revoke_a_key_where_enough_of_them_agree() {
    let revoked = |by: &[u8]| {
        let matter = KeyRevocation { key: vkey(0), reason: "stolen".to_owned(), size: 3 };
        vec![Admin::KeyRevoked(super::authority::approved(matter, by))]
    };
    assert_clean(&log_with_operators(revoked(&[1, 3])));
    assert_found(&log_with_operators(revoked(&[1])), FindingClass::Forged, "1 of 2");
    assert_found(&log_with_operators(revoked(&[1, 4])), FindingClass::Forged, "1 of 2");
}
