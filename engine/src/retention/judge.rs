//! One record's fate: how long it is kept, and which holds keep it longer.

use std::sync::Arc;

use super::hold::{HoldTest, PlacedHold};
use super::policy::{Kept, Policies};
use super::state::State;
use crate::filter::Subject;
use crate::log::{Catalog, Log};
use crate::source::Profile;
use crate::{Result, Seq};

/// The policies and holds of a log, ready to be asked.
#[derive(Debug)]
pub(crate) struct Judge<'s> {
    pub(crate) policies: Policies<'s>,
    holds: Vec<HoldTest<'s>>,
    profiles: Vec<(Seq, Arc<Profile>)>,
}

impl<'s> Judge<'s> {
    pub(crate) fn new(log: &Log, catalog: &Catalog, state: &'s State) -> Result<Self> {
        let sources = log.all_sources(catalog)?;
        Ok(Judge {
            policies: Policies::new(&state.policies)?,
            holds: state.standing_holds().map(HoldTest::new).collect::<Result<_>>()?,
            profiles: sources.iter().map(|source| (source.seq, Arc::clone(&source.profile))).collect(),
        })
    }

    /// How long a record is kept; nothing where no policy was ever set.
    pub(crate) fn kept(&mut self, subject: &Subject<'_>) -> Option<Kept<'s>> {
        self.policies.kept(subject)
    }

    /// The holds that keep a record.
    pub(crate) fn held_by<'j>(
        &'j mut self,
        subject: &'j Subject<'_>,
    ) -> impl Iterator<Item = &'s PlacedHold> + 'j {
        let profiles = &self.profiles;
        self.holds.iter_mut().filter_map(move |hold| hold.holds(subject, profiles).then_some(hold.placed))
    }
}
