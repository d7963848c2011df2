//! An anchor that is a folder: one file for each checkpoint, named by the log's origin and the size that is stated. A file
//! that is there is never written over.

use std::path::{Path, PathBuf};

use indelible::disk::World;
use indelible::trust::{Checkpoint, Note};
use indelible::{Error, limits};

use crate::exit::Outcome;
use crate::keys;

/// What the files' names end in.
const EXTENSION: &str = ".checkpoint";

/// A checkpoint that was found in a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) note: Note,
    pub(super) checkpoint: Checkpoint,
}

/// Makes the folder where it is missing; its whole path.
pub(super) fn make(path: &Path) -> Outcome<PathBuf> {
    let path = std::path::absolute(path).map_err(Error::io("find", path))?;
    World::real()?.disk.create_dir(&path).map_err(Error::io("make directory", &path))?;
    Ok(path)
}

/// Puts a checkpoint there, durably, unless it is there already.
///
/// # Errors
/// In words. The folder itself is not made: where it is missing, a disk may not be mounted.
pub(super) fn keep(dir: &Path, note: &Note) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let stated = Checkpoint::decode(note.text()).map_err(told)?;
    let path = dir.join(format!("{}.{:020}{EXTENSION}", keys::file_stem(&stated.origin), stated.size));
    if !dir.is_dir() {
        return Err(format!("there is no folder {}", dir.display()));
    }
    let disk = World::real().map_err(told)?.disk;
    let there = disk.read(&path, limits::NOTE_LEN_MAX as u64).map_err(|error| error.to_string())?;
    match there {
        None => {
            let written = disk.replace(&path, note.to_string().as_bytes());
            written.map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        // The same statement with more or fewer signatures is the same checkpoint.
        Some(bytes) if Note::decode(&bytes).is_ok_and(|kept| kept.text() == note.text()) => Ok(()),
        Some(_) => Err(format!(
            "{} is there and says something else of {} records: find out why before anything else is signed",
            path.display(),
            stated.size
        )),
    }
}

/// All checkpoints in a folder, whatever log they are of, and in words what is none of those that should be.
///
/// # Errors
/// In words, where the folder cannot be read.
pub(super) fn all(dir: &Path) -> Result<(Vec<Found>, Vec<String>), String> {
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    for name in names(dir)? {
        match read(dir, &name) {
            Ok(one) => found.push(one),
            Err(reason) => bad.push(reason),
        }
    }
    Ok((found, bad))
}

/// The checkpoint of the greatest size of a log. What cannot be read is passed over: `verify` tells of it.
///
/// # Errors
/// In words, where the folder cannot be read.
pub(super) fn newest(dir: &Path, origin: &str) -> Result<Option<Found>, String> {
    let stem = format!("{}.", keys::file_stem(origin));
    let mut names: Vec<String> = names(dir)?.into_iter().filter(|name| name.starts_with(&stem)).collect();
    names.sort_unstable();
    let mut found = names.iter().rev().filter_map(|name| read(dir, name).ok());
    Ok(found.find(|found| found.checkpoint.origin == origin))
}

fn names(dir: &Path) -> Result<Vec<String>, String> {
    let disk = World::real().map_err(|error| error.to_string())?.disk;
    let names = disk.list(dir).map_err(|error| format!("cannot list {}: {error}", dir.display()))?;
    Ok(names.into_iter().filter(|name| name.ends_with(EXTENSION)).collect())
}

fn read(dir: &Path, name: &str) -> Result<Found, String> {
    let path = dir.join(name);
    let told = |error: &dyn std::fmt::Display| format!("{} cannot be used: {error}", path.display());
    let disk = World::real().map_err(|error| told(&error))?.disk;
    let bytes = disk.read(&path, limits::NOTE_LEN_MAX as u64).map_err(|error| told(&error))?;
    let note = Note::decode(&bytes.unwrap_or_default()).map_err(|error| told(&error))?;
    let checkpoint = Checkpoint::decode(note.text()).map_err(|error| told(&error))?;
    if !name.ends_with(&format!(".{:020}{EXTENSION}", checkpoint.size)) {
        return Err(told(&format!("it is of {} records, and its name says otherwise", checkpoint.size)));
    }
    Ok(Found { path, note, checkpoint })
}

#[cfg(test)]
mod tests {
    use indelible::Origin;
    use indelible::hash::Hash;
    use indelible::trust::SigningKey;

    use super::*;

    fn note(origin: &str, size: u64, root: u8) -> Note {
        let key = SigningKey::from_seed(origin, [3; 32]).unwrap();
        Checkpoint::new(&origin.parse::<Origin>().unwrap(), size, Hash([root; 32])).sign(&key).unwrap()
    }

    #[test]
    fn a_checkpoint_is_kept_once_and_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        for (size, root) in [(3, 1), (20, 2), (3, 1)] {
            keep(dir.path(), &note("a.example/log", size, root)).unwrap();
        }
        keep(dir.path(), &note("b.example/log", 100, 9)).unwrap();
        let refused = keep(dir.path(), &note("a.example/log", 3, 7)).unwrap_err();
        assert!(refused.contains("says something else of 3 records"), "{refused}");
        // Another log whose name makes the same file name is not taken for this one.
        let refused = keep(dir.path(), &note("a.example_log", 20, 2)).unwrap_err();
        assert!(refused.contains("says something else"), "{refused}");
        let (found, bad) = all(dir.path()).unwrap();
        assert_eq!((found.len(), bad.len()), (3, 0));
        let of = |origin| newest(dir.path(), origin).unwrap().map(|found| found.checkpoint.size);
        assert_eq!(of("a.example/log"), Some(20));
        assert_eq!(of("a.example_log"), None);
        assert!(keep(&dir.path().join("unmounted"), &note("a.example/log", 3, 1)).is_err());
    }

    #[test]
    fn what_is_no_checkpoint_is_told_and_hides_no_older_one() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &note("a.example/log", 3, 1)).unwrap();
        let name = |size: u64| dir.path().join(format!("a.example_log.{size:020}.checkpoint"));
        std::fs::write(name(9), "torn").unwrap();
        std::fs::copy(name(3), name(5)).unwrap();
        std::fs::write(dir.path().join("README"), "no checkpoint, and none by its name").unwrap();
        let (found, bad) = all(dir.path()).unwrap();
        assert_eq!((found.len(), bad.len()), (1, 2), "{bad:?}");
        assert_eq!(newest(dir.path(), "a.example/log").unwrap().unwrap().checkpoint.size, 3);
        assert!(all(&dir.path().join("missing")).is_err());
    }
}
