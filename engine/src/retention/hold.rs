//! Legal holds: what one is, and whether it holds a record.
//!
//! A hold is a filter that never changes over records that never change: what it matched once it matches for ever. Names
//! of fields are read by the profile of each record, and, where that was registered after the hold was placed, also by
//! the version of that profile that the hold knew: a later profile cannot take evidence from under it. What cannot be
//! decided is held.

use std::sync::Arc;

use crate::filter::{Decision, Filter, Matcher, Scratch, Subject};
use crate::format::retention::Hold;
use crate::source::{Fields, Profile};
use crate::{Result, Seq};

/// A hold in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedHold {
    /// The seq of its `store.hold` record.
    pub seq: Seq,
    /// What it says.
    pub hold: Hold,
    /// The seq of the record that released it.
    pub released_at: Option<Seq>,
}

impl PlacedHold {
    /// What it holds.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`](crate::Error::InvalidFilter) where the record has none.
    pub fn filter(&self) -> Result<Filter> {
        Filter::decode(self.hold.when.to_string().as_bytes())
    }
}

/// A hold, compiled.
#[derive(Debug)]
pub(crate) struct HoldTest<'h> {
    pub(crate) placed: &'h PlacedHold,
    matcher: Matcher,
    own: Scratch,
    pinned: Scratch,
}

impl<'h> HoldTest<'h> {
    pub(crate) fn new(placed: &'h PlacedHold) -> Result<Self> {
        let matcher = Matcher::new(&placed.filter()?)?;
        Ok(HoldTest { placed, matcher, own: Scratch::default(), pinned: Scratch::default() })
    }

    /// Whether the hold keeps the record; `profiles` are all versions with the seqs of their records, ascending.
    pub(crate) fn holds(&mut self, subject: &Subject<'_>, profiles: &[(Seq, Arc<Profile>)]) -> bool {
        if self.matcher.decide(subject, &mut self.own) != Decision::No {
            return true;
        }
        let Some(profile) = self.known_version(subject, profiles) else { return false };
        let mut fields = Fields::default();
        // An event that this version cannot read is one of which nothing can be decided by it.
        if profile.extract(subject.body, &mut fields).is_err() {
            return true;
        }
        let as_known = Subject { profile, fields: &fields, ..*subject };
        self.matcher.decide(&as_known, &mut self.pinned) != Decision::No
    }

    /// The version of the record's profile that the hold knew, where the record is read by a later one.
    fn known_version<'p>(
        &self,
        subject: &Subject<'_>,
        profiles: &'p [(Seq, Arc<Profile>)],
    ) -> Option<&'p Profile> {
        if subject.source < self.placed.seq {
            return None;
        }
        let known = profiles.iter().take_while(|(seq, _)| *seq < self.placed.seq);
        known.map(|(_, profile)| &**profile).filter(|profile| profile.name() == subject.profile.name()).last()
    }
}
