//! Reading the frames of one log file through a bounded window, good or bad.
//!
//! What is no frame is not the end: a later frame may show that it once was one and durable. So a bad place comes
//! back as such, and [`FrameWalk::survey`] tells what stands behind it.

use std::io;
use std::sync::Arc;

use super::Watch;
use crate::Seq;
use crate::disk::File;
use crate::error::Fault;
use crate::format::frame::{self, FRAME_HEADER_LEN, FrameHeader, FrameKind};

/// How much is read at once.
const WINDOW_LEN: usize = 256 << 10;
/// The first byte of every frame. It is no ASCII byte, and no frame's header is valid UTF-8 without NUL bytes, so
/// that an event's body cannot hold a frame.
const FIRST_BYTE: u8 = 0x89;
/// How many times a file's own length may be spent on checksums while looking for frames behind a bad place:
/// bytes made up to look like the heads of many long frames must not keep a verification busy for days.
const SURVEY_EFFORT: u64 = 8;

/// The frames of one log file, one after another.
pub(super) struct FrameWalk<'a> {
    file: Arc<dyn File>,
    watch: &'a Watch<'a>,
    /// The file's length when the walk began.
    len: u64,
    /// The next frame's offset.
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
    /// The bad place that was read again last.
    reread_at: Option<u64>,
}

/// What stands at a place.
pub(super) enum Step<'w> {
    /// A whole frame with a good checksum.
    Frame { at: u64, header: FrameHeader, payload: &'w [u8] },
    /// No frame.
    Bad { at: u64, fault: Fault },
    /// The end of the file.
    End,
}

/// What stands behind a bad place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// How many bytes from the bad place up to the last that is not zero.
    pub(super) used_len: u64,
    /// Where the next good frame begins.
    pub(super) next_frame: Option<u64>,
    /// A frame behind shows that the bad place was durable once.
    pub(super) was_durable: bool,
    /// Not all of it was looked at.
    pub(super) gave_up: bool,
}

impl<'a> FrameWalk<'a> {
    /// The frames from byte `at` on.
    pub(super) fn new(file: &Arc<dyn File>, at: u64, watch: &'a Watch<'a>) -> io::Result<Self> {
        let file = Arc::clone(file);
        let len = file.len()?;
        Ok(FrameWalk {
            file,
            watch,
            len,
            at,
            window: Vec::new(),
            window_at: at,
            window_len: 0,
            reread_at: None,
        })
    }

    pub(super) fn file_len(&self) -> u64 {
        self.len
    }

    /// Goes on from another place.
    pub(super) fn skip_to(&mut self, at: u64) {
        self.at = at;
    }

    /// Goes on from a bad place, which is read anew; false where it was already. A writer may have written a frame there, and
    /// others behind it, since it was read: then it is good by now.
    pub(super) fn reread(&mut self, bad: u64) -> bool {
        if self.reread_at.replace(bad) == Some(bad) {
            return false;
        }
        (self.at, self.window_len) = (bad, 0);
        true
    }

    /// Whether reading failed because the file was cut since its length was taken, as a writer does that seals it and gives
    /// back the room that was reserved. Then what is there by now is the file.
    fn was_cut(&mut self, error: &io::Error) -> io::Result<bool> {
        if error.kind() != io::ErrorKind::UnexpectedEof {
            return Ok(false);
        }
        let (before, len) = (self.len, self.file.len()?);
        (self.len, self.window_len) = (len.min(before), 0);
        Ok(len < before)
    }

    /// Makes the window hold the `wanted` bytes at `at`, or all up to the end; where in it they begin.
    fn fill(&mut self, at: u64, wanted: usize) -> io::Result<usize> {
        let wanted = wanted.min(usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX));
        let have = (self.window_at + self.window_len as u64).saturating_sub(at);
        if at >= self.window_at && have >= wanted as u64 {
            return Ok((at - self.window_at) as usize);
        }
        self.watch.check()?;
        let have = if at >= self.window_at { have as usize } else { 0 };
        if have > 0 {
            let start = (at - self.window_at) as usize;
            self.window.copy_within(start..start + have, 0);
        }
        if wanted > WINDOW_LEN || self.window.len() != WINDOW_LEN {
            // One frame may be longer than the window; afterwards it is given back.
            self.window.resize(wanted.max(WINDOW_LEN), 0);
            self.window.shrink_to(WINDOW_LEN);
        }
        let left = usize::try_from(self.len - at).unwrap_or(usize::MAX);
        let room = self.window.len().min(left);
        (self.window_at, self.window_len) = (at, have);
        let read = self.file.read_up_to(&mut self.window[have..room], at + have as u64)?;
        self.watch.read(read as u64);
        self.window_len = have + read;
        if self.window_len < wanted {
            // The file was cut while it was read.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(0)
    }

    /// What stands at the present place; past it, where it is a frame.
    pub(super) fn next(&mut self) -> io::Result<Step<'_>> {
        let at = self.at;
        let frame = loop {
            if at >= self.len {
                return Ok(Step::End);
            }
            match self.frame_at(at) {
                Err(error) if self.was_cut(&error)? => {}
                frame => break frame?,
            }
        };
        match frame {
            Ok((header, start)) => {
                self.at = at + header.frame_len();
                let payload = &self.window[start + FRAME_HEADER_LEN..][..header.payload_len as usize];
                Ok(Step::Frame { at, header, payload })
            }
            Err(fault) => Ok(Step::Bad { at, fault }),
        }
    }

    /// The frame at `at`, and where it begins in the window.
    fn frame_at(&mut self, at: u64) -> io::Result<Result<(FrameHeader, usize), Fault>> {
        let start = self.fill(at, FRAME_HEADER_LEN)?;
        let header = match FrameHeader::decode(&self.window[start..self.window_len]) {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let left = self.len - at;
        if header.frame_len() > left {
            return Ok(Err(Fault::damaged(
                8,
                "frame length",
                format_args!("at most {left}"),
                header.frame_len(),
            )));
        }
        let len = usize::try_from(header.frame_len()).map_err(io::Error::other)?;
        let start = self.fill(at, len)?;
        Ok(frame::decode(&self.window[start..self.window_len]).map(|(header, _)| (header, start)))
    }

    /// Looks at all that stands behind `bad`, where a frame of the record `next_seq` was expected.
    pub(super) fn survey(&mut self, bad: u64, next_seq: Seq) -> io::Result<Survey> {
        loop {
            match self.survey_once(bad, next_seq) {
                Err(error) if self.was_cut(&error)? => {}
                survey => return survey,
            }
        }
    }

    fn survey_once(&mut self, bad: u64, next_seq: Seq) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let mut effort = self.len.saturating_mul(SURVEY_EFFORT).max(1 << 20);
        let mut at = bad;
        while at < self.len {
            let start = self.fill(at, 1)?;
            if at > bad
                && self.window[start] == FIRST_BYTE
                && let Some(header) = self.try_frame(at, &mut effort, &mut survey.gave_up)?
            {
                survey.next_frame.get_or_insert(at);
                survey.was_durable |= header.first_seq >= next_seq
                    && (header.synced_len > bad || header.kind == FrameKind::Close);
                at += header.frame_len();
                survey.used_len = at - bad;
                continue;
            }
            let start = self.fill(at, 1)?;
            let bytes = &self.window[start..self.window_len];
            let step = next_candidate(bytes);
            if let Some(last) = bytes[..step].iter().rposition(|&byte| byte != 0) {
                survey.used_len = at + last as u64 + 1 - bad;
            }
            at += step as u64;
        }
        Ok(survey)
    }

    /// The frame at `at`, if there is one and `effort` allows for its checksum.
    fn try_frame(
        &mut self,
        at: u64,
        effort: &mut u64,
        gave_up: &mut bool,
    ) -> io::Result<Option<FrameHeader>> {
        let start = self.fill(at, FRAME_HEADER_LEN)?;
        let Ok(header) = FrameHeader::decode(&self.window[start..self.window_len]) else { return Ok(None) };
        if header.frame_len() > self.len - at {
            return Ok(None);
        }
        match effort.checked_sub(header.frame_len()) {
            Some(left) => *effort = left,
            None => {
                *gave_up = true;
                return Ok(None);
            }
        }
        Ok(self.frame_at(at)?.ok().map(|(header, _)| header))
    }
}

/// How far it is to the next byte with which a frame could begin, the first byte not counted; at least 1.
fn next_candidate(bytes: &[u8]) -> usize {
    // Space that was reserved and not written to is zeros by the megabyte.
    const CHUNK_LEN: usize = 4096;
    let is_zero = |chunk: &[u8]| chunk.iter().fold(0, |all, byte| all | byte) == 0;
    let mut at = 0;
    while bytes.len() - at > CHUNK_LEN && is_zero(&bytes[at..at + CHUNK_LEN]) {
        at += CHUNK_LEN;
    }
    if at > 0 {
        return at;
    }
    bytes.iter().skip(1).position(|&byte| byte == FIRST_BYTE).map_or(bytes.len(), |index| index + 1).max(1)
}
