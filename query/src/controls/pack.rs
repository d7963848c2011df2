//! A pack: the requirements of one framework, as TOML. One file has one framework; a later edition is another file.

use std::collections::{BTreeMap, BTreeSet};

use indelible_engine::source::normalise_control;
use serde::Deserialize;

use super::Control;
use crate::error::{Error, Result};

/// The packs that ship.
pub(super) const SHIPPED: [&str; 6] = [
    include_str!("../../packs/soc2.toml"),
    include_str!("../../packs/pci-dss.toml"),
    include_str!("../../packs/hipaa.toml"),
    include_str!("../../packs/iso27001.toml"),
    include_str!("../../packs/nist-ai-rmf.toml"),
    include_str!("../../packs/eu-ai-act.toml"),
];

/// A framework and its requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framework {
    /// What stands before the colon of its ids.
    pub name: String,
    /// What it is called in full.
    pub title: String,
    /// Which edition of the framework this is.
    pub edition: String,
    /// The version of the pack.
    pub version: String,
    /// Whose text it is, and what may be done with it.
    pub notice: String,
    /// Its requirements, in the order of the file.
    pub controls: Vec<Control>,
    /// The file, as it was read.
    pub text: String,
    /// Words that people put before its ids, in upper case.
    prefixes: Vec<String>,
    /// By key: the place of a control.
    keys: BTreeMap<Vec<String>, usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    framework: String,
    title: String,
    edition: String,
    version: String,
    #[serde(default)]
    notice: String,
    #[serde(default)]
    prefixes: Vec<String>,
    control: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    title: String,
    parent: Option<String>,
}

impl Framework {
    /// Reads a pack. A control without a `parent` is a part of the one whose id is the longest beginning of its own.
    ///
    /// # Errors
    /// [`Error::Controls`] with what is wrong and where.
    pub fn parse(text: &str) -> Result<Framework> {
        let invalid = |reason: String| Error::Controls { what: "pack", reason };
        let file: File = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let canonical = |id: &str| normalise_control(&format!("{}:{id}", file.framework), None).into_owned();
        let name = canonical("1").split(':').next().unwrap_or_default().to_owned();
        if name != file.framework {
            return Err(invalid(format!("`framework` is written {name}, not {}", file.framework)));
        }
        let mut keys = BTreeMap::new();
        for (place, entry) in file.control.iter().enumerate() {
            if entry.id.contains(':') || key(&entry.id).is_empty() {
                return Err(invalid(format!("{:?} is no id: write it without its framework", entry.id)));
            }
            if let Some(known) = keys.insert(key(&entry.id), place) {
                let known = file.control.get(known).map_or("", |known| known.id.as_str());
                return Err(invalid(format!("{} and {known} are one id in two spellings", entry.id)));
            }
        }
        let known: BTreeSet<String> = file.control.iter().map(|entry| canonical(&entry.id)).collect();
        let mut controls = Vec::with_capacity(file.control.len());
        for entry in &file.control {
            let parent = match &entry.parent {
                Some(parent) => Some(canonical(parent)),
                None => beginning(&key(&entry.id), &keys)
                    .and_then(|place| file.control.get(place))
                    .map(|parent| canonical(&parent.id)),
            };
            if let Some(missing) = parent.as_ref().filter(|parent| !known.contains(*parent)) {
                return Err(invalid(format!("the parent of {} is {missing}, which is not there", entry.id)));
            }
            controls.push(Control { id: canonical(&entry.id), title: entry.title.clone(), parent });
        }
        if let Some(id) = part_of_itself(&controls) {
            return Err(invalid(format!("{id} would be a part of itself")));
        }
        let File { title, edition, version, notice, prefixes, .. } = file;
        let prefixes = prefixes.iter().map(|word| word.to_uppercase()).collect();
        Ok(Framework {
            name,
            title,
            edition,
            version,
            notice,
            controls,
            text: text.to_owned(),
            prefixes,
            keys,
        })
    }

    /// The control that `id` names, its framework left out: `art. 12(1)`, `§ 164.312(b)`, `12.1`, `164_312_b`. Whether the
    /// framework was named in front of it says if an edition may follow.
    pub(super) fn find(&self, id: &str, is_named: bool) -> Option<&Control> {
        let words = key(id);
        let skipped = words.iter().take_while(|word| self.prefixes.contains(word)).count();
        let rest = words.get(skipped..).unwrap_or_default();
        // A number before ids that begin with letters is the edition. Of nothing that is named it is a part of the id: the
        // `164.312` of `164.312(a)(1)` is no edition of another framework's A1.
        let has_numbers = self.keys.keys().any(|key| key.first().is_some_and(|word| is_number(word)));
        let may_have_edition = !has_numbers && (is_named || skipped > 0);
        let edition = rest.iter().take_while(|word| may_have_edition && is_number(word)).count();
        let place = self.keys.get(rest.get(edition..)?)?;
        self.controls.get(*place)
    }
}

/// A control whose parents lead back to it: whoever walked down from it would never come to an end.
fn part_of_itself(controls: &[Control]) -> Option<&str> {
    let parents: BTreeMap<&str, &str> =
        controls.iter().filter_map(|one| Some((one.id.as_str(), one.parent.as_deref()?))).collect();
    let mut is_rooted = BTreeSet::new();
    for control in controls {
        let mut way = BTreeSet::new();
        let mut at = Some(control.id.as_str());
        while let Some(id) = at.filter(|id| !is_rooted.contains(id)) {
            if !way.insert(id) {
                return Some(id);
            }
            at = parents.get(id).copied();
        }
        is_rooted.extend(way);
    }
    None
}

/// An id as its runs of letters and of digits: what separates them is spelt in many ways.
fn key(id: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for char in id.chars().flat_map(char::to_uppercase) {
        let kind = char.is_alphanumeric().then(|| char.is_ascii_digit());
        match (kind, words.last_mut()) {
            (Some(_), Some(word)) if kind == last => word.push(char),
            (Some(_), _) => words.push(char.to_string()),
            (None, _) => {}
        }
        last = kind;
    }
    words
}

fn is_number(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
}

/// The place of the longest proper beginning of `key`.
fn beginning(key: &[String], keys: &BTreeMap<Vec<String>, usize>) -> Option<usize> {
    (1..key.len()).rev().find_map(|len| keys.get(key.get(..len)?).copied())
}
