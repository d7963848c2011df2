//! What a program sees: parameters, bounds, cancelling, controls, explanations.

use std::sync::Arc;

use indelible_engine::filter::{Field, Filter, Test, Value as Wanted};
use indelible_engine::source::normalise_control;

use super::sample::sample;
use super::{now, show};
use crate::controls::{Control, Controls};
use crate::{Error, Options, Query, Vocabulary, query};

fn parse(text: &str) -> Query {
    Query::parse(text, &Vocabulary::default()).expect("a query")
}

#[test]
fn parameters_are_values_and_never_text() {
    let sample = sample();
    let rows = |query: &Query| -> Vec<String> {
        query.run(&sample.snapshot, &Options::at(now())).unwrap().map(|row| show(&row.unwrap())).collect()
    };
    let of_run = parse("timeline run $run where latency_ms > $least since $from");
    assert_eq!(of_run.parameters(), ["run", "least", "from"]);
    let bind = |run: &str, least: &str| {
        of_run
            .clone()
            .bind("run", run)
            .and_then(|query| query.bind("least", least)?.bind("from", "2026-04-01"))
    };
    assert_eq!(rows(&bind("run_7", "1000").unwrap()), ["e2"]);
    assert_eq!(rows(&bind("run_7", "1h").unwrap()), Vec::<String>::new());
    for odd in ["run_*", "run_7 or run = run_8", "\" | count", "$run", ""] {
        assert_eq!(rows(&bind(odd, "0").unwrap()), Vec::<String>::new(), "{odd}");
    }
    let unbound = of_run.clone().bind("run", "x").unwrap().run(&sample.snapshot, &Options::at(now()));
    assert!(matches!(unbound, Err(Error::Query(problems)) if problems.problems.len() == 2));
    let wrong = bind("run_7", "much").unwrap().run(&sample.snapshot, &Options::at(now()));
    assert!(matches!(wrong, Err(Error::Query(_))));
    insta::assert_snapshot!(of_run.bind("rnu", "x").unwrap_err(), @r"
    1 | timeline run $run where latency_ms > $least since $from
      | ^ the query has no parameter $rnu
      = help: did you mean $run?
    ");
}

#[test]
fn what_is_held_is_bounded() {
    let sample = sample();
    let options = Options { held_max: 3_000, ..Options::at(now()) };
    let run = |text: &str| {
        parse(text).run(&sample.snapshot, &options).unwrap().map(|row| row.map(|row| show(&row))).collect()
    };
    for text in [
        "| sort ts",
        "| fields text | sort text",
        "| tail 17",
        "| last by id",
        "| sample 18",
        "| count by id, text",
        "| distinct text",
        "| first by text",
        "| stats distinct(text)",
        "| preceded by (exists(kind)) within text and id",
    ] {
        let rows: Result<Vec<String>, Error> = run(text);
        let error = rows.expect_err(text);
        assert!(matches!(error, Error::OverMemory { limit: 3_000, .. }), "{text}: {error}");
    }
    for text in ["| sort ts | limit 1", "| fields id", "| limit 18", "| tail 1", "| count", "| count by kind"]
    {
        let options = Options { held_max: 30_000, ..Options::at(now()) };
        let rows = parse(text).run(&sample.snapshot, &options).unwrap();
        assert!(rows.into_iter().all(|row| row.is_ok()), "{text}");
    }
}

#[test]
fn a_query_can_be_stopped() {
    let sample = sample();
    for text in ["kind = deployment", "| count by kind", "| stats sum(x)", "| preceded by (a = 1)"] {
        let options = Options::at(now());
        let watch = Arc::clone(&options.watch);
        let mut answer = parse(text).run(&sample.snapshot, &options).unwrap();
        watch.cancel();
        let stopped = answer.next().expect("an end");
        assert!(matches!(stopped, Err(Error::Store(indelible_engine::Error::Cancelled))), "{text}");
        assert!(answer.next().is_none());
    }
}

#[test]
fn the_store_shows_its_own_records_when_asked() {
    let sample = sample();
    let count = |text: &str, all: bool| {
        let options = Options { all, ..Options::at(now()) };
        let rows = parse(text).run(&sample.snapshot, &options).unwrap();
        rows.map(|row| show(&row.unwrap())).collect::<Vec<_>>().join(";")
    };
    let size = sample.snapshot.tree_size();
    assert_eq!(count("| count", true), size.to_string());
    assert_eq!(count("| count", false), "18");
    assert_eq!(count("seq .. | count", false), size.to_string());
    assert_eq!(count("source = 0 | count", false), (size - 18).to_string());
    assert_eq!(count("kind = \"store.created\" | fields seq", false), "0");
}

/// Deployments are evidence of SOC2:CC7.1.
struct Mapping;

impl Controls for Mapping {
    fn catalogue(&self) -> Vec<Control> {
        let control =
            |id: &str, title: &str| Control { id: id.to_owned(), title: title.to_owned(), parent: None };
        vec![
            control("SOC2:CC7.1", "Changes are watched"),
            control("SOC2:CC8.1", "Changes are managed"),
            control("SOC2:CC9.9", "Nobody does this"),
            control("PCI-DSS:6.5.1", "Changes are tested"),
        ]
    }

    fn rules(&self, id: &str) -> Vec<(String, Filter)> {
        let kind = Test::Equals(vec![Wanted::Text("deployment".to_owned())]);
        let rule = ("deployments".to_owned(), Filter::Field(Field::Name("kind".to_owned()), kind));
        if id == "SOC2:CC7.1" { vec![rule] } else { Vec::new() }
    }

    fn family(&self, text: &str) -> Vec<String> {
        let id = normalise_control(text, None).into_owned();
        self.catalogue().into_iter().map(|control| control.id).filter(|known| *known == id).collect()
    }

    fn nearest(&self, _text: &str) -> Option<String> {
        Some("SOC2:CC8.1".to_owned())
    }
}

#[test]
fn controls_are_found_by_label_event_and_mapping() {
    let sample = sample();
    let options = Options { controls: Some(&Mapping), ..Options::at(now()) };
    let rows = |text: &str| -> Vec<String> {
        parse(text).run(&sample.snapshot, &options).unwrap().map(|row| show(&row.unwrap())).collect()
    };
    assert_eq!(
        rows("control SOC2:CC7.1, soc2_cc_8_1 until 2026-04-02"),
        ["e4 event -", "e5 event, mapping deployments", "e6 mapping deployments"]
    );
    assert_eq!(
        rows("control SOC2:CC7.* where via = mapping environment = staging"),
        ["e10 mapping deployments"]
    );
    assert_eq!(
        rows("controls framework soc2 | fields control, events, runs, agents, first, last"),
        [
            "SOC2:CC7.1 4 4 1 2026-04-01T09:40:00Z 2026-04-03T10:00:00Z",
            "SOC2:CC8.1 2 1 1 2026-04-01T09:35:00Z 2026-04-01T09:40:00Z",
            "SOC2:CC9.9 0 0 0 - -",
        ]
    );
    assert_eq!(rows("controls since 2026-04-02 | where events = 0 | count"), ["2"]);
    let explained = rows("explain controls framework soc2").join("\n");
    let told = [
        "segments 3 in range",
        "posting kind = deployment in 2",
        "match records that match 5",
        "controls 1 condition ",
    ];
    assert!(told.iter().all(|told| explained.contains(told)), "{explained}");
    let unknown = parse("controls framework SOC3").run(&sample.snapshot, &options).err().unwrap();
    assert!(unknown.to_string().contains("did you mean `SOC2`?"), "{unknown}");
}

#[test]
fn an_explanation_names_what_was_used() {
    let sample = sample();
    let mut told = String::new();
    for text in [
        "explain timeline agent planner where latency_ms > 1 | count by kind",
        "explain timeline agent planner where tokens.total - latency_ms > 1 | limit 1",
        "explain | count by kind",
        "explain control SOC2:CC6.1 | count by kind",
        "explain control SOC2:CC6.1 | count by via",
        "explain kind = deployment | unless preceded by (kind = approval.granted) within run | sort ts | limit 1",
        "explain | tail 1",
    ] {
        let answer = sample.run(text).unwrap();
        assert_eq!(answer.columns(), ["step", "detail", "rows", "bytes", "time"]);
        told += &format!("> {text}\n");
        for row in answer {
            let row = row.unwrap();
            let cells: Vec<_> = row.values()[..3].iter().map(ToString::to_string).collect();
            told += &format!("  {}\n", cells.join("; "));
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn one_call_is_enough() {
    let sample = sample();
    let rows: Vec<_> = query(&sample.snapshot, "decision = DENY | count by agent").unwrap().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(show(rows[0].as_ref().unwrap()), "reader 2");
    let row = query(&sample.snapshot, "event e8").unwrap().next().unwrap().unwrap();
    assert_eq!(row.field("rule").unwrap().to_json(), "\"no-pii-export\"");
    assert_eq!(row.field("policy.decision").unwrap().to_string(), "DENY");
    assert_eq!(row.field("nothing").unwrap(), crate::Value::Missing);
}

#[test]
fn a_stage_without_its_bar_is_told() {
    let sample = sample();
    let warnings = |text: &str| {
        let mut answer = parse(text).run(&sample.snapshot, &Options::at(now())).unwrap();
        answer.by_ref().for_each(drop);
        answer.warnings().unwrap().join("\n")
    };
    assert!(warnings("count by kind").contains("a stage stands behind a bar: | count"));
    assert!(!warnings("count").contains("stage"), "one word alone is a word to search for");
    assert!(!warnings("| count by kind").contains("stage"));
}

/// What is odd about the answer to a query, all of which was read.
fn warnings(sample: &super::Sample, text: &str) -> Vec<String> {
    let mut answer = sample.run(text).unwrap();
    answer.by_ref().for_each(drop);
    answer.warnings().unwrap()
}

#[test]
fn a_field_that_no_event_has_is_told_wherever_a_query_names_it() {
    let sample = sample();
    for text in [
        "agnet = planner | count",
        "not agnet = planner",
        "agnet = planner or kind = deployment",
        "| count by agnet",
        "| stats sum(agnet)",
        "| stats count() by agnet",
        "| fields id, agnet",
        "| fields id, agnet as who | where who = planner | count",
        "| sort agnet | limit 1",
        "| distinct agnet",
        "| first by agnet",
        "kind = deployment | where agnet = planner | count",
        "kind = deployment | unless preceded by (agnet = planner) within run",
        "kind = deployment | unless preceded by (kind = approval.granted) within agnet",
        "kind = deployment | preceded by (kind = approval.granted) within run | fields other.agnet",
        "controls framework SOC2 where agnet = planner",
        "explain agnet = planner",
    ] {
        let told = warnings(&sample, text);
        let expected = "no event in range has anything at `agnet`; did you mean `agent`?";
        assert!(told.iter().any(|warning| warning == expected), "{text}: {told:?}");
    }
    for text in
        ["| count by tokens.total", "tokens.total > 0 | count", "not tokens.total > 0 | fields id, tool"]
    {
        assert_eq!(warnings(&sample, text), [""; 0], "{text}");
    }
}

#[test]
fn a_field_is_looked_for_in_the_times_that_are_asked_about() {
    let sample = sample();
    let nothing = |field: &str| format!("no event in range has the field `{field}`");
    assert_eq!(warnings(&sample, "during 2026-04-04 | count by approver"), [nothing("approver")]);
    assert_eq!(warnings(&sample, "during 2026-04-03 | count by approver"), [""; 0]);
    assert_eq!(
        warnings(&sample, "during 2026-04-01 | count by tool.name"),
        ["no event in range has anything at `tool.name`"]
    );
    let unreadable = "events in range whose `run` could not be read: 1 (unreadable(run) finds them)";
    assert_eq!(warnings(&sample, "| count by run"), [unreadable]);
    assert_eq!(warnings(&sample, "during 2026-04-03 | count by run"), [""; 0]);
    // What stands beside may stand anywhere.
    let text = "during 2026-04-03 environment = staging | unless preceded by (approver = kim)";
    assert_eq!(warnings(&sample, text), [""; 0]);
}

#[test]
fn where_nothing_is_found_it_is_told_what_else_was_meant_perhaps() {
    let sample = sample();
    for (text, expected) in [
        ("decision = DENI | count", &["no event has `decision` = DENI; did you mean `DENY`?"][..]),
        (
            "decision = DENI | stats sum(tokens.total)",
            &["no event has `decision` = DENI; did you mean `DENY`?"],
        ),
        (
            "controls framework SOC2 where decision = DENI",
            &["no event has `decision` = DENI; did you mean `DENY`?"],
        ),
        ("decision = DENY && policy = pol-3", &["`&&` is searched for in the text of events"]),
        ("event e3 e4 | count", &["`e4` is searched for in the text of events"]),
        ("controls HIPAA", &["`HIPAA` is searched for in the text of events"]),
        ("nowhere at all", &[]),
        ("decision = DENY \"nowhere\"", &[]),
        ("event e3", &[]),
        ("event e99", &["no event has the id `e99`"]),
        ("event e3, e99, e98 | count", &["no event has the id `e98`", "no event has the id `e99`"]),
        ("id in (e99, e3)", &["no event has the id `e99`"]),
    ] {
        assert_eq!(warnings(&sample, text), expected, "{text}");
    }
}
