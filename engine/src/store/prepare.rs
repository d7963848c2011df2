//! From received bytes to a record that is ready to be committed: masked, validated, its fields found. No lock is
//! held here, so that many threads can prepare at once.

use std::sync::Arc;

use crate::format::frame::{LabelBuf, RECORD_HEADER_LEN};
use crate::log::sources::SourceVersion;
use crate::source::{Fields, Profile};
use crate::{Error, Result, Seq};

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
    pub(crate) body: Vec<u8>,
    pub(crate) fields: Fields,
}

impl Prepared {
    /// Checks an event and finds its fields.
    pub(crate) fn new(source: &Source, event: Vec<u8>, masking: &Masking, len_max: usize) -> Result<Self> {
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
                masked.event.into_owned()
            }
        };
        let mut fields = Fields::with_room();
        profile.extract(&body, &mut fields)?;
        Ok(Prepared { source: Arc::clone(&source.0), labels, body, fields })
    }

    /// Length of the event as it will be stored, in bytes.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Length of the record in a frame, in bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        RECORD_HEADER_LEN + self.labels.as_labels().as_bytes().len() + self.body.len()
    }

    /// Whether the event has no bytes; a valid one has at least two.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The event's id, where its profile finds one.
    pub fn event_id(&self) -> Option<&[u8]> {
        self.fields.event_id()
    }
}
