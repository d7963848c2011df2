//! Questions to the program itself, over the generated evidence.

use std::collections::BTreeSet;

use super::generated::{Fixture, fixture};
use crate::cli::Site;

/// What the program prints for a question to the store of the fixture.
fn lines(args: &[&str]) -> Vec<serde_json::Value> {
    let site = Site::new();
    let store = fixture().store();
    let args = [&["-C", store.to_str().unwrap(), "--now", "2026-05-01"], args].concat();
    let (place, rest) = args.split_at(2);
    let (now, words) = rest.split_at(2);
    let args = [&words[..1], place, now, &words[1..]].concat();
    let text = site.run(&args).ends(0).text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(rows: &[serde_json::Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_timeline_is_the_whole_run_in_order() {
    let Fixture { scenario, .. } = fixture();
    let (run, events) = scenario.truth.runs.iter().max_by_key(|(_, events)| events.len()).unwrap();
    let rows = lines(&["timeline", "run", run]);
    let found: Vec<&str> = rows.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(found, events.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>());
}

#[test]
fn what_has_no_approval_is_found() {
    let Fixture { scenario, .. } = fixture();
    let query = "kind = deployment and environment = production
                 | unless preceded by (kind = approval.granted) within run | fields id";
    assert_eq!(ids(&lines(&["query", query])), scenario.truth.unapproved);
}

#[test]
fn denials_are_counted_back_from_the_time_that_is_given() {
    let Fixture { scenario, .. } = fixture();
    let rows = lines(&["query", "decision = DENY since 30d | count by agent, rule"]);
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            ((text("agent"), text("rule")), row["count"].as_u64().unwrap())
        })
        .collect();
    let truth: Vec<_> = scenario.truth.recent_denials.clone().into_iter().collect();
    assert_eq!(found, truth);
}
