//! Checkpoints: signing what is durable, by a signer that remembers what it signed.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Store;
use crate::disk::{Lock, Open, World, directory_of};
use crate::hash::Hash;
use crate::trust::{Checkpoint, Note, Signer, SignerMemory, SigningKey, VerifierKey};
use crate::{Error, Result, limits};

/// Signs checkpoints, and never two that no one log can have: it remembers, outside the store, the last that it
/// signed for each log.
pub trait CheckpointSigner {
    /// The key that it signs with.
    fn verifier(&self) -> &VerifierKey;

    /// Signs `next`, having made sure, by a consistency proof from the size that it remembers, that `next` extends
    /// what it signed before, and having remembered `next` durably first.
    ///
    /// # Errors
    /// [`Error::RolledBack`] where `next` is behind, or is of another history.
    fn sign(&self, next: &Checkpoint, prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<Note>;
}

/// A signer whose memory is in a file: mostly a signing key in a file, the memory beside it.
pub struct FileSigner {
    key: Box<dyn Signer + Send + Sync>,
    path: PathBuf,
    world: World,
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSigner")
            .field("key", self.key.verifier())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Longest key file that is read, in bytes.
const KEY_LEN_MAX: u64 = 4 << 10;

impl FileSigner {
    /// Makes a key for `name`, which should be the log's origin, in a new file that only its owner can read.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] rather than overwrite anything.
    pub fn create(world: &World, path: &Path, name: &str) -> Result<Self> {
        let seed = Zeroizing::new(world.random::<32>()?);
        FileSigner::keep(world, path, SigningKey::from_seed(name, *seed)?)
    }

    /// Puts a key in a new file that only its owner can read.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] rather than overwrite anything.
    pub fn keep(world: &World, path: &Path, key: SigningKey) -> Result<Self> {
        let dir = directory_of(path);
        world.disk.create_dir_durably(dir).map_err(Error::io("make directory", dir))?;
        let file = match world.disk.open(path, Open::CreateNew) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Error::AlreadyExists {
                    path: path.to_path_buf(),
                    reason: "there is a key here already; move it away, or use it".to_owned(),
                });
            }
            other => other.map_err(Error::io("make", path))?,
        };
        let text = Zeroizing::new(format!("{}\n", key.to_text().as_str()));
        file.write_all_at(text.as_bytes(), 0).map_err(Error::io("write", path))?;
        file.sync().map_err(Error::io("sync", path))?;
        world.disk.sync_dir(dir).map_err(Error::io("sync directory", dir))?;
        Ok(FileSigner::over(world, path, key))
    }

    /// Signs by a key that is elsewhere, in an HSM or a KMS. What it signed is remembered beside `path`, where its key
    /// file would be; no file need be there.
    pub fn over(world: &World, path: &Path, signer: impl Signer + Send + Sync + 'static) -> Self {
        FileSigner { key: Box::new(signer), path: path.to_path_buf(), world: world.clone() }
    }

    /// Opens a key file.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] for what is no key.
    pub fn open(world: &World, path: &Path) -> Result<Self> {
        let bytes = world.disk.read(path, KEY_LEN_MAX).map_err(Error::io("read", path))?;
        let bytes = Zeroizing::new(
            bytes.ok_or_else(|| Error::NotFound { what: "signing key", name: path.display().to_string() })?,
        );
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::InvalidTrust {
            what: "signing key",
            reason: format!("{} is not text", path.display()),
        })?;
        let key = text.trim_end().parse::<SigningKey>()?;
        Ok(FileSigner::over(world, path, key))
    }

    /// Where the last signed checkpoint is remembered.
    pub fn memory_path(&self) -> PathBuf {
        self.path.with_extension("signed")
    }
}

impl CheckpointSigner for FileSigner {
    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn sign(&self, next: &Checkpoint, prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<Note> {
        let (disk, path) = (&self.world.disk, self.memory_path());
        // Two processes with one key must not both pass the check before either remembers.
        let lock_path = self.path.with_extension("lock");
        let lock = disk.open(&lock_path, Open::Create).map_err(Error::io("open", &lock_path))?;
        lock.lock(Lock::Exclusive).map_err(Error::io("lock", &lock_path))?;
        let stored = disk.read(&path, limits::NOTE_LEN_MAX as u64).map_err(Error::io("read", &path))?;
        if let Some(bytes) = stored {
            let text = text_of(bytes, &path)?;
            let memory = SignerMemory::decode(&text)?;
            if memory.origin != next.origin {
                return Err(Error::RolledBack {
                    reason: format!("this key signs for {}, not for {}", memory.origin, next.origin),
                });
            }
            let proof = if memory.size <= next.size { prove(memory.size)? } else { Vec::new() };
            memory.may_sign(next, &proof)?;
        }
        let memory = SignerMemory::of(next);
        disk.replace(&path, memory.encode()?.as_bytes()).map_err(Error::io("write", &path))?;
        next.sign(&*self.key)
    }
}

impl Store {
    /// Makes all that was appended durable, and has a checkpoint over it signed and kept.
    ///
    /// # Errors
    /// [`Error::RolledBack`] where the signer has signed more than this log holds, or another history.
    pub fn checkpoint(&self, signer: &dyn CheckpointSigner) -> Result<Note> {
        let log = &self.inner.log;
        log.transact(|session| session.sync())?;
        let snapshot = self.snapshot()?;
        let next = Checkpoint::new(&self.inner.origin, snapshot.tree_size(), snapshot.root());
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

fn text_of(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::InvalidTrust {
        what: "signer's memory",
        reason: format!("{} is not text", path.display()),
    })
}
