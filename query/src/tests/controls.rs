//! Controls as a log has them: labels, packs and mappings that were added to it, and how much evidence there is.

use indelible_engine::Document;
use indelible_engine::filter::{LabelRule, LabelRules};

use super::sample::sample;
use super::{Sample, now, show};
use crate::controls::MappedControls;
use crate::{Ground, Options, Query, Vocabulary, filter};

/// The rows that a query has, and what is odd about them.
fn ask<G: Ground + Clone + 'static>(ground: &G, text: &str) -> (Vec<String>, Vec<String>) {
    let query = Query::parse(text, &Vocabulary::default()).unwrap();
    let mut answer = query.run(ground, &Options::at(now())).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let rows = answer.by_ref().map(|row| show(&row.expect("a row"))).collect();
    (rows, answer.warnings().expect("warnings"))
}

fn document(name: &str, text: &str) -> Document {
    Document { name: name.to_owned(), text: text.to_owned(), version: "1".to_owned() }
}

/// The sample, and behind it events that are labelled.
fn labelled() -> Sample {
    let mut sample = sample();
    let rule = |when: &str, labels: &[&str]| LabelRule {
        when: filter(when, &Vocabulary::default()).unwrap(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    let rules = LabelRules::new(vec![
        rule("kind = note", &["HIPAA:164.312(B)", "ACME:7"]),
        rule("risk = high", &["SOC2:CC6.1"]),
    ]);
    sample.store.set_rules(&document("ours", ""), &rules.unwrap()).unwrap();
    let events = [
        r#"{"event_id":"n1","kind":"note","run_id":"run_n","ts":"2026-04-04T10:00:00Z"}"#,
        r#"{"event_id":"n2","kind":"note","risk":"high","controls":["soc 2 cc6.1","OTHER:1"]}"#,
        r#"{"event_id":"n3","kind":"other","risk":"high","run_id":"run_n","ts":"2026-04-05T10:00:00Z"}"#,
    ];
    sample.store.append_batch(events).unwrap();
    sample.snapshot = sample.store.snapshot().unwrap();
    sample
}

#[test]
fn labels_the_events_own_words_and_the_mapping_are_found_alike() {
    let sample = labelled();
    let rows = |text: &str| ask(&sample.snapshot, text).0;
    assert_eq!(rows("control SOC2:CC6.1 (run = run_n or kind = note)"), ["n2 label, event -", "n3 label -"]);
    assert_eq!(rows("control ACME:7"), ["n1 label -", "n2 label -"]);
    assert_eq!(rows("control other:1"), ["n2 event -"]);
    assert_eq!(
        rows("control HIPAA:164.312 kind = note"),
        ["n1 label -", "n2 label -"],
        "a part is of the whole"
    );
    assert_eq!(rows("control SOC2:CC8.1 environment = staging"), ["e10 mapping deployments"]);
}

#[test]
fn coverage_says_what_each_control_alone_would_say() {
    let sample = labelled();
    let columns = "| fields control, events, runs, agents";
    let (by_index, _) = ask(&sample.snapshot, &format!("controls {columns}"));
    let (one_by_one, _) = ask(&sample.disclosed(), &format!("controls {columns}"));
    let other: Vec<_> = by_index.iter().zip(&one_by_one).filter(|(index, rows)| index != rows).collect();
    assert!(other.is_empty() && by_index.len() == one_by_one.len(), "{other:?}");
    assert_eq!(by_index.len(), MappedControls::shipped().unwrap().catalogue.controls().count() + 2);
    assert_eq!(by_index[by_index.len() - 2..], ["ACME:7 2 1 0", "OTHER:1 1 0 0"]);
    let mut some = 0;
    for row in by_index.iter().filter(|row| !row.ends_with(" 0 0 0") || row.contains("CC9")) {
        let id = row.split(" ").next().filter(|id| !id.starts_with("NIST")).unwrap_or("ACME:7");
        let (alone, _) = ask(
            &sample.snapshot,
            &format!("control \"{id}\" | stats count(), distinct(run) as runs, distinct(agent) as agents"),
        );
        some += 1;
        assert!(
            by_index.contains(&format!("{id} {}", alone.first().map_or("0 0 0", String::as_str))),
            "{id}"
        );
    }
    assert!(some > 40, "{some}");
}

#[test]
fn coverage_of_a_time_has_no_ids_of_another_time() {
    let sample = labelled();
    let text = "controls until 2026-04-02 | fields control, events";
    let (by_index, _) = ask(&sample.snapshot, text);
    assert!(
        !by_index.iter().any(|row| row.starts_with("ACME:7") || row.starts_with("OTHER:1")),
        "{by_index:?}"
    );
    assert_eq!(ask(&sample.disclosed(), text).0, by_index);
    let query = Query::parse(text, &Vocabulary::default()).unwrap();
    let controls = MappedControls::shipped().unwrap();
    let candidates = sample.disclosed_to(&query.filters(&controls, &Options::at(now())).unwrap());
    assert_eq!(ask(&candidates, text).0, by_index, "records that do not count make no difference");
}

#[test]
fn coverage_by_what_only_a_row_can_say_is_refused() {
    let sample = sample();
    for text in
        ["controls where text ~ \"(?i)deploy\"", "controls where approval.approved_at - ts > 1h | count"]
    {
        let error = sample.run(text).expect_err(text).to_string();
        assert!(error.contains("cannot count") && error.contains("control ID where"), "{text}\n{error}");
    }
}

#[test]
fn what_was_added_to_a_log_stands_in_place_of_what_ships() {
    let mut sample = sample();
    let pack = "framework = \"ACME\"\ntitle = \"Ours\"\nedition = \"1\"\nversion = \"1\"\n\
                control = [{ id = \"7\", title = \"Everything is signed\" }, { id = \"7.1\", title = \"Twice\" }]";
    sample.store.add_pack(&document("ACME", pack)).unwrap();
    let mapping = "name = \"ours\"\nversion = \"1\"\n[[rule]]\nname = \"overrides\"\nwhen = \"kind = override\"\n\
                   controls = [\"ACME:7.1\"]\nstrength = \"direct\"\nreason = \"Each is signed.\"";
    let before = sample.snapshot.clone();
    sample.store.set_mapping(&document("ours", mapping)).unwrap();
    sample.snapshot = sample.store.snapshot().unwrap();
    assert_eq!(ask(&sample.snapshot, "control ACME:7").0, ["e7 mapping overrides", "e18 mapping overrides"]);
    assert_eq!(ask(&sample.snapshot, "control SOC2:CC8.1").0, ["e4 event -", "e5 event -"]);
    assert_eq!(
        ask(&sample.snapshot, "controls framework acme | fields control, events").0,
        ["ACME:7 2", "ACME:7.1 2"]
    );
    let shipped = ask(&before, "control SOC2:CC8.1").0;
    assert!(shipped.len() > 2, "an earlier snapshot has the mapping of its time: {shipped:?}");
}

#[test]
fn a_control_that_nothing_is_evidence_of_is_told() {
    let sample = labelled();
    for (text, warnings) in [
        ("control SOC2:CC9.1", &["nothing in range is evidence of SOC2:CC9.1"][..]),
        ("control SOC2:CC9.1 | count", &["nothing in range is evidence of SOC2:CC9.1"]),
        ("control SOC2:CC8.1, SOC2:CC9.1", &["nothing in range is evidence of SOC2:CC9.1"]),
        ("control SOC2:CC8.1 since 2026-04-09", &["nothing in range is evidence of SOC2:CC8.1"]),
        ("control SOC2:CC8.1", &[]),
        ("control ACME:7", &["the catalogue has no control ACME:7"]),
        (
            "control SOC2:CC81",
            &[
                "nothing in range is evidence of SOC2:CC81",
                "the catalogue has no control SOC2:CC81; did you mean SOC2:CC8.1?",
            ],
        ),
        (
            "control SOC2",
            &[
                "nothing in range is evidence of SOC2:",
                "the catalogue has no control SOC2:; all of it is SOC2:*",
            ],
        ),
    ] {
        assert_eq!(ask(&sample.snapshot, text).1, warnings, "{text}");
    }
}

#[test]
fn an_id_in_several_words_is_refused_and_told_how_to_write() {
    let sample = sample();
    for (text, id) in [
        ("control soc2 cc8.1", "SOC2:CC8.1"),
        ("control SOC2:CC6.1, soc 2 cc8.1 since 30d", "SOC2:CC8.1"),
        ("control pci dss 6.5.1 | count", "PCI-DSS:6.5.1"),
        ("control GOVERN 1.1", "NIST-AI-RMF:GOVERN-1.1"),
        ("control 45 CFR § 164.312(b) since 30d", "HIPAA:164.312(B)"),
        ("controls framework PCI DSS since 30d", "PCI-DSS"),
        ("controls framework NIST AI RMF", "NIST-AI-RMF"),
    ] {
        let error = sample.run(text).expect_err(text).to_string();
        assert!(
            error.contains("several words must stand in quotes") && error.contains(id),
            "{text}\n{error}"
        );
    }
    assert!(sample.run("control SOC2:CC8.1 rollback").is_ok(), "words behind an id are searched for");
    assert!(sample.run("control SOC2:CC8 \"1\"").is_ok(), "quotes say that it is searched for");
    assert!(sample.run("control \"soc 2 cc8.1\"").is_ok());
    assert!(sample.run("controls framework \"pci dss\" rollback").is_ok());
    assert!(sample.run("controls framework SOC2 rollback").is_ok());
    assert!(sample.run("control HIPAA:164.312 where a").is_ok(), "and so does `where`");
}

#[test]
fn an_id_goes_on_in_parentheses() {
    let events = [
        r#"{"event_id":"whole","controls":["HIPAA:164.312"],"say":"b"}"#,
        r#"{"event_id":"part","controls":["HIPAA:164.312(b)"]}"#,
        r#"{"event_id":"other","controls":["HIPAA:164.312(a)(1)"],"say":"b"}"#,
    ];
    let sample = Sample::new([events.to_vec()]);
    for (text, expected) in [
        ("control HIPAA:164.312(b)", &["part"][..]),
        ("control 164.312(a)(1), §164.312(b)", &["part", "other"]),
        ("control = HIPAA:164.312(b)", &["part"]),
        ("control in (HIPAA:164.312(B), x(y)) | where control = hipaa:164.312(b)", &["part"]),
        ("control HIPAA:164.312 \"b\"", &["whole", "part", "other"]),
    ] {
        let rows = ask(&sample.snapshot, &format!("{text} | fields id")).0;
        assert_eq!(rows, expected, "{text}");
    }
}
