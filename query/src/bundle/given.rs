//! What whoever checks a bundle knows beside the log's key, and what follows from it. None of it stands in the bundle: what
//! is written there must not depend on who reads it.

use std::collections::BTreeSet;

use indelible_engine::bundle::{Challenge, Checked};
use indelible_engine::trust::{CosignerKey, ExtensionProof, Note, NoteSignature, VerifierKey};
use indelible_engine::{Error as StoreError, Timestamp};

use super::Settled;
use super::verdict::{Verdict, Witnessed};
use crate::error::Result;

/// What whoever checks a bundle knows beside the log's key.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// What auditors signed who built indexes of the log anew
    /// ([`IndexAudit`](indelible_engine::trust::IndexAudit)), each with the auditor's key.
    pub audits: Vec<(Note, VerifierKey)>,
    /// A checkpoint that was kept: the log must go on from it.
    pub kept: Option<Note>,
    /// The proof that it does, where the bundle does not bring one.
    pub extension: Option<ExtensionProof>,
    /// The seed that was named to whoever made the bundle, and how many records it must draw at least.
    pub challenge: Option<Challenge>,
    /// More keys of the log, one of ML-DSA-44 for one: each must have signed the checkpoint too.
    pub keys: Vec<VerifierKey>,
    /// Witnesses, by what they are called: their cosignatures are looked for.
    pub witnesses: Vec<(String, CosignerKey)>,
}

impl Given {
    /// The verdict, given all this.
    ///
    /// # Errors
    /// [`Incomplete`](StoreError::Incomplete) where the bundle lacks what it takes to hold it against this; else as
    /// [`Checked::continues`] and [`Checked::audited_by`], and
    /// [`NotAuthenticated`](StoreError::NotAuthenticated) where another key did not sign, or a line in a witness's name is
    /// not his.
    pub(super) fn judge(
        &self,
        settled: &Settled,
        checked: &mut Checked,
        key: &VerifierKey,
    ) -> Result<Verdict> {
        for (note, auditor) in &self.audits {
            checked.audited_by(note, auditor)?;
        }
        if let Some(asked) = &self.challenge {
            answers(checked, asked)?;
        }
        let mut verdict = Verdict::of(settled, checked, key, self.challenge.is_some())?;
        let auditors: BTreeSet<String> = self.audits.iter().map(|(_, auditor)| auditor.to_string()).collect();
        verdict.auditors = auditors.into_iter().collect();
        if let Some(kept) = &self.kept {
            verdict.continues = Some(checked.continues(kept, key, self.extension.as_ref())?);
        }
        let note = checked.note();
        for other in &self.keys {
            note.verify(std::slice::from_ref(other))?;
            verdict.also_signed_by.push(other.to_string());
        }
        let is_known = |line: &NoteSignature| {
            let of = |key: &VerifierKey| (key.name(), key.key_id()) == (line.name(), line.key_id());
            of(key)
                || self.keys.iter().any(of)
                || self.witnesses.iter().any(|(_, witness)| witness.is_of(line))
        };
        verdict.unknown_signers =
            note.signatures().iter().filter(|line| !is_known(line)).map(NoteSignature::signer).collect();
        if !verdict.unknown_signers.is_empty() {
            let signers = verdict.unknown_signers.join(", ");
            verdict.unchecked.push(format!(
                "signature lines of keys that were not given: {signers}; name them with --key and --witness"
            ));
        }
        for (by, witness) in &self.witnesses {
            if let Some(time_s) = witness.cosigned(checked.note())? {
                let time_ns = i64::try_from(time_s).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
                verdict.witnessed.push(Witnessed { by: by.clone(), at: Timestamp(time_ns).to_string() });
            }
        }
        Ok(verdict)
    }
}

/// Whether the bundle's sample is the one that was asked for.
fn answers(checked: &Checked, asked: &Challenge) -> Result<()> {
    let reason = match &checked.scope().challenge {
        None => "the bundle has no sample: ask for one made with --challenge and your seed".to_owned(),
        Some(drawn) if drawn.seed != asked.seed => {
            format!(
                "the bundle's sample is drawn by the seed {:?}, and yours is {:?}",
                drawn.seed, asked.seed
            )
        }
        Some(drawn) if drawn.sample < asked.sample => {
            format!("the bundle's sample is of {} records, and you asked for {}", drawn.sample, asked.sample)
        }
        Some(_) => return Ok(()),
    };
    Err(StoreError::Incomplete { what: "challenge", reason }.into())
}
