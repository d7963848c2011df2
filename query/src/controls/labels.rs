//! Label rules as people write them, in TOML: conditions of the query language, and the labels of what matches them.

use indelible_engine::filter::{LabelRule, LabelRules};
use serde::Deserialize;

use super::Catalogue;
use crate::error::{Error, Result};
use crate::rule::filter;
use crate::vocabulary::Vocabulary;

/// A file of label rules.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelFile {
    /// Their name.
    pub name: String,
    /// Their version, as their author counts.
    pub version: String,
    /// The rules, the ids of controls in their one spelling.
    pub rules: LabelRules,
    /// Labels that are no controls of the catalogue, as they were written.
    pub others: Vec<String>,
    /// The file, as it was read.
    pub text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: String,
    label: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    when: String,
    labels: Vec<String>,
}

impl LabelFile {
    /// Reads label rules. What the catalogue knows is written in its one spelling; other labels stay as they are.
    ///
    /// # Errors
    /// [`Error::Controls`] with what is wrong and in which rule.
    pub fn parse(text: &str, catalogue: &Catalogue, vocabulary: &Vocabulary) -> Result<LabelFile> {
        let invalid = |reason: String| Error::Controls { what: "label rules", reason };
        let File { name, version, label } =
            toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let vocabulary = vocabulary.with_shipped()?;
        let (mut rules, mut others) = (Vec::with_capacity(label.len()), Vec::new());
        for (index, entry) in label.into_iter().enumerate() {
            let place = || format!("rule {}", index + 1);
            let when = filter(&entry.when, &vocabulary)
                .map_err(|error| invalid(format!("{}: `when` is no filter\n{error}", place())))?;
            let mut labels = Vec::with_capacity(entry.labels.len());
            for label in entry.labels {
                match catalogue.find(&label) {
                    Some(control) => labels.push(control.id.clone()),
                    None => {
                        if !others.contains(&label) {
                            others.push(label.clone());
                        }
                        labels.push(label);
                    }
                }
            }
            if labels.is_empty() {
                return Err(invalid(format!("{}: it gives no label", place())));
            }
            let rule = LabelRule { when, labels };
            LabelRules::new(vec![rule.clone()]).map_err(|error| invalid(format!("{}: {error}", place())))?;
            rules.push(rule);
        }
        let rules = LabelRules::new(rules).map_err(|error| invalid(error.to_string()))?;
        Ok(LabelFile { name, version, rules, others, text: text.to_owned() })
    }
}
