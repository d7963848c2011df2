//! An index audit: an auditor's statement, as the text of a signed note, that he has built the index of these segments
//! anew from the bodies, and that it is the one to which the operator committed.
//!
//! It says nothing of what the log is: which records there are, a checkpoint says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Note, Signer, VerifierKey};
use crate::hash::Hash;
use crate::{Error, Result, Seq};

/// The first line. It has spaces, so that no checkpoint's origin, nor any other note of ours, begins with it.
const FIRST_LINE: &str = "indelible index audit";

/// How many segments one audit speaks of at most: a note is short.
pub const AUDIT_SEGMENTS_MAX: usize = 512;

/// What an auditor states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexAudit {
    /// The log's origin.
    pub origin: String,
    /// The segments, ascending: at least one, at most [`AUDIT_SEGMENTS_MAX`].
    pub segments: Vec<AuditedSegment>,
}

/// A segment whose index was built anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditedSegment {
    /// Its first seq.
    pub first_seq: Seq,
    /// The seq after its last record.
    pub end_seq: Seq,
    /// The index root that the auditor's own building gave.
    pub index_root: Hash,
}

impl IndexAudit {
    /// The text of the note, with its final newline.
    pub fn encode(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n{}\n", self.origin);
        for AuditedSegment { first_seq, end_seq, index_root } in &self.segments {
            text.push_str(&format!("{first_seq} {end_seq} {}\n", STANDARD.encode(index_root.0)));
        }
        text
    }

    /// Reads the text of a note; what it accepts, [`IndexAudit::encode`] writes the same.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] where it is none.
    pub fn decode(text: &str) -> Result<IndexAudit> {
        let invalid = |reason: &str| Error::InvalidTrust { what: "index audit", reason: reason.to_owned() };
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(invalid("its first line is another"));
        }
        let origin =
            lines.next().filter(|line| !line.is_empty()).ok_or_else(|| invalid("it has no origin"))?;
        let mut segments: Vec<AuditedSegment> = Vec::new();
        for line in lines {
            let segment =
                decode_line(line).ok_or_else(|| invalid("a line is not two seqs and a hash in base64"))?;
            let after = segments.last().map_or(0, |last| last.end_seq);
            if segment.first_seq < after || segment.end_seq <= segment.first_seq {
                return Err(invalid("its segments do not ascend"));
            }
            segments.push(segment);
        }
        if !(1..=AUDIT_SEGMENTS_MAX).contains(&segments.len()) {
            return Err(invalid("it speaks of no segment, or of too many"));
        }
        let audit = IndexAudit { origin: origin.to_owned(), segments };
        if audit.encode() != text {
            return Err(invalid("it is not in the one form that it can have"));
        }
        Ok(audit)
    }

    /// Signs this audit.
    ///
    /// # Errors
    /// As [`Note::sign`].
    pub fn sign(&self, signer: &dyn Signer) -> Result<Note> {
        Note::sign(&self.encode(), signer)
    }

    /// The audit that `note` is, if `key` signed it.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] if `key` did not sign it; [`Error::InvalidTrust`] if the text is no audit.
    pub fn open(note: &Note, key: &VerifierKey) -> Result<IndexAudit> {
        note.verify(std::slice::from_ref(key))?;
        IndexAudit::decode(note.text())
    }
}

fn decode_line(line: &str) -> Option<AuditedSegment> {
    let mut words = line.split(' ');
    let (first_seq, end_seq) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let index_root = Hash(STANDARD.decode(words.next()?).ok()?.try_into().ok()?);
    words.next().is_none().then_some(AuditedSegment { first_seq, end_seq, index_root })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{Checkpoint, SigningKey};

    fn audit() -> IndexAudit {
        let segment = |first_seq, end_seq| AuditedSegment { first_seq, end_seq, index_root: Hash([7; 32]) };
        IndexAudit {
            origin: "acme.example/log".to_owned(),
            segments: vec![segment(0, 10), segment(10, 1_000)],
        }
    }

    #[test]
    fn an_audit_is_read_as_it_is_written_and_in_no_other_form() {
        let text = audit().encode();
        assert_eq!(
            text,
            "indelible index audit\nacme.example/log\n\
             0 10 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\
             10 1000 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
        );
        assert_eq!(IndexAudit::decode(&text).unwrap(), audit());
        for (old, new) in [
            ("index audit", "index  audit"),
            ("acme.example/log", ""),
            ("0 10 ", "00 10 "),
            ("0 10 ", "0 11 "),
            ("10 1000", "10 10"),
            ("1000 B", "1000  B"),
            ("c=\n10", "c= \n10"),
            ("c=\n10", "c=\r\n10"),
        ] {
            let altered = text.replacen(old, new, 1);
            assert_ne!(altered, text);
            assert!(IndexAudit::decode(&altered).is_err(), "{altered:?}");
        }
        assert!(IndexAudit::decode(text.trim_end()).is_err());
        assert!(IndexAudit::decode("indelible index audit\nacme.example/log\n").is_err());
    }

    #[test]
    fn a_signed_audit_is_no_checkpoint_and_another_key_did_not_sign_it() {
        let key = SigningKey::from_seed("auditor.example", [3; 32]).unwrap();
        let other = SigningKey::from_seed("auditor.example", [4; 32]).unwrap();
        let note = audit().sign(&key).unwrap();
        assert_eq!(IndexAudit::open(&note, key.verifier()).unwrap(), audit());
        assert!(IndexAudit::open(&note, other.verifier()).is_err());
        assert!(Checkpoint::decode(note.text()).is_err());
    }
}
