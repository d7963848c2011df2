//! How the segments hang together: one store, ranges that tile the log, seals that state what they seal, one tree.

use std::collections::BTreeMap;
use std::ops::Range;

use super::artifacts::Stated;
use super::authority::Authority;
use super::deletions::Deletions;
use super::labels::in_words;
use super::range::{RangeMark, TreeRange};
use super::report::{Finding, FindingClass, Report};
use super::scope::Reach;
use super::segment::Outcome;
use crate::hash::Hash;
use crate::trust::LogKeys;
use crate::{Seq, StoreId};

/// The log as far as its segments were joined.
pub(super) struct Chain {
    /// The tree over all records so far; none where a record is missing, or those of the last segment were not hashed.
    tree: Option<TreeRange>,
    /// What the tree was made of.
    grounds: Grounds,
    /// No record is missing so far.
    whole: bool,
    /// Segments were left out, as time was over.
    left_out: bool,
    end_seq: Seq,
    last_leaf: Option<Hash>,
    pub(super) store_id: Option<StoreId>,
    pub(super) origin: Option<String>,
    /// The label rules in force, as far as that can be told; the inner none where there are none.
    rules: Option<Option<Seq>>,
    /// Who is entitled to what; none once a record is missing.
    authority: Option<Authority>,
    /// What was deleted, and what the log says of that.
    deletions: Deletions,
    /// The artifacts that were put, by the records that say so last.
    puts: BTreeMap<Hash, Seq>,
    /// What the segment before states of itself, until its seal is met.
    before: Option<Sealable>,
    /// Roots at the sizes that were asked for.
    pub(super) roots: Vec<(u64, Hash)>,
    /// The end of the segment before is missing, and that was told.
    cut_short: bool,
    pub(super) torn_len: u64,
    pub(super) lost: Vec<(String, u64, Seq)>,
    /// The records of segments that were not hashed now: no root at a size behind the first of them is known.
    not_hashed: Vec<Range<Seq>>,
}

/// What a tree was made of; the order is that of how little it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grounds {
    /// All records, read and hashed.
    Read,
    /// Some of them in earlier runs of a round.
    Remembered,
    /// For segments that were not hashed, what the log behind them states of the tree before it, or the leaves that their
    /// sidecars keep.
    Stated,
}

/// What a seal is compared with.
#[derive(Debug, Clone)]
pub(super) struct Sealable {
    pub(super) file: String,
    pub(super) seqs: Range<Seq>,
    pub(super) root: Option<Hash>,
    pub(super) index_root: Option<Hash>,
    pub(super) rules: Option<Hash>,
    /// Where in the report its verdict stands.
    pub(super) verdict: usize,
}

impl Chain {
    pub(super) fn new() -> Self {
        Chain {
            tree: Some(TreeRange::new(0)),
            grounds: Grounds::Read,
            whole: true,
            left_out: false,
            end_seq: 0,
            last_leaf: None,
            store_id: None,
            origin: None,
            authority: None,
            rules: Some(None),
            deletions: Deletions::default(),
            puts: BTreeMap::new(),
            before: None,
            roots: Vec::new(),
            cut_short: false,
            torn_len: 0,
            lost: Vec::new(),
            not_hashed: Vec::new(),
        }
    }

    pub(super) fn end_seq(&self) -> Seq {
        self.end_seq
    }

    pub(super) fn root(&self) -> Option<Hash> {
        self.tree.as_ref().map(TreeRange::root)
    }

    /// What the tree was made of.
    pub(super) fn grounds(&self) -> Grounds {
        self.grounds
    }

    /// Whether a root at `size` could not be known, as the records before it were not hashed now.
    pub(super) fn is_not_hashed(&self, size: u64) -> bool {
        self.not_hashed.iter().any(|seqs| seqs.start < size && size <= seqs.end)
    }

    /// Passes over segments that were left out, up to the one that begins at `seq`.
    pub(super) fn leave_out(&mut self, seq: Seq) {
        self.not_hashed.push(self.end_seq..seq);
        self.end_seq = seq;
        (self.tree, self.last_leaf, self.before, self.authority) = (None, None, None, None);
        (self.whole, self.left_out, self.cut_short) = (false, true, false);
    }

    /// The keys that sign the log's checkpoints; none where records are missing that may have changed them.
    pub(super) fn keys(&self) -> Option<&LogKeys> {
        self.authority.as_ref().map(|authority| &authority.keys)
    }

    /// The roots of the tree's whole groups of 256 leaves.
    pub(super) fn groups(&self) -> Option<&[(u64, Hash)]> {
        let tree = self.tree.as_ref().filter(|_| self.grounds == Grounds::Read);
        tree.map(|tree| tree.groups.as_slice())
    }

    /// Takes the next segment; `this` is what its own seal will be compared with.
    pub(super) fn join(&mut self, outcome: &mut Outcome, mut this: Sealable, report: &mut Report) {
        self.deletions.segment(outcome, &mut this);
        let first = this.seqs.start;
        self.place(outcome, &this, report);
        self.whole &= outcome.whole;
        if let Some(before) = self.before.take()
            && before.seqs.end == first
        {
            self.seal(outcome, &before, &this.file, report);
        }
        if let Some(created) = outcome.created.take() {
            self.created(&created, &this.file, report);
        }
        self.authorise(outcome, &this, report);
        self.puts.append(&mut outcome.puts.drain(..).collect());
        if let Some(tree) = &self.tree {
            for mark in &outcome.marks {
                let mut at_mark = tree.clone();
                at_mark.join(mark, &[]);
                self.roots.push((mark.size, at_mark.root()));
            }
        }
        let has_leaves = outcome.range.is_some();
        self.tree = match (self.tree.take(), outcome.range.take()) {
            (Some(mut tree), Some(range)) => {
                let mark: RangeMark = range.mark();
                tree.join(&mark, &range.groups);
                Some(tree)
            }
            _ => None,
        };
        if outcome.reach != Reach::Full && !has_leaves {
            self.not_hashed.push(this.seqs.clone());
        }
        if matches!(outcome.reach, Reach::Checksums | Reach::Quick) {
            self.grounds = Grounds::Stated;
        }
        self.rules(outcome, &this, report);
        self.end_seq = self.end_seq.max(outcome.end_seq);
        self.last_leaf = outcome.last_leaf;
        self.cut_short = outcome.cut_short;
        self.torn_len = outcome.torn_len;
        self.lost.append(&mut outcome.lost);
        self.before = Some(this);
    }

    /// Holds what was deleted against what the log says of it, once all segments were joined.
    pub(super) fn settle_deletions(&self, report: &mut Report) {
        self.deletions.settle(self.authority.is_some(), report);
    }

    /// The artifacts that were put, each with what the log says of it, and whether no record of the log is missing.
    pub(super) fn artifacts(&self) -> (impl Iterator<Item = (Hash, Stated)>, bool) {
        let stated = self.puts.iter().map(|(hash, put)| {
            let collected = self.deletions.collected(hash).filter(|collected| collected > put);
            (*hash, Stated { put: *put, collected })
        });
        (stated, self.authority.is_some())
    }

    /// Compares the label rules that a segment's first records name with those that were in force.
    fn rules(&mut self, outcome: &Outcome, this: &Sealable, report: &mut Report) {
        if let (Some(in_force), Some(named)) = (self.rules, outcome.rules_before)
            && in_force != named
        {
            let finding = Finding::forged(&this.file, "record labels", in_words(in_force), in_words(named));
            report.push(finding.seqs(this.seqs.clone()));
        }
        // Where records are missing there may have been rules among them.
        self.rules = outcome.rules_after.or(self.rules).filter(|_| self.whole);
    }

    /// Checks what asks for authority, as far as no record is missing that may have given it.
    fn authorise(&mut self, outcome: &mut Outcome, this: &Sealable, report: &mut Report) {
        let administered = std::mem::take(&mut outcome.administered);
        if this.seqs.start != self.end_seq || !outcome.whole {
            self.authority = None;
        }
        let unplanned: Vec<_> = administered.iter().map(|record| self.deletions.fold(record)).collect();
        let Some(authority) = &mut self.authority else {
            if let Some(first) = administered.first()
                && !self.left_out
            {
                let found = "records before it that are missing";
                let finding = Finding::new(
                    FindingClass::Incomplete,
                    &this.file,
                    "authority",
                    "the log that it stands on",
                    found,
                );
                report.push(finding.at(first.at).seqs(first.seq..first.seq + 1));
            }
            return;
        };
        for (record, unplanned) in administered.iter().zip(unplanned) {
            let unplanned = unplanned.map(|wrong| record.without_authority(wrong, &this.file));
            if let Some(finding) = authority.fold(record, &this.file).or(unplanned) {
                report.push(finding);
                if let Some(verdict) = report.segments.get_mut(this.verdict) {
                    verdict.finding_count += 1;
                    verdict.class = verdict.class.max(Some(FindingClass::Forged));
                }
            }
        }
    }

    /// Compares what a segment's header says of the log before it.
    fn place(&mut self, outcome: &Outcome, this: &Sealable, report: &mut Report) {
        let first = this.seqs.start;
        if first > self.end_seq {
            let finding = Finding::new(
                FindingClass::Incomplete,
                "log",
                "segments",
                format_args!("a segment that begins at record {}", self.end_seq),
                format_args!("none before the one at {first}"),
            );
            if !self.cut_short {
                report.push(finding.seqs(self.end_seq..first));
            }
            (self.tree, self.last_leaf, self.whole) = (None, None, false);
        } else if first < self.end_seq {
            let finding =
                Finding::forged(&this.file, "segments", format_args!("record {} first", self.end_seq), first);
            report.push(finding.seqs(first..self.end_seq));
            (self.tree, self.last_leaf, self.whole) = (None, None, false);
        }
        let Some(header) = &outcome.header else { return };
        match self.store_id {
            None => self.store_id = Some(header.store_id),
            Some(id) if id != header.store_id => {
                report.push(Finding::forged(&this.file, "store id", id, header.store_id).at(24));
            }
            Some(_) => {}
        }
        let predecessor = if first == 0 { Some(Hash::ZERO) } else { self.last_leaf };
        if let Some(leaf) = predecessor
            && leaf != header.predecessor
        {
            let finding = Finding::forged(&this.file, "log predecessor", leaf, header.predecessor);
            report.push(finding.at(80).seqs(first..first + 1));
        }
        if let Some(tree) = &self.tree
            && tree.end() == header.first_seq
            && tree.frontier() != header.frontier
        {
            let finding =
                Finding::forged(&this.file, "log header frontier", "the tree before", "another tree");
            report.push(finding.at(128).seqs(first..first + 1));
        }
        if self.tree.is_none() && self.whole && outcome.range.is_some() {
            // Those before were not hashed now. Their own check compares what they come to with the same header.
            self.tree = Some(TreeRange::from_frontier(header.first_seq, &header.frontier));
            self.grounds = self.grounds.max(Grounds::Remembered);
        }
    }

    /// Compares the seal that `outcome` begins with with the segment that it seals.
    fn seal(&self, outcome: &Outcome, before: &Sealable, file: &str, report: &mut Report) {
        let Some(seal) = &outcome.seal else { return };
        let verdict = before.verdict;
        let mut compare = |what: &str, stated: String, computed: Option<String>| {
            if let Some(computed) = computed
                && stated != computed
            {
                let finding =
                    Finding::forged(file, format!("seal of {}: {what}", before.file), computed, stated);
                report.push(finding.seqs(before.seqs.clone()));
                if let Some(verdict) = report.segments.get_mut(verdict) {
                    verdict.finding_count += 1;
                    verdict.class = verdict.class.max(Some(FindingClass::Forged));
                }
            }
        };
        compare("first seq", seal.first_seq.to_string(), Some(before.seqs.start.to_string()));
        compare("end seq", seal.end_seq.to_string(), Some(before.seqs.end.to_string()));
        compare("segment root", seal.root.clone(), before.root.map(|root| root.to_string()));
        compare("index rules", seal.rules.clone(), before.rules.map(|rules| rules.to_string()));
        compare("index root", seal.index_root.clone(), before.index_root.map(|root| root.to_string()));
        report.covered.seal_count += 1;
        report.covered.index_count += u64::from(before.index_root.is_some());
        if let Some(verdict) = report.segments.get_mut(verdict) {
            verdict.sealed = true;
        }
    }

    fn created(&mut self, created: &super::segment::Created, file: &str, report: &mut Report) {
        if let Some(id) = self.store_id
            && id.to_string() != created.store_id
        {
            report.push(Finding::forged(file, "store id", id, &created.store_id).at(24).seqs(0..1));
        }
        if created.origin.parse::<crate::Origin>().is_err() {
            report.push(
                Finding::forged(file, "origin", "a log's name", created.origin.escape_debug()).seqs(0..1),
            );
        }
        self.authority = Some(Authority::new(&created.origin, &created.store_id, created.log_key.as_deref()));
        self.origin = Some(created.origin.clone());
    }
}
