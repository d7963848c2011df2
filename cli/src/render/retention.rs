//! Plans and the state of retention, for people and for machines.

use std::collections::BTreeMap;

use indelible::format::keys::KeyRevocation;
use indelible::format::retention::{
    Approved, Deleting, HoldRelease, Locked, Plan, PlannedMove, Reasoned, Tally, Terms,
};
use indelible::retention::{RuleStatus, State, Status};
use indelible::{Seq, Timestamp};
use serde_json::{Value, json};

use crate::approvals::AnyApproved;
use crate::exit::Outcome;
use crate::output::{self, Colour, Out, Table};

/// Shows what is to be approved.
pub(crate) fn matter(out: &mut Out, asked: &AnyApproved) -> Outcome<()> {
    match asked {
        AnyApproved::Plan(asked) => plan(out, asked),
        AnyApproved::HoldRelease(asked) => {
            let HoldRelease { by, hold, name, reason } = &asked.matter;
            let [by, name, reason] = [by, name, reason].map(|word| output::escape(word.as_bytes()));
            out.line(format_args!("releases   the hold {name} of record {hold}"))?;
            out.line(format_args!("asked by   {by}: {reason}"))
        }
        AnyApproved::KeyRevocation(asked) => {
            let KeyRevocation { key, reason, size } = &asked.matter;
            let [key, reason] = [key, reason].map(|word| output::escape(word.as_bytes()));
            out.line(format_args!("revokes    {key}"))?;
            out.line(format_args!("beyond     {}: {reason}", output::counted(*size, "record", "records")))
        }
        AnyApproved::OperatorSet(asked) => {
            out.line(format_args!("replaces   the operators of record {} by", asked.matter.replaces))?;
            for key in &asked.matter.keys {
                out.line(format_args!("           {}", output::escape(key.as_bytes())))?;
            }
            out.line(format_args!("of whom    {} approve what is deleted", asked.matter.threshold))
        }
    }
}

/// Shows a plan.
pub(crate) fn plan(out: &mut Out, plan: &Approved<Plan>) -> Outcome<()> {
    let (matter, statement) = (&plan.matter, &plan.statement);
    out.line(format_args!("as of      {}", statement.as_of))?;
    out.line(format_args!("good until {}", statement.expires))?;
    out.line(format_args!(
        "on         {}, root {}",
        output::counted(statement.tree_size, "record", "records"),
        statement.root
    ))?;
    out.line(format_args!("digest     {}", statement.digest))?;
    if !matter.reason.is_empty() {
        out.line(format_args!("reason     {}", output::escape(matter.reason.as_bytes())))?;
    }
    let segments = output::counted(matter.segments.len() as u64, "segment", "segments");
    out.line(format_args!("deletes    {} in {segments}", amount(matter.delete)))?;
    reasons(out, "rule", &matter.rules)?;
    let bytes = matter.artifacts.iter().map(|planned| planned.bytes).sum();
    if !matter.artifacts.is_empty() {
        let artifacts = output::counted(matter.artifacts.len() as u64, "artifact", "artifacts");
        out.line(format_args!(
            "collects   {artifacts} that no other event names, {}",
            output::length(bytes)
        ))?;
    }
    out.line(format_args!("frees      {} at most", output::length(matter.delete.bytes + bytes)))?;
    if !matter.held.is_empty() {
        out.line("keeps, although it is due")?;
        reasons(out, "hold", &matter.held)?;
    }
    for Locked { archive, first_seq, tally, until } in &matter.locked {
        let (tally, archive) = (amount(*tally), output::escape(archive.as_bytes()));
        out.line(format_args!(
            "keeps      {tally} of segment {first_seq}, locked in {archive} until {until}"
        ))?;
    }
    moves(out, &matter.moves)?;
    if matter.more {
        output::warn("there is more than one plan may name: make another when this one is applied");
    }
    Ok(())
}

/// Shows what moves, by tier and rule.
fn moves(out: &mut Out, moves: &[PlannedMove]) -> Outcome<()> {
    let mut by: BTreeMap<(&str, &str, Seq), (u64, u64)> = BTreeMap::new();
    for PlannedMove { bytes, rule, seq, tier, .. } in moves {
        let (segments, sum) = by.entry((tier, rule, *seq)).or_default();
        *segments += 1;
        *sum += bytes;
    }
    for ((tier, rule, seq), (segments, bytes)) in by {
        let (segments, bytes) = (output::counted(segments, "segment", "segments"), output::length(bytes));
        let [tier, rule] = [tier, rule].map(|word| output::escape(word.as_bytes()));
        out.line(format_args!(
            "moves      {segments}, {bytes}, to {tier}: the rule {rule} of record {seq} is over"
        ))?;
    }
    Ok(())
}

fn reasons(out: &mut Out, heading: &str, reasons: &[Reasoned]) -> Outcome<()> {
    if reasons.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[heading, "record", "events", "bytes"]);
    for Reasoned { name, seq, tally } in reasons {
        table.row([name.clone(), seq.to_string(), output::count(tally.events), output::length(tally.bytes)]);
    }
    table.print(out)
}

pub(crate) fn amount(tally: Tally) -> String {
    format!("{}, {}", output::counted(tally.events, "event", "events"), output::length(tally.bytes))
}

/// Shows what was deleted, plan by plan.
pub(crate) fn history(out: &mut Out, state: &State) -> Outcome<()> {
    let mut table = Table::new(&[
        "plan",
        "as of",
        "why",
        "approved by",
        "deleted",
        "bytes",
        "spared",
        "artifacts",
        "state",
    ]);
    for done in Carried::of(state) {
        let Carried { seq, plan, deleted, spared, artifacts, is_whole } = done;
        table.row([
            seq.to_string(),
            plan.statement.as_of.to_string(),
            why(&plan.matter),
            plan.approvals
                .iter()
                .filter_map(|given| given.key.split('+').next())
                .collect::<Vec<_>>()
                .join(", "),
            output::count(deleted.events),
            output::length(deleted.bytes),
            output::count(spared.events),
            output::count(artifacts.len() as u64),
            if is_whole { "done" } else { "under way" }.to_owned(),
        ]);
    }
    table.print(out)
}

/// What was deleted, a plan a line, for machines.
pub(crate) fn history_json(out: &mut Out, state: &State) -> Outcome<()> {
    for Carried { seq, plan, deleted, spared, artifacts, is_whole } in Carried::of(state) {
        let approved_by: Vec<&str> = plan.approvals.iter().map(|given| given.key.as_str()).collect();
        let of_plan = state.deletions.iter().filter(|deletion| deletion.deleting.plan == seq);
        let segments: Vec<Value> = of_plan
            .map(|deletion| {
                let deleting = &deletion.deleting;
                json!({ "first_seq": deleting.first_seq, "seqs": deleting.seqs, "record": deletion.seq })
            })
            .collect();
        out.json(&json!({
            "plan": seq,
            "as_of": plan.statement.as_of.to_string(),
            "digest": plan.statement.digest,
            "reason": plan.matter.reason,
            "rules": plan.matter.rules,
            "approved_by": approved_by,
            "deleted": deleted,
            "spared": spared,
            "artifacts": artifacts,
            "done": is_whole,
            "segments": segments,
        }))?;
    }
    Ok(())
}

/// What came of a plan that was begun.
struct Carried<'s> {
    seq: Seq,
    plan: &'s Approved<Plan>,
    deleted: Tally,
    spared: Tally,
    /// The names of the artifacts that were collected.
    artifacts: Vec<&'s str>,
    is_whole: bool,
}

impl<'s> Carried<'s> {
    fn of(state: &'s State) -> impl Iterator<Item = Carried<'s>> {
        state.plans.iter().map(|(seq, plan)| {
            let (mut deleted, mut spared, mut is_whole) = (Tally::default(), Tally::default(), true);
            for deletion in state.deletions.iter().filter(|deletion| deletion.deleting.plan == *seq) {
                let Deleting { delete, spared: kept, .. } = &deletion.deleting;
                deleted =
                    Tally { bytes: deleted.bytes + delete.bytes, events: deleted.events + delete.events };
                spared = Tally { bytes: spared.bytes + kept.bytes, events: spared.events + kept.events };
                is_whole &= deletion.done;
            }
            is_whole &= deleted.events + spared.events >= plan.matter.delete.events;
            let of_plan = state.collections.iter().filter(|(_, collecting)| collecting.plan == *seq);
            let artifacts = of_plan.flat_map(|(_, it)| &it.artifacts).map(String::as_str).collect();
            Carried { seq: *seq, plan, deleted, spared, artifacts, is_whole }
        })
    }
}

fn why(plan: &Plan) -> String {
    if plan.reason.is_empty() {
        let rules: Vec<&str> = plan.rules.iter().map(|rule| rule.name.as_str()).collect();
        format!("due: {}", rules.join(", "))
    } else {
        plan.reason.clone()
    }
}

/// Shows how the log stands.
pub(crate) fn status(out: &mut Out, status: &Status) -> Outcome<()> {
    let headings =
        ["rule", "keep", "hot", "warm", "archive", "bytes", "oldest", "next due", "overdue", "held", "basis"];
    let mut table = Table::new(&headings);
    for rule in &status.rules {
        table.row([
            rule.name.clone(),
            period(rule.terms.keep_s),
            output::count(rule.hot.events),
            output::count(rule.warm.events),
            output::count(rule.archive.events),
            output::length(rule.hot.bytes + rule.warm.bytes + rule.archive.bytes),
            time(rule.oldest),
            time(rule.next_due),
            output::count(rule.overdue.events),
            output::count(rule.held.events),
            rule.basis.clone(),
        ]);
    }
    table.print(out)?;
    for rule in &status.rules {
        for promise in promises(rule) {
            let Promise { tier, seconds, broken } = promise;
            let verdict = if broken.events == 0 {
                out.paint(Colour::Good, "holds")
            } else {
                out.paint(Colour::Bad, format_args!("does not hold for {}", amount(broken)))
            };
            let name = output::escape(rule.name.as_bytes());
            out.line(format_args!("{name}: {tier} for {}: {verdict}", period(Some(seconds))))?;
        }
    }
    if status.policy.is_none() {
        output::say("no policy is set: all is kept for ever");
    }
    Ok(())
}

/// What a rule promises of a tier, and what of it is not there.
struct Promise {
    tier: &'static str,
    seconds: u64,
    broken: Tally,
}

/// What a rule promises of tiers.
fn promises(rule: &RuleStatus) -> impl Iterator<Item = Promise> {
    let Terms { hot_s, warm_s, .. } = rule.terms;
    let hot = hot_s.map(|seconds| Promise { tier: "hot", seconds, broken: rule.not_hot });
    let warm = warm_s.map(|seconds| Promise { tier: "hot or warm", seconds, broken: rule.not_warm });
    hot.into_iter().chain(warm)
}

/// How the log stands, for machines.
pub(crate) fn status_json(status: &Status, as_of: Timestamp) -> Value {
    let rules: Vec<Value> = status.rules.iter().map(rule_json).collect();
    json!({ "as_of": as_of.to_string(), "policy": status.policy, "rules": rules })
}

fn rule_json(rule: &RuleStatus) -> Value {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let promises: Vec<Value> = promises(rule)
        .map(|Promise { tier, seconds, broken }| {
            json!({ "tier": tier, "for_s": seconds, "holds": broken.events == 0, "broken": broken })
        })
        .collect();
    json!({
        "name": rule.name,
        "policy": rule.policy,
        "basis": rule.basis,
        "keep_s": rule.terms.keep_s,
        "tiers": { "hot": rule.hot, "warm": rule.warm, "archive": rule.archive },
        "oldest": text(rule.oldest),
        "next_due": text(rule.next_due),
        "overdue": rule.overdue,
        "held": rule.held,
        "promises": promises,
    })
}

/// A period in the unit that says it shortest.
fn period(seconds: Option<u64>) -> String {
    const UNITS: [(&str, u64); 4] = [("y", 365 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60)];
    let Some(seconds) = seconds else { return "forever".to_owned() };
    let unit = UNITS.iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), Timestamp::day_text)
}

#[cfg(test)]
mod tests {
    use super::period;

    #[test]
    fn periods_read_as_they_are_written() {
        let table =
            [(None, "forever"), (Some(365 * 86_400), "1y"), (Some(92 * 86_400), "92d"), (Some(61), "61s")];
        for (seconds, text) in table {
            assert_eq!(period(seconds), text);
        }
    }
}
