//! A log published as plain files, and whoever follows it.

use super::{Site, events};

fn signed(count: u64) -> (Site, String) {
    let site = Site::new();
    let key = site.run(&["init", "--origin", "acme.example/test"]).ends(0).text().trim().to_owned();
    more(&site, count);
    (site, key)
}

/// Appends, seals and signs.
fn more(site: &Site, count: u64) {
    site.feed(&["append"], events(count).as_bytes()).ends(0);
    site.run(&["seal"]).ends(0);
    site.run(&["checkpoint"]).ends(0);
}

#[test]
fn what_is_published_grows_and_who_follows_it_has_proof() {
    let (site, key) = signed(300);
    let watch = ["monitor", "www", "--key", &key, "--state", "seen", "--json"];
    let first = site.run(&["publish", "www", "--json"]).ends(0).json();
    assert_eq!(first["before"], 0);
    assert_eq!(std::fs::metadata(site.path("www/tile/0/000")).unwrap().len(), 256 * 32);
    let size = first["tree_size"].as_u64().unwrap();
    assert!(site.path(&format!("www/tile/0/001.p/{}", size - 256)).is_file());
    assert!(site.path("www/tile/1/000.p/1").is_file() && !site.path("www/tile/entries").exists());
    assert!(site.run(&watch).ends(0).json()["before"].is_null());
    assert_eq!(site.run(&watch).ends(0).json()["before"], size);

    for _ in 0..3 {
        more(&site, 400);
        site.run(&["publish", "www", "--entries"]).ends(0);
        site.run(&watch).ends(0);
    }
    let again = site.run(&["publish", "www", "--entries", "--json"]).ends(0).json();
    assert_eq!((&again["before"], &again["files"]), (&again["tree_size"], &1.into()));
    let bundle = std::fs::read(site.path("www/tile/entries/000")).unwrap();
    let lens = std::iter::successors(Some(0), |at| {
        let len = bundle.get(*at..*at + 2)?;
        Some(at + 2 + usize::from(u16::from_be_bytes([len[0], len[1]])))
    });
    assert_eq!(lens.take_while(|at| *at < bundle.len()).count(), 256);
}

#[test]
fn who_follows_a_log_notices_what_was_changed_or_taken_back() {
    let (site, key) = signed(300);
    site.run(&["publish", "www"]).ends(0);
    let watch = ["monitor", "www", "--key", &key, "--state", "seen"];
    site.run(&watch).ends(0);
    let early = std::fs::read(site.path("www/checkpoint")).unwrap();
    more(&site, 300);
    site.run(&["publish", "www"]).ends(0);
    let tile = site.path("www/tile/0/000");
    let whole = std::fs::read(&tile).unwrap();
    // The first tile is behind the root of the second level's tile: a change shows where it is read.
    let changed: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
    let upper = site.path("www/tile/1/000.p/2");
    let upper_whole = std::fs::read(&upper).unwrap();
    std::fs::write(&upper, [&changed[..32], &upper_whole[32..]].concat()).unwrap();
    let refused = site.run(&watch).ends(11);
    assert!(refused.err.contains("forged: consistency proof"), "{}", refused.err);
    std::fs::write(&upper, &upper_whole[..40]).unwrap();
    site.run(&watch).ends(11);
    std::fs::write(&upper, &upper_whole).unwrap();
    site.run(&watch).ends(0);
    std::fs::write(site.path("www/checkpoint"), early).unwrap();
    site.run(&watch).ends(13);
    std::fs::remove_file(site.path("www/checkpoint")).unwrap();
    site.run(&watch).ends(3);
}

#[test]
fn nothing_is_published_or_copied_into_the_store_or_around_it() {
    let (site, _) = signed(5);
    std::os::unix::fs::symlink("evidence", site.path("link")).unwrap();
    let before = site.run(&["verify", "--json", "--no-record"]).ends(0).json();
    let inside = ["evidence", "evidence/www", "evidence/log/a/b", "./link", "link/www", "x/../evidence/www"];
    for dir in inside {
        for command in ["publish", "backup"] {
            let refused = site.run(&[command, dir]).ends(2).err;
            assert!(refused.contains("lies in the store"), "{command} {dir}: {refused}");
        }
    }
    for dir in [".", "evidence/.."] {
        let refused = site.run(&["publish", dir]).ends(2).err;
        assert!(refused.contains("the store evidence lies in"), "{dir}: {refused}");
    }
    assert!(!site.path("tile").exists() && !site.path("evidence/tile").exists());
    assert!(!site.path("evidence/www").exists() && !site.path("evidence/log/a").exists());
    let after = site.run(&["verify", "--json", "--no-record"]).ends(0).json();
    assert_eq!(after["segments"], before["segments"]);
    // A name that only begins as the store's does is another place.
    site.run(&["publish", "evidence-www"]).ends(0);
    site.run(&["backup", "evidence-2"]).ends(0);
}

#[test]
fn another_history_is_not_published_over_one_that_was() {
    let (site, _) = signed(20);
    site.run(&["publish", "www"]).ends(0);
    let before = std::fs::read(site.path("www/checkpoint")).unwrap();
    site.run(&["init", "other", "--origin", "acme.example/other"]).ends(0);
    site.feed(&["-C", "other", "append"], events(30).as_bytes()).ends(0);
    site.run(&["-C", "other", "checkpoint"]).ends(0);
    site.run(&["-C", "other", "publish", "www"]).ends(13);
    assert_eq!(std::fs::read(site.path("www/checkpoint")).unwrap(), before);
    site.run(&["init", "fresh", "--origin", "acme.example/fresh", "--no-key"]).ends(0);
    let none = site.run(&["-C", "fresh", "publish", "www2"]).ends(2);
    assert!(none.err.contains("no checkpoint yet"), "{}", none.err);
}
