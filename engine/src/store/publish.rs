//! The log as static resources, C2SP tlog-tiles: for any web server, or any object store.

use super::Snapshot;
use crate::log::tree::LogNodes;
use crate::merkle::Tile;
use crate::trust::Note;
use crate::{Error, Result, limits};

/// A resource of a published log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Where it is served, below the log's prefix.
    pub path: String,
    /// Its bytes. They never change.
    pub bytes: Vec<u8>,
}

impl Snapshot {
    /// The hash tiles that a log published under `checkpoint` has, and one published up to `published` records had not,
    /// those of the lowest level first. Once all of them are in place the checkpoint may be.
    ///
    /// # Errors
    /// [`Error::RolledBack`] where the checkpoint is not of this log's history, or states fewer records than were
    /// published.
    pub fn tiles(&self, published: u64, checkpoint: &Note) -> Result<impl Iterator<Item = Result<Resource>>> {
        let size = self.published_size(published, checkpoint)?;
        let nodes = self.nodes()?;
        let levels = 0..=limits::TREE_SIZE_MAX.ilog2() as u8 / 8;
        let tiles = levels.flat_map(move |level| Tile::new_in(level, published, size));
        Ok(tiles.map(move |tile| {
            let bytes = hashes(&nodes, tile)?;
            Ok(Resource { path: tile.path(), bytes })
        }))
    }

    /// The entry bundles, likewise. They tell of each record its source, time, length and labels, and nothing of the
    /// event itself.
    ///
    /// # Errors
    /// As [`Snapshot::tiles`].
    pub fn entry_bundles(
        &self,
        published: u64,
        checkpoint: &Note,
    ) -> Result<impl Iterator<Item = Result<Resource>>> {
        let size = self.published_size(published, checkpoint)?;
        Ok(Tile::new_in(0, published, size).map(|tile| {
            let bytes = self.entries(tile)?;
            Ok(Resource { path: tile.entries_path(), bytes })
        }))
    }

    /// The size that a checkpoint states, which must be of this log and not behind what was published.
    fn published_size(&self, published: u64, checkpoint: &Note) -> Result<u64> {
        let stated = self.own_checkpoint(checkpoint)?;
        if stated.size < published {
            let reason = format!("{published} records were published, the checkpoint states {}", stated.size);
            return Err(Error::RolledBack { reason });
        }
        if self.root_at(stated.size)? != stated.root {
            let reason = format!("the checkpoint's root at size {} is not this log's", stated.size);
            return Err(Error::RolledBack { reason });
        }
        Ok(stated.size)
    }

    fn entries(&self, tile: Tile) -> Result<Vec<u8>> {
        let mut bundle = Vec::new();
        let mut entry = Vec::new();
        let seqs = tile.first()..tile.first() + u64::from(tile.width);
        for record in self.records_with_integrity(seqs) {
            let record = record?;
            let labels = record.label_buf()?;
            let Some(tied) = record.integrity else { continue };
            record.entry(labels.as_labels(), tied.predecessor, tied.body_hash).encode_into(&mut entry);
            let len = u16::try_from(entry.len()).unwrap_or(u16::MAX);
            bundle.extend_from_slice(&len.to_be_bytes());
            bundle.extend_from_slice(&entry);
        }
        Ok(bundle)
    }
}

fn hashes(nodes: &LogNodes<'_>, tile: Tile) -> Result<Vec<u8>> {
    let hashes = nodes.run(tile.level * 8, tile.first(), u64::from(tile.width))?;
    Ok(hashes.into_iter().flat_map(|hash| hash.0).collect())
}
