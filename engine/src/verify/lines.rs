//! The signature lines of checkpoints that a verification passes over, and what it says of them: those of keys that nobody
//! named, and those by ML-DSA-44, which not every build can check.

use std::collections::BTreeMap;

use serde::Serialize;

use super::notes::Kept;
use super::report::Report;
use super::signatures::{Second, Signatures};
use crate::trust::{CosignerKey, NoteSignature};

/// Most keys that are listed; notes may hold any number of lines that nobody made.
const LISTED_MAX: usize = 100;
/// Most of them that one sentence names.
const NAMED_MAX: usize = 5;

/// A key that is said to have signed checkpoints, and that is none of the log's, nor one that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownSigner {
    /// The name in its lines.
    pub name: String,
    /// The key id in them, 8 hex digits.
    pub key_id: String,
    /// How many checkpoints have such a line.
    pub checkpoint_count: u64,
    /// The size of the greatest of these.
    pub last_size: u64,
}

/// What is passed over, as far as the notes were looked at.
#[derive(Default)]
pub(super) struct Lines {
    unknown: BTreeMap<(String, u32), (u64, u64)>,
    /// How many checkpoints have no second signature, though a key for it was in force, and the size of the greatest.
    without_second: (u64, u64),
    not_checked: bool,
}

impl Lines {
    /// Takes a note into account.
    pub(super) fn look(
        &mut self,
        kept: &Kept,
        signatures: &Signatures,
        witnesses: &[CosignerKey],
        report: &mut Report,
    ) {
        let size = kept.checkpoint.size;
        match signatures.second(kept) {
            Some(Second::Good) => report.covered.ml_dsa_44_count += 1,
            Some(Second::Missing) => add(&mut self.without_second, size),
            Some(Second::NotChecked) => self.not_checked = true,
            None => {}
        }
        let is_known = |line: &&NoteSignature| {
            signatures.is_known(line) || witnesses.iter().any(|witness| witness.is_of(line))
        };
        let mut unknown: Vec<_> = kept.note.signatures().iter().filter(|line| !is_known(line)).collect();
        unknown.sort_by_key(|line| (line.name(), line.key_id()));
        unknown.dedup_by_key(|line| (line.name(), line.key_id()));
        for line in unknown {
            add(self.unknown.entry((line.name().to_owned(), line.key_id())).or_default(), size);
        }
    }

    /// Says it.
    pub(super) fn say(self, report: &mut Report) {
        if self.not_checked {
            report.not_covered.push(
                "signatures by ML-DSA-44, of which the log has a key: this build was made without the feature `ml-dsa`"
                    .to_owned(),
            );
        }
        if let (count @ 1.., size) = self.without_second {
            report.not_covered.push(format!(
                "a second signature, by ML-DSA-44: {count} of the checkpoints have none, though a key for it was in force; \
                 the greatest is of {size} records"
            ));
        }
        let count = self.unknown.len();
        let signers = self.unknown.into_iter().map(|((name, key_id), (checkpoint_count, last_size))| {
            UnknownSigner { name, key_id: format!("{key_id:08x}"), checkpoint_count, last_size }
        });
        report.unknown_signers = signers.take(LISTED_MAX).collect();
        if count == 0 {
            return;
        }
        let named = report.unknown_signers.iter().take(NAMED_MAX);
        let named: Vec<String> = named.map(|it| format!("{}+{}", it.name, it.key_id)).collect();
        let more = match count.saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        report.not_covered.push(format!(
            "signature lines of keys that are not known here: {}{more}; give a witness's key to have its line checked",
            named.join(", ")
        ));
    }
}

fn add((count, greatest): &mut (u64, u64), size: u64) {
    *count += 1;
    *greatest = (*greatest).max(size);
}
