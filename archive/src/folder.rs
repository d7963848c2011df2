//! Archive files in a folder: their names, putting one in place, and verifying all.
//!
//! A file is written under another name, synced, read back and hashed; then it gets its own, unless there is one already.
//! One that is there with other bytes is an error: nothing in an archive is ever replaced.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use indelible_engine::format::admin::Admin;
use indelible_engine::{Error, Fault, Result, SegmentInfo, Snapshot, Store};

use crate::read::{Checked, check};
use crate::schema::{About, ArchivedSource, VERSION};
use crate::write::write;

/// A segment that is in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its file, from the archive's folder on.
    pub file: PathBuf,
    /// Length of the file in bytes.
    pub len: u64,
    /// Whether it was there already, with the same bytes.
    pub was_there: bool,
}

/// Writes a sealed segment to a folder as a Parquet file. `progress` is told how many of how many records are done; where
/// it says false the file is given up.
///
/// # Errors
/// [`Error::Refused`] for a segment that is not sealed; [`Error::AlreadyExists`] where there is another file of that name;
/// [`Error::Fault`] where what was written does not read back as the segment that its seal states; [`Error::Io`];
/// [`Error::Cancelled`].
pub fn archive_segment(
    store: &Store,
    snapshot: &Snapshot,
    segment: &SegmentInfo,
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Archived> {
    let (first, end) = (segment.id.0, segment.end_seq);
    if !segment.sealed {
        return Err(Error::Refused {
            what: "archiving",
            reason: format!("segment {first} is not sealed yet"),
        });
    }
    let about = about(store, snapshot, segment)?;
    let day = snapshot.record(first)?.received_at.to_string();
    let relative = PathBuf::from(format!("day={}", day.get(..10).unwrap_or_default()))
        .join(format!("{first:020}-{end:020}.parquet"));
    let path = folder.join(&relative);
    let dir = path.parent().unwrap_or(folder);
    fs::create_dir_all(dir).map_err(Error::io("make directory", dir))?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let made = make(snapshot, segment, &about, &beside, progress).and_then(|len| {
        let was_there = place(&beside, &path)?;
        Ok(Archived { file: relative, len, was_there })
    });
    let removed = fs::remove_file(&beside);
    let archived = made?;
    removed.map_err(Error::io("remove", &beside))?;
    // That the file is there is written in its directory, and that this is there in the folder.
    for dir in [dir, folder] {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync directory", dir))?;
    }
    Ok(archived)
}

fn about(store: &Store, snapshot: &Snapshot, segment: &SegmentInfo) -> Result<About> {
    let (first, end) = (segment.id.0, segment.end_seq);
    let stated = Admin::decode(&snapshot.record(end)?.body).ok();
    let Some(Admin::Sealed(seal)) =
        stated.filter(|admin| matches!(admin, Admin::Sealed(seal) if seal.first_seq == first))
    else {
        let reason = format!("record {end} is not the seal over segment {first}; run `indelible verify`");
        return Err(Error::Refused { what: "archiving", reason });
    };
    let first = snapshot.records_with_integrity(first..=first).next().transpose()?;
    let predecessor = first.and_then(|record| record.integrity).map(|tied| tied.predecessor.to_string());
    let sources = snapshot.sources()?;
    let sources = sources.iter().filter(|source| source.seq() < end).map(|source| ArchivedSource {
        seq: source.seq(),
        name: source.profile().name().to_owned(),
        profile: source.profile().text().to_owned(),
    });
    Ok(About {
        version: VERSION,
        origin: store.origin().to_string(),
        store_id: store.store_id().to_string(),
        seal,
        predecessor: predecessor.unwrap_or_default(),
        sources: sources.collect(),
    })
}

/// Writes a file, syncs it, and reads it back; its length.
fn make(
    snapshot: &Snapshot,
    segment: &SegmentInfo,
    about: &About,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<u64> {
    let seqs = segment.id.0..segment.end_seq;
    let count = seqs.end - seqs.start;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(Error::io("make", path))?;
    let first = seqs.start;
    let file = write(snapshot, seqs, about, file, path, &mut |seq| progress(seq - first, count))?;
    file.sync_all().map_err(Error::io("sync", path))?;
    let checked = check(path)?;
    if checked.about != *about {
        return Err(Fault::damaged(0, "archive metadata", "what was written", "another").in_file(path));
    }
    Ok(file.metadata().map_err(Error::io("measure", path))?.len())
}

/// Gives a file its name, if no other has it; whether one with the same bytes had.
fn place(beside: &Path, path: &Path) -> Result<bool> {
    match fs::hard_link(beside, path) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if same(beside, path).map_err(Error::io("compare", path))? {
                return Ok(true);
            }
            Err(Error::AlreadyExists {
                path: path.to_path_buf(),
                reason: "an archive file of that name has other bytes; nothing in an archive is replaced: check it \
                         with `indelible archive verify`, or choose another folder"
                    .to_owned(),
            })
        }
        Err(error) => Err(Error::io("make", path)(error)),
    }
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

/// What a folder was found to hold.
#[derive(Debug, Clone, Default)]
pub struct FolderReport {
    /// The files that are whole, by first seq, each with the seq behind its last record.
    pub files: Vec<(PathBuf, u64, u64)>,
    /// What is wrong, a file each.
    pub findings: Vec<(PathBuf, Error)>,
    /// Ranges of seqs between files that no file has.
    pub gaps: Vec<std::ops::Range<u64>>,
}

/// Checks every archive file below a folder by itself, and how they follow one another: each states the last leaf and the
/// seal of the one before. `progress` is told how many of how many files are done.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed. What is wrong with files is in the report.
pub fn verify_folder(folder: &Path, progress: &mut dyn FnMut(usize, usize)) -> Result<FolderReport> {
    let mut paths = Vec::new();
    for day in list(folder)? {
        if day.is_dir() {
            paths.extend(
                list(&day)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "parquet")),
            );
        }
    }
    let (mut report, mut whole) = (FolderReport::default(), BTreeMap::new());
    for (done, path) in paths.iter().enumerate() {
        progress(done, paths.len());
        match check(path) {
            Ok(checked) => {
                whole.insert(checked.about.seal.first_seq, (path.clone(), checked));
            }
            Err(error) => report.findings.push((path.clone(), error)),
        }
    }
    let mut before: Option<&Checked> = None;
    for (path, checked) in whole.values() {
        let seal = &checked.about.seal;
        if let Some(before) = before {
            if before.about.seal.end_seq == seal.first_seq {
                report
                    .findings
                    .extend(follows(before, checked).map(|fault| (path.clone(), fault.in_file(path))));
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

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(Error::io("list", dir))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    if let Ok(paths) = &mut paths {
        paths.sort();
    }
    paths.map_err(Error::io("list", dir))
}
