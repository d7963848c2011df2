//! The label rules, mappings and packs that this log's own records register: a fold over them, as for sources.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{Catalog, Log, NewRecord, lock};
use crate::filter::{LabelRules, Scratch, Subject};
use crate::format::admin::{Admin, Document};
use crate::format::frame::LabelBuf;
use crate::format::head::Head;
use crate::{Error, Result, Seq, limits};

/// A set of label rules, registered in a log.
#[derive(Debug)]
pub(crate) struct RulesVersion {
    /// The seq of its `store.rules` record.
    pub(crate) seq: Seq,
    pub(crate) about: Document,
    pub(crate) rules: LabelRules,
    /// Buffers of threads that are not labelling just now.
    scratches: Mutex<Vec<Scratch>>,
}

impl RulesVersion {
    fn new(seq: Seq, about: Document, rules: LabelRules) -> Self {
        RulesVersion { seq, about, rules, scratches: Mutex::default() }
    }

    /// Adds to `labels` what an event gets by these rules.
    pub(crate) fn label(&self, subject: &Subject<'_>, labels: &mut LabelBuf) -> Result<()> {
        let mut scratch = lock(&self.scratches).pop().unwrap_or_default();
        let done = self.rules.apply(self.seq, subject, &mut scratch, labels);
        lock(&self.scratches).push(scratch);
        done
    }
}

/// What kind of document a record registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentKind {
    Mapping,
    Pack,
}

/// A document, registered in a log.
#[derive(Debug, Clone)]
pub(crate) struct DocumentVersion {
    pub(crate) seq: Seq,
    pub(crate) kind: DocumentKind,
    pub(crate) document: Arc<Document>,
}

/// What was folded so far, each in the order of the seqs.
#[derive(Debug, Default)]
pub(super) struct Registered {
    rules: Mutex<Vec<Arc<RulesVersion>>>,
    /// Whether there are any: each event asks, on every thread, and most logs have none.
    has_rules: AtomicBool,
    documents: Mutex<Vec<DocumentVersion>>,
}

impl Registered {
    /// Takes a record into account, if it is one of these.
    pub(super) fn fold(&self, seq: Seq, admin: Admin) -> Result<()> {
        let document = |kind, document| DocumentVersion { seq, kind, document: Arc::new(document) };
        match admin {
            Admin::Rules { name, rules, text, version } => {
                let about = Document { name, text, version };
                let version = RulesVersion::new(seq, about, LabelRules::decode(&rules)?);
                lock(&self.rules).push(Arc::new(version));
                self.has_rules.store(true, Ordering::Release);
            }
            Admin::Mapping(mapping) => lock(&self.documents).push(document(DocumentKind::Mapping, mapping)),
            Admin::Pack(pack) => lock(&self.documents).push(document(DocumentKind::Pack, pack)),
            _ => {}
        }
        Ok(())
    }
}

impl Log {
    /// The label rules by which events were labelled when this process last looked. A commit looks again.
    pub(crate) fn known_rules(&self) -> Option<Arc<RulesVersion>> {
        if !self.registered.has_rules.load(Ordering::Acquire) {
            return None;
        }
        let latest = lock(&self.registered.rules).last().cloned();
        latest.filter(|version| !version.rules.rules().is_empty())
    }

    /// The label rules for what is appended behind `head`, which is the newest.
    pub(crate) fn rules_behind(&self, head: &Head) -> Result<Option<Arc<RulesVersion>>> {
        if self.folded_to() < head.admin_end {
            self.fold_admin(&*self.catalog(head)?)?;
        }
        Ok(self.known_rules())
    }

    /// All sets of label rules registered as of `catalog`.
    pub(crate) fn all_rules(&self, catalog: &Catalog) -> Result<Vec<Arc<RulesVersion>>> {
        self.fold_admin(catalog)?;
        let mut all = lock(&self.registered.rules).clone();
        all.retain(|version| version.seq < catalog.admin_end);
        Ok(all)
    }

    /// All documents registered as of `catalog`.
    pub(crate) fn all_documents(&self, catalog: &Catalog) -> Result<Vec<DocumentVersion>> {
        self.fold_admin(catalog)?;
        let mut all = lock(&self.registered.documents).clone();
        all.retain(|version| version.seq < catalog.admin_end);
        Ok(all)
    }

    /// Puts label rules in force; those that are, stay.
    pub(crate) fn register_rules(&self, about: &Document, rules: &LabelRules) -> Result<Arc<RulesVersion>> {
        check_len(about)?;
        let Document { name, text, version } = about.clone();
        let body = Admin::Rules { name, rules: rules.encode(), text, version }.encode();
        // What is written must be readable again.
        LabelRules::decode(&rules.encode())?;
        let latest = |head: &Head| -> Result<Option<Arc<RulesVersion>>> {
            let latest = self.all_rules(&*self.catalog(head)?)?.pop();
            Ok(latest.filter(|known| known.about == *about && known.rules == *rules))
        };
        self.transact(|session| {
            if latest(session.head())?.is_none() {
                session.write(&[NewRecord::admin(&body)])?;
            }
            Ok(())
        })?;
        latest(&self.head()?)?.ok_or_else(|| not_there("rules", &about.name))
    }

    /// Registers a document; one that is the latest of its kind and name stays.
    pub(crate) fn register_document(&self, kind: DocumentKind, document: &Document) -> Result<Seq> {
        check_len(document)?;
        let body = match kind {
            DocumentKind::Mapping => Admin::Mapping(document.clone()),
            DocumentKind::Pack => Admin::Pack(document.clone()),
        }
        .encode();
        let latest = |head: &Head| -> Result<Option<Seq>> {
            let all = self.all_documents(&*self.catalog(head)?)?;
            let of_kind = all.into_iter().rev().find(|known| {
                known.kind == kind && (kind == DocumentKind::Mapping || known.document.name == document.name)
            });
            Ok(of_kind.filter(|known| *known.document == *document).map(|known| known.seq))
        };
        self.transact(|session| {
            if latest(session.head())?.is_none() {
                session.write(&[NewRecord::admin(&body)])?;
            }
            Ok(())
        })?;
        latest(&self.head()?)?.ok_or_else(|| not_there("document", &document.name))
    }
}

fn check_len(document: &Document) -> Result<()> {
    if document.text.len() > limits::RULES_LEN_MAX {
        let (found, limit) = (document.text.len() as u64, limits::RULES_LEN_MAX as u64);
        return Err(Error::OverLimit { what: "the length of a text of rules", found, limit });
    }
    Ok(())
}

fn not_there(what: &'static str, name: &str) -> Error {
    Error::NotFound { what, name: name.to_owned() }
}
