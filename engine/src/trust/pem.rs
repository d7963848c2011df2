//! Keys as other programs write them: PEM around PKCS#8 and SubjectPublicKeyInfo, RFC 8410 for Ed25519, RFC 9881 for
//! ML-DSA-44, of which the private key is its seed.
//!
//! Of one key type and length both are a fixed prefix and the key, so there is no DER to parse: what OpenSSL writes is
//! just this. Other forms of the same key (with attributes, with the public half, expanded, encrypted) are refused with the
//! command that makes this one of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Algorithm, SigningKey, VerifierKey};
use crate::{Error, Result};

/// How the keys of an algorithm are wrapped: what stands before the seed, and before the public key.
struct Wrapping {
    algorithm: Algorithm,
    /// `PrivateKeyInfo { version 0, the algorithm, OCTET STRING { … } }`, up to the 32 bytes of the seed.
    private: &'static [u8],
    /// `SubjectPublicKeyInfo { the algorithm, BIT STRING … }`, up to the key.
    public: &'static [u8],
}

const WRAPPINGS: [Wrapping; 2] = [
    Wrapping {
        algorithm: Algorithm::Ed25519,
        private: &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20],
        public: &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0],
    },
    Wrapping {
        algorithm: Algorithm::MlDsa44,
        private: &[
            0x30, 0x34, 2, 1, 0, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 0x11, 4, 0x22, 0x80,
            0x20,
        ],
        public: &[
            0x30, 0x82, 5, 0x32, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 0x11, 3, 0x82, 5, 0x21,
            0,
        ],
    },
];

impl Wrapping {
    fn of(algorithm: Algorithm) -> &'static Wrapping {
        let [ed25519, ml_dsa_44] = &WRAPPINGS;
        match algorithm {
            Algorithm::Ed25519 => ed25519,
            Algorithm::MlDsa44 => ml_dsa_44,
        }
    }
}

impl SigningKey {
    /// The key as a PKCS#8 `PRIVATE KEY` in PEM, to be kept secret. The name is not in it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        use super::Signer as _;
        let prefix = Wrapping::of(self.verifier().algorithm()).private;
        let mut der = Zeroizing::new(Vec::with_capacity(prefix.len() + self.seed().len()));
        der.extend(prefix);
        der.extend(self.seed());
        wrap("PRIVATE KEY", &der)
    }

    /// Reads a PKCS#8 `PRIVATE KEY` in PEM, and names it.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] for anything but a key of Ed25519 in the form that OpenSSL writes, or of ML-DSA-44 as its
    /// seed alone, and for a name that can't stand in a note. No message holds any part of the secret.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self> {
        let der = unwrap("signing key", "PRIVATE KEY", pem)?;
        let found = WRAPPINGS.iter().find_map(|wrapping| {
            let seed = <&[u8; 32]>::try_from(der.strip_prefix(wrapping.private)?).ok()?;
            Some((wrapping.algorithm, seed))
        });
        let (algorithm, seed) = found.ok_or_else(|| {
            invalid(
                "signing key",
                "it is no plain key of Ed25519 or ML-DSA-44; `openssl pkey -in KEY -out NEW` writes one as such, without a \
                 passphrase, and with `-provparam ml-dsa.output_formats=seed-only` one of ML-DSA-44",
            )
        })?;
        SigningKey::of(algorithm, name, *seed)
    }
}

impl VerifierKey {
    /// The key as a `PUBLIC KEY` in PEM. The name is not in it.
    pub fn to_pem(&self) -> String {
        let prefix = Wrapping::of(self.algorithm()).public;
        wrap("PUBLIC KEY", &[prefix, self.public_key()].concat()).to_string()
    }

    /// Reads a `PUBLIC KEY` in PEM, and names it.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] for anything but a key of Ed25519 or ML-DSA-44, for a weak one, and for a name that can't
    /// stand in a note.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self> {
        let der = unwrap("verifier key", "PUBLIC KEY", pem)?;
        let found = WRAPPINGS.iter().find_map(|wrapping| {
            der.strip_prefix(wrapping.public).map(|public| (wrapping.algorithm, public))
        });
        let (algorithm, public) =
            found.ok_or_else(|| invalid("verifier key", "it is no key of Ed25519 or ML-DSA-44"))?;
        VerifierKey::of(name, algorithm, public)
    }
}

/// PEM, RFC 7468, in lines of 64 letters.
fn wrap(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut lines = vec!["-----BEGIN ", label, "-----\n"];
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        lines.extend([line, "\n"]);
        rest = more;
    }
    lines.extend(["-----END ", label, "-----\n"]);
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
        let weak = VerifierKey::from_pem(
            "acme.example/log",
            &wrap("PUBLIC KEY", &[WRAPPINGS[0].public, &[0; 32]].concat()),
        );
        assert!(weak.is_err(), "a key of small order");
        assert!(SigningKey::from_pem("a name with spaces", RFC_PRIVATE).is_err());
    }
}
