//! Checkpoints: signing what is durable, by a signer that remembers what it signed.

use std::path::Path;

use super::{Store, log_keys};
use crate::hash::Hash;
use crate::trust::{Checkpoint, Note, VerifierKey};
use crate::{Error, Result, limits};

/// Signs checkpoints, and never two that no one log can have: it remembers, outside the store, the last that it
/// signed for each log.
pub trait CheckpointSigner {
    /// The key that it signs with; of several, the first.
    fn verifier(&self) -> &VerifierKey;

    /// All keys that it signs with: several while one of a log's keys hands over to another.
    fn verifiers(&self) -> Vec<&VerifierKey> {
        vec![self.verifier()]
    }

    /// Signs `next`, having made sure, by a consistency proof from the size that it remembers, that `next` extends
    /// what it signed before, and having remembered `next` durably first.
    ///
    /// # Errors
    /// [`Error::RolledBack`] where `next` is behind, or is of another history.
    fn sign(&self, next: &Checkpoint, prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<Note>;
}

impl Store {
    /// Makes all that was appended durable, and has a checkpoint over it signed and kept.
    ///
    /// # Errors
    /// [`Error::RolledBack`] where the signer has signed more than this log holds, or another history;
    /// [`Error::Refused`] where the log has keys, and the signer has another that is not in force.
    pub fn checkpoint(&self, signer: &dyn CheckpointSigner) -> Result<Note> {
        let log = &self.inner.log;
        log.transact(|session| session.sync())?;
        let snapshot = self.snapshot()?;
        let next = Checkpoint::new(&self.inner.origin, snapshot.tree_size(), snapshot.root());
        log_keys::check_signer(&snapshot.log_keys()?, signer, next.size)?;
        let mut note = signer.sign(&next, &|old| snapshot.consistency_proof(old))?;
        let (disk, layout) = (&log.world.disk, &log.layout);
        disk.create_dir(&layout.checkpoints_dir())
            .map_err(Error::io("make directory", layout.checkpoints_dir()))?;
        // Signed again, a checkpoint keeps what witnesses said of it. What is kept and no note is replaced.
        if let Ok(Some(kept)) = self.kept_note(&layout.checkpoint_at(next.size)) {
            note.adopt(&kept);
        }
        for path in [layout.checkpoint_at(next.size), layout.checkpoint()] {
            disk.replace(&path, note.to_string().as_bytes()).map_err(Error::io("write", path))?;
        }
        Ok(note)
    }

    /// Keeps the cosignatures of a checkpoint that this store has. Whoever calls has verified them.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the store has no such checkpoint; [`Error::Io`].
    pub fn keep_cosignatures(&self, note: &Note) -> Result<()> {
        let (disk, layout) = (&self.inner.log.world.disk, &self.inner.log.layout);
        let size = Checkpoint::decode(note.text())?.size;
        let mut found = false;
        for path in [layout.checkpoint_at(size), layout.checkpoint()] {
            let Some(kept) = self.kept_note(&path)? else { continue };
            // The latest may be of a greater size by now.
            if kept.text() == note.text() {
                let mut whole = note.clone();
                whole.adopt(&kept);
                disk.replace(&path, whole.to_string().as_bytes()).map_err(Error::io("write", &path))?;
                found = true;
            }
        }
        if found {
            Ok(())
        } else {
            Err(Error::NotFound { what: "checkpoint", name: format!("of size {size}") })
        }
    }

    /// The latest checkpoint that the store keeps.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] where what it keeps is none.
    pub fn last_checkpoint(&self) -> Result<Option<Note>> {
        self.kept_note(&self.inner.log.layout.checkpoint())
    }

    fn kept_note(&self, path: &Path) -> Result<Option<Note>> {
        let disk = &self.inner.log.world.disk;
        let bytes = disk.read(path, limits::NOTE_LEN_MAX as u64).map_err(Error::io("read", path))?;
        bytes.map(|bytes| Note::decode(&bytes)).transpose()
    }
}
