//! Verification that runs by itself: what it leaves for a monitoring system, and what starts it.

use std::os::unix::fs::PermissionsExt;

use indelible_engine::Timestamp;
use indelible_engine::format::failures::{FAILURES_AT, FailureClass, Failures};

use super::{Site, feed};

/// The value of the metric that begins with `name`, labels included.
#[track_caller]
fn metric(site: &Site, name: &str) -> f64 {
    let text = std::fs::read_to_string(site.path("store.prom")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
}

#[test]
fn a_verification_leaves_metrics() {
    let site = Site::with_events(20);
    let verify = ["verify", "--no-record", "--metrics", "store.prom"];
    site.run(&verify).ends(0);
    let origin = "{origin=\"acme.example/test\"}";
    let records = metric(&site, &format!("indelible_log_records{origin}"));
    assert!(records >= 20.0);
    assert_eq!(metric(&site, "indelible_log_unsigned_records"), records, "nothing is signed yet");
    assert_eq!(metric(&site, "indelible_verify_clean"), 1.0);
    assert!(metric(&site, "indelible_verify_time_seconds") > 1.7e9);
    site.run(&["checkpoint"]).ends(0);
    site.run(&verify).ends(0);
    assert_eq!(metric(&site, "indelible_log_unsigned_records"), 0.0);
    let mode = std::fs::metadata(site.path("store.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o400, 0o400);
    assert_eq!(metric(&site, "indelible_verify_last_seq"), metric(&site, "indelible_log_records") - 1.0);
    assert_eq!(metric(&site, "indelible_verify_full_records"), metric(&site, "indelible_log_records"));
    assert_eq!(metric(&site, "indelible_verify_complete"), 1.0);
    assert!(!site.path("store.new").exists());

    let log = std::fs::read_dir(site.path("evidence/log")).unwrap().flatten().map(|entry| entry.path());
    let log = log.into_iter().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert_ne!(site.run(&verify).code, Some(0));
    assert_eq!(metric(&site, "indelible_verify_clean"), 0.0);
    assert!(metric(&site, "indelible_verify_findings{origin=\"acme.example/test\",class=\"damaged\"}") > 0.0);
    assert_eq!(
        metric(&site, "indelible_verify_findings{origin=\"acme.example/test\",class=\"forged\"}"),
        0.0
    );
}

#[test]
fn a_verification_that_cannot_look_leaves_the_metrics_to_grow_old() {
    let site = Site::new();
    site.write("store.prom", "as before");
    site.run(&["verify", "--metrics", "store.prom"]).ends(2);
    assert_eq!(std::fs::read(site.path("store.prom")).unwrap(), b"as before");
    let site = Site::with_store();
    site.run(&["verify", "--metrics", "missing/store.prom"]).ends(3);
}

#[test]
fn what_cron_is_given_runs_from_anywhere() {
    let site = Site::with_events(3);
    let printed = site
        .run(&["schedule", "cron", "--metrics", "it's 100% a.prom", "--compact-older-than", "90d"])
        .ends(0)
        .text();
    let lines: Vec<_> = printed.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 4, "{printed}");
    for line in lines {
        // Cron takes five fields off, and a backslash from each percent sign.
        let command = line.splitn(6, ' ').last().unwrap().replace(r"\%", "%");
        let mut shell = site.command(&[]);
        let envs: Vec<_> =
            shell.get_envs().map(|(name, value)| (name.to_owned(), value.map(Into::into))).collect();
        shell = std::process::Command::new("sh");
        shell.args(["-c", &command]).current_dir("/");
        for (name, value) in envs {
            let value: Option<std::ffi::OsString> = value;
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.env_remove("INDELIBLE_STORE");
        feed(shell, b"").ends(0);
    }
    assert!(site.path("it's 100% a.prom").is_file());
}

#[test]
fn each_timer_has_its_service() {
    let site = Site::with_store();
    let printed = site.run(&["schedule", "systemd"]).ends(0).text();
    for name in ["checkpoint", "verify", "retention"] {
        for kind in ["service", "timer"] {
            assert!(printed.contains(&format!("# indelible-{name}.{kind}\n[Unit]\n")), "{printed}");
        }
    }
    let store = site.path("evidence").canonicalize().unwrap();
    assert!(
        printed.contains(&format!(
            " -C {} verify --max-duration 1h --resume\nSuccessExitStatus=15\n",
            store.display()
        )),
        "{printed}"
    );
    site.run(&["schedule", "launchd"]).ends(2);
    site.run(&["schedule", "cron", "--max-duration", "long"]).ends(2);
}

/// A store of four sealed segments and an active one, signed.
fn segments() -> Site {
    let site = Site::with_store();
    for n in 0..4 {
        let events: String =
            (0..20).map(|m| format!("{{\"event_id\":\"{n}-{m}\",\"run_id\":\"r{m}\"}}\n")).collect();
        site.feed(&["append"], events.as_bytes()).ends(0);
        site.run(&["seal"]).ends(0);
    }
    site.run(&["checkpoint"]).ends(0);
    site
}

fn reaches(report: &serde_json::Value, reach: &str) -> usize {
    let segments = report["segments"].as_array().unwrap();
    segments.iter().filter(|segment| segment["reach"] == reach).count()
}

/// The log's notes of verifications.
fn notes(site: &Site) -> Vec<serde_json::Value> {
    let text = site.run(&["query", "kind = store.verified"]).ends(0).text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_check_in_several_nights_comes_to_its_end_and_says_each_time_how_far_it_came() {
    let site = segments();
    let night = ["verify", "--max-duration", "1ns", "--resume", "--state", "place.json", "--json"];
    // Each thread may have begun a segment before the time was looked at: how many nights it takes is the machine's.
    let mut checked = 0;
    let last = loop {
        let run = site.run(&night);
        let report = run.json();
        assert_eq!(run.code, Some(if report["is_complete"] == true { 0 } else { 15 }), "{}", run.err);
        assert_eq!(report["class"], serde_json::Value::Null);
        assert_eq!(reaches(&report, "earlier"), checked);
        assert!(reaches(&report, "full") > 0, "each run comes further");
        checked += reaches(&report, "full");
        if report["is_complete"] == true {
            break report;
        }
        assert!(
            report["root"].is_null() && reaches(&report, "not-reached") + reaches(&report, "checksums") > 0
        );
        assert!(site.path("place.json").is_file());
    };
    assert_eq!((checked, last["root"].is_string()), (5, true));
    let scopes: Vec<_> = notes(&site).iter().map(|note| note["scope"].clone()).collect();
    assert_eq!(scopes.last(), Some(&"round".into()));
    assert!(scopes.iter().rev().skip(1).all(|scope| scope == "part"));
    // A round that ended is followed by another from the beginning.
    let next = site.run(&night).json();
    assert_eq!(reaches(&next, "earlier"), 0);
}

#[test]
fn what_is_remembered_of_one_store_is_not_believed_of_another() {
    let site = segments();
    let part = ["verify", "--max-duration", "1ns", "--resume", "--state", "place.json", "--json"];
    site.run(&part);
    site.run(&["backup", "copy"]).ends(0);
    let of_copy = site.run(&[&["-C", "copy"], &part[..]].concat());
    assert_eq!(reaches(&of_copy.json(), "earlier"), 0);
    assert!(of_copy.err.contains("nothing of it is used"), "{}", of_copy.err);
    site.write("place.json", "{}");
    assert!(site.run(&part).ends(2).err.contains("remove it to begin anew"));
    let inside = site.run(&["verify", "--resume", "--state", "evidence/place.json"]).ends(2);
    assert!(inside.err.contains("writes nothing there"), "{}", inside.err);
    for wrong in [["--subset", "0/7"], ["--subset", "8/7"], ["--subset", "3"], ["--max-duration", "soon"]] {
        site.run(&["verify", wrong[0], wrong[1]]).ends(2);
    }
    for depth in ["--quick", "--checksums"] {
        site.run(&["verify", depth, "--since-last"]).ends(2);
    }
}

#[test]
fn a_verification_is_noted_in_the_log_and_what_came_since_is_checked_by_it() {
    let site = segments();
    let first = site.run(&["verify", "--json"]).ends(0).json();
    let seq = first["noted"].as_u64().unwrap();
    assert_eq!(seq, first["tree_size"].as_u64().unwrap());
    let note = notes(&site).remove(0);
    assert_eq!((&note["root"], &note["scope"]), (&first["root"], &"full".into()));
    assert_eq!((&note["verdict"], &note["record_count"]), (&"clean".into(), &first["tree_size"]));
    assert!(site.run(&["verify", "--no-record", "--json"]).ends(0).json()["noted"].is_null());
    assert_eq!(notes(&site).len(), 1);
    let since = site.run(&["verify", "--since-last", "--json"]).ends(0).json();
    assert_eq!(since["scope"], format!("since {seq}"));
    assert_eq!((reaches(&since, "full"), reaches(&since, "checksums")), (1, 4));
    let words = since["not_covered"].to_string();
    assert!(words.contains(&format!("record {seq} of the log says")), "{words}");
    // A quick look vouches for nothing, and says what it did not read.
    let quick = site.run(&["verify", "--quick", "--json"]).ends(0).json();
    let unread = quick["covered"]["unread_count"].as_u64().unwrap();
    assert!(unread > 0 && quick["not_covered"].to_string().contains(&format!("{unread} records")), "{quick}");
    site.run(&["verify", "--checksums"]).ends(0);
    let again = site.run(&["verify", "--since-last", "--json"]).ends(0).json();
    assert_eq!(again["scope"], format!("since {}", since["tree_size"]));
    let third = site.run(&["verify", "--subset", "3/7", "--json"]).ends(0).json();
    assert_eq!((&third["scope"], reaches(&third, "full")), (&"subset 3/7".into(), 1));
    site.run(&["verify", "--full", "--no-record"]).ends(0);
}

/// Flips a bit of the last record of a segment that has `word` in it.
fn damage(site: &Site, place: usize, word: &[u8]) {
    let dir = std::fs::read_dir(site.path("evidence/log")).unwrap().flatten().map(|entry| entry.path());
    let mut logs: Vec<_> = dir.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    logs.sort();
    let mut bytes = std::fs::read(&logs[place]).unwrap();
    let at = bytes.windows(word.len()).rposition(|bytes| bytes == word).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&logs[place], bytes).unwrap();
}

#[test]
fn damage_is_noted_where_the_log_can_be_appended_to_and_else_that_it_is_not() {
    let site = segments();
    damage(&site, 1, b"run_id");
    site.run(&["verify"]).ends(10);
    let note = notes(&site).remove(0);
    assert_eq!(
        (&note["verdict"], note["findings"]["damaged"].as_u64().unwrap() > 0),
        (&"damaged".into(), true)
    );
    damage(&site, 4, b"store.verified");
    let log = std::fs::read_dir(site.path("evidence/log")).unwrap().count();
    let run = site.run(&["verify", "--json"]).ends(10);
    assert!(run.err.contains("the log has no record of this verification"), "{}", run.err);
    assert!(run.json()["noted"].is_null());
    assert_eq!(std::fs::read_dir(site.path("evidence/log")).unwrap().count(), log);
    let lost = std::fs::read_dir(site.path("evidence/lost")).map_or(0, Iterator::count);
    assert_eq!(lost, 0, "nothing was recovered by looking");
}

#[test]
fn what_retention_has_overdue_is_measured_where_there_is_time_to_look() {
    let site = Site::with_store();
    site.feed(&["append", "--no-checkpoint"], b"{\"kind\":\"gone\"}\n{\"kind\":\"gone\"}\n").ends(0);
    site.write("retention.toml", "default = \"1s\"\n");
    let verify = ["verify", "--no-record", "--metrics", "store.prom"];
    site.run(&verify).ends(0);
    let measured = || std::fs::read_to_string(site.path("store.prom")).unwrap();
    assert!(!measured().contains("retention"), "without a policy nothing is overdue");
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    site.run(&verify).ends(0);
    assert!(measured().contains("indelible_retention_overdue_events{"), "{}", measured());
    // Reading all events for it could take longer than there is.
    site.run(&[&verify[..], &["--max-duration", "1h"]].concat()).ends(0);
    assert!(!measured().contains("retention"), "{}", measured());
}

#[test]
fn failed_commits_are_measured_and_told() {
    let site = Site::with_store();
    let verify = ["verify", "--no-record", "--metrics", "store.prom"];
    site.run(&verify).ends(0);
    let full = "indelible_append_errors_total{origin=\"acme.example/test\",class=\"disk-full\"}";
    assert_eq!(metric(&site, full), 0.0);
    let measured = || std::fs::read_to_string(site.path("store.prom")).unwrap();
    assert!(!measured().contains("append_error_time_seconds"), "none failed yet");
    // As an append leaves it for which there was no room: the engine's tests see that.
    let mut failures = Failures::default();
    failures.add(FailureClass::DiskFull, Timestamp(1_800_000_000_500_000_000));
    failures.add(FailureClass::DiskFull, Timestamp(1_800_000_001_500_000_000));
    let path = site.path("evidence/head");
    let mut head = std::fs::read(&path).unwrap();
    let at = usize::try_from(FAILURES_AT).unwrap();
    head[at..].copy_from_slice(&failures.encode());
    std::fs::write(&path, &head).unwrap();
    site.run(&verify).ends(0);
    assert_eq!(metric(&site, full), 2.0);
    assert_eq!(metric(&site, "indelible_append_error_time_seconds"), 1_800_000_001.0);
    assert!(site.run(&["doctor"]).ends(0).text().contains("2 failed commits (2 disk-full)"));
    // Nothing is verified by it.
    head[at] ^= 1;
    std::fs::write(&path, &head).unwrap();
    site.run(&verify).ends(0);
    assert_eq!(metric(&site, full), 0.0);
}
