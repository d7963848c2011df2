//! The fields of an event that the peers index, read by serde.

use serde::Deserialize;

use crate::Result;

/// What is indexed of an event.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "they are called what the events call them")]
pub struct Fields<'a> {
    pub event_id: &'a str,
    pub run_id: &'a str,
    pub tenant: &'a str,
    pub agent_id: &'a str,
    pub kind: &'a str,
    #[serde(borrow)]
    pub policy: Policy<'a>,
    #[serde(borrow)]
    pub controls: Vec<&'a str>,
    pub environment: &'a str,
    pub model: &'a str,
    pub ts: &'a str,
}

/// What the policy engine said.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "they are called what the events call them")]
pub struct Policy<'a> {
    pub decision: &'a str,
    pub matched_rule: &'a str,
}

impl<'a> Fields<'a> {
    /// The fields of an event; a control that it names twice counts once.
    ///
    /// # Errors
    /// An event that none of ours is.
    pub fn of(event: &'a [u8]) -> Result<Fields<'a>> {
        let mut fields: Fields<'a> = serde_json::from_slice(event)?;
        fields.controls.sort_unstable();
        fields.controls.dedup();
        Ok(fields)
    }

    /// The UTC day of the event, as `ts` begins with.
    pub fn day(&self) -> &'a str {
        self.ts.get(..10).unwrap_or_default()
    }
}
