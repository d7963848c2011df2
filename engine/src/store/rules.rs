//! Label rules, mappings and packs of controls: registered in the log as immutable versions, the latest in force.

use std::sync::Arc;

use super::{Snapshot, Store};
use crate::filter::{LabelRule, LabelRules};
use crate::format::admin::Document;
use crate::log::rules::{DocumentKind, RulesVersion};
use crate::{Result, Seq};

/// A set of label rules that is registered in a store's log.
#[derive(Debug, Clone)]
pub struct RegisteredRules(Arc<RulesVersion>);

impl RegisteredRules {
    /// The seq of the `store.rules` record: labels name it as `rules:SEQ`.
    pub fn seq(&self) -> Seq {
        self.0.seq
    }

    /// Their name, version, and the text that they were made of.
    pub fn about(&self) -> &Document {
        &self.0.about
    }

    /// The rules themselves.
    pub fn rules(&self) -> &[LabelRule] {
        self.0.rules.rules()
    }
}

/// A mapping or pack that is registered in a store's log.
#[derive(Debug, Clone)]
pub struct RegisteredDocument {
    /// The seq of its record.
    pub seq: Seq,
    /// Its name, version and text.
    pub document: Arc<Document>,
}

impl Store {
    /// Puts label rules in force, in place of those that were: every event that is appended from then on, by any
    /// process, is labelled by them. What was appended before stays as it is. Rules of no rule at all label nothing.
    ///
    /// # Errors
    /// As [`Store::append`]; [`Error::OverLimit`](crate::Error::OverLimit) for a text over 256 KiB.
    pub fn set_rules(&self, about: &Document, rules: &LabelRules) -> Result<RegisteredRules> {
        self.inner.log.register_rules(about, rules).map(RegisteredRules)
    }

    /// Makes a mapping the current one, and says which record has it. The store does not read its text.
    ///
    /// # Errors
    /// As [`Store::set_rules`].
    pub fn set_mapping(&self, mapping: &Document) -> Result<Seq> {
        self.inner.log.register_document(DocumentKind::Mapping, mapping)
    }

    /// Adds a pack of controls in place of any earlier one of its name, and says which record has it. The store does
    /// not read its text.
    ///
    /// # Errors
    /// As [`Store::set_rules`].
    pub fn add_pack(&self, pack: &Document) -> Result<Seq> {
        self.inner.log.register_document(DocumentKind::Pack, pack)
    }
}

impl Snapshot {
    /// The label rules in force, if there are any.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn rules(&self) -> Result<Option<RegisteredRules>> {
        Ok(self.inner.log.all_rules(&self.catalog)?.pop().map(RegisteredRules))
    }

    /// The current mapping, if the log has one.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn mapping(&self) -> Result<Option<RegisteredDocument>> {
        Ok(self.documents(DocumentKind::Mapping)?.pop())
    }

    /// All packs, in the order in which they were added; of one name the last counts.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn packs(&self) -> Result<Vec<RegisteredDocument>> {
        self.documents(DocumentKind::Pack)
    }

    fn documents(&self, kind: DocumentKind) -> Result<Vec<RegisteredDocument>> {
        let all = self.inner.log.all_documents(&self.catalog)?.into_iter();
        let of_kind = all.filter(|version| version.kind == kind);
        Ok(of_kind
            .map(|version| RegisteredDocument { seq: version.seq, document: version.document })
            .collect())
    }
}
