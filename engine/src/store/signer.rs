//! A signer whose keys are files, an HSM or a KMS, and whose memory is a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::CheckpointSigner;
use crate::disk::{File, Lock, Open, World, directory_of};
use crate::format::retention::{Approved, Matter};
use crate::hash::Hash;
use crate::trust::{Checkpoint, Note, Signer, SignerMemory, SigningKey, VerifierKey};
use crate::{Error, Result, limits};

/// A signer whose memory is in a file: mostly a signing key in a file, the memory beside it. It can have several keys of
/// one log, and several memories: it signs what all of them remember, with all of its keys.
pub struct FileSigner {
    key: Box<dyn Signer + Send + Sync>,
    /// More keys of the same log.
    others: Vec<Box<dyn Signer + Send + Sync>>,
    /// Where it is remembered what was signed last, each once, in the order in which they are locked.
    memories: Vec<PathBuf>,
    world: World,
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSigner")
            .field("keys", &self.verifiers())
            .field("memories", &self.memories)
            .finish_non_exhaustive()
    }
}

/// Longest key file that is read, in bytes.
const KEY_LEN_MAX: u64 = 4 << 10;

impl FileSigner {
    /// Makes a key of Ed25519 for `name`, which should be the log's origin, in a new file that only its owner can read.
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
        let memories = vec![path.with_extension("signed")];
        FileSigner { key: Box::new(signer), others: Vec::new(), memories, world: world.clone() }
    }

    /// Remembers in the file `path` too what it signs, and signs nothing that does not continue what is remembered there.
    /// With one such file for a log, all its keys are held to one history, whichever of them signs.
    #[must_use]
    pub fn remembering_at(mut self, path: &Path) -> Self {
        self.memories.push(path.to_path_buf());
        self.settle()
    }

    /// Signs with the keys of both, each checkpoint once with each key, and remembers wherever one of them does.
    #[must_use]
    pub fn and(mut self, other: FileSigner) -> Self {
        for key in [other.key].into_iter().chain(other.others) {
            if !self.verifiers().contains(&key.verifier()) {
                self.others.push(key);
            }
        }
        self.memories.extend(other.memories);
        self.settle()
    }

    /// One order for all who lock, so that no two wait for each other; and none waits for itself.
    fn settle(mut self) -> Self {
        self.memories.sort();
        self.memories.dedup();
        self
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

    fn keys(&self) -> impl Iterator<Item = &dyn Signer> {
        [&self.key].into_iter().chain(&self.others).map(|key| &**key as &dyn Signer)
    }

    /// Approves a matter of the log with each of its keys that counts for it.
    pub(super) fn approve<M: Matter>(
        &self,
        matter: &mut Approved<M>,
        counts: &dyn Fn(&VerifierKey) -> bool,
    ) -> Result<()> {
        self.keys().filter(|key| counts(key.verifier())).try_for_each(|key| matter.approve(key))
    }

    /// Makes sure that `next` continues whatever is remembered, then remembers `next` everywhere, durably.
    pub(super) fn remember(&self, next: &Checkpoint, prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<()> {
        let disk = &self.world.disk;
        // Two processes must not both pass the check before either remembers.
        let locks: Vec<Arc<dyn File>> = self
            .memories
            .iter()
            .map(|path| self.lock(&path.with_extension("lock")))
            .collect::<Result<_>>()?;
        for path in &self.memories {
            let stored = disk.read(path, limits::NOTE_LEN_MAX as u64).map_err(Error::io("read", path))?;
            let Some(bytes) = stored else { continue };
            let memory = SignerMemory::decode(&text_of(bytes, path)?)?;
            if memory.origin != next.origin {
                return Err(Error::RolledBack {
                    reason: format!("this key signs for {}, not for {}", memory.origin, next.origin),
                });
            }
            let proof = if memory.size <= next.size { prove(memory.size)? } else { Vec::new() };
            memory.may_sign(next, &proof)?;
        }
        let text = SignerMemory::of(next).encode()?;
        for path in &self.memories {
            disk.replace(path, text.as_bytes()).map_err(Error::io("write", path))?;
        }
        drop(locks);
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Arc<dyn File>> {
        let dir = directory_of(path);
        self.world.disk.create_dir_durably(dir).map_err(Error::io("make directory", dir))?;
        let file = self.world.disk.open(path, Open::Create).map_err(Error::io("open", path))?;
        file.lock(Lock::Exclusive).map_err(Error::io("lock", path))?;
        Ok(file)
    }
}

impl CheckpointSigner for FileSigner {
    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn verifiers(&self) -> Vec<&VerifierKey> {
        self.keys().map(Signer::verifier).collect()
    }

    fn sign(&self, next: &Checkpoint, prove: &dyn Fn(u64) -> Result<Vec<Hash>>) -> Result<Note> {
        self.remember(next, prove)?;
        let mut note = next.sign(&*self.key)?;
        self.others.iter().try_for_each(|key| note.add_signature(&**key))?;
        Ok(note)
    }
}

fn text_of(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::InvalidTrust {
        what: "signer's memory",
        reason: format!("{} is not text", path.display()),
    })
}
