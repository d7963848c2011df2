//! Which calls fail, and how: errors on request, power loss, killed processes.

use std::fmt;
use std::io;
use std::path::Path;

use super::crash::Cut;
use super::state::State;

/// A kind of call to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Opens what is there.
    Open,
    /// Opens and makes.
    Create,
    /// `read_at`.
    Read,
    /// `write_at`.
    Write,
    /// `set_len`.
    SetLen,
    /// `allocate`.
    Allocate,
    /// A file's `sync`.
    Sync,
    /// `sync_dir`.
    SyncDir,
    /// `rename`.
    Rename,
    /// `remove`.
    Remove,
    /// `create_dir`.
    CreateDir,
    /// `list`.
    List,
    /// `map`.
    Map,
    /// `lock`, `try_lock`, `unlock`.
    Lock,
    /// `len`, `place`, `mode`.
    Ask,
}

impl Call {
    /// Whether the call changes what is on the disk.
    pub fn is_change(self) -> bool {
        match self {
            Call::Open | Call::Read | Call::List | Call::Map | Call::Lock | Call::Ask => false,
            Call::Create
            | Call::Write
            | Call::SetLen
            | Call::Allocate
            | Call::Sync
            | Call::SyncDir
            | Call::Rename
            | Call::Remove
            | Call::CreateDir => true,
        }
    }

    /// Whether the call needs space.
    fn takes_space(self) -> bool {
        matches!(self, Call::Create | Call::Write | Call::Allocate | Call::CreateDir)
    }

    /// Whether a signal can interrupt the call.
    fn can_be_interrupted(self) -> bool {
        matches!(self, Call::Read | Call::Write | Call::Allocate | Call::Sync | Call::Lock)
    }
}

/// What becomes of written bytes when their sync fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncLoss {
    /// They are gone at once: the next read gives what the platter has.
    Dropped,
    /// They can be read until the power goes, and no later sync writes them.
    Ghost,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// EIO, and nothing was done. A sync loses what it should have written.
    Io(SyncLoss),
    /// EIO, although it was done.
    IoDone,
    /// ENOSPC, for calls that need space. For good means that no file can grow any more.
    NoSpace,
    /// EINTR, for calls that a signal can interrupt. For good means three times in a row here.
    Interrupted,
    /// Half of what was asked for, for reads and writes.
    Short,
}

/// A failure to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Index of the call from which on it may fail: see [`super::SimDisk::calls`].
    pub at: u64,
    /// How it fails.
    pub what: What,
    /// The first call only to which `what` applies; else it, and each later call of the same kind.
    pub once: bool,
    /// Kept by the disk: the kind of the first call that failed, and how often it did.
    pub struck: Option<(Call, u32)>,
}

impl Failure {
    /// The call `at` fails as `what`, once or for good. A call to which `what` does not apply does not fail.
    pub fn new(at: u64, what: What, once: bool) -> Self {
        Failure { at, what, once, struck: None }
    }

    /// Whether this failure strikes at call `index`.
    fn strikes(&mut self, index: u64, call: Call) -> bool {
        let applies = match self.what {
            What::Io(_) => true,
            What::IoDone => call.is_change(),
            What::NoSpace => call.takes_space(),
            What::Interrupted => call.can_be_interrupted(),
            What::Short => matches!(call, Call::Read | Call::Write),
        };
        let strikes = applies
            && match self.struck {
                None => index == self.at,
                Some((first, count)) => {
                    let goes_on = match self.what {
                        What::NoSpace => false,
                        What::Interrupted => count < 3,
                        What::Io(_) | What::IoDone | What::Short => true,
                    };
                    !self.once && first == call && goes_on
                }
            };
        if strikes {
            self.struck = Some((call, self.struck.map_or(1, |(_, count)| count + 1)));
        }
        strikes
    }
}

/// What every call says once the power is gone or the process killed.
#[derive(Debug, Clone, Copy)]
struct PowerLoss;

impl fmt::Display for PowerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated process is dead")
    }
}

impl std::error::Error for PowerLoss {}

/// Whether an error says that the simulated process is dead.
pub fn is_power_loss(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<PowerLoss>())
}

/// What a call that has not failed is to do.
pub(super) enum Go {
    On,
    Short,
    DoneButFailed(io::Error),
}

impl State {
    pub(super) fn check_alive(&self, process: u32) -> io::Result<()> {
        match self.power_lost || self.dead.contains(&process) {
            true => Err(io::Error::other(PowerLoss)),
            false => Ok(()),
        }
    }

    /// Counts a call, and says whether it fails.
    pub(super) fn enter(
        &mut self,
        process: u32,
        call: Call,
        path: &Path,
        text: impl FnOnce() -> String,
    ) -> io::Result<Go> {
        self.check_alive(process)?;
        let index = self.calls;
        self.calls += 1;
        if call.is_change() {
            let change = self.changes;
            if self.cut_at == Some(change) {
                self.power_lost = true;
                self.deaths += 1;
            }
            if self.kill_caller_at.take_if(|at| *at == change).is_some()
                || self.kills.contains(&(change, process))
            {
                self.kill(process);
            }
            self.check_alive(process)?;
            if self.cuts.is_some() {
                let cut = Cut::new(change, self.mark, text(), self.fork());
                self.cuts.get_or_insert_default().push(cut);
            }
            self.changes += 1;
        }
        let mut struck = None;
        for failure in &mut self.failures {
            if failure.strikes(index, call) {
                struck = Some(*failure);
                break;
            }
        }
        let Some(failure) = struck else { return Ok(Go::On) };
        let eio = || io::Error::other(format!("simulated EIO for {call:?} of {}", path.display()));
        match failure.what {
            What::Io(loss) => {
                self.sync_loss = (call == Call::Sync).then_some(loss);
                Err(eio())
            }
            What::IoDone => Ok(Go::DoneButFailed(eio())),
            What::NoSpace if failure.once => Err(io::ErrorKind::StorageFull.into()),
            // From now on the disk is full: what fits into a file as it is can still be written.
            What::NoSpace => {
                self.full = true;
                Ok(Go::On)
            }
            What::Interrupted => Err(io::ErrorKind::Interrupted.into()),
            What::Short => Ok(Go::Short),
        }
    }
}
