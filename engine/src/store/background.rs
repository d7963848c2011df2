//! What a store does beside what it was asked for: sealing a segment that is full, writing index parts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use super::{Inner, Store};
use crate::log::{lock, seal};
use crate::{Error, Result};

/// The threads of a store, and what went wrong in them.
#[derive(Debug, Default)]
pub(super) struct Threads {
    sealer: Option<JoinHandle<()>>,
    /// Why the last seal that the store began by itself was none.
    seal_failed: Option<Error>,
    cache_writer: Option<JoinHandle<()>>,
    /// When that thread was last begun, in nanoseconds since boot.
    caches_begun_ns: u64,
}

/// While events come in so fast that a segment is soon full, its parts are hardly worth their while: they are
/// written in one go after this many nanoseconds, or when the store is closed.
const CACHES_PAUSE_NS: u64 = 250_000_000;

impl Store {
    /// Starts to seal the active segment where it is full.
    pub(super) fn seal_if_due(&self) -> Result<()> {
        let inner = &self.inner;
        let head = inner.log.head()?;
        if !inner.log.is_due(&head) && !inner.log.is_overdue(&head)? {
            return Ok(());
        }
        if !inner.seal_in_background {
            return seal::seal(&inner.log).map(|_| ());
        }
        if head.written_len >= inner.log.settings.segment_len.saturating_mul(2) {
            // Events come in faster than segments can be sealed: whoever notices waits for the one under way.
            self.join_sealer()?;
        }
        if !inner.log.begin_seal() {
            return Ok(());
        }
        let shared = Arc::clone(inner);
        let thread = std::thread::Builder::new().name("indelible-seal".to_owned()).spawn(move || {
            let result = seal::seal(&shared.log);
            shared.log.end_seal();
            if let Err(error) = result {
                lock(&shared.threads).seal_failed = Some(error);
            }
        });
        match thread {
            // The thread before this one has ended: only one that has may be followed by another.
            Ok(thread) => lock(&inner.threads).sealer = Some(thread),
            Err(_) => inner.log.end_seal(),
        }
        Ok(())
    }

    /// Waits for the seal under way; what went wrong in it.
    pub(super) fn join_sealer(&self) -> Result<()> {
        let thread = lock(&self.inner.threads).sealer.take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            self.inner.log.end_seal();
            return Err(Error::ClosedToWriting {
                reason: "the thread that seals segments broke off".to_owned(),
            });
        }
        lock(&self.inner.threads).seal_failed.take().map_or(Ok(()), Err)
    }

    /// Waits for all that goes on by itself, and does what was put off; what went wrong in a seal.
    pub(super) fn join_threads(&self) -> Result<()> {
        let sealed = self.join_sealer();
        let thread = lock(&self.inner.threads).cache_writer.take();
        // A cache: nobody misses what a thread that broke off did not write.
        let _ = thread.map(JoinHandle::join);
        self.inner.write_caches();
        sealed
    }
}

impl Inner {
    /// Starts to write the index parts and directories that are missing, where someone found that there are any.
    pub(super) fn write_caches_if_due(self: &Arc<Self>) {
        if !self.log.parts_due.load(Ordering::Relaxed) && !self.log.directories_due.load(Ordering::Relaxed) {
            return;
        }
        if !self.seal_in_background {
            return self.write_caches();
        }
        let mut threads = lock(&self.threads);
        let now_ns = self.log.world.clock.since_boot_ns();
        let busy = threads.cache_writer.as_ref().is_some_and(|thread| !thread.is_finished());
        let waits =
            threads.caches_begun_ns != 0 && now_ns - threads.caches_begun_ns.min(now_ns) < CACHES_PAUSE_NS;
        // A segment that is being sealed needs no parts any more.
        if busy || waits || self.log.is_sealing() {
            return;
        }
        let shared = Arc::clone(self);
        let writing = std::thread::Builder::new().name("indelible-caches".to_owned());
        threads.cache_writer = writing.spawn(move || shared.write_caches()).ok();
        threads.caches_begun_ns = now_ns;
    }

    /// Writes the caches that are missing, where someone found that there are any.
    fn write_caches(&self) {
        if self.log.parts_due.swap(false, Ordering::Relaxed) {
            // A cache: what could not be written now is written by someone else, or not at all.
            let _ = self.log.write_parts();
        }
        if self.log.directories_due.swap(false, Ordering::Relaxed) {
            let _ = self.log.head().and_then(|head| self.log.write_directories(&head));
        }
    }
}
