//! Policies, holds, operators and plans from the command line.

use super::Site;

const POLICY: &str = "default = \"1d\"\n[[rule]]\nname = \"kept\"\nmatch = \"kind = kept\"\nkeep = \"9y\"\n\
                      hot = \"90d\"\nlocked = true\nbasis = \"the law\"\n";

/// A store of four events, three of which the policy lets go after a day, sealed; and keys of two operators.
fn site() -> Site {
    site_of("acme.example/test")
}

fn site_of(origin: &str) -> Site {
    let site = Site::new();
    site.run(&["init", "--origin", origin]).ends(0);
    let events = ["kept", "gone", "gone", "asked"].map(|kind| format!("{{\"kind\":\"{kind}\"}}\n")).concat();
    site.feed(&["append", "--no-checkpoint"], events.as_bytes()).ends(0);
    site.run(&["seal"]).ends(0);
    site.write("retention.toml", POLICY);
    for name in ["alice", "bob"] {
        let vkey = site.run(&["operators", "key", name, "-o", &format!("{name}.key")]).ends(0).out;
        site.write(&format!("{name}.vkey"), vkey);
    }
    site
}

#[test]
fn a_policy_is_set_shown_and_asked_how_it_stands() {
    let site = site();
    assert_eq!(site.run(&["retention", "show", "--json"]).ends(0).json()["seq"], serde_json::Value::Null);
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    assert_eq!(site.run(&["retention", "show"]).ends(0).text(), POLICY);
    let shown = site.run(&["retention", "show", "--json"]).ends(0).json();
    assert_eq!(shown["policy"]["rules"][0]["terms"]["hot_s"], 90 * 86_400);
    let status = site.run(&["retention", "status", "--as-of", "2200-01-01", "--json"]).ends(0).json();
    let rules = status["rules"].as_array().unwrap();
    let of = |name: &str| rules.iter().find(|rule| rule["name"] == name).unwrap();
    assert_eq!(of("default")["overdue"]["events"], 3);
    assert_eq!(of("kept")["overdue"]["events"], 1);
    assert_eq!(of("kept")["promises"][0]["holds"], true);
    let table = site.run(&["retention", "status"]).ends(0).text();
    assert!(table.contains("kept: hot for 90d: holds"), "{table}");
    site.write("shorter.toml", POLICY.replace("9y", "8y"));
    let refused = site.run(&["retention", "set", "shorter.toml"]).ends(2);
    assert!(refused.err.contains("locked"), "{}", refused.err);
    site.write("bad.toml", "default = \"1d\"\n[[rule]]\nname = \"r\"\nmatch = \"kind = \"\nkeep = \"1y\"\n");
    let refused = site.run(&["retention", "set", "bad.toml"]).ends(2);
    assert!(refused.err.contains("rule 1 (r): `match` is no filter"), "{}", refused.err);
    for template in ["soc2", "pci-dss", "hipaa", "eu-ai-act", "sec-17a-4"] {
        site.write("template.toml", site.run(&["retention", "template", template]).ends(0).out);
        let other = Site::with_store();
        other.write("template.toml", std::fs::read(site.path("template.toml")).unwrap());
        other.run(&["retention", "set", "template.toml"]).ends(0);
    }
    site.run(&["retention", "template", "gdpr"]).ends(2);
    site.run(&["verify", "--quick"]).ends(0);
    site.run(&["verify"]).ends(0);
}

#[test]
fn holds_stand_until_operators_release_them() {
    let site = site();
    let place =
        ["hold", "place", "case", "--where", "kind = asked", "--reason", "case 12", "--by", "counsel"];
    let placed = site.run(&[&place[..], &["--json"]].concat()).ends(0).json();
    assert_eq!(placed["events"], 1);
    site.run(&place).ends(2);
    site.feed(&["append", "--no-checkpoint"], b"{\"kind\":\"asked\"}\n{\"kind\":{}}\n").ends(0);
    let shown = site.run(&["hold", "show", "case", "--json"]).ends(0).json();
    assert_eq!(
        (&shown["events"], &shown["events_since"]),
        (&3.into(), &2.into()),
        "what cannot be read is held"
    );
    assert!(site.run(&["hold", "show", "case"]).ends(0).text().contains("since      2 events"));
    let release = ["hold", "release", "case", "--reason", "settled", "--by", "counsel"];
    let with = |more: &[&str]| site.run(&[&release[..], more].concat());
    assert!(with(&["--key", "alice.key"]).ends(12).err.contains("operators add"));
    site.run(&["operators", "add", "alice.vkey"]).ends(0);
    site.run(&["operators", "add", "bob.vkey"]).ends(12);
    site.run(&["operators", "add", "bob.vkey", "--key", "alice.key"]).ends(0);
    with(&["--key", "alice.key"]).ends(12);
    with(&["--key", "alice.key", "-o", "release.json"]).ends(0);
    let approve = ["retention", "approve", "release.json", "--key"];
    let twice = site.run(&[&approve[..], &["alice.key"]].concat()).ends(2);
    assert!(twice.err.contains("counts once"), "{}", twice.err);
    site.run(&["hold", "release", "--approved", "release.json"]).ends(12);
    let told = site.run(&[&approve[..], &["bob.key"]].concat()).ends(0).text();
    assert!(told.contains("releases   the hold case") && told.contains("2 approvals"), "{told}");
    let text = std::fs::read_to_string(site.path("release.json")).unwrap();
    site.write("altered.json", text.replace("settled", "because"));
    site.run(&["hold", "release", "--approved", "altered.json"]).ends(11);
    site.run(&["hold", "release", "--approved", "release.json"]).ends(0);
    site.run(&["hold", "release", "--approved", "release.json"]).ends(2);
    assert_eq!(site.run(&["hold", "list", "--json"]).ends(0).text(), "");
    assert!(site.run(&["hold", "list", "--all"]).ends(0).text().contains("case"));
    site.run(&["verify"]).ends(0);
}

#[test]
fn operators_change_by_the_word_of_those_before() {
    let site = site();
    let own = std::fs::read_dir(site.path("config/keys")).unwrap().next().unwrap().unwrap().path();
    let own = std::fs::read_to_string(own).unwrap();
    let log_key = site.run(&["operators", "add", "alice.vkey", "bob.vkey"]).ends(0);
    assert!(log_key.err.contains("2 operators"), "{}", log_key.err);
    site.write("own.key", own.lines().next().unwrap());
    site.run(&["operators", "threshold", "1", "--key", "own.key"]).ends(12);
    site.run(&["operators", "remove", "nobody", "--key", "alice.key", "--key", "bob.key"]).ends(2);
    site.run(&["operators", "remove", "bob", "--key", "alice.key", "-o", "change.json"]).ends(0);
    site.run(&["operators", "apply", "change.json"]).ends(12);
    site.run(&["retention", "approve", "change.json", "--key", "bob.key"]).ends(0);
    site.run(&["operators", "apply", "change.json"]).ends(0);
    site.run(&["operators", "apply", "change.json"]).ends(2);
    let listed = site.run(&["operators", "list", "--json"]).ends(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert!(site.run(&["operators", "list"]).ends(0).text().contains("it takes 2 of them"));
    site.run(&["operators", "key", "alice", "-o", "alice.key"]).ends(2);
}

#[test]
fn a_plan_names_what_is_due_and_gathers_approvals() {
    let site = site();
    let none = site.run(&["retention", "plan"]).ends(2);
    assert!(none.err.contains("retention set"), "{}", none.err);
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    assert!(site.run(&["retention", "plan", "--dry-run"]).ends(0).text().contains("deletes    0 events"));
    site.run(&["retention", "plan", "--as-of", "2200-01-01"]).ends(2);
    let again = ["retention", "plan", "--as-of", "2026-01-01", "--json"];
    assert_eq!(site.run(&again).ends(0).out, site.run(&again).ends(0).out);
    site.run(&["retention", "plan", "-o", "plan.json"]).ends(0);
    site.run(&["retention", "approve", "plan.json", "--key", "alice.key"]).ends(0);
    site.run(&["operators", "add", "alice.vkey", "bob.vkey"]).ends(0);
    let seq = site.run(&["query", "kind = asked", "--integrity", "--format", "jsonl"]).ends(0).json();
    let seq = seq["integrity"]["seq"].to_string();
    site.run(&["redact", &seq, "--reason", "asked to", "-o", "redact.json"]).ends(0);
    assert!(site.run(&["retention", "check", "redact.json"]).ends(12).err.contains("2 of the 2"));
    let unneeded = site.run(&["retention", "check", "plan.json"]).ends(0).text();
    assert!(unneeded.contains("good       whole"), "what deletes nothing takes no approval: {unneeded}");
    let text = std::fs::read_to_string(site.path("plan.json")).unwrap();
    site.run(&["retention", "approve", "plan.json", "--key", "bob.key"]).ends(0);
    assert!(site.run(&["retention", "check", "plan.json"]).ends(0).text().contains("good       whole"));
    let other = site_of("acme.example/other");
    std::fs::copy(site.path("plan.json"), other.path("plan.json")).unwrap();
    let foreign = other.run(&["retention", "check", "plan.json"]).ends(2);
    assert!(foreign.err.contains("it is of the log acme.example/test"), "{}", foreign.err);
    site.write("plan.json", text.replace("\"reason\":\"\"", "\"reason\":\"x\""));
    site.run(&["retention", "approve", "plan.json", "--key", "bob.key"]).ends(11);
    site.write("plan.json", "{}");
    site.run(&["retention", "approve", "plan.json", "--key", "bob.key"]).ends(2);
}

#[test]
fn compact_moves_sealed_segments_and_all_is_answered_as_before() {
    let site = Site::with_events(400);
    let ask = |site: &Site| {
        let log = site.run(&["log"]).ends(0).text();
        let found = site.run(&["query", "n = 17"]).ends(0).text();
        (log, found, site.run(&["show", "5", "--integrity"]).ends(0).text())
    };
    let nothing = site.run(&["retention", "compact", "--json"]).ends(0).json();
    assert_eq!(nothing["moved"], serde_json::json!([]), "nothing is sealed");
    site.run(&["seal"]).ends(0);
    let before = ask(&site);
    site.run(&["retention", "compact", "--older-than", "1h"]).ends(0);
    assert_eq!(site.run(&["stats", "--json"]).ends(0).json()["len"]["warm"], 0, "it was sealed just now");
    let moved = site.run(&["retention", "compact", "--json"]).ends(0).json();
    assert_eq!(moved["moved"][0]["segment"], 0);
    assert!(moved["pack_len"].as_u64().unwrap() * 3 < moved["log_len"].as_u64().unwrap(), "{moved}");
    assert_eq!(site.run(&["stats", "--json"]).ends(0).json()["len"]["warm"], moved["pack_len"]);
    assert!(site.run(&["stats"]).ends(0).text().contains("warm tier"));
    let (log, found, shown) = ask(&site);
    assert!(log.starts_with(before.0.trim_end()), "the events are the same");
    assert_eq!((found, shown), (before.1, before.2));
    site.run(&["verify"]).ends(0);
    let again = site.run(&["retention", "compact"]).ends(0);
    assert!(again.err.contains("nothing to move"), "{}", again.err);
    site.run(&["retention", "compact", "--segment", "7"]).ends(2);

    let pack = site.path("evidence/packs/00000000000000000000.pack");
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[3000] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let damaged = site.run(&["log"]).ends(10);
    assert!(damaged.err.contains(".pack"), "{}", damaged.err);
    site.run(&["verify"]).ends(10);
}

#[test]
fn what_a_policy_wants_hot_is_not_moved() {
    let site = Site::with_events(40);
    site.write(
        "retention.toml",
        "default = \"1y\"\n\n[[rule]]\nname = \"all\"\nmatch = \"n > 0\"\nkeep = \"1y\"\nhot = \"92d\"\n",
    );
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    site.run(&["seal"]).ends(0);
    site.run(&["retention", "compact"]).ends(0);
    assert!(!site.path("evidence/packs").exists());
    let refused = site.run(&["retention", "compact", "--segment", "0"]).ends(2);
    assert!(refused.err.contains("hot tier until"), "{}", refused.err);
}

#[test]
fn an_archive_is_written_once_and_verified_without_the_store() {
    let site = Site::with_events(60);
    site.run(&["seal"]).ends(0);
    let copied = site.run(&["archive", "copy", "archive", "--json"]).ends(0).json();
    let file = copied["files"][0]["file"].as_str().unwrap().to_owned();
    assert!(file.starts_with("day=") && file.ends_with(".parquet"), "{file}");
    let again = site.run(&["archive", "copy", "archive", "--json"]).ends(0).json();
    assert_eq!(again["files"][0]["was_there"], true);
    let young = site.run(&["archive", "copy", "other", "--older-than", "1h", "--json"]).ends(0).json();
    assert_eq!(young["files"], serde_json::json!([]));
    let pruned = site.run(&["archive", "prune", "archive"]).ends(0);
    assert!(!pruned.err.contains("warning") && pruned.err.contains("deleted since"), "{}", pruned.err);
    // Another folder, and one that others use: neither is an archive in which all is well.
    std::fs::create_dir_all(site.path("empty/day=2026-01-01")).unwrap();
    site.write("empty/notes.txt", "mine");
    let pruned = site.run(&["archive", "prune", "empty"]).ends(0);
    assert!(pruned.err.contains("warning: no archived file") && !pruned.err.contains("deleted since"));
    std::fs::remove_dir_all(site.path("evidence")).unwrap();
    let verified = site.run(&["archive", "verify", "empty"]).ends(14);
    assert!(verified.err.contains("no archived file, of this store or another, was found in"));
    assert_eq!(site.run(&["archive", "verify", "empty", "--json"]).ends(14).json()["files"], young["files"]);
    assert!(site.run(&["archive", "verify", "archive"]).ends(0).text().starts_with("whole"));
    let path = site.path("archive").join(&file);
    std::fs::write(&path, &std::fs::read(&path).unwrap()[..500]).unwrap();
    assert!(site.run(&["archive", "verify", "archive"]).ends(10).text().starts_with("wrong"));
    site.run(&["archive", "verify", "nowhere"]).ends(3);
}

#[test]
fn what_operators_approve_is_deleted_and_never_denied() {
    let site = site();
    site.run(&["operators", "add", "alice.vkey"]).ends(0);
    site.run(&["operators", "add", "bob.vkey", "--key", "alice.key"]).ends(0);
    let asked = site.run(&["query", "kind = asked", "--integrity", "--format", "jsonl"]).ends(0).json();
    let seq = asked["integrity"]["seq"].as_u64().unwrap().to_string();
    let reason = ["--reason", "Art. 17, request 88"];
    site.run(&["redact", &seq]).ends(2);
    site.run(&[&["redact", "999"][..], &reason].concat()).ends(2);
    site.run(&[&["redact", &seq, "--key", "alice.key"][..], &reason].concat()).ends(12);
    site.run(&[&["redact", &seq, "-o", "redact.json"][..], &reason].concat()).ends(0);
    site.run(&["retention", "apply", "redact.json"]).ends(12);
    for key in ["alice.key", "bob.key"] {
        site.run(&["retention", "approve", "redact.json", "--key", key]).ends(0);
    }
    site.run(&["retention", "check", "redact.json"]).ends(0);
    let applied = site.run(&["retention", "apply", "redact.json", "--json"]).ends(0).json();
    assert_eq!((&applied["deleted"]["events"], &applied["left"]), (&1.into(), &0.into()));
    assert!(applied["not_reached"].as_array().unwrap().len() > 3);
    site.run(&["retention", "apply", "redact.json"]).ends(2);
    let again = site.run(&[&["redact", &seq, "--key", "alice.key"][..], &reason].concat()).ends(2);
    assert!(again.err.contains(&format!("the event of record {seq} was deleted already")), "{}", again.err);
    let range = site.run(&["show", "0.."]).ends(0).err;
    assert!(range.contains("1 event of these was deleted by the plan of record"), "{range}");

    let plan = applied["plan"].as_u64().unwrap();
    let shown = site.run(&["show", &seq]).ends(2);
    assert!(shown.err.contains(&format!("deleted by the plan that record {plan} has")), "{}", shown.err);
    let tied = site.run(&["show", &seq, "--integrity"]).ends(0).json();
    assert_eq!((&tied["event"], &tied["integrity"]["deleted_by"]), (&serde_json::Value::Null, &plan.into()));
    assert!(!site.run(&["log"]).ends(0).text().contains("asked"));
    let answer = site.run(&["query", "kind = asked"]).ends(0);
    assert_eq!(answer.text(), "");
    assert!(answer.err.contains(&format!("deleted by the plan of record {plan}")), "{}", answer.err);
    let counts = site.run(&["query", "exists(kind) | count by kind"]).ends(0).text();
    assert!(!counts.contains("asked") && counts.contains("gone"), "{counts}");
    let history = site.run(&["retention", "history", "--json"]).ends(0).json();
    assert_eq!((&history["plan"], &history["done"]), (&plan.into(), &true.into()));
    assert_eq!(history["reason"], "Art. 17, request 88");
    assert_eq!(history["approved_by"].as_array().unwrap().len(), 2);
    assert!(site.run(&["retention", "history"]).ends(0).text().contains("alice, bob"));
    let late =
        site.run(&["hold", "place", "late", "--where", "kind = asked", "--reason", "r", "--by", "b"]).ends(0);
    assert!(late.err.contains("1 event was gone before") && late.err.contains("whether it would have"));
    site.run(&["verify"]).ends(0);
    site.run(&["verify", "--quick"]).ends(0);
    site.run(&["checkpoint"]).ends(0);
    let unproven = site.run(&["prove", &seq]).ends(2);
    assert!(unproven.err.contains("its salt went with it"), "{}", unproven.err);
    let made = site.run(&["export", "exists(kind)", "-o", "rest.zip", "--json"]).ends(0).json();
    let deleted = &made["verdict"]["deleted"][0];
    assert_eq!((&deleted["plan"], &deleted["records"]), (&plan.into(), &1.into()));
    assert_eq!(deleted["reason"], "Art. 17, request 88");
    assert_eq!(deleted["approved_by"].as_array().unwrap().len(), 2);
    let key = made["verdict"]["key"].as_str().unwrap();
    let told = site.run(&["verify-bundle", "rest.zip", "--key", key]).ends(0).text();
    assert!(
        told.contains(&format!("1 record in range, by the plan of record {plan} (Art. 17, request 88)")),
        "{told}"
    );
}
