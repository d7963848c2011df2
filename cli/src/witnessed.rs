//! Who witnessed a store's latest checkpoint, and when, as far as it verifies under keys that the user knows.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use indelible::trust::{Checkpoint, CosignerKey, Note, Policy, PolicyWitness};
use serde::Serialize;

use crate::exit::{Failure, Outcome};
use crate::{cosign, input, keys, output, witnesses};

/// A cosignature that verifies.
#[derive(Debug, Serialize)]
pub(crate) struct Witnessed {
    /// What the user calls the witness, or its key's name.
    pub(crate) by: String,
    /// When it says that it cosigned.
    pub(crate) at: String,
    /// The same as Unix time.
    #[serde(skip)]
    pub(crate) time_s: u64,
    /// How many records the checkpoint covers.
    pub(crate) tree_size: u64,
}

/// The witnesses to look for: those whose keys are given, who then must have cosigned, or all that the user knows.
#[derive(Debug)]
pub(crate) struct Sought {
    keys: Vec<(String, CosignerKey)>,
    required: bool,
}

impl Sought {
    /// From the options, or the configuration folder where there is one.
    pub(crate) fn new(given: &[String]) -> Outcome<Self> {
        if given.is_empty() {
            // Verifying needs no configuration.
            let listed = if keys::config_dir().is_ok() { witnesses::list() } else { Ok(Vec::new()) };
            // None of them is asked for: whoever cannot read the list can verify all the same, and is told.
            let known = listed.unwrap_or_else(|failure| {
                output::warn(format_args!("who witnessed the log is not shown: {failure}"));
                Vec::new()
            });
            let keys = known.into_iter().map(|witness| (witness.shown().into_owned(), witness.key)).collect();
            return Ok(Sought { keys, required: false });
        }
        let named = |given: &String| input::cosigner_key(given).map(|key| (key.name().to_owned(), key));
        Ok(Sought { keys: given.iter().map(named).collect::<Outcome<_>>()?, required: true })
    }

    /// Those of a policy, of whom it says itself how many are enough.
    pub(crate) fn of_policy(policy: &Policy) -> Self {
        let named = |witness: &PolicyWitness| (witness.shown().into_owned(), witness.key.clone());
        Sought { keys: policy.witnesses().iter().map(named).collect(), required: false }
    }

    /// The keys, each with what its witness is called.
    pub(crate) fn keys(&self) -> &[(String, CosignerKey)] {
        &self.keys
    }

    /// Whether somebody is missing who must have cosigned, where so many did.
    pub(crate) fn is_missing(&self, count: usize) -> bool {
        self.required && count < self.keys.len()
    }

    /// Who cosigned the latest checkpoint of the store, which was found to hold up to `checkpoint_size`; and whether
    /// nobody is missing who must have.
    pub(crate) fn find(&self, store: &Path, checkpoint_size: Option<u64>) -> Outcome<(Vec<Witnessed>, bool)> {
        let held = latest(store)?.filter(|(size, _)| Some(*size) == checkpoint_size);
        let Some((tree_size, note)) = held else { return Ok((Vec::new(), !self.required)) };
        let mut found = Vec::new();
        let mut complete = true;
        for (name, key) in &self.keys {
            match key.cosigned(&note) {
                Ok(Some(time_s)) => {
                    let at = cosign::time(time_s).to_string();
                    found.push(Witnessed { by: name.clone(), at, time_s, tree_size });
                }
                Ok(None) => complete = false,
                Err(error) => {
                    output::warn(format_args!("witness {name}: {error}"));
                    complete = false;
                }
            }
        }
        Ok((found, complete || !self.required))
    }
}

/// The latest checkpoint and its size. What is no checkpoint is a finding of the verification already.
fn latest(store: &Path) -> Outcome<Option<(u64, Note)>> {
    let path = store.join("checkpoint");
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(Failure::io(format!("read {}", path.display())))?,
    };
    let Ok(note) = input::note(&path) else { return Ok(None) };
    Ok(Checkpoint::decode(note.text()).ok().map(|checkpoint| (checkpoint.size, note)))
}
