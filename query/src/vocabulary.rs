//! The names that a query can use for fields: those that the log's profiles declare, and those that every log has.

use std::collections::BTreeMap;
use std::sync::Arc;

use indelible_engine::source::{FieldKind, Profile, shipped};

use crate::error::Result;
use crate::ground::Ground;

/// The named fields of a log, and what their values are read as. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    names: Arc<BTreeMap<String, Vec<FieldKind>>>,
}

/// Fields that the index has of every record.
const OF_EVERY_RECORD: [&str; 4] = ["source", "encoding", "day", "label"];

impl Default for Vocabulary {
    /// The well-known names: those of the evidence profile, and those that every log has.
    fn default() -> Vocabulary {
        let of_every_record = OF_EVERY_RECORD.map(|name| (name.to_owned(), vec![FieldKind::Text]));
        let mut vocabulary = Vocabulary { names: Arc::new(BTreeMap::from(of_every_record)) };
        vocabulary.add(Profile::evidence());
        vocabulary
    }
}

impl Vocabulary {
    /// The well-known names, and those of all profiles that are registered in a log.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn of(ground: &impl Ground) -> Result<Vocabulary> {
        let mut vocabulary = Vocabulary::default();
        ground.each_profile(&mut |profile| vocabulary.add(profile))?;
        Ok(vocabulary)
    }

    /// These names, and those of all profiles that ship: for rules, which are written before there are events.
    ///
    /// # Errors
    /// None: what ships is tested.
    pub(crate) fn with_shipped(&self) -> Result<Vocabulary> {
        let mut vocabulary = self.clone();
        for profile in shipped() {
            vocabulary.add(&Profile::parse(profile.text)?);
        }
        Ok(vocabulary)
    }

    /// Adds the names of a profile.
    pub fn add(&mut self, profile: &Profile) {
        let names = Arc::make_mut(&mut self.names);
        for field in profile.fields() {
            let kinds = names.entry(field.name.clone()).or_default();
            if !kinds.contains(&field.kind) {
                kinds.push(field.kind);
            }
        }
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// Whether this is the name of a field.
    pub fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Whether some profile reads the field's values as this.
    pub fn has_kind(&self, name: &str, kind: FieldKind) -> bool {
        self.names.get(name).is_some_and(|kinds| kinds.contains(&kind))
    }

    /// The names of the fields that some profile reads as this.
    pub(crate) fn of_kind(&self, kind: FieldKind) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |(_, kinds)| kinds.contains(&kind)).map(|(name, _)| name.as_str())
    }
}
