//! What of a store a verification goes through: all of it, a share, what is new, or what a round has not come to yet.
//!
//! Decides by the numbers of segments and records alone, and reads nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Depth;
use super::round::{Held, Round};
use crate::hash::Hash;
use crate::{SegmentId, Seq};

/// What of a store is gone through at [`Depth::Full`].
#[derive(Debug, Clone, Default)]
pub enum Scope {
    /// All of it.
    #[default]
    All,
    /// Every `of`-th segment, and of the others what [`Depth::Checksums`] looks at. As a segment's number in the log never
    /// changes, the parts 1 to `of` together are all of it.
    Subset {
        /// Which part, from 1 on.
        part: u32,
        /// Of how many.
        of: u32,
    },
    /// The segments with records from a size on, and of the others what [`Depth::Checksums`] looks at.
    Since {
        /// How many records are vouched for.
        size: u64,
        /// The tree's root over them, where it is known: the log must still have it.
        root: Option<Hash>,
    },
    /// The segments that earlier runs of a round have not checked. What they did check is not read again.
    Round(Round),
}

impl Scope {
    /// What a record says of it.
    pub(super) fn name(&self, depth: Depth) -> String {
        match self {
            _ if depth == Depth::Quick => "quick".to_owned(),
            _ if depth == Depth::Checksums => "checksums".to_owned(),
            Scope::All => "full".to_owned(),
            Scope::Subset { part, of } => format!("subset {part}/{of}"),
            Scope::Since { size, .. } => format!("since {size}"),
            Scope::Round(_) => "round".to_owned(),
        }
    }

    /// How far each segment is to be looked at. `held` are those of which a round has the verdict.
    pub(super) fn reaches(
        &self,
        depth: Depth,
        segments: &[SegmentId],
        held: &BTreeMap<Seq, Held<'_>>,
    ) -> Vec<Reach> {
        let full_if = |full: bool| if full { Reach::Full } else { Reach::Checksums };
        let reach = |place: usize, id: &SegmentId| match self {
            _ if depth == Depth::Quick => Reach::Quick,
            _ if depth == Depth::Checksums => Reach::Checksums,
            Scope::All => Reach::Full,
            // Parts are counted from 1.
            Scope::Subset { part, of } => {
                full_if(place as u64 % u64::from((*of).max(1)) + 1 == u64::from(*part))
            }
            Scope::Since { size, .. } => full_if(segments.get(place + 1).is_none_or(|next| next.0 > *size)),
            Scope::Round(_) if held.contains_key(&id.0) => Reach::Earlier,
            Scope::Round(_) => Reach::Full,
        };
        segments.iter().enumerate().map(|(place, id)| reach(place, id)).collect()
    }

    /// Whether a segment that was looked at so far needs no other run.
    pub(super) fn is_enough(&self, depth: Depth, reach: Reach) -> bool {
        match (self, reach) {
            (_, Reach::NotReached) => false,
            (Scope::Round(_), Reach::Quick | Reach::Checksums) => depth != Depth::Full,
            _ => true,
        }
    }

    /// How far an artifact is looked at: what is read by shares is assigned by its hash.
    pub(super) fn artifact_depth(&self, depth: Depth, hash: &Hash) -> Depth {
        match self {
            Scope::All | Scope::Round(_) => depth,
            Scope::Subset { part, of } if u32::from(hash.0[0]) % (*of).max(1) + 1 == *part => depth,
            Scope::Subset { .. } | Scope::Since { .. } => Depth::Checksums,
        }
    }
}

/// How far a segment was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Every body, entry, leaf, event and index, rebuilt and compared.
    Full,
    /// Checksums, places and the store's own records.
    Checksums,
    /// What its sidecar and its log's header say; its events were not read.
    Quick,
    /// By an earlier run of this round; it was not read again.
    Earlier,
    /// Not at all: the time was over.
    #[default]
    NotReached,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reach::Full => "full",
            Reach::Checksums => "checksums",
            Reach::Quick => "quick",
            Reach::Earlier => "earlier",
            Reach::NotReached => "not reached",
        })
    }
}
