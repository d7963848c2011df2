//! Makes the events that the benchmarks run on: evidence records as agents write them, the same from the same seed.
//!
//! What matters of them to a store is alike to what we see of real ones: about 620 bytes of JSON; a few large runs
//! and many small ones, interleaved; fields of few values (`kind`, `environment`) beside fields that are new in
//! each event (`event_id`, digests); times that go up.

use std::fmt::Write;

/// SplitMix64: small, fast, and good enough to choose among words.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Small numbers often, large ones rarely.
    fn skewed(&mut self, end: usize) -> usize {
        let (one, other) = (self.below(end), self.below(end));
        one * other / end.max(1)
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len())).copied().unwrap_or_default()
    }

    fn digest(&mut self) -> Digest {
        Digest([self.next(), self.next(), self.next(), self.next()])
    }
}

/// Printed as the digests in policy and tool calls are.
struct Digest([u64; 4]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

const AGENTS: usize = 200;
const KINDS: [&str; 8] = [
    "tool.call",
    "tool.result",
    "policy.evaluated",
    "approval.granted",
    "deployment.started",
    "deployment.finished",
    "model.completion",
    "access.requested",
];
const RULES: [&str; 10] = [
    "prod-deploy-needs-approval",
    "no-secrets-in-logs",
    "pii-export-blocked",
    "change-window",
    "allow-read-only",
    "least-privilege-shell",
    "model-allow-list",
    "spend-limit",
    "customer-data-region",
    "default-allow",
];
const TOOLS: [&str; 8] = [
    "kubectl.apply",
    "git.push",
    "terraform.plan",
    "sql.query",
    "http.get",
    "shell.exec",
    "file.write",
    "ticket.update",
];
/// The controls that events name, as they write them.
pub const CONTROLS: [&str; 12] = [
    "SOC2-CC6.1",
    "SOC2-CC7.2",
    "SOC2-CC8.1",
    "ISO27001-A.8.9",
    "ISO27001-A.8.15",
    "ISO27001-A.8.32",
    "NIST-AU-2",
    "NIST-AU-10",
    "NIST-CM-3",
    "EUAIA-Art.12",
    "EUAIA-Art.14",
    "PCI-10.2.1",
];
const ENVIRONMENTS: [&str; 4] = ["production", "staging", "development", "sandbox"];
const MODELS: [&str; 5] =
    ["large-2026-01", "large-2026-03", "medium-2026-03", "small-2025-11", "code-2026-02"];

/// How many runs are under way at once, for one fleet of agents.
const RUNS_OPEN: usize = 48;
/// How many events a year one fleet makes.
const FLEET_COUNT: usize = 1_000_000;
/// Most events of one run.
const RUN_COUNT_MAX: usize = 20_000;
/// 2026-04-01T00:00:00Z in milliseconds.
const START_MS: u64 = 1_775_001_600_000;

#[derive(Debug, Clone)]
struct Run {
    id: u64,
    tenant: usize,
    agent: usize,
    left: usize,
}

/// The events, one after another, without end.
#[derive(Debug, Clone)]
pub struct Events {
    random: Random,
    runs: Vec<Run>,
    agent_count: usize,
    now_ms: u64,
    /// The next event comes less than this much later.
    step_ms: usize,
}

impl Events {
    /// The events of `seed`.
    pub fn new(seed: u64) -> Self {
        Events::of_fleets(seed, 1)
    }

    /// The same, spread so that `count` events take about so many days. Whoever has more events in as many days has more
    /// agents, and more of their runs under way at once: as many fleets as there are millions.
    pub fn spread(seed: u64, count: usize, days: usize) -> Self {
        let step_ms = 2 * days * 86_400_000 / count.max(1);
        Events { step_ms, ..Events::of_fleets(seed, count.div_ceil(FLEET_COUNT).max(1)) }
    }

    fn of_fleets(seed: u64, fleets: usize) -> Self {
        let (mut random, agent_count) = (Random(seed), AGENTS * fleets);
        let runs = (0..RUNS_OPEN * fleets).map(|_| Events::run(&mut random, agent_count)).collect();
        Events { random, runs, agent_count, now_ms: START_MS, step_ms: 40 }
    }

    /// The first `count` events of `seed`.
    pub fn list(seed: u64, count: usize) -> Vec<Vec<u8>> {
        Events::new(seed).take(count).collect()
    }

    /// A run; one of length n or more is n times rarer than one of length 1.
    fn run(random: &mut Random, agent_count: usize) -> Run {
        let left = (RUN_COUNT_MAX / (1 + random.below(RUN_COUNT_MAX))).max(1);
        Run { id: random.next(), tenant: random.skewed(12), agent: random.skewed(agent_count), left }
    }

    /// The run of the next event.
    fn next_run(&mut self) -> Run {
        let index = self.random.below(self.runs.len());
        let Some(slot) = self.runs.get_mut(index) else {
            return Events::run(&mut self.random, self.agent_count);
        };
        let run = slot.clone();
        slot.left -= 1;
        if slot.left == 0 {
            *slot = Events::run(&mut self.random, self.agent_count);
        }
        run
    }
}

impl Iterator for Events {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let run = self.next_run();
        self.now_ms += self.random.below(self.step_ms) as u64;
        let mut text = String::with_capacity(800);
        write_event(&mut text, &mut self.random, &run, self.now_ms).ok()?;
        Some(text.into_bytes())
    }
}

fn write_event(text: &mut String, random: &mut Random, run: &Run, now_ms: u64) -> std::fmt::Result {
    let (id, agent, run_id) = (random.next(), run.agent, run.id >> 24);
    write!(
        text,
        r#"{{"event_id":"evt_{id:016x}","run_id":"run_{run_id:010x}","tenant":"acme-{:02}""#,
        run.tenant
    )?;
    let by_person = random.below(10) == 0;
    if by_person {
        write!(text, r#","actor":{{"type":"user","id":"user-{:04}@acme.example"}}"#, random.skewed(4000))?;
    } else {
        write!(text, r#","actor":{{"type":"agent","id":"agent-{agent:03}"}}"#)?;
    }
    write!(text, r#","agent_id":"agent-{agent:03}","kind":"{}""#, random.pick(&KINDS))?;
    let decision = ["allow", "allow", "allow", "allow", "needs_approval", "deny"];
    let decision = random.pick(&decision);
    let rule = RULES[random.skewed(RULES.len())];
    // Policies change now and then: few snapshots, each in many events.
    let policy = Random(random.skewed(30) as u64).next();
    write!(
        text,
        r#","policy":{{"decision":"{decision}","matched_rule":"{rule}","policy_snapshot":"pol_{policy:016x}"}}"#
    )?;
    if decision == "needs_approval" {
        let approver = random.skewed(60);
        write!(
            text,
            r#","approval":{{"required":true,"approver":"user-{approver:04}@acme.example","approved_at":"{}"}}"#,
            Time(now_ms.saturating_sub(60_000))
        )?;
    }
    let (tool, service) = (random.pick(&TOOLS), random.skewed(400));
    write!(
        text,
        r#","dispatch":{{"tool":"{tool}","target":"svc-{service:03}","args_digest":"{}"}}"#,
        random.digest()
    )?;
    text.push_str(r#","controls":["#);
    for index in 0..1 + random.below(3) {
        let comma = if index == 0 { "" } else { "," };
        write!(text, r#"{comma}"{}""#, CONTROLS[(random.skewed(10) + index) % CONTROLS.len()])?;
    }
    let environment = ENVIRONMENTS[random.skewed(ENVIRONMENTS.len())];
    write!(text, r#"],"environment":"{environment}","model":"{}""#, random.pick(&MODELS))?;
    let (input, output) = (random.below(20_000), random.skewed(4_000));
    write!(
        text,
        r#","tokens":{{"input":{input},"output":{output}}},"latency_ms":{}"#,
        random.skewed(30_000)
    )?;
    write!(text, r#","ts":"{}"}}"#, Time(now_ms))
}

/// Milliseconds since 1970, printed as RFC 3339.
pub struct Time(pub u64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (s, ms) = (self.0 / 1000 % 86_400, self.0 % 1000);
        let (year, month, day) = civil(self.0 / 86_400_000);
        write!(f, "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z", s / 3600, s / 60 % 60, s % 60)
    }
}

/// The date of a day since 1970: years counted from March, so that the leap day comes last.
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use indelible_engine::source::{EventTime, Fields, Profile};

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_events() {
        assert_eq!(Events::list(7, 500), Events::list(7, 500));
        assert_ne!(Events::list(7, 5), Events::list(8, 5));
    }

    #[test]
    fn times_are_printed_as_they_are() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (START_MS + 3_661_007, "2026-04-01T01:01:01.007Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time(ms).to_string(), text);
        }
    }

    #[test]
    fn events_are_about_620_bytes() {
        let events = Events::list(1, 20_000);
        let mean = events.iter().map(Vec::len).sum::<usize>() / events.len();
        assert!((600..=650).contains(&mean), "{mean}");
    }

    #[test]
    fn the_default_profile_takes_every_event_and_finds_its_fields() {
        let profile = Profile::evidence();
        let mut fields = Fields::default();
        let mut last = None;
        for event in Events::new(2).take(2_000) {
            fields.clear();
            profile.extract(&event, &mut fields).unwrap();
            let EventTime::Known(time) = fields.time() else {
                panic!("no time in {}", String::from_utf8_lossy(&event))
            };
            assert!(last.is_none_or(|last| last <= time));
            last = Some(time);
            assert!(fields.event_id().is_some());
            assert!(fields.terms().count() >= 12);
            assert!(fields.unreadable().is_empty());
        }
    }

    #[test]
    fn a_few_runs_hold_many_events() {
        let mut counts = std::collections::HashMap::<Vec<u8>, usize>::new();
        for event in Events::new(3).take(20_000) {
            *counts.entry(event[34..60].to_vec()).or_default() += 1;
        }
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        assert!(counts.len() > 200, "{} runs", counts.len());
        assert!(counts[0] > 20 * counts[counts.len() / 2], "{:?}", &counts[..10]);
    }
}
