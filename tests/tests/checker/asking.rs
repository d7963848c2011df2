//! Questions drawn at random, and the events to put them to: values that are hard to read, times that are missing or out of
//! order, fields of several kinds.

use super::Draw;

/// What events are read by beside the profile that every store has: it has fields of every kind.
pub(super) const PROFILE: &str = r#"
name = "jobs"
version = "1"
[[field]]
name = "job"
kind = "id"
paths = ["job", "event_id"]
[[field]]
name = "at"
kind = "time"
forms = ["rfc3339", "epoch_ms"]
paths = ["at", "ts"]
[[field]]
name = "kind"
paths = ["kind"]
[[field]]
name = "run"
paths = ["run_id", "run"]
[[field]]
name = "took"
kind = "number"
paths = ["took_ms", "x"]
[[field]]
name = "control"
kind = "control"
paths = ["controls[]", "control"]
all = true
[[field]]
name = "hidden"
private = true
paths = ["status"]
"#;

const SCALARS: [&str; 24] = [
    "1",
    "2.50",
    "\"a\"",
    "\"ab\"",
    "true",
    "null",
    "-3",
    "\"1\"",
    "\"ok\"",
    "1e2",
    "-0",
    "0.1",
    "100.00000000000000000001",
    "\"2026-04-01T06:00:00Z\"",
    "\"2026-04-01T08:00:00+02:00\"",
    "\"é\\u00e9\\n\"",
    "\"a\\\"b\"",
    "\"\"",
    "false",
    "123456789012345678901234567890",
    "1e600",
    "-1e99999999999999999999",
    "1e-600",
    "\"deploy\"",
];

fn pick<'w>(draw: &mut Draw, words: &[&'w str]) -> &'w str {
    words[draw.below(words.len())]
}

fn value(draw: &mut Draw) -> String {
    let one = |draw: &mut Draw| pick(draw, &SCALARS).to_owned();
    match draw.below(12) {
        0 => format!("[{},{}]", one(draw), one(draw)),
        1 => format!("{{\"y\":{}}}", one(draw)),
        2 => format!("[{{\"y\":{}}} , [{},\n {}]]", one(draw), one(draw), one(draw)),
        3 => "[]".to_owned(),
        4 => format!("{{\"y\" : [{},{}]}}", one(draw), one(draw)),
        _ => one(draw),
    }
}

/// An event; the numbers tell it from others.
pub(super) fn event(draw: &mut Draw, index: usize) -> String {
    let mut members = Vec::new();
    match draw.below(12) {
        0 => {}
        1 => members.push(format!("\"event_id\":{}", value(draw))),
        _ => members.push(format!("\"event_id\":\"e{index}\"")),
    }
    // Out of order by up to an hour, often at the same time.
    let minute = index / 3 * 10 + draw.below(4) * 20;
    match draw.below(10) {
        0 => {}
        1 => members.push(format!("\"ts\":{}", value(draw))),
        _ => members.push(format!(
            "\"ts\":\"2026-04-0{}T{:02}:{:02}:00Z\"",
            1 + minute / 1440,
            minute / 60 % 24,
            minute % 60
        )),
    }
    match draw.below(8) {
        0 => {}
        1 => members.push(format!("\"run_id\":{}", value(draw))),
        _ => members.push(format!("\"run_id\":\"r{}\"", draw.below(4))),
    }
    if draw.below(3) > 0 {
        members.push(format!("\"agent_id\":\"a{}\"", draw.below(3)));
    }
    members.push(format!(
        "\"kind\":\"{}\"",
        pick(draw, &["deploy.start", "deploy.end", "approval.granted", "note"])
    ));
    if draw.below(2) == 0 {
        members.push(format!("\"status\":{}", value(draw)));
    }
    if draw.below(3) == 0 {
        members.push(format!("\"policy\":{{\"decision\":\"{}\"}}", pick(draw, &["ALLOW", "DENY"])));
    }
    if draw.below(2) == 0 {
        members.push(format!("\"x\":{}", value(draw)));
    }
    if draw.below(3) == 0 {
        members.push(format!(
            "\"latency_ms\":{}",
            pick(draw, &["5", "2500", "0.5", "\"slow\"", "null", "[1,2000]"])
        ));
    }
    if draw.below(4) == 0 {
        let ids = [
            "\"SOC2:CC8.1\"",
            "\"soc2 cc8.1\"",
            "\"ACME:7\"",
            "\"pci dss 6.5.1\"",
            "\"HIPAA:164.312(b)\"",
            "-5",
            "null",
        ];
        members.push(format!("\"controls\":[{},{}]", pick(draw, &ids), pick(draw, &ids)));
    }
    let space = ["", " ", "\n"][draw.below(3)];
    format!("{{{}}}", members.join(&format!(",{space}")))
}

const FIELDS: [&str; 18] = [
    "run",
    "agent",
    "kind",
    "status",
    "decision",
    "x",
    "x.y",
    "latency_ms",
    "control",
    "label",
    "took",
    "hidden",
    "at",
    "source",
    "day",
    "x[0]",
    ".run",
    "job",
];
const BUILTIN: [&str; 6] = ["seq", "ts", "received", "id", "segment", "x"];
const WORDS: [&str; 22] = [
    "1",
    "a*",
    "\"1\"",
    "true",
    "null",
    "ok",
    "r1",
    "2.50",
    "-5",
    "100",
    "?",
    "\"a*\"",
    "deploy.*",
    "SOC2:CC8.1",
    "164.312(b)",
    "\"soc 2 cc8.1\"",
    "2026-04-01",
    "2s",
    "*",
    "1e2",
    "store.sealed",
    "0",
];

fn field<'w>(draw: &mut Draw) -> &'w str {
    pick(draw, &FIELDS)
}

fn condition(draw: &mut Draw, depth: usize) -> String {
    let name = field(draw);
    let order = ["<", "<=", ">", ">="][draw.below(4)];
    match draw.below(if depth > 2 { 18 } else { 23 }) {
        0 => format!("run = r{}", draw.below(4)),
        1 => format!("kind = {}", pick(draw, &["deploy*", "approval.granted", "*end", "note", "store.*"])),
        2 | 3 => format!("{name} = {}", pick(draw, &WORDS)),
        4 => format!("{name} != {}", pick(draw, &WORDS)),
        5 => format!("{name} in ({}, {})", pick(draw, &WORDS), pick(draw, &WORDS)),
        6 => format!(
            "{} {order} {}",
            pick(draw, &["x", "x.y", "took", "status"]),
            pick(draw, &["1", "2.5", "0", "-3", "1e2"])
        ),
        7 => format!("latency_ms {order} {}", pick(draw, &["2s", "5ms", "100", "1m", "0.0005s"])),
        8 => format!("exists({name})"),
        9 => {
            format!("unreadable({})", pick(draw, &["ts", "id", "run", "x", "status", "received", "control"]))
        }
        10 => format!(
            "{name} ~ \"{}\"",
            pick(draw, &["^a", "[0-9]", "o", "r(1|2)$", "^\\d+(\\.5)?$", "(?i)DEPLOY|^OK", "é"])
        ),
        11 => format!("seq {order} {}", draw.below(60)),
        12 => pick(
            draw,
            &[
                "since 2026-04-01T05:00",
                "until 2026-04-01",
                "between 2026-04-01T03:00 and 2026-04-01T09:00:00Z",
                "during 2026-04-01",
                "ts > 2026-04-01T04:00",
                "ts <= 2026-04-01",
                "received since 1h",
                "since 210h",
                "day >= 2026-04-02",
                "during 2026-Q2",
                "received until now",
                "at < 2026-04-01T05:00:00Z",
                "x >= 2026-04-01",
                "ts = 2026-04-01",
                "ts in (2026-04-01T06:00:00Z, 2026-04-02)",
                "ts in (\"2026-04-01\", \"2026-04-01T01:00:00Z\")",
                "received = \"2026\"",
                "seq in (3, 5, 9)",
                "seq != 4",
            ],
        )
        .to_owned(),
        13 => pick(draw, &["deploy", "ALLOW", "\"a\\\"\"", "approval", "\"é\"", "run_id"]).to_owned(),
        14 => {
            format!("text ~ \"{}\"", pick(draw, &["(?i)ALLOW", "\\\"x\\\":\\s?[0-9]", "r1.*deploy", "^\\{"]))
        }
        15 => format!(
            "{} - {} {order} {}",
            pick(draw, &["ts", "x", "latency_ms", "at"]),
            pick(draw, &["ts", "x", "seq", "received"]),
            pick(draw, &["1h", "0", "90m", "-2"])
        ),
        16 => format!(
            "id {}",
            pick(draw, &["= e3", "in (e1, e2, \"e5\")", "= e1*", "!= e7", "~ \"1$\"", "= \"\""])
        ),
        17 => format!("bin(ts, 1h) = {}", pick(draw, &["2026-04-01T03:00:00Z", "2026-04-01"])),
        18 | 19 => format!("({} or {})", condition(draw, depth + 1), condition(draw, depth + 1)),
        20 => format!("not ({})", condition(draw, depth + 1)),
        _ => format!("({} {})", condition(draw, depth + 1), condition(draw, depth + 1)),
    }
}

/// One or two of these, none twice.
fn list(draw: &mut Draw, of: &[&str]) -> String {
    let (first, second) = (pick(draw, of), pick(draw, of));
    let is_same = first.trim_start_matches('.') == second.trim_start_matches('.');
    if is_same || draw.below(2) == 0 { first.to_owned() } else { format!("{first}, {second}") }
}

/// A stage, and whether its rows are events still.
fn stage(draw: &mut Draw) -> (String, bool) {
    let of_events = |text: String| (text, true);
    match draw.below(18) {
        0 => of_events(format!("where {}", condition(draw, 1))),
        1 => of_events(format!(
            "sort {}{}, {}",
            field(draw),
            ["", " desc"][draw.below(2)],
            pick(draw, &BUILTIN)
        )),
        2 => of_events(format!("limit {}", draw.below(12))),
        3 => of_events(format!("tail {}", draw.below(12))),
        4 => of_events(format!("first by {}", list(draw, &FIELDS))),
        5 => of_events(format!("last by {}", list(draw, &FIELDS))),
        6 => of_events(format!("sample {} seed {}", draw.below(9), draw.below(4))),
        7..=9 => {
            let within = [
                "",
                " within run",
                " within agent and 2h",
                " within 30m",
                " within run and agent",
                " within x",
                " within source",
                " within control",
                " within day and 1h",
                " within at",
            ];
            let (unless, side) = (["", "unless "][draw.below(2)], ["preceded", "followed"][draw.below(2)]);
            let (filter, within) = (condition(draw, 2), pick(draw, &within));
            of_events(format!("{unless}{side} by ({filter}){within}{}", ["", " strictly"][draw.below(2)]))
        }
        10 => {
            let columns = [
                "seq",
                "ts",
                "received",
                "id",
                "segment",
                "x",
                "x.y as y",
                "ts - received as late",
                "bin(ts, 7d)",
                "text",
                "status",
                "control",
                "label",
                "at",
                "took",
                "other.kind",
                "other.delay",
                "disputed",
            ];
            (format!("fields {}", list(draw, &columns[..15])), false)
        }
        11 => (format!("count by {}", list(draw, &FIELDS)), false),
        12 => {
            let of_table = [
                "count",
                "fields latency_ms | where latency_ms > 2s",
                "fields x, x.y as y, seq | where x in (1, a) or y != 2.50",
                "fields x, status | count by x, status",
                "fields x, x.y | stats max(x), min(x.y), sum(x), distinct(x), p50(x) by x.y",
                "distinct x | sort x desc",
                "fields x, seq | where x > 1 or x != 100 or x ~ \"^1e\"",
                "fields x as took_ms, latency_ms | where took_ms <= 1m or latency_ms = 5ms",
            ];
            (pick(draw, &of_table).to_owned(), false)
        }
        13 => (format!("distinct {}", list(draw, &FIELDS)), false),
        14 => {
            let span = format!("bin(ts, {})", pick(draw, &["1h", "7d", "1d"]));
            let later = [
                "where count > 1",
                "sort SPAN desc, kind",
                "where SPAN >= 2026-04-01T05:00",
                "fields SPAN, count",
                "stats sum(count), distinct(SPAN) by SPAN",
            ];
            (format!("count by {span}, kind | {}", pick(draw, &later).replace("SPAN", &span)), false)
        }
        15 => (
            format!(
                "stats sum({0}), avg({0}), count() as n | where n >= 0",
                pick(draw, &["x", "latency_ms", "ts - received", "took"])
            ),
            false,
        ),
        _ => {
            let by = list(draw, &["kind", "run", "agent", "control", "status"]);
            let of = pick(draw, &["x", "seq", "x.y", "ts", "status", "took", "ts - at"]);
            let said = format!(
                "stats count(), min({of}), max({of}), sum(x), p50(x), p95(seq), p99({of}), distinct({of}) as d, avg(latency_ms) by {by}"
            );
            (said + ["", " | sort d desc", " | sort count() desc | limit 3"][draw.below(3)], false)
        }
    }
}

/// A query: often one that makes sense.
pub(super) fn query(draw: &mut Draw, controls: bool) -> String {
    let mut is_events = true;
    let mut text = match draw.below(if controls { 9 } else { 6 }) {
        0 => format!(
            "timeline {} {}",
            pick(draw, &["run", "agent", "kind", "control"]),
            pick(draw, &["r1", "a1", "r*", "note", "store.sealed", "\"soc2 cc8.1\""])
        ),
        1 => format!("seq {}..{}", draw.below(20), 20 + draw.below(40)),
        2 => format!(
            "{} {}",
            pick(draw, &["around 12 ±3", "event e1, e5", "event e7", "seq 3", "around 2 +- 5"]),
            ["", "where"][0]
        ),
        6 | 7 => {
            let ids = [
                "SOC2:CC8.1",
                "soc2:cc8.*",
                "HIPAA:164.312(b)",
                "ACME:7",
                "PCI-DSS:6.5",
                "\"soc 2 cc8.1\", ACME:7",
                "EU-AI-ACT:12",
                "SOC2:CC7",
            ];
            format!("control {}", pick(draw, &ids))
        }
        8 => {
            is_events = false;
            format!(
                "controls{}",
                pick(draw, &["", " framework SOC2", " framework \"pci dss\"", " framework eu-ai-act"])
            )
        }
        _ => String::new(),
    };
    let is_coverage = !is_events;
    for _ in 0..draw.below(3) {
        text += &format!(" {}", condition(draw, 0));
    }
    if is_coverage && draw.below(2) == 0 {
        text += pick(
            draw,
            &[
                " | where events > 0 | fields control, events, last",
                " | sort runs desc, control | limit 4",
                " | count",
            ],
        );
    }
    for _ in 0..draw.below(4) {
        if is_events {
            let (stage, still_events) = stage(draw);
            text += &format!(" | {stage}");
            is_events = still_events;
        } else {
            text += &format!(" | limit {}", draw.below(30));
        }
    }
    text
}
