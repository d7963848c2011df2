//! A simulated machine: files in memory that a power loss treats as badly as real ones are treated, and worse.
//!
//! What was written and not synced may be there after a crash, or not, or in part; a name that was made may be
//! gone until its directory was synced. [`SimDisk::record`] keeps the machine as it was before every changing
//! call, so that one run of a workload gives every [`Cut`]; [`Cut::crash`] then gives the disk as the next boot
//! might find it. Any call can be told to fail ([`Failure`]). The same seeds give the same bytes.
//!
//! It promises what a good disk and a journalling filesystem promise and no more: a file's sync makes its bytes
//! and its length durable and says nothing of its name; a directory's sync makes its names durable; a rename is
//! seen whole or not at all; a write changes no byte beside those that it names.

mod crash;
mod fail;
mod state;
#[cfg(test)]
mod tests;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

pub use crash::{Cut, Flavour, Persisted};
pub use fail::{Call, Failure, SyncLoss, What, is_power_loss};
pub use world::{Random, SimClock, SimEntropy};

use super::{Disk, File, Lock, Mapped, Open, Place};
use fail::Go;
use state::{Change, State};

/// One process's view of the simulated machine. Cheap to clone; clones are the same process.
#[derive(Debug, Clone)]
pub struct SimDisk {
    machine: Arc<Machine>,
    process: u32,
}

#[derive(Debug)]
struct Machine {
    state: Mutex<State>,
    /// Told whenever a lock may have become free.
    unlocked: Condvar,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new(0)
    }
}

impl SimDisk {
    /// An empty machine. `seed` decides its boot id, its clocks' and its randomness's values.
    pub fn new(seed: u64) -> Self {
        Self::on(State::new(seed))
    }

    fn on(state: State) -> Self {
        SimDisk {
            machine: Arc::new(Machine { state: Mutex::new(state), unlocked: Condvar::new() }),
            process: 0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.machine.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another process on the same machine: it sees the same files and holds locks of its own.
    #[must_use]
    pub fn process(&self) -> Self {
        let mut state = self.state();
        state.processes += 1;
        SimDisk { machine: Arc::clone(&self.machine), process: state.processes }
    }

    /// Keeps the machine as it is before every changing call from now on: see [`SimDisk::cuts`].
    pub fn record(&self) {
        let mut state = self.state();
        state.cuts = Some(Vec::new());
    }

    /// Ends recording; every machine that was kept, and the machine as it is now.
    pub fn cuts(&self) -> Vec<Cut> {
        let mut state = self.state();
        let mut cuts = state.cuts.take().unwrap_or_default();
        let (index, mark) = (state.changes, state.mark);
        cuts.push(Cut::new(index, mark, "the end".to_owned(), state.fork()));
        cuts
    }

    /// Sets the number that every [`Cut`] from now on carries: how many events were acknowledged, say.
    pub fn mark(&self, mark: u64) {
        self.state().mark = mark;
    }

    /// Loses power at the changing call `index` (counted from 0 over all processes): it and every later call of
    /// any process fails. [`SimDisk::now`] then is the machine to crash.
    pub fn cut_at(&self, index: u64) {
        self.state().cut_at = Some(index);
    }

    /// Kills this process at the changing call `index`: it and every later call of this process fails, its locks
    /// are free, and the other processes and the page cache live on.
    pub fn kill_at(&self, index: u64) {
        let process = self.process;
        self.state().kills.push((index, process));
    }

    /// Kills the process that makes the changing call `index`, whichever it is.
    pub fn kill_whoever_at(&self, index: u64) {
        self.state().kill_caller_at = Some(index);
    }

    /// Kills this process now.
    pub fn kill(&self) {
        self.state().kill(self.process);
        self.machine.unlocked.notify_all();
    }

    /// The machine as it is, as a cut.
    pub fn now(&self) -> Cut {
        let state = self.state();
        Cut::new(state.changes, state.mark, "now".to_owned(), state.fork())
    }

    /// Lets a call fail; several can be set.
    pub fn fail(&self, failure: Failure) {
        self.state().failures.push(failure);
    }

    /// Ends all failures.
    pub fn heal(&self) {
        let mut state = self.state();
        state.failures.clear();
        state.full = false;
    }

    /// A disk that lies: syncs of files and directories whose path contains `part` are answered and not done.
    pub fn ignore_syncs_of(&self, part: &str) {
        self.state().ignored_syncs.push(part.to_owned());
    }

    /// Sets what [`Disk::place`] says.
    pub fn set_place(&self, place: Place) {
        self.state().place = place;
    }

    /// The machine's clock, which all its processes read.
    pub fn clock(&self) -> Arc<SimClock> {
        Arc::clone(&self.state().clock)
    }

    /// How many calls there were so far: the index of the next, for [`Failure::at`].
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How many changing calls there were so far: the index of the next, for [`SimDisk::cut_at`].
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The boot's number, from 0.
    pub fn boot(&self) -> u64 {
        self.state().boot
    }

    /// Every file with its bytes as programs see them, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.state().files()
    }

    /// Puts a file in place with its directories, all durable: how tests tamper. No call is counted.
    ///
    /// # Errors
    /// Where the path leads through a file.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.state().put(path, Some(bytes))
    }

    /// Takes a file away, durably. No call is counted.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn take(&self, path: &Path) -> io::Result<()> {
        self.state().put(path, None)
    }

    /// Enters a call: `text` describes it where it changes something.
    fn enter(
        &self,
        state: &mut State,
        call: Call,
        path: &Path,
        text: impl FnOnce() -> String,
    ) -> io::Result<Go> {
        let (calls, deaths) = (state.calls, state.deaths);
        let go = state.enter(self.process, call, path, text);
        debug_assert!(state.calls >= calls);
        if state.deaths != deaths {
            self.machine.unlocked.notify_all();
        }
        go
    }

    /// Does a changing call, or does it and says that it failed, or fails.
    fn change<T>(
        &self,
        call: Call,
        path: &Path,
        text: impl FnOnce() -> String,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        match self.enter(&mut state, call, path, text)? {
            Go::On | Go::Short => act(&mut state),
            Go::DoneButFailed(error) => {
                act(&mut state)?;
                Err(error)
            }
        }
    }

    /// Does a call that changes nothing.
    fn ask<T>(
        &self,
        call: Call,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.change(call, path, String::new, act)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let makes = match how {
            Open::Read | Open::Write => false,
            Open::CreateNew => true,
            Open::Create => self.state().find(path).is_err(),
        };
        let call = if makes { Call::Create } else { Call::Open };
        let (node, handle) = self.change(
            call,
            path,
            || format!("create {}", path.display()),
            |state| state.open(path, how, makes).map(|node| (node, state.new_handle())),
        )?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_path_buf(),
            node,
            handle,
            writable: how != Open::Read,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let text = || format!("rename {} to {}", from.display(), to.display());
        self.change(Call::Rename, to, text, |state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Call::Remove, path, || format!("remove {}", path.display()), |state| state.remove(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let text = || format!("create directory {}", path.display());
        self.change(Call::CreateDir, path, text, |state| state.create_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let text = || format!("sync directory {}", path.display());
        self.change(Call::SyncDir, path, text, |state| state.sync_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.ask(Call::List, path, |state| state.list(path))
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        self.ask(Call::Map, path, |state| {
            let node = state.find(path)?;
            Ok(Mapped::heap(state.bytes(node)?.to_vec()))
        })
    }

    fn place(&self, path: &Path) -> io::Result<Place> {
        self.ask(Call::Ask, path, |state| state.find(path).map(|_| state.place))
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        self.ask(Call::Ask, path, |state| {
            let node = state.find(path)?;
            Ok(if state.bytes(node).is_ok() { 0o600 } else { 0o700 })
        })
    }
}

/// An open file of the simulated machine.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    node: u64,
    handle: u64,
    writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        match self.writable {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading")),
        }
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let go = self.disk.enter(&mut state, Call::Read, &self.path, String::new)?;
        let bytes = state.bytes(self.node)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let mut len = buffer.len().min(bytes.len() - start);
        if matches!(go, Go::Short) {
            len = len.div_ceil(2);
        }
        buffer[..len].copy_from_slice(&bytes[start..start + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        let mut state = self.disk.state();
        let text = || format!("write {} bytes at {offset} of {}", bytes.len(), self.path.display());
        let go = self.disk.enter(&mut state, Call::Write, &self.path, text)?;
        state.check_space(self.node, offset + bytes.len() as u64)?;
        let len = if matches!(go, Go::Short) { bytes.len().div_ceil(2) } else { bytes.len() };
        state.change_file(self.node, Change::Write { offset, bytes: bytes[..len].into() })?;
        match go {
            Go::DoneButFailed(error) => Err(error),
            Go::On | Go::Short => Ok(len),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.ask(Call::Ask, &self.path, |state| Ok(state.bytes(self.node)?.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let text = || format!("set the length of {} to {len}", self.path.display());
        self.disk.change(Call::SetLen, &self.path, text, |state| {
            state.change_file(self.node, Change::SetLen { len })
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let text = || format!("allocate {len} bytes for {}", self.path.display());
        self.disk.change(Call::Allocate, &self.path, text, |state| {
            state.check_space(self.node, len)?;
            match state.bytes(self.node)?.len() as u64 >= len {
                true => Ok(()),
                false => state.change_file(self.node, Change::SetLen { len }),
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let text = || format!("sync {}", self.path.display());
        let go = self.disk.enter(&mut state, Call::Sync, &self.path, text);
        match go {
            Ok(Go::On | Go::Short) => {
                state.sync_file(self.node, &self.path);
                Ok(())
            }
            Ok(Go::DoneButFailed(error)) => {
                state.sync_file(self.node, &self.path);
                Err(error)
            }
            Err(error) => {
                if let Some(loss) = state.sync_loss.take() {
                    state.fail_sync(self.node, loss);
                }
                Err(error)
            }
        }
    }

    fn lock(&self, how: Lock) -> io::Result<()> {
        let mut state = self.disk.state();
        self.disk.enter(&mut state, Call::Lock, &self.path, String::new)?;
        while !state.try_lock(self.node, self.handle, self.disk.process, how) {
            // A test with one thread would wait for itself for ever: that is told instead.
            if state.lock_thread_is(self.node, self.handle, thread::current().id()) {
                return Err(io::Error::new(io::ErrorKind::Deadlock, "this thread holds the lock"));
            }
            state = self.disk.machine.unlocked.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.check_alive(self.disk.process)?;
        }
        Ok(())
    }

    fn try_lock(&self, how: Lock) -> io::Result<bool> {
        self.disk.ask(Call::Lock, &self.path, |state| {
            Ok(state.try_lock(self.node, self.handle, self.disk.process, how))
        })
    }

    fn unlock(&self) -> io::Result<()> {
        let result = self.disk.ask(Call::Lock, &self.path, |state| {
            state.unlock(self.handle);
            Ok(())
        });
        self.disk.machine.unlocked.notify_all();
        result
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state().unlock(self.handle);
        self.disk.machine.unlocked.notify_all();
    }
}
