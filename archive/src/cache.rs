//! The way back from archives: logs that are written again from their files, in a folder of bounded size.
//!
//! The folder holds nothing that an archive does not have, and nothing in it is believed: whoever reads a log from here
//! hashes it again. It may be removed at any time.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{BufWriter, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use indelible_engine::{ArchivedSegment, Error, Result, Retrieve, Seq};

use crate::read::rebuild;
use crate::target::{Object, Target};

/// Told of a segment that is fetched, and of how many bytes that is.
pub type Told = Box<dyn Fn(&ArchivedSegment, &Object) + Send + Sync>;

/// Brings segments back from archives, and keeps what was brought back last.
pub struct Cache {
    dir: PathBuf,
    len_max: u64,
    variables: Vec<(String, String)>,
    place: Option<String>,
    told: Told,
    archives: Mutex<HashMap<String, Arc<Archive>>>,
}

/// An archive, and its files by the seqs of their records.
#[derive(Debug)]
struct Archive {
    target: Target,
    objects: HashMap<(Seq, Seq), Object>,
}

impl Cache {
    /// Keeps up to `len_max` bytes in `dir`, or what was brought back last where that is more. `variables` are as for
    /// [`Target::open`].
    pub fn new(dir: PathBuf, len_max: u64, variables: Vec<(String, String)>, told: Told) -> Self {
        Cache { dir, len_max, variables, place: None, told, archives: Mutex::default() }
    }

    /// Looks for all segments in the archive at this place, wherever they were said to be.
    #[must_use]
    pub fn from(mut self, place: Option<String>) -> Self {
        self.place = place;
        self
    }

    /// The archive at a place and its file of a segment. It is listed again only where the file was not there before.
    fn find(&self, segment: &ArchivedSegment, place: &str) -> Result<Option<(Arc<Archive>, Object)>> {
        let mut archives = self.archives.lock().unwrap_or_else(PoisonError::into_inner);
        let seqs = (segment.id.0, segment.end_seq);
        if let Some(archive) = archives.get(place)
            && let Some(object) = archive.objects.get(&seqs)
        {
            return Ok(Some((Arc::clone(archive), object.clone())));
        }
        let target = Target::open(place, self.variables.clone())?;
        let objects = target.list()?.into_iter().filter_map(|object| Some((seqs_of(&object.name)?, object)));
        let archive = Arc::new(Archive { objects: objects.collect(), target });
        archives.insert(place.to_owned(), Arc::clone(&archive));
        let object = archive.objects.get(&seqs).cloned();
        Ok(object.map(|object| (archive, object)))
    }

    fn fetch(&self, segment: &ArchivedSegment, place: &str, path: &Path) -> Result<()> {
        let out_of_reach =
            |reason: String| Error::Archived { segment: segment.id, archive: place.to_owned(), reason };
        let found = self.find(segment, place).map_err(|error| out_of_reach(error.to_string()))?;
        let (archive, object) =
            found.ok_or_else(|| out_of_reach("it has no file of these records".to_owned()))?;
        (self.told)(segment, &object);
        let file = archive.target.fetch(&object).map_err(|error| out_of_reach(error.to_string()))?;
        let place = archive.target.place_of(&object.name);
        let dir = path.parent().unwrap_or(&self.dir);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(Error::io("make directory", dir))?;
        let beside = tempfile::NamedTempFile::new_in(dir).map_err(Error::io("make a file in", dir))?;
        let out = BufWriter::with_capacity(1 << 20, beside);
        let (checked, out) = rebuild(file, &place, out)?;
        if checked.about.store_id != segment.store_id.to_string() {
            return Err(out_of_reach(format!("its file is of store {}", checked.about.store_id)));
        }
        let beside = out.into_inner().map_err(|error| Error::io("write", path)(error.into_error()))?;
        beside.persist(path).map_err(|error| Error::io("rename to", path)(error.error))?;
        self.make_room(dir, path)
    }

    /// Removes what was brought back longest ago, until the rest is within bounds.
    fn make_room(&self, dir: &Path, newest: &Path) -> Result<()> {
        let list = || -> std::io::Result<Vec<(SystemTime, u64, PathBuf)>> {
            let mut files = Vec::new();
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                let facts = match entry.metadata() {
                    // What another thread fetches has its own name by now, or was in the way.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    facts => facts?,
                };
                files.push((facts.modified()?, facts.len(), entry.path()));
            }
            Ok(files)
        };
        let mut files = list().map_err(Error::io("list", dir))?;
        files.sort();
        let mut len: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, file_len, path) in files.iter().filter(|(_, _, path)| path != newest) {
            if len <= self.len_max {
                break;
            }
            // Another process may have been first.
            let _ = fs::remove_file(path);
            len -= file_len;
        }
        Ok(())
    }
}

impl Retrieve for Cache {
    fn retrieve(&self, segment: &ArchivedSegment, anew: bool) -> Result<PathBuf> {
        let place = self.place.as_ref().unwrap_or(&segment.archive);
        let path = self.dir.join(segment.store_id.to_string()).join(segment.id.file_name("log"));
        let is_there = fs::metadata(&path).is_ok_and(|facts| facts.len() == segment.log_len);
        if is_there && !anew {
            // It was asked for last. Where that cannot be noted it goes the sooner.
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        } else {
            self.fetch(segment, place, &path)?;
        }
        Ok(path)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cache { dir, len_max, place, .. } = self;
        f.debug_struct("Cache")
            .field("dir", dir)
            .field("len_max", len_max)
            .field("place", place)
            .finish_non_exhaustive()
    }
}

/// Which records a file has, by its name.
fn seqs_of(name: &str) -> Option<(Seq, Seq)> {
    let (first, end) = name.rsplit_once('/')?.1.strip_suffix(".parquet")?.split_once('-')?;
    Some((first.parse().ok()?, end.parse().ok()?))
}
