//! The machine's memory: inodes as programs see them, the same inodes as the platter has them, and the journal of
//! changes in between.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use super::crash::Cut;
use super::fail::{Failure, SyncLoss};
use super::world::SimClock;
use super::{Lock, Open, Place};

/// The root directory's inode.
pub(super) const ROOT: u64 = 0;

/// An inode's content. Shared until it is changed, so that keeping a machine before every call costs little.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Arc<Vec<u8>>),
    Dir(BTreeMap<String, u64>),
}

/// All inodes.
pub(super) type Nodes = BTreeMap<u64, Node>;

/// What a call changes in one file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    SetLen { len: u64 },
}

impl Change {
    /// Applies the change to a file's bytes.
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes: new } => {
                let start = *offset as usize;
                if bytes.len() < start + new.len() {
                    bytes.resize(start + new.len(), 0);
                }
                bytes[start..start + new.len()].copy_from_slice(new);
            }
            Change::SetLen { len } => bytes.resize(*len as usize, 0),
        }
    }
}

/// A change of one name: the directory, the name, and what it stands for from then on.
pub(super) type NameChange = (u64, String, Option<u64>);

/// A change that was made and that a power loss may undo.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    File {
        node: u64,
        change: Change,
    },
    /// All of it or nothing: a rename changes two names.
    Names(Vec<NameChange>),
}

impl Pending {
    /// Applies the change to `nodes`.
    pub(super) fn apply(&self, nodes: &mut Nodes) {
        match self {
            Pending::File { node, change } => {
                if let Some(Node::File(bytes)) = nodes.get_mut(node) {
                    change.apply(Arc::make_mut(bytes));
                }
            }
            Pending::Names(changes) => {
                for (directory, name, target) in changes {
                    if let Some(Node::Dir(names)) = nodes.get_mut(directory) {
                        match target {
                            Some(node) => names.insert(name.clone(), *node),
                            None => names.remove(name),
                        };
                    }
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Held {
    node: u64,
    handle: u64,
    process: u32,
    thread: ThreadId,
    how: Lock,
}

/// The whole machine.
#[derive(Debug)]
pub(super) struct State {
    pub(super) seed: u64,
    pub(super) boot: u64,
    /// What programs see.
    pub(super) seen: Nodes,
    /// What survives whatever happens.
    pub(super) durable: Nodes,
    /// What was done since, in order.
    pub(super) journal: Vec<Pending>,
    pub(super) clock: Arc<SimClock>,
    next_node: u64,
    next_handle: u64,
    locks: Vec<Held>,
    pub(super) processes: u32,
    pub(super) dead: Vec<u32>,
    pub(super) power_lost: bool,
    /// Counts deaths of processes and of the machine, so that waiters for locks can be woken.
    pub(super) deaths: u64,
    pub(super) calls: u64,
    pub(super) changes: u64,
    pub(super) mark: u64,
    pub(super) cut_at: Option<u64>,
    pub(super) kills: Vec<(u64, u32)>,
    pub(super) kill_caller_at: Option<u64>,
    pub(super) failures: Vec<Failure>,
    /// Set by a failing sync for the file that it was called on.
    pub(super) sync_loss: Option<SyncLoss>,
    /// No file can grow.
    pub(super) full: bool,
    pub(super) ignored_syncs: Vec<String>,
    pub(super) place: Place,
    pub(super) cuts: Option<Vec<Cut>>,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        let nodes = Nodes::from([(ROOT, Node::Dir(BTreeMap::new()))]);
        Self::boot(seed, 0, nodes.clone(), nodes, Vec::new())
    }

    /// A machine that has just been started on these files.
    pub(super) fn boot(seed: u64, boot: u64, seen: Nodes, durable: Nodes, journal: Vec<Pending>) -> Self {
        State {
            seed,
            boot,
            next_node: seen.keys().chain(durable.keys()).max().map_or(1, |last| last + 1),
            clock: Arc::new(SimClock::at_boot(boot)),
            seen,
            durable,
            journal,
            next_handle: 0,
            locks: Vec::new(),
            processes: 0,
            dead: Vec::new(),
            power_lost: false,
            deaths: 0,
            calls: 0,
            changes: 0,
            mark: 0,
            cut_at: None,
            kills: Vec::new(),
            kill_caller_at: None,
            failures: Vec::new(),
            sync_loss: None,
            full: false,
            ignored_syncs: Vec::new(),
            place: Place { free_len: 1 << 40, network: false },
            cuts: None,
        }
    }

    /// The same machine, with no process running.
    pub(super) fn fork(&self) -> State {
        let (seen, durable, journal) = (self.seen.clone(), self.durable.clone(), self.journal.clone());
        let mut fork = State::boot(self.seed, self.boot, seen, durable, journal);
        fork.next_node = self.next_node;
        fork.clock = Arc::new(self.clock.copy());
        fork.ignored_syncs.clone_from(&self.ignored_syncs);
        fork.place = self.place;
        fork
    }

    pub(super) fn kill(&mut self, process: u32) {
        self.dead.push(process);
        self.deaths += 1;
        self.locks.retain(|held| held.process != process);
    }

    /// The inode at `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        let mut node = ROOT;
        for name in names(path)? {
            node = *self.dir(node)?.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The directory that holds `path`, and the last name.
    fn parent(&self, path: &Path) -> io::Result<(u64, String)> {
        let mut names = names(path)?;
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut node = ROOT;
        for name in names {
            node = *self.dir(node)?.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        self.dir(node)?;
        Ok((node, last))
    }

    fn dir(&self, node: u64) -> io::Result<&BTreeMap<String, u64>> {
        match self.seen.get(&node) {
            Some(Node::Dir(names)) => Ok(names),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// A file's bytes as programs see them.
    pub(super) fn bytes(&self, node: u64) -> io::Result<&[u8]> {
        match self.seen.get(&node) {
            Some(Node::File(bytes)) => Ok(bytes),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&mut self, node: Node) -> u64 {
        let id = self.next_node;
        self.next_node += 1;
        // An inode without a name costs nothing, so it may as well be durable: nothing leads to it.
        self.durable.insert(id, node.clone());
        self.seen.insert(id, node);
        id
    }

    fn pend(&mut self, pending: Pending) {
        pending.apply(&mut self.seen);
        self.journal.push(pending);
    }

    pub(super) fn new_handle(&mut self) -> u64 {
        self.next_handle += 1;
        self.next_handle
    }

    pub(super) fn open(&mut self, path: &Path, how: Open, makes: bool) -> io::Result<u64> {
        match self.find(path) {
            Ok(_) if how == Open::CreateNew => Err(io::ErrorKind::AlreadyExists.into()),
            Ok(node) => self.bytes(node).map(|_| node),
            Err(error) if error.kind() == io::ErrorKind::NotFound && makes => {
                let (directory, name) = self.parent(path)?;
                if self.full {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let node = self.add(Node::File(Arc::default()));
                self.pend(Pending::Names(vec![(directory, name, Some(node))]));
                Ok(node)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (from, to) = (self.parent(from)?, self.parent(to)?);
        if let Some(target) = self.dir(to.0)?.get(&to.1) {
            self.bytes(*target)?;
            self.bytes(node)?;
            if *target == node {
                return Ok(());
            }
        }
        self.pend(Pending::Names(vec![(from.0, from.1, None), (to.0, to.1, Some(node))]));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.bytes(self.find(path)?)?;
        let (directory, name) = self.parent(path)?;
        self.pend(Pending::Names(vec![(directory, name, None)]));
        Ok(())
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut node = ROOT;
        for name in names(path)? {
            node = match self.dir(node)?.get(&name) {
                Some(next) => *next,
                None if self.full => return Err(io::ErrorKind::StorageFull.into()),
                None => {
                    let new = self.add(Node::Dir(BTreeMap::new()));
                    self.pend(Pending::Names(vec![(node, name, Some(new))]));
                    new
                }
            };
        }
        self.dir(node).map(|_| ())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.dir(self.find(path)?)?.keys().cloned().collect())
    }

    pub(super) fn change_file(&mut self, node: u64, change: Change) -> io::Result<()> {
        self.bytes(node)?;
        self.pend(Pending::File { node, change });
        Ok(())
    }

    /// Refuses to let a file grow where the disk is full.
    pub(super) fn check_space(&self, node: u64, len: u64) -> io::Result<()> {
        match self.full && len > self.bytes(node)?.len() as u64 {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn ignores(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.ignored_syncs.iter().any(|part| path.contains(part.as_str()))
    }

    /// Makes the pending changes that `which` picks durable.
    fn settle(&mut self, which: impl Fn(&Pending) -> bool) {
        let durable = &mut self.durable;
        self.journal.retain(|pending| {
            let picked = which(pending);
            if picked {
                pending.apply(durable);
            }
            !picked
        });
    }

    pub(super) fn sync_file(&mut self, node: u64, path: &Path) {
        if !self.ignores(path) {
            self.settle(|pending| matches!(pending, Pending::File { node: at, .. } if *at == node));
        }
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        self.dir(node)?;
        if !self.ignores(path) {
            self.settle(|pending| match pending {
                Pending::Names(changes) => changes.iter().any(|(directory, ..)| *directory == node),
                Pending::File { .. } => false,
            });
        }
        Ok(())
    }

    /// A sync that failed: the kernel has marked the pages clean and will never write them.
    pub(super) fn fail_sync(&mut self, node: u64, loss: SyncLoss) {
        self.journal.retain(|pending| match pending {
            Pending::File { node: at, change: Change::Write { .. } } => *at != node,
            _ => true,
        });
        if loss == SyncLoss::Dropped {
            // Lengths stay as they were set; bytes are read anew from what the platter has.
            let len = self.bytes(node).map_or(0, <[u8]>::len);
            if let Some(Node::File(bytes)) = self.durable.get(&node) {
                let mut bytes = bytes.as_ref().clone();
                bytes.resize(len, 0);
                self.seen.insert(node, Node::File(Arc::new(bytes)));
            }
        }
    }

    pub(super) fn try_lock(&mut self, node: u64, handle: u64, process: u32, how: Lock) -> bool {
        let blocked = self.locks.iter().any(|held| {
            held.node == node
                && held.handle != handle
                && (how == Lock::Exclusive || held.how == Lock::Exclusive)
        });
        if !blocked {
            self.unlock(handle);
            self.locks.push(Held { node, handle, process, thread: thread::current().id(), how });
        }
        !blocked
    }

    /// Whether every other holder of a lock on `node` took it in `thread`.
    pub(super) fn lock_thread_is(&self, node: u64, handle: u64, thread: ThreadId) -> bool {
        let mut others = self.locks.iter().filter(|held| held.node == node && held.handle != handle);
        others.any(|held| held.thread == thread)
    }

    pub(super) fn unlock(&mut self, handle: u64) {
        self.locks.retain(|held| held.handle != handle);
    }

    /// Every file that programs see, by path.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, node)) = open.pop() {
            match self.seen.get(&node) {
                Some(Node::Dir(names)) => {
                    open.extend(names.iter().map(|(name, node)| (path.join(name), *node)));
                }
                Some(Node::File(bytes)) => files.push((path, bytes.to_vec())),
                None => {}
            }
        }
        files.sort();
        files
    }

    /// Puts or takes a file, durably.
    pub(super) fn put(&mut self, path: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
        match bytes {
            Some(bytes) => {
                if let Some(directory) = path.parent() {
                    self.create_dir(directory)?;
                }
                let node = self.open(path, Open::Create, true)?;
                self.change_file(node, Change::SetLen { len: 0 })?;
                self.change_file(node, Change::Write { offset: 0, bytes: bytes.into() })?;
            }
            None => self.remove(path)?,
        }
        self.settle(|_| true);
        Ok(())
    }
}

/// The names along a path from the root; relative paths start at the root too.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}
