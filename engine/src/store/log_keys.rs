//! The keys that sign the log's checkpoints: handed over, retired and revoked, each by a record of the store's own.

use super::signer::FileSigner;
use super::{CheckpointSigner, Snapshot, Store};
use crate::format::admin::Admin;
use crate::format::keys::{KeyRetirement, KeyRevocation, KeyRotation};
use crate::format::retention::{Approved, Matter};
use crate::log::{NewRecord, lock};
use crate::retention::{State, enough, refused, signers};
use crate::trust::{Algorithm, Checkpoint, LogKeys, Revoked, VerifierKey};
use crate::{Error, Result, Seq, Timestamp, limits};

/// How long what a key signs of its own log is good for, in nanoseconds: it is written at once.
const GOOD_FOR_NS: i64 = 3_600_000_000_000;

impl Store {
    /// Has `to` sign this log's checkpoints, beside `from`, which is in force: sign the next one with both. The seq of the
    /// record that says so.
    ///
    /// A key of ML-DSA-44 comes beside those of Ed25519, which go on to sign; `from` has the key of Ed25519 that it comes from,
    /// and the one of ML-DSA-44 that hands over to it, where there is one. A key of Ed25519 may bring one of ML-DSA-44 along.
    ///
    /// Whatever both remember is checked against this log first, and both remember it as it is, so that the new key
    /// cannot sign another history than the old one did.
    ///
    /// # Errors
    /// [`Error::Refused`] where a key is not in force, was a key of this log before, is an operator's or has another name
    /// than the log's; [`Error::RolledBack`] as [`Store::checkpoint`]; as [`Store::append`].
    pub fn rotate_key(&self, from: FileSigner, to: FileSigner) -> Result<(Seq, FileSigner)> {
        let new = only(&to)?;
        let same = |key: &&VerifierKey| key.algorithm() == new.algorithm();
        let old = from.verifiers().into_iter().find(same).unwrap_or_else(|| from.verifier()).clone();
        let both = from.and(to);
        self.inner.log.transact(|session| session.sync())?;
        let snapshot = self.snapshot()?;
        // What cannot be is told before anything is signed.
        snapshot.log_keys()?.rotate(snapshot.tree_size(), &old, &new).map_err(no)?;
        let next = Checkpoint::new(&self.inner.origin, snapshot.tree_size(), snapshot.root());
        both.remember(&next, &|size| snapshot.consistency_proof(size))?;
        let matter = KeyRotation { from: old.to_string(), to: new.to_string() };
        let with = |key: &VerifierKey| *key == old || *key == new || key.algorithm() == Algorithm::Ed25519;
        let rotation = self.approved_by(&snapshot, matter, &both, &with)?;
        let seq = self.administer_keys(&rotation, |state, seq, signers| {
            if old.algorithm() != Algorithm::Ed25519 && !state.keys.have_say(seq, signers, None) {
                return Err(no("a key of Ed25519 that is in force must sign this too".to_owned()));
            }
            if state.operators.has(&new) {
                return Err(no("an operator's key cannot be the log's: it is where the log is".to_owned()));
            }
            state.keys.rotate(seq, &old, &new).map_err(no)?;
            Ok(Admin::Key(rotation.clone()))
        })?;
        Ok((seq, both))
    }

    /// Has a key sign no more checkpoints of this log. `by` has another key that is in force. The seq of the record that
    /// says so.
    ///
    /// # Errors
    /// [`Error::Refused`] where one of them is not in force, or they are the same; as [`Store::append`].
    pub fn retire_key(&self, key: &VerifierKey, by: &FileSigner) -> Result<Seq> {
        let snapshot = self.snapshot()?;
        let retirement = self.approved_by(&snapshot, KeyRetirement { key: key.to_string() }, by, &has_say)?;
        self.administer_keys(&retirement, |state, seq, signers| {
            other_in_force(&state.keys, seq, key, signers)?;
            state.keys.retire(seq, key).map_err(no)?;
            Ok(Admin::KeyRetired(retirement.clone()))
        })
    }

    /// Has checkpoints that a key signed over more than `size` records count as forged. `by` has another key that is in
    /// force. The seq of the record that says so.
    ///
    /// # Errors
    /// [`Error::Refused`] where the log has no such key or not so many records, no reason is given, or `by` has no other
    /// key that is in force; as [`Store::append`].
    pub fn revoke_key(&self, key: &VerifierKey, size: u64, reason: &str, by: &FileSigner) -> Result<Seq> {
        let snapshot = self.snapshot()?;
        let matter = KeyRevocation { key: key.to_string(), reason: reason.to_owned(), size };
        self.revoke_key_approved(&self.approved_by(&snapshot, matter, by, &has_say)?)
    }

    /// The same, with the approval of another key that is in force or of as many operators as it takes to delete.
    ///
    /// # Errors
    /// As [`Store::revoke_key`]; [`Error::NotAuthenticated`] for too few approvals, [`Error::Forged`] where they are of
    /// something else.
    pub fn revoke_key_approved(&self, revocation: &Approved<KeyRevocation>) -> Result<Seq> {
        let KeyRevocation { key, reason, size } = &revocation.matter;
        let key: VerifierKey = key.parse()?;
        if reason.trim().is_empty() || reason.len() > limits::HOLD_WORD_LEN_MAX {
            return Err(no(format!("it needs a reason, of at most {} bytes", limits::HOLD_WORD_LEN_MAX)));
        }
        self.check_root(revocation)?;
        self.administer_keys(revocation, |state, seq, signers| {
            if let Err(refusal) = other_in_force(&state.keys, seq, &key, signers) {
                // Where none of the log's keys signed, operators are meant.
                if signers.iter().any(|signer| state.keys.find(signer).is_some()) {
                    return Err(refusal);
                }
                enough(signers, &state.operators, state.operators.required_to_delete())?;
            }
            let revoked = Revoked { seq, size: *size, reason: reason.clone(), by: Vec::new() };
            state.keys.revoke(&key, revoked).map_err(no)?;
            Ok(Admin::KeyRevoked(revocation.clone()))
        })
    }

    /// Approved by those keys of a signer that count for it.
    fn approved_by<M: Matter>(
        &self,
        snapshot: &Snapshot,
        matter: M,
        by: &FileSigner,
        counts: &dyn Fn(&VerifierKey) -> bool,
    ) -> Result<Approved<M>> {
        let now = self.inner.log.world.clock.now();
        let mut approved = snapshot.propose(matter, now, Timestamp(now.0.saturating_add(GOOD_FOR_NS)));
        by.approve(&mut approved, counts)?;
        Ok(approved)
    }

    /// Decides on a change of keys under the lock: `change` gets the state of the log, the seq that the record will have,
    /// and who signed.
    fn administer_keys<M: Matter>(
        &self,
        approved: &Approved<M>,
        change: impl FnOnce(&mut State, Seq, &[VerifierKey]) -> Result<Admin>,
    ) -> Result<Seq> {
        let identity = self.inner.identity();
        let log = &self.inner.log;
        log.transact(|session| {
            let mut state = State::read(log, &*log.catalog(session.head())?)?;
            let signers = signers(approved, &identity, log.world.clock.now())?;
            let body = change(&mut state, session.head().next_seq, &signers)?.encode();
            let committed = session.write(&[NewRecord::admin(&body)])?;
            session.sync()?;
            Ok(committed.first_seq)
        })
    }
}

impl Snapshot {
    /// The keys that sign this log's checkpoints, as its own records say.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn log_keys(&self) -> Result<LogKeys> {
        let admin = &self.catalog.admin;
        let known = lock(&self.inner.known_keys).clone();
        // An older snapshot than the one that was read last knows less.
        let (count, mut keys) = if known.0 <= admin.len() { known } else { Default::default() };
        for place in admin.get(count..).unwrap_or_default() {
            State::fold_keys(&mut keys, place.seq, &self.inner.log.admin(place)?)?;
        }
        *lock(&self.inner.known_keys) = (admin.len(), keys.clone());
        Ok(keys)
    }
}

/// Whether a signer's keys may sign the tree of this size. A log whose first record names no key knows none.
///
/// # Errors
/// [`Error::Refused`] where one may not.
pub(super) fn check_signer(keys: &LogKeys, signer: &dyn CheckpointSigner, size: u64) -> Result<()> {
    if keys.all().is_empty() {
        return Ok(());
    }
    for key in signer.verifiers() {
        if !keys.in_force(size).any(|known| known.key == *key) {
            let in_force: Vec<String> = keys.in_force(size).map(|known| known.key.short()).collect();
            let reason = format!(
                "{} is not in force: the keys that may sign {size} records are [{}]",
                key.short(),
                in_force.join(", ")
            );
            return Err(refused("checkpoint", reason));
        }
    }
    Ok(())
}

/// That a key which is in force and has the say, and is not `key`, is among those who signed.
fn other_in_force(keys: &LogKeys, seq: Seq, key: &VerifierKey, signers: &[VerifierKey]) -> Result<()> {
    if keys.have_say(seq, signers, Some(key)) {
        return Ok(());
    }
    Err(no(format!(
        "another key of Ed25519 that is in force must sign this, and {} has none beside it",
        key.short()
    )))
}

fn has_say(key: &VerifierKey) -> bool {
    key.algorithm() == Algorithm::Ed25519
}

fn only(signer: &FileSigner) -> Result<VerifierKey> {
    match signer.verifiers()[..] {
        [key] => Ok(key.clone()),
        _ => Err(no("one key hands over to one other".to_owned())),
    }
}

fn no(reason: String) -> Error {
    refused("change of keys", reason)
}
