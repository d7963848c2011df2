//! A drill of retrieval: records of each tier, drawn by a seed, are read the way that anybody would, hashed, and proved to be
//! in the log under a checkpoint.
//!
//! A drill shows that evidence can be had, and how fast. It is a sample, and no verification of the store.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Snapshot, Store, Tier};
use crate::format::admin::{Admin, Drilled, DrilledTier};
use crate::hash;
use crate::log::NewRecord;
use crate::trust::Note;
use crate::{Error, Result, Seq};

/// What a drill came to.
#[derive(Debug)]
pub struct Drill {
    /// How many records the log had under the checkpoint.
    pub checkpoint_size: u64,
    /// What the records were drawn by.
    pub seed: String,
    /// Hot, warm and archive, those of which there are records.
    pub tiers: Vec<DrilledSegments>,
}

/// What was retrieved of the segments of one tier.
#[derive(Debug)]
pub struct DrilledSegments {
    /// `hot`, `warm` or `archive`.
    pub tier: &'static str,
    /// How many records were there to be drawn.
    pub record_count: u64,
    /// The records that were drawn, ascending.
    pub drawn: Vec<Drawn>,
}

/// A record that was drawn.
#[derive(Debug)]
pub struct Drawn {
    /// Its position.
    pub seq: Seq,
    /// How long it took to read it, to hash it and to prove it, in nanoseconds.
    pub took_ns: u64,
    /// Why it could not be had, or is not the log's.
    pub failed: Option<Error>,
}

impl Drill {
    /// All that could not be had.
    pub fn failures(&self) -> impl Iterator<Item = (Seq, &Error)> {
        let drawn = self.tiers.iter().flat_map(|tier| &tier.drawn);
        drawn.filter_map(|drawn| Some((drawn.seq, drawn.failed.as_ref()?)))
    }

    /// What a `store.drilled` record says of it. `version` names the program.
    pub fn drilled(&self, version: &str) -> Drilled {
        let worst = self.failures().map(|(_, error)| (error.class(), error)).max_by_key(|(class, _)| *class);
        Drilled {
            checkpoint_size: self.checkpoint_size,
            seed: self.seed.clone(),
            tiers: self.tiers.iter().map(DrilledSegments::drilled).collect(),
            verdict: match worst {
                None => "clean".to_owned(),
                Some((Some(class), _)) => class.to_string(),
                Some((None, _)) => "incomplete".to_owned(),
            },
            version: version.to_owned(),
        }
    }
}

impl DrilledSegments {
    fn drilled(&self) -> DrilledTier {
        let took_us = self.drawn.iter().map(|drawn| drawn.took_ns / 1000);
        DrilledTier {
            drawn_count: self.drawn.len() as u64,
            failed_count: self.drawn.iter().filter(|drawn| drawn.failed.is_some()).count() as u64,
            longest_us: took_us.clone().max().unwrap_or(0),
            record_count: self.record_count,
            tier: self.tier.to_owned(),
            took_us: took_us.sum(),
        }
    }
}

impl Snapshot {
    /// Draws `count` records of each tier by `seed`, and retrieves each: it is read, hashed into its leaf, and the leaf proved
    /// to be in the tree under a checkpoint. The same log, checkpoint and seed draw the same records of the same tiers. A
    /// deleted record is proved by what is left of it. `progress` is told how many are done, of how many; where it says false
    /// the drill is given up.
    ///
    /// # Errors
    /// [`Error::RolledBack`] and [`Error::Forged`] where the checkpoint is not of this log's history; [`Error::Cancelled`].
    /// What is wrong with a record is in what it came to.
    pub fn drill(
        &self,
        checkpoint: &Note,
        seed: &str,
        count: u64,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Drill> {
        let stated = self.own_checkpoint(checkpoint)?;
        self.continues(&stated)?;
        let mut pools: [(&'static str, Vec<Range<Seq>>); 3] =
            ["hot", "warm", "archive"].map(|tier| (tier, Vec::new()));
        for segment in self.segments().filter(|segment| segment.id.0 < stated.size) {
            let pool = match self.tier(segment.id)? {
                Tier::Hot => 0,
                Tier::Warm { .. } => 1,
                Tier::Archive { .. } => 2,
            };
            pools[pool].1.push(segment.id.0..segment.end_seq.min(stated.size));
        }
        let sizes = pools.each_ref().map(|(_, pool)| len(pool));
        let total = sizes.iter().map(|size| count.min(*size)).sum();
        let (mut tiers, mut done) = (Vec::new(), 0);
        for ((tier, pool), record_count) in pools.into_iter().zip(sizes).filter(|(_, size)| *size > 0) {
            let drawing = |number| hash::challenge(&stated.root, &(0..stated.size), number, seed);
            let mut drawn = Vec::new();
            for seq in draw(&pool, count.min(record_count), drawing) {
                if !progress(done, total) {
                    return Err(Error::Cancelled);
                }
                let clock = &self.inner.log.world.clock;
                let began_ns = clock.since_boot_ns();
                let failed = self.retrieve_and_prove(seq, &stated).err();
                drawn.push(Drawn { seq, took_ns: clock.since_boot_ns().saturating_sub(began_ns), failed });
                done += 1;
            }
            tiers.push(DrilledSegments { tier, record_count, drawn });
        }
        progress(done, total);
        Ok(Drill { checkpoint_size: stated.size, seed: seed.to_owned(), tiers })
    }
}

fn len(pool: &[Range<Seq>]) -> u64 {
    pool.iter().map(|range| range.end - range.start).sum()
}

/// So many different seqs of a pool.
fn draw(pool: &[Range<Seq>], count: u64, drawing: impl Fn(u64) -> u128) -> BTreeSet<Seq> {
    let (total, mut drawn) = (len(pool), BTreeSet::new());
    let mut number = 0;
    while (drawn.len() as u64) < count {
        let mut at = (drawing(number) % u128::from(total)) as u64;
        // One that was drawn already gives way to the next that was not.
        loop {
            let seq = at_index(pool, at);
            at = (at + 1) % total;
            if seq.is_none_or(|seq| drawn.insert(seq)) {
                break;
            }
        }
        number += 1;
    }
    drawn
}

fn at_index(pool: &[Range<Seq>], mut index: u64) -> Option<Seq> {
    for range in pool {
        let len = range.end - range.start;
        if index < len {
            return Some(range.start + index);
        }
        index -= len;
    }
    None
}

impl Store {
    /// Notes in the log that retrieval was drilled, and says which record has it.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn note_drill(&self, drilled: &Drilled) -> Result<Seq> {
        let body = Admin::Drilled(drilled.clone()).encode();
        self.inner.log.transact(|session| {
            let committed = session.write(&[NewRecord::admin(&body)])?;
            session.sync()?;
            Ok(committed.first_seq)
        })
    }
}
