//! The keys that sign a log's checkpoints: which of them may at which size, and which one led to which.
//!
//! This is the rule alone, a fold over what the log's own records say of its keys. Whether somebody was entitled to
//! write such a record is for the caller to check *before* it is folded in.
//!
//! Keys of Ed25519 have the say: each change takes the signature of one of them. One of ML-DSA-44 signs checkpoints beside
//! them, and for the next of its kind. So what keys a log has comes to the same in a build that cannot check ML-DSA-44, and
//! who knows such a key alone is led from one to the next without a word of Ed25519.

use super::{Algorithm, VerifierKey};
use crate::Seq;

/// All keys that a log ever had, in the order in which it got them.
#[derive(Debug, Clone, Default)]
pub struct LogKeys {
    keys: Vec<LogKey>,
}

/// A key of a log. It is *in force* at the sizes of the tree that it may sign.
#[derive(Debug, Clone)]
pub struct LogKey {
    /// The key.
    pub key: VerifierKey,
    /// The size of the smallest tree that it may sign.
    pub since: u64,
    /// The size of the greatest tree that it may sign, where it was retired.
    pub until: Option<u64>,
    /// Why it is not to be believed beyond a size, where it was revoked.
    pub revoked: Option<Revoked>,
    /// The key that signed for this one, by its place among the log's keys; none for the first.
    from: Option<usize>,
}

/// That a key fell into other hands, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The record that says so.
    pub seq: Seq,
    /// The size of the greatest tree that the key is believed to have signed rightfully.
    pub size: u64,
    /// Why, as whoever revoked it wrote.
    pub reason: String,
    /// The names and ids of the keys that revoked it.
    pub by: Vec<String>,
}

impl LogKey {
    /// The size of the greatest tree that the key may sign; none where there is no end.
    pub fn last_size(&self) -> Option<u64> {
        let revoked = self.revoked.as_ref().map(|revoked| revoked.size);
        self.until.into_iter().chain(revoked).min()
    }

    /// Whether the key may sign the tree of this size.
    pub fn is_in_force(&self, size: u64) -> bool {
        self.since <= size && self.last_size().is_none_or(|last| size <= last)
    }
}

impl LogKeys {
    /// The keys of a log whose first record names this one, or none.
    pub fn new(first: Option<VerifierKey>) -> Self {
        let first = first.map(|key| LogKey { key, since: 0, until: None, revoked: None, from: None });
        LogKeys { keys: first.into_iter().collect() }
    }

    /// All of them, also those that sign no more.
    pub fn all(&self) -> &[LogKey] {
        &self.keys
    }

    /// Those that may sign the tree of this size, the latest last.
    pub fn in_force(&self, size: u64) -> impl DoubleEndedIterator<Item = &LogKey> {
        self.keys.iter().filter(move |key| key.is_in_force(size))
    }

    /// Whether one of these is a key with the say that is in force at this size, and is not `key`.
    pub fn have_say(&self, size: u64, signers: &[VerifierKey], key: Option<&VerifierKey>) -> bool {
        self.in_force(size).map(|known| &known.key).any(|known| {
            known.algorithm() == Algorithm::Ed25519 && Some(known) != key && signers.contains(known)
        })
    }

    /// What the log says of a key, whatever name it goes by.
    pub fn find(&self, key: &VerifierKey) -> Option<&LogKey> {
        self.keys.iter().find(|known| known.key.public_key() == key.public_key())
    }

    /// Adds the key that `from` hands over to, by record `seq`: it signs from the tree on that has this record.
    ///
    /// # Errors
    /// In words, where `from` is not in force there, or the log knows `to` already or could take it for another.
    pub fn rotate(&mut self, seq: Seq, from: &VerifierKey, to: &VerifierKey) -> Result<(), String> {
        let place = self.keys.iter().position(|known| known.key == *from && known.is_in_force(seq));
        let Some(place) = place else { return Err(format!("{} is not in force", from.short())) };
        if self.find(to).is_some() {
            return Err(format!("{} was a key of this log before: a key never comes back", to.short()));
        }
        if from.algorithm() == Algorithm::MlDsa44 && to.algorithm() != Algorithm::MlDsa44 {
            let (from, to) = (from.short(), to.short());
            return Err(format!("{from} of ML-DSA-44 hands over to one of its kind, and not to {to}"));
        }
        if to.name() != from.name() {
            return Err(format!(
                "its name is {:?}, and the log's keys are called {:?}",
                to.name(),
                from.name()
            ));
        }
        if self.keys.iter().any(|known| known.key.key_id() == to.key_id()) {
            return Err(format!("two keys would be called {}; make another", to.short()));
        }
        let since = seq.saturating_add(1);
        self.keys.push(LogKey { key: to.clone(), since, until: None, revoked: None, from: Some(place) });
        Ok(())
    }

    /// Has a key sign no more, by record `seq`: the tree before this record is the last that it may sign.
    ///
    /// # Errors
    /// In words, where it is not in force there.
    pub fn retire(&mut self, seq: Seq, key: &VerifierKey) -> Result<(), String> {
        let found = self.keys.iter_mut().find(|known| known.key == *key && known.is_in_force(seq));
        let Some(known) = found else { return Err(format!("{} is not in force", key.short())) };
        known.until = Some(seq);
        Ok(())
    }

    /// Has a key not believed beyond a size. It may have been retired, or revoked at a greater size.
    ///
    /// # Errors
    /// In words, where the log has no such key, has not had this size yet, or revoked the key at no greater size.
    pub fn revoke(&mut self, key: &VerifierKey, revoked: Revoked) -> Result<(), String> {
        let Some(known) = self.keys.iter_mut().find(|known| known.key == *key) else {
            return Err(format!("{} is no key of this log", key.short()));
        };
        if revoked.size > revoked.seq {
            return Err(format!("the log has {} records only, not {}", revoked.seq, revoked.size));
        }
        if let Some(before) = &known.revoked
            && before.size <= revoked.size
        {
            return Err(format!("{} is revoked from size {} on already", key.short(), before.size));
        }
        known.revoked = Some(revoked);
        Ok(())
    }

    /// The keys that somebody may believe who knows `known` alone, itself first: those that it handed over to, and
    /// those that these did. A key hands over nothing behind the size at which it was revoked: whoever had it then
    /// could have made another key out to be its heir.
    pub fn heirs(&self, known: &VerifierKey) -> Vec<&LogKey> {
        let mut believed = vec![false; self.keys.len()];
        for (place, key) in self.keys.iter().enumerate() {
            let by_hand_over = key.from.is_some_and(|from| {
                let heir_of = self.keys.get(from).and_then(|from| from.revoked.as_ref());
                believed.get(from) == Some(&true) && heir_of.is_none_or(|it| key.since <= it.size)
            });
            if let Some(believed) = believed.get_mut(place) {
                *believed = key.key == *known || by_hand_over;
            }
        }
        self.keys.iter().zip(believed).filter_map(|(key, believed)| believed.then_some(key)).collect()
    }

    /// The way by which `known` led to `heir`: the keys in between and `heir`, in their order. Empty where it did not.
    pub fn way(&self, known: &VerifierKey, heir: &VerifierKey) -> Vec<&LogKey> {
        let mut way = Vec::new();
        let mut at = self.keys.iter().position(|key| key.key == *heir);
        while let Some(key) = at.and_then(|at| self.keys.get(at)) {
            if key.key == *known {
                way.reverse();
                return way;
            }
            way.push(key);
            at = key.from;
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{Signer, SigningKey};

    fn key(seed: u8) -> VerifierKey {
        SigningKey::from_seed("acme.example/log", [seed; 32]).unwrap().verifier().clone()
    }

    fn revoked(seq: Seq, size: u64) -> Revoked {
        Revoked { seq, size, reason: "stolen".to_owned(), by: Vec::new() }
    }

    fn in_force(keys: &LogKeys, size: u64) -> Vec<&VerifierKey> {
        keys.in_force(size).map(|known| &known.key).collect()
    }

    #[test]
    fn keys_overlap_until_the_older_one_is_retired() {
        let mut keys = LogKeys::new(Some(key(1)));
        keys.rotate(10, &key(1), &key(2)).unwrap();
        keys.retire(20, &key(1)).unwrap();
        assert_eq!(in_force(&keys, 10), [&key(1)]);
        assert_eq!(in_force(&keys, 11), [&key(1), &key(2)], "from the tree on that has the record");
        assert_eq!(in_force(&keys, 20), [&key(1), &key(2)]);
        assert_eq!(in_force(&keys, 21), [&key(2)], "the record of its retirement is not its own to sign");
        assert!(keys.rotate(30, &key(1), &key(3)).unwrap_err().contains("not in force"));
        assert!(keys.retire(30, &key(1)).unwrap_err().contains("not in force"));
    }

    #[test]
    fn a_key_comes_once_and_under_the_logs_name() {
        let mut keys = LogKeys::new(Some(key(1)));
        let other = SigningKey::from_seed("acme.example/other", [2; 32]).unwrap();
        assert!(keys.rotate(5, &key(1), other.verifier()).unwrap_err().contains("acme.example/other"));
        assert!(keys.rotate(5, &key(1), &key(1)).unwrap_err().contains("never comes back"));
        keys.rotate(5, &key(1), &key(2)).unwrap();
        keys.retire(6, &key(1)).unwrap();
        assert!(keys.rotate(7, &key(2), &key(1)).unwrap_err().contains("never comes back"));
        assert!(keys.rotate(7, &key(9), &key(3)).unwrap_err().contains("not in force"));
    }

    #[test]
    fn a_revoked_key_is_believed_up_to_a_size() {
        let mut keys = LogKeys::new(Some(key(1)));
        keys.rotate(10, &key(1), &key(2)).unwrap();
        assert!(keys.revoke(&key(1), revoked(20, 21)).unwrap_err().contains("20 records only"));
        assert!(keys.revoke(&key(3), revoked(20, 15)).unwrap_err().contains("no key"));
        keys.revoke(&key(1), revoked(20, 15)).unwrap();
        assert_eq!(in_force(&keys, 15), [&key(1), &key(2)]);
        assert_eq!(in_force(&keys, 16), [&key(2)]);
        assert!(keys.revoke(&key(1), revoked(21, 15)).unwrap_err().contains("already"));
        keys.revoke(&key(1), revoked(21, 5)).unwrap();
        assert_eq!(in_force(&keys, 15), [&key(2)]);
    }

    #[test]
    fn who_knows_a_key_believes_its_heirs_and_nobody_believes_a_thiefs() {
        let mut keys = LogKeys::new(Some(key(1)));
        keys.rotate(10, &key(1), &key(2)).unwrap();
        keys.rotate(20, &key(2), &key(3)).unwrap();
        let heirs = |keys: &LogKeys, known| -> Vec<VerifierKey> {
            keys.heirs(&key(known)).iter().map(|known| known.key.clone()).collect()
        };
        assert_eq!(heirs(&keys, 1), [key(1), key(2), key(3)]);
        assert_eq!(heirs(&keys, 2), [key(2), key(3)]);
        assert_eq!(heirs(&keys, 9), []);
        let way: Vec<u64> = keys.way(&key(1), &key(3)).iter().map(|known| known.since).collect();
        assert_eq!(way, [11, 21]);
        assert!(keys.way(&key(3), &key(1)).is_empty(), "no way leads back");
        // Revoked behind the hand-over it still stands for its heir, and before it no more.
        keys.revoke(&key(1), revoked(30, 11)).unwrap();
        assert_eq!(heirs(&keys, 1), [key(1), key(2), key(3)]);
        keys.revoke(&key(1), revoked(31, 10)).unwrap();
        assert_eq!(heirs(&keys, 1), [key(1)]);
        assert_eq!(heirs(&keys, 2), [key(2), key(3)]);
    }
}
