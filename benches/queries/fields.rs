//! What the peers index of an event, read by serde.

use serde::Deserialize;

use super::Result;

#[derive(Debug, Deserialize)]
pub(crate) struct Fields<'a> {
    pub(crate) event_id: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) agent_id: &'a str,
    pub(crate) kind: &'a str,
    #[serde(borrow)]
    pub(crate) policy: Policy<'a>,
    #[serde(borrow)]
    pub(crate) controls: Vec<&'a str>,
    pub(crate) ts: &'a str,
}

impl<'a> Fields<'a> {
    /// The fields of an event; a control that it names twice counts once.
    pub(crate) fn of(event: &'a [u8]) -> Result<Fields<'a>> {
        let mut fields: Fields<'a> = serde_json::from_slice(event)?;
        fields.controls.sort_unstable();
        fields.controls.dedup();
        Ok(fields)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Policy<'a> {
    pub(crate) decision: &'a str,
}
