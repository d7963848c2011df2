//! Proofs that travel without the store.

use super::{Site, events};

/// A store with a checkpoint over `count` events, and its verifier key.
fn signed(count: u64) -> (Site, String) {
    let site = Site::new();
    let key = site.run(&["init", "--origin", "acme.example/test"]).ends(0).text().trim().to_owned();
    site.feed(&["append"], events(count).as_bytes()).ends(0);
    let note = site.run(&["checkpoint"]).ends(0);
    site.write("first.checkpoint", note.out);
    (site, key)
}

#[test]
fn an_event_is_proven_to_who_has_three_files_and_the_key() {
    let (site, key) = signed(20);
    let made = site.run(&["prove", "ev_7", "--json"]).ends(0).json();
    let seq = made["seq"].as_u64().unwrap();
    assert_eq!(made["proof"], format!("record-{seq}.tlog-proof"));
    let proof = format!("record-{seq}.tlog-proof");
    let body = std::fs::read_to_string(site.path(&format!("record-{seq}.json"))).unwrap();
    assert_eq!(body.trim_end(), site.run(&["show", "ev_7"]).ends(0).text().trim_end());
    std::fs::remove_dir_all(site.path("evidence")).unwrap();
    let told = site.run(&["verify-proof", &proof, "--key", &key]).ends(0).text();
    assert!(told.contains(&format!("is record {seq} of acme.example/test")), "{told}");
    let json = site.run(&["verify-proof", &proof, "--key", &key, "--json"]).ends(0).json();
    assert_eq!((&json["proven"], &json["seq"]), (&"event".into(), &seq.into()));

    site.write("other.json", body.replace("ev_7", "ev_8"));
    let refused = site.run(&["verify-proof", &proof, "--key", &key, "--body", "other.json"]).ends(11);
    assert!(refused.err.contains("forged: body"), "{}", refused.err);
    site.write("other.json", body + " ");
    site.run(&["verify-proof", &proof, "--key", &key, "--body", "other.json"]).ends(11);
    site.write("other.salt", format!("{}\n", "00".repeat(32)));
    site.run(&["verify-proof", &proof, "--key", &key, "--salt", "other.salt"]).ends(11);
    let foreign = site.run(&["init", "x", "--origin", "acme.example/other"]).ends(0).text();
    site.run(&["verify-proof", &proof, "--key", foreign.trim()]).ends(12);
    site.run(&["verify-proof", "missing", "--key", &key]).ends(3);
    site.write("bad", "c2sp.org/tlog-proof@v9\n");
    let bad = site.run(&["verify-proof", "bad", "--key", &key]).ends(10);
    assert!(bad.err.contains("bad") && bad.err.contains("its first line"), "{}", bad.err);
    site.write("other.salt", "no salt");
    site.run(&["verify-proof", &proof, "--key", &key, "--salt", "other.salt"]).ends(10);
    // A key that is none is wrong usage all the same.
    site.run(&["verify-proof", &proof, "--key", "a+b+c"]).ends(2);
}

#[test]
fn a_proof_is_never_written_over_another_file() {
    let (site, _) = signed(5);
    site.run(&["prove", "3", "-o", "p"]).ends(0);
    site.run(&["prove", "3", "-o", "p"]).ends(0);
    let before = std::fs::read(site.path("p.tlog-proof")).unwrap();
    let refused = site.run(&["prove", "4", "-o", "p"]).ends(2);
    assert!(refused.err.contains("p.tlog-proof is there already"), "{}", refused.err);
    assert_eq!(std::fs::read(site.path("p.tlog-proof")).unwrap(), before);
}

#[test]
fn growth_is_proven_from_one_checkpoint_to_a_later_one() {
    let (site, key) = signed(10);
    site.feed(&["append"], events(300).as_bytes()).ends(0);
    site.run(&["seal"]).ends(0);
    site.write("second.checkpoint", site.run(&["checkpoint"]).ends(0).out);
    let proof = site.run(&["prove", "--consistency", "first.checkpoint"]).ends(0);
    let both = site.run(&["prove", "--consistency", "first.checkpoint", "second.checkpoint"]).ends(0);
    assert_eq!(proof.out, both.out);
    site.write("grown.proof", &proof.out);
    let check = ["verify-proof", "grown.proof", "--key", &key, "--expect", "first.checkpoint"];
    let told = site.run(&check).ends(0).text();
    assert!(told.contains("continues itself with"), "{told}");
    site.run(&["verify-proof", "grown.proof", "--key", &key]).ends(2);
    site.run(&["verify-proof", "grown.proof", "--key", &key, "--expect", "second.checkpoint"]).ends(11);
    site.write("torn.proof", &proof.out[..proof.out.len() / 2]);
    site.run(&["verify-proof", "torn.proof", "--key", &key, "--expect", "first.checkpoint"]).ends(10);
}

#[test]
fn growth_is_not_proven_from_a_checkpoint_of_another_log() {
    let (site, key) = signed(10);
    site.run(&["init", "other", "--origin", "acme.example/other"]).ends(0);
    site.write("other.checkpoint", site.run(&["checkpoint", "-C", "other"]).ends(0).out);
    let refused = site.run(&["prove", "--consistency", "other.checkpoint"]).ends(11);
    assert!(refused.out.is_empty() && refused.err.contains("it is of acme.example/other"), "{}", refused.err);
    // From one that is ahead of the log, there is none either.
    site.run(&["backup", "old"]).ends(0);
    site.feed(&["append"], events(3).as_bytes()).ends(0);
    site.write("late.checkpoint", site.run(&["checkpoint"]).ends(0).out);
    site.run(&["prove", "-C", "old", "--consistency", "late.checkpoint"]).ends(13);
    // What is no checkpoint cannot be taken, wherever one is expected.
    site.write("grown.proof", site.run(&["prove", "--consistency", "first.checkpoint"]).ends(0).out);
    site.write("note", "nonsense");
    let expecting = ["verify-proof", "grown.proof", "--key", &key, "--expect", "note"];
    for args in [&["prove", "--consistency", "note"][..], &["verify", "--expect", "note"], &expecting] {
        let refused = site.run(args).ends(2);
        assert!(refused.err.contains("note: invalid signed note"), "{args:?}: {}", refused.err);
    }
}

#[test]
fn what_no_checkpoint_covers_is_not_proven() {
    let site = Site::with_events(3);
    let none = site.run(&["prove", "1"]).ends(2);
    assert!(none.err.contains("no checkpoint yet"), "{}", none.err);
    site.run(&["checkpoint"]).ends(0);
    site.feed(&["append", "--no-checkpoint"], b"{\"event_id\":\"late\"}\n").ends(0);
    let late = site.run(&["prove", "late"]).ends(2);
    assert!(late.err.contains("sign a newer one"), "{}", late.err);
    site.run(&["prove", "nothing"]).ends(2);
}
