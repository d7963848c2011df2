//! A published log as who follows it reads it: static files in a directory, or behind an address. Nothing that it says is
//! believed here; it is only bounded.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indelible::limits;
use indelible::trust::Note;

use crate::command::publish::RESOURCE_LEN_MAX;
use crate::exit::{Failure, Outcome};
use crate::{input, web};

/// Bytes of a hash in a tile.
const HASH_LEN: usize = 32;

/// Where a log is published.
#[derive(Debug)]
pub(crate) enum Published {
    /// In a directory.
    Dir(PathBuf),
    /// Behind an address, which has so long to answer all that it is asked.
    Url { base: String, deadline: Instant },
}

impl Published {
    /// From what the user names.
    pub(crate) fn new(named: &str, timeout: Duration) -> Outcome<Self> {
        if !named.contains("://") {
            return Ok(Published::Dir(PathBuf::from(named)));
        }
        web::check_url(named, "a published log's")?;
        let base = named.trim_end_matches('/').to_owned();
        Ok(Published::Url { base, deadline: Instant::now() + timeout })
    }

    /// The latest checkpoint.
    pub(crate) fn checkpoint(&self) -> Outcome<Note> {
        match self {
            Published::Dir(dir) => input::note(&dir.join("checkpoint")),
            Published::Url { .. } => Ok(Note::decode(&self.get("checkpoint", limits::NOTE_LEN_MAX as u64)?)?),
        }
    }

    /// A hash tile. A log may drop a partial tile once the whole one is there: then that one's beginning is it.
    pub(crate) fn tile(&self, path: &str) -> Outcome<Vec<u8>> {
        let partial =
            path.split_once(".p/").and_then(|(whole, width)| Some((whole, width.parse::<usize>().ok()?)));
        match (self.file(path), partial) {
            (Err(Failure::Io(_, error)), Some((whole, width))) if error.kind() == ErrorKind::NotFound => {
                let mut tile = self.file(whole)?;
                tile.truncate(width.saturating_mul(HASH_LEN));
                Ok(tile)
            }
            (found, _) => found,
        }
    }

    fn file(&self, path: &str) -> Outcome<Vec<u8>> {
        match self {
            Published::Dir(dir) => input::read_all(&dir.join(Path::new(path)), RESOURCE_LEN_MAX),
            Published::Url { .. } => self.get(path, RESOURCE_LEN_MAX),
        }
    }

    fn get(&self, path: &str, len_max: u64) -> Outcome<Vec<u8>> {
        let Published::Url { base, deadline } = self else { return Ok(Vec::new()) };
        let address = format!("{base}/{path}");
        let failed = |kind, words: String| Failure::Io(format!("read {address}"), Error::new(kind, words));
        match web::get(&address, len_max, *deadline) {
            Ok((200, body)) => Ok(body),
            Ok((404 | 410, _)) => Err(failed(ErrorKind::NotFound, "it is not there".to_owned())),
            Ok((status @ 300..400, _)) => {
                Err(failed(ErrorKind::Other, format!("status {status}: name the address that it leads to")))
            }
            Ok((status, _)) => Err(failed(ErrorKind::Other, format!("status {status}"))),
            Err(words) => Err(failed(ErrorKind::Other, words)),
        }
    }
}
