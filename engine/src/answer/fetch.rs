//! What an answer needs of segments that are in an archive: which pieces of their logs hold records that must be read. The
//! index here says so, and nothing is fetched to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::Planner;
use super::search::Search;
use super::set::Set;
use super::stretch::Stretch;
use super::text::LogText;
use crate::segment::FrameCursor;
use crate::{Fault, Result, SegmentId};

/// Pieces of archived logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToFetch {
    /// By their segments and where in the log they begin: how many bytes of the archive a piece takes, and whether it is
    /// here since it was fetched before.
    pieces: BTreeMap<(SegmentId, u64), (u64, bool)>,
}

impl ToFetch {
    /// How many files must be asked.
    pub fn files(&self) -> u64 {
        let mut segments: Vec<SegmentId> = self.missing().map(|((segment, _), _)| *segment).collect();
        segments.dedup();
        segments.len() as u64
    }

    /// How many pieces must be fetched: row groups of the files.
    pub fn row_groups(&self) -> u64 {
        self.missing().count() as u64
    }

    /// How many bytes must be fetched.
    pub fn len(&self) -> u64 {
        self.missing().map(|(_, (len, _))| *len).sum()
    }

    /// Whether nothing must be fetched.
    pub fn is_empty(&self) -> bool {
        self.missing().next().is_none()
    }

    /// How many of the pieces are here since they were fetched before.
    pub fn here(&self) -> u64 {
        self.pieces.len() as u64 - self.row_groups()
    }

    /// Takes in what something else needs.
    pub fn add(&mut self, other: ToFetch) {
        self.pieces.extend(other.pieces);
    }

    fn missing(&self) -> impl Iterator<Item = (&(SegmentId, u64), &(u64, bool))> {
        self.pieces.iter().filter(|(_, (_, is_here))| !is_here)
    }

    /// What reading these records of a stretch needs.
    pub(super) fn of(stretch: &Stretch, offsets: Set) -> Result<ToFetch, Fault> {
        let LogText::Read { log, .. } = &stretch.text else { return Ok(ToFetch::default()) };
        let Some(archived) = &log.archived else { return Ok(ToFetch::default()) };
        let (mut pieces, mut cursor, mut frame_at) = (BTreeMap::new(), FrameCursor::default(), 0);
        for offset in offsets.offsets(false) {
            let Some(located) = stretch.sidecar.locate_from(offset, &mut cursor)? else { break };
            if std::mem::replace(&mut frame_at, located.frame.position) == frame_at {
                continue;
            }
            if let Some((at, len, is_here)) = archived.to_fetch(frame_at) {
                pieces.insert((stretch.id, at), (len, is_here));
            }
        }
        Ok(ToFetch { pieces })
    }
}

impl Search {
    /// What must be fetched of archives to know which records match, and where they are `shown`, to read these.
    ///
    /// # Errors
    /// As [`Search::total`].
    pub fn to_fetch(&mut self, shown: bool) -> Result<ToFetch> {
        let mut fetch = ToFetch::default();
        let (kept, narrowed) = self.kept_pieces(&[], None)?;
        for piece in kept {
            let seqs = self.of_piece(piece)?;
            let needed = self.ask(piece, |search, stretch: &Arc<Stretch>| {
                if !stretch.text.is_archived() {
                    return Ok(ToFetch::default());
                }
                let planner = Planner { may_fetch: false, ..search.planner(stretch) };
                let bounds = planner.plan(narrowed.candidates(piece, stretch, &seqs))?;
                let read = if shown { bounds.sure.or(bounds.open) } else { bounds.open };
                Ok(ToFetch::of(stretch, read)?)
            })?;
            fetch.add(needed);
        }
        Ok(fetch)
    }
}
