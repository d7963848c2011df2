//! Evidence of an invented company whose truth is known: what happened is drawn first, by a seed, and told twice, as
//! events and as the answers that an auditor should get.
//!
//! The agents of *Acme* build, review, deploy and now and then overrule a gate. Some production deployments have no
//! approval, some overrides no postmortem, some events lack what they should name. Nothing here knows the query language.

mod draw;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use self::draw::Draw;
use self::story::{AGENTS, PEOPLE, Story};

/// Events, in the order in which they are appended, and what is true of them.
#[derive(Debug, Default)]
pub struct Scenario {
    /// JSON texts.
    pub events: Vec<String>,
    /// What an auditor should be told.
    pub truth: Truth,
}

/// The answers.
#[derive(Debug, Default)]
pub struct Truth {
    /// For each deployed agent, the runs that deployed it.
    pub deployed_by: BTreeMap<String, BTreeSet<String>>,
    /// For each (agent, resource): who granted access, when, and by which path.
    pub access: BTreeMap<(String, String), (String, String, String)>,
    /// For each denied event: rule, policy snapshot, reason.
    pub denials: BTreeMap<String, (String, String, String)>,
    /// For each approved production deployment: approver, delay in seconds, policy snapshot.
    pub approvals: BTreeMap<String, (String, i64, String)>,
    /// Production deployments with no approval before them in their run.
    pub unapproved: BTreeSet<String>,
    /// Emergency overrides with no postmortem of their work item within seven days.
    pub without_postmortem: BTreeSet<String>,
    /// Changes in scope of PCI-DSS:6.5.1 in the first quarter.
    pub pci_changes: BTreeSet<String>,
    /// Events that name no run, no agent, no policy snapshot.
    pub without_run: BTreeSet<String>,
    /// See above.
    pub without_agent: BTreeSet<String>,
    /// Decisions that name no policy snapshot.
    pub without_policy: BTreeSet<String>,
    /// All events of each run, by event time.
    pub runs: BTreeMap<String, Vec<(i64, String)>>,
    /// Tokens, and cost in millionths, by work item, by model and by the agent's role.
    pub tokens_by: BTreeMap<(&'static str, String), (u64, u64)>,
    /// The models that ran in production in April, and who authorised each.
    pub april_models: BTreeMap<String, BTreeSet<String>>,
    /// Denials of the last 30 days, by agent and rule.
    pub recent_denials: BTreeMap<(String, String), u64>,
    /// By environment, all approval delays in seconds.
    pub delays: BTreeMap<String, Vec<i64>>,
    /// By (environment, first day of the week): deployments, failures, rollbacks.
    pub weeks: BTreeMap<(String, String), (u64, u64, u64)>,
    /// All changes that an agent made in the 90 days before the end.
    pub agent_changes: BTreeSet<String>,
}

/// The end of the invented time: 2026-05-01T00:00:00Z, in seconds. What "since" counts from.
pub const NOW_S: i64 = 1_777_593_600;
/// Its beginning: 2026-01-01T00:00:00Z.
const START_S: i64 = 1_767_225_600;
const DAY_S: i64 = 86_400;

impl Scenario {
    /// The scenario of a seed, with this many runs. Events are appended a little out of the order of their times.
    pub fn new(seed: u64, run_count: u32) -> Scenario {
        let mut draw = Draw(seed);
        let mut scenario = Scenario::default();
        for number in 0..run_count {
            let (agent, role) = AGENTS[draw.below(AGENTS.len() as u64) as usize];
            let at_s = START_S + draw.below((NOW_S - START_S - 9 * DAY_S) as u64) as i64;
            let environment = if draw.one_in(2) { "production" } else { "staging" };
            let work_item = format!("W-{}", 100 + number / 2);
            let run = format!("run_{number:04}");
            let story =
                Story { scenario: &mut scenario, run, agent, role, environment, work_item, at_s, count: 0 };
            story.tell(&mut draw);
        }
        scenario.strays(&mut draw);
        // Records come in by batches, each shuffled a little, as several writers would have it.
        for at in (0..scenario.events.len().saturating_sub(3)).step_by(3) {
            if draw.one_in(2) {
                scenario.events.swap(at, at + 2);
            }
        }
        for events in scenario.truth.runs.values_mut() {
            events.sort();
        }
        scenario
    }

    /// Events that lack what they should name.
    fn strays(&mut self, draw: &mut Draw) {
        for number in 0..6 {
            let id = format!("stray-{number}");
            let at_s = START_S + draw.below(100 * DAY_S as u64) as i64;
            let mut event = json!({
                "event_id": id, "ts": rfc3339(at_s), "kind": "tool.call", "status": "ok",
                "actor": {"type": "agent", "id": "ops-1"}, "run_id": "run_stray",
                "policy": {"decision": "ALLOW", "matched_rule": "allow-tools", "policy_snapshot": "pol-9"},
            });
            match number % 3 {
                0 => {
                    event.as_object_mut().map(|event| event.remove("run_id"));
                    self.truth.without_run.insert(id.clone());
                }
                1 => {
                    event["actor"] = json!({"type": "user", "id": draw.pick(&PEOPLE)});
                    self.truth.without_agent.insert(id.clone());
                }
                _ => {
                    event["policy"] = json!({"decision": "ALLOW", "matched_rule": "allow-tools"});
                    self.truth.without_policy.insert(id.clone());
                }
            }
            if number % 3 != 0 {
                self.truth.runs.entry("run_stray".to_owned()).or_default().push((at_s, id));
            }
            self.events.push(event.to_string());
        }
    }
}

/// A time as events have it.
pub fn rfc3339(at_s: i64) -> String {
    indelible_engine::Timestamp(at_s * 1_000_000_000).to_string()
}

fn month(at_s: i64) -> String {
    rfc3339(at_s).chars().take(7).collect()
}

/// The first instant of the week that holds a time; weeks begin on Mondays, and 1970 began on a Thursday.
fn week(at_s: i64) -> String {
    rfc3339((at_s - 4 * DAY_S).div_euclid(7 * DAY_S) * 7 * DAY_S + 4 * DAY_S)
}

/// The value that this many percent of the values do not pass: the smallest with at least that share at or below it.
pub fn percentile(values: &[i64], percent: usize) -> i64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}
