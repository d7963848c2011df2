//! Threads that have no segment of their own extract fields for those that have one.
//!
//! Segments are handed out whole, which leaves threads without work when there are few of them, or at the end. Such a
//! thread waits here for blocks: runs of records of one segment, whose events are checked and whose fields are found
//! while the segment's own thread goes on reading and hashing. That thread takes its blocks back in their order, and
//! does itself what nobody has begun; so it never waits for a thread that is not at work on it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::sources::KnownSource;
use crate::format::frame::FrameRecord;
use crate::source::Fields;
use crate::{Error, Seq};

/// A block is handed over when it has so many records or bytes.
const BLOCK_RECORDS: usize = 128;
const BLOCK_LEN: usize = 256 << 10;

/// A run of records, copied, so that reading can go on.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    records: Vec<Held>,
    /// By record, as far as its event is one. Their buffers outlive the block.
    fields: Vec<Fields>,
    faults: Vec<(usize, Error)>,
}

/// One record of a block.
struct Held {
    at: u64,
    seq: Seq,
    start: usize,
    source: Arc<KnownSource>,
}

/// What was found in a record of a block.
pub(super) struct Extracted<'b> {
    pub(super) at: u64,
    pub(super) seq: Seq,
    pub(super) record: FrameRecord<'b>,
    pub(super) source: &'b KnownSource,
    pub(super) fields: Result<&'b Fields, &'b Error>,
}

impl Block {
    /// Adds a record whose event `source` reads; whether the block is full then.
    pub(super) fn push(
        &mut self,
        at: u64,
        seq: Seq,
        record: &FrameRecord<'_>,
        source: Arc<KnownSource>,
    ) -> bool {
        self.records.push(Held { at, seq, start: self.bytes.len(), source });
        record.encode_into(&mut self.bytes);
        self.records.len() >= BLOCK_RECORDS || self.bytes.len() >= BLOCK_LEN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the records, keeping the buffers of all but unusually long ones.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.faults.clear();
        self.bytes.clear();
        self.bytes.shrink_to(2 * BLOCK_LEN);
    }

    fn record(&self, held: &Held) -> Option<FrameRecord<'_>> {
        let bytes = self.bytes.get(held.start..)?;
        FrameRecord::decode(bytes).ok()
    }

    /// Checks each event and finds its fields.
    fn extract(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.resize_with(fields.len().max(self.records.len()), Fields::default);
        for (index, (held, fields)) in self.records.iter().zip(&mut fields).enumerate() {
            let Some(record) = self.record(held) else { continue };
            let Some(body) = record.body.bytes() else { continue };
            if let Err(error) = held.source.profile().extract(body, fields) {
                self.faults.push((index, error));
            }
        }
        self.fields = fields;
    }

    /// What [`Block::extract`] found, record by record.
    pub(super) fn extracted(&self) -> impl Iterator<Item = Extracted<'_>> {
        let mut faults = self.faults.iter().peekable();
        self.records.iter().zip(&self.fields).enumerate().filter_map(move |(index, (held, fields))| {
            let fault = faults.next_if(|(at, _)| *at == index);
            Some(Extracted {
                at: held.at,
                seq: held.seq,
                record: self.record(held)?,
                source: &held.source,
                fields: fault.map_or(Ok(fields), |(_, error)| Err(error)),
            })
        })
    }
}

/// A block that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The blocks of all segments that are in hand.
pub(super) struct Pool {
    state: Mutex<State>,
    moved: Condvar,
    /// Threads that wait for a block. Read without the lock: it only says whether handing over pays.
    idle: AtomicUsize,
}

struct State {
    next: u64,
    waiting: VecDeque<(Ticket, Block)>,
    done: Vec<(Ticket, Block)>,
    /// Segments whose threads may still hand something over.
    open_count: usize,
}

impl Pool {
    /// For so many segments.
    pub(super) fn new(segment_count: usize) -> Self {
        let state = State { next: 0, waiting: VecDeque::new(), done: Vec::new(), open_count: segment_count };
        Pool { state: Mutex::new(state), moved: Condvar::new(), idle: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a thread waits for a block.
    pub(super) fn has_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > 0
    }

    /// Hands a block over.
    pub(super) fn give(&self, block: Block) -> Ticket {
        let mut state = self.lock();
        let ticket = Ticket(state.next);
        state.next += 1;
        state.waiting.push_back((ticket, block));
        drop(state);
        self.moved.notify_all();
        ticket
    }

    /// Takes a block back, its fields found.
    pub(super) fn take(&self, ticket: Ticket) -> Block {
        let mut state = self.lock();
        loop {
            if let Some(place) = state.done.iter().position(|(done, _)| *done == ticket) {
                return state.done.swap_remove(place).1;
            }
            if let Some(place) = state.waiting.iter().position(|(waiting, _)| *waiting == ticket) {
                let Some((_, mut block)) = state.waiting.remove(place) else { continue };
                drop(state);
                block.extract();
                return block;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A guard that says so when a segment's thread will hand nothing over any more, for whatever reason.
    pub(super) fn open(&self) -> OpenSegment<'_> {
        OpenSegment { pool: self }
    }

    /// Works on blocks until no segment has any.
    pub(super) fn help(&self) {
        let mut state = self.lock();
        loop {
            if let Some((ticket, block)) = state.waiting.pop_front() {
                drop(state);
                let mut work = Work { pool: self, ticket, block };
                work.block.extract();
                drop(work);
                state = self.lock();
            } else if state.open_count == 0 {
                return;
            } else {
                self.idle.fetch_add(1, Ordering::Relaxed);
                state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                self.idle.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// See [`Pool::open`].
pub(super) struct OpenSegment<'a> {
    pool: &'a Pool,
}

impl Drop for OpenSegment<'_> {
    fn drop(&mut self) {
        self.pool.lock().open_count -= 1;
        self.pool.moved.notify_all();
    }
}

/// A block that a helper has in hand. It is given back also by a helper that panics: nobody must wait for it.
struct Work<'a> {
    pool: &'a Pool,
    ticket: Ticket,
    block: Block,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.pool.lock().done.push((self.ticket, block));
        self.pool.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frame::Body;
    use crate::format::frame::Labels;

    /// Blocks of events that have their own seq as their id; the one at `bad` is none.
    fn blocks(count: u64, bad: u64) -> Vec<Block> {
        let source = Arc::new(KnownSource::parse(crate::source::Profile::evidence().text()).unwrap());
        let block = |n: u64| {
            let mut block = Block::default();
            for seq in n * 10..n * 10 + 10 {
                let end = if seq == bad { "" } else { "}" };
                let body = format!("{{\"event_id\":\"{seq}\"{end}");
                let record = FrameRecord {
                    encoding: 0,
                    source: 1,
                    labels: Labels::default(),
                    body: Body::Whole(body.as_bytes()),
                };
                block.push(seq * 100, seq, &record, Arc::clone(&source));
            }
            block
        };
        (0..count).map(block).collect()
    }

    fn check(block: &Block, bad: u64) {
        assert_eq!(block.extracted().count(), 10);
        for found in block.extracted() {
            assert_eq!(found.at, found.seq * 100);
            match found.fields {
                Ok(fields) => assert_eq!(fields.event_id(), Some(found.seq.to_string().as_bytes())),
                Err(_) => assert_eq!(found.seq, bad),
            }
            assert_eq!(found.fields.is_err(), found.seq == bad);
        }
    }

    #[test]
    fn a_block_that_nobody_begins_is_done_by_who_takes_it_back() {
        let pool = Pool::new(1);
        let tickets: Vec<Ticket> = blocks(3, 15).into_iter().map(|block| pool.give(block)).collect();
        for ticket in tickets {
            check(&pool.take(ticket), 15);
        }
        assert!(!pool.has_idle());
    }

    #[test]
    fn helpers_end_with_the_last_segment_and_leave_what_they_did() {
        let pool = Pool::new(2);
        let tickets: Vec<Ticket> = blocks(20, 77).into_iter().map(|block| pool.give(block)).collect();
        std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..3).map(|_| scope.spawn(|| pool.help())).collect();
            drop(pool.open());
            drop(pool.open());
            helpers.into_iter().for_each(|helper| helper.join().unwrap());
        });
        assert_eq!(pool.lock().done.len(), 20);
        for ticket in tickets {
            check(&pool.take(ticket), 77);
        }
    }
}
