//! The members of a bundle that are its evidence.

use std::path::Path;

use super::Scope;
use crate::format::bytes::array;
use crate::hash::Hash;
use crate::trust::{ExtensionProof, Note};
use crate::{Fault, Result};

/// The member that is the checkpoint, a signed note.
const CHECKPOINT: &str = "checkpoint";
/// The member that is the proof that the log goes on from an earlier checkpoint; empty where there is none.
const EXTENDS: &str = "extends";
/// The member that is the scope.
pub(super) const SCOPE: &str = "scope.json";
/// The member that is the records.
pub(super) const RECORDS: &str = "records.bin";
/// The member that is what is shown of the index.
pub(super) const INDEX: &str = "index.bin";
/// The member that is the proof for all records.
const PROOF: &str = "proof.bin";

/// The names of the members that are evidence, in their order.
pub const EVIDENCE_MEMBERS: [&str; 6] = [CHECKPOINT, EXTENDS, SCOPE, RECORDS, INDEX, PROOF];

/// All that it takes to know the candidates of a question without the store. Reading it proves nothing;
/// [`Evidence::check`](Evidence::check) does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The signed statement that everything else is proven against.
    pub checkpoint: Note,
    /// That the log under this checkpoint goes on from an earlier one, for whoever kept that.
    pub extends: Option<ExtensionProof>,
    /// What the bundle is about.
    pub scope: Scope,
    pub(crate) records: Vec<u8>,
    pub(crate) index: Vec<u8>,
    pub(crate) proof: Vec<Hash>,
}

impl Evidence {
    /// The members, in the order of [`EVIDENCE_MEMBERS`].
    pub fn members(&self) -> [Vec<u8>; 6] {
        let proof = self.proof.iter().flat_map(|hash| hash.0).collect();
        let checkpoint = self.checkpoint.to_string().into_bytes();
        let extends = self.extends.as_ref().map(ExtensionProof::head).unwrap_or_default().into_bytes();
        [checkpoint, extends, self.scope.encode(), self.records.clone(), self.index.clone(), proof]
    }

    /// Reads the members, in the order of [`EVIDENCE_MEMBERS`]; of records and index, checking reads them.
    ///
    /// # Errors
    /// As [`Note::decode`], [`ExtensionProof::decode`] and [`Scope::decode`]; damaged where the proof is no row of hashes.
    pub fn from_members(members: [&[u8]; 6]) -> Result<Evidence> {
        let [checkpoint, extends, scope, records, index, proof] = members;
        if proof.len() % 32 != 0 {
            let fault = Fault::damaged(0, "proof length", "a multiple of 32", proof.len());
            return Err(fault.in_file(Path::new(PROOF)));
        }
        let extends = match extends {
            [] => None,
            head => {
                let proof = ExtensionProof::decode(&[head, b"\n", checkpoint].concat())?;
                if proof.head().as_bytes() != head {
                    let fault = Fault::damaged(0, "extension", "a proof without its checkpoint", "more");
                    return Err(fault.in_file(Path::new(EXTENDS)));
                }
                Some(proof)
            }
        };
        Ok(Evidence {
            checkpoint: Note::decode(checkpoint)?,
            extends,
            scope: Scope::decode(scope)?,
            records: records.to_vec(),
            index: index.to_vec(),
            proof: proof.chunks(32).map(|hash| Hash(array(hash, 0))).collect(),
        })
    }
}
