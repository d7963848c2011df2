//! Finds the profile that a user names: a file, one that ships, or one that the store has registered.

use std::path::Path;

use indelible::source::{Fields, Profile, shipped};
use indelible::{Snapshot, limits};

use crate::exit::{Failure, Outcome};
use crate::input;

/// The profile called `name`: a file where it ends in `.toml` or has a slash; else the one that ships; else the
/// newest that the store registered by this name.
pub(crate) fn find(name: &str, snapshot: Option<&Snapshot>) -> Outcome<Profile> {
    if name.ends_with(".toml") || name.contains('/') {
        return from_file(Path::new(name));
    }
    if let Some(profile) = shipped().iter().find(|profile| profile.name == name) {
        return Ok(Profile::parse(profile.text)?);
    }
    let registered = match snapshot {
        Some(snapshot) => snapshot.sources()?,
        None => Vec::new(),
    };
    if let Some(source) = registered.iter().rev().find(|source| source.profile().name() == name) {
        return Ok(Profile::parse(source.profile().text())?);
    }
    let mut known: Vec<&str> = shipped().iter().map(|profile| profile.name).collect();
    known.extend(registered.iter().map(|source| source.profile().name()));
    known.sort_unstable();
    known.dedup();
    Err(Failure::Usage(format!(
        "no source is called {name}; there are {}, and your own as FILE.toml",
        known.join(", ")
    )))
}

/// So many values found in an event are no chance: its time, its id and one more.
const FOUND_MIN: usize = 3;

/// The profile that ships and finds most in `event`, if it finds enough to be the right one.
pub(crate) fn likely(event: &[u8]) -> Outcome<Option<&'static str>> {
    let mut likely = (FOUND_MIN - 1, None);
    let mut fields = Fields::default();
    for known in shipped() {
        Profile::parse(known.text)?.extract(event, &mut fields)?;
        if fields.found_count() > likely.0 {
            likely = (fields.found_count(), Some(known.name));
        }
    }
    Ok(likely.1)
}

fn from_file(path: &Path) -> Outcome<Profile> {
    let bytes = input::read_all(path, limits::PROFILE_LEN_MAX as u64)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::Usage(format!("{} is not UTF-8: {error}", path.display())))?;
    Profile::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
