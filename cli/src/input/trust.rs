//! Keys and notes that a user names.

use std::path::Path;

use indelible::limits;
use indelible::trust::{CosignerKey, Note, Policy, VerifierKey};

use super::read_all;
use crate::exit::{Failure, Outcome};

/// The verifier key that a user gives: as it is, or the name of a file that holds one.
pub(crate) fn verifier_key(given: &str) -> Outcome<VerifierKey> {
    Ok(key_text(given)?.parse::<VerifierKey>()?)
}

/// The same for the key of a witness, which is of a type of its own.
pub(crate) fn cosigner_key(given: &str) -> Outcome<CosignerKey> {
    Ok(key_text(given)?.parse::<CosignerKey>()?)
}

fn key_text(given: &str) -> Outcome<String> {
    // A vkey has two plus signs; a file's name can have them too, and then the file is meant.
    if !Path::new(given).exists() && given.matches('+').count() >= 2 {
        return Ok(given.to_owned());
    }
    let text = String::from_utf8_lossy(&read_all(Path::new(given), 4096)?).into_owned();
    Ok(text.trim().to_owned())
}

/// The trust policy in a file.
pub(crate) fn policy(path: &Path) -> Outcome<Policy> {
    let bytes = read_all(path, limits::TRUST_POLICY_LEN_MAX as u64)?;
    Policy::decode(&bytes).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// The signed note in a file.
pub(crate) fn note(path: &Path) -> Outcome<Note> {
    let bytes = read_all(path, limits::NOTE_LEN_MAX as u64)?;
    Note::decode(&bytes).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
