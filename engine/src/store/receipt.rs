//! What an append returns.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::hash::{Hash, LogTree};
use crate::{Origin, Seq, Timestamp, merkle};

/// That an event is in the log, and where. Holding one pins all earlier history: the root covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The log.
    pub origin: Origin,
    /// The record's position in it.
    pub seq: Seq,
    /// The record's leaf.
    pub leaf: Hash,
    /// How many records the tree has.
    pub tree_size: u64,
    /// The roots of its perfect subtrees: most receipts are let go without a look at the root.
    pub(super) frontier: Arc<[Hash]>,
    /// The clock's reading at the commit.
    pub received_at: Timestamp,
    /// Whether the record is durable: always, unless the store was opened with another [`Sync`](crate::Sync).
    pub durable: bool,
}

impl Receipt {
    /// The tree's root at that size.
    pub fn root(&self) -> Hash {
        merkle::frontier_root::<LogTree>(&self.frontier)
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Receipt", 7)?;
        object.serialize_field("origin", self.origin.as_str())?;
        object.serialize_field("seq", &self.seq)?;
        object.serialize_field("leaf", &self.leaf.to_string())?;
        object.serialize_field("tree_size", &self.tree_size)?;
        object.serialize_field("root", &self.root().to_string())?;
        object.serialize_field("received_at", &self.received_at.to_string())?;
        object.serialize_field("durable", &self.durable)?;
        object.end()
    }
}

/// What became of one event that was to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the log.
    Appended(Receipt),
    /// An event with its id was in the log already, and the caller wanted it to be left alone.
    Duplicate {
        /// The seq of the earlier record.
        seq: Seq,
    },
}

impl Outcome {
    /// The record's seq: the new one's, or the earlier one's.
    pub fn seq(&self) -> Seq {
        match self {
            Outcome::Appended(receipt) => receipt.seq,
            Outcome::Duplicate { seq } => *seq,
        }
    }
}

/// What to do with an event whose id is in the log already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// Append it all the same; ids are not looked at.
    #[default]
    Keep,
    /// Leave it out and say where the earlier one is: a retry does not double.
    Skip,
    /// Refuse it, and what was given in with it.
    Error,
}
