//! Questions over generated evidence, in several segments: each answer is the truth, all of it and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use indelible::query::Value;
use indelible::{Options, Snapshot, Store};
use indelible_tests::scenario::{Scenario, percentile};
use tempfile::TempDir;

use super::{Question, ask, documented};

/// A store of a scenario; made once.
pub(super) struct Fixture {
    dir: TempDir,
    pub(super) scenario: Scenario,
    snapshot: Snapshot,
}

impl Fixture {
    pub(super) fn store(&self) -> PathBuf {
        self.dir.path().join("evidence")
    }
}

/// Four segments, the last of which is active.
pub(super) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let scenario = Scenario::new(20_260_501, 400);
        let store =
            Store::create(dir.path().join("evidence"), Options::new("acme.example/questions")).unwrap();
        let part = scenario.events.len() / 4;
        for (number, events) in scenario.events.chunks(part + 1).enumerate() {
            store.append_batch(events).unwrap();
            if number < 3 {
                store.seal().unwrap();
            }
        }
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.segments().filter(|segment| segment.sealed).count(), 3);
        Fixture { dir, scenario, snapshot }
    })
}

/// The truth has something to say: else comparing with it shows nothing.
#[track_caller]
pub(super) fn telling<T>(truth: &BTreeSet<T>) -> &BTreeSet<T> {
    assert!(truth.len() > 1, "the scenario has too little of this");
    truth
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn which_runs_deployed_this_agent() {
    let Fixture { scenario, snapshot, .. } = fixture();
    assert_eq!(scenario.truth.deployed_by.len(), 3);
    for (agent, runs) in &scenario.truth.deployed_by {
        let text = &documented("Which run deployed this agent?");
        let asked = Question { text, parameters: &[("agent", agent)] };
        assert_eq!(asked.set(snapshot), *telling(runs), "{agent}");
    }
}

#[test]
fn who_gave_this_agent_access_to_this_resource_and_when_by_which_approval_path() {
    let Fixture { scenario, snapshot, .. } = fixture();
    assert!(scenario.truth.access.len() > 5);
    for ((agent, resource), (who, when, path)) in &scenario.truth.access {
        let text = &documented("Who gave this agent access to this resource");
        let asked = Question { text, parameters: &[("agent", agent), ("resource", resource)] };
        assert_eq!(asked.texts(snapshot), [strings(&[who, when, path])], "{agent}, {resource}");
    }
    // The grants in force, all at once.
    let text = documented("Which grants of access are in force?");
    let all = ask(&text);
    let truth: BTreeSet<Vec<String>> = scenario
        .truth
        .access
        .iter()
        .map(|((agent, resource), (who, when, path))| strings(&[agent, resource, who, when, path]))
        .collect();
    assert_eq!(all.texts(snapshot).into_iter().collect::<BTreeSet<_>>(), truth);
}

#[test]
fn why_was_this_action_denied() {
    let Fixture { scenario, snapshot, .. } = fixture();
    assert!(scenario.truth.denials.len() > 50);
    for (id, (rule, policy, reason)) in scenario.truth.denials.iter().take(20) {
        let text = &documented("Why was this action denied");
        let asked = Question { text, parameters: &[("id", id)] };
        assert_eq!(asked.texts(snapshot), [strings(&["DENY", rule, policy, reason])], "{id}");
    }
    let all = ask("decision = DENY | fields id, rule, policy, policy.reason");
    let truth = scenario.truth.denials.iter();
    let truth: BTreeSet<_> =
        truth.map(|(id, (rule, policy, reason))| strings(&[id, rule, policy, reason])).collect();
    assert_eq!(all.texts(snapshot).into_iter().collect::<BTreeSet<_>>(), truth);
}

#[test]
fn who_approved_this_production_action_and_how_long_did_it_wait_under_which_policy() {
    let Fixture { scenario, snapshot, .. } = fixture();
    assert!(scenario.truth.approvals.len() > 20);
    for (id, (approver, delay_s, policy)) in &scenario.truth.approvals {
        let run = id.split('-').next().unwrap();
        let text = &documented("Who approved this run's production action");
        let asked = Question { text, parameters: &[("run", run)] };
        let rows = asked.rows(snapshot);
        let [row] = rows.as_slice() else { panic!("{id}: {rows:?}") };
        assert_eq!(row[0], Value::Text(approver.clone()), "{id}");
        assert!(matches!(row[1], Value::Time(_)), "{id}");
        assert_eq!(row[2], Value::Duration(i128::from(*delay_s) * 1_000_000_000), "{id}");
        assert_eq!(row[3], Value::Text(policy.clone()), "{id}");
    }
    let text = documented("Which production deployments were approved");
    let all = ask(&text);
    let truth = scenario.truth.approvals.iter();
    let truth: BTreeSet<_> = truth.map(|(id, (approver, ..))| strings(&[id, approver])).collect();
    assert_eq!(all.texts(snapshot).into_iter().collect::<BTreeSet<_>>(), truth);
}

#[test]
fn every_production_deployment_with_no_approval_before_it_in_its_run() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let text = documented("Which production deployments have no approval") + " | fields id";
    let asked = ask(&text);
    assert_eq!(asked.set(snapshot), *telling(&scenario.truth.unapproved));
}

#[test]
fn every_emergency_override_with_no_postmortem_within_seven_days() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let text = documented("Which emergency overrides have no postmortem") + " | fields id";
    let asked = ask(&text);
    assert_eq!(asked.set(snapshot), *telling(&scenario.truth.without_postmortem));
}

#[test]
fn all_agent_changes_in_scope_of_a_control_this_quarter() {
    let Fixture { scenario, snapshot, .. } = fixture();
    for id in ["PCI-DSS:6.5.1", "\"pci dss 6.5.1\"", "pci_dss:6.5.1"] {
        let text =
            documented("Which changes by agents are in scope").replace("PCI-DSS:6.5.1", id) + " | fields id";
        assert_eq!(ask(&text).set(snapshot), *telling(&scenario.truth.pci_changes), "{id}");
    }
}

#[test]
fn events_with_no_run_no_agent_or_no_policy_snapshot() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let truth = &scenario.truth;
    for (question, expected) in [
        ("Which events name no run?", &truth.without_run),
        ("Which name no agent?", &truth.without_agent),
        ("Which decisions name no policy snapshot?", &truth.without_policy),
    ] {
        let text = documented(question) + " | fields id";
        assert_eq!(ask(&text).set(snapshot), *telling(expected), "{text}");
    }
}

#[test]
fn everything_that_happened_in_a_run_in_the_order_of_its_time() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let all = documented("What happened in this run") + " | fields id, kind, status";
    let gone_wrong = documented("What was tried again") + " | fields id, kind, status";
    let mut said = BTreeSet::new();
    for (run, events) in &scenario.truth.runs {
        let asked = |text| Question { text, parameters: &[("run", run)] }.texts(snapshot);
        let rows = asked(&all);
        let ids: Vec<&String> = rows.iter().map(|row| &row[0]).collect();
        assert_eq!(ids, events.iter().map(|(_, id)| id).collect::<Vec<_>>(), "{run}");
        let is_wrong = |row: &Vec<String>| {
            ["retry", "timeout"].contains(&row[2].as_str()) || row[1] == "deadletter.moved"
        };
        let wrong: Vec<Vec<String>> = rows.into_iter().filter(is_wrong).collect();
        assert_eq!(asked(&gone_wrong), wrong, "{run}");
        said.extend(wrong.into_iter().map(|row| (row[1].clone(), row[2].clone())));
    }
    assert!(said.len() >= 3, "the scenario has no retries, timeouts or dead letters: {said:?}");
}

#[test]
fn tokens_and_cost_by_work_item_by_model_and_by_role() {
    let Fixture { scenario, snapshot, .. } = fixture();
    for by in ["work_item", "model", "role"] {
        let text = documented("What do tokens and cost come to").replace("by work_item", &format!("by {by}"));
        let rows = ask(&text).texts(snapshot);
        let found: BTreeMap<String, (u64, u64)> = rows
            .into_iter()
            .map(|row| (row[0].clone(), (row[1].parse().unwrap(), micros(&row[2]))))
            .collect();
        let truth = scenario.truth.tokens_by.iter().filter(|((what, _), _)| *what == by);
        let truth: BTreeMap<_, _> = truth.map(|((_, key), sums)| (key.clone(), *sums)).collect();
        assert!(truth.len() > 2);
        assert_eq!(found, truth, "{by}");
    }
}

/// Millionths, exactly.
fn micros(decimal: &str) -> u64 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    whole.parse::<u64>().unwrap() * 1_000_000 + format!("{fraction:0<6}").parse::<u64>().unwrap()
}

#[test]
fn which_models_ran_in_production_in_april_and_who_authorised_each() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let text = documented("Which models ran in production in April");
    let asked = ask(&text);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in asked.texts(snapshot) {
        assert!(found.entry(row[0].clone()).or_default().insert(row[1].clone()), "{row:?} comes twice");
    }
    assert!(found.len() > 1);
    assert_eq!(found, scenario.truth.april_models);
}

#[test]
fn all_denials_by_agent_and_rule_in_thirty_days() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let rows = ask(&documented("How many denials were there in 30 days")).texts(snapshot);
    let counts: Vec<u64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    let found: BTreeMap<(String, String), u64> =
        rows.iter().zip(&counts).map(|(row, count)| ((row[0].clone(), row[1].clone()), *count)).collect();
    assert!(found.len() > 2);
    assert_eq!(found, scenario.truth.recent_denials);
}

#[test]
fn approval_delay_p95_by_environment() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let text = documented("How long do approvals take");
    let asked = ask(&text);
    let seconds =
        |values: &[i64], percent| Value::Duration(i128::from(percentile(values, percent)) * 1_000_000_000);
    let truth: Vec<Vec<Value>> = scenario
        .truth
        .delays
        .iter()
        .map(|(environment, delays)| {
            let mut row = vec![Value::Text(environment.clone())];
            row.extend([50, 95, 100].map(|percent| seconds(delays, percent)));
            row
        })
        .collect();
    assert_eq!(truth.len(), 2);
    assert_eq!(asked.rows(snapshot), truth);
}

#[test]
fn deployments_per_environment_and_week_with_failures_and_rollbacks() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let text = documented("How many deployments were there per environment and week");
    let asked = ask(&text);
    let mut found: BTreeMap<(String, String), (u64, u64, u64)> = BTreeMap::new();
    for row in asked.texts(snapshot) {
        let counts = found.entry((row[0].clone(), row[1].clone())).or_default();
        let count = match row[2].as_str() {
            "deployment" => &mut counts.0,
            "deployment.failed" => &mut counts.1,
            _ => &mut counts.2,
        };
        *count = row[3].parse().unwrap();
    }
    assert!(found.len() > 10 && found.values().any(|counts| counts.2 > 0));
    assert_eq!(found, scenario.truth.weeks);
}

#[test]
fn a_sample_of_twenty_five_agent_changes_of_ninety_days_can_be_drawn_again() {
    let Fixture { scenario, snapshot, .. } = fixture();
    let truth = telling(&scenario.truth.agent_changes);
    let text = documented("Twenty-five changes by agents");
    let (changes, _) = text.split_once(" | sample").unwrap();
    assert_eq!(ask(&format!("{changes} | fields id")).set(snapshot), *truth);
    let draw =
        |seed: u64| ask(&(text.replace("seed 7", &format!("seed {seed}")) + " | fields id")).firsts(snapshot);
    let sample = draw(7);
    assert_eq!(sample.len(), 25);
    assert!(truth.len() > 50 && sample.iter().all(|id| truth.contains(id)));
    assert_eq!(draw(7), sample);
    assert_ne!(draw(8), sample);
}
