//! A file that is added to a log: a pack, a mapping or label rules. What it would change is told before it is added.

use std::collections::BTreeSet;

use indelible_engine::{Document, Seq, Snapshot, Store};

use super::{Framework, LabelFile, MappedControls, Mapping};
use crate::error::{Error, Result};
use crate::vocabulary::Vocabulary;

/// Most ids that a change names.
const NAMED_MAX: usize = 8;

/// What a file has, told by its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlsFile {
    /// The controls of a framework: `framework`.
    Pack(Framework),
    /// What is evidence of which control: `[[rule]]`.
    Mapping(Mapping),
    /// What events are labelled with: `[[label]]`.
    Labels(LabelFile),
}

/// What adding a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The record that has the file already, where it is in force; then nothing changes.
    pub in_force: Option<Seq>,
    /// What changes, a sentence each.
    pub changes: Vec<String>,
    /// What may not be meant.
    pub warnings: Vec<String>,
}

impl ControlsFile {
    /// Reads a file by the controls and the names of a log.
    ///
    /// # Errors
    /// [`Error::Controls`] with what is wrong and where; whatever reading the log says.
    pub fn read(text: &str, snapshot: &Snapshot) -> Result<ControlsFile> {
        let invalid = |reason: String| Error::Controls { what: "file", reason };
        let table: toml::Table = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let kinds = ["framework", "rule", "label"].map(|key| table.contains_key(key));
        let vocabulary = Vocabulary::of(snapshot)?;
        let controls = MappedControls::of(snapshot)?;
        match kinds {
            [true, false, false] => {
                let pack = Framework::parse(text)?;
                let mut catalogue = controls.catalogue;
                catalogue.add(pack.clone());
                // What the mapping speaks of must still be there.
                Mapping::parse(&controls.mapping.text, &catalogue, &vocabulary).map_err(|error| {
                    invalid(format!("the current mapping speaks of controls that the pack lacks: {error}"))
                })?;
                Ok(ControlsFile::Pack(pack))
            }
            [false, true, false] => {
                Mapping::parse(text, &controls.catalogue, &vocabulary).map(ControlsFile::Mapping)
            }
            [false, false, true] => {
                LabelFile::parse(text, &controls.catalogue, &vocabulary).map(ControlsFile::Labels)
            }
            [false, false, false] => Err(invalid(
                "it has no `framework` (a pack), no [[rule]] (a mapping) and no [[label]] (label rules)".to_owned(),
            )),
            _ => Err(invalid(
                "it is a pack (`framework`), a mapping ([[rule]]) or label rules ([[label]]), and no two of them: \
                 write a file for each"
                    .to_owned(),
            )),
        }
    }

    /// `pack`, `mapping` or `labels`.
    pub fn kind(&self) -> &'static str {
        match self {
            ControlsFile::Pack(_) => "pack",
            ControlsFile::Mapping(_) => "mapping",
            ControlsFile::Labels(_) => "labels",
        }
    }

    /// Its name, version and text.
    pub fn document(&self) -> Document {
        let (name, version, text) = match self {
            ControlsFile::Pack(pack) => (&pack.name, &pack.version, &pack.text),
            ControlsFile::Mapping(mapping) => (&mapping.name, &mapping.version, &mapping.text),
            ControlsFile::Labels(labels) => (&labels.name, &labels.version, &labels.text),
        };
        Document { name: name.clone(), text: text.clone(), version: version.clone() }
    }

    /// What adding it to a log would change.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn change(&self, snapshot: &Snapshot) -> Result<Change> {
        let document = self.document();
        let in_force = match self {
            ControlsFile::Pack(pack) => {
                let mut latest = snapshot.packs()?.into_iter().rev();
                latest.find(|known| known.document.name == pack.name)
            }
            ControlsFile::Mapping(_) => snapshot.mapping()?,
            ControlsFile::Labels(labels) => {
                let known = snapshot.rules()?.filter(|known| known.rules() == labels.rules.rules());
                let in_force = known.filter(|known| *known.about() == document).map(|known| known.seq());
                let changes = if in_force.is_some() { Vec::new() } else { of_labels(labels, snapshot)? };
                let catalogue = MappedControls::of(snapshot)?.catalogue;
                let warnings = labels.others.iter().map(|label| {
                    let meant = catalogue.nearest(label);
                    let meant = meant.map_or_else(String::new, |near| format!("; did you mean {}?", near.id));
                    format!("{label} is no control of the catalogue{meant}")
                });
                return Ok(Change { in_force, changes, warnings: warnings.collect() });
            }
        };
        let in_force = in_force.filter(|known| *known.document == document).map(|known| known.seq);
        let controls = MappedControls::of(snapshot)?;
        let changes = match self {
            _ if in_force.is_some() => Vec::new(),
            ControlsFile::Pack(pack) => of_pack(pack, &controls),
            ControlsFile::Mapping(mapping) => of_mapping(mapping, &controls.mapping),
            ControlsFile::Labels(_) => Vec::new(),
        };
        Ok(Change { in_force, changes, warnings: Vec::new() })
    }

    /// Writes it into the log, and says which record has it. One that is in force stays.
    ///
    /// # Errors
    /// As [`Store::set_rules`].
    pub fn add(&self, store: &Store) -> Result<Seq> {
        let document = self.document();
        Ok(match self {
            ControlsFile::Pack(_) => store.add_pack(&document)?,
            ControlsFile::Mapping(_) => store.set_mapping(&document)?,
            ControlsFile::Labels(labels) => store.set_rules(&document, &labels.rules)?.seq(),
        })
    }
}

fn of_pack(pack: &Framework, controls: &MappedControls) -> Vec<String> {
    let ids = |pack: &Framework| -> BTreeSet<String> {
        pack.controls.iter().map(|control| control.id.clone()).collect()
    };
    let count = pack.controls.len();
    let known = controls.catalogue.frameworks().iter().find(|known| known.name == pack.name);
    let Some(known) = known else {
        return vec![format!("{} is a new framework; controls: {count}", pack.name)];
    };
    let (before, after) = (ids(known), ids(pack));
    let mut changes = vec![format!(
        "{} ({}, version {}) takes the place of {} (version {})",
        pack.name, pack.edition, pack.version, known.edition, known.version
    )];
    changes.extend(named("controls that are new", after.difference(&before)));
    changes.extend(named("controls that are gone", before.difference(&after)));
    changes
}

fn of_mapping(mapping: &Mapping, known: &Mapping) -> Vec<String> {
    let ids = |mapping: &Mapping| -> BTreeSet<String> {
        mapping.rules.iter().flat_map(|rule| rule.controls.iter().cloned()).collect()
    };
    let (before, after) = (ids(known), ids(mapping));
    let mut changes = vec![format!(
        "{} (version {}, rules: {}) takes the place of {} (version {}, rules: {})",
        mapping.name,
        mapping.version,
        mapping.rules.len(),
        known.name,
        known.version,
        known.rules.len()
    )];
    changes.extend(named("controls that had no rule and have one", after.difference(&before)));
    changes.extend(named("controls that lose all rules", before.difference(&after)));
    let differs = |id: &&String| {
        let rules = |mapping: &Mapping| {
            let rules = mapping.rules.iter().filter(|rule| rule.controls.contains(id));
            rules.map(|rule| (rule.filter.clone(), rule.strength)).collect::<Vec<_>>()
        };
        rules(mapping) != rules(known)
    };
    changes.extend(named("controls with other rules", before.intersection(&after).filter(differs)));
    changes
}

fn of_labels(labels: &LabelFile, snapshot: &Snapshot) -> Result<Vec<String>> {
    let given: BTreeSet<&String> = labels.rules.rules().iter().flat_map(|rule| &rule.labels).collect();
    let mut changes = Vec::new();
    if let Some(known) = snapshot.rules()?.filter(|known| !known.rules().is_empty()) {
        let about = known.about();
        changes.push(format!(
            "the label rules of record {} ({}, version {}) end",
            known.seq(),
            about.name,
            about.version
        ));
    }
    match given.is_empty() {
        true => changes.push("events are not labelled from here on".to_owned()),
        false => changes.extend(named("labels for what is appended from here on", given.into_iter())),
    }
    Ok(changes)
}

/// A sentence that names the first of these; none where there are none.
fn named<'i>(what: &str, ids: impl Iterator<Item = &'i String>) -> Option<String> {
    let ids: Vec<&str> = ids.map(String::as_str).collect();
    let shown = ids.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = if ids.len() > NAMED_MAX { ", …" } else { "" };
    (!ids.is_empty()).then(|| format!("{what} ({}): {shown}{more}", ids.len()))
}
