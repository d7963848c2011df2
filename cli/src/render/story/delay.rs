//! Approvals as a timeline goes on: who gave them, and how long they were waited for.

use indelible::Timestamp;
use indelible::query::{Row, Value};

use super::beat::text;
use super::words::{asks_for_approval, is_failure};
use crate::exit::Outcome;

/// What an event says of an approval.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Approval {
    /// One is needed.
    Asked,
    /// One was given, or refused.
    Given { by: String, delay_ns: Option<i64>, is_refusal: bool },
}

/// What is known of approvals so far.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    /// When the one that is waited for was asked for.
    asked_at: Option<Timestamp>,
}

impl Approvals {
    /// What an event says of an approval, if anything.
    pub(super) fn see(
        &mut self,
        row: &Row,
        kind: &str,
        decision: &str,
        time: Timestamp,
    ) -> Outcome<Option<Approval>> {
        let by = text(row, "approver")?;
        if by.is_empty() {
            let is_required = row.field("approval.required")? == Value::Bool(true);
            if asks_for_approval(decision) || asks_for_approval(kind) || is_required {
                self.asked_at = Some(time);
                return Ok(Some(Approval::Asked));
            }
            return Ok(None);
        }
        // The approval says itself when it was given; an event of its own is as good.
        let own = match row.field("approval.approved_at")? {
            Value::Text(text) => indelible::source::rfc3339(text.as_bytes()),
            _ => None,
        };
        let is_approval = kind.starts_with("approval");
        let given_at = own.or_else(|| is_approval.then_some(time));
        let asked_at = match row.field("approval.requested_at")? {
            Value::Text(text) => indelible::source::rfc3339(text.as_bytes()).or(self.asked_at),
            _ => self.asked_at,
        };
        let delay = given_at.zip(asked_at).map(|(given, asked)| given.0.saturating_sub(asked.0));
        let is_refusal = is_approval && is_failure(kind);
        Ok(Some(Approval::Given { by, delay_ns: delay.filter(|delay| *delay >= 0), is_refusal }))
    }
}
