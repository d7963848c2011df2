//! ML-DSA-44, FIPS 204: signatures that a quantum computer does not forge.
//!
//! The one place that knows whether this build has it. The library behind the feature is not audited: what is signed by
//! it, Ed25519 signs too.

/// Length of a public key in bytes.
pub(super) const PUBLIC_LEN: usize = 1312;
/// Length of a signature in bytes.
pub(super) const SIGNATURE_LEN: usize = 2420;

/// A public key, as FIPS 204 encodes it.
pub(super) type PublicKey = [u8; PUBLIC_LEN];

#[cfg(feature = "ml-dsa")]
pub(super) use with::{IS_SUPPORTED, Secret, verify};
#[cfg(not(feature = "ml-dsa"))]
pub(super) use without::{IS_SUPPORTED, verify};

#[cfg(feature = "ml-dsa")]
mod with {
    use ml_dsa::signature::Keypair;
    use ml_dsa::{EncodedSignature, EncodedVerifyingKey, MlDsa44, Signature, SigningKey};
    use zeroize::{ZeroizeOnDrop, Zeroizing};

    use super::{PublicKey, SIGNATURE_LEN};

    pub(in crate::trust) const IS_SUPPORTED: bool = true;

    /// A private key, which overwrites itself with zeros when dropped.
    pub(in crate::trust) struct Secret(SigningKey<MlDsa44>);

    impl ZeroizeOnDrop for Secret {}

    const _: fn(&Secret) = |secret| {
        fn overwrites_itself(_: &impl ZeroizeOnDrop) {}
        overwrites_itself(&secret.0);
    };

    impl Secret {
        /// The key that comes from these 32 random bytes.
        pub(in crate::trust) fn from_seed(seed: &[u8; 32]) -> Self {
            let seed = Zeroizing::new(ml_dsa::Seed::from(*seed));
            Secret(SigningKey::from_seed(&seed))
        }

        pub(in crate::trust) fn seed(&self) -> &[u8; 32] {
            self.0.as_seed().as_ref()
        }

        pub(in crate::trust) fn public(&self) -> PublicKey {
            self.0.verifying_key().encode().into()
        }

        /// The signature over `message`, with an empty context; the deterministic one, so that a checkpoint has one line.
        pub(in crate::trust) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
            let signature = self.0.expanded_key().sign_deterministic(message, &[]).ok()?;
            Some(signature.encode().to_vec())
        }
    }

    /// Whether this is the key's signature over `message`, with an empty context.
    pub(in crate::trust) fn verify(public: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let Ok(bytes) = <&[u8; SIGNATURE_LEN]>::try_from(signature) else { return false };
        let Some(signature) = Signature::<MlDsa44>::decode(&EncodedSignature::<MlDsa44>::from(*bytes)) else {
            return false;
        };
        let key = ml_dsa::VerifyingKey::<MlDsa44>::decode(&EncodedVerifyingKey::<MlDsa44>::from(*public));
        key.verify_with_context(message, &[], &signature)
    }
}

#[cfg(not(feature = "ml-dsa"))]
mod without {
    use super::PublicKey;

    pub(in crate::trust) const IS_SUPPORTED: bool = false;

    /// Nothing is believed that cannot be checked.
    pub(in crate::trust) fn verify(_: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        false
    }
}
