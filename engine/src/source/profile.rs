//! A profile: where in one kind of JSON the fields are.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::{EventTime, Fields, Slot, TermKind};
use crate::hash::{self, Hash};
use crate::index::{Declared, Holds, SourceRules};
use crate::{Error, Result, Timestamp};

/// An immutable version of a profile.
#[derive(Debug)]
pub struct Profile {
    name: String,
    text: String,
    fields: Vec<(String, String)>,
}

/// An event after masking.
#[derive(Debug)]
pub struct Masked<'a> {
    /// The event as it will be stored.
    pub event: Cow<'a, [u8]>,
    /// What was done to it.
    pub labels: Vec<String>,
}

const EVIDENCE: &str = "name = 'evidence'\nevent_id = 'event_id'\nts = 'ts'\nrun = 'run_id'\nkind = 'kind'\n";
static EVIDENCE_PROFILE: LazyLock<Profile> = LazyLock::new(|| Profile::of(EVIDENCE));
static STORE_PROFILE: LazyLock<Profile> = LazyLock::new(|| Profile::of("name = 'store'\nkind = 'kind'\n"));

impl Profile {
    fn of(text: &str) -> Profile {
        let table: toml::Table = text.parse().unwrap_or_default();
        let get = |v: &toml::Value| v.as_str().unwrap_or_default().to_owned();
        Profile {
            name: table.get("name").map(get).unwrap_or_default(),
            text: text.to_owned(),
            fields: table.iter().filter(|(k, _)| *k != "name").map(|(k, v)| (k.clone(), get(v))).collect(),
        }
    }
    /// Reads a profile.
    pub fn parse(text: &str) -> Result<Profile> {
        Ok(Self::of(text))
    }
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The digest of its text.
    pub fn digest(&self) -> Hash {
        hash::index_rules(self.text.as_bytes())
    }
    /// The default profile.
    pub fn evidence() -> &'static Profile {
        &EVIDENCE_PROFILE
    }
    /// The profile of the store's own records.
    pub fn store_records() -> &'static Profile {
        &STORE_PROFILE
    }
    /// What the index needs.
    pub fn rules(&self) -> SourceRules {
        let holds = |name: &str| match name {
            "event_id" => Holds::EventId,
            "ts" => Holds::EventTime,
            _ => Holds::Terms,
        };
        let fields = self.fields.iter();
        SourceRules {
            digest: self.digest(),
            fields: fields
                .map(|(name, _)| Declared { name: name.clone(), holds: holds(name), private: false })
                .collect(),
        }
    }
    /// Masks an event.
    pub fn mask<'a>(&self, event: &'a [u8], _: Option<&[u8; 32]>, _: bool) -> Result<Masked<'a>> {
        Ok(Masked { event: Cow::Borrowed(event), labels: Vec::new() })
    }
    /// Finds an event's fields.
    pub fn extract(&self, event: &[u8], out: &mut Fields) -> Result<()> {
        let value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(event).map_err(|error| Error::InvalidEvent {
                offset: error.column() as u64,
                reason: error.to_string(),
            })?;
        for (slot, (name, path)) in self.fields.iter().enumerate() {
            match (name.as_str(), value.get(path)) {
                ("event_id", Some(serde_json::Value::String(id))) => out.set_event_id(id.as_bytes()),
                ("ts", Some(serde_json::Value::String(ts))) => {
                    out.set_time(ts.parse::<jiff::Timestamp>().map_or(EventTime::Unreadable, |ts| {
                        EventTime::Known(Timestamp(i64::try_from(ts.as_nanosecond()).unwrap_or(0)))
                    }));
                }
                (_, Some(serde_json::Value::String(text))) => {
                    out.push(slot as Slot, TermKind::Text, text.as_bytes());
                }
                (_, Some(_)) => out.push_unreadable(slot as Slot),
                (_, None) => {}
            }
        }
        Ok(())
    }
}
