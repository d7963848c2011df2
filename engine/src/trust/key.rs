//! Keys of signed notes: the public ones that verify (C2SP vkeys), and those that sign.
//!
//! Only Ed25519 (signature type 0x01). A key is refused where it is read, so that whatever holds one holds a good
//! one: its id fits, its name can stand in a note, its point is canonically encoded and of large order.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Error, Result, limits};

/// The signature type of Ed25519 over a note's text.
const ED25519: u8 = 0x01;

const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// A public key with the name that it signs under: `name+8 hex digits+base64(0x01 || 32 bytes)` as text.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    /// The key `public` (RFC 8032) under `name`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the name is empty, too long, or has a space, a plus or a control character; or
    /// if the bytes are no point of the curve, not its one canonical encoding, or a point of small order (under
    /// which a signature can verify for many texts).
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self> {
        check_name(name).map_err(|reason| invalid("verifier key", reason))?;
        if name.len() > limits::KEY_NAME_LEN_MAX {
            return Err(invalid("verifier key", "its name is too long"));
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&public)
            .map_err(|_| invalid("verifier key", "its 32 bytes are not a point of the curve"))?;
        if key.to_edwards().compress().to_bytes() != public {
            return Err(invalid("verifier key", "its point is not encoded canonically"));
        }
        if key.is_weak() {
            return Err(invalid("verifier key", "its point is of small order: it is too weak to trust"));
        }
        Ok(VerifierKey { name: name.to_owned(), id: key_id(name, ED25519, &public), key })
    }

    /// The name that stands in the signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes, big-endian, of `SHA-256(name || 0x0A || 0x01 || public key)`.
    pub fn key_id(&self) -> u32 {
        self.id
    }

    /// Name and id, `name+8 hex digits`: enough for people to tell keys apart, and not to verify by.
    pub fn short(&self) -> String {
        format!("{}+{:08x}", self.name, self.id)
    }

    /// The public key's bytes, as RFC 8032 encodes it.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether this is the key's signature over `message`; strictly: no malleable `S`, no weak or non-canonical
    /// `R`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidTrust`] as [`VerifierKey::new`], and if the text is not in the one form that it can have,
    /// is of another signature type, or its id is not that of the name and the key.
    fn from_str(text: &str) -> Result<Self> {
        let (name, id, public) = decode_vkey(text, ED25519)?;
        let key = VerifierKey::new(name, public)?;
        check_id(id, key.id)?;
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_vkey(&self.name, self.id, ED25519, self.public_key()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// Whatever can sign: a key in memory, or one in an HSM or a KMS.
pub trait Signer {
    /// The public half of the key.
    fn verifier(&self) -> &VerifierKey;

    /// The Ed25519 signature over `message`.
    ///
    /// # Errors
    /// Whatever keeps the key from signing.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64]>;
}

/// A private key in memory, overwritten with zeros when dropped.
///
/// As text it is what Go's `sumdb/note` writes: `PRIVATE+KEY+name+8 hex digits+base64(0x01 || 32-byte seed)`.
pub struct SigningKey {
    verifier: VerifierKey,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key that comes from these 32 random bytes (the private key of RFC 8032), under `name`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the name can't stand in a note.
    pub fn from_seed(name: &str, mut seed: [u8; 32]) -> Result<Self> {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        seed.zeroize();
        let verifier = VerifierKey::new(name, key.verifying_key().to_bytes())?;
        Ok(SigningKey { verifier, key })
    }

    /// The 32 bytes that the key comes from.
    pub(super) fn seed(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key as text, to be kept secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([ED25519; 33]);
        bytes[1..].copy_from_slice(self.key.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        let public = format!("{}+{:08x}+", self.verifier.name, self.verifier.id);
        // Room for all of it from the start: a string that grows leaves copies of itself behind.
        let length = PRIVATE_PREFIX.len() + public.len() + encoded.len();
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(PRIVATE_PREFIX);
        text.push_str(&public);
        text.push_str(&encoded);
        text
    }
}

/// The secret stands in one part alone, and that part overwrites itself.
impl ZeroizeOnDrop for SigningKey {}

const _: fn(&SigningKey) = |key| {
    fn overwrites_itself(_: &impl ZeroizeOnDrop) {}
    overwrites_itself(&key.key);
};

impl FromStr for SigningKey {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidTrust`] if the text is not of that form, of another signature type, or its id is not that
    /// of the name and the key. No message holds any part of the secret.
    fn from_str(text: &str) -> Result<Self> {
        let fail = |reason: &str| invalid("signing key", reason);
        let (name, id, encoded) = text
            .strip_prefix(PRIVATE_PREFIX)
            .and_then(split_key)
            .ok_or_else(|| fail("it is not of the form PRIVATE+KEY+name+8 hex digits+base64"))?;
        let bytes =
            Zeroizing::new(STANDARD.decode(encoded).map_err(|_| fail("its last part is not base64"))?);
        let seed = match bytes.split_first() {
            Some((&ED25519, seed)) => seed,
            Some((kind, _)) => return Err(invalid("signing key", other_type(*kind, ED25519))),
            None => return Err(fail("it holds no key")),
        };
        let seed: &[u8; 32] = seed.try_into().map_err(|_| fail("an Ed25519 key has 32 bytes"))?;
        let key = SigningKey::from_seed(name, *seed)?;
        if key.verifier.id != id {
            return Err(fail("its id is not that of its name and key"));
        }
        Ok(key)
    }
}

impl Signer for SigningKey {
    fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        Ok(self.key.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {}, secret not shown)", self.verifier)
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

fn invalid(what: &'static str, reason: impl Into<String>) -> Error {
    Error::InvalidTrust { what, reason: reason.into() }
}

/// `name+8 hex digits+rest`, the digits in lower case as every tool writes them: a key has one text.
fn split_key(text: &str) -> Option<(&str, u32, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, encoded) = rest.split_once('+')?;
    let canonical = id.len() == 8 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = canonical.then(|| u32::from_str_radix(id, 16).ok())??;
    Some((name, id, encoded))
}

/// The name, the id as it is written, and the public key of a vkey of signature type `kind`.
pub(super) fn decode_vkey(text: &str, kind: u8) -> Result<(&str, u32, [u8; 32])> {
    let fail = |reason: &str| invalid("verifier key", reason);
    let (name, id, encoded) = split_key(text)
        .ok_or_else(|| fail("it is not of the form name+8 hex digits+base64, without line ends"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| fail("its last part is not base64"))?;
    let public = match bytes.split_first() {
        Some((found, public)) if *found == kind => public,
        Some((found, _)) => return Err(invalid("verifier key", other_type(*found, kind))),
        None => return Err(fail("it holds no key")),
    };
    let public = public.try_into().map_err(|_| fail("an Ed25519 key has 32 bytes"))?;
    Ok((name, id, public))
}

pub(super) fn encode_vkey(name: &str, id: u32, kind: u8, public: &[u8; 32]) -> String {
    let mut bytes = [kind; 33];
    bytes[1..].copy_from_slice(public);
    format!("{name}+{id:08x}+{}", STANDARD.encode(bytes))
}

/// That the id that a key's text has is the one of its name and key.
pub(super) fn check_id(written: u32, id: u32) -> Result<()> {
    if written != id {
        let reason = format!("its id is {written:08x}, and that of this name and key is {id:08x}");
        return Err(invalid("verifier key", reason));
    }
    Ok(())
}

pub(super) fn key_id(name: &str, kind: u8, public: &[u8; 32]) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', kind]);
    hasher.update(public);
    let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
    u32::from_be_bytes([a, b, c, d])
}

fn other_type(found: u8, wanted: u8) -> String {
    let name = |kind| match kind {
        0x01 => "Ed25519",
        0x02 => "ECDSA",
        0x04 => "Ed25519 witness cosignature",
        0x05 => "RFC 6962 tree head signature",
        0x06 => "ML-DSA-44 cosignature",
        _ => "unknown",
    };
    let (found_name, wanted_name) = (name(found), name(wanted));
    format!(
        "signature type 0x{found:02x} ({found_name}) is not supported here; \
         use a key of type 0x{wanted:02x} ({wanted_name})"
    )
}
