//! What the sample says, by example.

use super::{Sample, now, show};
use crate::{Options, Query, Vocabulary};

const SAMPLE: &str = include_str!("../../testdata/sample.jsonl");

/// The events of the sample, in three segments.
pub(super) fn sample() -> Sample {
    let events: Vec<&str> = SAMPLE.lines().collect();
    Sample::new(events.chunks(7).map(<[_]>::to_vec))
}

/// Questions, and what the sample says to each.
pub(crate) const QUESTIONS: &[&str] = &[
    "timeline run run_8",
    "timeline run run_11",
    "decision = DENY | count by agent, rule | sort count desc",
    "control SOC2:CC8.1",
    "control soc2:cc8.*, PCI-DSS:6.5.1 | count by via",
    "event e3, e4",
    "seq 0..3",
    "around 5 ±1",
    "since 2d run = run_13",
    "during 2026-04-03",
    "ts in (2026-04-08, \"2026-04-09T16:00:00Z\")",
    "ts = \"2026-04-08\" or received in (\"2026\", \"1h\")",
    "ts = soon or received in (2026-1, 2026*) or bin(ts, 1d) != never | count",
    "between 2026-04-02 and 2026-04-03 kind = deployment",
    "received since 2026-01-01 | count",
    "kind = deployment environment = production | unless preceded by (kind = approval.granted) within run",
    "kind = deployment environment = production | unless preceded by (kind = approval.granted) within run strictly",
    "kind = deployment | preceded by (kind = approval.granted) within run",
    "kind = deployment | preceded by (kind = approval.granted) within run and 5m",
    "kind = override | unless followed by (kind = postmortem) within run and 7d",
    "kind = override | followed by (kind = postmortem) within run and 7d",
    "kind = approval.granted | preceded by (kind = approval.requested) within run | stats p95(other.delay), avg(other.delay) by environment",
    "approval.approved_at - ts >= 0s | fields id, approval.approved_at - ts as delay",
    "| stats count(), sum(tokens.total), avg(tokens.total), p50(tokens.total) by model",
    "kind = deployment | stats count() by bin(ts, 7d), environment, status",
    "kind = deployment | count by bin(ts, 1d) | sort bin(ts, 1d) desc",
    "kind = deployment | count by bin(ts, 1d) as day | where bin(ts, 1d) = 2026-04-01 | fields day, count",
    "exists(approval) | fields id, approval.approved_at - ts as delay | where approval.approved_at - ts >= 0s",
    "not exists(run)",
    "unreadable(run)",
    "unreadable(ts)",
    "not exists(ts)",
    "status = null",
    "status != ok",
    "latency_ms > 2s",
    "| fields id, latency_ms | where latency_ms > 2s",
    "| stats max(latency_ms) as worst_ms by model | where worst_ms <= 1s or worst_ms = 2400ms",
    "| stats max(latency_ms) by model | where max(latency_ms) > 2s",
    "| stats max(latency_ms), min(latency_ms), distinct(latency_ms) by model | where max > 2s or min = 300ms",
    "| fields id, latency_ms as took | where took > 2s | stats p50(took) as median | where median = 2400ms",
    "rollback",
    "text ~ \"(?i)ROLLBACK\"",
    "kind = store.* | fields kind",
    "tool.args.path = \"/tmp/a b\"",
    ".\"odd key\" = 1 | fields .\"odd key\", run, latency_ms, agent",
    "not unreadable(ts) | tail 2",
    "not unreadable(ts) exists(ts) | sort ts desc | limit 2 | fields id, ts",
    "| first by kind | fields kind, id",
    "| last by kind | fields kind, id",
    "| distinct agent",
    "| sample 3 seed 7",
    "| count by agent | where count > 2",
    "decsion = DENY",
    "decision = DENI",
    "kind = approval.granted | preceded by (kind = approval.requested) within run | fields run, approver, other.delay, other.agent, other.actor.type",
    "kind = deployment | preceded by (kind = approval.granted) within run | where other.approver = lee",
    "kind = deployment | stats max(status), min(latency_ms), distinct(environment)",
    "| stats sum(latency_ms)",
    "| stats distinct(ts), distinct(run), min(policy), p50(status)",
    "agent runn",
];

#[test]
fn questions_have_answers() {
    let sample = sample();
    let mut told = String::new();
    for question in QUESTIONS {
        let mut answer = sample.run(question).unwrap_or_else(|error| panic!("{question}\n{error}"));
        told += &format!("> {question}\n");
        if !answer.columns().is_empty() {
            told += &format!("  [{}]\n", answer.columns().join(" "));
        }
        for row in answer.by_ref() {
            told += &format!("  {}\n", show(&row.expect("a row")));
        }
        for warning in answer.warnings().expect("warnings") {
            told += &format!("  ! {warning}\n");
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn disclosed_records_say_what_their_store_says() {
    let sample = sample();
    let disclosed = sample.disclosed();
    for question in QUESTIONS {
        let query = Query::parse(question, &Vocabulary::of(&disclosed).unwrap()).unwrap();
        let mut of_disclosed = query.run(&disclosed, &Options::at(now())).unwrap();
        let mut of_store = sample.run(question).unwrap();
        assert_eq!(of_disclosed.columns(), of_store.columns(), "{question}");
        loop {
            let (one, other) = (of_disclosed.next(), of_store.next());
            let [one, other] = [one, other].map(|row| row.map(|row| show(&row.unwrap())));
            assert_eq!(one, other, "{question}");
            if one.is_none() {
                break;
            }
        }
        assert_eq!(of_disclosed.warnings().unwrap(), of_store.warnings().unwrap(), "{question}");
    }
}

#[test]
fn what_makes_no_sense_is_told() {
    let sample = sample();
    let mut told = String::new();
    for text in [
        "latency > 5s",
        "latency_ms > 2kB",
        "body.len > 2s",
        "duration_min > 1s",
        "| fields latency_ms | where latency_ms > 2kB",
        "| fields latency_ms as took | where took > 2kB",
        "x = 1e600 or x in (-1e99999, 1)",
        "x < 1e-600",
        "| fields x | where x != 1e600",
        "status > ok",
        "ts > soon",
        "seq = five",
        "seq > -1",
        "since then",
        "since 99999-01-01",
        "since 999y until 9999 ts > 0001-01-01",
        "x < 99999-01-01",
        "| count by day | where day < 99999-01-01",
        "during 2026-04-01T10:00:00Z",
        "between 2026-04-02 and 2026-04-01",
        "x ~ \"(\"",
        "timeline rnu x",
        "timeline something x",
        "controls framework SOC3",
        "text = x",
        "\"\"",
        "| count by agent | where agnt = x",
        "| count by agent | where kind = x",
        "| count by agent | where rollback",
        "| count by agent | where since 24h",
        "| count by agent | sort sum(x)",
        "| sort count()",
        "| count by bin(ts, 1d) | sort bin(ts, 7d)",
        "| fields a, b as a",
        "| fields ts | preceded by (kind = x)",
        "| preceded by (kind = x) within 5x",
        "| count by bin(ts, 1x)",
        "run = $run",
        "since then | count by agent | sort agnt | limit many | sort x y",
        "a = | sort sum(x)",
    ] {
        let error = sample.run(text).err().unwrap_or_else(|| panic!("{text} makes sense"));
        told += &format!("{error}\n\n");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_timeline_names_its_value_as_a_condition_does() {
    let sample = sample();
    let rows = |text: &str| -> Vec<String> {
        sample.run(text).unwrap().map(|row| show(&row.expect("a row"))).collect()
    };
    assert_eq!(rows("timeline control \"soc 2 cc8.1\""), ["e4", "e5"]);
    assert_eq!(rows("timeline kind store.sealed | count"), ["2"]);
}

#[test]
fn a_control_that_is_no_text_is_compared_as_what_it_is() {
    let values = ["-5", "5", "true", "null", "\"5\"", "\"soc2 cc8.1\""];
    let events: Vec<String> =
        (0..).zip(values).map(|(id, value)| format!(r#"{{"event_id":"{id}","control":{value}}}"#)).collect();
    let sample = Sample::new([events.iter().map(String::as_str).collect()]);
    for (test, expected) in [
        ("control = -5", &["0"][..]),
        ("control != -5", &["1", "2", "3", "4", "5"]),
        ("control = 5", &["1", "4"]),
        ("control = 5.0", &["1"]),
        ("control = \"5\"", &["4"]),
        ("control = true", &["2"]),
        ("control in (null, \"SOC 2: cc_8_1\")", &["3", "5"]),
    ] {
        let rows: Vec<String> = sample.run(test).unwrap().map(|row| show(&row.expect("a row"))).collect();
        assert_eq!(rows, expected, "{test}");
    }
}

#[test]
fn a_sum_of_numbers_and_durations_does_not_hang_on_their_order() {
    let event = |id: usize, from: &str, to: &str| format!(r#"{{"event_id":"{id}","from":{from},"to":{to}}}"#);
    let (early, late) = ("\"2026-04-01T00:00:00Z\"", "\"2026-04-01T01:00:00Z\"");
    let events = [event(0, early, late), event(1, "1", "5"), event(2, early, late), event(3, "2", "4")];
    let sample = Sample::new([events.iter().map(String::as_str).collect()]);
    for order in ["", "| sort seq desc "] {
        let text = format!("{order}| stats sum(to - from), avg(to - from), count()");
        let rows: Vec<String> = sample.run(&text).unwrap().map(|row| show(&row.expect("a row"))).collect();
        assert_eq!(rows, ["6 3 4"], "{text}: numbers, and no durations where there are numbers");
    }
}

#[test]
fn a_number_that_is_too_long_for_a_decimal_is_compared_alike_in_events_and_in_tables() {
    let longer = ["1e600", "-1e600", "1e-600", "1e99999999999999999999", "-1e99999999999999999999"];
    let events: Vec<String> = longer.iter().map(|x| format!(r#"{{"event_id":"{x}","x":{x}}}"#)).collect();
    let sample = Sample::new([events.iter().map(String::as_str).collect()]);
    let rows = |text: String| -> Vec<String> {
        sample.run(&text).unwrap().map(|row| show(&row.expect("a row"))).collect()
    };
    for (test, expected) in [
        ("x > 5", &["1e600", "1e99999999999999999999"][..]),
        ("x >= 0", &["1e600", "1e-600", "1e99999999999999999999"]),
        ("x < 9e400", &["-1e600", "1e-600", "-1e99999999999999999999"]),
        ("x = 0", &[]),
        ("x != 0", &longer),
        ("x = \"1e600\"", &[]),
        ("x ~ \"^1e\"", &["1e600", "1e-600", "1e99999999999999999999"]),
        ("exists(x)", &longer),
    ] {
        assert_eq!(rows(test.to_owned()), expected, "{test}");
        assert_eq!(rows(format!("| fields x | where {test}")), expected, "{test}");
    }
}

#[test]
fn few_rows_share_a_number_that_is_too_long_for_a_decimal_as_many_do() {
    let long = format!("{}.5", "9".repeat(600));
    let events: Vec<String> = (0..20)
        .map(|id| format!(r#"{{"event_id":"{id}","ts":"2026-04-01T00:00:{id:02}Z","key":{long}}}"#))
        .collect();
    let sample = Sample::new([events.iter().map(String::as_str).collect()]);
    for count in [2, 20] {
        let text = format!("| limit {count} | preceded by (exists(key)) within key | count");
        let rows: Vec<String> = sample.run(&text).unwrap().map(|row| show(&row.expect("a row"))).collect();
        assert_eq!(rows, [(count - 1).to_string()], "{text}");
    }
}
