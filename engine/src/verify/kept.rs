//! A segment in an archive that was not asked: what is kept of it here is read, so that the log's own records and the tree
//! go on, and that the rest was not looked at is a finding.

use super::report::{Finding, FindingClass};
use super::segment::Check;
use crate::format::frame;
use crate::format::kept::Kept;
use crate::format::log_header::LogHeader;
use crate::hash::Hash;

impl Check<'_> {
    /// Takes what is kept of a segment for what it says of itself.
    pub(super) fn kept(&mut self, kept: &Kept) {
        self.out.left_out = true;
        self.broken = true;
        self.index = None;
        self.out.log_len = kept.log_len;
        self.out.header = LogHeader::decode(&kept.header).ok().map(|(header, _)| header);
        for (at, bytes) in &kept.frames {
            let Ok((header, payload)) = frame::decode(bytes) else { continue };
            // What lies between was not looked at: it ties this frame to nothing.
            (self.expected, self.last_leaf, self.at) = (header.first_seq, None, *at);
            self.frame(*at, &header, payload);
            self.task.registry.pass(self.task.place, self.expected, false);
        }
        self.expected = kept.end_seq;
        self.task.registry.pass(self.task.place, self.expected, false);
        for (level, root) in &kept.nodes {
            self.range.push_node(*level, Hash(*root));
        }
        if self.task.depth != super::Depth::Checksums {
            self.out.range = Some(self.range.clone());
            self.out.root = Some(Hash(kept.root));
        }
        self.out.last_leaf = Some(Hash(kept.last_leaf));
        let found = format!("a segment in the archive at {}", kept.archive);
        let finding = Finding::new(
            FindingClass::Incomplete,
            &self.task.file,
            "records",
            "what can be looked at",
            found,
        );
        self.find(finding.seqs(self.task.id.0..kept.end_seq));
    }
}
