//! Anchors: places outside the store that get a copy of each checkpoint, and that the store is compared with.
//!
//! Who can put back an older store can put its older checkpoint back with it; what was copied elsewhere tells. Where the
//! copies go stands in the user's configuration folder, `anchors.toml`, and never in a store: whoever changes a store must
//! not choose what it is compared with. A copy that fails is told, and costs neither the checkpoint nor what is appended.

mod command;
mod compare;
mod folder;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indelible::Error;
use indelible::disk::World;
use indelible::trust::Note;
use serde::{Deserialize, Serialize};

pub(crate) use compare::{Gathered, Told, compare_newest};

use crate::exit::{Failure, Outcome};
use crate::{keys, output};

/// Longest configuration that is read, in bytes.
const CONFIG_LEN_MAX: u64 = 1 << 20;
/// Longest name of an anchor, in characters.
const NAME_LEN_MAX: usize = 64;

/// Where copies go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// A directory: one file a checkpoint.
    Folder(PathBuf),
    /// A command, which reads the checkpoint on its standard input.
    Command(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Folder(path) => path.display().fmt(f),
            Place::Command(command) => f.write_str(command),
        }
    }
}

/// The anchors, by their names.
pub(crate) type Anchors = BTreeMap<String, Place>;

/// How they are written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    anchors: Anchors,
}

/// The anchors that were added.
pub(crate) fn list() -> Outcome<Anchors> {
    let path = path()?;
    let bytes = World::real()?.disk.read(&path, CONFIG_LEN_MAX).map_err(Error::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    let file: File =
        toml::from_str(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(file.anchors)
}

/// The same for those who must go on without them: where they cannot be read, that is told, and there are none.
fn known() -> Anchors {
    // Whoever has no configuration folder has no anchors.
    let listed = if keys::config_dir().is_ok() { list() } else { Ok(Anchors::new()) };
    listed.unwrap_or_else(|failure| {
        output::warn(format_args!("anchors are left out: {failure}"));
        Anchors::new()
    })
}

/// Adds an anchor; the folder of one is made where there is none.
pub(crate) fn add(name: &str, place: Place) -> Outcome<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(is_plain) {
        let reason =
            format!("{name:?}: an anchor's name has letters, digits, - and _, at most {NAME_LEN_MAX}");
        return Err(Failure::Usage(reason));
    }
    let mut anchors = list()?;
    if anchors.contains_key(name) {
        let reason =
            format!("there is an anchor {name:?} already; `indelible anchor remove {name}` takes it off");
        return Err(Failure::Usage(reason));
    }
    let place = match place {
        Place::Folder(path) => Place::Folder(folder::make(&path)?),
        command => command,
    };
    anchors.insert(name.to_owned(), place);
    keep(anchors)
}

/// Takes an anchor off the list. What it holds stays.
pub(crate) fn remove(name: &str) -> Outcome<()> {
    let mut anchors = list()?;
    if anchors.remove(name).is_none() {
        return Err(Failure::Usage(format!("no anchor is called {name:?}; see `indelible anchor list`")));
    }
    keep(anchors)
}

/// Copies a checkpoint to all anchors. Whether all have it; what failed is told.
pub(crate) fn copy(note: &Note) -> bool {
    let mut is_everywhere = true;
    for (name, place) in known() {
        let copied = match &place {
            Place::Folder(path) => folder::keep(path, note),
            Place::Command(command) => command::give(command, note),
        };
        if let Err(reason) = copied {
            output::warn(format_args!("the checkpoint is kept, but anchor {name} did not get it: {reason}"));
            is_everywhere = false;
        }
    }
    is_everywhere
}

fn keep(anchors: Anchors) -> Outcome<()> {
    let path = path()?;
    let text = toml::to_string(&File { anchors })
        .map_err(|error| Failure::Usage(format!("this cannot be written to {}: {error}", path.display())))?;
    let disk = World::real()?.disk;
    if let Some(dir) = path.parent() {
        disk.create_dir(dir).map_err(Error::io("make directory", dir))?;
    }
    let text = format!("# Written by `indelible anchor`: where a copy of each checkpoint goes.\n{text}");
    Ok(disk.replace(&path, text.as_bytes()).map_err(Error::io("write", &path))?)
}

fn path() -> Outcome<PathBuf> {
    Ok(keys::config_dir()?.join("anchors.toml"))
}

/// Whether a folder would be put back together with the store.
pub(crate) fn is_within(folder: &Path, store: &Path) -> bool {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| whole(path));
    real(folder).starts_with(real(store))
}
