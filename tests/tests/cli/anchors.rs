//! Anchors: copies of checkpoints outside the store, and a store that is not what they say.

use super::{Site, events};

fn copy_of(site: &Site, from: &str, to: &str) {
    let copied = std::process::Command::new("cp").arg("-r").arg(site.path(from)).arg(site.path(to)).status();
    assert!(copied.unwrap().success());
}

fn held(site: &Site, folder: &str) -> Vec<String> {
    let names = std::fs::read_dir(site.path(folder)).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn each_checkpoint_goes_to_every_anchor() {
    let site = Site::with_events(5);
    site.run(&["anchor", "add", "nas", "nas/checkpoints"]).ends(0);
    site.run(&["anchor", "add", "mail", "--command", "cat >> mails"]).ends(0);
    let first = site.run(&["checkpoint"]).ends(0).text();
    site.feed(&["append"], b"{\"n\":1}\n").ends(0);
    // Signed again, it is there already.
    site.run(&["checkpoint"]).ends(0);
    let names = held(&site, "nas/checkpoints");
    let size = |size: u64| format!("acme.example_test.{size:020}.checkpoint");
    assert_eq!(names, [size(7), size(8)], "those of `checkpoint` and of `append`");
    assert_eq!(std::fs::read_to_string(site.path("nas/checkpoints").join(&names[0])).unwrap(), first);
    let mails = std::fs::read_to_string(site.path("mails")).unwrap();
    assert!(mails.starts_with(&first) && mails.matches("acme.example/test\n").count() == 3, "{mails}");

    let listed = site.run(&["anchor", "list", "--json"]).ends(0).json();
    assert_eq!(listed[0]["command"], "cat >> mails");
    assert_eq!(listed[1]["name"], "nas");
    let verified = site.run(&["verify", "--json"]).ends(0).json();
    assert_eq!(verified["anchors"][1]["checkpoints"], 2);
    assert_eq!(verified["anchors"][1]["tree_size"], 8);
    assert!(verified["anchors"][0]["checkpoints"].is_null());
    let not_covered = verified["not_covered"].to_string();
    assert!(!not_covered.contains("an older copy"), "{not_covered}");
    site.run(&["anchor", "remove", "mail"]).ends(0);
    site.run(&["anchor", "remove", "nas"]).ends(0);
    let alone = site.run(&["verify"]).ends(0).text();
    assert!(alone.contains("no anchor has one"), "{alone}");
}

#[test]
fn what_is_signed_over_a_change_of_keys_goes_to_anchors_too() {
    let site = Site::with_events(2);
    site.run(&["anchor", "add", "nas", "nas"]).ends(0);
    for (count, change) in [(1, &["key", "rotate"][..]), (2, &["key", "rotate", "--finish"])] {
        site.run(change).ends(0);
        assert_eq!(held(&site, "nas").len(), count, "{change:?}");
    }
    site.run(&["verify"]).ends(0);
}

#[test]
fn a_store_that_is_behind_an_anchor_is_rolled_back() {
    let site = Site::with_events(5);
    site.run(&["anchor", "add", "nas", "nas"]).ends(0);
    site.run(&["checkpoint"]).ends(0);
    copy_of(&site, "evidence", "older");
    site.feed(&["append"], events(3).as_bytes()).ends(0);
    site.feed(&["append"], b"{\"n\":1}\n").ends(0);
    site.run(&["verify"]).ends(0);
    // The older copy has its checkpoint with it, and is consistent in itself.
    std::fs::rename(site.path("evidence"), site.path("newer")).unwrap();
    std::fs::rename(site.path("older"), site.path("evidence")).unwrap();
    let told = site.run(&["verify"]).ends(13).text();
    assert!(told.contains("anchored checkpoint size") && told.contains("nas/acme.example_test."), "{told}");
    let refused = site.feed(&["append"], b"{\"n\":2}\n").ends(13).err;
    assert!(
        refused.contains("anchor nas") && refused.contains("this log had 11 records, and has 7"),
        "{refused}"
    );
    // What is there can be read, and without the anchor nothing tells.
    site.run(&["log"]).ends(0);
    site.run(&["anchor", "remove", "nas"]).ends(0);
    site.run(&["verify"]).ends(0);
}

#[test]
fn a_store_with_another_history_is_forged() {
    let site = Site::with_events(5);
    site.run(&["anchor", "add", "nas", "nas"]).ends(0);
    site.run(&["checkpoint"]).ends(0);
    std::fs::rename(site.path("evidence"), site.path("first")).unwrap();
    site.run(&["init", "--origin", "acme.example/test", "--no-key"]).ends(0);
    // Made while the anchor could not be seen.
    std::fs::rename(site.path("nas"), site.path("away")).unwrap();
    let alone = site.feed(&["append", "--no-checkpoint"], events(9).as_bytes()).ends(0).err;
    assert!(alone.contains("not compared with anchor nas"), "{alone}");
    let unread = site.run(&["verify"]).ends(14);
    assert!(unread.err.contains("anchor nas was not compared with all of"), "{}", unread.err);
    std::fs::rename(site.path("away"), site.path("nas")).unwrap();
    let told = site.run(&["verify"]).ends(11).text();
    assert!(told.contains("anchored checkpoint root"), "{told}");
    site.feed(&["append"], b"{\"n\":2}\n").ends(11);
}

#[test]
fn a_failing_anchor_is_told_and_costs_no_checkpoint() {
    let site = Site::with_events(5);
    site.run(&["anchor", "add", "mail", "--command", "exit 7"]).ends(0);
    site.run(&["anchor", "add", "gone", "gone"]).ends(0);
    std::fs::remove_dir(site.path("gone")).unwrap();
    let signed = site.run(&["checkpoint"]).ends(3);
    assert!(signed.err.contains("anchor mail did not get it") && signed.err.contains("exit status: 7"));
    assert!(signed.err.contains("anchor gone did not get it"), "{}", signed.err);
    assert_eq!(signed.text(), std::fs::read_to_string(site.path("evidence/checkpoint")).unwrap());
    assert!(!site.path("gone").exists(), "a disk that is not mounted is not written below");
    site.feed(&["append"], b"{\"n\":2}\n").ends(0);

    for bad in [
        &["anchor", "add", "gone", "elsewhere"][..],
        &["anchor", "add", "two words", "elsewhere"],
        &["anchor", "add", "inside", "evidence/anchors"],
        &["anchor", "add", "nothing"],
        &["anchor", "remove", "nobody"],
    ] {
        site.run(bad).ends(2);
    }
    site.write("config/anchors.toml", "[anchor.typo]\nfolder = 'x'\n");
    assert!(site.run(&["checkpoint"]).ends(0).err.contains("anchors are left out"));
}
