//! How the log stands: what each rule keeps, what is due, and what a hold reaches.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::after;
use super::age::Ages;
use super::hold::{HoldTest, PlacedHold};
use super::judge::Judge;
use super::policy::DEFAULT_NAME;
use super::state::State;
use super::walk::{Shelf, Visited, walk, walk_from};
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::retention::{Tally, Terms};
use crate::log::{Catalog, Log};
use crate::{Result, SegmentId, Seq, Timestamp};

/// How the log stands against its policies, as of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The seq of the policy in force; none where all is kept.
    pub policy: Option<Seq>,
    /// The rules that keep anything, by the one that keeps each event longest; those of the policy in force that keep
    /// nothing are among them.
    pub rules: Vec<RuleStatus>,
}

/// What one rule keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus {
    /// The seq of the policy that has it; none for events of a log without a policy.
    pub policy: Option<Seq>,
    /// Its name.
    pub name: String,
    /// What demands it.
    pub basis: String,
    /// How long it keeps.
    pub terms: Terms,
    /// What it keeps in the hot tier.
    pub hot: Tally,
    /// What it keeps in the warm tier.
    pub warm: Tally,
    /// What it keeps in the archive.
    pub archive: Tally,
    /// What it wants in the hot tier still, be it kept by this rule or by one that keeps longer, and is not there.
    pub not_hot: Tally,
    /// What it wants in the hot or the warm tier still, likewise, and is in the archive.
    pub not_warm: Tally,
    /// When the oldest of it was stored.
    pub oldest: Option<Timestamp>,
    /// When the next of it, or what is overdue, is due.
    pub next_due: Option<Timestamp>,
    /// What is due and not held.
    pub overdue: Tally,
    /// What is due and held.
    pub held: Tally,
}

/// What a hold reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoldReach {
    /// All events that it holds.
    pub held: Tally,
    /// Those of them that were appended after it was placed.
    pub since: Tally,
    /// The seqs of the first and the last of them.
    pub seqs: Option<(Seq, Seq)>,
    /// The times of receipt of the first and the last of them.
    pub received: Option<(Timestamp, Timestamp)>,
}

/// How the log stands as of a time.
pub(crate) fn status(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    state: &State,
    as_of: Timestamp,
) -> Result<Status> {
    let mut judge = Judge::new(log, catalog, state)?;
    let mut rules: BTreeMap<(Option<Seq>, String), RuleStatus> = BTreeMap::new();
    if let Some((seq, policy)) = state.policy() {
        let named = policy.rules.iter().map(|rule| (rule.name.as_str(), rule.terms));
        for (name, terms) in named.chain([(DEFAULT_NAME, policy.default)]) {
            rules.insert((Some(*seq), name.to_owned()), empty(state, Some(*seq), name, terms));
        }
    }
    walk(log, head, catalog, Ages::new(state.vouched()), |visited| {
        let Visited { subject, stored_at, shelf, .. } = visited;
        let len = subject.body.len();
        for promised in judge.policies.applying(subject).filter(|_| *shelf != Shelf::Hot) {
            let in_force = (state.policy().map(|(seq, _)| *seq), promised.name.clone());
            let Some(rule) = rules.get_mut(&in_force) else { continue };
            let wants = |seconds: Option<u64>| seconds.is_some_and(|for_s| after(*stored_at, for_s) > as_of);
            if wants(promised.terms.hot_s) {
                rule.not_hot.add(len);
            }
            if *shelf == Shelf::Archive && wants(promised.terms.warm_s) {
                rule.not_warm.add(len);
            }
        }
        let kept = judge.kept(subject);
        let (policy, name) = kept.map_or((None, DEFAULT_NAME), |kept| (Some(kept.policy), kept.rule));
        let terms = kept.map(|kept| kept.terms).unwrap_or_default();
        let rule =
            rules.entry((policy, name.to_owned())).or_insert_with(|| empty(state, policy, name, terms));
        let tier = match shelf {
            Shelf::Hot => &mut rule.hot,
            Shelf::Warm => &mut rule.warm,
            Shelf::Archive => &mut rule.archive,
        };
        tier.add(len);
        rule.oldest = Some(rule.oldest.map_or(*stored_at, |oldest| oldest.min(*stored_at)));
        let due = kept.and_then(|kept| kept.due(*stored_at));
        let is_due = due.is_some_and(|due| due <= as_of);
        if is_due && judge.held_by(subject).next().is_some() {
            rule.held.add(len);
        } else {
            rule.next_due = rule.next_due.into_iter().chain(due).min();
            if is_due {
                rule.overdue.add(len);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Status { policy: state.policy().map(|(seq, _)| *seq), rules: rules.into_values().collect() })
}

/// When the first event of a sealed segment is due, or somewhat earlier: what came before the segment is not looked at, which
/// could make its events count as stored later. Nothing where all are kept for good.
pub(crate) fn earliest_due(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    state: &State,
    segment: SegmentId,
) -> Result<Option<Timestamp>> {
    let (mut judge, mut earliest) = (Judge::new(log, catalog, state)?, None);
    let from = (segment, LOG_HEADER_LEN as u64);
    walk_from(log, head, catalog, from, Ages::new(state.vouched()), |visited| {
        if visited.segment != segment {
            return Ok(ControlFlow::Break(()));
        }
        let due = judge.kept(&visited.subject).and_then(|kept| kept.due(visited.stored_at));
        earliest = earliest.into_iter().chain(due).min();
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(earliest)
}

fn empty(state: &State, policy: Option<Seq>, name: &str, terms: Terms) -> RuleStatus {
    let rules =
        state.policies.iter().filter(|(seq, _)| Some(*seq) == policy).flat_map(|(_, policy)| &policy.rules);
    let basis =
        rules.filter(|rule| rule.name == name).map(|rule| rule.basis.clone()).next().unwrap_or_default();
    RuleStatus {
        policy,
        name: name.to_owned(),
        basis,
        terms,
        hot: Tally::default(),
        warm: Tally::default(),
        archive: Tally::default(),
        not_warm: Tally::default(),
        not_hot: Tally::default(),
        oldest: None,
        next_due: None,
        overdue: Tally::default(),
        held: Tally::default(),
    }
}

/// What a hold reaches.
pub(crate) fn reach(log: &Log, head: &Head, catalog: &Catalog, placed: &PlacedHold) -> Result<HoldReach> {
    let mut test = HoldTest::new(placed)?;
    let sources = log.all_sources(catalog)?;
    let profiles: Vec<_> =
        sources.iter().map(|source| (source.seq, std::sync::Arc::clone(&source.profile))).collect();
    let mut reach = HoldReach::default();
    walk(log, head, catalog, Ages::new([]), |visited| {
        let subject = &visited.subject;
        if test.holds(subject, &profiles) {
            let len = subject.body.len();
            reach.held.add(len);
            if subject.seq > placed.seq {
                reach.since.add(len);
            }
            reach.seqs = Some((reach.seqs.map_or(subject.seq, |(first, _)| first), subject.seq));
            let at = subject.received_at;
            reach.received = Some(reach.received.map_or((at, at), |(from, to)| (from.min(at), to.max(at))));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(reach)
}
