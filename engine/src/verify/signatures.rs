//! Who signed the checkpoints: keys that were in force at their sizes, and whom the caller's own key leads to.
//!
//! Which keys the log had, `authority` found out. Where records are missing that may have changed them, a key that was
//! asked for must have signed itself.

use super::notes::{Held, Kept, LATEST};
use super::report::{Finding, FindingClass, Findings, Remark};
use crate::trust::{Algorithm, LogKey, LogKeys, Note, NoteSignature, VerifierKey};

/// The keys that checkpoints are held against.
pub(super) struct Signatures<'a> {
    /// The log's own; none where they cannot be known, or there are none.
    keys: Option<&'a LogKeys>,
    /// What the log says of its keys was not all read.
    not_read: bool,
    /// The one that the caller knows.
    asked: Option<&'a VerifierKey>,
    /// The keys that this one handed over to, itself too where it is the log's.
    heirs: Vec<&'a LogKey>,
    /// The greatest of the store's checkpoints that the caller can believe, and by which key.
    greatest: Option<(u64, &'a VerifierKey)>,
}

/// What there is of a second signature, by ML-DSA-44.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// It is there, and verifies.
    Good,
    /// It is not there.
    Missing,
    /// This build cannot check it.
    NotChecked,
}

impl<'a> Signatures<'a> {
    pub(super) fn new(
        keys: Option<&'a LogKeys>,
        asked: Option<&'a VerifierKey>,
        kept: &[Kept],
    ) -> Signatures<'a> {
        let not_read = keys.is_none();
        let keys = keys.filter(|keys| !keys.all().is_empty());
        let heirs = keys.zip(asked).map_or_else(Vec::new, |(keys, asked)| keys.heirs(asked));
        let mut signatures = Signatures { keys, not_read, asked, heirs, greatest: None };
        let believed = kept.iter().filter(|kept| kept.held == Held::InStore).filter_map(|kept| {
            let signed = signatures.signed(&kept.note).ok()?;
            Some((kept.checkpoint.size, signatures.believed(kept.checkpoint.size, &signed)?))
        });
        signatures.greatest = believed.max_by_key(|(size, _)| *size);
        signatures
    }

    /// Whether the key that was asked for, or one that it handed over to, signed; what is wrong with the signatures.
    pub(super) fn check(&self, kept: &Kept, findings: &mut Findings) -> bool {
        let size = kept.checkpoint.size;
        let mut find = |class, expected: String, found: String| {
            findings.push(Finding::new(class, &kept.file, "signature", expected, found));
        };
        let signed = match self.signed(&kept.note) {
            Ok(signed) => signed,
            Err((key, reason)) => {
                let class = match self.asked {
                    Some(_) => FindingClass::NotAuthenticated,
                    None => FindingClass::Forged,
                };
                find(class, by(key), reason);
                return false;
            }
        };
        if self.believed(size, &signed).is_some() {
            return true;
        }
        if let Some(keys) = self.keys
            && self.rightful(size, &signed).next().is_none()
        {
            let in_force: Vec<String> = keys.in_force(size).map(|known| known.key.short()).collect();
            let expected = format!("one by a key in force at {size} records: {}", in_force.join(", "));
            if let Some(known) = keys.all().iter().find(|known| signed.contains(&&known.key)) {
                find(FindingClass::Forged, expected, why_not(known, size));
                return false;
            }
            if self.asked.is_none() {
                find(FindingClass::NotAuthenticated, expected, signers(&kept.note));
                return false;
            }
        } else if self.greatest.is_some_and(|(greatest, _)| size <= greatest) {
            // Another key that had a right to signed it, and it stands under a later one that can be believed.
            return false;
        }
        if let Some(asked) = self.asked {
            let expected = format!("{}, or by a key that it handed over to", by(asked));
            let mut found = self.why_no_heir(asked).unwrap_or_else(|| signers(&kept.note));
            if self.not_read {
                found.push_str(
                    ", and not all that the log says of its keys was read: ask for the key that signs today",
                );
            }
            find(FindingClass::NotAuthenticated, expected, found);
        }
        false
    }

    /// Whether a key of ML-DSA-44 that was in force signed a checkpoint too; nothing where none was.
    pub(super) fn second(&self, kept: &Kept) -> Option<Second> {
        let size = kept.checkpoint.size;
        let is_second = |known: &&LogKey| known.key.algorithm() == Algorithm::MlDsa44;
        let mut in_force = self.keys?.in_force(size).filter(is_second).peekable();
        in_force.peek()?;
        if !Algorithm::MlDsa44.is_supported() {
            return Some(Second::NotChecked);
        }
        // A line that does not verify is a finding.
        let is_signed = in_force.any(|known| kept.note.verify(std::slice::from_ref(&known.key)).is_ok());
        Some(if is_signed { Second::Good } else { Second::Missing })
    }

    /// Whether a line is in the name of a key that checkpoints are held against.
    pub(super) fn is_known(&self, line: &NoteSignature) -> bool {
        let own = self.keys.map_or(&[][..], LogKeys::all).iter().map(|known| &known.key);
        own.chain(self.asked).any(|key| (line.name(), line.key_id()) == (key.name(), key.key_id()))
    }

    /// How the key that was asked for leads to the one that signed last, where that is another.
    pub(super) fn way(&self) -> Option<Remark> {
        let (asked, (size, signer)) = (self.asked?, self.greatest?);
        let way = self.keys?.way(asked, signer);
        if way.is_empty() {
            return None;
        }
        let steps: Vec<String> = way
            .iter()
            .map(|step| format!("to {} by record {}", step.key.short(), step.since.saturating_sub(1)))
            .collect();
        let text = format!(
            "the key that was given, {}, handed over {}; the checkpoint of {size} records is signed by {signer}",
            asked.short(),
            steps.join(", and that one ")
        );
        Some(Remark::new(LATEST, text))
    }

    /// Which of the keys signed a note. The key that did not make a line in its name, where there is one.
    fn signed(&self, note: &Note) -> Result<Vec<&'a VerifierKey>, (&'a VerifierKey, String)> {
        let own = self.keys.map_or(&[][..], LogKeys::all).iter().map(|known| &known.key);
        let mut signed = Vec::new();
        for key in own.chain(self.asked) {
            let mine = |line: &NoteSignature| (line.name(), line.key_id()) == (key.name(), key.key_id());
            if key.algorithm().is_supported() && note.signatures().iter().any(mine) {
                note.verify(std::slice::from_ref(key)).map_err(|error| (key, error.to_string()))?;
                signed.push(key);
            }
        }
        Ok(signed)
    }

    /// The log's keys that signed and had a right to, at this size.
    fn rightful(&self, size: u64, signed: &[&VerifierKey]) -> impl DoubleEndedIterator<Item = &'a LogKey> {
        let all = self.keys.map_or(&[][..], LogKeys::all);
        all.iter().filter(move |known| known.is_in_force(size) && signed.contains(&&known.key))
    }

    /// The key by which the caller can believe what these signed; of several the latest.
    fn believed(&self, size: u64, signed: &[&'a VerifierKey]) -> Option<&'a VerifierKey> {
        let asked = self.asked?;
        // A key that the log does not know is the caller's own choice.
        if self.keys.is_none_or(|keys| keys.find(asked).is_none()) {
            return signed.contains(&asked).then_some(asked);
        }
        let is_heir = |known: &&LogKey| self.heirs.iter().any(|heir| heir.key == known.key);
        let believed: Vec<&LogKey> = self.rightful(size, signed).filter(is_heir).collect();
        // One of the asked key's own kind before others: what signs beside it is not what it handed over to.
        let of_kind = believed.iter().rfind(|known| known.key.algorithm() == asked.algorithm());
        of_kind.or(believed.last()).map(|known| &known.key)
    }

    /// That the key which was asked for handed over, and cannot be believed to have.
    fn why_no_heir(&self, asked: &VerifierKey) -> Option<String> {
        let known = self.keys?.find(asked)?;
        let revoked = known.revoked.as_ref()?;
        Some(format!(
            "that it was revoked from size {} on by record {}; what it handed over to behind that is not to be \
             believed by its word: get the log's present key from somebody whom you trust",
            revoked.size, revoked.seq
        ))
    }
}

/// Why a key of the log had no right to sign a tree of this size.
fn why_not(known: &LogKey, size: u64) -> String {
    let key = known.key.short();
    match (&known.revoked, known.until) {
        (Some(revoked), _) if size > revoked.size => format!(
            "one by {key}, which was revoked from size {} on by record {}: {}",
            revoked.size, revoked.seq, revoked.reason
        ),
        (_, Some(until)) if size > until => format!("one by {key}, which was retired by record {until}"),
        _ => format!("one by {key}, which signs from {} records on", known.since),
    }
}

fn by(key: &VerifierKey) -> String {
    format!("a signature by {key}")
}

/// In whose names the lines of a note are.
fn signers(note: &Note) -> String {
    note.signatures().iter().map(NoteSignature::signer).collect::<Vec<_>>().join(", ")
}
