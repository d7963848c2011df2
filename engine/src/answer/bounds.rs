//! What an index can say of a condition: which records surely match, and which must be read to know.

use super::set::Set;

/// The records of a segment in three parts: those that match, those that are *open*, and all others, which do not.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) sure: Set,
    /// None of these is among the sure ones.
    pub(super) open: Set,
}

impl Bounds {
    /// These match, and no others.
    pub(super) fn exact(sure: Set) -> Bounds {
        Bounds { sure, open: Set::none() }
    }

    /// Any of these may match.
    pub(super) fn open(open: Set) -> Bounds {
        Bounds { sure: Set::none(), open }
    }

    pub(super) fn is_exact(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether nothing can match.
    pub(super) fn is_none(&self) -> bool {
        self.sure.is_empty() && self.open.is_empty()
    }

    /// All that may match.
    pub(super) fn all(&self) -> Set {
        if self.is_exact() { self.sure.clone() } else { self.sure.clone().or(self.open.clone()) }
    }

    pub(super) fn and(self, other: Bounds) -> Bounds {
        if self.is_exact() && other.is_exact() {
            return Bounds::exact(self.sure.and(other.sure));
        }
        let all = self.all().and(other.all());
        let sure = self.sure.and(other.sure);
        Bounds { open: all.minus(&sure), sure }
    }

    pub(super) fn or(self, other: Bounds) -> Bounds {
        let sure = self.sure.or(other.sure);
        Bounds { open: self.open.or(other.open).minus(&sure), sure }
    }

    /// What is left of `everything`; what was open stays so.
    pub(super) fn not(self, everything: Set) -> Bounds {
        Bounds { sure: everything.minus(&self.sure).minus(&self.open), open: self.open }
    }
}
