//! What machines read: each schema has the fields that docs/JSON.md lists, and never loses one under its number.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Site, events};

/// The fields that each schema had when it was released. One that is missing needs a schema of the next number.
const RELEASED: [(&str, &str); 5] = [
    (
        "indelible.stats/1",
        "schema origin store_id tree_size root events store_records segments segments.sealed segments.active len len.hot \
         len.warm len.warm_unpacked len.index received received.first received.last event_time event_time.first \
         event_time.last events_without_time runs agents controls sources last_checkpoint last_checkpoint.size \
         last_checkpoint.tail last_verified last_verified.seq last_verified.at last_verified.scope last_verified.verdict \
         last_verified.records",
    ),
    (
        "indelible.doctor/1",
        "schema origin level remarks remarks[].topic remarks[].level remarks[].found remarks[].advice",
    ),
    (
        "indelible.drill/1",
        "schema origin checkpoint_size seed verdict tiers tiers[].tier tiers[].record_count tiers[].median_us \
         tiers[].longest_us tiers[].drawn tiers[].drawn[].seq tiers[].drawn[].took_us tiers[].drawn[].failed noted",
    ),
    (
        "indelible.verify/1",
        "schema origin store_id scope is_complete tree_size root torn_len checkpoint_size segments segments[].first_seq \
         segments[].end_seq segments[].log_len segments[].unread_count segments[].reach segments[].checked_at segments[].sealed segments[].root \
         segments[].index_root segments[].sidecar segments[].finding_count segments[].class findings findings[].class \
         findings[].file findings[].offset findings[].what findings[].expected findings[].found findings[].seqs \
         findings[].seqs.start findings[].seqs.end findings_left_out class remarks remarks[].file remarks[].text covered \
         covered.record_count covered.body_count covered.unread_count covered.deleted_count covered.artifact_count covered.read_len covered.seal_count \
         covered.index_count covered.checkpoint_count covered.signature_count covered.ml_dsa_44_count unknown_signers unknown_signers[].name unknown_signers[].key_id \
         unknown_signers[].checkpoint_count unknown_signers[].last_size not_covered noted witnessed witnessed[].by \
         witnessed[].at witnessed[].tree_size anchors anchors[].anchor anchors[].place anchors[].checkpoints \
         anchors[].tree_size anchors[].unread",
    ),
    (
        "indelible.apply/1",
        "schema plan deleted deleted.bytes deleted.events segments spared spared.bytes spared.events left artifacts \
         artifacts.collected artifacts.bytes artifacts.spared artifacts.left warm warm.segments warm.log_len \
         warm.pack_len warm.spared warm.left archive archive.segments archive.spared archive.left not_reached",
    ),
];

/// The fields of a value, by their paths.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.insert(path.clone());
                fields(member, &path, found);
            }
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| fields(element, &format!("{path}[]"), found));
        }
        _ => {}
    }
}

/// The fields that the page lists for a schema.
fn documented(schema: &str) -> BTreeSet<String> {
    let page = include_str!("../../../docs/JSON.md");
    let section =
        page.split(&format!("\n## {schema}\n")).nth(1).unwrap_or_else(|| panic!("{schema} in docs/JSON.md"));
    let rows = section.lines().take_while(|line| !line.starts_with("## "));
    rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned())).collect()
}

/// What the program prints of a store that has all there is to have.
fn printed() -> Vec<Value> {
    let site = Site::with_store();
    site.feed(&["append", "--no-checkpoint"], b"{\"event_id\":\"a\",\"ts\":\"2026-01-01T00:00:00Z\"}\n")
        .ends(0);
    site.feed(&["append", "--no-checkpoint"], events(20).as_bytes()).ends(0);
    site.run(&["seal"]).ends(0);
    site.run(&["witness", "key", "w.key", "--name", "witness.example/w"]).ends(0);
    std::fs::create_dir(site.path("anchored")).unwrap();
    site.run(&["anchor", "add", "disk", "anchored"]).ends(0);
    site.run(&["checkpoint"]).ends(0);
    site.write("evidence/stray", "no part of a store");
    // A line of somebody whom nobody here knows.
    let checkpoint = site.path("evidence/checkpoint");
    let note = std::fs::read_to_string(&checkpoint).unwrap();
    std::fs::write(&checkpoint, note + "\u{2014} stranger.example AAAAAQA=\n").unwrap();
    let mut all = vec![site.run(&["verify", "--json"]).ends(0).json()];
    all.push(site.run(&["stats", "--json"]).ends(0).json());
    all.push(site.run(&["doctor", "--json"]).ends(0).json());
    all.push(site.run(&["retention", "drill", "--json"]).ends(0).json());
    site.write("retention.toml", "default = \"1y\"\n");
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    site.run(&["retention", "plan", "-o", "plan.json"]).ends(0);
    all.push(site.run(&["retention", "apply", "plan.json", "--json"]).ends(0).json());
    let log = site.path("evidence/log/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    all.push(site.run(&["verify", "--json"]).ends(10).json());
    all
}

#[test]
fn each_schema_has_what_its_page_says_and_all_that_it_ever_had() {
    let printed = printed();
    for (schema, released) in RELEASED {
        let mut found = BTreeSet::new();
        let of_schema = printed.iter().filter(|value| value["schema"] == schema);
        of_schema.for_each(|value| fields(value, "", &mut found));
        let documented = documented(schema);
        let undocumented: Vec<_> = found.difference(&documented).collect();
        assert!(undocumented.is_empty(), "{schema}: docs/JSON.md does not list {undocumented:?}");
        // Cosigning takes a witness that runs: those fields are the witnesses' tests' to see.
        let seen = |name: &&str| !name.starts_with("witnessed[].");
        let missing: Vec<_> =
            released.split_whitespace().filter(seen).filter(|name| !found.contains(*name)).collect();
        assert!(missing.is_empty(), "{schema} has lost {missing:?}: it needs the next number");
        let unlisted: Vec<_> =
            released.split_whitespace().filter(|name| !documented.contains(*name)).collect();
        assert!(unlisted.is_empty(), "{schema}: docs/JSON.md has lost {unlisted:?}");
    }
}
