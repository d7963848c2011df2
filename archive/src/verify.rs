//! Verifying an archive by itself, without the store.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use indelible_engine::{Error, Fault, Result};

use crate::read::{Checked, check};
use crate::target::Target;

/// What an archive was found to hold.
#[derive(Debug, Clone, Default)]
pub struct ArchiveReport {
    /// The files that are whole, by first seq, each with the seq behind its last record.
    pub files: Vec<(PathBuf, u64, u64)>,
    /// What is wrong, a file each.
    pub findings: Vec<(PathBuf, Error)>,
    /// Files of segments of which a later file is there too: they have events that were deleted since.
    pub outdated: Vec<PathBuf>,
    /// Ranges of seqs between files that no file has.
    pub gaps: Vec<std::ops::Range<u64>>,
}

/// Checks every file of an archive by itself, and how they follow one another: each states the last leaf and the seal of the
/// one before. `progress` is told how many of how many files are done.
///
/// # Errors
/// [`Error::Io`] where the archive cannot be listed, or a file of it not be fetched. What is wrong with files is in the
/// report.
pub fn verify_archive(target: &Target, progress: &mut dyn FnMut(usize, usize)) -> Result<ArchiveReport> {
    let objects = target.list()?;
    let (mut report, mut whole) = (ArchiveReport::default(), BTreeMap::new());
    for (done, object) in objects.iter().enumerate() {
        progress(done, objects.len());
        let place = target.place_of(&object.name);
        match check(target.fetch(object)?, &place) {
            Ok(checked) => {
                let (first_seq, newer) = (checked.about.seal.first_seq, checked.rewritten_by);
                match whole.entry(first_seq) {
                    Entry::Vacant(entry) => drop(entry.insert((place, checked))),
                    Entry::Occupied(mut known) if known.get().1.rewritten_by < newer => {
                        report.outdated.push(known.insert((place, checked)).0);
                    }
                    Entry::Occupied(_) => report.outdated.push(place),
                }
            }
            Err(error) => report.findings.push((place, error)),
        }
    }
    let mut before: Option<&Checked> = None;
    for (path, checked) in whole.values() {
        let seal = &checked.about.seal;
        if let Some(before) = before {
            if before.about.seal.end_seq == seal.first_seq {
                let fault = follows(before, checked);
                report.findings.extend(fault.map(|fault| (path.clone(), fault.in_file(path))));
            } else {
                report.gaps.push(before.about.seal.end_seq..seal.first_seq);
            }
        }
        report.files.push((path.clone(), seal.first_seq, seal.end_seq));
        before = Some(checked);
    }
    Ok(report)
}

/// What speaks against a file's going on from another.
fn follows(before: &Checked, checked: &Checked) -> Option<Fault> {
    let last = before.last_leaf.to_string();
    if checked.about.predecessor != last {
        return Some(Fault::forged(0, "archive predecessor", last, &checked.about.predecessor));
    }
    let stated = checked.before.as_ref();
    let same = stated.is_some_and(|seal| *seal == before.about.seal)
        && checked.about.store_id == before.about.store_id;
    (!same).then(|| Fault::forged(0, "seal of the file before", &before.about.seal.root, "another"))
}
