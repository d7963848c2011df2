//! Comparing a store with what its anchors hold.

use indelible::trust::Checkpoint;
use indelible::verify::Anchored;
use indelible::{Error, Store};
use serde::Serialize;

use super::{Place, folder, known};
use crate::exit::Outcome;
use crate::output;

/// Refuses a store that does not go on from the newest checkpoint of it that each anchor holds. An anchor that cannot
/// be read is told of, and keeps nobody from writing.
pub(crate) fn compare_newest(store: &Store) -> Outcome<()> {
    let mut newest = Vec::new();
    for (name, place) in known() {
        let Place::Folder(path) = place else { continue };
        match folder::newest(&path, store.origin().as_str()) {
            Ok(found) => newest.extend(found.map(|found| (name, found))),
            Err(reason) => {
                output::warn(format_args!("the store was not compared with anchor {name}: {reason}"));
            }
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    // After the anchors: what is signed meanwhile is in it.
    let snapshot = store.snapshot()?;
    for (name, found) in newest {
        let place = format!(
            "by {} of anchor {name}; `indelible verify` says more, and `indelible recover --fork` starts a log anew",
            found.path.display()
        );
        snapshot.continues(&found.checkpoint).map_err(|error| match error {
            Error::RolledBack { reason } => Error::RolledBack { reason: format!("{reason}, {place}") },
            Error::Forged { what, reason } => Error::Forged { what, reason: format!("{reason}, {place}") },
            other => other,
        })?;
    }
    Ok(())
}

/// What all anchors hold, read before the store is verified.
#[derive(Debug)]
pub(crate) struct Gathered {
    anchors: Vec<Held>,
}

/// What one anchor holds.
#[derive(Debug)]
struct Held {
    name: String,
    place: Place,
    found: Vec<folder::Found>,
    /// In words, what should be a checkpoint and cannot be read.
    unread: Vec<String>,
}

/// What is told of an anchor.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) anchor: String,
    pub(crate) place: String,
    /// How many checkpoints of this log it holds; null where that cannot be known.
    pub(crate) checkpoints: Option<usize>,
    /// The greatest size that one of these states.
    pub(crate) tree_size: Option<u64>,
    /// What of it could not be read.
    pub(crate) unread: Vec<String>,
}

impl Gathered {
    /// Reads all anchors that can be read.
    pub(crate) fn read() -> Gathered {
        let read = |(name, place): (String, Place)| {
            let (found, unread) = match &place {
                Place::Folder(path) => folder::all(path).unwrap_or_else(|reason| (Vec::new(), vec![reason])),
                Place::Command(_) => (Vec::new(), Vec::new()),
            };
            Held { name, place, found, unread }
        };
        Gathered { anchors: known().into_iter().map(read).collect() }
    }

    /// The checkpoints, whatever logs they are of.
    pub(crate) fn checkpoints(&self) -> Vec<Anchored> {
        let found = self.anchors.iter().flat_map(|held| &held.found);
        found
            .map(|found| Anchored { file: found.path.display().to_string(), note: found.note.clone() })
            .collect()
    }

    /// What there is of the log of this origin.
    pub(crate) fn told(&self, origin: Option<&str>) -> Vec<Told> {
        let is_of_log = |checkpoint: &&Checkpoint| Some(checkpoint.origin.as_str()) == origin;
        let told = |held: &Held| {
            let of_log: Vec<u64> = held
                .found
                .iter()
                .map(|found| &found.checkpoint)
                .filter(is_of_log)
                .map(|checkpoint| checkpoint.size)
                .collect();
            let can_be_read = matches!(held.place, Place::Folder(_));
            Told {
                anchor: held.name.clone(),
                place: held.place.to_string(),
                checkpoints: can_be_read.then_some(of_log.len()),
                tree_size: of_log.into_iter().max(),
                unread: held.unread.clone(),
            }
        };
        self.anchors.iter().map(told).collect()
    }
}

/// In words, behind what the verification says.
impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "anchor {}: ", self.anchor)?;
        match (self.checkpoints, self.tree_size) {
            (None, _) => f.write_str("what a command was given is not compared here"),
            (Some(_), None) if self.unread.is_empty() => f.write_str("no checkpoint of this log"),
            (Some(_), None) => f.write_str("no checkpoint of this log that can be read"),
            (Some(count), Some(size)) => {
                let checkpoints = output::counted(count as u64, "checkpoint", "checkpoints");
                write!(f, "{checkpoints}, up to {}", output::counted(size, "record", "records"))
            }
        }
    }
}
