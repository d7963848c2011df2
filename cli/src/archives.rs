//! The way to archives, as the environment says it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use indelible::Retrieve;
use indelible_archive::{Cache, Target};

use crate::exit::Outcome;
use crate::output;

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

/// Brings back what commands read of archives, or of the one at `place` where one is named, and says so on stderr.
pub(crate) fn retrieve(place: Option<String>) -> Arc<dyn Retrieve> {
    let told = |segment: &indelible::ArchivedSegment, object: &indelible_archive::Object| {
        output::say(format_args!(
            "fetching segment {} from the archive: {} ({})",
            segment.id.0,
            object.name,
            output::length(object.len),
        ));
    };
    let place = place.or_else(|| env::var("INDELIBLE_ARCHIVE").ok().filter(|place| !place.is_empty()));
    Arc::new(Cache::new(cache_dir(), CACHE_LEN_MAX, variables(), Box::new(told)).from(place))
}

/// Where it is kept; below the directory for temporary files where the user has no folder.
fn cache_dir() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("INDELIBLE_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("indelible")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/indelible")))
        .unwrap_or_else(|| env::temp_dir().join("indelible-cache"))
}
