//! Questions in the shell: formats, parameters, exit codes, and following the log.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Site;

/// A store with the evidence records of the samples.
fn site_with_evidence() -> Site {
    let site = Site::with_store();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/evidence.jsonl");
    site.run(&["append", sample]).ends(0);
    site
}

#[test]
fn an_answer_comes_in_every_format() {
    let site = site_with_evidence();
    let mut told = String::new();
    for args in [
        &["timeline", "run", "run_8bce4", "--format", "table"][..],
        &["timeline", "run", "run_8bd10", "--format", "table", "--integrity"],
        &["timeline", "agent", "triage-agent-1", "where decision = DENY"],
        &["control", "\"soc2 cc8.1\"", "--format", "table"],
        &["control", "SOC2:CC6.1", "--format", "json"],
        &["query", "run = run_8bce4 and kind = deploy*"],
        &["query", "run = run_8bce4 and kind = deploy*", "--format", "table"],
        &["query", "run = run_8bce4 and kind = deploy*", "--format", "csv"],
        &["query", "run = run_8bce4 and kind = deploy*", "--format", "markdown"],
        &["query", "run = run_8bce4 and kind = deploy*", "--format", "json"],
        &["query", "run = run_8bce4 and kind = deploy*", "--format", "raw"],
        &["query", "exists(decision) | count by decision, rule"],
        &["query", "exists(decision) | count by decision, rule", "--format", "table"],
        &["query", "exists(decision) | count by decision, rule", "--format", "csv"],
        &[
            "query",
            "exists(run) | stats count() as events, min(ts) as first, max(ts) as last by agent",
            "--format",
            "table",
        ],
        &[
            "query",
            "exists(run) | stats count() as events, min(ts), max(ts) by run, agent",
            "--format",
            "json",
        ],
        &["query", "run = nobody"],
        &["query", "run = nobody", "--format", "json"],
        &["query", "run = nobody", "--format", "csv"],
        &["query", "run = nobody", "--format", "markdown"],
        &["query", "run = nobody | count by agent", "--format", "markdown"],
        &["query", "decision = DENY", "--integrity"],
        &["query", "decison = DENY sinse 3d | cuont by agent"],
        &["query", "exists(decision) | count by decision", "--format", "raw"],
        &["query", "exists(decision) | count by decision", "--integrity"],
        &["query", "run = $run | fields seq, kind", "--param", "run=run_8bd10"],
        &["query", "run = $run", "--param", "rum=run_8bd10"],
        &["query", "run = $run"],
        &["query", "since 1h", "--now", "2026-04-14T09:40:00Z", "--format", "table"],
    ] {
        let run = site.run(args);
        let code = run.code.unwrap_or(-1);
        told += &format!("$ indelible {}\n{}{}[exit {code}]\n\n", args.join(" "), run.text(), run.err);
    }
    insta::assert_snapshot!("answers", site.settled_but_for_times(&told));
}

#[test]
fn an_empty_answer_is_no_failure_unless_asked_to_be() {
    let site = site_with_evidence();
    site.run(&["query", "kind = override.emergency"]).ends(0);
    site.run(&["query", "kind = override.emergency", "--exit-status"]).ends(1);
    site.run(&["query", "kind = deployment", "--exit-status"]).ends(0);
}

#[test]
fn a_query_comes_as_words_from_a_file_and_from_stdin() {
    let site = site_with_evidence();
    let text = "kind = deployment\n# those alone\n| fields seq, kind\n";
    site.write("q.iq", text);
    let expected = "{\"seq\":9,\"kind\":\"deployment\"}\n";
    assert_eq!(site.run(&["query", "-f", "q.iq"]).ends(0).text(), expected);
    assert_eq!(site.feed(&["query", "-"], text.as_bytes()).ends(0).text(), expected);
    assert_eq!(site.feed(&["query", "-f", "-"], text.as_bytes()).ends(0).text(), expected);
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(site.feed(&["query", "-"], marked.as_bytes()).ends(0).text(), expected);
    let words = ["query", "kind", "=", "deployment", "|", "fields", "seq,", "kind"];
    assert_eq!(site.run(&words).ends(0).text(), expected);
    site.run(&["query"]).ends(2);
    site.run(&["query", "-f", "missing.iq"]).ends(3);
}

#[test]
fn what_is_no_text_or_too_long_for_a_query_is_refused_and_not_repeated() {
    let site = site_with_evidence();
    let bytes = b"kind = \xff\xfe";
    site.write("bytes", bytes);
    for run in [site.feed(&["query", "-"], bytes), site.run(&["query", "-f", "bytes"])] {
        let refused = run.ends(2).err;
        assert!(refused.contains("it is not UTF-8 at byte 7"), "{refused}");
    }
    let long = format!("kind = {}", "x".repeat(70_000));
    let refused = site.feed(&["query", "-"], long.as_bytes()).ends(2).err;
    assert!(refused.len() < 200 && refused.contains("a query is at most 65536 bytes long"), "{refused}");
}

#[test]
fn names_that_rows_are_told_apart_by_are_whole_on_a_narrow_terminal() {
    let site = site_with_evidence();
    let narrow = |args: &[&str]| {
        let mut command = site.command(args);
        command.env("COLUMNS", "80");
        super::feed(command, b"").ends(0).text()
    };
    let shown = narrow(&["controls", "coverage", "SOC2", "--format", "table"]);
    assert!(shown.contains("SOC2:CC8.1  Changes…  "), "{shown}");
    let listed = site.run(&["controls", "list", "SOC2", "--format", "csv"]).ends(0).text();
    let first = |text: &str, mark: char| -> Vec<String> {
        text.lines().skip(1).filter_map(|line| line.split(mark).next().map(str::to_owned)).collect()
    };
    assert_eq!(first(&shown, ' '), first(&listed, ','));
    let shown = narrow(&["control", "SOC2:CC8.1", "--format", "table"]);
    assert!(shown.lines().skip(1).all(|line| line.contains("  run_8bce4  ")), "{shown}");
}

#[test]
fn an_event_of_many_lines_is_one_line_of_json_and_raw_as_it_was() {
    let site = Site::with_store();
    let event = "{\"two\":1,\r\n \"lines\":2}";
    site.feed(&["record"], event.as_bytes()).ends(0);
    assert_eq!(site.run(&["query", "two = 1"]).ends(0).text(), "{\"two\":1,   \"lines\":2}\n");
    assert_eq!(site.run(&["query", "two = 1", "--format", "raw"]).ends(0).text(), format!("{event}\n"));
}

#[test]
fn the_stores_own_records_are_there_where_they_are_asked_for() {
    let site = site_with_evidence();
    let count = |args: &[&str]| site.run(args).ends(0).text().lines().count();
    assert_eq!(count(&["query", "seq >= 0"]), 12);
    assert_eq!(count(&["query", "seq >= 0", "--all"]), 14);
    assert_eq!(count(&["query", "kind = store.*"]), 2);
}

#[test]
fn a_tail_follows_other_processes_and_goes_on_where_it_stopped() {
    let site = Site::with_events(3);
    let args = ["tail", "kind = yes | fields n", "--from", "0", "--position", "next"];
    let mut told = Vec::new();
    for round in 0..2 {
        site.feed(
            &["append"],
            format!("{{\"kind\":\"yes\",\"n\":{round}}}\n{{\"kind\":\"no\"}}\n").as_bytes(),
        )
        .ends(0);
        let mut child = site
            .command(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        told.push(lines.next().unwrap());
        // What comes while it looks on, the roll of a segment included.
        site.run(&["seal"]).ends(0);
        site.feed(&["append"], format!("{{\"kind\":\"yes\",\"n\":{}}}\n", 10 + round).as_bytes()).ends(0);
        told.push(lines.next().unwrap());
        // The position is written once a turn has been printed: when there is more to print, the last one has it.
        let size = wait_for_position(&site, &mut child);
        let (_, err) = stop(child);
        assert!(err.contains(&format!("--from {size} goes on")), "{err}");
    }
    assert_eq!(told, ["{\"n\":0}", "{\"n\":10}", "{\"n\":1}", "{\"n\":11}"]);
}

/// Follows the log until there is a position, and stops: what it printed, and what it said.
fn follow_until_kept(site: &Site, filter: &str) -> (String, String) {
    let mut command = site.command(&["tail", filter, "--position", "next"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_position(site, &mut child);
    // It says that it stopped once it listens for signals, which is before it keeps anything.
    stop(child)
}

/// Waits until whoever follows has kept its position behind all that the log holds; which that is.
fn wait_for_position(site: &Site, child: &mut Child) -> u64 {
    let size = site.run(&["stats", "--json"]).ends(0).json()["tree_size"].as_u64().unwrap();
    while std::fs::read_to_string(site.path("next")).ok().as_deref() != Some(&format!("{size}\n")) {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    size
}

/// Stops whoever follows: what it printed since, and what it said.
fn stop(child: Child) -> (String, String) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_tail_that_saw_nothing_goes_on_where_it_began() {
    let site = Site::with_events(3);
    assert_eq!(follow_until_kept(&site, "kind = yes").0, "");
    site.feed(&["append"], b"{\"kind\":\"yes\"}\n").ends(0);
    assert_eq!(follow_until_kept(&site, "kind = yes").0, "{\"kind\":\"yes\"}\n");
}

#[test]
fn a_tail_of_a_misspelt_field_says_so() {
    let site = site_with_evidence();
    let mut command = site.command(&["tail", "decison = DENY"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let warning = told.next().unwrap();
    assert!(warning.contains("no event in range has anything at `decison`"), "{warning}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_tail_refuses_what_it_cannot_follow() {
    let site = Site::with_events(1);
    for (args, reason) in [
        (&["tail", "kind = a | count by kind"][..], "cannot follow `| count by kind`"),
        (&["tail", "timeline run r"], "tail follows a filter"),
        (&["tail", "--from", "99"], "past the end"),
        (&["tail", "--format", "json"], "use --format jsonl"),
    ] {
        let run = site.run(args).ends(2);
        assert!(run.err.contains(reason), "{args:?}: {}", run.err);
    }
    site.write("next", "soon");
    assert!(site.run(&["tail", "--position", "next"]).ends(2).err.contains("holds no seq"));
}

#[test]
fn what_was_read_of_another_event_goes_with_it() {
    let site = Site::with_store();
    let events = concat!(
        r#"{"kind":"approval","ts":"2026-04-01T01:00:00Z","status":"first","tries":-6}"#,
        "\n",
        r#"{"kind":"deployment","ts":"2026-04-01T02:00:00Z","tries":0}"#,
        "\n",
        r#"{"kind":"postmortem","ts":"2026-04-01T03:00:00Z"}"#,
        "\n",
    );
    site.feed(&["append"], events.as_bytes()).ends(0);
    let both = "kind = deployment | preceded by (kind = approval) | where exists(other.status) \
                | followed by (kind = postmortem)";
    let row = site.run(&["query", both, "--format", "jsonl"]).ends(0).json();
    assert_eq!(row["other.ts"], "2026-04-01T03:00:00Z");
    assert!(row["other.status"].is_null(), "the postmortem has none: {row}");
    let again = format!("{both} | fields other.status, other.kind");
    let row = site.run(&["query", &again, "--format", "jsonl"]).ends(0).json();
    assert_eq!(row["other.kind"], "postmortem", "{row}");
}
