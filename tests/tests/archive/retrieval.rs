//! Segments that went to an archive: asked, proved, verified and brought back as though they were here.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::buckets::{ARCHIVE, Server, site as site_for_bucket};
use crate::cli::{Run, Site};

/// A store whose three sealed segments went to the folder `archive`.
fn site() -> Site {
    let site = Site::with_store();
    for segment in 0..3 {
        let events = (0..200).map(|n| {
            let id = segment * 200 + n;
            format!("{{\"event_id\":\"ev_{id}\",\"run_id\":\"run_{}\",\"n\":{id}}}\n", n % 7)
        });
        site.feed(&["append", "--no-checkpoint"], events.collect::<String>().as_bytes()).ends(0);
        site.run(&["seal"]).ends(0);
    }
    site.run(&["checkpoint"]).ends(0);
    site
}

fn archive(site: &Site) -> Value {
    site.run(&["archive", "copy", "archive", "--drop", "--json"]).ends(0).json()
}

fn logs(site: &Site) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(site.path("evidence/log")).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    logs.sort();
    logs
}

/// What a user may ask of it.
fn asked(site: &Site) -> Vec<(Vec<u8>, Option<i32>)> {
    let questions: [&[&str]; 6] = [
        &["query", "run = run_3", "--format", "jsonl"],
        &["query", "n > 100 | count by run"],
        &["timeline", "run", "run_5"],
        &["log"],
        &["show", "17", "--integrity"],
        &["prove", "250"],
    ];
    let told = |Run { out, code, .. }: Run| (out, code);
    questions.iter().map(|question| told(site.run(question))).collect()
}

#[test]
fn what_went_to_an_archive_is_asked_proved_and_verified_as_before_and_comes_back() {
    let site = site();
    let (before, logs_before) = (asked(&site), logs(&site));
    let bytes: Vec<Vec<u8>> = logs_before.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let gone = archive(&site);
    assert_eq!(gone["dropped"].as_array().unwrap().len(), 3, "{gone}");
    assert_eq!(logs(&site).len(), 1, "only the active segment is here");
    assert_eq!(archive(&site), json!({ "files": [], "dropped": [] }));
    assert_eq!(asked(&site), before);
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    let exported = site.run(&["export", "run = run_3", "-o", "answer.zip", "--json"]).ends(0);
    assert!(exported.err.contains("fetching segment"), "{}", exported.err);
    assert_eq!(exported.json()["verdict"]["rows"], 87);
    // And without what was brought back for that.
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    let one = site.run(&["show", "17"]).ends(0);
    assert_eq!(one.err.matches("fetching segment").count(), 1, "{}", one.err);
    assert_eq!(site.run(&["show", "17"]).ends(0).err, "", "it is still there");

    let unread = site.run(&["verify"]).ends(14).text();
    assert!(unread.contains("3 segments in the archive"), "{unread}");
    assert!(!unread.contains("forged") && !unread.contains("damaged"), "{unread}");
    let verified = site.run(&["verify", "--archive", "--json"]).ends(0).json();
    assert_eq!(verified["findings"], json!([]), "{verified}");
    site.run(&["verify", "--archive", "archive"]).ends(0);
    let stats = site.run(&["stats", "--json"]).ends(0).json();
    assert!(stats["len"]["archive_unpacked"].as_u64().unwrap() > 20_000, "{stats}");

    // An altered cache is no other answer.
    for entry in std::fs::read_dir(site.path(".cache/indelible")).unwrap() {
        for log in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            let path = log.unwrap().path();
            let mut log = std::fs::read(&path).unwrap();
            let middle = log.len() / 2;
            log[middle] ^= 1;
            std::fs::write(&path, log).unwrap();
        }
    }
    assert_eq!(asked(&site), before);

    let restored = site.run(&["archive", "restore", "--segments", "0..10", "--json"]).ends(0).json();
    assert_eq!(restored["restored"].as_array().unwrap().len(), 1, "{restored}");
    site.run(&["archive", "restore"]).ends(0);
    let back: Vec<Vec<u8>> = logs_before.iter().map(|path| std::fs::read(path).unwrap()).collect();
    // The active one has records of all this now.
    assert_eq!(back[..3], bytes[..3]);
    site.run(&["verify"]).ends(0);
    let moves = site.run(&["query", "kind = store.tier | count"]).ends(0).text();
    assert!(moves.contains('6'), "{moves}");
}

#[test]
fn an_archive_that_is_gone_is_named_and_no_smaller_answer_is_given() {
    let site = site();
    archive(&site);
    std::fs::rename(site.path("archive"), site.path("moved")).unwrap();
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    for question in [&["query", "n > 100"][..], &["log"], &["show", "17"], &["prove", "250"]] {
        let failed = site.run(question).ends(3);
        assert!(
            failed.err.contains("segment 00000000000000000") && failed.err.contains("/archive"),
            "{}",
            failed.err
        );
    }
    // What the index says takes no archive.
    let counted = site.run(&["query", "run = run_3 | count"]).ends(0);
    assert!(counted.text().contains("87") && counted.err.is_empty(), "{} {}", counted.text(), counted.err);
    site.run(&["verify", "--archive"]).ends(14);
    site.run(&["verify", "--archive", "moved"]).ends(0);
    let mut elsewhere = site.command(&["show", "17"]);
    elsewhere.env("INDELIBLE_ARCHIVE", site.path("moved"));
    crate::cli::feed(elsewhere, b"").ends(0);
    // A file that was altered there is a finding, and no answer.
    let day = std::fs::read_dir(site.path("moved")).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(day).unwrap().map(|file| file.unwrap().path()).min().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // Here and there: fields' columns are for people, and in no hash.
    let half = bytes.len() / 2;
    bytes[4..half].iter_mut().step_by(16).for_each(|byte| *byte ^= 1);
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(site.run(&["verify", "--archive", "moved"]).code, Some(10 | 11)));
}

#[test]
fn a_log_goes_on_while_the_archive_of_its_packed_segments_is_out_of_reach() {
    let site = site();
    site.run(&["retention", "compact"]).ends(0);
    archive(&site);
    std::fs::rename(site.path("archive"), site.path("elsewhere")).unwrap();
    let _ = std::fs::remove_dir_all(site.path(".cache"));
    site.feed(&["append"], b"{\"event_id\":\"later\",\"run_id\":\"run_0\"}\n").ends(0);
    site.run(&["checkpoint"]).ends(0);
    let later = site.run(&["query", "run = run_0 | tail 1 | fields seq", "--format", "jsonl"]);
    let seq = later.ends(0).json()["seq"].to_string();
    site.run(&["prove", &seq]).ends(0);
    site.run(&["prove", "17"]).ends(3);
    site.run(&["doctor"]).ends(0);
    let drilled = site.run(&["retention", "drill", "--count", "20", "--json"]).ends(14).json();
    assert!(drilled["read"].as_u64().is_some() || drilled.is_object(), "{drilled}");
}

#[test]
fn explain_says_what_would_be_fetched_and_fetches_nothing() {
    let site = site();
    archive(&site);
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    let explained = |query: &str| {
        let run = site.run(&["explain", query, "--format", "jsonl"]).ends(0);
        assert_eq!(run.err, "", "nothing is fetched");
        let rows =
            run.text().lines().map(|row| serde_json::from_str::<Value>(row).unwrap()).collect::<Vec<_>>();
        let told = |row: &Value| (row["detail"].as_str().unwrap().to_owned(), row["rows"].as_u64().unwrap());
        rows.iter().filter(|row| row["step"] == "archive").map(told).collect::<Vec<_>>()
    };
    let fetched = "row groups of 3 files that the answer may have to fetch; so it was not made";
    assert_eq!(explained("run = run_3"), [(fetched.to_owned(), 3)]);
    assert_eq!(explained("run = run_3 | count"), []);
    // Of a field that is not indexed each record must be read to know.
    assert_eq!(explained("n > 100 | count"), [(fetched.to_owned(), 3)]);
    site.run(&["show", "17"]).ends(0);
    let one_less = [
        ("row groups of archives that were fetched before and are here".to_owned(), 1),
        (fetched.replace('3', "2"), 2),
    ];
    assert_eq!(explained("timeline run run_3"), one_less);
    site.run(&["query", "run = run_3"]).ends(0);
    assert_eq!(explained("run = run_3"), [(one_less[0].0.clone(), 3)]);
}

#[test]
fn a_drill_retrieves_from_each_tier_and_says_what_cannot_be_had() {
    let site = site();
    let first = site.run(&["retention", "drill", "--seed", "x", "--json"]).ends(0).json();
    assert_eq!(first["tiers"].as_array().unwrap().len(), 1, "{first}");
    site.run(&["archive", "copy", "archive", "--drop"]).ends(0);
    site.run(&["archive", "restore", "--segments", "202..203"]).ends(0);
    site.run(&["retention", "compact", "--segment", "202"]).ends(0);
    let drill = ["retention", "drill", "--count", "5", "--seed", "2026-Q3", "--json"];
    let drilled = site.run(&drill).ends(0).json();
    let tiers = drilled["tiers"].as_array().unwrap();
    let told: Vec<_> = tiers
        .iter()
        .map(|tier| (tier["tier"].as_str().unwrap(), tier["drawn"].as_array().unwrap().len()))
        .collect();
    assert_eq!(told, [("hot", 1), ("warm", 5), ("archive", 5)], "{drilled}");
    assert_eq!(drilled["verdict"], "clean");
    let seqs = |drilled: &Value| {
        let drawn =
            drilled["tiers"].as_array().unwrap().iter().flat_map(|tier| tier["drawn"].as_array().unwrap());
        drawn.map(|drawn| drawn["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let again = site.run(&drill).ends(0).json();
    assert_eq!(seqs(&again), seqs(&drilled), "the same seed draws the same records");
    assert!(again["noted"].as_u64() > drilled["noted"].as_u64());
    let noted = site.run(&["query", "kind = store.drilled", "--format", "jsonl"]).ends(0).text();
    assert!(noted.lines().count() == 3 && noted.contains("2026-Q3"), "{noted}");
    site.run(&["verify", "--archive"]).ends(0);

    // What was fetched before is no excuse.
    site.run(&["log"]).ends(0);
    std::fs::rename(site.path("archive"), site.path("moved")).unwrap();
    let failed = site.run(&["retention", "drill", "--no-record"]).ends(14);
    assert!(failed.text().contains("archive  0 of 3 records retrieved"), "{}", failed.text());
    assert!(failed.text().contains("is in the archive at"), "{}", failed.text());
    assert!(site.run(&["query", "kind = store.drilled | count"]).ends(0).text().contains('3'));
    let empty = Site::with_store();
    std::fs::remove_file(empty.path("evidence/checkpoint")).ok();
    empty.run(&["retention", "drill", "--seed", ""]).ends(2);
}

#[test]
fn what_a_policy_wants_here_is_copied_and_stays() {
    let site = site();
    let policy = "default = \"1y\"\n[[rule]]\nname = \"r\"\nmatch = \"n > 1\"\nkeep = \"1y\"\nhot = \"1d\"\nwarm = \"30d\"\n";
    site.write("retention.toml", policy);
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    let copied = archive(&site);
    assert_eq!((copied["files"].as_array().unwrap().len(), &copied["dropped"]), (3, &json!([])), "{copied}");
    assert_eq!(logs(&site).len(), 4);
}

#[test]
fn segments_come_back_from_a_bucket_whose_way_fails() {
    use super::proxy::Fault;
    let Some(server) = Server::start() else { return };
    let site = site_for_bucket();
    let before = site.run(&["query", "n = 77", "--format", "jsonl"]).ends(0).text();
    assert_eq!(before.lines().count(), 2, "{before}");
    server.run(&site, &["archive", "copy", ARCHIVE, "--drop"]).ends(0);
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    server.proxy.fail([Fault::Busy, Fault::Dropped(100)]);
    let after = server.run(&site, &["query", "n = 77", "--format", "jsonl"]).ends(0);
    assert_eq!(after.text(), before);
    assert!(after.err.contains("fetching segment 0 from the archive"), "{}", after.err);
    server.run(&site, &["verify", "--archive"]).ends(0);
    std::fs::remove_dir_all(site.path(".cache")).unwrap();
    // No way there, and no key: the place is named.
    let failed = site.run(&["show", "17"]);
    assert!(failed.code == Some(3) && failed.err.contains(ARCHIVE), "{}", failed.err);
    server.run(&site, &["archive", "restore"]).ends(0);
    site.run(&["verify"]).ends(0);
}
