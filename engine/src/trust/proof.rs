//! Proofs as files: C2SP tlog-proof for one entry, and the text by which C2SP tlog-witness carries a consistency proof.
//!
//! Both end with a checkpoint, verbatim. Reading one authenticates nothing: its `verify` does, against a key that the
//! caller trusts.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Checkpoint, Note, VerifierKey};
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle;
use crate::{Error, Result, limits};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";

/// That an entry is in a log, C2SP tlog-proof: its index, an inclusion proof, and the checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Data that comes along and is not authenticated. Ours is the entry itself, so that the file says what it proves.
    pub extra: Option<Vec<u8>>,
    /// The entry's place in the log, from 0: our seq.
    pub index: u64,
    /// The inclusion proof, leaf to root: RFC 6962, section 2.1.1.
    pub hashes: Vec<Hash>,
    /// The checkpoint, as it was signed.
    pub checkpoint: Note,
}

/// That a log only grew: a size, a consistency proof, and the later checkpoint. The text is the body of a C2SP
/// tlog-witness `add-checkpoint` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionProof {
    /// How many entries the log had.
    pub old_size: u64,
    /// The consistency proof: RFC 6962, section 2.1.2.
    pub hashes: Vec<Hash>,
    /// The later checkpoint, as it was signed.
    pub checkpoint: Note,
}

impl LogProof {
    /// Reads a proof; authenticates nothing. What it accepts, [`fmt::Display`] writes the same.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] where a line is not in the one form that it can have; [`Error::OverLimit`].
    pub fn decode(bytes: &[u8]) -> Result<LogProof> {
        let text = text_of(bytes, "tlog proof")?;
        let invalid = |reason: &str| invalid("tlog proof", reason);
        let rest = text
            .strip_prefix(FIRST_LINE)
            .ok_or_else(|| invalid("its first line is not c2sp.org/tlog-proof@v1"))?;
        let (extra, rest) = match rest.strip_prefix("extra ") {
            None => (None, rest),
            Some(rest) => {
                let (line, rest) =
                    rest.split_once('\n').ok_or_else(|| invalid("its extra line has no end"))?;
                let data =
                    STANDARD.decode(line).map_err(|_| invalid("its extra line is not canonical base64"))?;
                (Some(data), rest)
            }
        };
        let (index, hashes, checkpoint) = decode_rest(rest, "index ", "tlog proof")?;
        Ok(LogProof { extra, index, hashes, checkpoint })
    }

    /// The checkpoint that `entry` is proven to be under, at [`LogProof::index`].
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] where `key` did not sign the checkpoint; [`Error::Forged`] where the proof does not
    /// lead from the entry to its root; [`Error::InvalidTrust`] where the note is no checkpoint.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let leaf = LogTree::leaf(entry);
        let (size, root) = (checkpoint.size, checkpoint.root);
        if merkle::verify_inclusion::<LogTree>(&leaf, self.index, size, &self.hashes, &root) {
            return Ok(checkpoint);
        }
        Err(Error::Forged {
            what: "inclusion proof",
            reason: format!(
                "it does not lead from this entry, at {}, to the root at size {size}",
                self.index
            ),
        })
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIRST_LINE)?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        write_rest(f, "index ", self.index, &self.hashes, &self.checkpoint)
    }
}

impl ExtensionProof {
    /// Reads a proof; authenticates nothing. What it accepts, [`fmt::Display`] writes the same.
    ///
    /// # Errors
    /// As [`LogProof::decode`].
    pub fn decode(bytes: &[u8]) -> Result<ExtensionProof> {
        let text = text_of(bytes, "consistency proof")?;
        let (old_size, hashes, checkpoint) = decode_rest(text, "old ", "consistency proof")?;
        Ok(ExtensionProof { old_size, hashes, checkpoint })
    }

    /// The proof without its checkpoint: what stands before the empty line.
    pub(crate) fn head(&self) -> String {
        let text = self.to_string();
        text.split_once("\n\n").map_or_else(String::new, |(head, _)| format!("{head}\n"))
    }

    /// The later checkpoint, which is proven to continue `old`.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] where `key` did not sign the later checkpoint; [`Error::Forged`] where this is a
    /// proof from another size or of another log, or does not lead from the one root to the other;
    /// [`Error::InvalidTrust`] where the note is no checkpoint.
    pub fn verify(&self, old: &Checkpoint, key: &VerifierKey) -> Result<Checkpoint> {
        let new = Checkpoint::open(&self.checkpoint, key)?;
        let refuse = |reason: String| Err(Error::Forged { what: "consistency proof", reason });
        if old.origin != new.origin {
            return refuse(format!("the checkpoints are of two logs, {} and {}", old.origin, new.origin));
        }
        if old.size != self.old_size {
            return refuse(format!("the proof is from size {}, not from {}", self.old_size, old.size));
        }
        if !merkle::verify_consistency::<LogTree>(old.size, new.size, &old.root, &new.root, &self.hashes) {
            return refuse(format!(
                "the log of {} entries is not shown to continue that of {}",
                new.size, old.size
            ));
        }
        Ok(new)
    }
}

impl fmt::Display for ExtensionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_rest(f, "old ", self.old_size, &self.hashes, &self.checkpoint)
    }
}

/// The bytes as text, if they are short enough to be a proof.
fn text_of<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str> {
    if bytes.len() > limits::PROOF_LEN_MAX {
        let (found, limit) = (bytes.len() as u64, limits::PROOF_LEN_MAX as u64);
        return Err(Error::OverLimit { what, found, limit });
    }
    std::str::from_utf8(bytes).map_err(|_| invalid(what, "it is not UTF-8"))
}

/// A numbered line, hashes, an empty line, a checkpoint.
fn decode_rest(text: &str, word: &str, what: &'static str) -> Result<(u64, Vec<Hash>, Note)> {
    let invalid = |reason: &str| invalid(what, reason);
    let (head, checkpoint) =
        text.split_once("\n\n").ok_or_else(|| invalid("no empty line stands before its checkpoint"))?;
    let mut lines = head.split('\n');
    let number = lines.next().and_then(|line| line.strip_prefix(word));
    let number = number.ok_or_else(|| invalid(&format!("a line that begins with \"{word}\" is missing")))?;
    let value: u64 = number.parse().map_err(|_| invalid("a number is none"))?;
    if value.to_string() != number {
        return Err(invalid("a number is not in plain form"));
    }
    let hash = |line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).map(Hash);
    let hashes: Option<Vec<Hash>> = lines.map(hash).collect();
    let hashes = hashes.ok_or_else(|| invalid("a line of the proof is not the base64 of 32 bytes"))?;
    if hashes.len() > limits::PROOF_HASHES_MAX {
        return Err(invalid("it has more hashes than any proof"));
    }
    Ok((value, hashes, Note::decode(checkpoint.as_bytes())?))
}

fn write_rest(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    number: u64,
    hashes: &[Hash],
    checkpoint: &Note,
) -> fmt::Result {
    writeln!(f, "{word}{number}")?;
    for hash in hashes {
        writeln!(f, "{}", STANDARD.encode(hash.0))?;
    }
    write!(f, "\n{checkpoint}")
}

fn invalid(what: &'static str, reason: &str) -> Error {
    Error::InvalidTrust { what, reason: reason.to_owned() }
}
