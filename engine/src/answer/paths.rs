//! Conditions on JSON paths that no profile names: which events can have something there, by their bytes.
//!
//! An event that has something at a path has each of its keys: as it is written between quotes, or with an escape in it,
//! which for a plain key can only be `\u`. A log that lies in memory is searched for both many times faster than its
//! events can be read, and where the key is rare, few are left to be read.

use memchr::memmem::Finder;

use super::bounds::Bounds;
use super::plan::Planner;
use super::set::Set;
use super::{Trouble, grep};

/// How many records are looked at to see whether a key is rare, and of how many records so many are few.
const SAMPLE_COUNT: usize = 16;
/// Where more of the sample have the key, all are read.
const RARE_MAX: usize = SAMPLE_COUNT / 4;

/// The records of `within` that must be read to know of a condition on the path at this place of the matcher.
pub(super) fn bounds(planner: &Planner<'_>, path: usize, within: &Set) -> Result<Bounds, Trouble> {
    let stretch = planner.stretch;
    let key = planner.matcher.path_key(path).filter(|key| is_plain(key));
    let is_worth_it = stretch.text.is_mapped() && within.len() > SAMPLE_COUNT as u64;
    let Some(key) = key.filter(|_| is_worth_it) else { return Ok(Bounds::open(within.clone())) };
    let quoted = format!("\"{key}\"");
    let needle = Finder::new(&quoted);
    let mut found = 0;
    for offset in within.clone().offsets(false).take(SAMPLE_COUNT) {
        found += usize::from(needle.find(stretch.hit(offset)?.body()).is_some());
    }
    if found > RARE_MAX {
        return Ok(Bounds::open(within.clone()));
    }
    let named = grep::records(planner, &needle, within)?;
    Ok(Bounds::open(named.or(escaped(planner)?.clone())))
}

/// Whether JSON has no way to write a character of the key but as it is, or by `\u` and its number.
fn is_plain(key: &str) -> bool {
    !key.chars().any(|char| char.is_control() || matches!(char, '"' | '\\' | '/'))
}

/// The stretch's records with a `\u` in them, looked for once.
fn escaped<'a>(planner: &Planner<'a>) -> Result<&'a Set, Trouble> {
    let known = &planner.stretch.escaped;
    if let Some(escaped) = known.get() {
        return Ok(escaped);
    }
    let found = grep::records(planner, &Finder::new("\\u"), &Set::Range(0..planner.stretch.count()))?;
    Ok(known.get_or_init(|| found))
}
