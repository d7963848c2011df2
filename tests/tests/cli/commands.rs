//! Each command's main path.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use super::{Run, Site, events};

#[test]
fn init_makes_a_store_and_a_key_outside_it_that_only_its_owner_can_read() {
    let site = Site::new();
    let made = site.run(&["init", "--origin", "acme.example/a/b"]).ends(0);
    assert!(made.text().starts_with("acme.example/a/b+"), "{}", made.text());
    let key = site.path("config/keys/acme.example_a_b.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&key).unwrap().starts_with("PRIVATE+KEY+acme.example/a/b+"));
    for entry in walk(&site.path("evidence")) {
        let mode = std::fs::metadata(&entry).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is open to others", entry.display());
        let bytes = std::fs::read(&entry).unwrap_or_default();
        assert!(!bytes.windows(11).any(|part| part == b"PRIVATE+KEY"), "{}", entry.display());
    }
}

#[test]
fn init_as_json_names_all_that_was_made() {
    let site = Site::new();
    let made = site.run(&["init", "here", "--origin", "acme.example/x", "--json"]).ends(0).json();
    assert_eq!(made["origin"], "acme.example/x");
    assert_eq!(made["store"], "here");
    assert_eq!(made["store_id"].as_str().unwrap().len(), 32);
    assert!(site.path("here/log").is_dir());
    let none =
        site.run(&["init", "there", "--origin", "acme.example/y", "--no-key", "--json"]).ends(0).json();
    assert!(none["verifier_key"].is_null());
}

#[test]
fn a_second_init_changes_nothing() {
    let site = Site::with_store();
    let before = contents(&site);
    let again = site.run(&["init", "--origin", "acme.example/other"]).ends(2);
    assert!(again.err.contains("acme.example/test"), "{}", again.err);
    site.run(&["init", "--origin", "acme.example/test"]).ends(2);
    assert_eq!(contents(&site), before);
}

#[test]
fn what_is_appended_comes_back_byte_for_byte_and_in_order() {
    let site = Site::with_store();
    let text = concat!(
        "{\"a\": 1e400, \"b\":9007199254740993, \"c\":0.1000000000000000055511151231257827}\n",
        "  {\"spaces\" :\t[ ] }  \n",
        "{\"u\":\"\\u0041\\ud83d\\ude42\",\"raw\":\"\u{9b}é🙂\",\"nul\":\"\\u0000\"}\n",
        "{\"z\":-0,\"y\":1E5,\"x\":1.0}\n",
    );
    site.feed(&["append"], text.as_bytes()).ends(0);
    assert_eq!(site.run(&["log"]).ends(0).text(), text);
    site.run(&["seal"]).ends(0);
    assert_eq!(site.run(&["log"]).ends(0).text(), text);
}

#[test]
fn append_reads_many_files_and_compressed_ones() {
    let site = Site::with_store();
    let lines: Vec<String> =
        (0..3000).map(|n| format!("{{\"n\":{n},\"pad\":\"{}\"}}\n", "x".repeat(200))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines[1000..2000].concat().as_bytes()).unwrap();
    site.write("a.jsonl", lines[..1000].concat());
    site.write("b", gzip.finish().unwrap());
    site.write("c.jsonl", zstd::encode_all(lines[2000..].concat().as_bytes(), 1).unwrap());
    let done = site.run(&["append", "a.jsonl", "b", "c.jsonl", "--json"]).ends(0).json();
    assert_eq!((&done["events"], &done["complete"]), (&3000.into(), &true.into()));
    assert_eq!(site.run(&["log"]).ends(0).text(), lines.concat());
}

#[test]
fn append_is_silent_where_nobody_looks_and_all_is_well() {
    let site = Site::with_store();
    let done = site.feed(&["append"], b"{}\n").ends(0);
    assert_eq!((done.text().as_str(), done.err.as_str()), ("", ""));
}

#[test]
fn receipts_come_one_an_event_with_consecutive_seqs() {
    let site = Site::with_store();
    let done = site.feed(&["append", "--receipts"], events(50).as_bytes()).ends(0);
    let seqs: Vec<u64> = done
        .text()
        .lines()
        .map(|line| {
            let receipt: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(receipt["durable"], true);
            assert_eq!(receipt["root"].as_str().unwrap().len(), 64);
            receipt["seq"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(seqs.len(), 50);
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let first = site.run(&["show", &seqs[0].to_string()]).ends(0);
    assert_eq!(first.text(), "{\"event_id\":\"ev_0\",\"n\":0}\n");
}

#[test]
fn what_comes_down_a_pipe_is_committed_before_the_next_comes() {
    let site = Site::with_store();
    let mut child = site
        .command(&["append", "--receipts", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut receipts = BufReader::new(child.stdout.take().unwrap());
    for n in 0..3 {
        writeln!(stdin, "{{\"n\":{n}}}").unwrap();
        stdin.flush().unwrap();
        // Nothing more is sent until this has come: a program that waits for more would wait for good.
        let mut receipt = String::new();
        receipts.read_line(&mut receipt).unwrap();
        assert!(receipt.contains("\"durable\":true"), "{receipt}");
        assert_eq!(site.run(&["log", "-n", "1"]).ends(0).text(), format!("{{\"n\":{n}}}\n"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_retry_that_skips_duplicates_doubles_nothing() {
    let site = Site::with_events(10);
    let again = site.feed(&["append", "--on-duplicate", "skip", "--json"], events(15).as_bytes()).ends(0);
    let summary = again.json();
    assert_eq!((&summary["events"], &summary["duplicates"]), (&5.into(), &10.into()));
    assert_eq!(site.run(&["log"]).ends(0).text(), events(15));
    site.run(&["seal"]).ends(0);
    let again = site.feed(&["append", "--on-duplicate", "skip", "--json"], events(15).as_bytes()).ends(0);
    assert_eq!(again.json()["duplicates"], 15);
}

#[test]
fn stages_of_one_request_are_told_apart_and_a_retry_of_them_doubles_nothing() {
    let site = Site::with_store();
    let stage = |stage: &str| format!("{{\"auditID\":\"a\",\"stage\":\"{stage}\",\"verb\":\"get\"}}\n");
    let text = stage("RequestReceived") + &stage("ResponseComplete");
    let args = ["append", "--source", "kubernetes-audit", "--on-duplicate", "skip", "--json"];
    assert_eq!(site.feed(&args, text.as_bytes()).ends(0).json()["events"], 2);
    assert_eq!(site.feed(&args, text.as_bytes()).ends(0).json()["duplicates"], 2);
    assert_eq!(site.run(&["show", "a/ResponseComplete"]).ends(0).text(), stage("ResponseComplete"));
}

#[test]
fn a_duplicate_that_is_an_error_keeps_what_came_before_it() {
    let site = Site::with_events(3);
    let text = "{\"event_id\":\"new\"}\n{\"event_id\":\"ev_1\"}\n{\"event_id\":\"later\"}\n";
    let refused = site.feed(&["append", "--on-duplicate", "error"], text.as_bytes()).ends(2);
    assert!(refused.err.contains("-:2: ") && refused.err.contains("ev_1"), "{}", refused.err);
    assert_eq!(site.run(&["log"]).ends(0).text(), format!("{}{{\"event_id\":\"new\"}}\n", events(3)));
}

#[test]
fn record_takes_all_of_stdin_as_one_event_and_masks_secrets() {
    let site = Site::with_store();
    let token = format!("ghp_{}", "a1B2".repeat(9));
    let event = format!("{{\"tool\":\"curl\",\n \"header\":\"Authorization: token {token}\"}}");
    let receipt = site.feed(&["record"], format!("{event}\n").as_bytes()).ends(0).json();
    let seq = receipt["seq"].to_string();
    let shown = site.run(&["show", &seq, "--integrity"]).ends(0);
    assert!(!shown.text().contains(&token), "{}", shown.text());
    assert!(!shown.json()["integrity"]["labels"].as_array().unwrap().is_empty());
    // Asked not to look, it keeps what it gets.
    let receipt = site.feed(&["record", "--no-mask-secrets"], event.as_bytes()).ends(0).json();
    let shown = site.run(&["show", &receipt["seq"].to_string()]).ends(0);
    assert_eq!(shown.text(), format!("{event}\n"));
}

#[test]
fn log_shows_the_last_in_either_direction_and_the_stores_own_when_asked() {
    let site = Site::with_events(300);
    let line = |n: u64| format!("{{\"event_id\":\"ev_{n}\",\"n\":{n}}}\n");
    assert_eq!(site.run(&["log", "-n", "2"]).ends(0).text(), line(298) + &line(299));
    assert_eq!(site.run(&["log", "-n", "2", "--reverse"]).ends(0).text(), line(299) + &line(298));
    assert_eq!(site.run(&["log", "-n", "0"]).ends(0).text(), "");
    assert_eq!(site.run(&["log", "-n", "1000"]).ends(0).text(), events(300));
    let reversed: String = (0..300).rev().map(line).collect();
    assert_eq!(site.run(&["log", "--reverse"]).ends(0).text(), reversed);
    let all = site.run(&["log", "--all"]).ends(0).text();
    assert!(all.starts_with("{\"forked_from\":null,") && all.contains("store.created"), "{all}");
    // The store's own records in between are passed over and not counted.
    site.run(&["seal"]).ends(0);
    site.feed(&["append"], b"{\"last\":1}\n").ends(0);
    assert_eq!(site.run(&["log", "-n", "2"]).ends(0).text(), line(299) + "{\"last\":1}\n");
}

#[test]
fn log_follows_what_other_processes_append() {
    let site = Site::with_events(1);
    let mut child =
        site.command(&["log", "--follow"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "{\"event_id\":\"ev_0\",\"n\":0}");
    site.feed(&["append"], b"{\"later\":1}\n").ends(0);
    assert_eq!(lines.next().unwrap().unwrap(), "{\"later\":1}");
    site.run(&["seal"]).ends(0);
    site.feed(&["append"], b"{\"later\":2}\n").ends(0);
    assert_eq!(lines.next().unwrap().unwrap(), "{\"later\":2}");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn show_finds_by_seq_by_range_and_by_id() {
    let site = Site::with_events(5);
    let first: u64 = first_event_seq(&site);
    let line = |n: u64| format!("{{\"event_id\":\"ev_{n}\",\"n\":{n}}}\n");
    let show = |words: &[&str]| site.run(&[&["show"], words].concat());
    assert_eq!(show(&[&(first + 2).to_string()]).ends(0).text(), line(2));
    assert_eq!(show(&[&format!("{}..{}", first + 1, first + 3)]).ends(0).text(), line(1) + &line(2));
    assert_eq!(show(&[&format!("{}..", first + 4)]).ends(0).text(), line(4));
    assert_eq!(show(&["ev_3", "ev_0"]).ends(0).text(), line(3) + &line(0));
    assert_eq!(show(&["--id", "ev_4"]).ends(0).text(), line(4));
    assert!(show(&["999"]).ends(2).err.contains("no record 999"));
    assert!(show(&["ev_9"]).ends(2).err.contains("no event ev_9"));
    site.run(&["seal"]).ends(0);
    assert_eq!(show(&["ev_3"]).ends(0).text(), line(3));
}

#[test]
fn integrity_chains_each_record_to_the_one_before() {
    let site = Site::with_events(4);
    site.run(&["checkpoint"]).ends(0);
    site.feed(&["append", "--no-checkpoint"], b"{ \"after\" : 1 }\n").ends(0);
    let shown = site.run(&["log", "--all", "--integrity"]).ends(0).text();
    let records: Vec<serde_json::Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (seq, pair) in records.windows(2).enumerate() {
        let (before, after) = (&pair[0]["integrity"], &pair[1]["integrity"]);
        assert_eq!(before["seq"], seq);
        assert_eq!(after["prev_hash"], before["hash"]);
        assert_eq!(before["sig_alg"], "Ed25519");
    }
    let last = &records.last().unwrap()["integrity"];
    assert_eq!((&last["sig_alg"], &last["segment"]), (&serde_json::Value::Null, &0.into()));
    // The event stands there as it was received.
    assert!(shown.lines().last().unwrap().starts_with("{\"event\":{ \"after\" : 1 },\"integrity\":{"));
}

#[test]
fn sources_are_listed_shown_and_tested() {
    let site = Site::with_events(2);
    let list = site.run(&["sources", "list"]).ends(0).text();
    for name in ["evidence", "claude-code", "codex", "cloudtrail", "kubernetes-audit"] {
        assert!(list.contains(name), "{name} is missing in {list}");
        let text = site.run(&["sources", "show", name]).ends(0).text();
        // What is shown is a profile: it can be given back.
        site.write("again.toml", &text);
        site.feed(&["append", "--source", "again.toml"], b"{}\n").ends(0);
    }
    assert!(site.run(&["sources", "show", "nothing"]).ends(2).err.contains("claude-code"));
    site.write("events.jsonl", events(3) + "{}\n");
    let tested = site.run(&["sources", "test", "events.jsonl", "--json"]).ends(0).json();
    assert_eq!(tested["events"], 4);
}

#[test]
fn seal_and_checkpoint_and_verify_agree_on_the_tree() {
    let site = Site::with_events(20);
    let sealed = site.run(&["seal", "--json"]).ends(0).json();
    assert_eq!(sealed["sealed"], true);
    assert_eq!(site.run(&["seal", "--json"]).ends(0).json()["sealed"], false);
    let note = site.run(&["checkpoint"]).ends(0).text();
    let lines: Vec<&str> = note.lines().collect();
    assert_eq!(lines[0], "acme.example/test");
    let size: u64 = lines[1].parse().unwrap();
    assert_eq!(sealed["end_seq"].as_u64().unwrap() + 1, size);
    site.write("note", &note);
    let key = site.run(&["init", "other", "--origin", "acme.example/other"]).ends(0).text();
    let vkey = vkey(&site);
    site.write("vkey", &vkey);
    let verified = site.run(&["verify", "--key", "vkey", "--expect", "note", "--json"]).ends(0).json();
    assert_eq!(verified["tree_size"], size);
    assert!(verified["covered"]["signature_count"].as_u64().unwrap() > 0, "{verified}");
    // By another key nothing is authenticated.
    site.write("wrong", key);
    site.run(&["verify", "--key", "wrong"]).ends(12);
}

#[test]
fn stats_count_what_is_there() {
    let site = Site::with_store();
    let text = "{\"run_id\":\"r1\",\"ts\":\"2026-01-02T03:04:05Z\",\"agent_id\":\"a\"}\n\
                {\"run_id\":\"r1\",\"ts\":\"2026-01-01T00:00:00Z\"}\n{\"run_id\":\"r2\"}\n";
    site.feed(&["append"], text.as_bytes()).ends(0);
    site.run(&["checkpoint"]).ends(0);
    site.feed(&["append", "--no-checkpoint"], b"{}\n").ends(0);
    let stats = site.run(&["stats", "--json"]).ends(0).json();
    assert_eq!(stats["events"], 4);
    assert_eq!((&stats["runs"], &stats["agents"], &stats["controls"]), (&2.into(), &1.into(), &0.into()));
    assert_eq!(stats["event_time"]["first"], "2026-01-01T00:00:00Z");
    assert_eq!(stats["event_time"]["last"], "2026-01-02T03:04:05Z");
    assert_eq!(stats["events_without_time"], 2);
    assert_eq!(stats["last_checkpoint"]["tail"], 1);
    assert!(site.run(&["stats"]).ends(0).text().contains("events"));
}

#[test]
fn doctor_names_what_is_unusual() {
    let site = Site::with_events(2);
    let level = |topic: &str| {
        let found = site.run(&["doctor", "--json"]).ends(0).json();
        let remark =
            found["remarks"].as_array().unwrap().iter().find(|r| r["topic"] == topic).unwrap().clone();
        remark["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(level("modes"), "good");
    assert_eq!(level("signing"), "notice");
    assert_eq!(level("key"), "good");
    std::fs::set_permissions(site.path("evidence/log"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(level("modes"), "notice");
    std::fs::remove_file(site.path("config/keys/acme.example_test.key")).unwrap();
    assert_eq!(level("key"), "notice");
    assert!(site.run(&["doctor"]).ends(0).text().contains("chmod"));
}

#[test]
fn a_backup_is_a_store_that_verifies_and_holds_the_same() {
    let site = Site::with_events(30);
    site.run(&["seal"]).ends(0);
    site.feed(&["append"], b"{\"after\":1}\n").ends(0);
    let copied = site.run(&["backup", "copy", "--json"]).ends(0).json();
    let verified = site.run(&["verify", "-C", "copy", "--json"]).ends(0).json();
    assert_eq!(copied["tree_size"], verified["tree_size"]);
    assert_eq!(site.run(&["log", "-C", "copy"]).ends(0).out, site.run(&["log"]).ends(0).out);
    site.run(&["backup", "copy"]).ends(2);
}

#[test]
fn recover_says_what_it_found_and_fork_names_the_old_log() {
    let site = Site::with_events(3);
    assert!(site.run(&["recover"]).ends(0).text().contains("nothing to recover"));
    site.run(&["recover", "--fork", "new", "--origin", "acme.example/new"]).ends(2);
    let note = site.run(&["checkpoint"]).ends(0).text();
    site.run(&["recover", "--fork", "new", "--origin", "acme.example/test"]).ends(2);
    site.run(&["recover", "--fork", "new", "--origin", "acme.example/new"]).ends(0);
    let created: serde_json::Value =
        serde_json::from_slice(&site.run(&["show", "0", "-C", "new"]).ends(0).out).unwrap();
    assert_eq!(created["forked_from"], note);
    site.run(&["verify", "-C", "new"]).ends(0);
}

#[test]
fn the_demo_does_the_main_job() {
    let site = Site::new();
    let demo = site.run(&["demo", "shown"]).ends(0);
    let text = demo.text();
    for word in ["verifier key", "claude-code.jsonl", "index root", "run_8bce4", "approval.granted", "clean"]
    {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    site.run(&["verify", "-C", "shown/evidence"]).ends(0);
}

#[test]
fn completions_and_manual_pages_are_made() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(site.run(&["completions", shell]).ends(0).text().contains("quarantine"), "{shell}");
    }
    site.run(&["man", "pages"]).ends(0);
    for page in ["indelible.1", "indelible-append.1", "indelible-sources-test.1"] {
        assert!(site.path("pages").join(page).is_file(), "{page} is missing");
    }
}

#[test]
fn append_signs_a_checkpoint_where_the_key_is_at_hand() {
    let site = Site::with_store();
    let tail = || site.run(&["stats", "--json"]).ends(0).json()["last_checkpoint"]["tail"].clone();
    let append = |args: &[&str]| {
        let args = [&["append", "--json"], args].concat();
        site.feed(&args, events(5).as_bytes()).ends(0).json()
    };
    let signed = append(&[]);
    assert_eq!(signed["checkpoint_size"], signed["tree_size"]);
    assert_eq!(tail(), 0);
    // Nothing new is nothing to sign.
    assert!(append(&["--on-duplicate", "skip"])["checkpoint_size"].is_null());
    assert!(append(&["--no-checkpoint"])["checkpoint_size"].is_null());
    assert_eq!(tail(), 5);
    // Input that breaks off is signed as far as it came.
    site.feed(&["append"], b"{}\nno event\n").ends(2);
    assert_eq!(tail(), 0);
    std::fs::rename(site.path("config/keys"), site.path("config/elsewhere")).unwrap();
    assert!(append(&[])["checkpoint_size"].is_null());
}

#[test]
fn checkpoint_watch_signs_what_comes_and_ends_when_asked() {
    let site = Site::with_events(1);
    let mut child = site
        .command(&["checkpoint", "--watch", "--every", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let mut note = String::new();
        while !note.contains("— ") {
            assert!(out.read_line(&mut note).unwrap() > 0, "{note}");
        }
        sizes.push(note.trim_start().lines().nth(1).unwrap().parse::<u64>().unwrap());
        site.feed(&["append"], b"{}\n").ends(0);
    }
    assert!(sizes[1] > sizes[0], "{sizes:?}");
    signal(&child, "INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ctrl_c_keeps_what_was_acknowledged_and_says_so() {
    let site = Site::with_store();
    let mut child = site
        .command(&["append", "--receipts", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{{\"n\":1}}").unwrap();
    let mut receipts = BufReader::new(child.stdout.take().unwrap());
    receipts.read_line(&mut String::new()).unwrap();
    // Its stdin stays open: it ends because it was asked to.
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("appended 1 event") && words.contains("stopped on request"), "{words}");
    assert_eq!(site.run(&["log"]).ends(0).text(), "{\"n\":1}\n");
    assert!(site.run(&["recover"]).ends(0).text().contains("nothing to recover"));
    drop(stdin);
}

fn signal(child: &std::process::Child, name: &str) {
    let sent =
        std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// The log's verifier key, from its first record.
pub(super) fn vkey(site: &Site) -> String {
    let created: serde_json::Value = serde_json::from_slice(&site.run(&["show", "0"]).ends(0).out).unwrap();
    created["log_key"].as_str().unwrap().to_owned()
}

fn first_event_seq(site: &Site) -> u64 {
    let Run { out, .. } = site.run(&["log", "-n", "5", "--integrity"]).ends(0);
    let first = String::from_utf8(out).unwrap().lines().next().unwrap().to_owned();
    serde_json::from_str::<serde_json::Value>(&first).unwrap()["integrity"]["seq"].as_u64().unwrap()
}

pub(super) fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![dir.to_path_buf()];
    let mut at = 0;
    while at < all.len() {
        if all[at].is_dir() {
            all.extend(std::fs::read_dir(&all[at]).unwrap().map(|entry| entry.unwrap().path()));
        }
        at += 1;
    }
    all
}

/// Every file below the site, with its bytes.
fn contents(site: &Site) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let files = walk(site.dir.path()).into_iter().filter(|path| path.is_file());
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn one_record_behind_the_checkpoint_is_one() {
    let site = Site::with_events(3);
    site.run(&["checkpoint"]).ends(0);
    for (more, expected) in
        [(1, "; 1 record after it is not signed yet"), (2, "; 3 records after it are not")]
    {
        site.feed(&["append", "--no-checkpoint"], events(more).as_bytes()).ends(0);
        let told = site.run(&["stats"]).ends(0).text();
        assert!(told.contains(expected), "{told}");
    }
}
