//! What the log says of artifacts: when they were put, and which events name them. So whether one may be collected.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::age::Ages;
use super::state::State;
use super::walk::{BEGINNING, Mark, each_record};
use crate::artifact::{ArtifactId, names_in};
use crate::format::admin::Admin;
use crate::format::head::Head;
use crate::log::{Catalog, Log};
use crate::{Result, Seq, Timestamp};

/// How long an artifact stays that nothing names: whoever put it may be about to append the event that does.
const GRACE_NS: i64 = 86_400_000_000_000;

/// What the log says of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// How many events name it, deleted ones not counted.
    pub events: u64,
    /// How many more do that are to be deleted.
    pub(crate) leaving: u64,
    /// The seq of the first of them.
    pub first: Option<Seq>,
    /// The seq of the last of them.
    pub last: Option<Seq>,
    /// The record that says that it was put last, and when that counts as stored. Nothing where no record does: a process
    /// puts the file in its place and writes the record in one hold of the lock, and was stopped in between.
    pub put: Option<(Seq, Timestamp)>,
}

impl Use {
    /// Whether nothing names it, and it was put more than a day before `as_of`, among the log's first `size` records; or
    /// no record says that it was put, so that nobody was told that it is there. Who collects it asks that under the lock.
    pub fn is_collectable(&self, size: u64, as_of: Timestamp) -> bool {
        let is_old = |(seq, at): (Seq, Timestamp)| seq < size && at.0.saturating_add(GRACE_NS) <= as_of.0;
        self.events == 0 && self.put.is_none_or(is_old)
    }
}

/// The uses of some artifacts, as far as the log was read.
#[derive(Debug)]
pub(crate) struct Uses {
    of: BTreeMap<ArtifactId, Use>,
    ages: Ages,
    read_to: Mark,
}

impl Uses {
    pub(crate) fn new(ids: impl IntoIterator<Item = ArtifactId>, state: &State) -> Uses {
        let of = ids.into_iter().map(|id| (id, Use::default())).collect();
        Uses { of, ages: Ages::new(state.vouched()), read_to: BEGINNING }
    }

    /// Reads on, up to `head`. The events of `but` are to be deleted: ranges of seqs, ascending.
    pub(crate) fn read(
        &mut self,
        log: &Log,
        head: &Head,
        catalog: &Catalog,
        mut but: &[(Seq, Seq)],
    ) -> Result<()> {
        if self.of.is_empty() {
            return Ok(());
        }
        let (of, ages) = (&mut self.of, &mut self.ages);
        self.read_to = each_record(log, head, catalog, self.read_to, |_, received_at, seq, record| {
            let stored_at = ages.stored_at(seq, received_at);
            while let Some((_, rest)) = but.split_first().filter(|((_, end), _)| *end <= seq) {
                but = rest;
            }
            let is_leaving = but.first().is_some_and(|(start, _)| *start <= seq);
            match record.body.bytes() {
                Some(body) if record.source == 0 && !Admin::is_state(body) => {
                    if let Ok(Admin::Artifact(put)) = Admin::decode(body)
                        && let Some(known) = put.artifact.parse().ok().and_then(|id| of.get_mut(&id))
                    {
                        known.put = Some((seq, stored_at));
                    }
                }
                Some(body) if record.source != 0 => {
                    names_in(body, |name| {
                        let Some(known) = of.get_mut(&ArtifactId(name)) else { return };
                        // An event counts once, however often it says the name.
                        if is_leaving {
                            known.leaving += 1;
                        } else if known.last != Some(seq) {
                            known.events += 1;
                            known.first = known.first.or(Some(seq));
                            known.last = Some(seq);
                        }
                    });
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    pub(crate) fn get(&self, id: ArtifactId) -> Use {
        self.of.get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn into_inner(self) -> BTreeMap<ArtifactId, Use> {
        self.of
    }
}
