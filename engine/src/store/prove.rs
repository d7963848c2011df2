//! Proofs for those who do not have the store: that a record is in the log, that the log only grew.

use super::{Record, Snapshot};
use crate::hash::{self, Hash, LogTree, RecordSalt};
use crate::log::tree::LogNodes;
use crate::merkle::{self, NodeReader};
use crate::trust::{Checkpoint, ExtensionProof, LogProof, Note};
use crate::{Error, Result, SegmentId, Seq};

/// A record with all that it takes to check it without the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenRecord {
    /// That its entry is in the log; the entry is the proof's extra data.
    pub proof: LogProof,
    /// The event's bytes.
    pub body: Vec<u8>,
    /// What the body's hash needs beside the body.
    pub salt: RecordSalt,
}

impl Snapshot {
    /// Proves that the record at `seq` is in the log, under a checkpoint that was signed before.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the checkpoint does not reach the record; [`Error::RolledBack`] where it is not of
    /// this log's history.
    pub fn prove(&self, seq: Seq, checkpoint: &Note) -> Result<ProvenRecord> {
        let stated = self.own_checkpoint(checkpoint)?;
        if seq >= stated.size {
            return Err(Error::NotFound {
                what: "record",
                name: format!("{seq} under the checkpoint of {} records; sign a newer one", stated.size),
            });
        }
        // The tree vouches for what is read, so that the record's frame need not be read whole for its checksum. Where it
        // does not, the frame tells whether that is damage.
        if let Some(proven) = self.record_in_place(seq).map(|record| self.proven(record, checkpoint, &stated))
            && proven.is_ok()
        {
            return proven;
        }
        self.proven(self.record(seq)?, checkpoint, &stated)
    }

    fn proven(&self, record: Record, checkpoint: &Note, stated: &Checkpoint) -> Result<ProvenRecord> {
        let salt = self.salt_of(&record)?;
        let (entry, hashes) = self.included(&record, hash::body(&salt, &record.body), stated)?;
        let proof =
            LogProof { extra: Some(entry), index: record.seq, hashes, checkpoint: checkpoint.clone() };
        Ok(ProvenRecord { proof, body: record.body, salt })
    }

    /// Reads a record and sees that it is in the log under a checkpoint that the log continues.
    pub(super) fn retrieve_and_prove(&self, seq: Seq, stated: &Checkpoint) -> Result<()> {
        let record = self.record(seq)?;
        let body_hash = match record.deleted {
            Some(stub) => stub.body_hash,
            None => hash::body(&self.salt_of(&record)?, &record.body),
        };
        self.included(&record, body_hash, stated).map(drop).map_err(|error| match error {
            Error::RolledBack { .. } => {
                let reason = format!("record {seq} is not the one that the log's tree has there");
                Error::Forged { what: "record", reason }
            }
            error => error,
        })
    }

    /// A record's entry, and the proof that it is in the log.
    fn included(
        &self,
        record: &Record,
        body_hash: Hash,
        stated: &Checkpoint,
    ) -> Result<(Vec<u8>, Vec<Hash>)> {
        let (seq, labels) = (record.seq, record.label_buf()?);
        let entry = record.entry(labels.as_labels(), self.leaf_before(seq)?, body_hash);
        let mut bytes = Vec::new();
        let leaf = entry.leaf(&mut bytes);
        let hashes = self.checked(stated, |nodes| {
            let hashes = merkle::inclusion_proof::<LogTree, _>(nodes, seq, stated.size)?;
            let holds = merkle::verify_inclusion::<LogTree>(&leaf, seq, stated.size, &hashes, &stated.root);
            Ok(holds.then_some(hashes))
        })?;
        Ok((bytes, hashes))
    }

    /// The salt of one record: whoever is to hash its body needs it.
    ///
    /// # Errors
    /// [`Error::NotFound`] past the end; [`Error::Deleted`]; whatever reading it says.
    pub fn salt(&self, seq: Seq) -> Result<RecordSalt> {
        if seq >= self.tree_size() {
            return Err(Error::NotFound { what: "record", name: seq.to_string() });
        }
        let id = self.catalog.sealed_at(seq).map_or(self.head.active, |place| SegmentId(place.first_seq));
        let log = self.inner.log.files.log(id)?;
        if log.header.rewritten_by == 0 {
            return Ok(log.header.salt.record(seq));
        }
        self.salt_of(&self.record(seq)?)
    }

    fn salt_of(&self, record: &Record) -> Result<RecordSalt> {
        record.salt(&self.inner.log.files.log(record.segment)?.header.salt)
    }

    /// Proves that the log under `checkpoint` continues the one that had `old_size` records.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the log had fewer records under the checkpoint; [`Error::RolledBack`] where the
    /// checkpoint is not of this log's history.
    pub fn prove_extension(&self, old_size: u64, checkpoint: &Note) -> Result<ExtensionProof> {
        let stated = self.own_checkpoint(checkpoint)?;
        if old_size > stated.size {
            let name = format!("{old_size} under the checkpoint of {} records", stated.size);
            return Err(Error::NotFound { what: "tree size", name });
        }
        let hashes = self.checked(&stated, |nodes| {
            let old_root = merkle::root_at::<LogTree, _>(nodes, old_size)?;
            let hashes = merkle::consistency_proof::<LogTree, _>(nodes, old_size, stated.size)?;
            let (size, root) = (stated.size, &stated.root);
            let holds = merkle::verify_consistency::<LogTree>(old_size, size, &old_root, root, &hashes);
            Ok(holds.then_some(hashes))
        })?;
        Ok(ExtensionProof { old_size, hashes, checkpoint: checkpoint.clone() })
    }

    /// Whether this log goes on from a checkpoint that was kept outside the store.
    ///
    /// # Errors
    /// [`Error::RolledBack`] where the log has fewer records; [`Error::Forged`] where the checkpoint is of another log,
    /// or of a tree of that size that is not this log's.
    pub fn continues(&self, kept: &Checkpoint) -> Result<()> {
        let forged = |reason: String| Err(Error::Forged { what: "checkpoint", reason });
        if kept.origin != self.inner.origin.as_str() {
            return forged(format!("it is of {}, and this log is {}", kept.origin, self.inner.origin));
        }
        let (size, own) = (kept.size, self.tree_size());
        if size > own {
            return Err(Error::RolledBack { reason: format!("this log had {size} records, and has {own}") });
        }
        let nodes = || self.nodes();
        // The caches of the tree are not evidence: where they lead astray, the leaves decide.
        for nodes in [nodes()?, nodes()?.without_caches()] {
            if merkle::root_at::<LogTree, _>(&nodes, size)? == kept.root {
                return Ok(());
            }
        }
        forged(format!("its root of {size} records is not the root that this log had then"))
    }

    /// What a note states, where it is of this log and not ahead of it.
    pub(super) fn own_checkpoint(&self, note: &Note) -> Result<Checkpoint> {
        let stated = Checkpoint::decode(note.text())?;
        let refuse = |reason: String| Err(Error::RolledBack { reason });
        if stated.origin != self.inner.origin.as_str() {
            return refuse(format!(
                "the checkpoint is of {}, this log is {}",
                stated.origin, self.inner.origin
            ));
        }
        if stated.size > self.tree_size() {
            return refuse(format!(
                "the checkpoint states {} records, the log has {}",
                stated.size,
                self.tree_size()
            ));
        }
        Ok(stated)
    }

    /// The proof that `prove` makes and finds to hold. The caches of the tree are not evidence: where they lead
    /// astray, the leaves decide.
    fn checked(
        &self,
        stated: &Checkpoint,
        prove: impl Fn(&LogNodes<'_>) -> Result<Option<Vec<Hash>>>,
    ) -> Result<Vec<Hash>> {
        let nodes = || self.nodes();
        for nodes in [nodes()?, nodes()?.without_caches()] {
            if let Some(hashes) = prove(&nodes)? {
                return Ok(hashes);
            }
        }
        let size = stated.size;
        Err(Error::RolledBack { reason: format!("the checkpoint's root at size {size} is not this log's") })
    }

    /// The leaf of the record before `seq`; zeros for the first.
    fn leaf_before(&self, seq: Seq) -> Result<Hash> {
        let Some(before) = seq.checked_sub(1) else { return Ok(Hash::ZERO) };
        self.nodes()?.node(0, before)
    }
}
