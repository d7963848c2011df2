//! The fields of an event that the peers index, read by serde.

use std::borrow::Cow;

use serde::Deserialize;

/// What is indexed of an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields<'a> {
    #[serde(borrow)]
    pub(crate) event_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) run_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) tenant: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) agent_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) policy: Policy<'a>,
    #[serde(borrow)]
    pub(crate) controls: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) environment: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) model: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) ts: Cow<'a, str>,
}

/// What the policy engine said.
#[derive(Debug, Deserialize)]
pub(crate) struct Policy<'a> {
    #[serde(borrow)]
    pub(crate) decision: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) matched_rule: Cow<'a, str>,
}
