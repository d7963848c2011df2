//! What a log's own records say of names: its profiles, and where controls are asked for its packs and its mapping.

use indelible_engine::format::admin::{Admin, Document};
use indelible_engine::source::Profile;
use indelible_engine::{Class, Error as StoreError, Seq};
use serde::{Deserialize, Serialize};

use crate::controls::{Catalogue, Framework, MappedControls, Mapping};
use crate::error::Result;
use crate::vocabulary::Vocabulary;

/// The kind of the records that register profiles.
pub(super) const SOURCE: &str = "store.source";
/// The kinds of the records that say what controls are.
pub(super) const CONTROLS: [&str; 2] = ["store.mapping", "store.pack"];

/// What a log registered up to some size.
#[derive(Debug, Default)]
pub(super) struct Registered {
    pub(super) vocabulary: Vocabulary,
    packs: Vec<(Seq, Document)>,
    mapping: Option<(Seq, Document)>,
}

/// A catalogue and a mapping, as the files say them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlTexts {
    mapping: String,
    /// The packs, in the order of the catalogue.
    packs: Vec<String>,
}

/// What is evidence of which control, and by whose word.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) controls: MappedControls,
    pub(super) texts: ControlTexts,
    /// The record that registers the mapping, where the log has one.
    pub(super) mapping: Option<Seq>,
}

impl Registered {
    /// Takes the store's own records, in the order of the log.
    pub(super) fn add(&mut self, seq: Seq, body: &[u8]) -> Result<()> {
        let admin = match Admin::decode(body) {
            // What this release does not know says nothing of names.
            Err(fault) if fault.class == Class::Unsupported => return Ok(()),
            admin => admin.map_err(|fault| fault.in_file("records.bin".as_ref()))?,
        };
        match admin {
            Admin::Source { profile, .. } => self.vocabulary.add(&Profile::parse(&profile)?),
            Admin::Pack(pack) => {
                self.packs.retain(|(_, known)| known.name != pack.name);
                self.packs.push((seq, pack));
            }
            Admin::Mapping(mapping) => self.mapping = Some((seq, mapping)),
            _ => {}
        }
        Ok(())
    }

    /// The controls of the log: what ships, and what the log registered in its place.
    pub(super) fn controls(&self) -> Result<Known> {
        let mut catalogue = Catalogue::shipped()?;
        for (_, pack) in &self.packs {
            catalogue.add(Framework::parse(&pack.text)?);
        }
        let packs = catalogue.frameworks().iter().map(|framework| framework.text.clone()).collect();
        let mapping = match &self.mapping {
            Some((_, mapping)) => mapping.text.clone(),
            None => Mapping::shipped()?.text,
        };
        self.read(ControlTexts { mapping, packs })
    }

    /// Controls as these texts say, which must have in them what the log registered.
    pub(super) fn read(&self, texts: ControlTexts) -> Result<Known> {
        let is_missing = |registered: &Document| !texts.packs.contains(&registered.text);
        let differs = self.mapping.as_ref().is_some_and(|(_, mapping)| mapping.text != texts.mapping);
        if differs || self.packs.iter().any(|(_, pack)| is_missing(pack)) {
            let reason = "its controls are not those that the log registered".to_owned();
            return Err(StoreError::Forged { what: super::question::MEMBER, reason }.into());
        }
        let mut catalogue = Catalogue::default();
        for pack in &texts.packs {
            catalogue.add(Framework::parse(pack)?);
        }
        // What ships speaks of the well-known names alone.
        let well_known = Vocabulary::default();
        let vocabulary = if self.mapping.is_some() { &self.vocabulary } else { &well_known };
        let mapping = Mapping::parse(&texts.mapping, &catalogue, vocabulary)?;
        let seq = self.mapping.as_ref().map(|(seq, _)| *seq);
        Ok(Known { controls: MappedControls { catalogue, mapping }, texts, mapping: seq })
    }
}
