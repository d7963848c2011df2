//! The checkpoints that a store keeps, and those outside it that it is expected to continue.

use std::path::Path;
use std::sync::Arc;

use super::report::{Finding, Findings};
use crate::disk::Disk;
use crate::trust::{Checkpoint, Note};
use crate::{Result, limits};

/// A checkpoint and where it stands.
#[derive(Debug)]
pub(super) struct Kept {
    /// The file as reports show it; `the expected checkpoint` for one that the caller brought.
    pub(super) file: String,
    pub(super) note: Note,
    pub(super) checkpoint: Checkpoint,
    pub(super) held: Held,
}

/// Who holds a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The store itself.
    InStore,
    /// The caller, who says that the log goes on from it.
    Expected,
    /// A place outside the store that it was copied to.
    Anchored,
}

impl Kept {
    pub(super) fn new(file: String, note: Note, held: Held) -> Result<Kept> {
        Ok(Kept { checkpoint: Checkpoint::decode(note.text())?, file, note, held })
    }
}

pub(super) const LATEST: &str = "checkpoint";
const EARLIER: &str = "checkpoints";

/// Reads all checkpoints of a store; `latest_only` leaves out the earlier ones.
pub(super) fn read(
    disk: &Arc<dyn Disk>,
    root: &Path,
    latest_only: bool,
    findings: &mut Findings,
) -> Vec<Kept> {
    let mut files = vec![LATEST.to_owned()];
    if !latest_only {
        match disk.list(&root.join(EARLIER)) {
            // `.new` files were being made when the writer stopped.
            Ok(names) => {
                let whole = names.iter().filter(|name| !name.ends_with(".new"));
                files.extend(whole.map(|name| format!("{EARLIER}/{name}")));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => findings.push(Finding::unreadable(EARLIER, &error)),
        }
    }
    files.into_iter().filter_map(|file| read_one(disk, root, file, findings)).collect()
}

fn read_one(disk: &Arc<dyn Disk>, root: &Path, file: String, findings: &mut Findings) -> Option<Kept> {
    let bytes = match disk.read(&root.join(&file), limits::NOTE_LEN_MAX as u64) {
        Ok(bytes) => bytes?,
        Err(error) => {
            findings.push(Finding::unreadable(file, &error));
            return None;
        }
    };
    let parsed = Note::decode(&bytes).and_then(|note| Kept::new(file.clone(), note, Held::InStore));
    let kept = match parsed {
        Ok(kept) => kept,
        Err(error) => {
            findings.push(Finding::damaged(
                file,
                "checkpoint",
                "a signed note over a tree's size and root",
                error,
            ));
            return None;
        }
    };
    if let Some(name) = file.strip_prefix(EARLIER).and_then(|name| name.strip_prefix('/'))
        && name != format!("{:020}", kept.checkpoint.size)
    {
        let expected = format!("the checkpoint of {name} records");
        findings.push(Finding::forged(&kept.file, "checkpoint size", expected, kept.checkpoint.size));
    }
    Some(kept)
}
