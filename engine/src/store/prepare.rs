//! From received bytes to a record that is ready to be committed: masked, validated, its fields found, labelled. No lock is
//! held here, so that many threads can prepare at once.

use std::sync::Arc;

use bytes::Bytes;

use crate::filter::Subject;
use crate::format::frame::{LabelBuf, Labels, RECORD_HEADER_LEN};
use crate::log::rules::RulesVersion;
use crate::log::sources::SourceVersion;
use crate::log::unfed::ToIndex;
use crate::source::{Fields, Profile};
use crate::{Error, Result, Seq, Timestamp};

/// A profile version that is registered in a store's log: what its events are read by.
#[derive(Debug, Clone)]
pub struct Source(pub(crate) Arc<SourceVersion>);

impl Source {
    /// The seq of the `store.source` record that carries its text.
    pub fn seq(&self) -> Seq {
        self.0.seq
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }
}

/// What is masked at the door, beside the profile's own rules.
#[derive(Debug, Clone, Default)]
pub struct Masking {
    /// The key of tokens; without one, a profile with `token` rules is refused.
    pub token_key: Option<[u8; 32]>,
    /// Whether obvious secrets (cloud keys, tokens, private keys) are masked.
    pub secrets: bool,
}

/// An event that was found good, as it will be stored.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) source: Arc<SourceVersion>,
    pub(crate) labels: LabelBuf,
    /// How many of the labels are of masking; the others are of the rules that were in force.
    masked_count: u8,
    labelled_by: Option<Seq>,
    pub(crate) body: Bytes,
    pub(crate) fields: Box<Fields>,
}

impl Prepared {
    /// Checks an event and finds its fields, for which there is `fields`.
    pub(crate) fn new(
        source: &Source,
        event: Bytes,
        masking: &Masking,
        rules: Option<&Arc<RulesVersion>>,
        len_max: usize,
        mut fields: Box<Fields>,
    ) -> Result<Self> {
        if event.len() > len_max {
            return Err(Error::InvalidEvent {
                offset: len_max as u64,
                reason: format!("{} bytes long, over the limit of {len_max}", event.len()),
            });
        }
        let profile = source.profile();
        let mut labels = LabelBuf::default();
        let body = match profile.mask(&event, masking.token_key.as_ref(), masking.secrets)? {
            masked if masked.labels.is_empty() => event,
            masked => {
                for label in &masked.labels {
                    labels.push(label).map_err(|reason| Error::InvalidEvent { offset: 0, reason })?;
                }
                Bytes::from(masked.event.into_owned())
            }
        };
        profile.extract(&body, &mut fields)?;
        let masked_count = labels.as_labels().count();
        let source = Arc::clone(&source.0);
        let mut prepared = Prepared { source, labels, masked_count, labelled_by: None, body, fields };
        prepared.label(rules)?;
        Ok(prepared)
    }

    /// Gives the event the labels of these rules, in place of those of the rules that were in force before.
    pub(crate) fn label(&mut self, rules: Option<&Arc<RulesVersion>>) -> Result<()> {
        let seq = rules.map(|rules| rules.seq);
        if seq == self.labelled_by {
            return Ok(());
        }
        let mut labels = LabelBuf::default();
        for label in self.labels.as_labels().iter().take(self.masked_count.into()) {
            labels.push(label).map_err(|reason| Error::InvalidEvent { offset: 0, reason })?;
        }
        if let Some(rules) = rules {
            // Rules cannot ask for what only the commit gives: a seq, a time of receipt.
            let subject = Subject {
                seq: 0,
                received_at: Timestamp(0),
                source: self.source.seq,
                encoding: 0,
                labels: Labels::default(),
                body: &self.body,
                profile: &self.source.profile,
                fields: &self.fields,
            };
            rules.label(&subject, &mut labels)?;
        }
        self.labels = labels;
        self.labelled_by = seq;
        Ok(())
    }

    /// Length of the event as it will be stored, in bytes.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// What the index takes in of it: all but the event's bytes.
    pub(crate) fn into_index(self) -> ToIndex {
        let encoded_len = RECORD_HEADER_LEN + self.labels.as_labels().as_bytes().len() + self.body.len();
        ToIndex { source: self.source, labels: self.labels, encoded_len, fields: self.fields }
    }

    /// Whether the event has no bytes; a valid one has at least two.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The event as it will be stored.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What its profile finds in it.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The event's id, where its profile finds one.
    pub fn event_id(&self) -> Option<&[u8]> {
        self.fields.event_id()
    }
}
