//! Where an archive is: a folder, or a bucket of S3 and what speaks like it. Objects are put where there are none, listed
//! and fetched; none is ever replaced, and one is removed only for what was deleted of it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use indelible_engine::{Error, Result, Timestamp};

#[cfg(feature = "s3")]
use crate::bucket::Bucket;
use crate::folder::Folder;

/// An archive's place.
#[derive(Debug)]
pub struct Target {
    kind: Kind,
    lock_until: Option<Timestamp>,
}

#[derive(Debug)]
enum Kind {
    Folder(Folder),
    #[cfg(feature = "s3")]
    Bucket(Box<Bucket>),
}

/// An object of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name below the archive's place: `day=YYYY-MM-DD/FIRST-END.parquet`.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// Until when an object is to be locked: nobody can remove or replace it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Because somebody asks for it: a bucket without locks is refused.
    pub(crate) asked: Option<Timestamp>,
    /// Because policies keep all of it until then: where the bucket has locks.
    pub(crate) due: Option<Timestamp>,
}

impl Lock {
    /// The later of the two, if that is still to come.
    #[cfg(feature = "s3")]
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.asked.max(self.due.filter(|due| *due > now))
    }
}

/// What came of putting an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Put {
    /// Whether it was there already, with the same bytes.
    pub(crate) was_there: bool,
    /// Until when it is locked, by this put.
    pub(crate) locked_until: Option<Timestamp>,
}

/// Whether an object is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removed {
    Yes,
    /// It is there still, and why.
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "a folder keeps nothing of what is removed"))]
    No(String),
}

impl Target {
    /// The archive at `place`: a folder's path, `file:///PATH` or `s3://BUCKET/PREFIX`. What it takes to speak to a bucket
    /// is found among `variables`, by the names that the environment has them under: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, ... Nothing is looked at yet.
    ///
    /// # Errors
    /// [`Error::Refused`] for what is no such place, and for variables that make no sense.
    pub fn open(place: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Target> {
        let kind = match place.split_once("://") {
            None if !place.is_empty() => Kind::Folder(Folder::new(Path::new(place))?),
            Some(("file", path)) if path.starts_with('/') => Kind::Folder(Folder::new(Path::new(path))?),
            Some(("s3", path)) => bucket(path, variables)?,
            _ => {
                let reason = format!("{place:?} is no folder, file:///PATH or s3://BUCKET/PREFIX");
                return Err(Error::Refused { what: "archive", reason });
            }
        };
        Ok(Target { kind, lock_until: None })
    }

    /// Has every object that is put from now on locked until a time, or longer where policies keep all that is in it longer:
    /// nobody can remove or replace it before.
    ///
    /// # Errors
    /// [`Error::Refused`] for a folder: nothing holds there against whoever may write to it.
    pub fn lock_until(&mut self, until: Timestamp) -> Result<()> {
        if matches!(self.kind, Kind::Folder(_)) {
            let reason = "a folder has no object lock: only a bucket has".to_owned();
            return Err(Error::Refused { what: "lock", reason });
        }
        self.lock_until = Some(until);
        Ok(())
    }

    /// All archive files that are there, by name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self) -> Result<Vec<Object>> {
        let mut objects = match &self.kind {
            Kind::Folder(folder) => folder.list()?,
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.list()?,
        };
        objects.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(objects)
    }

    /// An object's bytes, in a file that nobody else has a name for where they had to be brought here.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn fetch(&self, object: &Object) -> Result<File> {
        match &self.kind {
            Kind::Folder(folder) => folder.open(&object.name),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.fetch(object),
        }
    }

    /// A range of an object's bytes.
    ///
    /// # Errors
    /// [`Error::Io`], also where the object is shorter.
    pub(crate) fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        match &self.kind {
            Kind::Folder(folder) => folder.read(&object.name, range),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.read(&object.name, range),
        }
    }

    /// Removes an object for good, or says whether it could be, where that is only `asked`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn remove(&self, object: &Object, asked: bool) -> Result<Removed> {
        match &self.kind {
            Kind::Folder(_) if asked => Ok(Removed::Yes),
            Kind::Folder(folder) => folder.remove(&object.name).map(|()| Removed::Yes),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.remove(&object.name, asked),
        }
    }

    /// Where an object is, to be shown.
    pub fn place_of(&self, name: &str) -> PathBuf {
        match &self.kind {
            Kind::Folder(folder) => folder.path(name),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.place_of(name),
        }
    }

    /// Whether objects here can be locked.
    pub(crate) fn has_locks(&self) -> bool {
        !matches!(self.kind, Kind::Folder(_))
    }

    /// Puts what `make` writes under a name that no object has, locked until all that is in it is `due` or longer.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] where there is one with other bytes; [`Error::Io`]; what `make` says.
    #[cfg_attr(not(feature = "s3"), expect(unused_variables, reason = "a folder locks nothing"))]
    pub(crate) fn put(
        &self,
        name: &str,
        due: Option<Timestamp>,
        make: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<(Object, Put)> {
        let lock = Lock { asked: self.lock_until, due };
        match &self.kind {
            Kind::Folder(folder) => folder.put(name, make),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.put(name, lock, make),
        }
    }
}

impl fmt::Display for Target {
    /// As [`Target::open`] takes it, from any directory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Folder(folder) => folder.fmt(f),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

#[cfg(feature = "s3")]
fn bucket(path: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Kind> {
    Ok(Kind::Bucket(Box::new(Bucket::new(path, variables)?)))
}

#[cfg(not(feature = "s3"))]
fn bucket(_: &str, _: impl IntoIterator<Item = (String, String)>) -> Result<Kind> {
    let reason = "this program was built without the feature `s3`".to_owned();
    Err(Error::Refused { what: "archive in S3", reason })
}

/// What is told where an object is there with other bytes.
pub(crate) fn taken(place: PathBuf) -> Error {
    let reason = "an archive file of that name has other bytes; nothing in an archive is replaced: check it with \
                  `indelible archive verify`, or choose another place";
    Error::AlreadyExists { path: place, reason: reason.to_owned() }
}

/// Whether two files have the same bytes.
pub(crate) fn same(one: &Path, other: &mut File) -> io::Result<bool> {
    let mut one = fs::File::open(one)?;
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
