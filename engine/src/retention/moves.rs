//! What moves to another tier, by the policies: what has been where it is for as long as any rule asks.
//!
//! A policy that says nothing of the hot tier moves nothing out of it, and one that says nothing of the warm tier nothing
//! to an archive. A segment moves as a whole, and rules are for events: so the longest period of any rule counts.

use super::policy::DEFAULT_NAME;
use super::state::State;
use crate::format::retention::{PlannedMove, Terms};
use crate::log::files::Sealed;
use crate::log::{Catalog, Log};
use crate::{Result, SegmentId, Seq, Timestamp, limits};

/// Moves to the warm tier are called so.
pub(crate) const TO_WARM: &str = "warm";
/// Moves to an archive are called so.
pub(crate) const TO_ARCHIVE: &str = "archive";

/// A rule that asks longest for a tier.
struct Longest<'s> {
    policy: Seq,
    rule: &'s str,
    for_s: u64,
}

/// The segments that may move as of a time, ascending, each as far as it may; and whether there are more of them than a
/// plan may name.
pub(crate) fn due(
    log: &Log,
    catalog: &Catalog,
    state: &State,
    as_of: Timestamp,
) -> Result<(Vec<PlannedMove>, bool)> {
    let hot = longest(state, |terms| terms.hot_s);
    let warm = longest(state, |terms| terms.warm_s);
    // What is to be hot is not to be in an archive either.
    let local_s = warm.as_ref().map(|warm| warm.for_s.max(hot.as_ref().map_or(0, |hot| hot.for_s)));
    let mut moves = Vec::new();
    for place in &catalog.sealed {
        let id = SegmentId(place.first_seq);
        let (is_hot, bytes) = match log.files.sealed(id)? {
            Sealed::Log(_) => (true, place.log_len),
            Sealed::Pack(pack) => (false, pack.file_len()),
            Sealed::Archived(_) => continue,
        };
        let sealed_at = log.files.log(SegmentId(place.end_seq))?.header.created_at;
        let is_over = |for_s: u64| super::after(sealed_at, for_s) <= as_of;
        let to_archive = warm.as_ref().filter(|_| local_s.is_some_and(is_over)).map(|by| (TO_ARCHIVE, by));
        let to_warm = hot.as_ref().filter(|hot| is_hot && is_over(hot.for_s)).map(|by| (TO_WARM, by));
        let Some((tier, by)) = to_archive.or(to_warm) else { continue };
        if moves.len() == limits::PLAN_MOVES_MAX {
            return Ok((moves, true));
        }
        moves.push(PlannedMove {
            bytes,
            end_seq: place.end_seq,
            first_seq: place.first_seq,
            rule: by.rule.to_owned(),
            seq: by.policy,
            tier: tier.to_owned(),
        });
    }
    Ok((moves, false))
}

/// The rule that asks longest for a tier, the first of several; none where no policy ever asked.
fn longest(state: &State, of: impl Fn(&Terms) -> Option<u64>) -> Option<Longest<'_>> {
    let rules = state.policies.iter().flat_map(|(seq, policy)| {
        let named = policy.rules.iter().map(|rule| (rule.name.as_str(), &rule.terms));
        named.chain([(DEFAULT_NAME, &policy.default)]).map(|(rule, terms)| (*seq, rule, terms))
    });
    let asking = rules.filter_map(|(policy, rule, terms)| Some(Longest { policy, rule, for_s: of(terms)? }));
    asking.reduce(|longest, next| if next.for_s > longest.for_s { next } else { longest })
}
