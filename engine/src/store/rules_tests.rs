//! Label rules, from their registration to the labels that records have and a verification finds right.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::Document;
use crate::disk::{Disk, RealDisk};
use crate::filter::{Field, Filter, LabelRule, LabelRules, Test, Value};

fn options() -> Options {
    Options::new("test.example/rules").allocate_len(64 << 10)
}

fn is(name: &str, value: &str) -> Filter {
    let test = Test::Equals(vec![Value::Word(value.to_owned())]);
    Filter::Field(Field::Name(name.to_owned()), test)
}

fn about(version: &str) -> Document {
    Document { name: "mine".to_owned(), text: "# rules".to_owned(), version: version.to_owned() }
}

fn rules(labels: &[(&str, &str)]) -> LabelRules {
    let rule = |(kind, label): &(&str, &str)| LabelRule {
        when: is("kind", kind),
        labels: vec![(*label).to_owned()],
    };
    LabelRules::new(labels.iter().map(rule).collect()).unwrap()
}

/// The labels of all users' records.
fn labels(store: &Store) -> Vec<String> {
    let records = store.snapshot().unwrap().records(..).collect::<Result<Vec<_>>>().unwrap();
    let events = records.iter().filter(|record| !record.is_store_record());
    events.map(|record| record.labels.join(" ")).collect()
}

fn assert_clean(path: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = crate::verify::verify(&disk, path, &crate::verify::Options::default()).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
}

const DEPLOYMENT: &[u8] = br#"{"event_id":"d","kind":"deployment"}"#;
const NOTE: &[u8] = br#"{"event_id":"n","kind":"note"}"#;

#[test]
fn events_are_labelled_by_the_rules_in_force_and_no_later_ones_change_that() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    store.append(DEPLOYMENT).unwrap();
    assert!(store.snapshot().unwrap().rules().unwrap().is_none());
    let first = store.set_rules(&about("1"), &rules(&[("deploy*", "SOC2:CC8.1"), ("*", "X:1")])).unwrap();
    let again = store.set_rules(&about("1"), &rules(&[("deploy*", "SOC2:CC8.1"), ("*", "X:1")])).unwrap();
    assert_eq!(first.seq(), again.seq(), "what is in force is not registered twice");
    store.append_batch([DEPLOYMENT, NOTE]).unwrap();
    store.seal().unwrap();
    store.append(DEPLOYMENT).unwrap();
    let second = store.set_rules(&about("2"), &rules(&[("note", "Y:2")])).unwrap();
    store.append_batch([DEPLOYMENT, NOTE]).unwrap();
    store.set_rules(&about("3"), &rules(&[])).unwrap();
    store.append(DEPLOYMENT).unwrap();
    let (one, two) = (first.seq(), second.seq());
    let expected = [
        String::new(),
        format!("rules:{one} SOC2:CC8.1 X:1"),
        format!("rules:{one} X:1"),
        format!("rules:{one} SOC2:CC8.1 X:1"),
        format!("rules:{two}"),
        format!("rules:{two} Y:2"),
        String::new(),
    ];
    assert_eq!(labels(&store), expected);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.count(&is("label", "SOC2:CC8.1")).unwrap(), 2);
    assert_eq!(snapshot.count(&is("label", &format!("rules:{two}"))).unwrap(), 2);
    assert_eq!(snapshot.rules().unwrap().unwrap().about(), &about("3"));
    store.close().unwrap();
    assert_clean(dir.path());
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(labels(&store), expected);
}

#[test]
fn events_prepared_before_another_process_changed_the_rules_get_the_new_labels() {
    let dir = tempfile::tempdir().unwrap();
    let one = Store::create(dir.path(), options()).unwrap();
    one.append(NOTE).unwrap();
    let two = Store::open(dir.path(), options()).unwrap();
    let source = two.source(Profile::evidence()).unwrap();
    let prepare = || two.prepare(&source, DEPLOYMENT.to_vec(), &Masking::default()).unwrap();
    let before = prepare();
    let first = one.set_rules(&about("1"), &rules(&[("deployment", "A:1")])).unwrap().seq();
    two.commit(vec![before, prepare()], OnDuplicate::Keep).unwrap();
    let between = prepare();
    let second = one.set_rules(&about("2"), &rules(&[("deployment", "B:1")])).unwrap().seq();
    two.commit(vec![between], OnDuplicate::Keep).unwrap();
    let first = format!("rules:{first} A:1");
    assert_eq!(labels(&one), ["", &first, &first, &format!("rules:{second} B:1")]);
    drop((one, two));
    assert_clean(dir.path());
}

#[test]
fn masking_labels_stand_first_and_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    let mask = "name = \"m\"\nversion = \"1\"\n[[field]]\nname = \"kind\"\npaths = [\"kind\"]\n\
                [[mask]]\nname = \"who\"\npath = \"user\"\naction = \"drop\"\n";
    let source = store.source(&Profile::parse(mask).unwrap()).unwrap();
    let event = br#"{"kind":"note","user":"kim"}"#.to_vec();
    let prepared = store.prepare(&source, event, &Masking::default()).unwrap();
    let seq = store.set_rules(&about("1"), &rules(&[("note", "A:1")])).unwrap().seq();
    store.commit(vec![prepared], OnDuplicate::Keep).unwrap();
    assert_eq!(labels(&store), [format!("masked:who rules:{seq} A:1")]);
    store.close().unwrap();
    assert_clean(dir.path());
}

#[test]
fn mappings_and_packs_are_kept_as_they_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), options()).unwrap();
    let pack = |name: &str, version: &str| Document { name: name.to_owned(), ..about(version) };
    let early = store.snapshot().unwrap();
    let seq = store.set_mapping(&about("1")).unwrap();
    assert_eq!(store.set_mapping(&about("1")).unwrap(), seq);
    store.add_pack(&pack("A", "1")).unwrap();
    store.add_pack(&pack("B", "1")).unwrap();
    let old = store.snapshot().unwrap();
    let latest = store.set_mapping(&about("2")).unwrap();
    assert!(latest > seq);
    store.add_pack(&pack("A", "1")).unwrap();
    store.add_pack(&pack("A", "2")).unwrap();
    assert!(early.mapping().unwrap().is_none() && early.packs().unwrap().is_empty());
    assert_eq!(*old.mapping().unwrap().unwrap().document, about("1"), "a snapshot has what was current then");
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.mapping().unwrap().unwrap().seq, latest);
    let packs = snapshot.packs().unwrap();
    let packs = packs.iter().map(|pack| (pack.document.name.as_str(), pack.document.version.as_str()));
    assert_eq!(packs.collect::<Vec<_>>(), [("A", "1"), ("B", "1"), ("A", "2")]);
    let long = Document { text: "x".repeat(crate::limits::RULES_LEN_MAX + 1), ..about("4") };
    assert!(matches!(store.set_mapping(&long), Err(Error::OverLimit { .. })));
    store.close().unwrap();
    assert_clean(dir.path());
}
