//! Verification that runs by itself: what it leaves for a monitoring system, and what starts it.

use std::os::unix::fs::PermissionsExt;

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
    let verify = ["verify", "--metrics", "store.prom"];
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
    let printed = site.run(&["schedule", "cron", "--metrics", "it's 100% a.prom"]).ends(0).text();
    let lines: Vec<_> = printed.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 3, "{printed}");
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
    for name in ["checkpoint", "verify-quick", "verify-full"] {
        for kind in ["service", "timer"] {
            assert!(printed.contains(&format!("# indelible-{name}.{kind}\n[Unit]\n")), "{printed}");
        }
    }
    let store = site.path("evidence").canonicalize().unwrap();
    assert!(printed.contains(&format!(" -C {} verify --quick\n", store.display())), "{printed}");
    site.run(&["schedule", "launchd"]).ends(2);
}
