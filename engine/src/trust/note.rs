//! Signed notes, C2SP signed-note: a text and the lines of those who signed it.
//!
//! What is read here is written again byte for byte. Reading a note authenticates nothing: its text is to be
//! ignored until [`Note::verify`] has named a key that is trusted.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cosignature::{cosign, unsupported};
use super::key::check_name;
use super::{Algorithm, Signer, VerifierKey};
use crate::{Error, Result, limits};

/// What each signature line begins with: an em dash (U+2014) and a space.
const LINE_PREFIX: &str = "\u{2014} ";

/// A text and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line of a note, of whatever signature type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: u32,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// The name of the key that is said to have signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// Name and id of that key, as [`VerifierKey::short`] has them.
    pub fn signer(&self) -> String {
        format!("{}+{:08x}", self.name, self.key_id)
    }

    /// What the key made, at least one byte: of Ed25519 the 64 of its signature, of cosignatures a time in front.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn new(name: &str, key_id: u32, bytes: Vec<u8>) -> Self {
        NoteSignature { name: name.to_owned(), key_id, bytes }
    }

    /// Reads signature lines that come without their text, as witnesses send them; authenticates nothing.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] where there is no line, or one is not in the one form that it can have;
    /// [`Error::OverLimit`] as [`Note::decode`].
    pub fn decode_lines(bytes: &[u8]) -> Result<Vec<NoteSignature>> {
        check_length(bytes.len())?;
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
        let lines = text.strip_suffix('\n').ok_or_else(|| invalid("it has no whole signature line"))?;
        check_count(lines.split('\n').count())?;
        lines.split('\n').map(decode_line).collect()
    }
}

impl Note {
    /// Signs `text`.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the text can't be a note's (it must end in a newline and have no other control
    /// character); [`Error::OverLimit`]; and as [`Note::add_signature`].
    pub fn sign(text: &str, signer: &dyn Signer) -> Result<Note> {
        check_characters(text)?;
        if !text.ends_with('\n') {
            return Err(invalid("its text does not end in a newline"));
        }
        let mut note = Note { text: text.to_owned(), signatures: Vec::new() };
        note.add_signature(signer)?;
        Ok(note)
    }

    /// Adds a signer's line after the others; it takes the place of an earlier one by the same key.
    ///
    /// # Errors
    /// Whatever the signer reports; [`Error::NotAuthenticated`] if what it returns is not its signature;
    /// [`Error::OverLimit`] if the note would be longer than what is read. The note is unchanged then.
    pub fn add_signature(&mut self, signer: &dyn Signer) -> Result<()> {
        let key = signer.verifier();
        let line = match key.algorithm() {
            Algorithm::Ed25519 => {
                NoteSignature::new(key.name(), key.key_id(), signer.sign(self.text.as_bytes())?)
            }
            // The time 0: a log says that this tree is consistent with all that it signed, and not that it is its latest.
            Algorithm::MlDsa44 => cosign(signer, &self.text, 0)?,
        };
        if !key.made(&self.text, &line) {
            return Err(Error::NotAuthenticated {
                reason: format!("the signer of {} returned a signature that is not its own", key.name()),
            });
        }
        self.put(line)
    }

    /// Adds a line whose signature was verified; it takes the place of an earlier one by the same key.
    pub(super) fn put(&mut self, line: NoteSignature) -> Result<()> {
        let others = |other: &&NoteSignature| (other.key_id, &other.name) != (line.key_id, &line.name);
        let mut signatures: Vec<_> = self.signatures.iter().filter(others).cloned().collect();
        signatures.push(line);
        let note = Note { text: self.text.clone(), signatures };
        check_length(note.to_string().len())?;
        check_count(note.signatures.len())?;
        *self = note;
        Ok(())
    }

    /// Takes over the lines of another note over the same text, of keys that have none here; they are not verified.
    /// What there is no room for is left out.
    pub fn adopt(&mut self, other: &Note) {
        if self.text != other.text {
            return;
        }
        for line in &other.signatures {
            let has = |own: &NoteSignature| (own.key_id, &own.name) == (line.key_id, &line.name);
            if !self.signatures.iter().any(has) && self.put(line.clone()).is_err() {
                return;
            }
        }
    }

    /// Reads a note; authenticates nothing.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] if the bytes are not UTF-8, have a control character other than newline, or are not
    /// a text, an empty line and one or more signature lines, each in the one form that it can have;
    /// [`Error::OverLimit`] if they are more than [`limits::NOTE_LEN_MAX`], or the lines more than
    /// [`limits::NOTE_SIGNATURES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Note> {
        check_length(bytes.len())?;
        let whole = std::str::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
        check_characters(whole)?;
        // The last empty line divides: the text may have empty lines of its own.
        let divide = whole.rfind("\n\n").ok_or_else(|| invalid("no empty line before its signatures"))?;
        let (text, rest) = whole.split_at(divide + 1);
        let signatures = NoteSignature::decode_lines(&rest.as_bytes()[1..])?;
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// The text that was signed, with its final newline. To be ignored unless [`Note::verify`] named a key.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order, those of unknown keys and types too.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Which of `keys` signed this note, each once, in the order of the signature lines. Lines of other keys are
    /// passed over, also where they share a name or an id with one of these, and so are those that this build cannot check
    /// ([`Algorithm::is_supported`]).
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] if none of `keys` signed, or if *any* line in the name of one of them does not
    /// verify: nobody but a forger writes such a line. [`Error::InvalidTrust`] if two different keys share both
    /// name and id, so that a line does not tell whose it is.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>> {
        let mut verified: Vec<&VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let mut candidates = keys.iter().filter(|key| key.is_named_by(signature));
            let Some(key) = candidates.next() else { continue };
            if candidates.any(|other| other != key) {
                return Err(Error::InvalidTrust {
                    what: "verifier keys",
                    reason: format!(
                        "two of them have the name {} and the id {:08x}",
                        key.name(),
                        key.key_id()
                    ),
                });
            }
            // As though the key were not known: to this build it is not.
            if !key.algorithm().is_supported() {
                continue;
            }
            if !key.made(&self.text, signature) {
                return Err(Error::NotAuthenticated {
                    reason: format!("the signature of {} does not verify", key.short()),
                });
            }
            if !verified.contains(&key) {
                verified.push(key);
            }
        }
        if verified.is_empty() {
            let wanted: Vec<_> = keys.iter().map(VerifierKey::short).collect();
            let found: Vec<_> = self.signatures.iter().map(NoteSignature::signer).collect();
            let mut reason = format!(
                "the note bears no signature by [{}]; the lines that it has are in the name of [{}]",
                wanted.join(", "),
                found.join(", ")
            );
            if keys.iter().any(|key| !key.algorithm().is_supported()) {
                reason = format!("{reason}; {}", unsupported());
            }
            return Err(Error::NotAuthenticated { reason });
        }
        Ok(verified)
    }
}

impl FromStr for Note {
    type Err = Error;

    /// # Errors
    /// As [`Note::decode`].
    fn from_str(text: &str) -> Result<Self> {
        Note::decode(text.as_bytes())
    }
}

impl fmt::Display for Note {
    /// The note as it is kept and sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = [&self.key_id.to_be_bytes(), self.bytes.as_slice()].concat();
        write!(f, "{LINE_PREFIX}{} {}", self.name, STANDARD.encode(whole))
    }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidTrust { what: "signed note", reason: reason.into() }
}

fn check_characters(text: &str) -> Result<()> {
    match text.bytes().position(|byte| byte < b' ' && byte != b'\n') {
        Some(at) => Err(invalid(format!("there is a control character at byte {at}"))),
        None => Ok(()),
    }
}

fn check_length(length: usize) -> Result<()> {
    over("signed note length", length, limits::NOTE_LEN_MAX)
}

fn check_count(count: usize) -> Result<()> {
    over("signature count of a note", count, limits::NOTE_SIGNATURES_MAX)
}

fn over(what: &'static str, found: usize, limit: usize) -> Result<()> {
    if found > limit {
        return Err(Error::OverLimit { what, found: found as u64, limit: limit as u64 });
    }
    Ok(())
}

fn decode_line(line: &str) -> Result<NoteSignature> {
    let (name, encoded) = line
        .strip_prefix(LINE_PREFIX)
        .and_then(|rest| rest.split_once(' '))
        .ok_or_else(|| invalid("a signature line is not an em dash, a name and base64"))?;
    check_name(name).map_err(|reason| invalid(format!("a signature line's key: {reason}")))?;
    // This decoder takes canonical base64 alone, so that the line is written again as it was.
    let whole = STANDARD.decode(encoded).map_err(|_| invalid("a signature is not canonical base64"))?;
    match whole.split_first_chunk::<4>() {
        Some((id, bytes)) if !bytes.is_empty() => Ok(NoteSignature {
            name: name.to_owned(),
            key_id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        }),
        _ => Err(invalid("a signature is shorter than a key id and one byte")),
    }
}
