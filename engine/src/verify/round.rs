//! A round: one full verification in several runs. What its runs remember of the segments that they found good, so that
//! the next goes on behind them.
//!
//! The memory is the verifier's own and is kept outside the store. It is bound to the log: before any of it is used,
//! each segment's log must have the length that it had, and the log after it must state the tree and the leaf that it
//! ended with. Where that is not so the round begins anew. What a segment's records say of the whole log (its sources,
//! rules, operators) is remembered with it, and goes through the same code as if it had been read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Options;
use super::packed::Source;
use super::range::TreeRange;
use super::report::{Remark, Report};
use super::scope::{Reach, Scope};
use super::segment::{Check, Outcome, Task};
use crate::disk::Disk;
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::hash::Hash;
use crate::{SegmentId, Seq, Timestamp};

/// What the runs of one round remember. Text goes in and out by serde.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// When its first run began.
    pub began_at: Timestamp,
    /// The store's identity.
    store_id: String,
    /// The segments that were found good, in order.
    segments: Vec<Remembered>,
}

/// A segment that was found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remembered {
    pub(super) first_seq: Seq,
    pub(super) end_seq: Seq,
    /// When the run began that checked it.
    pub(super) checked_at: Timestamp,
    /// Its file below the store's directory, and the length of the log in it.
    pub(super) file: String,
    pub(super) log_len: u64,
    /// The root of its own leaves, and that of the log's tree up to its end.
    #[serde(with = "hex")]
    pub(super) root: Hash,
    #[serde(with = "hex")]
    pub(super) tree_root: Hash,
    #[serde(with = "hex")]
    pub(super) last_leaf: Hash,
    #[serde(with = "hex")]
    pub(super) index_root: Hash,
    #[serde(with = "hex")]
    pub(super) rules: Hash,
    /// Those of its records that say something of the log.
    pub(super) records: Vec<OwnRecord>,
}

/// One of the store's own records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRecord {
    pub(super) seq: Seq,
    pub(super) at: u64,
    pub(super) received_at: Timestamp,
    pub(super) body: String,
}

/// A segment whose remembered verdict still stands, and its log's header as it is now.
#[derive(Debug)]
pub(super) struct Held<'r> {
    pub(super) remembered: &'r Remembered,
    pub(super) header: LogHeader,
}

impl Round {
    /// A round that begins.
    pub fn new(began_at: Timestamp) -> Self {
        Round { began_at, store_id: String::new(), segments: Vec::new() }
    }

    /// How many segments it has found good.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// The segments whose verdicts still stand; those that were moved to another file since are left out.
    ///
    /// # Errors
    /// Why the log is not the one that the round was begun with.
    pub(super) fn held(
        &self,
        disk: &Arc<dyn Disk>,
        segments: &[SegmentId],
        sources: &[Source],
    ) -> Result<BTreeMap<Seq, Held<'_>>, String> {
        let mut held = BTreeMap::new();
        for remembered in &self.segments {
            let Remembered { first_seq, end_seq, file, .. } = remembered;
            let changed = |what: &str| Err(format!("{file} {what}"));
            let place = segments.binary_search(&SegmentId(*first_seq)).ok();
            let here = place.and_then(|place| Some((sources.get(place)?, sources.get(place + 1)?)));
            let Some((source, next)) = here else {
                return changed("is not in the log any more, or no log is behind it");
            };
            let (Some((header, log_len)), Some((after, _))) = (look(disk, source), look(disk, next)) else {
                return changed("or the log behind it has no head that can be read");
            };
            if header.store_id.to_string() != self.store_id || header.first_seq != *first_seq {
                return changed("is of another log");
            }
            let tree = TreeRange::from_frontier(after.first_seq, &after.frontier);
            if after.first_seq != *end_seq
                || after.predecessor != remembered.last_leaf
                || tree.root() != remembered.tree_root
            {
                return changed("is not what the log behind it goes on from");
            }
            if source.file == *file {
                if log_len != remembered.log_len {
                    return changed("has another length");
                }
                held.insert(*first_seq, Held { remembered, header });
            }
        }
        Ok(held)
    }
}

/// What a round has of the segments; where the log is not that of the round any more, nothing, and it is told.
pub(super) fn held<'o>(
    disk: &Arc<dyn Disk>,
    options: &'o Options,
    segments: &[SegmentId],
    sources: &[Source],
    report: &mut Report,
) -> BTreeMap<Seq, Held<'o>> {
    let Scope::Round(round) = &options.scope else { return BTreeMap::new() };
    round.held(disk, segments, sources).unwrap_or_else(|why| {
        report.remarks.push(Remark::new("", format!("the round begins anew: {why}")));
        BTreeMap::new()
    })
}

/// The round with what this run found good. Segments of which anything was found are looked at again.
pub(super) fn next(
    round: &Round,
    options: &Options,
    held: &BTreeMap<Seq, Held<'_>>,
    found: Vec<Remembered>,
    report: &Report,
) -> Round {
    let is_good = |remembered: &Remembered| {
        let verdict = report.segments.iter().find(|segment| segment.first_seq == remembered.first_seq);
        verdict.is_some_and(|segment| segment.finding_count == 0)
    };
    let earlier = held.values().map(|held| held.remembered.clone());
    let mut segments: Vec<Remembered> = earlier.chain(found).filter(is_good).collect();
    segments.sort_unstable_by_key(|remembered| remembered.first_seq);
    let began_at = if held.is_empty() { options.began_at } else { round.began_at };
    let store_id = report.store_id.map_or_else(String::new, |id| id.to_string());
    Round { began_at, store_id, segments }
}

/// What an earlier run of the round found in a segment, without reading it again: its own records go the way that they
/// would go if they were read.
pub(super) fn recall(task: &Task<'_>, held: &Held<'_>) -> Outcome {
    let _reading = task.registry.reading(task.place);
    let _open = task.pool.open();
    let mut check = Check::new(task);
    let remembered = held.remembered;
    for record in &remembered.records {
        check.received_at = record.received_at;
        check.admin(record.at, record.seq, record.body.as_bytes());
    }
    task.registry.pass(task.place, remembered.end_seq, false);
    Outcome {
        reach: Reach::Earlier,
        checked_at: Some(remembered.checked_at),
        header: Some(held.header.clone()),
        log_len: remembered.log_len,
        end_seq: remembered.end_seq,
        root: Some(remembered.root),
        last_leaf: Some(remembered.last_leaf),
        index_root: Some(remembered.index_root),
        index_rules: Some(remembered.rules),
        whole: true,
        ..check.out
    }
}

/// A segment that is not looked at: nobody waits for what its records register.
pub(super) fn leave_out(task: &Task<'_>) -> Outcome {
    let _reading = task.registry.reading(task.place);
    let _open = task.pool.open();
    Outcome::default()
}

/// A log's header and length.
fn look(disk: &Arc<dyn Disk>, source: &Source) -> Option<(LogHeader, u64)> {
    let (header, _) = LogHeader::decode(&source.first_bytes(disk, LOG_HEADER_LEN).ok()?).ok()?;
    Some((header, source.log_len(disk).ok()?))
}

/// Hashes as 64 hex digits.
mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::hash::Hash;

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_hex(&text).ok_or_else(|| D::Error::custom("a hash has 64 hex digits"))
    }
}
