//! Labels that the rules in force do not give.

use super::maker::{Maker, event};
use super::{FindingClass, assert_clean};
use crate::filter::{Field, Filter, LabelRule, LabelRules, Test, Value};
use crate::format::admin::Admin;

/// A record that labels tool calls `A:1`, and failed ones `B:1` too.
fn rules(labels: [&str; 2]) -> Vec<u8> {
    let is = |name: &str, value: &str| {
        let test = Test::Equals(vec![Value::Word(value.to_owned())]);
        Filter::Field(Field::Name(name.to_owned()), test)
    };
    let rule = |when, label: &str| LabelRule { when, labels: vec![label.to_owned()] };
    let rules =
        LabelRules::new(vec![rule(is("kind", "tool.*"), labels[0]), rule(is("status", "failed"), labels[1])]);
    let (name, text, version) = ("mine".to_owned(), String::new(), "1".to_owned());
    Admin::Rules { name, rules: rules.unwrap().encode(), text, version }.encode()
}

/// A log whose record 5 registers rules, with events before and behind it.
fn labelled() -> Maker {
    let mut maker = Maker::new();
    maker.events(3);
    maker.frame(&[(0, rules(["A:1", "B:1"]))]);
    maker.labels = vec!["rules:5", "A:1"];
    maker.events(4);
    maker
}

#[test]
fn labels_of_the_rules_in_force_are_clean_in_all_segments() {
    let mut maker = labelled();
    maker.seal();
    maker.events(3);
    maker.labels = vec!["masked:secrets", "rules:5", "A:1"];
    maker.events(3);
    maker.seal();
    maker.events(2);
    let seq = maker.next_seq;
    maker.frame(&[(0, rules(["C:1", "D:1"]))]);
    assert_eq!(seq, 20);
    maker.labels = vec!["rules:20", "C:1"];
    maker.events(2);
    maker.close();
    // The events before the new rules were masked once more.
    assert_clean(&maker.finish(0).verify());
}

#[test]
fn labels_that_nobody_gave_are_forged() {
    let wrong: [&dyn Fn(&mut Maker); 8] = [
        &|maker| maker.labels = vec!["rules:5"],
        &|maker| maker.labels = vec!["rules:5", "A:1", "B:1"],
        &|maker| maker.labels = vec!["rules:5", "A:1", "masked:x"],
        &|maker| maker.labels = vec!["A:1", "rules:5"],
        &|maker| maker.labels = vec!["A:1"],
        &|maker| maker.labels = Vec::new(),
        // Rules that are none, and rules that are not in force any more.
        &|maker| maker.labels = vec!["rules:1", "A:1"],
        &|maker| maker.frame(&[(0, rules(["A:1", "C:1"]))]),
    ];
    for (number, change) in wrong.iter().enumerate() {
        for sealed in [false, true] {
            let mut maker = labelled();
            if sealed {
                maker.seal();
            }
            change(&mut maker);
            maker.frame(&[(1, event(1))]);
            let report = maker.finish(0).verify();
            let found = &report.findings;
            assert_eq!(report.verdict(), Some(FindingClass::Forged), "{number}: {found:?}");
            assert!(found.iter().all(|finding| finding.what == "record labels"), "{number}: {found:?}");
        }
    }
    let mut maker = Maker::new();
    maker.labels = vec!["SOC2:CC6.1"];
    maker.events(1);
    let report = maker.finish(0).verify();
    assert_eq!(report.verdict(), Some(FindingClass::Forged), "a label where no rules ever were");
}

#[test]
fn rules_that_cannot_be_used_are_forged() {
    for (body, reason) in [
        (
            r#"{"kind":"store.rules","name":"m","rules":[{"labels":["A:1"],"when":{"no":1}}],"text":"","version":"1"}"#,
            "unknown variant",
        ),
        (
            r#"{"kind":"store.rules","name":"m","rules":[{"labels":["rules:1"],"when":{"all":[]}}],"text":"","version":"1"}"#,
            "label that the store gives",
        ),
        (
            r#"{"kind":"store.rules","name":"m","rules":[{"labels":["A:1"],"when":{"seqs":{"end":2,"start":1}}}],"text":"","version":"1"}"#,
            "cannot ask of a seq",
        ),
    ] {
        let mut maker = Maker::new();
        maker.frame(&[(0, body.as_bytes().to_vec())]);
        let report = maker.finish(0).verify();
        assert_eq!(report.verdict(), Some(FindingClass::Forged), "{:?}", report.findings);
        assert!(report.findings[0].found.contains(reason), "{:?}", report.findings);
    }
}
