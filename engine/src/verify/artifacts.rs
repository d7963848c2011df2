//! Artifacts: whether each is what its name says, and each that the log says was put is there, or went by an approved plan.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::report::{Finding, FindingClass, Remark, Report};
use super::{Depth, Options, Watch};
use crate::disk::{Disk, FileReader, Open};
use crate::error::Fault;
use crate::format::artifact::{ArtifactReader, fault_of};
use crate::hash::Hash;
use crate::{Class, Seq};

/// How much is read at once, in bytes.
const CHUNK_LEN: usize = 256 << 10;

/// What the log says of an artifact.
pub(super) struct Stated {
    /// The record that says last that it was put.
    pub(super) put: Seq,
    /// The record behind that one by which it went, where a plan allowed it.
    pub(super) collected: Option<Seq>,
}

/// The artifacts that are there, before the log is read: what the log says of one that goes meanwhile may be unread.
pub(super) fn listed(disk: &Arc<dyn Disk>, root: &Path) -> HashSet<Hash> {
    let names = |dir: &str| disk.list(&root.join(dir)).unwrap_or_default();
    let dirs = names("artifacts").into_iter();
    let files = dirs.flat_map(|dir| names(&format!("artifacts/{dir}")));
    files.filter_map(|name| Hash::from_hex(&name)).collect()
}

/// Holds what the log says of artifacts against those that are there, `before` and now; `whole` where no record of the
/// log is missing.
pub(super) fn settle(
    disk: &Arc<dyn Disk>,
    root: &Path,
    before: &HashSet<Hash>,
    (stated, whole): (impl Iterator<Item = (Hash, Stated)>, bool),
    report: &mut Report,
) {
    for (hash, Stated { put, collected }) in stated {
        let name = hash.to_string();
        let file = format!("artifacts/{}/{name}", name.get(..2).unwrap_or_default());
        let is_there = || disk.exists(&root.join(&file)).unwrap_or(true);
        match collected {
            None if !before.contains(&hash) && !is_there() => {
                let expected = format!("what record {put} says was put, or an approved plan that names it");
                let class = if whole { FindingClass::Forged } else { FindingClass::Incomplete };
                let found = if whole {
                    "removed without authority"
                } else {
                    "none, and a log of which records are missing that may say why"
                };
                report.push(Finding::new(class, file, "artifact", expected, found).seqs(put..put + 1));
            }
            Some(seq) if before.contains(&hash) && is_there() => {
                let text = format!(
                    "went by record {seq}, and is there: `indelible retention apply` goes on with it"
                );
                report.remarks.push(Remark::new(file, text));
            }
            _ => {}
        }
    }
}

/// Checks every artifact: its head, and where all is to be looked at, its content.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    root: &Path,
    options: &Options,
    watch: &Watch<'_>,
    report: &mut Report,
) {
    let Some(dirs) = names(disk, root, "artifacts", report) else { return };
    for dir in dirs {
        let file = format!("artifacts/{dir}");
        let Some(names) = names(disk, root, &file, report) else { continue };
        for name in names {
            let file = format!("{file}/{name}");
            let Some(hash) = Hash::from_hex(&name).filter(|_| dir.len() == 2 && name.starts_with(&dir))
            else {
                report.remarks.push(Remark::new(file, "is no artifact; it was not looked at"));
                continue;
            };
            let depth = options.scope.artifact_depth(options.depth, &hash);
            match read(disk, &root.join(&file), hash, depth, watch) {
                Ok(()) => report.covered.artifact_count += 1,
                // It went since the names were read: whether it may, the log says.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => report.push(match fault_of(error) {
                    Ok(fault) => Finding::fault(file, 0, fault),
                    Err(error) => Finding::unreadable(file, &error),
                }),
            }
            if watch.cancelled() {
                return;
            }
        }
    }
}

/// What stands in a directory of the store; nothing where it is not there.
fn names(disk: &Arc<dyn Disk>, root: &Path, dir: &str, report: &mut Report) -> Option<Vec<String>> {
    match disk.list(&root.join(dir)) {
        Ok(names) => Some(names),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            report.remarks.push(Remark::new(dir, "is no directory of artifacts; it was not looked at"));
            None
        }
        Err(error) => {
            report.push(Finding::new(FindingClass::Incomplete, dir, "reading", "its names", error));
            None
        }
    }
}

fn read(disk: &Arc<dyn Disk>, path: &Path, hash: Hash, depth: Depth, watch: &Watch<'_>) -> io::Result<()> {
    let file = disk.open(path, Open::Read)?;
    let len = file.len()?;
    let mut reader = ArtifactReader::new(FileReader::new(file))?;
    if reader.head().hash != hash {
        let fault = Fault::new(Class::Forged, 24, "artifact hash", hash, reader.head().hash);
        return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
    }
    if depth != Depth::Full {
        return Ok(());
    }
    let mut chunk = vec![0; CHUNK_LEN];
    while reader.read(&mut chunk)? > 0 {
        watch.check()?;
    }
    watch.read(len);
    Ok(())
}
