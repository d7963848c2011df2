//! Cosignatures, C2SP tlog-cosignature: what a witness says of a checkpoint, and when it said it.
//!
//! Ed25519 alone (signature type 0x04). The message begins with a header of its own, so that a signature over a
//! note's text is never a cosignature, nor the other way round.

use std::fmt;
use std::str::FromStr;

use super::key::{check_id, decode_vkey, encode_vkey, key_id};
use super::{Note, NoteSignature, Signer, VerifierKey};
use crate::{Error, Result};

/// The signature type of timestamped Ed25519 cosignatures.
const COSIGNATURE: u8 = 0x04;

/// A witness's public key with its name: `name+8 hex digits+base64(0x04 || 32 bytes)` as text.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey {
    key: VerifierKey,
    id: u32,
}

impl CosignerKey {
    /// The key under which [`cosign`] signs for a signer with this key.
    pub fn of(key: &VerifierKey) -> Self {
        CosignerKey { key: key.clone(), id: key_id(key.name(), COSIGNATURE, key.public_key()) }
    }

    /// The name that stands in the signature lines.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The first four bytes, big-endian, of `SHA-256(name || 0x0A || 0x04 || public key)`.
    pub fn key_id(&self) -> u32 {
        self.id
    }

    /// The public key's bytes, as RFC 8032 encodes it.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.public_key()
    }

    /// When the witness cosigned `note`, in seconds since 1970; nothing where it did not.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] if *any* line in the name of this key does not verify.
    pub fn cosigned(&self, note: &Note) -> Result<Option<u64>> {
        let mut latest = None;
        for line in note.signatures().iter().filter(|line| self.is_of(line)) {
            latest = latest.max(Some(self.verify(note.text(), line)?));
        }
        Ok(latest)
    }

    /// Takes over from what a witness answered its lines that verify, and says when it cosigned. Lines of other
    /// keys are passed over.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] if no line is of this key, or one does not verify; [`Error::OverLimit`] where the
    /// note has no room for it. The note is unchanged then.
    pub fn add_to(&self, note: &mut Note, answer: &[NoteSignature]) -> Result<u64> {
        let mut best: Option<(u64, &NoteSignature)> = None;
        for line in answer.iter().filter(|line| self.is_of(line)) {
            let time_s = self.verify(note.text(), line)?;
            if best.is_none_or(|(other, _)| other < time_s) {
                best = Some((time_s, line));
            }
        }
        let Some((time_s, line)) = best else {
            let reason = format!("there is no cosignature by {}+{:08x}", self.name(), self.id);
            return Err(Error::NotAuthenticated { reason });
        };
        note.put(line.clone())?;
        Ok(time_s)
    }

    fn is_of(&self, line: &NoteSignature) -> bool {
        line.key_id() == self.id && line.name() == self.name()
    }

    /// The time of a line of this key.
    fn verify(&self, text: &str, line: &NoteSignature) -> Result<u64> {
        let parts = line.bytes().split_first_chunk::<8>();
        let parts = parts.and_then(|(time, rest)| Some((u64::from_be_bytes(*time), rest.try_into().ok()?)));
        if let Some((time_s, signature)) = parts
            && i64::try_from(time_s).is_ok()
            && self.key.verify(message(text, time_s).as_bytes(), signature)
        {
            return Ok(time_s);
        }
        let reason = format!("the cosignature of {}+{:08x} does not verify", self.name(), self.id);
        Err(Error::NotAuthenticated { reason })
    }
}

/// The cosignature of `signer` over a checkpoint's text, at `time_s` seconds since 1970. Whoever calls has made sure
/// that the checkpoint continues what was cosigned before: see [`WitnessRule`](super::WitnessRule).
///
/// # Errors
/// Whatever keeps the key from signing; [`Error::InvalidTrust`] for a time that no cosignature can have.
pub fn cosign(signer: &dyn Signer, text: &str, time_s: u64) -> Result<NoteSignature> {
    if i64::try_from(time_s).is_err() {
        let reason = format!("no cosignature can be of the second {time_s}");
        return Err(Error::InvalidTrust { what: "cosignature", reason });
    }
    let key = CosignerKey::of(signer.verifier());
    let signature = signer.sign(message(text, time_s).as_bytes())?;
    let bytes = [time_s.to_be_bytes().as_slice(), &signature].concat();
    Ok(NoteSignature::new(key.name(), key.id, bytes))
}

fn message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

impl FromStr for CosignerKey {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidTrust`] as for a [`VerifierKey`], of signature type 0x04.
    fn from_str(text: &str) -> Result<Self> {
        let (name, id, public) = decode_vkey(text, COSIGNATURE)?;
        let key = CosignerKey::of(&VerifierKey::new(name, public)?);
        check_id(id, key.id)?;
        Ok(key)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_vkey(self.name(), self.id, COSIGNATURE, self.public_key()))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({self})")
    }
}
