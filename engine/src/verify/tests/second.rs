//! A second signature by ML-DSA-44: it is looked for where a key for it is in force, and changes nobody's say.

use super::keys::Step::{self, Sign};
use super::keys::{assert_found, log, log_key, retirement, revocation, rotation, write};
use super::{FindingClass, assert_clean};
use crate::trust::Signer;

/// A key of ML-DSA-44 comes beside that of Ed25519, and hands over to another.
fn lawful() -> Vec<Step> {
    vec![
        Sign(&[0]),
        write(rotation(0, 200, &[0, 200])),
        Sign(&[0, 200]),
        write(rotation(200, 201, &[200, 0, 201])),
        write(retirement(200, &[0])),
        Sign(&[0, 201]),
    ]
}

#[test]
fn checkpoints_are_signed_twice_and_who_knows_either_kind_of_key_is_led_on() {
    let report = log(lawful(), None);
    assert_clean(&report);
    // The latest note stands in two files.
    assert_eq!((report.covered.ml_dsa_44_count, report.covered.signature_count), (3, 0));
    assert!(!report.not_covered.iter().any(|text| text.contains("ML-DSA-44")), "{:#?}", report.not_covered);
    let by_first = log(lawful(), Some(0));
    assert_clean(&by_first);
    assert_eq!((by_first.covered.signature_count, by_first.remarks), (4, vec![]), "it handed over to nobody");
    let by_second = log(lawful(), Some(200));
    assert_clean(&by_second);
    assert!(by_second.remarks[0].text.contains(&log_key(201).verifier().short()), "{:?}", by_second.remarks);
    assert_clean(&log(lawful(), Some(201)));
    assert_found(&log(lawful(), Some(202)), FindingClass::NotAuthenticated, "that it handed over to");
}

#[test]
fn a_missing_second_signature_is_told_and_a_wrong_one_is_forged() {
    let missing = log(lawful().into_iter().chain([Sign(&[0])]), Some(0));
    assert_clean(&missing);
    let told =
        |text: &String| text.contains("2 of the checkpoints have none, though a key for it was in force");
    assert!(missing.not_covered.iter().any(told), "{:#?}", missing.not_covered);
    // Who trusts ML-DSA-44 alone is not content with that.
    assert_found(
        &log(lawful().into_iter().chain([Sign(&[0])]), Some(201)),
        FindingClass::NotAuthenticated,
        "that it handed over to",
    );
    let retired = log(lawful().into_iter().chain([Sign(&[200])]), None);
    assert_found(&retired, FindingClass::Forged, "retired by record");
}

#[test]
fn a_key_of_ml_dsa_44_has_no_say() {
    let both = || rotation(0, 200, &[0, 200]);
    for (records, word) in [
        (vec![both(), rotation(200, 201, &[200, 201])], "the signature of a key that has the say"),
        (vec![both(), rotation(200, 201, &[0, 201])], "the signatures of both keys"),
        (vec![both(), rotation(200, 1, &[200, 0, 1])], "hands over to one of its kind"),
        (vec![both(), retirement(0, &[200])], "none beside"),
        (vec![both(), revocation(0, 1, &[200])], "0 of 2"),
        (vec![rotation(0, 200, &[0])], "the signatures of both keys"),
    ] {
        let report = log(records.into_iter().map(write), None);
        assert_found(&report, FindingClass::Forged, word);
        assert_eq!(report.findings.len(), 1, "{word}: {:#?}", report.findings);
    }
    assert_clean(&log([both(), revocation(200, 3, &[0])].into_iter().map(write), None));
}
