//! What parses, to what, and what is said of that which does not.

use crate::ast::Query;
use crate::error::Problems;

fn parse(text: &str) -> Result<Query, Problems> {
    let (query, problems) = super::parse(text);
    if problems.is_empty() { Ok(query) } else { Err(Problems::new(text, problems)) }
}

/// Queries in the spelling that they are printed in.
const CANONICAL: &[&str] = &[
    "",
    "timeline run run_8bce4",
    "timeline agent ops-agent-3 since 24h where decision = DENY",
    "control SOC2:CC6.1 during 2026-Q1",
    "control PCI-DSS:6.5.1 since 90d where actor.type = agent | fields ts, agent, kind, approval.approver",
    "kind = deployment and environment = production | unless preceded by (kind = approval.granted) within run",
    "since 30d decision = DENY | count by agent, rule | sort count desc | limit 10",
    "since 30d | stats sum(tokens.total), count() by work_item",
    "kind = model.invocation and model in (\"a\", \"b\") and latency_ms > 2000 and not exists(approval)",
    "rollback and kind = deploy* and between 2026-04-01 and 2026-04-15",
    "controls framework SOC2 since 1y",
    "control HIPAA:164.312(a)(1), x(in) where control in (a(b), c) and (a = b(c) or \"d(e)\")",
    "explain timeline run run_8bce4",
    "explain",
    "event evt_1, \"evt 2\", $third",
    "seq 10..20",
    "seq 10",
    "seq ..20 where x = 1",
    "seq 10..",
    "seq ..",
    "around 1000 ±5",
    "received since 24h received until 1h not received during 2026",
    "received > 2026-01-01",
    "a = 1 or (b = 2 and (c = 3 or not (d = 4 and e = 5)))",
    "not not a = 1",
    "tool.args[0].path ~ \"^/etc/(passwd|shadow)\\.bak$\"",
    "tool.args[].\"odd key\" = \"quote \\\" and \\\\ and \\n\"",
    ".status = ok",
    ".\"a b\".c != null",
    "unreadable(ts) or seq in (1, 2, $x)",
    "\"since\" and \"control\" and rollback and \"a b\" and $phrase",
    "approved_at - ts > 1h | fields approved_at - ts as delay, seq | sort delay desc, seq",
    "| stats count(), p95(approval.approved_at - ts) as slow, distinct(run) by bin(ts, 1h) as hour, environment | where p95(approval.approved_at - ts) > 1h | tail 3",
    "| count | where count > 3",
    "| sample 25 seed 7",
    "| distinct agent, model as m",
    "| first by run | last by agent, tool.name",
    "| followed by (kind = postmortem or \"post mortem\") within 7d and run strictly",
    "| unless followed by (kind = test.run)",
];

#[test]
fn canonical_queries_print_as_they_are_written() {
    for text in CANONICAL {
        let query = parse(text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(query.to_string(), *text);
    }
}

#[test]
fn other_spellings_mean_the_same() {
    for (other, canonical) in [
        ("a=1 b=2", "a = 1 and b = 2"),
        ("(a=1 and b=2) c=3", "a = 1 and b = 2 and c = 3"),
        ("a=1 or (b=2 or c=3)", "a = 1 or b = 2 or c = 3"),
        ("timeline run x decision = DENY", "timeline run x where decision = DENY"),
        ("timeline run x where a=1 or b=2", "timeline run x where (a = 1 or b = 2)"),
        ("a = 1 where b = 2 or c = 3", "a = 1 and (b = 2 or c = 3)"),
        ("around 5 +-3", "around 5 ±3"),
        ("around 5 ± 3", "around 5 ±3"),
        ("| sample 5", "| sample 5 seed 0"),
        ("\"rollback\" x", "rollback and x"),
        ("decision = DENY since 30d", "decision = DENY and since 30d"),
        ("x = 1 # the first\n# and the second\ny = 2", "x = 1 and y = 2"),
        (".a.b = 1", "a.b = 1"),
        ("event = x", "event = x"),
        ("rollback (a = 1 or b = 2)", "rollback and (a = 1 or b = 2)"),
        ("control in (a, b)", "control in (a, b)"),
        ("a = b (c)", "a = b and c"),
        ("a = b(c d)", "a = b and c and d"),
        ("a = b(c) (d)", "a = b(c) and d"),
        ("164.312(b)", "\"164.312(b)\""),
    ] {
        let query = parse(other).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(query.to_string(), canonical, "{other}");
        assert_eq!(parse(canonical).unwrap(), query, "{other}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let mut told = String::new();
    for text in [
        "kind =",
        "kind = | count",
        "kind == deploy",
        "kind <> deploy",
        "kind = (a, b)",
        "kind in a",
        "kind in (a b)",
        "kind in ()",
        "a = 1 and",
        "a = 1 AND b = 2",
        "(a = 1 or b = 2",
        "a = 1)",
        "not",
        "exists kind or in",
        "exists()",
        "exsts(run)",
        "exists(sum(x))",
        "x ~ abc",
        "deploy*",
        "since",
        "since = 3",
        "between 2026-01-01",
        "between 2026-01-01 and",
        "during | count",
        "timeline",
        "timeline run",
        "control",
        "controls framework",
        "event",
        "seq 5..3",
        "seq 3 .. 5",
        "seq 3.. 5",
        "seq 3 ..5",
        "seq five",
        "timeline run x and a = 1",
        "around 5",
        "around 5 3",
        "a..b = 1",
        "a[x] = 1",
        "5 = 5",
        "kind 'deploy'",
        "kind = \"deploy",
        "kind = \"a\\d\"",
        "a ! b",
        "a = $",
        "| ",
        "a = 1 | | count",
        "| srot x",
        "| frobnicate",
        "| sort x asc",
        "| sort x DESC",
        "| sort x y",
        "| limit",
        "| limit -5",
        "| limit many",
        "| fields",
        "| fields a,",
        "| fields a as",
        "| fields a as 5x",
        "| count agent",
        "| stats",
        "| stats sum()",
        "| stats summ(x)",
        "| stats frob(x)",
        "| stats count(x)",
        "| stats sum(x) by",
        "| first run",
        "| sample",
        "| sample 5 seed x",
        "| unless",
        "| unless followed (a = 1)",
        "| preceded by a = 1",
        "| preceded by (a = 1) within",
        "| preceded by (a = 1) within run within 7d",
        "| preceded by (a = 1) strictly within run",
        "| preceded by (a = 1) run",
        "| where",
        "a = | srot x | limit many",
        "not not not a = 1",
        "a = 1\n  and b =\n  and c = 2",
    ] {
        let problems = parse(text).expect_err(text);
        told += &format!("{problems}\n\n");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn deep_nesting_is_refused_and_nothing_panics() {
    assert!(parse(&"(".repeat(1_000)).is_err());
    assert!(parse(&"not ".repeat(10_000)).is_err());
    assert!(parse(&format!("{}a = 1{}", "(".repeat(40), ")".repeat(40))).is_ok());
}
