//! Every help page and the main messages, as snapshots: a change of what a user reads is seen in review.

use super::Site;

const COMMANDS: [&str; 90] = [
    "init",
    "append",
    "record",
    "log",
    "show",
    "query",
    "timeline",
    "control",
    "controls",
    "controls list",
    "controls show",
    "controls coverage",
    "controls matrix",
    "controls add",
    "explain",
    "tail",
    "artifact",
    "artifact put",
    "artifact get",
    "artifact list",
    "artifact verify",
    "sources",
    "sources list",
    "sources show",
    "sources test",
    "seal",
    "checkpoint",
    "witness",
    "witness key",
    "witness serve",
    "witness add",
    "witness list",
    "witness remove",
    "anchor",
    "anchor add",
    "anchor list",
    "anchor remove",
    "key",
    "key show",
    "key export",
    "key import",
    "key rotate",
    "key revoke",
    "key list",
    "verify",
    "schedule",
    "prove",
    "verify-proof",
    "export",
    "audit-index",
    "verify-bundle",
    "publish",
    "monitor",
    "retention",
    "retention set",
    "retention show",
    "retention template",
    "retention status",
    "retention apply",
    "retention history",
    "retention drill",
    "redact",
    "retention compact",
    "retention plan",
    "retention approve",
    "retention check",
    "hold",
    "hold place",
    "hold list",
    "hold show",
    "hold release",
    "operators",
    "operators key",
    "operators add",
    "operators remove",
    "operators threshold",
    "operators apply",
    "operators list",
    "archive",
    "archive copy",
    "archive restore",
    "archive prune",
    "archive verify",
    "stats",
    "doctor",
    "backup",
    "recover",
    "demo",
    "completions",
    "man",
];

#[test]
fn help_pages() {
    let site = Site::new();
    insta::assert_snapshot!("help", site.run(&["--help"]).ends(0).text());
    insta::assert_snapshot!("help_short", site.run(&["-h"]).ends(0).text());
    for command in COMMANDS {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let text = site.run(&args).ends(0).text();
        assert!(text.contains("Example"), "{command} shows no example");
        insta::assert_snapshot!(format!("help_{}", command.replace(' ', "_")), text);
    }
}

#[test]
fn messages() {
    let site = Site::with_events(3);
    site.write("bad.jsonl", "{\"a\":1}\n{\"a\":1,\"a\":2}\n");
    site.write("bad.toml", "name = 'x'\n[fields]\nrun = 3\n");
    site.write("vkey", "nonsense");
    let mut told = String::new();
    for args in [
        &["log", "-C", "nowhere"][..],
        &["init", "--origin", "acme.example/test"],
        &["init", "x", "--origin", "two words"],
        &["append", "--no-checkpoint", "bad.jsonl"],
        &["append", "missing.jsonl"],
        &["append", "--source", "nothing", "bad.jsonl"],
        &["append", "--source", "bad.toml", "bad.jsonl"],
        &["show", "99"],
        &["show", "ev_99"],
        &["show", "5..2"],
        &["checkpoint", "--signing-key", "missing.key"],
        &["verify", "--key", "vkey"],
        &["verify", "--expect", "missing"],
        &["recover", "--fork", "new", "--origin", "acme.example/new"],
        &["backup", "evidence"],
        &["append", "--on-error", "explode"],
        &["verfy"],
    ] {
        let run = site.run(args);
        told += &format!("$ indelible {}\n{}[exit {}]\n\n", args.join(" "), run.err, run.code.unwrap_or(-1));
    }
    insta::assert_snapshot!("messages", site.settled(&told));
}

#[test]
fn outputs() {
    let site = Site::with_store();
    let text =
        "{\"run_id\":\"r1\",\"ts\":\"2026-01-02T03:04:05Z\",\"agent_id\":\"a\",\"kind\":\"k\"}\n{\"ts\":7}\n";
    let mut told = String::new();
    site.write("events.jsonl", text);
    for args in [
        &["append", "--receipts", "events.jsonl"][..],
        &["append", "--json", "events.jsonl"],
        &["log", "-n", "1", "--integrity"],
        &["sources", "list"],
        &["sources", "list", "--json"],
        &["sources", "test", "events.jsonl"],
        &["sources", "test", "events.jsonl", "--json"],
        &["seal"],
        &["checkpoint"],
        &["verify"],
        &["verify", "--json"],
        &["stats"],
        &["stats", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["recover", "--json"],
    ] {
        let run = site.run(args).ends(0);
        told += &format!("$ indelible {}\n{}\n", args.join(" "), run.text());
    }
    insta::assert_snapshot!("outputs", site.settled(&told));
}

#[test]
fn the_demo() {
    let site = Site::new();
    insta::assert_snapshot!("demo", site.settled(&site.run(&["demo", "shown"]).ends(0).text()));
}
