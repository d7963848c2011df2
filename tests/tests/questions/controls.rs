//! What is in scope of a control by labels and by a mapping, over generated evidence whose truth is known.

use indelible::query::controls::ControlsFile;
use indelible::{Options, Store};

use super::ask;
use super::generated::{fixture, telling};

/// What events say themselves, said again by a label and by a mapping.
const LABELS: &str = "name = 'ours'\nversion = '1'\n[[label]]\nwhen = 'control = PCI-DSS:6.5.1 and kind = code.change'\n\
    labels = ['ACME:CARDS']\n";
const MAPPING: &str = "name = 'ours'\nversion = '1'\n[[rule]]\nname = 'changes'\n\
    when = 'control = PCI-DSS:6.5.1 and kind = code.change'\ncontrols = ['SOC2:CC9.1']\n\
    strength = 'supporting'\nreason = 'They are in scope of another framework.'\n";

#[test]
fn changes_in_scope_by_a_label_and_by_the_mapping_are_those_that_say_so() {
    let scenario = &fixture().scenario;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path().join("evidence"), Options::new("acme.example/labels")).unwrap();
    let add = |text: &str| ControlsFile::read(text, &store.snapshot().unwrap()).unwrap().add(&store).unwrap();
    let rules = add(LABELS);
    let (first, second) = scenario.events.split_at(scenario.events.len() / 2);
    store.append_batch(first).unwrap();
    store.seal().unwrap();
    store.append_batch(second).unwrap();
    add(MAPPING);
    let snapshot = store.snapshot().unwrap();
    let truth = telling(&scenario.truth.pci_changes);
    for (control, via) in [("ACME:CARDS", "label"), ("SOC2:CC9.1", "mapping"), ("soc2:cc9", "mapping")] {
        let conditions = "during 2026-Q1 where kind = code.change and exists(agent)";
        let text = format!("control {control} {conditions} and via = {via} | fields id");
        assert_eq!(ask(&text).set(&snapshot), *truth, "{control}");
    }
    let all = ask(&format!("label = \"rules:{rules}\" | count")).texts(&snapshot);
    assert_eq!(
        all,
        [[scenario.events.len().to_string()]],
        "each event names the rules that it was held against"
    );
}
