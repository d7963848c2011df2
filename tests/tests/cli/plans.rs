//! Plans over a store that is old: what they move, and which artifacts they collect.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;

use indelible_engine::disk::World;
use indelible_engine::disk::sim::SimClock;
use indelible_engine::{Options, Store, Timestamp};

use super::Site;

/// A store that was written in 2024: an event that names an artifact, a few more, sealed; and an artifact that none names.
/// And the keys of one operator, who is enough.
fn old_site() -> (Site, [String; 2]) {
    old_site_with(0)
}

/// The same, with so many artifacts more that no event names.
fn old_site_with(stray_count: usize) -> (Site, [String; 2]) {
    let site = Site::new();
    let clock = Arc::new(SimClock::new(Timestamp(1_710_000_000_000_000_000)));
    let world = World { clock, ..World::real().unwrap() };
    let options = Options::new("acme.example/old").world(world).seal_in_background(false);
    let store = Store::create(site.path("evidence"), options).unwrap();
    let put = |mut text: &[u8]| store.put_artifact(&mut text).unwrap().0.id.to_string();
    let names = [put(b"a stray"), put(b"a diff")];
    (0..stray_count).for_each(|n| drop(put(n.to_string().as_bytes())));
    store.append(format!(r#"{{"kind":"change","artifact":"{}"}}"#, names[1]).as_bytes()).unwrap();
    store.append_batch((0..40).map(|n| format!(r#"{{"n":{n},"kind":"x"}}"#))).unwrap();
    store.seal().unwrap().unwrap();
    store.close().unwrap();
    let vkey = site.run(&["operators", "key", "alice", "-o", "alice.key"]).ends(0).out;
    site.write("alice.vkey", vkey);
    site.run(&["operators", "add", "alice.vkey"]).ends(0);
    site.run(&["operators", "threshold", "1", "--key", "alice.key"]).ends(0);
    (site, names)
}

fn policy(site: &Site, keep: &str, tiers: &str) {
    let rule = format!("name = \"all\"\nmatch = \"kind = *\"\nkeep = \"{keep}\"\n{tiers}\n");
    site.write("retention.toml", format!("default = \"{keep}\"\n\n[[rule]]\n{rule}"));
    site.run(&["retention", "set", "retention.toml"]).ends(0);
}

#[test]
fn what_was_in_its_tier_for_long_enough_moves_by_a_plan() {
    let (site, [stray, _]) = old_site();
    site.run(&["artifact", "put", "alice.vkey"]).ends(0);
    policy(&site, "forever", "hot = \"92d\"");
    let plan = site.run(&["retention", "plan", "-o", "plan.json"]).ends(0).text();
    assert!(
        plan.contains("moves      1 segment") && plan.contains("to warm: the rule all of record"),
        "{plan}"
    );
    assert!(plan.contains("collects   1 artifact"), "{plan}");
    assert!(site.run(&["retention", "apply", "plan.json"]).ends(12).err.contains("1 of the 1"));
    site.run(&["retention", "approve", "plan.json", "--key", "alice.key"]).ends(0);
    let applied = site.run(&["retention", "apply", "plan.json"]).ends(0).text();
    assert!(applied.contains("collected  1 artifact"), "{applied}");
    assert!(applied.contains("moved      1 segment to the warm tier"), "{applied}");
    assert!(site.path("evidence/packs/00000000000000000000.pack").exists());
    site.run(&["artifact", "get", &stray, "-o", "stray"]).ends(2);
    let history = site.run(&["retention", "history", "--json"]).ends(0).json();
    assert_eq!(history["artifacts"], serde_json::json!([stray]), "{history}");

    policy(&site, "forever", "hot = \"92d\"\nwarm = \"1y\"");
    site.run(&["retention", "plan", "-o", "away.json"]).ends(0);
    let told = site.run(&["retention", "apply", "away.json"]).ends(0).text();
    assert!(told.contains("left       1 segment for the archive"), "it takes no approval: {told}");
    let away = ["retention", "apply", "away.json", "--archive", "archive", "--json"];
    let moved = site.run(&away).ends(0).json();
    assert_eq!(
        (&moved["archive"]["segments"], &moved["plan"]),
        (&1.into(), &serde_json::Value::Null),
        "{moved}"
    );
    assert!(!site.path("evidence/packs/00000000000000000000.pack").exists());
    assert!(site.run(&["archive", "verify", "archive"]).ends(0).text().starts_with("whole"));
    assert_eq!(site.run(&away).ends(0).json()["archive"]["segments"], 0);
    site.run(&["verify", "--archive"]).ends(0);
}

#[test]
fn two_who_carry_out_one_plan_at_once_carry_it_out_once() {
    // More artifacts than go in one hold of the lock, so that the two take turns.
    const STRAYS: usize = 150;
    let (site, _) = old_site_with(STRAYS);
    policy(&site, "30d", "");
    site.run(&["retention", "plan", "-o", "plan.json"]).ends(0);
    site.run(&["retention", "approve", "plan.json", "--key", "alice.key"]).ends(0);
    let start = || {
        let mut command = site.command(&["retention", "apply", "plan.json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    assert!(both.iter().any(|done| done.status.code() == Some(0)), "{both:?}");
    let history = site.run(&["retention", "history", "--json"]).ends(0).json();
    let gone: Vec<&str> =
        history["artifacts"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    let different: BTreeSet<&str> = gone.iter().copied().collect();
    assert_eq!((gone.len(), different.len()), (STRAYS + 2, STRAYS + 2), "each went once: {both:?}");
    assert_eq!(site.run(&["artifact", "list", "--json"]).ends(0).text(), "");
    site.run(&["artifact", "verify"]).ends(0);
    let report = site.run(&["verify", "--json"]).ends(0).json();
    assert_eq!(report["covered"]["deleted_count"], 41, "{report}");
}

#[test]
fn an_artifact_goes_with_the_last_event_that_names_it() {
    let (site, [stray, named]) = old_site();
    let list = || site.run(&["artifact", "list"]).ends(0).text();
    assert_eq!((list().matches(" yes").count(), list().matches(" no").count()), (1, 1), "{}", list());
    policy(&site, "30d", "");
    let plan = site.run(&["retention", "plan", "-o", "plan.json", "--json"]).ends(0).json();
    let mut names = [&*stray, &*named];
    names.sort_unstable();
    let artifacts = plan["matter"]["artifacts"].as_array().unwrap();
    assert_eq!([0, 1].map(|at| artifacts[at]["artifact"].as_str().unwrap()), names);
    site.run(&["retention", "approve", "plan.json", "--key", "alice.key"]).ends(0);
    // An event that came since: under any name.
    let event = format!("{{\"quoted\":\"see {}\"}}\n", stray.strip_prefix("blake3:").unwrap());
    site.feed(&["append", "--no-checkpoint"], event.as_bytes()).ends(0);
    let applied = site.run(&["retention", "apply", "plan.json", "--json"]).ends(0).json();
    assert_eq!((&applied["deleted"]["events"], &applied["artifacts"]["collected"]), (&41.into(), &1.into()));
    assert_eq!(applied["artifacts"]["spared"], 1, "{applied}");
    let missing = site.run(&["show", "ev_7"]).ends(2).err;
    assert!(missing.contains("41 events were deleted by the plan of record"), "{missing}");
    assert!(missing.contains("no event ev_7"), "{missing}");
    site.run(&["artifact", "get", &stray, "-o", "stray"]).ends(0);
    site.run(&["artifact", "verify"]).ends(0);
    site.run(&["verify"]).ends(0);
    let hex = stray.strip_prefix("blake3:").unwrap();
    std::fs::remove_file(site.path(&format!("evidence/artifacts/{}/{hex}", &hex[..2]))).unwrap();
    assert!(site.run(&["verify", "--quick"]).ends(11).text().contains("removed without authority"));
}
