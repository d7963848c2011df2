//! An archive in a folder. A file is written under another name and synced; then it gets its own, unless there is one
//! already, and the folders are synced. What a writer that was killed left under such another name, the next that writes the
//! same file removes.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use indelible_engine::{Error, Result};

use crate::target::{Object, Put, same, taken};

/// A folder, which is made when something is put there.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        Ok(Folder { root: std::path::absolute(root).map_err(Error::io("find", root))? })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn open(&self, name: &str) -> Result<File> {
        let path = self.path(name);
        File::open(&path).map_err(Error::io("open", path))
    }

    pub(crate) fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)];
        let read = self.open(name)?.read_exact_at(&mut bytes, range.start);
        read.map_err(Error::io("read", self.path(name)))?;
        Ok(bytes.into())
    }

    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        let dir = path.parent().unwrap_or(&self.root);
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync directory", dir))
    }

    pub(crate) fn list(&self) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        for day in entries(&self.root)? {
            if !day.path().is_dir() {
                continue;
            }
            for entry in entries(&day.path())? {
                let path = entry.path();
                let name = [day.file_name(), entry.file_name()].map(|name| name.into_string());
                if let [Ok(day), Ok(name)] = name
                    && name.ends_with(".parquet")
                {
                    let len = entry.metadata().map_err(Error::io("measure", path))?.len();
                    objects.push(Object { name: format!("{day}/{name}"), len });
                }
            }
        }
        Ok(objects)
    }

    pub(crate) fn put(&self, name: &str, make: &mut dyn FnMut(&Path) -> Result<()>) -> Result<(Object, Put)> {
        let path = self.path(name);
        let dir = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(dir).map_err(Error::io("make directory", dir))?;
        remove_left_behind(&path);
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let held = hold(&beside).map_err(Error::io("make", &beside))?;
        let put = make(&beside).and_then(|()| {
            let file = File::open(&beside).map_err(Error::io("open", &beside))?;
            file.sync_all().map_err(Error::io("sync", &beside))?;
            let len = file.metadata().map_err(Error::io("measure", &beside))?.len();
            let put = Put { was_there: link(&beside, &path)?, locked_until: None };
            Ok((Object { name: name.to_owned(), len }, put))
        });
        let removed = fs::remove_file(&beside);
        drop(held);
        let put = put?;
        removed.map_err(Error::io("remove", &beside))?;
        // That the file is there is written in its directory, and that this is there in the folder.
        for dir in [dir, &self.root] {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync directory", dir))?;
        }
        Ok(put)
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.display().fmt(f)
    }
}

/// Gives a file its name, if no other has it; whether one with the same bytes had.
fn link(beside: &Path, path: &Path) -> Result<bool> {
    match fs::hard_link(beside, path) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let equal = File::open(path).and_then(|mut there| same(beside, &mut there));
            if equal.map_err(Error::io("compare", path))? { Ok(true) } else { Err(taken(path.to_path_buf())) }
        }
        Err(error) => Err(Error::io("make", path)(error)),
    }
}

/// Makes the file that is to be written to, and locks it as long as the handle lives: so others can tell it from one that
/// was left behind.
fn hold(beside: &Path) -> io::Result<File> {
    let file = File::create(beside)?;
    // On a filesystem without locks nobody can tell, and what is left behind stays.
    let _ = file.try_lock();
    Ok(file)
}

/// Removes what writers of the same file left beside it that are gone.
fn remove_left_behind(path: &Path) {
    let (Some(dir), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return;
    };
    for entry in entries(dir).unwrap_or_default() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('.'));
        if !rest.is_some_and(|rest| rest.ends_with(".new")) {
            continue;
        }
        let file = File::options().write(true).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            // Room that is not got back is no reason not to archive.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn entries(dir: &Path) -> Result<Vec<fs::DirEntry>> {
    fs::read_dir(dir).and_then(Iterator::collect).map_err(Error::io("list", dir))
}
