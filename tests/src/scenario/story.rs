//! What happens in one run, told as events and as truth.

use serde_json::{Value, json};

use super::draw::Draw;
use super::{DAY_S, NOW_S, START_S, Scenario, month, rfc3339, week};

/// Agents and their roles.
pub(super) const AGENTS: [(&str, &str); 5] = [
    ("builder-1", "coder"),
    ("builder-2", "coder"),
    ("critic-1", "reviewer"),
    ("ops-1", "operator"),
    ("ops-2", "operator"),
];
/// People.
pub(super) const PEOPLE: [&str; 4] = ["dana", "eli", "farah", "gus"];
const RULES: [&str; 3] = ["deny-prod-write", "deny-secrets", "deny-off-hours"];
const MODELS: [&str; 3] = ["m-large-4", "m-small-2", "m-code-1"];
const RESOURCES: [&str; 3] = ["db/payments", "bucket/logs", "repo/core"];

/// A run in the making.
pub(super) struct Story<'s> {
    pub(super) scenario: &'s mut Scenario,
    pub(super) run: String,
    pub(super) agent: &'static str,
    pub(super) role: &'static str,
    pub(super) environment: &'static str,
    pub(super) work_item: String,
    pub(super) at_s: i64,
    pub(super) count: u32,
}

impl Story<'_> {
    /// Appends an event of this run, `after_s` later than the one before; its id.
    fn event(&mut self, after_s: i64, kind: &str, layer: &str, more: Value) -> String {
        self.at_s += after_s;
        self.count += 1;
        let id = format!("{}-{:02}", self.run, self.count);
        let mut event = json!({
            "event_id": id, "ts": rfc3339(self.at_s), "run_id": self.run, "kind": kind, "layer": layer,
            "actor": {"type": "agent", "id": self.agent}, "role": self.role,
            "environment": self.environment, "work_item": self.work_item, "tenant": "acme",
            "policy": {"decision": "ALLOW", "matched_rule": "allow-default", "policy_snapshot": "pol-7"},
        });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        if event["actor"]["type"] == "user" {
            self.scenario.truth.without_agent.insert(id.clone());
        }
        let truth = &mut self.scenario.truth;
        truth.runs.entry(self.run.clone()).or_default().push((self.at_s, id.clone()));
        self.scenario.events.push(event.to_string());
        id
    }

    /// Tells the run from its request to its end.
    pub(super) fn tell(mut self, draw: &mut Draw) {
        let asker = draw.pick(&PEOPLE);
        self.event(0, "run.requested", "intent", json!({"actor": {"type": "user", "id": asker}}));
        self.think(draw);
        self.work(draw);
        if draw.one_in(3) {
            self.denied(draw);
        }
        if self.role == "operator" {
            self.deploy(draw);
        }
        if draw.one_in(4) {
            self.grant(draw);
        }
        if draw.one_in(5) {
            self.overrule(draw);
        }
        self.event(
            60,
            "run.finished",
            "intent",
            json!({"status": if draw.one_in(9) { "failed" } else { "ok" }}),
        );
    }

    /// Model calls, which cost.
    fn think(&mut self, draw: &mut Draw) {
        for _ in 0..1 + draw.below(3) {
            let model = draw.pick(&MODELS);
            let tokens = 100 + draw.below(9_000);
            let micros = 1 + draw.below(90_000);
            let by = draw.pick(&PEOPLE);
            let cost = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            let cost: Value = serde_json::from_str(&cost).unwrap_or_default();
            self.event(
                30,
                "model.invocation",
                "design",
                json!({
                    "model": model, "tokens": {"total": tokens}, "cost_usd": cost, "authorised_by": by,
                }),
            );
            let truth = &mut self.scenario.truth;
            for (what, key) in [
                ("work_item", &self.work_item),
                ("model", &model.to_owned()),
                ("role", &self.role.to_owned()),
            ] {
                let sums = truth.tokens_by.entry((what, key.clone())).or_default();
                *sums = (sums.0 + tokens, sums.1 + micros);
            }
            if self.environment == "production" && month(self.at_s) == "2026-04" {
                truth.april_models.entry(model.to_owned()).or_default().insert(by.to_owned());
            }
        }
    }

    /// Tool calls and code changes, with what goes wrong on the way.
    fn work(&mut self, draw: &mut Draw) {
        for _ in 0..draw.below(3) {
            let status = draw.pick(&["ok", "retry", "timeout"]);
            self.event(
                20,
                "tool.call",
                "code",
                json!({"status": status, "tool": {"name": "shell", "args": [{"path": "/srv/app"}]}}),
            );
            if status == "timeout" {
                self.event(
                    90,
                    "deadletter.moved",
                    "code",
                    json!({"dispatch": {"topic": "jobs", "job_id": "j1", "status": "dead"}}),
                );
            }
        }
        if self.role == "coder" {
            let controls =
                if draw.one_in(2) { vec!["pci dss 6.5.1", "SOC2:CC8.1"] } else { vec!["SOC2:CC8.1"] };
            let in_scope = controls.len() == 2;
            let id = self.event(
                45,
                "code.change",
                "code",
                json!({"controls": controls, "commit_sha": format!("{:012x}", draw.next() >> 16)}),
            );
            let truth = &mut self.scenario.truth;
            if in_scope && self.at_s < START_S + 90 * DAY_S {
                truth.pci_changes.insert(id.clone());
            }
            if self.at_s >= NOW_S - 90 * DAY_S {
                truth.agent_changes.insert(id);
            }
        }
    }

    fn denied(&mut self, draw: &mut Draw) {
        let rule = draw.pick(&RULES);
        let snapshot = format!("pol-{}", 5 + draw.below(3));
        let reason = format!("{rule} applies to {}", self.environment);
        let id = self.event(10, "tool.call", "code", json!({
            "status": "denied",
            "policy": {"decision": "DENY", "matched_rule": rule, "policy_snapshot": snapshot, "reason": reason},
        }));
        let truth = &mut self.scenario.truth;
        truth.denials.insert(id, (rule.to_owned(), snapshot, reason));
        if self.at_s >= NOW_S - 30 * DAY_S {
            *truth.recent_denials.entry((self.agent.to_owned(), rule.to_owned())).or_default() += 1;
        }
    }

    fn deploy(&mut self, draw: &mut Draw) {
        let approved = !draw.one_in(4);
        let approver = draw.pick(&PEOPLE);
        let delay_s = 60 + draw.below(7_200) as i64;
        if approved {
            self.event(15, "approval.requested", "deploy", json!({}));
            self.event(delay_s, "approval.granted", "deploy", json!({
                "actor": {"type": "user", "id": approver}, "approval": {"required": true, "approver": approver},
            }));
        }
        let deployed = draw.pick(&["billing-bot", "triage-bot", "search-bot"]);
        let number = draw.below(1_000_000);
        let id = self.event(
            30,
            "deployment",
            "deploy",
            json!({
                "deployment_id": format!("d-{number:06}"), "target_agent": deployed,
            }),
        );
        let week = week(self.at_s);
        let failed = draw.one_in(5);
        let environment = self.environment.to_owned();
        let truth = &mut self.scenario.truth;
        let counts = truth.weeks.entry((environment.clone(), week)).or_default();
        counts.0 += 1;
        truth.deployed_by.entry(deployed.to_owned()).or_default().insert(self.run.clone());
        if approved {
            truth.delays.entry(environment).or_default().push(delay_s);
        }
        if self.environment == "production" {
            if approved {
                truth.approvals.insert(id, (approver.to_owned(), delay_s, "pol-7".to_owned()));
            } else {
                truth.unapproved.insert(id);
            }
        }
        if failed {
            self.count_in_week(|counts| counts.1 += 1, 40, "deployment.failed");
            self.count_in_week(|counts| counts.2 += 1, 40, "deployment.rolled_back");
        }
    }

    fn count_in_week(&mut self, count: impl Fn(&mut (u64, u64, u64)), after_s: i64, kind: &str) {
        self.event(after_s, kind, "deploy", json!({"status": "failed"}));
        let key = (self.environment.to_owned(), week(self.at_s));
        count(self.scenario.truth.weeks.entry(key).or_default());
    }

    /// Access that someone grants to this run's agent.
    fn grant(&mut self, draw: &mut Draw) {
        let (resource, granter) = (draw.pick(&RESOURCES), draw.pick(&PEOPLE));
        let path = draw.pick(&["ticket", "break-glass", "standing"]);
        let at = self.at_s + 25;
        self.event(
            25,
            "access.granted",
            "deploy",
            json!({
                "actor": {"type": "user", "id": granter}, "grantee": self.agent, "resource": resource,
                "approval": {"required": true, "approver": granter, "path": path},
            }),
        );
        let key = (self.agent.to_owned(), resource.to_owned());
        let granted = (granter.to_owned(), rfc3339(at), path.to_owned());
        let known = self.scenario.truth.access.entry(key).or_insert_with(|| granted.clone());
        // The last grant is the one in force.
        if known.1 <= granted.1 {
            *known = granted;
        }
    }

    /// An emergency override, and perhaps a postmortem, early or late.
    fn overrule(&mut self, draw: &mut Draw) {
        self.work_item = format!("{}-O{}", self.work_item, self.run);
        let id = self.event(5, "override.emergency", "deploy", json!({"risk": "high", "reason": "incident"}));
        let after_s = match draw.below(3) {
            0 => None,
            1 => Some(2 * DAY_S + draw.below(4 * DAY_S as u64) as i64),
            _ => Some(7 * DAY_S + 3_600),
        };
        if after_s.is_none_or(|after_s| after_s > 7 * DAY_S) {
            self.scenario.truth.without_postmortem.insert(id);
        }
        if let Some(after_s) = after_s {
            let author = draw.pick(&PEOPLE);
            self.event(after_s, "postmortem", "intent", json!({"actor": {"type": "user", "id": author}}));
        }
    }
}
