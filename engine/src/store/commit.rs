//! Committing prepared events: one turn for all threads that wait, duplicates found, receipts given.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Inner, OnDuplicate, Outcome, Prepared, Receipt};
use crate::log::unfed::ToIndex;
use crate::log::{Committed, NewRecord, Session};
use crate::{Error, Result, Seq};

/// What one caller gave in.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) events: Vec<Prepared>,
    pub(super) on_duplicate: OnDuplicate,
}

/// What becomes of one event of a job.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is the record at this index of the commit.
    New(usize),
    /// It is in the log already.
    Known(Seq),
}

/// What is committed for a job, decided under the lock.
type Plan = Result<Vec<Fate>>;

impl Inner {
    pub(super) fn commit(&self, events: Vec<Prepared>, on_duplicate: OnDuplicate) -> Result<Vec<Outcome>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let len = events.iter().map(Prepared::len).sum();
        let job = Job { events, on_duplicate };
        self.group.submit(job, len, |mut jobs| self.commit_jobs(&mut jobs)).unwrap_or_else(|| {
            Err(Error::ClosedToWriting { reason: "a commit of another thread broke off".to_owned() })
        })
    }

    fn commit_jobs(&self, jobs: &mut [Job]) -> Vec<Result<Vec<Outcome>>> {
        let count = jobs.len();
        let done = self.log.transact(|session| {
            self.label(session, jobs)?;
            let (plans, chosen) = self.plan(session, jobs)?;
            if chosen.is_empty() {
                return Ok((plans, None));
            }
            let records: Vec<NewRecord<'_>> = chosen.iter().map(|event| as_record(event)).collect();
            self.log.follow_others(session.head());
            let grown_from = session.head().written_len;
            let committed = session.write(&records)?;
            self.log.note_growth(grown_from, session.head().written_len);
            if self.log.is_due(session.head()) || self.log.is_overdue(session.head())? {
                self.due.store(true, Ordering::Release);
            }
            Ok((plans, Some(committed)))
        });
        let (plans, committed) = match done {
            Ok(done) => done,
            Err(error) => return (0..count).map(|_| Err(error.clone())).collect(),
        };
        let outcomes = |plan: &Plan| match plan {
            Ok(fates) => Ok(self.outcomes(fates, committed.as_ref())),
            Err(error) => Err(error.clone()),
        };
        let all = plans.iter().map(outcomes).collect();
        if let Some(committed) = committed {
            // One leads at a time, so commits reach the index in the log's order.
            self.log.index_later(committed, take_new(jobs, &plans));
        }
        all
    }

    /// Labels events anew that were prepared before the label rules changed, be it by another process.
    fn label(&self, session: &Session<'_>, jobs: &mut [Job]) -> Result<()> {
        let rules = self.log.rules_behind(session.head())?;
        let mut events = jobs.iter_mut().flat_map(|job| &mut job.events);
        events.try_for_each(|event| event.label(rules.as_ref()))
    }

    /// Decides which events of which jobs are new; those are returned in order.
    fn plan<'j>(&self, session: &Session<'_>, jobs: &'j [Job]) -> Result<(Vec<Plan>, Vec<&'j Prepared>)> {
        let mut chosen: Vec<&Prepared> = Vec::new();
        let mut new_ids: HashMap<&[u8], usize> = HashMap::new();
        let mut plans = Vec::with_capacity(jobs.len());
        let by_id = jobs.iter().any(|job| job.on_duplicate != OnDuplicate::Keep);
        for job in jobs {
            let (start, mut fates) = (chosen.len(), Vec::with_capacity(job.events.len()));
            let mut refused = None;
            for event in &job.events {
                let id = if by_id { event.event_id() } else { None };
                let earlier = match id {
                    Some(id) if job.on_duplicate != OnDuplicate::Keep => match new_ids.get(id) {
                        Some(&index) => Some(Fate::New(index)),
                        None => self.find_event(session.head(), id, 1)?.first().copied().map(Fate::Known),
                    },
                    _ => None,
                };
                match earlier {
                    Some(fate) if job.on_duplicate == OnDuplicate::Error => {
                        refused = Some(duplicate(event, fate, session));
                        break;
                    }
                    Some(fate) => fates.push(known(fate, session)),
                    None => {
                        if let Some(id) = id {
                            new_ids.entry(id).or_insert(chosen.len());
                        }
                        fates.push(Fate::New(chosen.len()));
                        chosen.push(event);
                    }
                }
            }
            plans.push(match refused {
                Some(error) => {
                    chosen.truncate(start);
                    new_ids.retain(|_, index| *index < start);
                    Err(error)
                }
                None => Ok(fates),
            });
        }
        Ok((plans, chosen))
    }

    fn outcomes(&self, fates: &[Fate], committed: Option<&Committed>) -> Vec<Outcome> {
        let outcome = |fate: &Fate| match (fate, committed) {
            (Fate::New(index), Some(committed)) => {
                let leaf = committed.leaves.get(*index).copied().unwrap_or_default();
                Outcome::Appended(Receipt {
                    origin: self.origin.clone(),
                    seq: committed.first_seq + *index as u64,
                    leaf,
                    tree_size: committed.tree_size,
                    frontier: Arc::clone(&committed.frontier),
                    received_at: committed.received_at,
                    durable: committed.durable,
                })
            }
            (Fate::Known(seq), _) => Outcome::Duplicate { seq: *seq },
            (Fate::New(index), None) => Outcome::Duplicate { seq: *index as u64 },
        };
        fates.iter().map(outcome).collect()
    }
}

/// What the index takes in of the events that were committed, in order.
fn take_new(jobs: &mut [Job], plans: &[Plan]) -> Vec<ToIndex> {
    let mut events = Vec::with_capacity(jobs.iter().map(|job| job.events.len()).sum());
    for (job, plan) in jobs.iter_mut().zip(plans) {
        let Ok(fates) = plan else { continue };
        let with_fates = job.events.drain(..).zip(fates);
        let new = with_fates.filter(|(_, fate)| matches!(fate, Fate::New(_)));
        events.extend(new.map(|(event, _)| event.into_index()));
    }
    events
}

/// The seq that a fate will have had.
fn seq_of(fate: Fate, session: &Session<'_>) -> Seq {
    match fate {
        Fate::New(index) => session.head().next_seq + index as u64,
        Fate::Known(seq) => seq,
    }
}

/// A duplicate of an event in the same commit points to where that one will be.
fn known(fate: Fate, session: &Session<'_>) -> Fate {
    Fate::Known(seq_of(fate, session))
}

fn duplicate(event: &Prepared, fate: Fate, session: &Session<'_>) -> Error {
    let id = event.event_id().map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default();
    Error::DuplicateEvent { id, seq: seq_of(fate, session) }
}

fn as_record(event: &Prepared) -> NewRecord<'_> {
    NewRecord { encoding: 0, source: event.source.seq, labels: event.labels.as_labels(), body: &event.body }
}
