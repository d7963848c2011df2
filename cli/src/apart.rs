//! Directories that must lie apart from the store: what is put there would be taken for files of its own, or its own files
//! for what was put there.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::exit::{Failure, Outcome};

/// Refuses to write to a directory that is the store's, or lies in it.
pub(crate) fn refuse_inside(store: &Path, dir: &Path) -> Outcome<()> {
    let (inside, around) = (real(dir)?, real(store)?);
    if inside.starts_with(around) {
        let (dir, store) = (dir.display(), store.display());
        return Err(Failure::Usage(format!(
            "{dir} lies in the store {store}, where nothing else may be written: name a directory apart from it"
        )));
    }
    Ok(())
}

/// Refuses to write to a directory that has the store in it.
pub(crate) fn refuse_around(store: &Path, dir: &Path) -> Outcome<()> {
    let (inside, around) = (real(store)?, real(dir)?);
    if inside.starts_with(around) {
        let (dir, store) = (dir.display(), store.display());
        return Err(Failure::Usage(format!(
            "the store {store} lies in {dir}, and whoever may read that could read its events: name a directory apart from it"
        )));
    }
    Ok(())
}

/// The path without links, also of what is not there yet.
fn real(path: &Path) -> Outcome<PathBuf> {
    resolve(path).map_err(Failure::io(format!("find {}", path.display())))
}

fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let there = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((ancestor, mut real)) = there else { return Ok(path) };
    for part in path.strip_prefix(ancestor).unwrap_or(Path::new("")).components() {
        // What is not there is no link: its parent is what is written before it.
        if part == Component::ParentDir {
            real.pop();
        } else {
            real.push(part);
        }
    }
    Ok(real.canonicalize().unwrap_or(real))
}
