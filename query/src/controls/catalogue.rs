//! The catalogue: the controls of all frameworks, found by the spellings that people use.

use std::collections::BTreeMap;

use indelible_engine::source::normalise_control;

use super::Control;
use super::pack::{Framework, SHIPPED};
use crate::error::Result;
use crate::words::nearest;

/// The frameworks that are known, each in one edition.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    frameworks: Vec<Framework>,
    /// By id: the framework's place and the control's in it.
    places: BTreeMap<String, (usize, usize)>,
    /// By id: the ids of its parts.
    parts: BTreeMap<String, Vec<String>>,
}

impl Catalogue {
    /// The frameworks that ship.
    ///
    /// # Errors
    /// None: what ships is tested.
    pub fn shipped() -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        for text in SHIPPED {
            catalogue.add(Framework::parse(text)?);
        }
        Ok(catalogue)
    }

    /// Adds a framework; one of the same name is replaced by it.
    pub fn add(&mut self, framework: Framework) {
        match self.frameworks.iter_mut().find(|known| known.name == framework.name) {
            Some(known) => *known = framework,
            None => self.frameworks.push(framework),
        }
        self.places.clear();
        self.parts.clear();
        for (place, framework) in self.frameworks.iter().enumerate() {
            for (index, control) in framework.controls.iter().enumerate() {
                self.places.insert(control.id.clone(), (place, index));
                if let Some(parent) = &control.parent {
                    self.parts.entry(parent.clone()).or_default().push(control.id.clone());
                }
            }
        }
    }

    /// All frameworks, in the order in which they were added.
    pub fn frameworks(&self) -> &[Framework] {
        &self.frameworks
    }

    /// The framework that a text names: `soc 2`, `ISO/IEC 27001:2022`.
    pub fn framework(&self, text: &str) -> Option<&Framework> {
        let canonical = normalise_control(&format!("{text}:1"), None).into_owned();
        let name = canonical.split(':').next().unwrap_or_default();
        self.frameworks.iter().find(|framework| framework.name == name)
    }

    /// Whether a text is the name of a framework and nothing else: `soc 2` is, `soc 2 since 90d` begins with one.
    pub fn is_framework(&self, text: &str) -> bool {
        let name = named_framework(text);
        self.frameworks.iter().any(|framework| name.as_ref() == Some(&framework.name))
    }

    /// All controls, framework by framework.
    pub fn controls(&self) -> impl Iterator<Item = &Control> {
        self.frameworks.iter().flat_map(|framework| &framework.controls)
    }

    /// The control that a text names in any of the spellings that people use: `SOC2:CC6.1`, `soc 2 cc6.1`,
    /// `EU AI Act Art. 12(1)`, `45 CFR 164.312(b)`, `A.8.32`. Without a framework it must be a control of one alone.
    pub fn find(&self, text: &str) -> Option<&Control> {
        let canonical = normalise_control(text, None);
        if let Some(control) = self.get(&canonical) {
            return Some(control);
        }
        match canonical.split_once(':') {
            Some((name, id)) => {
                self.frameworks.iter().find(|framework| framework.name == name)?.find(id, true)
            }
            None => {
                let mut found = self.frameworks.iter().filter_map(|framework| framework.find(text, false));
                let control = found.next()?;
                found.next().is_none().then_some(control)
            }
        }
    }

    fn get(&self, id: &str) -> Option<&Control> {
        let (framework, control) = self.places.get(id)?;
        self.frameworks.get(*framework)?.controls.get(*control)
    }

    /// The ids of the control that a text names and of all that are a part of it, parents before their parts.
    pub fn family(&self, text: &str) -> Vec<&str> {
        let mut family: Vec<&str> = self.find(text).map(|control| control.id.as_str()).into_iter().collect();
        let mut next = 0;
        while let Some(id) = family.get(next) {
            family.extend(self.parts.get(*id).into_iter().flatten().map(String::as_str));
            next += 1;
        }
        family
    }

    /// The control whose id is most like a text that names none; of the framework that the text names, or almost does.
    pub fn nearest(&self, text: &str) -> Option<&Control> {
        let canonical = normalise_control(text, None);
        let (framework, wanted) = canonical.split_once(':').unwrap_or(("", &canonical));
        let names = || self.frameworks.iter().map(|known| known.name.as_str());
        let framework = match framework {
            "" => None,
            name => Some(names().find(|known| *known == name).or_else(|| nearest(name, names()))?),
        };
        let candidates = || {
            let is_of = |name: &str| framework.is_none_or(|wanted| wanted == name);
            let controls = self.controls().filter(move |control| is_of(control.framework()));
            controls.map(|control| (control.number(), control))
        };
        // A slip is most often one of separators.
        let bare = |id: &str| id.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
        if let Some((_, control)) = candidates().find(|(number, _)| bare(number) == bare(wanted)) {
            return Some(control);
        }
        let number = nearest(wanted, candidates().map(|(number, _)| number))?;
        candidates().find(|(candidate, _)| *candidate == number).map(|(_, control)| control)
    }
}

/// The framework whose name a text is, in one of its spellings, with nothing behind it.
pub(crate) fn named_framework(text: &str) -> Option<String> {
    normalise_control(text, None).strip_suffix(':').map(str::to_owned)
}
