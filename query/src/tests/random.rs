//! Random queries over random stores: what the executor says is what the naive reading of the language says, and of all
//! records disclosed it says the same.

use super::naive::{self, Event};
use super::{Sample, now};
use crate::controls::NoControls;
use crate::{Options, Query, Row, Value, Vocabulary};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

const SCALARS: [&str; 9] = ["1", "2.5", "\"a\"", "\"ab\"", "true", "null", "-3", "\"1\"", "\"ok\""];

fn value(random: &mut Random) -> String {
    match random.below(10) {
        0 => format!("[{},{}]", random.pick(&SCALARS), random.pick(&SCALARS)),
        1 => format!("{{\"y\":{}}}", random.pick(&SCALARS)),
        2 => format!("[{{\"y\":{}}},[{}]]", random.pick(&SCALARS), random.pick(&SCALARS)),
        3 => "[]".to_owned(),
        _ => random.pick(&SCALARS).to_owned(),
    }
}

fn event(random: &mut Random, index: usize) -> String {
    let mut members = vec![format!("\"event_id\":\"e{index}\"")];
    if random.below(8) > 0 {
        // Out of order by up to an hour, often at the same time.
        let minute = index as u64 / 3 * 10 + random.below(4) * 20;
        members.push(format!(
            "\"ts\":\"2026-04-0{}T{:02}:{:02}:00Z\"",
            1 + minute / 1440,
            minute / 60 % 24,
            minute % 60
        ));
    } else if random.below(2) == 0 {
        members.push("\"ts\":\"soon\"".to_owned());
    }
    if random.below(6) > 0 {
        members.push(format!("\"run_id\":\"r{}\"", random.below(4)));
    } else if random.below(2) == 0 {
        members.push(format!("\"run_id\":{}", value(random)));
    }
    if random.below(3) > 0 {
        members.push(format!("\"agent_id\":\"a{}\"", random.below(3)));
    }
    members
        .push(format!("\"kind\":\"{}\"", random.pick(&["deploy.start", "deploy.end", "approval", "note"])));
    if random.below(2) == 0 {
        members.push(format!("\"status\":{}", value(random)));
    }
    if random.below(3) == 0 {
        members.push(format!("\"policy\":{{\"decision\":\"{}\"}}", random.pick(&["ALLOW", "DENY"])));
    }
    if random.below(2) == 0 {
        members.push(format!("\"x\":{}", value(random)));
    }
    format!("{{{}}}", members.join(","))
}

const FIELDS: [&str; 8] = ["run", "agent", "kind", "status", "decision", "x", "x.y", "seq"];

fn condition(random: &mut Random, depth: u64) -> String {
    let field = random.pick(&FIELDS[..7]);
    match random.below(if depth > 2 { 12 } else { 16 }) {
        0 => format!("run = r{}", random.below(4)),
        1 => format!("kind = {}", random.pick(&["deploy*", "approval", "*end", "note"])),
        2 => format!("{field} = {}", random.pick(&["1", "a*", "\"1\"", "true", "null", "ok", "r1", "2.50"])),
        3 => format!("{field} != {}", random.pick(&["1", "a", "null", "r2", "DENY"])),
        4 => format!("{field} in (1, a, {})", random.pick(&["r1", "null", "ok", "\"true\""])),
        5 => format!("x {} {}", random.pick(&["<", "<=", ">", ">="]), random.pick(&["1", "2.5", "0", "-3"])),
        6 => format!("exists({field})"),
        7 => format!("unreadable({field})"),
        8 => format!("{field} ~ \"{}\"", random.pick(&["^a", "[0-9]", "o", "r(1|2)$"])),
        9 => format!("seq {} {}", random.pick(&["<", "<=", ">", ">="]), random.below(60)),
        10 => random
            .pick(&[
                "since 2026-04-01T05:00",
                "until 2026-04-01",
                "between 2026-04-01T03:00 and 2026-04-01T09:00:00Z",
                "during 2026-04-01",
                "ts in (2026-04-01T00:20:00Z, \"2026-04-01T00:10:00Z\", \"2026-04-01\")",
                "ts != 2026-04-01",
                "ts > 2026-04-01T04:00",
                "received since 1h",
                "since 210h",
            ])
            .to_owned(),
        11 => random.pick(&["deploy", "ALLOW", "\"a\\\"\"", "approval"]).to_owned(),
        12 | 13 => format!("({} or {})", condition(random, depth + 1), condition(random, depth + 1)),
        14 => format!("not ({})", condition(random, depth + 1)),
        _ => format!("({} {})", condition(random, depth + 1), condition(random, depth + 1)),
    }
}

fn list(random: &mut Random, of: &[&str]) -> String {
    let (first, second) = (random.pick(of), random.pick(of));
    if first == second || random.below(2) == 0 { first.to_owned() } else { format!("{first}, {second}") }
}

fn stage(random: &mut Random) -> (String, bool) {
    let of_events = |text: String| (text, true);
    let within = |random: &mut Random| {
        random.pick(&[
            "",
            " within run",
            " within agent and 2h",
            " within 30m",
            " within run and agent",
            " within x",
        ])
    };
    match random.below(16) {
        0 => of_events(format!("where {}", condition(random, 1))),
        1 => of_events(format!("sort {}{}", random.pick(&FIELDS), random.pick(&["", " desc"]))),
        2 => of_events(format!("limit {}", random.below(12))),
        3 => of_events(format!("tail {}", random.below(12))),
        4 => of_events(format!("first by {}", list(random, &FIELDS[..7]))),
        5 => of_events(format!("last by {}", list(random, &FIELDS[..7]))),
        6..=9 => {
            let unless = random.pick(&["", "unless "]);
            let side = random.pick(&["preceded", "followed"]);
            let filter = condition(random, 2);
            let strictly = random.pick(&["", " strictly"]);
            of_events(format!("{unless}{side} by ({filter}){}{strictly}", within(random)))
        }
        10 => {
            let columns = list(random, &FIELDS);
            let later = [
                "where x = 1 or x.y != a",
                "where x != 1",
                "where exists(x) x > 1",
                "where x ~ \"[0-9]\"",
                "count by x",
                "sort x desc, x.y",
                "stats max(x), sum(x), distinct(x.y), p50(x) by x.y",
                "fields x.y, x",
            ];
            match random.below(2) {
                0 => (format!("fields {columns}"), false),
                _ => (format!("fields x, x.y | {}", random.pick(&later)), false),
            }
        }
        11 => (format!("count by {}", list(random, &FIELDS[..7])), false),
        12 => ("count".to_owned(), false),
        13 => (format!("distinct {}", list(random, &FIELDS[..7])), false),
        14 => {
            let span = format!("bin(ts, {})", random.pick(&["1h", "7d"]));
            let then = random.pick(&["where count > 1", "sort SPAN desc", "count by SPAN"]);
            (format!("count by {span}, kind | {}", then.replace("SPAN", &span)), false)
        }
        _ => {
            let by = list(random, &["kind", "run", "agent"]);
            let of = random.pick(&["x", "seq", "x.y", "ts", "status"]);
            (
                format!(
                    "stats count(), min({of}), max({of}), sum(x), p50(x), p95(seq), distinct({of}) by {by}"
                ),
                false,
            )
        }
    }
}

fn query(random: &mut Random) -> String {
    let mut text = match random.below(5) {
        0 => format!("timeline {} {}", random.pick(&["run", "agent"]), random.pick(&["r1", "a1", "r*"])),
        1 => format!("seq {}..{}", random.below(20), 20 + random.below(40)),
        _ => String::new(),
    };
    for _ in 0..random.below(3) {
        text += &format!(" {}", condition(random, 0));
    }
    let mut is_events = true;
    for _ in 0..random.below(4) {
        if is_events {
            let (stage, still_events) = stage(random);
            text += &format!(" | {stage}");
            is_events = still_events;
        } else {
            text += &format!(" | limit {}", random.below(6));
        }
    }
    text
}

fn show(row: &Row) -> String {
    let seq = row.event().map(|event| format!("#{}", event.seq()));
    let values = row.values().iter().map(|value| match value {
        Value::Missing => "-".to_owned(),
        value => value.to_string(),
    });
    seq.into_iter().chain(values).collect::<Vec<_>>().join(" ")
}

/// Stores, and queries on each. Set to look harder; a failure tells its seed.
fn rounds() -> (u64, u64) {
    let number =
        |name: &str, usual| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    (number("INDELIBLE_QUERY_SEED", 0), number("INDELIBLE_QUERY_STORES", 12))
}

#[test]
fn the_executor_says_what_the_language_means() {
    let (seed, stores) = rounds();
    for seed in seed..seed + stores {
        let mut random = Random(seed);
        let count = random.below(60) as usize;
        let events: Vec<String> = (0..count).map(|index| event(&mut random, index)).collect();
        let len = 1 + random.below(40) as usize;
        let batches = events.chunks(len).map(|batch| batch.iter().map(String::as_str).collect());
        let sample = Sample::new(batches);
        let disclosed = sample.disclosed();
        let all: Vec<Event> = sample
            .snapshot
            .records(..)
            .map(|record| record.unwrap())
            .map(|record| Event {
                seq: record.seq,
                received: record.received_at.0,
                json: serde_json::from_slice(&record.body).unwrap(),
                text: String::from_utf8(record.body.clone()).unwrap(),
            })
            .collect();
        let own: Vec<Event> = all
            .iter()
            .filter(|event| !event.json["kind"].as_str().is_some_and(|kind| kind.starts_with("store.")))
            .cloned()
            .collect();
        for _ in 0..150 {
            let text = query(&mut random);
            let answer = sample.run(&text).unwrap_or_else(|error| panic!("seed {seed}: {text}\n{error}"));
            let found: Vec<String> = answer.map(|row| show(&row.unwrap())).collect();
            let (tree, problems) = crate::grammar::parse(&text);
            assert!(problems.is_empty(), "{text}");
            // Ranges of seqs show the log as it is; other queries the events of users.
            let visible = if text.starts_with("seq") && text.contains("..") { &all } else { &own };
            let expected: Vec<String> =
                naive::answer(&tree, visible, &own, now().0).iter().map(naive::Row::show).collect();
            assert_eq!(found, expected, "seed {seed}: {text}");
            let query = Query::parse(&text, &Vocabulary::of(&disclosed).unwrap()).unwrap();
            let answer = query.run(&disclosed, &Options::at(now())).unwrap();
            let of_disclosed: Vec<String> = answer.map(|row| show(&row.unwrap())).collect();
            assert_eq!(of_disclosed, found, "seed {seed}: {text}");
            // What the query's filters have no match for makes no difference.
            let filters = query.filters(&NoControls, &Options::at(now())).unwrap();
            let candidates = sample.disclosed_to(&filters);
            let answer = query.run(&candidates, &Options::at(now())).unwrap();
            let of_candidates: Vec<String> = answer.map(|row| show(&row.unwrap())).collect();
            assert_eq!(of_candidates, found, "seed {seed}: {text}");
        }
    }
}
