//! From a verification to the record that it leaves in the log.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FindingClass, Report};
use crate::format::admin::Verified;

impl Report {
    /// How many findings there are, by the name of their class; those beyond what a report lists as `not-listed`.
    pub fn finding_counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.class.name().to_owned()).or_default() += 1;
        }
        if self.findings_left_out > 0 {
            counts.insert("not-listed".to_owned(), self.findings_left_out);
        }
        counts
    }

    /// What a `store.verified` record says of this verification. `version` names the program.
    pub fn verified(&self, took: Duration, version: &str) -> Verified {
        Verified {
            checkpoint_size: self.checkpoint_size,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            findings: self.finding_counts(),
            full_count: self.covered.body_count,
            record_count: self.tree_size,
            root: self.root.map(|root| root.to_string()),
            scope: if self.is_complete { self.scope.clone() } else { "part".to_owned() },
            verdict: self.verdict().map_or("clean", FindingClass::name).to_owned(),
            version: version.to_owned(),
        }
    }

    /// Why no record of this verification is to be left, where opening the log for writing could change what was found.
    pub fn is_not_to_be_noted(&self) -> Option<&'static str> {
        let last = self.segments.last();
        match last {
            None => Some("there is no log to append to"),
            Some(last) if last.class.is_some() => Some("the log's last segment is not as it should be"),
            Some(_) if self.torn_len > 0 => {
                Some("an unclean stop left bytes behind the log, which appending would cut off")
            }
            Some(_) if self.verdict() == Some(FindingClass::RolledBack) => Some("the log is rolled back"),
            Some(_) => None,
        }
    }
}

impl Verified {
    /// Whether each record there was has been gone through in full by then, and nothing was found.
    pub fn vouches_for_all(&self) -> bool {
        let of_all = matches!(self.scope.as_str(), "full" | "round") || self.scope.starts_with("since ");
        of_all && self.verdict == "clean"
    }
}
