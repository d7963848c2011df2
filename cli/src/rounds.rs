//! What verifications remember outside of the store: how far a round has come, and up to where all was found good.
//!
//! The file is the user's, never in the store. It is bound to the store's place: what was found in one copy says nothing
//! of another. Losing it costs time: a round then begins anew.

use std::path::{Path, PathBuf};

use indelible::disk::World;
use indelible::hash::Hash;
use indelible::verify::{Report, Round, Scope};
use indelible::{Error, Timestamp};
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Outcome};
use crate::{keys, open, output};

/// Longest file that is read, in bytes.
const STATE_LEN_MAX: u64 = 256 << 20;

/// The version of the file that is written.
const VERSION: u32 = 1;

/// Longest file name that is made of a path, in bytes.
const NAME_LEN_MAX: usize = 200;

/// What is remembered of one store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    version: u32,
    /// The store's directory, absolute.
    store: PathBuf,
    /// A round that has not come to its end.
    pub(crate) round: Option<Round>,
    /// Up to where all was found good.
    good: Option<Good>,
}

/// All records below a size were gone through, and nothing was found.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    size: u64,
    root: String,
    at: Timestamp,
}

/// A state and its file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    pub(crate) state: State,
}

impl StateFile {
    /// Reads what is remembered of the store; an empty state where nothing is, or where it is of another store.
    pub(crate) fn open(store: &Path, named: Option<&Path>) -> Outcome<Self> {
        let store = std::fs::canonicalize(store).map_err(Failure::io(format!("find {}", store.display())))?;
        let path = match named {
            Some(path) => path.to_path_buf(),
            None => default_path(&store)?,
        };
        if std::path::absolute(&path).is_ok_and(|path| path.starts_with(&store)) {
            let reason = format!("{} is in the store: a verification writes nothing there", path.display());
            return Err(Failure::Usage(reason));
        }
        let empty = State { version: VERSION, store: store.clone(), round: None, good: None };
        let bytes = World::real()?.disk.read(&path, STATE_LEN_MAX).map_err(Error::io("read", &path))?;
        let Some(bytes) = bytes else { return Ok(StateFile { path, state: empty }) };
        let state: State = serde_json::from_slice(&bytes).map_err(|error| {
            let shown = path.display();
            Failure::Usage(format!(
                "{shown} is not what a verification remembers ({error}); remove it to begin anew"
            ))
        })?;
        if state.version != VERSION {
            let shown = path.display();
            let reason = format!("{shown} is of version {}, and this release knows {VERSION}", state.version);
            return Err(Failure::Usage(reason));
        }
        if state.store != store {
            output::warn(format_args!(
                "{} is of the store {}: nothing of it is used",
                path.display(),
                state.store.display()
            ));
            return Ok(StateFile { path, state: empty });
        }
        Ok(StateFile { path, state })
    }

    /// What came since all was found good: by this file, or by the log's own records; all where neither tells. With it,
    /// who vouches for the rest.
    pub(crate) fn since(&self, store: &Path) -> Outcome<(Scope, Option<String>)> {
        if let Some(good) = &self.state.good {
            let by = format!("this machine found them good on {}", good.at.day_text());
            let scope = Scope::Since { size: good.size, root: Hash::from_hex(&good.root) };
            return Ok((scope, Some(by)));
        }
        let snapshot = open::to_read(store)?.snapshot()?;
        for verification in snapshot.verifications() {
            let verification = verification?;
            let verified = &verification.verified;
            let root = verified.root.as_deref().and_then(Hash::from_hex);
            if let (true, Some(root)) = (verified.vouches_for_all(), root) {
                let (seq, day) = (verification.seq, verification.noted_at.day_text());
                let by = format!("record {seq} of the log says that they were found good on {day}");
                return Ok((Scope::Since { size: verified.record_count, root: Some(root) }, Some(by)));
            }
        }
        Ok((Scope::All, None))
    }

    /// Remembers what came of a verification that began at a time, durably.
    pub(crate) fn keep(mut self, report: &Report, began_at: Timestamp) -> Outcome<()> {
        if let Some(round) = &report.round {
            self.state.round = (!report.is_complete).then(|| round.clone());
        }
        if let Some(root) = report.root
            && report.verified(std::time::Duration::ZERO, "").vouches_for_all()
        {
            self.state.good = Some(Good { size: report.tree_size, root: root.to_string(), at: began_at });
        }
        let disk = World::real()?.disk;
        let bytes = serde_json::to_vec(&self.state)
            .map_err(|error| Failure::Io(format!("write {}", self.path.display()), error.into()))?;
        if let Some(dir) = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            disk.create_dir_durably(dir).map_err(Error::io("make directory", dir))?;
        }
        Ok(disk.replace(&self.path, &bytes).map_err(Error::io("write", &self.path))?)
    }
}

/// A file in the configuration folder that is named by the store's place.
fn default_path(store: &Path) -> Outcome<PathBuf> {
    let stem = keys::file_stem(&store.to_string_lossy());
    let mut from = stem.len().saturating_sub(NAME_LEN_MAX);
    while !stem.is_char_boundary(from) {
        from += 1;
    }
    let name = stem.get(from..).unwrap_or_default();
    Ok(keys::config_dir()?.join("verified").join(format!("{name}.json")))
}
