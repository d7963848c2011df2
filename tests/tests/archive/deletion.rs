//! What is deleted goes from archives too, or it is said where it is still.

use serde_json::{Value, json};

use super::buckets::{Server, site as site_for_bucket};
use crate::cli::{Run, Site};

/// Makes two operators.
fn operators(site: &Site) {
    for name in ["alice", "bob"] {
        let vkey = site.run(&["operators", "key", name, "-o", &format!("{name}.key")]).ends(0).out;
        std::fs::write(site.path(&format!("{name}.vkey")), vkey).unwrap();
    }
    site.run(&["operators", "add", "alice.vkey", "bob.vkey"]).ends(0);
}

fn redact(site: &Site, seq: &str) -> Run {
    site.run(&["redact", seq, "--reason", "request 88", "--key", "alice.key", "--key", "bob.key"])
}

/// All that is kept of what was fetched.
fn kept_in_cache(site: &Site) -> String {
    let files = indelible_tests::golden::files_below(&site.path(".cache")).unwrap();
    files.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

#[test]
fn what_is_deleted_of_an_archived_segment_goes_from_the_archive() {
    let site = Site::with_store();
    for segment in 0..2 {
        let event =
            |n| format!("{{\"event_id\":\"ev_{segment}_{n}\",\"run_id\":\"run_{}\",\"n\":{n}}}\n", n % 7);
        let events: String = (0..200).map(event).collect();
        site.feed(&["append", "--no-checkpoint"], events.as_bytes()).ends(0);
        site.run(&["seal"]).ends(0);
    }
    operators(&site);
    site.run(&["checkpoint"]).ends(0);
    site.run(&["archive", "copy", "archive", "--drop"]).ends(0);
    let gone = site.run(&["show", "17"]).ends(0).text();
    assert!(gone.contains("ev_0_"), "{gone}");

    let refused = redact(&site, "17");
    assert_ne!(refused.code, Some(0));
    for part in ["archive restore --segments 0..", "--drop", "archive prune "] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    site.run(&["archive", "restore", "--segments", "0..10"]).ends(0);
    assert!(kept_in_cache(&site).contains(gone.trim_end()), "it was fetched, and kept");
    let told = redact(&site, "17").ends(0).text();
    assert!(told.contains("archive prune "), "{told}");
    assert!(!kept_in_cache(&site).contains(gone.trim_end()), "what is kept of archives goes too");
    let copied = site.run(&["archive", "copy", "archive", "--drop", "--json"]).ends(0).json();
    assert_eq!(copied["dropped"], json!([0]), "{copied}");
    assert_eq!(copied["files"][0]["file"].as_str().unwrap().matches('-').count(), 4, "{copied}");
    assert!(!site.path("evidence/log/00000000000000000000.log").exists());

    let verified = site.run(&["archive", "verify", "archive", "--json"]).ends(0).json();
    let count = |told: &Value, what: &str| told[what].as_array().unwrap().len();
    assert_eq!((count(&verified, "files"), count(&verified, "outdated")), (2, 1), "{verified}");
    let rehearsed = site.run(&["archive", "prune", "archive", "--dry-run"]).ends(0).text();
    assert!(rehearsed.contains("would remove  day="), "{rehearsed}");
    let pruned = site.run(&["archive", "prune", "archive", "--json"]).ends(0).json();
    assert_eq!((count(&pruned, "removed"), count(&pruned, "left")), (1, 0), "{pruned}");
    assert_eq!(count(&site.run(&["archive", "prune", "archive", "--json"]).ends(0).json(), "removed"), 0);
    let verified = site.run(&["archive", "verify", "archive", "--json"]).ends(0).json();
    assert_eq!((count(&verified, "files"), count(&verified, "outdated")), (2, 0), "{verified}");

    // It is asked, proved and verified as ever, from the archive.
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    let stayed = site.run(&["query", "run = run_*", "--format", "jsonl"]).ends(0).text();
    assert_eq!(stayed.lines().count(), 399);
    let shown = site.run(&["show", "17"]);
    assert!(format!("{}{}", shown.text(), shown.err).contains("deleted"), "{}", shown.err);
    site.run(&["prove", "18"]).ends(0);
    site.run(&["retention", "drill", "--count", "50"]).ends(0);
    // Where the archive is not asked, its segments were not looked at; nothing of them is damaged.
    for depth in [None, Some("--quick"), Some("--checksums")] {
        let args: Vec<&str> = ["verify", "--no-record"].into_iter().chain(depth).collect();
        site.run(&args).ends(14);
    }
    site.run(&["verify", "--archive"]).ends(0);
    site.run(&["archive", "restore"]).ends(0);
    let log = std::fs::read(site.path("evidence/log/00000000000000000000.log")).unwrap();
    let body = gone.split("ev_0_").nth(1).unwrap().split('"').next().unwrap();
    let has = |id: &str| log.windows(id.len()).any(|bytes| bytes == id.as_bytes());
    assert!(!has(&format!("\"ev_0_{body}\"")) && has("\"ev_0_100\""), "ev_0_{body}");
    site.run(&["verify"]).ends(0);
}

#[test]
fn what_a_bucket_keeps_of_it_is_named() {
    let Some(server) = Server::start() else { return };
    let site = site_for_bucket();
    operators(&site);
    server.boto(&["plain"]);
    let places = ["s3://evidence/a", "s3://plain/a"];
    for place in places {
        server.run(&site, &["archive", "copy", place]).ends(0);
    }
    redact(&site, "17").ends(0);
    let [versioned, plain] = places.map(|place| server.run(&site, &["archive", "prune", place]));
    let named = versioned.ends(14).text();
    assert!(named.contains("aws s3api delete-object --bucket evidence --key a/day="), "{named}");
    assert!(named.contains("--version-id "), "{named}");
    assert!(plain.ends(0).text().starts_with("removed  day="));
}
