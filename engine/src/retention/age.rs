//! How old a record surely is: clocks go wrong, and a wrong clock must delete nothing.
//!
//! A record cannot be older than one before it. So it counts as stored no earlier than any record before it says; a clock
//! that was behind makes nothing older. A clock that was ahead would keep all that follows for as long, were it not for
//! the operators: whoever approves a plan vouches for its as-of time, and no record before the plan is younger than that.

use crate::{Seq, Timestamp};

/// When records were stored, at the latest; asked in the order of the log.
#[derive(Debug, Clone)]
pub(crate) struct Ages {
    /// The seqs of applied plans and the times that their operators vouch for, ascending by seq; each time is no later
    /// than those behind it.
    vouched: Vec<(Seq, Timestamp)>,
    stored_at: Timestamp,
}

impl Ages {
    /// `plans` are the seqs of applied plans, ascending, and their as-of times.
    pub(crate) fn new(plans: impl IntoIterator<Item = (Seq, Timestamp)>) -> Ages {
        let mut vouched: Vec<_> = plans.into_iter().collect();
        let mut least = Timestamp(i64::MAX);
        for (_, as_of) in vouched.iter_mut().rev() {
            least = least.min(*as_of);
            *as_of = least;
        }
        Ages { vouched, stored_at: Timestamp(i64::MIN) }
    }

    /// When the record at `seq` counts as stored, its commit having read this time.
    pub(crate) fn stored_at(&mut self, seq: Seq, received_at: Timestamp) -> Timestamp {
        let behind = self.vouched.partition_point(|(plan, _)| *plan <= seq);
        let latest = self.vouched.get(behind).map_or(Timestamp(i64::MAX), |(_, as_of)| *as_of);
        self.stored_at = self.stored_at.max(received_at.min(latest));
        self.stored_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ages(plans: &[(Seq, i64)], received: &[i64]) -> Vec<i64> {
        let mut ages = Ages::new(plans.iter().map(|(seq, at)| (*seq, Timestamp(*at))));
        (0..).zip(received).map(|(seq, at)| ages.stored_at(seq, Timestamp(*at)).0).collect()
    }

    #[test]
    fn a_clock_that_was_behind_makes_nothing_older_and_one_ahead_nothing_immortal() {
        assert_eq!(ages(&[], &[5, 6, 1, 7]), [5, 6, 6, 7]);
        assert_eq!(ages(&[], &[5, 99, 7, 8]), [5, 99, 99, 99], "nobody vouched yet");
        assert_eq!(ages(&[(3, 10)], &[5, 99, 7, 8, 12]), [5, 10, 10, 10, 12]);
        assert_eq!(ages(&[(1, 50), (3, 10)], &[5, 99, 99, 99, 99]), [5, 10, 10, 99, 99]);
    }
}
