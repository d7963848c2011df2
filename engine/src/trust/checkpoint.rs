//! Checkpoints, C2SP tlog-checkpoint: a tree's size and root as the text of a signed note.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Note, Signer, VerifierKey};
use crate::hash::Hash;
use crate::{Error, Origin, Result};

/// A statement of what a log's tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity. One line, not empty; for a foreign log it need not be an [`Origin`].
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// The tree's root, RFC 6962.
    pub root: Hash,
    /// Further lines, opaque, none empty. Discouraged by the specification; kept where they are found.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// The checkpoint of a log's tree, without extensions.
    pub fn new(origin: &Origin, size: u64, root: Hash) -> Self {
        Checkpoint { origin: origin.as_str().to_owned(), size, root, extensions: Vec::new() }
    }

    /// The note text of this checkpoint, with its final newline.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the origin or an extension is empty or has a control character.
    pub fn encode(&self) -> Result<String> {
        let Checkpoint { origin, size, root, extensions } = self;
        let mut text = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root.0));
        for line in extensions {
            text.push_str(line);
            text.push('\n');
        }
        for line in extensions.iter().chain([origin]) {
            check_line(line)?;
        }
        Ok(text)
    }

    /// Reads the text of a note; what it accepts, [`Checkpoint::encode`] writes the same.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if there are not at least three non-empty lines, each ended by a newline, or the size
    /// or the root is not in the one form that it can have.
    pub fn decode(text: &str) -> Result<Self> {
        let body = text.strip_suffix('\n').ok_or_else(|| invalid("it does not end in a newline"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(invalid("it has fewer than three lines"));
        };
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        check_line(origin)?;
        extensions.iter().try_for_each(|line| check_line(line))?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size: decode_size(size).ok_or_else(|| invalid("its size is not a number in plain form"))?,
            root: Hash(root.ok_or_else(|| invalid("its root is not the base64 of 32 bytes"))?),
            extensions,
        })
    }

    /// Signs this checkpoint. Whoever calls has asked [`SignerMemory::may_sign`](super::SignerMemory::may_sign).
    ///
    /// # Errors
    /// As [`Checkpoint::encode`] and [`Note::sign`].
    pub fn sign(&self, signer: &dyn Signer) -> Result<Note> {
        Note::sign(&self.encode()?, signer)
    }

    /// The checkpoint that `note` is, if `key` signed it. Whether it speaks of the right log is for the caller to
    /// check: see [`Checkpoint::origin`].
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] if `key` did not sign it; [`Error::InvalidTrust`] if the text is no checkpoint.
    pub fn open(note: &Note, key: &VerifierKey) -> Result<Self> {
        note.verify(std::slice::from_ref(key))?;
        Checkpoint::decode(note.text())
    }
}

fn invalid(reason: &str) -> Error {
    Error::InvalidTrust { what: "checkpoint", reason: reason.to_owned() }
}

fn check_line(line: &str) -> Result<()> {
    if line.is_empty() {
        return Err(invalid("one of its lines is empty"));
    }
    if line.bytes().any(|byte| byte < b' ') {
        return Err(invalid("one of its lines has a control character"));
    }
    Ok(())
}

/// A decimal number without sign and without leading zeros.
fn decode_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}
