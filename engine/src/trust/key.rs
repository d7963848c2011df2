//! Public keys of signed notes, C2SP vkeys: of Ed25519 (signature type 0x01), and of ML-DSA-44 (0x06) for checkpoints.
//!
//! A key is refused where it is read, so that whatever holds one holds a good one: its id fits, its name can stand in a
//! note, and a point of Ed25519 is canonically encoded and of large order. Those that sign are in `signing`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{CosignerKey, NoteSignature, ml_dsa};
use crate::{Error, Result, limits};

/// By what a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519, RFC 8032: any note.
    Ed25519,
    /// ML-DSA-44, FIPS 204, which withstands quantum computers: checkpoints alone, as cosignatures of C2SP.
    MlDsa44,
}

impl Algorithm {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::MlDsa44 => "ML-DSA-44",
        }
    }

    /// Whether this build can check its signatures: those of ML-DSA-44 with the feature `ml-dsa` alone.
    pub fn is_supported(self) -> bool {
        match self {
            Algorithm::Ed25519 => true,
            Algorithm::MlDsa44 => ml_dsa::IS_SUPPORTED,
        }
    }

    /// Length of a signature in bytes.
    pub fn signature_len(self) -> usize {
        match self {
            Algorithm::Ed25519 => 64,
            Algorithm::MlDsa44 => ml_dsa::SIGNATURE_LEN,
        }
    }

    /// The signature type of its keys, as they sign notes.
    pub(super) fn note_type(self) -> u8 {
        match self {
            Algorithm::Ed25519 => 0x01,
            Algorithm::MlDsa44 => 0x06,
        }
    }

    /// Length of a public key in bytes.
    fn public_len(self) -> usize {
        match self {
            Algorithm::Ed25519 => 32,
            Algorithm::MlDsa44 => ml_dsa::PUBLIC_LEN,
        }
    }
}

/// A public key with the name that it signs under: `name+8 hex digits+base64(signature type || public key)` as text.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: Public,
}

#[derive(Clone, PartialEq, Eq)]
enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    /// As FIPS 204 encodes it: any bytes of this length are a key. Read where a signature is checked.
    MlDsa44(Arc<ml_dsa::PublicKey>),
}

impl VerifierKey {
    /// The Ed25519 key `public` (RFC 8032) under `name`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the name is empty, too long, or has a space, a plus or a control character; or
    /// if the bytes are no point of the curve, not its one canonical encoding, or a point of small order (under
    /// which a signature can verify for many texts).
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self> {
        check_length(name)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&public)
            .map_err(|_| invalid("verifier key", "its 32 bytes are not a point of the curve"))?;
        if key.to_edwards().compress().to_bytes() != public {
            return Err(invalid("verifier key", "its point is not encoded canonically"));
        }
        if key.is_weak() {
            return Err(invalid("verifier key", "its point is of small order: it is too weak to trust"));
        }
        let id = key_id(name, Algorithm::Ed25519.note_type(), &public);
        Ok(VerifierKey { name: name.to_owned(), id, key: Public::Ed25519(key) })
    }

    /// The ML-DSA-44 key `public` (FIPS 204) under `name`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] for a name that can't stand in a note.
    pub fn ml_dsa_44(name: &str, public: [u8; ml_dsa::PUBLIC_LEN]) -> Result<Self> {
        check_length(name)?;
        let id = key_id(name, Algorithm::MlDsa44.note_type(), &public);
        Ok(VerifierKey { name: name.to_owned(), id, key: Public::MlDsa44(Arc::new(public)) })
    }

    /// The key of whichever algorithm has public keys of this length.
    pub(super) fn of(name: &str, algorithm: Algorithm, public: &[u8]) -> Result<Self> {
        let length = |_| {
            let (name, length) = (algorithm.name(), algorithm.public_len());
            invalid("verifier key", format!("a key of {name} has {length} bytes"))
        };
        match algorithm {
            Algorithm::Ed25519 => VerifierKey::new(name, public.try_into().map_err(length)?),
            Algorithm::MlDsa44 => VerifierKey::ml_dsa_44(name, public.try_into().map_err(length)?),
        }
    }

    /// By what it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Public::Ed25519(_) => Algorithm::Ed25519,
            Public::MlDsa44(_) => Algorithm::MlDsa44,
        }
    }

    /// The name that stands in the signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes, big-endian, of `SHA-256(name || 0x0A || signature type || public key)`.
    pub fn key_id(&self) -> u32 {
        self.id
    }

    /// Name and id, `name+8 hex digits`: enough for people to tell keys apart, and not to verify by.
    pub fn short(&self) -> String {
        format!("{}+{:08x}", self.name, self.id)
    }

    /// The public key's bytes, as RFC 8032 or FIPS 204 encodes it.
    pub fn public_key(&self) -> &[u8] {
        match &self.key {
            Public::Ed25519(key) => key.as_bytes(),
            Public::MlDsa44(key) => key.as_slice(),
        }
    }

    /// Whether this is the key's signature over `message`. Of Ed25519 strictly: no malleable `S`, no weak or non-canonical
    /// `R`. Never where this build cannot check it: see [`Algorithm::is_supported`].
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Public::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Public::MlDsa44(key) => ml_dsa::verify(key, message, signature),
        }
    }

    /// Whether a line is in the name of this key.
    pub(super) fn is_named_by(&self, line: &NoteSignature) -> bool {
        line.key_id() == self.id && line.name() == self.name
    }

    /// Whether this key made a line under a note of this text.
    pub(super) fn made(&self, text: &str, line: &NoteSignature) -> bool {
        self.is_named_by(line)
            && match self.algorithm() {
                Algorithm::Ed25519 => self.verify(text.as_bytes(), line.bytes()),
                Algorithm::MlDsa44 => CosignerKey::of(self).time_of(text, line).is_some(),
            }
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidTrust`] as [`VerifierKey::new`], and if the text is not in the one form that it can have,
    /// is of another signature type, or its id is not that of the name and the key.
    fn from_str(text: &str) -> Result<Self> {
        let (name, id, kind, public) = decode_vkey(text)?;
        let known = [Algorithm::Ed25519, Algorithm::MlDsa44].into_iter().find(|it| it.note_type() == kind);
        let algorithm = known.ok_or_else(|| invalid("verifier key", other_type(kind, &[0x01, 0x06])))?;
        let key = VerifierKey::of(name, algorithm, &public)?;
        check_id(id, key.id)?;
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_vkey(&self.name, self.id, self.algorithm().note_type(), self.public_key()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// Why `name` can't be a key's name, if it can't.
pub(super) fn check_name(name: &str) -> std::result::Result<(), &'static str> {
    if name.is_empty() {
        return Err("its name is empty");
    }
    if name.chars().any(|c| c.is_whitespace() || c == '+' || c < ' ') {
        return Err("its name has a space, a plus sign or a control character");
    }
    Ok(())
}

/// That a name can stand in a note, and in the message of a cosignature.
fn check_length(name: &str) -> Result<()> {
    check_name(name).map_err(|reason| invalid("verifier key", reason))?;
    if name.len() > limits::KEY_NAME_LEN_MAX {
        return Err(invalid("verifier key", "its name is too long"));
    }
    Ok(())
}

pub(super) fn invalid(what: &'static str, reason: impl Into<String>) -> Error {
    Error::InvalidTrust { what, reason: reason.into() }
}

/// `name+8 hex digits+rest`, the digits in lower case as every tool writes them: a key has one text.
pub(super) fn split_key(text: &str) -> Option<(&str, u32, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, encoded) = rest.split_once('+')?;
    let canonical = id.len() == 8 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = canonical.then(|| u32::from_str_radix(id, 16).ok())??;
    Some((name, id, encoded))
}

/// The name, the id as it is written, the signature type and the public key of a vkey.
pub(super) fn decode_vkey(text: &str) -> Result<(&str, u32, u8, Vec<u8>)> {
    let fail = |reason: &str| invalid("verifier key", reason);
    let (name, id, encoded) = split_key(text)
        .ok_or_else(|| fail("it is not of the form name+8 hex digits+base64, without line ends"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| fail("its last part is not base64"))?;
    let (kind, public) = bytes.split_first().ok_or_else(|| fail("it holds no key"))?;
    Ok((name, id, *kind, public.to_vec()))
}

pub(super) fn encode_vkey(name: &str, id: u32, kind: u8, public: &[u8]) -> String {
    format!("{name}+{id:08x}+{}", STANDARD.encode([&[kind], public].concat()))
}

/// That the id that a key's text has is the one of its name and key.
pub(super) fn check_id(written: u32, id: u32) -> Result<()> {
    if written != id {
        let reason = format!("its id is {written:08x}, and that of this name and key is {id:08x}");
        return Err(invalid("verifier key", reason));
    }
    Ok(())
}

pub(super) fn key_id(name: &str, kind: u8, public: &[u8]) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', kind]);
    hasher.update(public);
    let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
    u32::from_be_bytes([a, b, c, d])
}

/// What is wrong with a key of another signature type than those that are `wanted`.
pub(super) fn other_type(found: u8, wanted: &[u8]) -> String {
    let name = |kind| match kind {
        0x01 => "Ed25519",
        0x02 => "ECDSA",
        0x04 => "Ed25519 witness cosignature",
        0x05 => "RFC 6962 tree head signature",
        0x06 => "ML-DSA-44 cosignature",
        _ => "unknown",
    };
    let wanted: Vec<String> = wanted.iter().map(|kind| format!("0x{kind:02x} ({})", name(*kind))).collect();
    format!(
        "signature type 0x{found:02x} ({}) is not supported here; use a key of type {}",
        name(found),
        wanted.join(" or ")
    )
}
