//! A signer that is a command: how keys in an HSM or a KMS sign.
//!
//! The command gets the message on stdin and prints the signature. What it prints is believed only once it verifies.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indelible::trust::{Signer, VerifierKey};
use indelible::{Error, Result};

use crate::output;
use crate::shell::{self, Printed};

/// Most that is read of what a command prints, in bytes.
const PRINTED_LEN_MAX: u64 = 4 << 10;

/// Signs by running a command in a shell.
#[derive(Debug)]
pub(crate) struct CommandSigner {
    pub(crate) verifier: VerifierKey,
    pub(crate) command: String,
    /// How long it may take: a person may have to confirm.
    pub(crate) time_max: Duration,
}

impl CommandSigner {
    fn failed(&self, reason: String) -> Error {
        Error::InvalidTrust { what: "signer command", reason: format!("`{}` {reason}", self.command) }
    }
}

/// The bytes of a signature, as they are or in base64.
fn signature(printed: Vec<u8>, len: usize) -> Option<Vec<u8>> {
    if printed.len() == len {
        return Some(printed);
    }
    let letters: Vec<u8> = printed.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(letters).ok().filter(|bytes| bytes.len() == len)
}

impl Signer for CommandSigner {
    fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let (status, printed) =
            shell::run(&self.command, message, Printed::UpTo(PRINTED_LEN_MAX), self.time_max)
                .map_err(Error::io("run", PathBuf::from(&self.command)))?
                .ok_or_else(|| {
                    let took = output::span(i64::try_from(self.time_max.as_nanos()).unwrap_or(i64::MAX));
                    self.failed(format!(
                        "was stopped after {took}; nothing was signed (--signer-timeout gives it more)"
                    ))
                })?;
        if !status.success() {
            return Err(self.failed("failed; nothing was signed".to_owned()));
        }
        let algorithm = self.verifier.algorithm();
        let len = algorithm.signature_len();
        let signature = signature(printed, len).ok_or_else(|| {
            let name = algorithm.name();
            self.failed(format!(
                "printed no signature: the {len} bytes of {name} are expected, or their base64"
            ))
        })?;
        if self.verifier.verify(message, &signature) {
            return Ok(signature);
        }
        Err(self.failed(format!("signed with another key than {}, or something else", self.verifier)))
    }
}
