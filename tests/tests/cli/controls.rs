//! `indelible controls`: what ships, and packs, mappings and label rules of one's own.

use super::Site;

const PACK: &str = "framework = 'ACME'\ntitle = 'Policy of ACME'\nedition = '2026'\nversion = '1'\n\
    control = [{ id = '7', title = 'Changes are reviewed' }, { id = '7.1', title = 'By somebody else' }]\n";
const MAPPING: &str = "name = 'acme'\nversion = '1'\n[[rule]]\nname = 'deployments'\nwhen = 'kind = deploy*'\n\
    controls = ['SOC2:CC8.1', 'ACME:7.1']\nstrength = 'direct'\nreason = 'Each is a change.'\n";
const LABELS: &str = "name = 'acme'\nversion = '3'\n[[label]]\nwhen = 'kind = deploy*'\n\
    labels = ['soc 2 cc8.1', 'ACME:7', 'SOC2:CC99']\n";

fn with_files() -> Site {
    let site = Site::with_store();
    for (name, text) in [("pack.toml", PACK), ("mapping.toml", MAPPING), ("labels.toml", LABELS)] {
        site.write(name, text);
    }
    site
}

#[test]
fn what_is_added_is_checked_told_and_then_in_force() {
    let site = with_files();
    site.write("bad.toml", MAPPING.replace("ACME:7.1", "SOC2:CC81").as_str());
    site.write("both.toml", format!("{MAPPING}[[label]]\nwhen = 'a = 1'\nlabels = ['x']\n").as_str());
    site.write("late.toml", LABELS.replace("kind = deploy*", "kind = a since 24h").as_str());
    site.write("reserved.toml", LABELS.replace("ACME:7", "rules:1").as_str());
    let mut told = String::new();
    for args in [
        &["controls", "add", "mapping.toml"][..],
        &["controls", "add", "bad.toml"],
        &["controls", "add", "both.toml"],
        &["controls", "add", "late.toml"],
        &["controls", "add", "reserved.toml"],
        &["controls", "add", "pack.toml", "--dry-run"],
        &["controls", "add", "pack.toml"],
        &["controls", "add", "mapping.toml", "--json"],
        &["controls", "add", "mapping.toml"],
        &["controls", "add", "labels.toml"],
        &["controls", "list"],
        &["controls", "list", "acme", "--format", "json"],
        &["controls", "list", "SOC3"],
        &["controls", "show", "acme:7"],
        &["controls", "show", "soc2", "cc8.11"],
        &["controls", "show", "SOC2:CC8", "--format", "json"],
        &["controls", "show", "SOC2:CC8", "--format", "csv"],
        &["controls", "matrix", "--format", "markdown"],
    ] {
        let run = site.run(args);
        let words = args.join(" ");
        told +=
            &format!("$ indelible {words}\n{}{}[exit {}]\n\n", run.text(), run.err, run.code.unwrap_or(-1));
    }
    insta::assert_snapshot!("controls", site.settled(&told));
}

#[test]
fn without_more_words_the_coverage_is_counted() {
    let site = with_files();
    site.feed(&["append", "--no-checkpoint"], b"{\"kind\":\"deployment\",\"run_id\":\"r1\"}\n").ends(0);
    let counted = site.run(&["controls", "--format", "json"]).ends(0);
    assert_eq!(counted.text(), site.run(&["controls", "coverage", "--format", "json"]).ends(0).text());
    assert!(counted.text().contains("\"events\":1"), "{}", counted.text());
    site.run(&["controls", "--format", "json", "list"]).ends(2);
}

#[test]
fn evidence_is_found_by_what_was_added_and_counted() {
    let site = with_files();
    site.feed(&["append", "--no-checkpoint"], b"{\"kind\":\"deployment\",\"run_id\":\"r1\"}\n").ends(0);
    for file in ["pack.toml", "labels.toml"] {
        site.run(&["controls", "add", file]).ends(0);
    }
    site.feed(&["append", "--no-checkpoint"], b"{\"kind\":\"deployment\",\"run_id\":\"r2\"}\n").ends(0);
    let via = |text: &str| {
        let rows = site.run(&["query", &format!("{text} | fields run, via")]).ends(0).text();
        rows.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(via("control ACME:7"), [r#"{"run":"r2","via":"label"}"#]);
    site.run(&["controls", "add", "mapping.toml"]).ends(0);
    let both = r#"{"run":"r2","via":["label","mapping"]}"#;
    assert_eq!(via("control ACME:7"), [r#"{"run":"r1","via":"mapping"}"#, both]);
    assert_eq!(via("control 'soc2 cc8.1'".replace('\'', "\"").as_str()).len(), 2);
    let rows = site.run(&["controls", "coverage", "acme | fields control, events, runs"]).ends(0).text();
    let expected =
        [r#"{"control":"ACME:7","events":2,"runs":2}"#, r#"{"control":"ACME:7.1","events":2,"runs":2}"#];
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
    let unquoted = site.run(&["control", "soc2", "cc8.1"]).ends(2);
    assert!(unquoted.err.contains("write SOC2:CC8.1"), "{}", unquoted.err);
    let nothing = site.run(&["control", "SOC2:CC9.1"]).ends(0);
    assert!(nothing.err.contains("nothing in range is evidence of SOC2:CC9.1"), "{}", nothing.err);
    site.run(&["verify"]).ends(0);
}

#[test]
fn what_ships_can_be_looked_at_without_a_store() {
    let site = Site::new();
    let list = site.run(&["controls", "list", "--format", "csv"]).ends(0).text();
    assert_eq!(list.lines().count(), 7, "{list}");
    assert!(site.run(&["controls", "show", "cc8.1"]).ends(0).text().starts_with("SOC2:CC8.1 "));
    assert!(site.run(&["controls", "matrix", "soc 2"]).ends(0).text().contains("CC8.1"));
}

#[test]
fn an_argument_that_is_an_id_or_a_name_in_several_words_is_one() {
    let site = with_files();
    let event = "{\"kind\":\"x\",\"controls\":[\"HIPAA:164.312(b)\",\"NIST-AI-RMF:GOVERN 1.1\"]}\n";
    site.feed(&["append", "--no-checkpoint"], event.as_bytes()).ends(0);
    let text = |args: &[&str]| site.run(args).ends(0).text();
    for id in ["45 CFR § 164.312(b)", "hipaa:164.312(b)", "GOVERN 1.1", "NIST AI RMF Govern 1.1"] {
        assert_eq!(text(&["control", id, "| count"]), "{\"count\":1}\n", "{id}");
        assert_eq!(text(&["control", id, "until", "2000", "| count"]), "{\"count\":0}\n", "{id}");
    }
    assert_eq!(text(&["control", "HIPAA:164.312(b) | count"]), "{\"count\":1}\n");
    let with_events = "| where events > 0 | fields control";
    let rows = text(&["controls", "coverage", "nist ai rmf", with_events]);
    assert!(rows.contains("NIST-AI-RMF:GOVERN-1.1"), "{rows}");
    assert_eq!(text(&["controls", "coverage", &format!("NIST-AI-RMF {with_events}")]), rows);
    let unquoted = site.run(&["controls", "coverage", "nist ai rmf | count"]).ends(2);
    assert!(unquoted.err.contains("write NIST-AI-RMF or"), "{}", unquoted.err);
}
