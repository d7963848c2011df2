//! What the store's own records say of the keys that sign its checkpoints.
//!
//! Owns the layout of these matters, as [`retention`](super::retention) owns that of approvals. Which change a key may
//! make is for [`LogKeys`](crate::trust::LogKeys) to say.

use serde::{Deserialize, Serialize};

use super::retention::{Action, Matter};

/// Another key may sign, from this record on, beside the one that hands over to it. Both sign the statement: the one as
/// a right, the other as the proof that somebody has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// The verifier key that hands over; it must be in force.
    pub from: String,
    /// The verifier key that comes.
    pub to: String,
}

/// A key signs no more, from this record on. A key that stays in force signs the statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRetirement {
    /// The verifier key.
    pub key: String,
}

/// A key is not believed beyond a size of the log's tree. Another key that is in force signs the statement, or as many
/// operators as it takes to delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevocation {
    /// The verifier key.
    pub key: String,
    /// Why.
    pub reason: String,
    /// The size of the greatest tree that it signed rightfully.
    pub size: u64,
}

impl Matter for KeyRotation {
    const ACTION: Action = Action::RotateKey;
}

impl Matter for KeyRetirement {
    const ACTION: Action = Action::RetireKey;
}

impl Matter for KeyRevocation {
    const ACTION: Action = Action::RevokeKey;
}
