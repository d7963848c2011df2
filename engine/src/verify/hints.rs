//! The store's directory, and what in it is compared with the log and never trusted: hints, caches, lost bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::chain::Chain;
use super::report::{Finding, FindingClass, Remark, Report};
use crate::disk::{Disk, Open};
use crate::format::head::{HEAD_SLOT_LEN, HEAD_SLOTS, Head};
use crate::hash::{Hash, LogTree};
use crate::merkle;
use crate::{Error, Result, SegmentId};

/// What stands in a store's directory.
pub(super) struct Files {
    /// The segments whose logs or packs are there, ascending.
    pub(super) segments: Vec<SegmentId>,
    /// Those of them that are packs alone.
    pub(super) packed: BTreeSet<SegmentId>,
    /// Those of them that are in the archive.
    pub(super) archived: BTreeSet<SegmentId>,
    /// The last segment whose log is there: the active one.
    logs_end: Option<SegmentId>,
    pub(super) sidecars: BTreeSet<SegmentId>,
    /// The names of index parts, by segment.
    pub(super) parts: BTreeMap<SegmentId, Vec<String>>,
    pub(super) remarks: Vec<Remark>,
    /// Where the log stood when the list was made, as far as its last writer left word.
    pub(super) head: Option<Head>,
}

const HINTS: &str = "indelible.toml";
/// The cached levels of the tree.
const GROUPS: [&str; 5] =
    ["tree/level-08", "tree/level-16", "tree/level-24", "tree/level-32", "tree/level-40"];
/// What may stand in a store's directory.
const KNOWN: [&str; 16] = [
    HINTS,
    "lock",
    "gate",
    "tiers",
    "open",
    "head",
    "catalog",
    "log",
    "checkpoint",
    "checkpoints",
    "lost",
    "packs",
    "archived",
    "dir",
    "tree",
    "artifacts",
];
/// Longest `head` that is read, in bytes.
const HEAD_FILE_LEN_MAX: u64 = 64 << 10;
/// Longest hints file that is read, in bytes.
const HINTS_LEN_MAX: u64 = 64 << 10;

/// Lists a store's directory.
///
/// # Errors
/// [`Error::NotAStore`] where nothing in it belongs to one; [`Error::Io`] where it cannot be listed.
pub(super) fn list(disk: &Arc<dyn Disk>, root: &Path) -> Result<Files> {
    let mut remarks = Vec::new();
    let not_a_store = |reason: &str| Error::NotAStore { path: root.to_path_buf(), reason: reason.to_owned() };
    let names = match disk.list(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(not_a_store("there is no such directory; make a store with `init`"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(not_a_store("it is a file and no directory"));
        }
        names => names.map_err(Error::io("list", root))?,
    };
    for name in names.iter().filter(|name| !KNOWN.contains(&name.as_str())) {
        let text = if name.ends_with(".new") {
            "was being made when a writer stopped; the next open removes it"
        } else {
            "is no part of a store; it was not looked at"
        };
        remarks.push(Remark::new(name, text));
    }
    let dir = root.join("log");
    let in_log = match disk.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(Error::io("list", dir))?,
    };
    let (mut segments, mut sidecars, mut parts) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    for name in in_log {
        if let Some(id) = SegmentId::from_file_name(&name, "log") {
            segments.push(id);
        } else if let Some(id) = SegmentId::from_file_name(&name, "idx") {
            sidecars.insert(id);
        } else if let Some(id) = part_of(&name) {
            parts.entry(id).or_insert_with(Vec::new).push(name);
        } else {
            remarks.push(Remark::new(format!("log/{name}"), "is no log or sidecar; it was not looked at"));
        }
    }
    segments.sort_unstable();
    let packed = list_moved(disk, root, ("packs", "pack"), &segments, &mut remarks)?;
    let logs_end = segments.last().copied();
    segments.extend(packed.iter().copied());
    segments.sort_unstable();
    let archived = list_moved(disk, root, ("archived", "kept"), &segments, &mut remarks)?;
    segments.extend(archived.iter().copied());
    segments.sort_unstable();
    for name in
        parts.iter().filter(|(id, _)| segments.binary_search(id).is_err()).flat_map(|(_, names)| names)
    {
        remarks.push(Remark::new(format!("log/{name}"), "is an index part of a segment that is not there"));
    }
    let of_a_store = [HINTS, "head", "checkpoint", "checkpoints"];
    if segments.is_empty()
        && sidecars.is_empty()
        && !names.iter().any(|name| of_a_store.contains(&name.as_str()))
    {
        return Err(not_a_store("it has no log; make a store with `init`"));
    }
    let head = read_head(disk, root);
    Ok(Files { segments, packed, archived, logs_end, sidecars, parts, remarks, head })
}

/// `head` is written once a commit is durable, and is never synced: it may be behind the log, be damaged or be missing. It
/// is never ahead of the log.
fn read_head(disk: &Arc<dyn Disk>, root: &Path) -> Option<Head> {
    let bytes = disk.read(&root.join("head"), HEAD_FILE_LEN_MAX).ok().flatten()?;
    let slots = bytes.chunks_exact(HEAD_SLOT_LEN).take(HEAD_SLOTS as usize);
    slots.filter_map(|slot| Head::decode(slot).ok()).max_by_key(|head| head.turn)
}

/// The segments that are in another tier: of which there is a file in `dir` and nothing in the tiers before, whose segments
/// are `here`. What stands beside those is what a move that stopped left behind.
fn list_moved(
    disk: &Arc<dyn Disk>,
    root: &Path,
    (dir_name, extension): (&str, &str),
    here: &[SegmentId],
    remarks: &mut Vec<Remark>,
) -> Result<BTreeSet<SegmentId>> {
    let dir = root.join(dir_name);
    let names = match disk.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(Error::io("list", dir))?,
    };
    let mut moved = BTreeSet::new();
    for name in names {
        let text = match SegmentId::from_file_name(&name, extension) {
            Some(id) if here.binary_search(&id).is_err() => {
                moved.insert(id);
                continue;
            }
            Some(_) => "is of a segment whose log is still there; move the segment again to finish the move",
            None => "is no file of that tier; it was not looked at",
        };
        remarks.push(Remark::new(format!("{dir_name}/{name}"), text));
    }
    Ok(moved)
}

/// The segment whose index part a file is by its name.
fn part_of(name: &str) -> Option<SegmentId> {
    let number = name.rsplit_once(".part-")?.1;
    number.parse::<u64>().ok().and_then(|_| SegmentId::from_file_name(name, &format!("part-{number}")))
}

impl Files {
    /// Sidecars of segments whose log is not there as a sealed one: only sealed segments ever get a sidecar.
    pub(super) fn orphans(&self) -> impl Iterator<Item = SegmentId> {
        let active = self.logs_end;
        self.sidecars.iter().copied().filter(move |id| active.is_none_or(|active| *id >= active))
    }
}

/// Compares hints, caches and what recovery kept with the log.
pub(super) fn check(disk: &Arc<dyn Disk>, root: &Path, chain: &Chain, report: &mut Report) {
    check_hints(disk, root, chain, report);
    check_groups(disk, root, chain, report);
    for (name, len, seq) in &chain.lost {
        check_lost(disk, root, name, *len, *seq, report);
    }
    if !chain.lost.is_empty() {
        report
            .not_covered
            .push("what stands in the files below lost/: only their lengths are known".to_owned());
    }
}

fn check_hints(disk: &Arc<dyn Disk>, root: &Path, chain: &Chain, report: &mut Report) {
    let bytes = match disk.read(&root.join(HINTS), HINTS_LEN_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return report.remarks.push(Remark::new(HINTS, "is missing; the log does without it")),
        Err(error) => return report.push(Finding::unreadable(HINTS, &error)),
    };
    let table = String::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let Some(table) = table else {
        return report.push(Finding::damaged(HINTS, "hints", "TOML", "something else"));
    };
    let log = [("origin", chain.origin.clone()), ("store_id", chain.store_id.map(|id| id.to_string()))];
    for (key, expected) in log {
        let found = table.get(key).and_then(toml::Value::as_str);
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            report.push(Finding::damaged(HINTS, format!("hints: {key}"), expected, found.escape_debug()));
        }
    }
}

/// The cached roots of whole groups: of 256 leaves, of 256 such groups, and so on. They are caches: what a crash left
/// there is no fault of the store's.
fn check_groups(disk: &Arc<dyn Disk>, root: &Path, chain: &Chain, report: &mut Report) {
    let Some(groups) = chain.groups() else { return };
    let mut level_roots: Vec<Hash> = groups.iter().map(|(_, root)| *root).collect();
    for name in GROUPS {
        check_level(disk, root, name, &level_roots, report);
        level_roots = level_roots.chunks_exact(256).map(merkle::root::<LogTree>).collect();
    }
}

fn check_level(disk: &Arc<dyn Disk>, root: &Path, name: &str, roots: &[Hash], report: &mut Report) {
    let len_max = (roots.len() as u64 + 1) * 32;
    let remark =
        |text: String| Remark::new(name, format!("{text}; it is a cache: remove it to have it rebuilt"));
    match disk.read(&root.join(name), len_max) {
        Ok(None) => {}
        Ok(Some(bytes)) => {
            let cached = bytes.chunks_exact(32).filter_map(|hash| hash.try_into().ok().map(Hash));
            let wrong = cached.enumerate().find(|(at, hash)| roots.get(*at) != Some(hash));
            if let Some((at, _)) = wrong {
                report.remarks.push(remark(format!("its node {at} is not the tree's")));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            report.remarks.push(remark("it is longer than the tree".to_owned()));
        }
        Err(error) => report.push(Finding::unreadable(name, &error)),
    }
}

fn check_lost(disk: &Arc<dyn Disk>, root: &Path, name: &str, len: u64, seq: u64, report: &mut Report) {
    let file = format!("lost/{}", name.escape_debug());
    let expected = format!("the {len} bytes that record {seq} says were kept");
    if name.contains('/') || name == ".." {
        return report
            .push(Finding::forged("", "store.recovered", "a file below lost/", file).seqs(seq..seq + 1));
    }
    let found = match disk.open(&root.join("lost").join(name), Open::Read).and_then(|file| file.len()) {
        Ok(found) if found == len => return,
        Ok(found) => format!("{found} bytes"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "no such file".to_owned(),
        Err(error) => return report.push(Finding::unreadable(file, &error)),
    };
    report.push(Finding::new(FindingClass::Incomplete, file, "lost bytes", expected, found));
}
