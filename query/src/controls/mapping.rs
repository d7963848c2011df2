//! A mapping: rules that say which evidence supports which control, as TOML. It is a filter over what is there, and
//! changes no record.

use std::fmt;

use indelible_engine::filter::{Filter, Matcher, Scratch, Subject};
use serde::Deserialize;

use super::Catalogue;
use crate::error::{Error, Result};
use crate::rule::filter;
use crate::vocabulary::Vocabulary;

/// The mapping that ships.
const SHIPPED: &str = include_str!("../../packs/default-mapping.toml");

/// Rules from evidence to controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its name.
    pub name: String,
    /// Its version, as its author counts.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// Its rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// The file, as it was read.
    pub text: String,
}

/// What is evidence of some controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What the rule is about.
    pub name: String,
    /// Conditions in the query language.
    pub when: String,
    /// The same as a filter.
    pub filter: Filter,
    /// Ids of the controls, in their one spelling.
    pub controls: Vec<String>,
    /// How much the evidence shows.
    pub strength: Strength,
    /// Why it is evidence.
    pub reason: String,
}

/// How much evidence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// The event is itself an act that the control asks for, or the record of one.
    Direct,
    /// It helps to show that the control works; more is needed.
    Supporting,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strength::Direct => "direct",
            Strength::Supporting => "supporting",
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: String,
    #[serde(default)]
    description: String,
    rule: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    when: String,
    controls: Vec<String>,
    strength: Strength,
    reason: String,
}

impl Mapping {
    /// The mapping that ships, for the controls and profiles that ship.
    ///
    /// # Errors
    /// None: what ships is tested.
    pub fn shipped() -> Result<Mapping> {
        Mapping::parse(SHIPPED, &Catalogue::shipped()?, &Vocabulary::default())
    }

    /// Reads a mapping. Names that no profile of the vocabulary has, nor any that ships, are paths.
    ///
    /// # Errors
    /// [`Error::Controls`] with what is wrong and in which rule: what is no filter, a control that the catalogue does
    /// not have.
    pub fn parse(text: &str, catalogue: &Catalogue, vocabulary: &Vocabulary) -> Result<Mapping> {
        let invalid = |reason: String| Error::Controls { what: "mapping", reason };
        let file: File = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let vocabulary = vocabulary.with_shipped()?;
        let mut rules = Vec::with_capacity(file.rule.len());
        for (index, entry) in file.rule.into_iter().enumerate() {
            let place = || format!("rule {} ({})", index + 1, entry.name);
            let when = filter(&entry.when, &vocabulary)
                .map_err(|error| invalid(format!("{}: `when` is no filter\n{error}", place())))?;
            let mut controls = Vec::with_capacity(entry.controls.len());
            for id in &entry.controls {
                let Some(control) = catalogue.find(id) else {
                    let help = catalogue
                        .nearest(id)
                        .map_or_else(String::new, |near| format!("; did you mean {}?", near.id));
                    return Err(invalid(format!("{}: there is no control {id:?}{help}", place())));
                };
                if !controls.contains(&control.id) {
                    controls.push(control.id.clone());
                }
            }
            if controls.is_empty() || entry.reason.trim().is_empty() {
                return Err(invalid(format!("{}: it needs controls and a reason", place())));
            }
            let Entry { name, when: text, strength, reason, .. } = entry;
            rules.push(Rule { name, when: text, filter: when, controls, strength, reason });
        }
        let File { name, version, description, .. } = file;
        Ok(Mapping { name, version, description, rules, text: text.to_owned() })
    }

    /// The rules that speak of one of these controls: a control and its parts, as [`Catalogue::family`] gives them.
    /// Evidence of a part is evidence of the whole; evidence of the whole is none of any one part.
    pub fn rules_for<'m>(&'m self, family: &[&str]) -> impl Iterator<Item = &'m Rule> {
        let family: Vec<String> = family.iter().map(|id| (*id).to_owned()).collect();
        self.rules.iter().filter(move |rule| rule.controls.iter().any(|id| family.contains(id)))
    }

    /// By which rules an event is evidence of one of these controls.
    ///
    /// # Errors
    /// Where a path is followed and the body is no event.
    pub fn why<'m>(&'m self, family: &[&str], subject: &Subject<'_>) -> Result<Vec<&'m Rule>> {
        let mut found = Vec::new();
        for rule in self.rules_for(family) {
            if Matcher::new(&rule.filter)?.matches(subject, &mut Scratch::default())? {
                found.push(rule);
            }
        }
        Ok(found)
    }
}
