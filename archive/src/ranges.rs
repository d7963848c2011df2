//! An object of which no more is fetched than what is read of it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use indelible_engine::Result;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::target::{Object, Target};

/// How much of the end is fetched first, in bytes: the footer is there, with a few profiles.
const END_LEN: u64 = 64 << 10;

/// An object, and the ranges of it that are here.
#[derive(Debug, Clone)]
pub(crate) struct Ranges {
    target: Arc<Target>,
    object: Object,
    /// The end, and the range that was asked for last, each with where it begins.
    here: Arc<Mutex<[(u64, Bytes); 2]>>,
}

impl Ranges {
    /// Fetches the end.
    ///
    /// # Errors
    /// [`Error::Io`](indelible_engine::Error::Io).
    pub(crate) fn open(target: &Arc<Target>, object: &Object) -> Result<Ranges> {
        let start = object.len.saturating_sub(END_LEN);
        let end = target.read(object, start..object.len)?;
        let here = Arc::new(Mutex::new([(start, end), (0, Bytes::new())]));
        Ok(Ranges { target: Arc::clone(target), object: object.clone(), here })
    }

    /// Fetches a range, to be read next.
    ///
    /// # Errors
    /// As [`Ranges::open`].
    pub(crate) fn fetch(&self, range: Range<u64>) -> Result<()> {
        if self.held(&range).is_none() {
            self.hold(range.start, self.target.read(&self.object, range)?);
        }
        Ok(())
    }

    /// Gives back what was fetched last.
    pub(crate) fn give_back(&self) {
        self.hold(0, Bytes::new());
    }

    fn hold(&self, start: u64, bytes: Bytes) {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)[1] = (start, bytes);
    }

    /// A range that is here.
    fn held(&self, range: &Range<u64>) -> Option<Bytes> {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        here.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
        })
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.object.len
    }
}

impl ChunkReader for Ranges {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Whoever reads on from here stays in what was fetched, and says so by its own length.
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = here.iter().find_map(|(at, bytes)| {
            let from = usize::try_from(start.checked_sub(*at)?).ok()?;
            (from < bytes.len()).then(|| bytes.slice(from..))
        });
        rest.map(Buf::reader).ok_or_else(|| ParquetError::EOF(format!("nothing was fetched at {start}")))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        if end > self.object.len {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of {}", self.object.len)));
        }
        match self.held(&(start..end)) {
            Some(bytes) => Ok(bytes),
            // A footer longer than the end.
            None => {
                let read = self.target.read(&self.object, start..end);
                read.map_err(|error| ParquetError::External(Box::new(error)))
            }
        }
    }
}
