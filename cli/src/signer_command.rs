//! A signer that is a command: how keys in an HSM or a KMS sign.
//!
//! The command gets the message on stdin and prints the signature. What it prints is believed only once it verifies.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indelible::trust::{Signer, VerifierKey};
use indelible::{Error, Result};

/// Most that is read of what a command prints, in bytes.
const PRINTED_LEN_MAX: u64 = 4 << 10;

/// Signs by running a command in a shell.
#[derive(Debug)]
pub(crate) struct CommandSigner {
    pub(crate) verifier: VerifierKey,
    pub(crate) command: String,
}

impl CommandSigner {
    fn failed(&self, reason: String) -> Error {
        Error::InvalidTrust { what: "signer command", reason: format!("`{}` {reason}", self.command) }
    }

    /// Runs the command; what it printed.
    fn ask(&self, message: &[u8]) -> std::io::Result<(bool, Vec<u8>)> {
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read all of it has said so by how it ends.
            let _ = stdin.write_all(message);
        }
        let mut printed = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(PRINTED_LEN_MAX).read_to_end(&mut printed)?;
        }
        Ok((child.wait()?.success(), printed))
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
        let (is_success, printed) =
            self.ask(message).map_err(Error::io("run", PathBuf::from(&self.command)))?;
        if !is_success {
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
