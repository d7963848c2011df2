//! Controls as queries see them: a catalogue of requirements, and for each a filter that says which events are evidence
//! of it.
//!
//! `pack` reads the requirements of one framework, `catalogue` knows several and the spellings that people use,
//! `mapping` has the rules that say what is evidence of what, `labels` those by which events are labelled when they are
//! appended; `file` adds one of these to a log. All of it is data: what ships stands in `query/packs/`.

mod catalogue;
mod file;
mod labels;
mod mapping;
mod pack;
#[cfg(test)]
mod tests;

use indelible_engine::Snapshot;
use indelible_engine::filter::Filter;

pub use catalogue::Catalogue;
pub(crate) use catalogue::named_framework;
pub use file::{Change, ControlsFile};
pub use labels::LabelFile;
pub use mapping::{Mapping, Rule, Strength};
pub use pack::Framework;

use crate::error::Result;
use crate::vocabulary::Vocabulary;

/// A requirement of a framework.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `FRAMEWORK:ID`, in its one spelling.
    pub id: String,
    /// What it is about, in a few words.
    pub title: String,
    /// The requirement that it is a part of.
    pub parent: Option<String>,
}

impl Control {
    /// The name of its framework: what stands before the colon.
    pub fn framework(&self) -> &str {
        self.id.split_once(':').map_or("", |(framework, _)| framework)
    }

    /// Its id within the framework: what stands behind the colon.
    pub fn number(&self) -> &str {
        self.id.split_once(':').map_or(self.id.as_str(), |(_, number)| number)
    }
}

/// What queries ask about controls.
pub trait Controls {
    /// All controls, in the order of the catalogue.
    fn catalogue(&self) -> Vec<Control>;

    /// By which rules the current mapping takes events for evidence of a control or of a part of it: what each is
    /// called, and which events it means. Rules of one name may be several.
    fn rules(&self, id: &str) -> Vec<(String, Filter)>;

    /// The control that a text names, in its one spelling, and all that are a part of it; nothing where the catalogue
    /// has no such control.
    fn family(&self, text: &str) -> Vec<String>;

    /// The control that was most likely meant by a text that names none.
    fn nearest(&self, text: &str) -> Option<String>;
}

/// No catalogue and no mapping: controls are what labels and events themselves say.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoControls;

impl Controls for NoControls {
    fn catalogue(&self) -> Vec<Control> {
        Vec::new()
    }

    fn rules(&self, _id: &str) -> Vec<(String, Filter)> {
        Vec::new()
    }

    fn family(&self, _text: &str) -> Vec<String> {
        Vec::new()
    }

    fn nearest(&self, _text: &str) -> Option<String> {
        None
    }
}

/// A catalogue, and a mapping of its controls. A later mapping changes no record: it is a filter.
#[derive(Debug, Clone)]
pub struct MappedControls {
    /// Which controls there are.
    pub catalogue: Catalogue,
    /// What is evidence of them.
    pub mapping: Mapping,
}

impl MappedControls {
    /// Those that ship.
    ///
    /// # Errors
    /// None: what ships is tested.
    pub fn shipped() -> Result<MappedControls> {
        Ok(MappedControls { catalogue: Catalogue::shipped()?, mapping: Mapping::shipped()? })
    }

    /// Those of a log: the packs that ship with those that were added to it, and the mapping that was added last,
    /// else the one that ships.
    ///
    /// # Errors
    /// [`Error::Controls`](crate::Error::Controls) where what was added cannot be used by this release; whatever
    /// reading the log says.
    pub fn of(snapshot: &Snapshot) -> Result<MappedControls> {
        let mut catalogue = Catalogue::shipped()?;
        for pack in snapshot.packs()? {
            catalogue.add(Framework::parse(&pack.document.text)?);
        }
        let mapping = match snapshot.mapping()? {
            Some(mapping) => Mapping::parse(&mapping.document.text, &catalogue, &Vocabulary::of(snapshot)?)?,
            None => Mapping::shipped()?,
        };
        Ok(MappedControls { catalogue, mapping })
    }
}

impl Controls for MappedControls {
    fn catalogue(&self) -> Vec<Control> {
        self.catalogue.controls().cloned().collect()
    }

    fn rules(&self, id: &str) -> Vec<(String, Filter)> {
        let family = self.catalogue.family(id);
        let rules = self.mapping.rules_for(&family);
        rules.map(|rule| (rule.name.clone(), rule.filter.clone())).collect()
    }

    fn family(&self, text: &str) -> Vec<String> {
        self.catalogue.family(text).into_iter().map(str::to_owned).collect()
    }

    fn nearest(&self, text: &str) -> Option<String> {
        self.catalogue.nearest(text).map(|control| control.id.clone())
    }
}
