//! The way back from archives: pieces of logs that are written again from row groups of their files, in a folder of bounded
//! size.
//!
//! The folder holds nothing that an archive does not have, and nothing in it is believed: whoever reads a piece from here
//! hashes it again. It may be removed at any time.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use indelible_engine::{ArchivedSegment, Error, Fault, Result, Retrieve, Retrieved};

use crate::copy::object_key;
use crate::ranges::Ranges;
use crate::read::ArchiveFile;
use crate::schema::HASHED;
use crate::target::{Object, Target};

/// How many files' footers are kept in memory.
const OPEN_MAX: usize = 16;

/// A row group that is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    /// The segment that it is of.
    pub segment: &'a ArchivedSegment,
    /// The archive's file.
    pub object: &'a Object,
    /// Which of the file's row groups, from 0.
    pub row_group: usize,
    /// How many bytes of it.
    pub len: u64,
    /// Whether they are here now.
    pub done: bool,
}

/// Told of each row group that is fetched, before and after.
pub type Told = Box<dyn Fn(&Fetch<'_>) + Send + Sync>;

/// Brings segments back from archives, and keeps what was brought back last.
pub struct Cache {
    dir: PathBuf,
    len_max: u64,
    variables: Vec<(String, String)>,
    place: Option<String>,
    told: Told,
    archives: Mutex<HashMap<String, Arc<Archive>>>,
    open: Mutex<VecDeque<Arc<OpenFile>>>,
}

/// An archive, and its files by the segments that they hold.
#[derive(Debug)]
struct Archive {
    target: Arc<Target>,
    objects: HashMap<Key, Object>,
}

/// A segment's first seq and the seq after its last, and the record by which it was rewritten last.
pub(crate) type Key = (u64, u64, u64);

/// A file whose footer was read.
struct OpenFile {
    /// The archive's place, and the segment.
    of: (String, Key),
    object: Object,
    ranges: Ranges,
    file: ArchiveFile<Ranges>,
}

impl Cache {
    /// Keeps up to `len_max` bytes in `dir`, or what was brought back last where that is more. `variables` are as for
    /// [`Target::open`].
    pub fn new(dir: PathBuf, len_max: u64, variables: Vec<(String, String)>, told: Told) -> Self {
        let (archives, open) = (Mutex::default(), Mutex::default());
        Cache { dir, len_max, variables, place: None, told, archives, open }
    }

    /// Looks for all segments in the archive at this place, wherever they were said to be.
    #[must_use]
    pub fn from(mut self, place: Option<String>) -> Self {
        self.place = place;
        self
    }

    /// The archive at a place and its file of a segment. It is listed again only where the file was not there before.
    fn find(&self, key: Key, place: &str) -> Result<Option<(Arc<Archive>, Object)>> {
        let mut archives = lock(&self.archives);
        if let Some(archive) = archives.get(place)
            && let Some(object) = archive.objects.get(&key)
        {
            return Ok(Some((Arc::clone(archive), object.clone())));
        }
        let target = Target::open(place, self.variables.clone())?;
        let objects =
            target.list()?.into_iter().filter_map(|object| Some((object_key(&object.name)?, object)));
        let archive = Arc::new(Archive { objects: objects.collect(), target: Arc::new(target) });
        archives.insert(place.to_owned(), Arc::clone(&archive));
        let object = archive.objects.get(&key).cloned();
        Ok(object.map(|object| (archive, object)))
    }

    /// The file of a segment, open; opened again where it is wanted `anew`.
    fn open(&self, segment: &ArchivedSegment, place: &str, anew: bool) -> Result<Arc<OpenFile>> {
        let of = (place.to_owned(), (segment.id.0, segment.end_seq, segment.rewritten_by));
        let known = lock(&self.open).iter().find(|file| file.of == of).map(Arc::clone);
        if let Some(file) = known.filter(|_| !anew) {
            return Ok(file);
        }
        let out_of_reach =
            |reason: String| Error::Archived { segment: segment.id, archive: place.to_owned(), reason };
        let found = self.find(of.1, place).map_err(|error| out_of_reach(error.to_string()))?;
        let (archive, object) =
            found.ok_or_else(|| out_of_reach("it has no file of these records".to_owned()))?;
        let ranges =
            Ranges::open(&archive.target, &object).map_err(|error| out_of_reach(error.to_string()))?;
        let file = ArchiveFile::open(ranges.clone(), &archive.target.place_of(&object.name))?;
        if file.about().store_id != segment.store_id.to_string() {
            return Err(out_of_reach(format!("its file is of store {}", file.about().store_id)));
        }
        let file = Arc::new(OpenFile { of, object, ranges, file });
        let mut open = lock(&self.open);
        open.retain(|known| known.of != file.of);
        open.truncate(OPEN_MAX - 1);
        open.push_front(Arc::clone(&file));
        Ok(file)
    }

    fn fetch(&self, segment: &ArchivedSegment, at: u64, path: &Path, anew: bool) -> Result<Retrieved> {
        let place = self.place.as_ref().unwrap_or(&segment.archive);
        let open = self.open(segment, place, anew)?;
        let no_group = || {
            let fault = Fault::damaged(at, "archive row groups", "one that begins here", "none");
            fault.in_file(&PathBuf::from(&open.object.name))
        };
        let row_group = open.file.group_at(at).ok_or_else(no_group)?;
        let range = open.file.hashed_range(row_group, HASHED).ok_or_else(no_group)?;
        let len = range.end.saturating_sub(range.start);
        let fetch = Fetch { segment, object: &open.object, row_group, len, done: false };
        (self.told)(&fetch);
        let fetched = open.ranges.fetch(range);
        (self.told)(&Fetch { done: true, ..fetch });
        fetched.map_err(|error| Error::Archived {
            segment: segment.id,
            archive: place.clone(),
            reason: error.to_string(),
        })?;
        let mut bytes = Vec::new();
        let rebuilt = open.file.rebuild_group(row_group, &mut bytes);
        open.ranges.give_back();
        rebuilt?;
        self.keep(path, &bytes)?;
        Ok(Retrieved { bytes, fetched_len: len })
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let dir = path.parent().unwrap_or(&self.dir);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(Error::io("make directory", dir))?;
        let mut beside = tempfile::NamedTempFile::new_in(dir).map_err(Error::io("make a file in", dir))?;
        beside.write_all(bytes).map_err(Error::io("write", path))?;
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

    /// Where a piece of a log is kept.
    fn path(&self, segment: &ArchivedSegment, at: u64) -> PathBuf {
        let name = format!("{}-{}-{at}.piece", segment.id, segment.rewritten_by);
        self.dir.join(segment.store_id.to_string()).join(name)
    }
}

impl Retrieve for Cache {
    fn retrieve(&self, segment: &ArchivedSegment, at: u64, anew: bool) -> Result<Retrieved> {
        let path = self.path(segment, at);
        if !anew && let Ok(bytes) = fs::read(&path) {
            // It was asked for last. Where that cannot be noted it goes the sooner.
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
            return Ok(Retrieved { bytes, fetched_len: 0 });
        }
        self.fetch(segment, at, &path, anew)
    }

    fn is_here(&self, segment: &ArchivedSegment, at: u64) -> bool {
        self.path(segment, at).is_file()
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
