//! The active segment as queries see it: index parts that were found beside its log, and behind them what this
//! process has indexed in memory, as a few runs of growing length that end where the query's snapshot does.
//!
//! A run is written out of the index once and again only when as much has come behind it, so that each record is
//! written a few times at most however often the log grows between two queries.

use std::sync::Mutex;

use super::indexer::Indexer;
use super::views::{Chunk, View};
use super::{Catalog, Log, lock};
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::{Result, SegmentId, Seq};

/// A run whose frames are as long as this many parts is not written again: whoever appends waits meanwhile.
const RUN_PARTS_MAX: u64 = 8;

/// What was last made of the active segment.
#[derive(Debug, Default)]
pub(super) struct ActiveChunks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    segment: SegmentId,
    /// From the segment's first record on, without a gap.
    chunks: Vec<Chunk>,
}

impl State {
    fn end(&self) -> Seq {
        self.chunks.last().map_or(self.segment.0, |chunk| chunk.sidecar.end_seq())
    }
}

impl Log {
    /// Sees to it that the index in memory, with the parts before it, has all records of `head`; false where more
    /// than `read_len_max` bytes of the log would have to be read for it, or `head` is of a segment that was sealed
    /// since.
    pub(super) fn bring_up(&self, head: &Head, catalog: &Catalog, read_len_max: u64) -> Result<bool> {
        let mut state = lock(&self.active_chunks.state);
        let mut indexer = self.indexer();
        self.bring_up_locked(&mut state, &mut indexer, head, catalog, read_len_max)
    }

    fn bring_up_locked(
        &self,
        state: &mut State,
        indexer: &mut Indexer,
        head: &Head,
        catalog: &Catalog,
        read_len_max: u64,
    ) -> Result<bool> {
        if indexer.segment() < head.active {
            *indexer = Indexer::new(head.active);
        }
        if state.segment < head.active {
            *state = State { segment: head.active, chunks: Vec::new() };
        }
        if indexer.segment() != head.active || state.segment != head.active {
            return Ok(false);
        }
        if state.end() < indexer.first_seq() {
            // The runs before this index are gone.
            *indexer = Indexer::new(head.active);
        }
        let missing = |indexer: &Indexer| head.written_len.saturating_sub(indexer.next_at());
        let part_len = self.part_len();
        if missing(indexer) >= part_len && missing(indexer) > indexer.next_at() - indexer.start_at() {
            begin_behind(indexer, &state.chunks, head.active);
            if missing(indexer) >= part_len {
                let parts = self.open_parts(head, catalog)?;
                if begin_behind(indexer, &parts, head.active) {
                    state.chunks = parts;
                }
            }
        }
        if missing(indexer) > read_len_max {
            return Ok(false);
        }
        self.note_growth(indexer.next_at(), head.written_len);
        indexer.catch_up(self, head)?;
        Ok(true)
    }

    /// The runs of the active segment's records up to `head`.
    pub(super) fn active_chunks(&self, head: &Head, catalog: &Catalog) -> Result<Vec<Chunk>> {
        if head.next_seq == head.active.0 {
            return Ok(Vec::new());
        }
        let file = self.active(head)?;
        let mut state = lock(&self.active_chunks.state);
        let mut indexer = self.indexer();
        if !self.bring_up_locked(&mut state, &mut indexer, head, catalog, u64::MAX)? {
            drop((indexer, state));
            // The segment was sealed since: what was kept of it is gone.
            let mut own = Indexer::new(head.active);
            own.read_frames(self, catalog, &file, head.written_len)?;
            return Ok(vec![self.heap_chunk(
                &own,
                &file,
                head.active.0..head.next_seq,
                LOG_HEADER_LEN as u64,
            )?]);
        }
        let is_latest = state.end() <= head.next_seq;
        let mut chunks: Vec<Chunk> = state.chunks.clone();
        chunks.retain(|chunk| chunk.sidecar.end_seq() <= head.next_seq);
        let run_len_max = RUN_PARTS_MAX * self.part_len();
        let is_short = |last: &mut Chunk| {
            let behind = head.written_len.saturating_sub(last.frames.end);
            let len = last.frames.end - last.frames.start;
            len <= behind.min(run_len_max) && last.sidecar.first_seq() >= indexer.first_seq()
        };
        while chunks.pop_if(is_short).is_some() {}
        let (end_seq, end_at) = chunks
            .last()
            .map_or((head.active.0, LOG_HEADER_LEN as u64), |last| (last.sidecar.end_seq(), last.frames.end));
        if end_seq < indexer.first_seq() {
            // An older snapshot than the parts are: its own end is read anew.
            let mut own = Indexer::from(head.active, end_seq, end_at);
            own.read_frames(self, catalog, &file, head.written_len)?;
            chunks.push(self.heap_chunk(&own, &file, end_seq..head.next_seq, end_at)?);
            return Ok(chunks);
        }
        if end_seq < head.next_seq {
            chunks.push(self.heap_chunk(&indexer, &file, end_seq..head.next_seq, end_at)?);
        }
        if is_latest {
            state.chunks.clone_from(&chunks);
        }
        Ok(chunks)
    }

    /// Uses `chunk` instead of what was found damaged behind a view.
    pub(super) fn replace_chunk(&self, view: &View, chunk: &Chunk) {
        let mut state = lock(&self.active_chunks.state);
        let same = |other: &&mut Chunk| {
            (other.sidecar.first_seq(), other.sidecar.end_seq()) == (view.first_seq, view.end_seq)
        };
        let Some(damaged) = state.chunks.iter_mut().find(same) else { return };
        let damaged = std::mem::replace(damaged, chunk.clone());
        if let Some(number) = damaged.part
            && self.is_writable()
        {
            // A whole one can be written by whoever comes next.
            let _ = self.world.disk.remove(&self.layout.part(view.segment, number));
        }
    }

    /// The seqs of the active segment's records up to `head` that may have this event id, ascending.
    pub(crate) fn find_in_active(&self, head: &Head, catalog: &Catalog, id: &[u8]) -> Result<Vec<Seq>> {
        let (chunks, mut indexed) = {
            let mut state = lock(&self.active_chunks.state);
            let mut indexer = self.indexer();
            if self.bring_up_locked(&mut state, &mut indexer, head, catalog, u64::MAX)? {
                let before = |chunk: &&Chunk| chunk.sidecar.end_seq() <= indexer.first_seq();
                let parts: Vec<Chunk> = state.chunks.iter().take_while(before).cloned().collect();
                (Some(parts), indexer.candidates(id, head.next_seq))
            } else {
                (None, Vec::new())
            }
        };
        let chunks = chunks.map_or_else(|| self.active_chunks(head, catalog), Ok)?;
        let mut found = Vec::new();
        for chunk in chunks {
            let view = View::of_chunk(head.active, chunk);
            found.extend(self.read_view(&view, catalog, |sidecar| sidecar.find_event(id))?);
        }
        found.retain(|seq| *seq < head.next_seq);
        found.append(&mut indexed);
        Ok(found)
    }

    /// Where the frame begins that holds a record of the active segment, or one before it; nothing where this
    /// process has not had to know.
    pub(crate) fn active_frame(&self, id: SegmentId, seq: Seq) -> Option<u64> {
        {
            let indexer = self.indexer();
            if indexer.segment() == id
                && let Some(offset) = seq.checked_sub(indexer.first_seq())
                && let Some(at) = indexer.locator.frame_at(u32::try_from(offset).ok()?)
            {
                return Some(at);
            }
        }
        let state = lock(&self.active_chunks.state);
        let holds = |chunk: &&Chunk| chunk.sidecar.offset_of(seq).is_some();
        let chunk = state.chunks.iter().find(holds).filter(|_| state.segment == id)?;
        let located = chunk.sidecar.locate(chunk.sidecar.offset_of(seq)?).ok()??;
        Some(located.frame.position)
    }
}

/// Has the index in memory begin behind `chunks`, where they reach further than it does.
fn begin_behind(indexer: &mut Indexer, chunks: &[Chunk], segment: SegmentId) -> bool {
    let last = chunks.last().filter(|last| last.frames.end > indexer.next_at());
    if let Some(last) = last {
        *indexer = Indexer::behind(segment, last);
    }
    last.is_some()
}
