//! What a verification found: data, in the order of the store, to be shown or counted by whoever asked for it.

use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};

use super::lines::UnknownSigner;
use super::round::Round;
use super::scope::Reach;
use crate::hash::Hash;
use crate::{Class, Fault, Seq, StoreId, Timestamp};

/// Most findings that a report lists; the rest are counted.
pub const FINDINGS_MAX: usize = 10_000;

/// What kind of wrong a finding is. The order is that of weight: of several, the greatest names the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingClass {
    /// Something that should be there is not, or could not be looked at.
    Incomplete,
    /// A version that this release does not know.
    Unsupported,
    /// A signature that was asked for is missing or does not verify.
    NotAuthenticated,
    /// The log is behind a checkpoint, or behind what is left of its own later state.
    RolledBack,
    /// A checksum, a length or a layout fails: the bytes are not what was written.
    Damaged,
    /// A hash, root, signature or authority fails: the bytes are consistent, and not what was committed to.
    Forged,
}

impl FindingClass {
    /// All classes, in the order of their weight.
    pub const ALL: [FindingClass; 6] = [
        FindingClass::Incomplete,
        FindingClass::Unsupported,
        FindingClass::NotAuthenticated,
        FindingClass::RolledBack,
        FindingClass::Damaged,
        FindingClass::Forged,
    ];

    /// Its name for machines, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            FindingClass::Incomplete => "incomplete",
            FindingClass::Unsupported => "unsupported",
            FindingClass::NotAuthenticated => "not-authenticated",
            FindingClass::RolledBack => "rolled-back",
            FindingClass::Damaged => "damaged",
            FindingClass::Forged => "forged",
        }
    }
}

impl From<Class> for FindingClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Unsupported => FindingClass::Unsupported,
            Class::Damaged => FindingClass::Damaged,
            Class::Forged => FindingClass::Forged,
        }
    }
}

impl fmt::Display for FindingClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().replace('-', " "))
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of wrong.
    pub class: FindingClass,
    /// The file, as a path below the store's directory; empty where no file is meant.
    pub file: String,
    /// Where in the file, in bytes, where that can be said.
    pub offset: Option<u64>,
    /// What was checked, in a few words: `frame checksum`, `segment root`.
    pub what: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// The records concerned, where that can be said.
    pub seqs: Option<Range<Seq>>,
}

impl Finding {
    pub(super) fn new(
        class: FindingClass,
        file: impl Into<String>,
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Finding {
            class,
            file: file.into(),
            offset: None,
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
            seqs: None,
        }
    }

    /// What a decoder found wrong, `base` bytes into a file.
    pub(super) fn fault(file: impl Into<String>, base: u64, fault: Fault) -> Self {
        Finding::new(fault.class.into(), file, fault.what, fault.expected, fault.found)
            .at(base.saturating_add(fault.offset))
    }

    pub(super) fn forged(
        file: impl Into<String>,
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Finding::new(FindingClass::Forged, file, what, expected, found)
    }

    pub(super) fn damaged(
        file: impl Into<String>,
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Finding::new(FindingClass::Damaged, file, what, expected, found)
    }

    /// Something that could not be looked at: the system's word for why.
    pub(super) fn unreadable(file: impl Into<String>, error: &std::io::Error) -> Self {
        Finding::new(FindingClass::Incomplete, file, "reading", "the file's bytes", error)
    }

    #[must_use]
    pub(super) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    #[must_use]
    pub(super) fn seqs(mut self, seqs: Range<Seq>) -> Self {
        self.seqs = Some(seqs);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { class, file, offset, what, expected, found, seqs } = self;
        if !file.is_empty() {
            write!(f, "{file}: ")?;
        }
        write!(f, "{class}: {what}")?;
        if let Some(offset) = offset {
            write!(f, " at byte {offset}")?;
        }
        match seqs {
            Some(seqs) if seqs.end == seqs.start + 1 => write!(f, " (record {})", seqs.start)?,
            Some(seqs) => write!(f, " (records {}..{})", seqs.start, seqs.end)?,
            None => {}
        }
        write!(f, ": expected {expected}, found {found}")
    }
}

/// Something worth knowing that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The file, as a path below the store's directory; empty where no file is meant.
    pub file: String,
    /// What there is to say.
    pub text: String,
}

impl Remark {
    pub(super) fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Remark { file: file.into(), text: text.into() }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}: ", self.file)?;
        }
        f.write_str(&self.text)
    }
}

/// How far a file or structure was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looked {
    /// There is none to look at.
    #[default]
    Absent,
    /// It is there, and it was not asked for or could not be compared.
    NotCompared,
    /// Its checksums hold; what it says was not compared.
    Checksums,
    /// It was rebuilt from the records and compared.
    Rebuilt,
}

/// What is said of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentVerdict {
    /// Whether its records were read: those of one in the archive may be out of reach.
    pub looked_at: bool,
    /// The segment's name: the seq of its first record.
    pub first_seq: Seq,
    /// The seq after its last record.
    pub end_seq: Seq,
    /// Length of its log file in bytes.
    pub log_len: u64,
    /// Records whose bytes were not read, as a quick look has it; of those in the archive see `looked_at`.
    pub unread_count: u64,
    /// How far it was looked at.
    pub reach: Reach,
    /// When an earlier run of this round checked it.
    #[serde(serialize_with = "as_text")]
    pub checked_at: Option<Timestamp>,
    /// Whether a seal speaks of it.
    pub sealed: bool,
    /// The RFC 6962 root of its own leaves, as computed; none where that was not asked for or not possible.
    #[serde(serialize_with = "as_text")]
    pub root: Option<Hash>,
    /// The index root, as rebuilt.
    #[serde(serialize_with = "as_text")]
    pub index_root: Option<Hash>,
    /// How far its sidecar was looked at.
    pub sidecar: Looked,
    /// How many findings concern it.
    pub finding_count: u64,
    /// The weightiest of them.
    pub class: Option<FindingClass>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Records whose frames hold.
    pub record_count: u64,
    /// Records whose bodies, entries and events were checked.
    pub body_count: u64,
    /// Records whose bytes were not read: of a quick verification most.
    pub unread_count: u64,
    /// Events that were deleted, their entries being there.
    pub deleted_count: u64,
    /// Artifacts whose content was checked, where bodies were not checked their heads.
    pub artifact_count: u64,
    /// Bytes read.
    pub read_len: u64,
    /// Seals compared with what they seal.
    pub seal_count: u64,
    /// Index roots rebuilt and compared.
    pub index_count: u64,
    /// Checkpoints whose root was compared with the tree's.
    pub checkpoint_count: u64,
    /// Checkpoints whose signature verified under the key that was given.
    pub signature_count: u64,
    /// Checkpoints that a key of ML-DSA-44 which was in force signed too.
    pub ml_dsa_44_count: u64,
}

/// All that a verification found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The log's origin, where seq 0 tells it.
    pub origin: Option<String>,
    /// The store's identity.
    #[serde(serialize_with = "as_text")]
    pub store_id: Option<StoreId>,
    /// What was asked for: `full`, `quick`, `checksums`, `subset 3/7`, `since 4711` or `round`.
    pub scope: String,
    /// Whether all that was asked for was looked at; a round's runs leave out what their time does not allow.
    pub is_complete: bool,
    /// How many records the log has.
    pub tree_size: u64,
    /// The tree's root; none where records are missing or bodies were not read.
    #[serde(serialize_with = "as_text")]
    pub root: Option<Hash>,
    /// Bytes behind the log's last whole frame that were never known durable: what an unclean stop left.
    pub torn_len: u64,
    /// The size of the greatest checkpoint that holds.
    pub checkpoint_size: Option<u64>,
    /// The segments, in order.
    pub segments: Vec<SegmentVerdict>,
    /// What is wrong, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub findings_left_out: u64,
    /// The weightiest class of all findings.
    pub class: Option<FindingClass>,
    /// What is worth knowing and no fault.
    pub remarks: Vec<Remark>,
    /// How much was looked at.
    pub covered: Covered,
    /// Who else is said to have signed checkpoints: lines that were not checked. At most 100.
    pub unknown_signers: Vec<UnknownSigner>,
    /// What this verification does not show, one sentence each.
    pub not_covered: Vec<String>,
    /// Of a round: what its next run is to be given.
    #[serde(skip)]
    pub round: Option<Round>,
}

impl Report {
    pub(super) fn new(remarks: Vec<Remark>) -> Self {
        Report {
            origin: None,
            store_id: None,
            scope: String::new(),
            is_complete: true,
            torn_len: 0,
            round: None,
            tree_size: 0,
            root: None,
            checkpoint_size: None,
            segments: Vec::new(),
            findings: Vec::new(),
            findings_left_out: 0,
            class: None,
            remarks,
            covered: Covered::default(),
            unknown_signers: Vec::new(),
            not_covered: Vec::new(),
        }
    }

    /// The weightiest class of what was found; none where all that was looked at is as it should be.
    pub fn verdict(&self) -> Option<FindingClass> {
        self.class
    }

    /// Whether nothing was found. See [`Report::not_covered`] for what was not looked for.
    pub fn is_clean(&self) -> bool {
        self.class.is_none()
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.class = self.class.max(Some(finding.class));
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }
}

/// Findings of one part of the store, bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    pub(super) count: u64,
    pub(super) class: Option<FindingClass>,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        self.class = self.class.max(Some(finding.class));
        self.count += 1;
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        }
    }

    /// Moves all to the report.
    pub(super) fn hand_over(self, report: &mut Report) {
        report.findings_left_out += self.count - self.list.len() as u64;
        report.class = report.class.max(self.class);
        for finding in self.list {
            report.push(finding);
        }
    }
}

fn as_text<T: fmt::Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
