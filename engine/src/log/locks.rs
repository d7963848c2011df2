//! The store's advisory locks: who has it open, who commits, and who moves or rewrites what is sealed.
//!
//! A commit takes `gate`, then `lock`, then gives `gate` back. Whoever has just committed finds the next process
//! already holding the gate, so that no process can starve another by being quick.

use std::sync::Arc;

use super::Log;
use super::layout::Layout;
use crate::disk::{File, Lock, Open, World};
use crate::{Error, Result};

#[derive(Debug)]
pub(crate) struct Locks {
    layout: Layout,
    lock: Arc<dyn File>,
    gate: Arc<dyn File>,
    open: Arc<dyn File>,
}

/// Holds the right to commit, until dropped.
#[derive(Debug)]
pub(crate) struct CommitGuard<'a> {
    lock: &'a dyn File,
}

impl Drop for CommitGuard<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a refusal here, and closing the file gives the lock back too.
        let _ = self.lock.unlock();
    }
}

impl Locks {
    /// Opens the lock files, making them where they are missing.
    pub(crate) fn open(world: &World, layout: &Layout) -> Result<Self> {
        let file =
            |path: std::path::PathBuf| world.disk.open(&path, Open::Create).map_err(Error::io("open", path));
        Ok(Locks {
            layout: layout.clone(),
            lock: file(layout.lock())?,
            gate: file(layout.gate())?,
            open: file(layout.open())?,
        })
    }

    /// Waits for the right to commit. Callers of one process must not do so at once: the locks are the process's.
    pub(crate) fn commit(&self) -> Result<CommitGuard<'_>> {
        self.gate.lock(Lock::Exclusive).map_err(Error::io("lock", self.layout.gate()))?;
        let locked = self.lock.lock(Lock::Exclusive).map_err(Error::io("lock", self.layout.lock()));
        let opened = self.gate.unlock().map_err(Error::io("unlock", self.layout.gate()));
        locked?;
        let guard = CommitGuard { lock: &*self.lock };
        opened?;
        Ok(guard)
    }

    /// Says that this process has the store open; waits for one that recovers it.
    pub(crate) fn share_open(&self) -> Result<()> {
        self.open.lock(Lock::Shared).map_err(Error::io("lock", self.layout.open()))
    }

    /// Says that this process is done with the store.
    pub(crate) fn release_open(&self) -> Result<()> {
        self.open.unlock().map_err(Error::io("unlock", self.layout.open()))
    }

    /// Takes the store for this process alone, if no other has it open. A share of our own is given up first.
    pub(crate) fn try_own_open(&self) -> Result<bool> {
        let io = |action| Error::io(action, self.layout.open());
        self.open.unlock().map_err(io("unlock"))?;
        self.open.try_lock(Lock::Exclusive).map_err(io("lock"))
    }
}

/// Holds the right to move and rewrite sealed segments, until dropped.
#[derive(Debug)]
pub(crate) struct TiersGuard {
    file: Arc<dyn File>,
}

impl Drop for TiersGuard {
    fn drop(&mut self) {
        // As of a commit's.
        let _ = self.file.unlock();
    }
}

impl Log {
    /// The right to move and rewrite sealed segments: one process at a time has it.
    ///
    /// # Errors
    /// [`Error::Locked`] where another has it.
    pub(crate) fn own_tiers(&self) -> Result<TiersGuard> {
        self.try_own_tiers()?.ok_or_else(|| Error::Locked {
            path: self.layout.tiers(),
            reason: "another process moves segments or deletes from them; wait until it is done".to_owned(),
        })
    }

    /// The same; nothing where another process has it.
    pub(crate) fn try_own_tiers(&self) -> Result<Option<TiersGuard>> {
        self.write_access()?;
        let path = self.layout.tiers();
        let file = self.world.disk.open(&path, Open::Create).map_err(Error::io("open", &path))?;
        let owned = file.try_lock(Lock::Exclusive).map_err(Error::io("lock", &path))?;
        Ok(owned.then_some(TiersGuard { file }))
    }
}
