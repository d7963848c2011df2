//! Verifying a whole store: everything is read again, rebuilt and compared.
//!
//! This room shares the formats, the hashes and the profiles with the rest of the engine, and none of the code that
//! writes: a fault of the writer must not hide itself here. It believes no derived byte and no hint; it writes
//! nothing, maps nothing, takes no lock, and holds one segment's index at a time in each thread. What is wrong is data: all
//! of it is reported, and a check that could not look is a finding, never a pass.
//!
//! The walk: `mod` lists the directory and hands each segment to a thread; `segment` goes through its frames
//! (`frames`), looks at each event and its labels (`events`, `labels`, with the help of idle threads through `pool`), hashes, and rebuilds its index (`reindex`, `finished`) and `sidecar`;
//! `chain` joins the segments in order and compares seals; `authority` has who was entitled to what; `notes` has the
//! checkpoints; `hints` what is compared and never trusted; `artifacts` what events point to.

mod artifacts;
mod audit;
mod authority;
mod chain;
mod directories;
mod events;
mod finished;
mod frames;
mod hints;
mod labels;
mod notes;
mod packed;
mod parts;
mod pool;
mod proof;
mod range;
mod reindex;
mod report;
mod segment;
mod sidecar;
mod sources;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chain::{Chain, Sealable};
use directories::Directories;
use notes::{Held, Kept};
use packed::Source;
use pool::Pool;
use segment::{Outcome, Task};
use sources::Registry;
use watch::Watch;

use crate::disk::Disk;
use crate::hash::{LogTree, TreeHash};
use crate::trust::{Checkpoint, Note, VerifierKey};
use crate::{Error, Result, SegmentId};

pub use proof::{ProvenEntry, verify_proof};
pub use report::{Covered, FINDINGS_MAX, Finding, FindingClass, Looked, Remark, Report, SegmentVerdict};
pub use watch::Progress;

/// Threads that are used unless told otherwise; each holds the index of one segment.
const THREADS_DEFAULT: usize = 4;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Frames and sidecars by their checksums, how segments and seals hang together, sizes and signatures of the
    /// latest checkpoint. Bodies, leaves and indexes are not rebuilt.
    Quick,
    /// Every body, entry, leaf, root, event, index and sidecar, rebuilt and compared.
    #[default]
    Full,
}

/// What a verification is asked for.
#[derive(Clone, Default)]
pub struct Options {
    /// How much is checked.
    pub depth: Depth,
    /// A checkpoint kept elsewhere, which the log must go on from.
    pub expect: Option<Note>,
    /// Copies of checkpoints in places outside the store. The log must go on from those that are of its origin; others
    /// are passed over.
    pub anchored: Vec<Anchored>,
    /// The key that must have signed the checkpoints. Without one only integrity is checked.
    pub key: Option<VerifierKey>,
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
    let mut kept = notes::read(disk, path, options.depth == Depth::Quick, &mut early);
    if let Some(note) = &options.expect {
        kept.push(Kept::new(String::new(), note.clone(), Held::Expected)?);
    }
    for Anchored { file, note } in &options.anchored {
        kept.push(Kept::new(file.clone(), note.clone(), Held::Anchored)?);
    }
    let files = hints::list(disk, path)?;
    let mut report = Report::new(files.remarks.clone());
    early.hand_over(&mut report);
    let sources: Vec<Source> =
        files.segments.iter().map(|id| Source::new(path, *id, files.packed.contains(id))).collect();
    let watch = Watch::new(options, total_len(disk, &sources));
    let directories = Directories::open(disk, path, &mut report.remarks);
    let mut outcomes = check_segments(disk, path, options, (&files, &sources), &directories, &kept, &watch);
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    directories.settle(&files.segments, &mut outcomes, &mut report);
    let mut chain = Chain::new(options.depth == Depth::Full);
    for ((id, source), outcome) in files.segments.iter().zip(&sources).zip(outcomes) {
        join(&mut chain, *id, source, outcome, &mut report);
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
    report.root = chain.root();
    report.origin.clone_from(&chain.origin);
    report.store_id = chain.store_id;
    artifacts::check(disk, path, options.depth, &watch, &mut report);
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    report.covered.read_len = watch.done();
    // What is anchored of other logs says nothing of this one.
    let is_other = |kept: &Kept| chain.origin.as_ref().is_some_and(|own| *own != kept.checkpoint.origin);
    kept.retain(|kept| kept.held != Held::Anchored || !is_other(kept));
    let outside = check_notes(&chain, &kept, options, &mut report);
    hints::check(disk, path, &chain, &mut report);
    say_what_is_not_covered(&chain, options, outside, &mut report);
    Ok(report)
}

/// How many bytes there are to read; a guess where a file cannot be opened, which its own check will tell.
fn total_len(disk: &Arc<dyn Disk>, sources: &[Source]) -> u64 {
    let len = |source: &Source| source.open(disk).and_then(|file| file.len()).unwrap_or(0);
    sources.iter().map(len).sum()
}

/// Checks all segments, several at a time, taken in order.
fn check_segments(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: &Options,
    (files, sources): (&hints::Files, &[Source]),
    directories: &Directories,
    kept: &[Kept],
    watch: &Watch<'_>,
) -> Vec<Outcome> {
    let registry = Registry::new(&files.segments);
    let pool = Pool::new(files.segments.len());
    let mut marks: Vec<u64> = kept.iter().map(|kept| kept.checkpoint.size).collect();
    marks.sort_unstable();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::with_capacity(files.segments.len()));
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (Some(id), Some(source)) = (files.segments.get(place), sources.get(place)) else {
                return pool.help();
            };
            let outcome = segment::check(&Task {
                disk,
                root: path,
                source,
                file: source.file.clone(),
                id: *id,
                place,
                active: place + 1 == files.segments.len(),
                has_sidecar: files.sidecars.contains(id),
                in_directory: directories.place(*id),
                part_names: files.parts.get(id).map_or(&[], Vec::as_slice),
                next: sources.get(place + 1),
                depth: options.depth,
                marks: &marks,
                registry: &registry,
                pool: &pool,
                watch,
            });
            done.lock().unwrap_or_else(PoisonError::into_inner).push((place, outcome));
        }
    };
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_DEFAULT)),
        threads => threads,
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Adds a segment to the report and the chain.
fn join(chain: &mut Chain, id: SegmentId, source: &Source, mut outcome: Outcome, report: &mut Report) {
    report.segments.push(SegmentVerdict {
        first_seq: id.0,
        end_seq: outcome.end_seq,
        log_len: outcome.log_len,
        sealed: false,
        root: outcome.root,
        index_root: outcome.restated.map(|restated| restated.index_root),
        sidecar: outcome.sidecar,
        finding_count: outcome.findings.count,
        class: outcome.findings.class,
    });
    report.covered.record_count += outcome.record_count;
    report.covered.body_count += outcome.body_count;
    let findings = std::mem::take(&mut outcome.findings);
    findings.hand_over(report);
    report.remarks.append(&mut outcome.remarks);
    let this = Sealable {
        file: source.file.clone(),
        seqs: id.0..outcome.end_seq,
        root: outcome.root,
        index_root: outcome.restated.map(|restated| restated.index_root),
        rules: outcome.restated.map(|restated| restated.rules),
        verdict: report.segments.len() - 1,
    };
    chain.join(&mut outcome, this, report);
}

/// Compares every checkpoint with the log. The greatest size of one that is kept outside the store and holds.
fn check_notes(chain: &Chain, kept: &[Kept], options: &Options, report: &mut Report) -> Option<u64> {
    let mut outside = None;
    let own_key = chain.log_key.as_ref().and_then(|key| key.parse::<VerifierKey>().ok());
    for kept in kept {
        let mut findings = report::Findings::default();
        if let Some(key) = &options.key {
            if notes::check_signature(kept, key, true, &mut findings) {
                report.covered.signature_count += 1;
            }
        } else if let Some(key) = &own_key {
            notes::check_signature(kept, key, false, &mut findings);
        }
        check_tree(chain, kept, options, report, &mut findings);
        if findings.count == 0 {
            let size = Some(kept.checkpoint.size);
            report.checkpoint_size = report.checkpoint_size.max(size);
            if kept.held != Held::InStore {
                outside = outside.max(size);
            }
        }
        findings.hand_over(report);
    }
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
        let unread = options.depth == Depth::Full && chain.root().is_none();
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
    if options.depth == Depth::Quick {
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
        None => {
            let expected = format!("the root over {size} records");
            let found = "a log in which records are missing or cannot be read";
            let what = format!("{what} root");
            findings.push(Finding::new(FindingClass::Incomplete, &kept.file, what, expected, found));
        }
    }
}

/// `outside` is the greatest size of a checkpoint outside the store that holds.
fn say_what_is_not_covered(chain: &Chain, options: &Options, outside: Option<u64>, report: &mut Report) {
    let mut say = |text: String| report.not_covered.push(text);
    if options.depth == Depth::Quick {
        say("bodies, leaves, roots and indexes: quick looks at checksums, ranges and signatures only"
            .to_owned());
        say("checkpoints other than the latest".to_owned());
    }
    if options.key.is_none() {
        say("who vouches for this log: no key was given, so this is integrity only".to_owned());
    }
    match report.checkpoint_size {
        Some(size) if size < chain.end_seq() => {
            let count = chain.end_seq() - size;
            say(format!(
                "{count} records after the last checkpoint, of {size}: cutting them off would not show"
            ));
        }
        Some(_) => {}
        None => say("cutting off the log's end: there is no checkpoint that holds".to_owned()),
    }
    match outside {
        None => say("an older copy put in this one's place together with its checkpoint: none to expect was given, and \
                     no anchor has one"
            .to_owned()),
        Some(size) if size < chain.end_seq() => say(format!(
            "an older copy with at least {size} records put in this one's place: what is kept outside the store goes no \
             further"
        )),
        Some(_) => {}
    }
    say("what was never appended".to_owned());
}
