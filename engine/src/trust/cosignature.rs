//! Cosignatures, C2SP tlog-cosignature: what a witness says of a checkpoint, and when it said it; and how a log signs
//! its own with ML-DSA-44.
//!
//! Ed25519 (signature type 0x04) and ML-DSA-44 (0x06). Both messages begin with a header of their own, so that a signature
//! over a note's text is never a cosignature, nor the other way round. ML-DSA-44 says nothing of extension lines.

use std::fmt;
use std::str::FromStr;

use super::key::{check_id, decode_vkey, encode_vkey, invalid, key_id, other_type};
use super::{Algorithm, Checkpoint, Note, NoteSignature, Signer, VerifierKey};
use crate::{Error, Result};

/// The signature type of timestamped Ed25519 cosignatures.
const ED25519: u8 = 0x04;
/// The same of ML-DSA-44, of which there is no other: a log's own signature is one.
const ML_DSA_44: u8 = 0x06;

/// What stands before a message that ML-DSA-44 signs.
const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// A witness's public key with its name: `name+8 hex digits+base64(0x04 or 0x06 || public key)` as text.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey {
    key: VerifierKey,
    id: u32,
}

impl CosignerKey {
    /// The key under which [`cosign`] signs for a signer with this key.
    pub fn of(key: &VerifierKey) -> Self {
        CosignerKey { key: key.clone(), id: key_id(key.name(), kind(key), key.public_key()) }
    }

    /// By what it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The name that stands in the signature lines.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The first four bytes, big-endian, of `SHA-256(name || 0x0A || signature type || public key)`.
    pub fn key_id(&self) -> u32 {
        self.id
    }

    /// The public key's bytes, as RFC 8032 or FIPS 204 encodes it.
    pub fn public_key(&self) -> &[u8] {
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

    /// Whether a line is in the name of this key.
    pub fn is_of(&self, line: &NoteSignature) -> bool {
        line.key_id() == self.id && line.name() == self.name()
    }

    /// The time of a line of this key under a note of this text, in seconds since 1970, where it verifies.
    pub(super) fn time_of(&self, text: &str, line: &NoteSignature) -> Option<u64> {
        let (time, signature) = line.bytes().split_first_chunk::<8>()?;
        let time_s = u64::from_be_bytes(*time);
        let message = message(&self.key, text, time_s)?;
        self.key.verify(&message, signature).then_some(time_s)
    }

    fn verify(&self, text: &str, line: &NoteSignature) -> Result<u64> {
        self.time_of(text, line).ok_or_else(|| {
            let (name, id) = (self.name(), self.id);
            let reason = match self.algorithm().is_supported() {
                true => format!("the cosignature of {name}+{id:08x} does not verify"),
                false => format!("the cosignature of {name}+{id:08x} cannot be checked: {}", unsupported()),
            };
            Error::NotAuthenticated { reason }
        })
    }
}

/// Why a signature by ML-DSA-44 is not checked.
pub(super) fn unsupported() -> &'static str {
    "this build knows no ML-DSA-44, for it was made without the feature `ml-dsa`"
}

fn kind(key: &VerifierKey) -> u8 {
    match key.algorithm() {
        Algorithm::Ed25519 => ED25519,
        Algorithm::MlDsa44 => ML_DSA_44,
    }
}

/// The cosignature of `signer` over a checkpoint's text, at `time_s` seconds since 1970. Whoever calls has made sure
/// that the checkpoint continues what was cosigned before: see [`WitnessRule`](super::WitnessRule).
///
/// # Errors
/// Whatever keeps the key from signing; [`Error::InvalidTrust`] for a time that no cosignature can have, and for a text
/// that this key does not sign: ML-DSA-44 signs checkpoints alone.
pub fn cosign(signer: &dyn Signer, text: &str, time_s: u64) -> Result<NoteSignature> {
    let key = CosignerKey::of(signer.verifier());
    let message = message(&key.key, text, time_s).ok_or_else(|| {
        let reason = "it is no checkpoint that this key can sign, or its time is none".to_owned();
        Error::InvalidTrust { what: "cosignature", reason }
    })?;
    let bytes = [time_s.to_be_bytes().as_slice(), &signer.sign(&message)?].concat();
    Ok(NoteSignature::new(key.name(), key.id, bytes))
}

/// What a key signs of a checkpoint; nothing where the specification has no such message.
fn message(key: &VerifierKey, text: &str, time_s: u64) -> Option<Vec<u8>> {
    i64::try_from(time_s).ok()?;
    match key.algorithm() {
        Algorithm::Ed25519 => Some(format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()),
        Algorithm::MlDsa44 => {
            let Checkpoint { origin, size, root, .. } = Checkpoint::decode(text).ok()?;
            let mut message = SUBTREE_LABEL.to_vec();
            put_opaque(&mut message, key.name())?;
            message.extend(time_s.to_be_bytes());
            put_opaque(&mut message, &origin)?;
            message.extend(0_u64.to_be_bytes());
            message.extend(size.to_be_bytes());
            message.extend(root.0);
            Some(message)
        }
    }
}

/// An `opaque<1..255>` of TLS's presentation language.
fn put_opaque(message: &mut Vec<u8>, text: &str) -> Option<()> {
    message.push(u8::try_from(text.len()).ok().filter(|len| *len > 0)?);
    message.extend(text.as_bytes());
    Some(())
}

impl FromStr for CosignerKey {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidTrust`] as for a [`VerifierKey`], of signature type 0x04 or 0x06.
    fn from_str(text: &str) -> Result<Self> {
        let (name, id, kind, public) = decode_vkey(text)?;
        let algorithm = match kind {
            ED25519 => Algorithm::Ed25519,
            ML_DSA_44 => Algorithm::MlDsa44,
            other => return Err(invalid("verifier key", other_type(other, &[ED25519, ML_DSA_44]))),
        };
        let key = CosignerKey::of(&VerifierKey::of(name, algorithm, &public)?);
        check_id(id, key.id)?;
        Ok(key)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_vkey(self.name(), self.id, kind(&self.key), self.public_key()))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({self})")
    }
}
