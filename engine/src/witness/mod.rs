//! A witness of other people's logs: cosigns checkpoints that continue what it cosigned before, and remembers.
//!
//! Owns the witness's memory: a directory with one small file for each log, which is on the disk *before* a
//! cosignature is made. It must not be restored from an older copy: whoever forgets what it signed can be shown a
//! fork. Knows no network: what a request's body says comes in, a signature line or a refusal goes out.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::disk::{Lock, Open, World};
use crate::trust::{
    CosignerKey, NoteSignature, Refusal, Signer, SignerMemory, VerifierKey, WitnessRule, cosign,
};
use crate::{Error, Result, limits};

/// A witness: a key, the logs that it looks at, and the directory of its memory.
pub struct Witness {
    rule: WitnessRule,
    signer: Box<dyn Signer + Send + Sync>,
    dir: PathBuf,
    world: World,
}

impl Witness {
    /// A witness of the logs whose keys these are, which remembers in `dir`; it is made where there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Locked`] where the directory's memory is that of another key.
    pub fn open(
        world: &World,
        dir: &Path,
        signer: Box<dyn Signer + Send + Sync>,
        logs: impl IntoIterator<Item = VerifierKey>,
    ) -> Result<Self> {
        // The directory's own name has to outlive a crash too, or all that it remembers is gone with it.
        world.disk.create_dir_durably(dir).map_err(Error::io("make directory", dir))?;
        let (path, key) = (dir.join("key"), CosignerKey::of(signer.verifier()).to_string());
        match world.disk.read(&path, limits::NOTE_LEN_MAX as u64).map_err(Error::io("read", &path))? {
            Some(known) if known != key.as_bytes() => {
                let reason = format!("it is the memory of the witness {}", String::from_utf8_lossy(&known));
                return Err(Error::Locked { path: dir.to_path_buf(), reason });
            }
            Some(_) => {}
            None => world.disk.replace(&path, key.as_bytes()).map_err(Error::io("write", &path))?,
        }
        let (rule, dir, world) = (WitnessRule::new(logs), dir.to_path_buf(), world.clone());
        Ok(Witness { rule, signer, dir, world })
    }

    /// The key that it cosigns with.
    pub fn key(&self) -> CosignerKey {
        CosignerKey::of(self.signer.verifier())
    }

    /// Answers the body of an `add-checkpoint` request, C2SP tlog-witness. Any number of threads and processes may
    /// ask at once.
    ///
    /// # Errors
    /// What the disk, the clock or the key report; nothing is cosigned then. A refusal is no error.
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<std::result::Result<NoteSignature, Refusal>> {
        let (request, checkpoint) = match self.rule.read(body) {
            Ok(read) => read,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let disk = &self.world.disk;
        let (lock_path, path) = (self.dir.join("lock"), self.memory_path(&checkpoint.origin));
        let lock = disk.open(&lock_path, Open::Create).map_err(Error::io("open", &lock_path))?;
        lock.lock(Lock::Exclusive).map_err(Error::io("lock", &lock_path))?;
        let bytes = disk.read(&path, limits::NOTE_LEN_MAX as u64).map_err(Error::io("read", &path))?;
        let memory = bytes.map(|bytes| decode(bytes, &path)).transpose()?;
        let next = match WitnessRule::decide(&request, &checkpoint, memory.as_ref()) {
            Ok(next) => next,
            Err(refusal) => return Ok(Err(refusal)),
        };
        disk.replace(&path, next.encode()?.as_bytes()).map_err(Error::io("write", &path))?;
        let time_s = u64::try_from(self.world.clock.now().0.div_euclid(1_000_000_000)).map_err(|_| {
            let reason = "the clock stands before 1970: set it, for a cosignature says when".to_owned();
            Error::InvalidTrust { what: "cosignature", reason }
        })?;
        cosign(self.signer.as_ref(), request.checkpoint.text(), time_s).map(Ok)
    }

    /// Where it is remembered what was cosigned last for a log: an origin can be longer than a file's name, and hold
    /// what none can.
    fn memory_path(&self, origin: &str) -> PathBuf {
        self.dir.join(format!("{}.cosigned", blake3::hash(origin.as_bytes()).to_hex()))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("key", &self.key()).field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn decode(bytes: Vec<u8>, path: &Path) -> Result<SignerMemory> {
    let wrong = |reason: String| Error::InvalidTrust {
        what: "witness's memory",
        reason: format!("{}: {reason}", path.display()),
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    SignerMemory::decode(&text).map_err(|error| wrong(error.to_string()))
}
