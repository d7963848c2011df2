//! Texts in the log itself: the bytes of a stretch are searched as they lie, and what is found is led back to its
//! record.

use memchr::memmem::Finder;

use super::Trouble;
use super::plan::Planner;
use super::set::Set;
use super::stretch::Stretch;
use super::text::FrameAt;
use crate::Fault;
use crate::format::frame::{FRAME_HEADER_LEN, RecordParts};
use crate::format::sidecar::FramePlace;

/// Where fewer than one record in so many is asked about, each is searched for itself.
const FEW: u64 = 8;

/// Those of `within` whose event contains the text, and it may be others.
pub(super) fn records(planner: &Planner<'_>, needle: &Finder<'_>, within: &Set) -> Result<Set, Trouble> {
    let stretch = planner.stretch;
    if needle.needle().is_empty() {
        return Ok(within.clone());
    }
    let mut found = Vec::new();
    let is_few = within.len() < u64::from(stretch.count()) / FEW;
    if is_few || !stretch.text.is_mapped() {
        let mut frames = (0..).zip(stretch.sidecar.frames()?).peekable();
        for offset in within.clone().offsets(false) {
            planner.watch.check()?;
            while let Some((index, place)) = frames.next_if(|(_, place)| place.first_offset <= offset) {
                // All of it is asked for: so it is read at once, and kept for as long as that takes.
                let is_next = frames.peek().is_none_or(|(_, next)| offset < next.first_offset);
                if is_next && !is_few && !stretch.text.is_packed() {
                    let first_seq = stretch.sidecar.first_seq() + u64::from(place.first_offset);
                    stretch.text.frame(FrameAt { index, first_seq, place })?;
                }
            }
            if needle.find(stretch.hit(offset)?.body()).is_some() {
                found.push(offset);
            }
        }
        return Ok(found.into_iter().collect());
    }
    let frames: Vec<FramePlace> = stretch.sidecar.frames()?.collect();
    check(stretch, &frames)?;
    let log = stretch.text.bytes();
    let mut from = frames.first().map_or(log.len(), |frame| frame.position as usize);
    while let Some(at) = log.get(from..).and_then(|rest| needle.find(rest)) {
        planner.watch.check()?;
        let at = from + at;
        let Some((offset, body)) = record_at(stretch, &frames, at)? else { break };
        let is_in = body.start <= at && at + needle.needle().len() <= body.end;
        if is_in {
            found.push(offset);
        }
        // The record need not be searched again; what lies across its end may be in none.
        from = if is_in { body.end } else { at + 1 };
    }
    Ok(found.into_iter().collect::<Set>())
}

/// Sees that every frame's checksum is right: a text in bytes that were altered would not be missed by anybody.
fn check(stretch: &Stretch, frames: &[FramePlace]) -> Result<(), Trouble> {
    for (index, place) in (0..).zip(frames) {
        let first_seq = stretch.sidecar.first_seq() + u64::from(place.first_offset);
        stretch.text.frame(FrameAt { index, first_seq, place: *place })?;
    }
    Ok(())
}

/// The record that byte `at` of the log is in, or behind the start of, and where its body lies; nothing behind the
/// last record.
fn record_at(
    stretch: &Stretch,
    frames: &[FramePlace],
    at: usize,
) -> Result<Option<(u32, std::ops::Range<usize>)>, Trouble> {
    let index = frames.partition_point(|frame| frame.position as usize <= at);
    let Some(frame) = index.checked_sub(1).and_then(|index| frames.get(index)) else { return Ok(None) };
    let end = frames.get(index).map_or(stretch.count(), |next| next.first_offset);
    let (mut low, mut high) = (frame.first_offset, end);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        let located = stretch.sidecar.locate(middle)?;
        if located.is_some_and(|located| located.record_at as usize <= at) {
            low = middle
        } else {
            high = middle
        }
    }
    let torn = || Fault::damaged(frame.position, "frame's records", "a record", "none");
    let located = stretch.sidecar.locate(low)?.ok_or_else(torn)?;
    let start = (located.record_at as usize).max(frame.position as usize + FRAME_HEADER_LEN);
    let bytes = stretch.text.bytes().get(start..start + located.record_len as usize).unwrap_or_default();
    let body = RecordParts::decode(bytes)?.event;
    Ok(Some((low, start + body.start..start + body.end)))
}
