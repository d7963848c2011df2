//! Ed25519 keys as other programs write them: PEM around PKCS#8 and SubjectPublicKeyInfo, RFC 8410.
//!
//! Of one key type and length both are a fixed prefix and 32 bytes, so there is no DER to parse: what OpenSSL writes is
//! just this. Other forms of the same key (with attributes, with the public half, encrypted) are refused with the command
//! that makes this one of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{SigningKey, VerifierKey};
use crate::{Error, Result};

/// `PrivateKeyInfo { version 0, id-Ed25519, OCTET STRING { OCTET STRING … } }`, up to the 32 bytes of the key.
const PRIVATE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// `SubjectPublicKeyInfo { id-Ed25519, BIT STRING … }`, up to the 32 bytes of the key.
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

impl SigningKey {
    /// The key as a PKCS#8 `PRIVATE KEY` in PEM, to be kept secret. The name is not in it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new([0; 48]);
        der[..16].copy_from_slice(&PRIVATE);
        der[16..].copy_from_slice(self.seed());
        wrap("PRIVATE KEY", &*der)
    }

    /// Reads a PKCS#8 `PRIVATE KEY` in PEM, and names it.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] for anything but an Ed25519 key in the form that OpenSSL writes, and for a name that can't
    /// stand in a note. No message holds any part of the secret.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self> {
        let der = unwrap("signing key", "PRIVATE KEY", pem)?;
        let seed = der.strip_prefix(&PRIVATE).and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let seed = seed.ok_or_else(|| {
            invalid(
                "signing key",
                "it is no plain Ed25519 key; `openssl pkey -in KEY -out NEW` writes one as such, without a passphrase",
            )
        })?;
        SigningKey::from_seed(name, seed)
    }
}

impl VerifierKey {
    /// The key as a `PUBLIC KEY` in PEM. The name is not in it.
    pub fn to_pem(&self) -> String {
        let mut der = [0; 44];
        der[..12].copy_from_slice(&PUBLIC);
        der[12..].copy_from_slice(self.public_key());
        wrap("PUBLIC KEY", &der).to_string()
    }

    /// Reads a `PUBLIC KEY` in PEM, and names it.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] for anything but an Ed25519 key, for a weak one, and for a name that can't stand in a note.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self> {
        let der = unwrap("verifier key", "PUBLIC KEY", pem)?;
        let public = der.strip_prefix(&PUBLIC).and_then(|public| <[u8; 32]>::try_from(public).ok());
        VerifierKey::new(name, public.ok_or_else(|| invalid("verifier key", "it is no Ed25519 key"))?)
    }
}

/// PEM, RFC 7468. All that is wrapped here fits one line of 64 letters.
fn wrap(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let lines = ["-----BEGIN ", label, "-----\n", &encoded, "\n-----END ", label, "-----\n"];
    // Room for all of it from the start: a string that grows leaves copies of itself behind.
    let mut pem = Zeroizing::new(String::with_capacity(lines.iter().map(|part| part.len()).sum()));
    lines.iter().for_each(|part| pem.push_str(part));
    pem
}

fn unwrap(what: &'static str, label: &str, pem: &str) -> Result<Zeroizing<Vec<u8>>> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let Some((_, rest)) = pem.split_once(&begin) else {
        let found = pem.lines().find(|line| line.starts_with("-----BEGIN ")).unwrap_or("no PEM at all");
        return Err(invalid(what, format!("it should begin with {begin}, and has {found}")));
    };
    let Some((encoded, _)) = rest.split_once(&end) else {
        return Err(invalid(what, format!("it has no {end}")));
    };
    let mut letters = Zeroizing::new(String::with_capacity(encoded.len()));
    letters.extend(encoded.chars().filter(|letter| !letter.is_ascii_whitespace()));
    let der = STANDARD.decode(letters.as_bytes()).map_err(|_| invalid(what, "it is not base64"))?;
    Ok(Zeroizing::new(der))
}

fn invalid(what: &'static str, reason: impl Into<String>) -> Error {
    Error::InvalidTrust { what, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Signer;

    /// The key of RFC 8410, sections 10.1 and 10.3.
    const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn the_keys_of_the_rfc_are_read_and_written() {
        let key = SigningKey::from_pem("acme.example/log", RFC_PRIVATE).unwrap();
        let public = VerifierKey::from_pem("acme.example/log", RFC_PUBLIC).unwrap();
        assert_eq!(key.verifier(), &public);
        assert_eq!(key.to_pem().as_str(), RFC_PRIVATE);
        assert_eq!(public.to_pem(), RFC_PUBLIC);
        // Text before and behind, and other line ends, are allowed.
        let loose = format!("a comment\r\n{}behind", RFC_PRIVATE.replace('\n', "\r\n"));
        assert_eq!(SigningKey::from_pem("acme.example/log", &loose).unwrap().to_pem().as_str(), RFC_PRIVATE);
    }

    #[test]
    fn other_keys_are_refused_and_nothing_of_them_is_told() {
        let secret = "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI";
        for (pem, says) in [
            ("", "no PEM at all"),
            (RFC_PUBLIC, "BEGIN PUBLIC KEY"),
            ("-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----", "EC PRIVATE KEY"),
            (&RFC_PRIVATE.replace("-----END", ""), "it has no"),
            (&RFC_PRIVATE.replace("MC4C", "MC4_"), "base64"),
            // With the public half, as section 10.3 has it second.
            (
                "-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                 oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrBZ9w7\n\
                 lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n",
                "openssl pkey",
            ),
        ] {
            let error = SigningKey::from_pem("acme.example/log", pem).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains(secret), "{error}");
        }
        let weak =
            VerifierKey::from_pem("acme.example/log", &wrap("PUBLIC KEY", &[&PUBLIC[..], &[0; 32]].concat()));
        assert!(weak.is_err(), "a key of small order");
        assert!(SigningKey::from_pem("a name with spaces", RFC_PRIVATE).is_err());
    }
}
