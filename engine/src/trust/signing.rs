//! Private keys: those in memory, and whatever else can sign. Where a key is kept is for whoever holds it to know.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::VerifierKey;
use super::key::{Algorithm, invalid, other_type, split_key};
#[cfg(feature = "ml-dsa")]
use super::ml_dsa;
use crate::{Error, Result};

const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// Whatever can sign: a key in memory, or one in an HSM or a KMS.
pub trait Signer {
    /// The public half of the key.
    fn verifier(&self) -> &VerifierKey;

    /// The signature over `message`, as RFC 8032 or FIPS 204 (with an empty context) encodes it.
    ///
    /// # Errors
    /// Whatever keeps the key from signing.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

/// A private key in memory, overwritten with zeros when dropped.
///
/// As text it is what Go's `sumdb/note` writes: `PRIVATE+KEY+name+8 hex digits+base64(signature type || 32-byte seed)`.
pub struct SigningKey {
    verifier: VerifierKey,
    key: Secret,
}

enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<ml_dsa::Secret>),
}

impl SigningKey {
    /// The Ed25519 key that comes from these 32 random bytes (the private key of RFC 8032), under `name`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the name can't stand in a note.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self> {
        SigningKey::of(Algorithm::Ed25519, name, seed)
    }

    /// The key of this algorithm that comes from these 32 random bytes, under `name`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the name can't stand in a note, or this build has not the algorithm.
    pub fn of(algorithm: Algorithm, name: &str, mut seed: [u8; 32]) -> Result<Self> {
        let key = match algorithm {
            Algorithm::Ed25519 => {
                let key = Box::new(ed25519_dalek::SigningKey::from_bytes(&seed));
                let verifier = VerifierKey::new(name, key.verifying_key().to_bytes());
                verifier.map(|verifier| SigningKey { verifier, key: Secret::Ed25519(key) })
            }
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa44 => {
                let key = Box::new(ml_dsa::Secret::from_seed(&seed));
                let verifier = VerifierKey::ml_dsa_44(name, key.public());
                verifier.map(|verifier| SigningKey { verifier, key: Secret::MlDsa44(key) })
            }
            #[cfg(not(feature = "ml-dsa"))]
            Algorithm::MlDsa44 => Err(invalid(
                "signing key",
                "this build cannot sign with ML-DSA-44: it was made without the feature `ml-dsa`",
            )),
        };
        seed.zeroize();
        key
    }

    /// The 32 bytes that the key comes from.
    pub(super) fn seed(&self) -> &[u8; 32] {
        match &self.key {
            Secret::Ed25519(key) => key.as_bytes(),
            #[cfg(feature = "ml-dsa")]
            Secret::MlDsa44(key) => key.seed(),
        }
    }

    /// The key as text, to be kept secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([self.verifier.algorithm().note_type(); 33]);
        bytes[1..].copy_from_slice(self.seed());
        let encoded = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        let public = format!("{}+", self.verifier.short());
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

const _: fn(&Secret) = |key| {
    fn overwrites_itself(_: &impl ZeroizeOnDrop) {}
    match key {
        Secret::Ed25519(key) => overwrites_itself(&**key),
        #[cfg(feature = "ml-dsa")]
        Secret::MlDsa44(key) => overwrites_itself(&**key),
    }
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
        let (kind, seed) = bytes.split_first().ok_or_else(|| fail("it holds no key"))?;
        let algorithm = match kind {
            0x01 => Algorithm::Ed25519,
            0x06 => Algorithm::MlDsa44,
            other => return Err(invalid("signing key", other_type(*other, &[0x01, 0x06]))),
        };
        let seed: &[u8; 32] = seed.try_into().map_err(|_| fail("a private key has 32 bytes"))?;
        let key = SigningKey::of(algorithm, name, *seed)?;
        if key.verifier.key_id() != id {
            return Err(fail("its id is not that of its name and key"));
        }
        Ok(key)
    }
}

impl Signer for SigningKey {
    fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        match &self.key {
            Secret::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            #[cfg(feature = "ml-dsa")]
            Secret::MlDsa44(key) => {
                key.sign(message).ok_or_else(|| invalid("signing key", "ML-DSA-44 found no signature"))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {}, secret not shown)", self.verifier)
    }
}
