//! From a verification to what an auditor can put his name to.

use super::{Report, SegmentVerdict};
use crate::trust::{AUDIT_SEGMENTS_MAX, AuditedSegment, IndexAudit};
use crate::{Error, Result};

impl Report {
    /// What a full verification entitles an auditor to sign: of every sealed segment, the index root that was built
    /// anew from the bodies. As many audits as it takes; none where no segment is sealed.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where anything was found, as nobody is to vouch for part of a store that is not as it
    /// should be; or where the indexes were not built anew, as a quick verification does not.
    pub fn index_audits(&self) -> Result<Vec<IndexAudit>> {
        let incomplete = |reason: &str| Error::Incomplete { what: "index audit", reason: reason.to_owned() };
        if !self.is_clean() || !self.is_complete {
            return Err(incomplete("the store did not verify, so there is nothing to put a name to"));
        }
        let origin = self.origin.clone().ok_or_else(|| incomplete("the log does not say whose it is"))?;
        let rebuilt = |segment: &SegmentVerdict| {
            let index_root = segment.index_root?;
            Some(AuditedSegment { first_seq: segment.first_seq, end_seq: segment.end_seq, index_root })
        };
        let sealed = self.segments.iter().filter(|segment| segment.sealed);
        let audited: Option<Vec<AuditedSegment>> = sealed.map(rebuilt).collect();
        let audited =
            audited.ok_or_else(|| incomplete("this verification did not build the indexes anew"))?;
        let audit =
            |segments: &[AuditedSegment]| IndexAudit { origin: origin.clone(), segments: segments.to_vec() };
        Ok(audited.chunks(AUDIT_SEGMENTS_MAX).map(audit).collect())
    }
}
