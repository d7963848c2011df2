//! The same questions over real samples, where those have such evidence. The answers are a snapshot that was checked by
//! hand against the files.

use std::path::Path;

use indelible::source::{Profile, shipped};
use indelible::{Masking, OnDuplicate, Options, Store};

use super::ask;

/// Sample files, and the profiles by which they are read.
const SAMPLES: [(&str, &str); 6] = [
    ("evidence.jsonl", "evidence"),
    ("claude-code.jsonl", "claude-code"),
    ("codex.jsonl", "codex"),
    ("cloudtrail.jsonl", "cloudtrail"),
    ("cloudtrail-records.json", "cloudtrail"),
    ("kubernetes.jsonl", "kubernetes-audit"),
];

/// What is asked: why, and the query.
pub(crate) const QUESTIONS: [(&str, &str); 23] = [
    ("which run deployed this", "kind = deployment and deployment = dep_19 | distinct run"),
    ("why was this denied", "event ev_0011 | fields decision, rule, policy, reason"),
    (
        "who approved it, when, how long did it wait, under which policy",
        "kind = deployment and environment = production
         | preceded by (decision = REQUIRE_APPROVAL) within run
         | fields id, approver, approval.approved_at, approval.approved_at - other.ts as waited, policy",
    ),
    (
        "production deployments without approval",
        "kind = deployment and environment = production
         | unless preceded by (kind = approval.granted) within run",
    ),
    ("the whole run", "timeline run run_8bce4 | fields id, ts, kind, status"),
    (
        "approval delay by environment",
        "kind = deployment | preceded by (decision = REQUIRE_APPROVAL) within run
         | stats p95(other.delay) as p95, count() by environment",
    ),
    (
        "deployments per environment and week",
        "kind = deployment | stats count() by environment, bin(ts, 7d) as week, status",
    ),
    (
        "overrides with no postmortem",
        "kind = override.* | unless followed by (kind = postmortem) within 7d | count",
    ),
    (
        "models used in April, and who approved what their run did",
        "kind = model.invocation during 2026-04 | followed by (kind = approval.granted) within run
         | fields model, run, other.id, other.approver",
    ),
    ("a sample of what agents did", "exists(agent) and source = 1 | sample 4 seed 11 | fields id, kind"),
    ("changes in scope of a control", "control PCI-DSS:6.5.1 during 2026-Q2 | fields id, kind"),
    ("events with no run, of agents", "exists(agent) and not exists(run) | count"),
    ("decisions under no policy", "exists(decision) and not exists(policy) | count by decision, rule"),
    ("denials by agent and rule", "decision = DENY | count by agent, rule"),
    (
        "tokens by model, of the default records",
        "kind = model.invocation | stats sum(tokens.total), count() by model",
    ),
    (
        "what an agent's session used",
        "exists(model) and source != 1 | stats count(), min(ts), max(ts) by model",
    ),
    (
        "what the cloud refused",
        "status in (AccessDenied, \"Client.UnauthorizedOperation\") | count by actor, kind",
    ),
    ("who touched a secret", "kind = *Secret* | fields ts, kind, actor"),
    (
        "logins without a second factor",
        "kind = ConsoleLogin and additionalEventData.MFAUsed = No | fields ts, actor, address",
    ),
    (
        "refused with nothing allowed to the same actor within a minute before",
        "source != 1 and status = 403 | unless preceded by (status = 200) within actor and 1m | count by actor, resource",
    ),
    ("what the cluster refused", "status = 403 | count by actor, kind, resource"),
    ("tools that an agent used", "kind = assistant and exists(tool) | count by tool"),
    ("events per day and source", "| count by day, source | sort count desc | limit 5"),
];

/// A store of all samples in this directory, a segment for each file.
pub(crate) fn store(dir: &Path) -> Store {
    let store = Store::create(dir.join("store"), Options::new("acme.example/samples")).unwrap();
    for (file, profile) in SAMPLES {
        let path = format!("{}/../examples/data/{file}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let text = shipped().iter().find(|shipped| shipped.name == profile).unwrap().text;
        let source = store.source(&Profile::parse(text).unwrap()).unwrap();
        let mut events = Vec::new();
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let parts =
                if source.profile().splits() { source.profile().split(line).unwrap() } else { vec![line] };
            for event in parts {
                events.push(store.prepare(&source, event.to_vec(), &Masking::default()).unwrap());
            }
        }
        store.commit(events, OnDuplicate::Keep).unwrap();
        store.seal().unwrap();
    }
    store
}

#[test]
fn real_evidence_answers() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let snapshot = store.snapshot().unwrap();
    let mut told = String::new();
    for (why, text) in QUESTIONS {
        told += &format!("# {why}\n{text}\n");
        for row in ask(text).texts(&snapshot) {
            told += &format!("    {}\n", row.join(" | "));
        }
        told.push('\n');
    }
    insta::assert_snapshot!("samples", told);
}
