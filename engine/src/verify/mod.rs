//! Verifying a whole store: everything is read again, rebuilt and compared.
//!
//! This room shares the formats, the hashes and the profiles with the rest of the engine, and none of the code that
//! writes: a fault of the writer must not hide itself here. It believes no derived byte and no hint; it writes
//! nothing, maps nothing, takes no lock, and holds one segment's index at a time in each thread. What is wrong is data: all
//! of it is reported, and a check that could not look is a finding, never a pass.
//!
//! The walk: `mod` lists the directory and hands each segment to a thread; `segment` goes through its frames
//! (`frames`), looks at each event and its labels (`events`, `labels`, with the help of idle threads through `pool`), hashes, and rebuilds its index (`reindex`, `finished`) and `sidecar`;
//! `quick` takes what the sidecar has `stated` in the log's place, where no events are to be read;
//! `chain` joins the segments in order and compares seals; `authority` has who was entitled to what; `notes` has the
//! checkpoints, `signatures` who signed them, `lines` whose lines were passed over; `scope` says which segments are gone through, `round` what earlier runs did; `hints` what is compared and never trusted; `kept` stands in for
//! segments in archives; `artifacts` what events point to.

mod artifacts;
mod audit;
mod authority;
mod chain;
mod deletions;
mod directories;
mod events;
mod fetching;
mod finished;
mod frames;
mod hints;
mod kept;
mod labels;
mod leaves;
mod lines;
mod noted;
mod notes;
mod packed;
mod parts;
mod pool;
mod proof;
mod quick;
mod range;
mod reindex;
mod report;
mod round;
mod scope;
mod segment;
mod sidecar;
mod signatures;
mod sources;
mod stated;
mod uncovered;
mod walk;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chain::{Chain, Grounds, Sealable};
use directories::Directories;
use lines::Lines;
use notes::{Held, Kept};
use packed::Source;
use round::Remembered;
use segment::Outcome;
use signatures::Signatures;
use walk::Walk;
use watch::Watch;

use crate::disk::{Disk, Retrieve};
use crate::hash::{LogTree, TreeHash};
use crate::trust::{Checkpoint, CosignerKey, Note, VerifierKey};
use crate::{Error, Result, SegmentId, Timestamp};

pub use lines::UnknownSigner;
pub use proof::{ProvenEntry, verify_proof};
pub use report::{Covered, FINDINGS_MAX, Finding, FindingClass, Looked, Remark, Report, SegmentVerdict};
pub use round::Round;
pub use scope::{Reach, Scope};
pub use watch::Progress;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// What can be seen without reading the events: that each segment's files are there, as long and for as many records
    /// as they say, sidecars by their checksums, the tree over the leaves that they keep against the logs' headers, the
    /// latest checkpoint and its signatures, seals, and the store's own records. Where a sidecar cannot show that, its
    /// log is read; the last segment's always is.
    Quick,
    /// Frames and sidecars by their checksums, how segments and seals hang together, sizes and signatures of the
    /// latest checkpoint. Bodies, leaves and indexes are not rebuilt.
    Checksums,
    /// Every body, entry, leaf, root, event, index and sidecar, rebuilt and compared.
    #[default]
    Full,
}

/// What a verification is asked for.
#[derive(Clone, Default)]
pub struct Options {
    /// How much is checked.
    pub depth: Depth,
    /// What of the store is gone through at that depth.
    pub scope: Scope,
    /// When it began, for what a round remembers of it.
    pub began_at: Timestamp,
    /// Asked before a segment is begun, of a round alone: whether no other is to be. At least one is checked.
    pub time_is_over: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// A checkpoint kept elsewhere, which the log must go on from.
    pub expect: Option<Note>,
    /// Copies of checkpoints in places outside the store. The log must go on from those that are of its origin; others
    /// are passed over.
    pub anchored: Vec<Anchored>,
    /// The key that must have signed the checkpoints. Without one only integrity is checked.
    pub key: Option<VerifierKey>,
    /// Witnesses that are known to whoever asks, and whose lines he looks at himself: they are not said to be unknown.
    pub witnesses: Vec<CosignerKey>,
    /// The way to archives. Without one, segments that are there are not looked at, and said to be so.
    pub retrieve: Option<Arc<dyn Retrieve>>,
    /// Told now and then how far it is, from any thread.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    /// Set by another thread to stop.
    pub cancel: Option<Arc<AtomicBool>>,
    /// How many threads to use; 0 for as many as the machine has, up to four.
    pub threads: usize,
}

/// A checkpoint that was copied to a place outside the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// What findings call the place.
    pub file: String,
    /// The checkpoint.
    pub note: Note,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("depth", &self.depth)
            .field("scope", &self.scope)
            .field("expect", &self.expect)
            .field("anchored", &self.anchored)
            .field("key", &self.key)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// Checks the store in the directory `path`.
///
/// # Errors
/// [`Error::NotAStore`] where there is none; [`Error::Io`] where its directory cannot be listed;
/// [`Error::Cancelled`]. Whatever is wrong with the store itself is in the report.
pub fn verify(disk: &Arc<dyn Disk>, path: &Path, options: &Options) -> Result<Report> {
    // Checkpoints first: what the log then has beyond them, it got while this ran.
    let mut early = report::Findings::default();
    let mut kept = notes::read(disk, path, options.depth != Depth::Full, &mut early);
    if let Some(note) = &options.expect {
        kept.push(Kept::new(String::new(), note.clone(), Held::Expected)?);
    }
    for Anchored { file, note } in &options.anchored {
        kept.push(Kept::new(file.clone(), note.clone(), Held::Anchored)?);
    }
    let artifacts = artifacts::listed(disk, path);
    let files = hints::list(disk, path)?;
    let mut report = Report::new(files.remarks.clone());
    early.hand_over(&mut report);
    let sources: Vec<Source> =
        files.segments.iter().map(|id| Source::new(path, *id, &files, &options.retrieve)).collect();
    report.scope = options.scope.name(options.depth);
    let held = round::held(disk, options, &files.segments, &sources, &mut report);
    let reaches = options.scope.reaches(options.depth, &files.segments, &held);
    let watch = Watch::new(options, walk::total_len(disk, path, &files, &sources, &reaches));
    let directories = Directories::open(disk, path, &mut report.remarks);
    let walk = Walk { files: &files, sources: &sources, reaches: &reaches, held: &held };
    let mut outcomes = walk::check(disk, path, options, &walk, &directories, &kept, &watch);
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    directories.settle(&files.segments, &mut outcomes, &mut report);
    let mut chain = Chain::new();
    let mut found = Vec::new();
    for (place, ((id, source), outcome)) in files.segments.iter().zip(&sources).zip(outcomes).enumerate() {
        let next = files.segments.get(place + 1);
        found.extend(join(&mut chain, (*id, next.copied()), source, outcome, options, &mut report));
    }
    if files.segments.is_empty() {
        report.push(Finding::new(
            FindingClass::Incomplete,
            "log",
            "segments",
            "the segment of record 0",
            "none",
        ));
    }
    for id in files.orphans() {
        let file = format!("log/{}", id.file_name("idx"));
        let found = format!("a log that ends at record {}", chain.end_seq());
        report.push(Finding::new(
            FindingClass::RolledBack,
            file,
            "segments",
            format!("the sealed log {id}"),
            found,
        ));
    }
    report.tree_size = chain.end_seq();
    report.root = chain.root().filter(|_| chain.grounds() != Grounds::Stated);
    report.torn_len = chain.torn_len;
    report.is_complete =
        report.segments.iter().all(|segment| options.scope.is_enough(options.depth, segment.reach));
    report.store_id = chain.store_id;
    if let Scope::Round(round) = &options.scope {
        report.round = Some(round::next(round, options, &held, found, &report));
    }
    report.origin.clone_from(&chain.origin);
    report.store_id = chain.store_id;
    if report.is_complete {
        artifacts::check(disk, path, options, &watch, &mut report);
        artifacts::settle(disk, path, &artifacts, chain.artifacts(), &mut report);
    }
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    report.covered.read_len = watch.done();
    chain.settle_deletions(&mut report);
    // What is anchored of other logs says nothing of this one.
    let is_other = |kept: &Kept| chain.origin.as_ref().is_some_and(|own| *own != kept.checkpoint.origin);
    kept.retain(|kept| kept.held != Held::Anchored || !is_other(kept));
    let outside = check_notes(&chain, &kept, options, &mut report);
    hints::check(disk, path, &chain, &mut report);
    check_since(&chain, options, &mut report);
    uncovered::say(&chain, options, outside, &mut report);
    Ok(report)
}

/// Adds a segment to the report and the chain; what a round is to remember of it.
fn join(
    chain: &mut Chain,
    (id, next): (SegmentId, Option<SegmentId>),
    source: &Source,
    mut outcome: Outcome,
    options: &Options,
    report: &mut Report,
) -> Option<Remembered> {
    let reach = outcome.reach;
    if let (Reach::NotReached, Some(next)) = (reach, next) {
        outcome.end_seq = next.0;
    }
    report.segments.push(SegmentVerdict {
        reach,
        checked_at: outcome.checked_at,
        first_seq: id.0,
        end_seq: outcome.end_seq,
        log_len: outcome.log_len,
        unread_count: outcome.unread_count,
        sealed: false,
        looked_at: !outcome.left_out,
        root: outcome.root,
        index_root: outcome.index_root.filter(|_| reach == Reach::Full),
        sidecar: outcome.sidecar,
        finding_count: outcome.findings.count,
        class: outcome.findings.class,
    });
    if reach == Reach::NotReached {
        chain.leave_out(outcome.end_seq);
        return None;
    }
    report.covered.record_count += outcome.record_count;
    report.covered.body_count += outcome.body_count;
    report.covered.unread_count += outcome.unread_count;
    let findings = std::mem::take(&mut outcome.findings);
    findings.hand_over(report);
    report.remarks.append(&mut outcome.remarks);
    let this = Sealable {
        file: source.file.clone(),
        seqs: id.0..outcome.end_seq,
        root: outcome.root,
        index_root: outcome.index_root,
        rules: outcome.index_rules,
        verdict: report.segments.len() - 1,
    };
    chain.join(&mut outcome, this, report);
    // The last segment grows: it is looked at in every round's last run.
    next?;
    Some(Remembered {
        first_seq: id.0,
        end_seq: outcome.end_seq,
        checked_at: options.began_at,
        file: source.file.clone(),
        log_len: outcome.log_len,
        root: outcome.root?,
        tree_root: chain.root().filter(|_| reach == Reach::Full)?,
        last_leaf: outcome.last_leaf?,
        index_root: outcome.index_root?,
        rules: outcome.index_rules?,
        records: outcome.own_records,
    })
}

/// Compares every checkpoint with the log. The greatest size of one that is kept outside the store and holds.
fn check_notes(chain: &Chain, kept: &[Kept], options: &Options, report: &mut Report) -> Option<u64> {
    let mut outside = None;
    let mut lines = Lines::default();
    let signatures = Signatures::new(chain.keys(), options.key.as_ref(), kept);
    for kept in kept {
        let mut findings = report::Findings::default();
        if signatures.check(kept, &mut findings) {
            report.covered.signature_count += 1;
        }
        lines.look(kept, &signatures, &options.witnesses, report);
        check_tree(chain, kept, options, report, &mut findings);
        if findings.count == 0 {
            let size = Some(kept.checkpoint.size);
            report.checkpoint_size = report.checkpoint_size.max(size);
            // Where checksums are all that is looked at, sizes are all that is compared.
            let compared = options.depth == Depth::Checksums || !chain.is_not_hashed(kept.checkpoint.size);
            if kept.held != Held::InStore && compared {
                outside = outside.max(size);
            }
        }
        findings.hand_over(report);
    }
    lines.say(report);
    report.remarks.extend(signatures.way());
    if let Some(key) = &options.key
        && !kept.iter().any(|kept| kept.held == Held::InStore)
    {
        let expected = format!("one signed by {key}");
        report.push(Finding::new(
            FindingClass::NotAuthenticated,
            notes::LATEST,
            "checkpoint",
            expected,
            "none",
        ));
    }
    outside
}

fn check_tree(
    chain: &Chain,
    kept: &Kept,
    options: &Options,
    report: &mut Report,
    findings: &mut report::Findings,
) {
    let Checkpoint { origin, size, root, .. } = &kept.checkpoint;
    let what = match kept.held {
        Held::InStore => "checkpoint",
        Held::Expected => "expected checkpoint",
        Held::Anchored => "anchored checkpoint",
    };
    if let Some(own) = chain.origin.as_ref().filter(|own| *own != origin) {
        findings.push(Finding::forged(&kept.file, format!("{what} origin"), own, origin.escape_debug()));
    }
    if *size > chain.end_seq() {
        let seqs = chain.end_seq()..*size;
        // Where bytes are there that cannot be read, the log is not behind: it is damaged. Where a whole segment cannot
        // be read, a newer release's for one, there is no telling how far the log goes.
        let unread = options.depth != Depth::Checksums && chain.root().is_none();
        let (class, found) = match chain.torn_len {
            0 if unread => {
                (FindingClass::Incomplete, format!("{} records that can be read", chain.end_seq()))
            }
            0 => (FindingClass::RolledBack, format!("{} records", chain.end_seq())),
            torn => {
                (FindingClass::Damaged, format!("{} records and {torn} bytes that are none", chain.end_seq()))
            }
        };
        let expected = format!("at least {size} records");
        findings.push(Finding::new(class, &kept.file, format!("{what} size"), expected, found).seqs(seqs));
        return;
    }
    if options.depth == Depth::Checksums {
        return;
    }
    let computed = match size {
        0 => Some(LogTree::empty()),
        size => {
            let place = chain.roots.partition_point(|(at, _)| at < size);
            chain.roots.get(place).filter(|(at, _)| at == size).map(|(_, root)| *root)
        }
    };
    match computed {
        Some(computed) if computed == *root => report.covered.checkpoint_count += 1,
        Some(computed) => {
            let finding = Finding::forged(&kept.file, format!("{what} root"), computed, root);
            findings.push(finding.seqs(0..*size));
        }
        // What is said of a size among records that were not hashed stands among what is not covered.
        None if chain.is_not_hashed(*size) => {}
        None => {
            let expected = format!("the root over {size} records");
            let found = "a log in which records are missing or cannot be read";
            let what = format!("{what} root");
            findings.push(Finding::new(FindingClass::Incomplete, &kept.file, what, expected, found));
        }
    }
}

/// Compares the root that was vouched for with the log's, where only what came after it is gone through.
fn check_since(chain: &Chain, options: &Options, report: &mut Report) {
    let Scope::Since { size, root: Some(root) } = &options.scope else { return };
    if *size > chain.end_seq() {
        let found = format!("{} records", chain.end_seq());
        let expected = format!("at least the {size} that were verified");
        report.push(Finding::new(FindingClass::RolledBack, "", "verified size", expected, found));
    } else if let Some((_, computed)) = chain.roots.iter().find(|(at, _)| at == size) {
        if computed == root {
            // The tree that the log states is the one that was vouched for, so what it was continued to is known too.
            report.root = chain.root();
        } else {
            report.push(Finding::forged("", "verified root", root, computed).seqs(0..*size));
        }
    }
}
