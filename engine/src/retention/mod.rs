//! Retention: how long evidence is kept, what a legal hold keeps longer, and what may be deleted by whose approval.
//!
//! All of it is records of the store's own. [`State`] is what they come to; `policy` and `hold` say of one record how
//! long it is kept and whether it is held; `plan` writes down what is due; `approval` says whether operators agreed.
//!
//! # What this room does not do
//! It reads no query language: filters come ready made. It reads no clock: every time is given to it.

mod age;
mod approval;
mod hold;
mod judge;
pub(crate) mod moves;
pub(crate) mod plan;
pub(crate) mod policy;
mod state;
pub(crate) mod survey;
#[cfg(test)]
mod tests;
mod uses;
mod walk;

pub use hold::PlacedHold;
pub use state::{Deletion, OperatorsInForce, State};
pub use survey::{HoldReach, RuleStatus, Status};
pub use uses::Use;

pub(crate) use approval::{LogIdentity, check, check_log, enough, signers, statement};
pub(crate) use uses::Uses;

use crate::{Error, Timestamp};

/// So many seconds behind a time.
fn after(time: Timestamp, seconds: u64) -> Timestamp {
    let ns = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    Timestamp(time.0.saturating_add(ns))
}

/// What was asked for cannot be, and why.
pub(crate) fn refused(what: &'static str, reason: impl Into<String>) -> Error {
    Error::Refused { what, reason: reason.into() }
}
