//! The way to archives, as the environment says it.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use indelible::{Retrieve, SegmentId, StoreId};
use indelible_archive::{Cache, Fetch, Target};

use crate::exit::{Failure, Outcome};
use crate::output;
use crate::progress::Progress;

/// How much of what was brought back from archives is kept, in bytes.
const CACHE_LEN_MAX: u64 = 1 << 30;

/// The environment, as far as it is text.
fn variables() -> Vec<(String, String)> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}

/// The archive at a place.
pub(crate) fn target(place: &str) -> Outcome<Target> {
    Ok(Target::open(place, variables())?)
}

/// Brings back what commands read of archives, or of the one at `place` where one is named. A person sees how far it is;
/// elsewhere it is said of each segment on stderr, once.
pub(crate) fn retrieve(place: Option<String>) -> Arc<dyn Retrieve> {
    retrieve_into(cache_dir(), place)
}

/// The same, with what is fetched kept in another folder than the user's.
pub(crate) fn retrieve_into(dir: PathBuf, place: Option<String>) -> Arc<dyn Retrieve> {
    let seen = Mutex::new(Seen::default());
    let told = move |fetch: &Fetch<'_>| seen.lock().unwrap_or_else(PoisonError::into_inner).told(fetch);
    let place = place.or_else(|| env::var("INDELIBLE_ARCHIVE").ok().filter(|place| !place.is_empty()));
    Arc::new(Cache::new(dir, CACHE_LEN_MAX, variables(), Box::new(told)).from(place))
}

/// Removes what is kept of what was fetched for a store: events that are about to be deleted may be in it.
pub(crate) fn forget(store: StoreId) -> Outcome<()> {
    let dir = cache_dir().join(store.to_string());
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::Io(format!("remove {}", dir.display()), error))
        }
        _ => Ok(()),
    }
}

/// What was told of fetching.
#[derive(Default)]
struct Seen {
    bar: Option<Progress>,
    len: u64,
    segments: BTreeSet<SegmentId>,
}

impl Seen {
    fn told(&mut self, fetch: &Fetch<'_>) {
        let (segment, file) = (fetch.segment.id, &fetch.object.name);
        if fetch.done {
            self.len += fetch.len;
            if let Some(bar) = self.bar.take() {
                bar.finish();
            }
        } else if io::stderr().is_terminal() {
            let bar = self.bar.insert(Progress::bytes(None));
            let (len, group) = (output::length(fetch.len), fetch.row_group);
            bar.at(self.len, format!("fetched; row group {group} of segment {}, {len}, comes", segment.0));
        } else if self.segments.insert(segment) {
            output::say(format_args!("fetching segment {} from the archive: of {file}", segment.0));
        }
    }
}

/// Where it is kept; below the directory for temporary files where the user has no folder.
fn cache_dir() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("INDELIBLE_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("indelible")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/indelible")))
        .unwrap_or_else(|| env::temp_dir().join("indelible-cache"))
}
