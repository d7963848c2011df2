//! Whatever crashes, is restored from a backup, is forked, rotated and started again: a log's signers never sign two
//! trees that no one log can have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::*;
use crate::disk::sim::{Random, SimDisk};
use crate::hash::{Hash, LogTree};
use crate::merkle::root;
use crate::trust::{Algorithm, Checkpoint, Signer, SigningKey, VerifierKey};

const KEYS: &str = "/keys";

/// How a machine keeps what was signed.
#[derive(Clone, Copy, PartialEq)]
enum Memory {
    /// As the command line does: beside each key, and in one place for all keys of a store.
    Shared,
    /// Beside each key alone: a key that is not used does not learn what the others sign.
    OfEachKey,
    /// Lost with every restart.
    Forgotten,
}

/// A key that tells of every signature that it makes, also of those that a crash kept from being of use.
struct Told {
    key: SigningKey,
    /// Each with the algorithm that signed it.
    signed: Arc<Mutex<Vec<(Checkpoint, Algorithm)>>>,
}

impl Signer for Told {
    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        // What is no checkpoint is a hand-over between keys.
        let text = || std::str::from_utf8(message).ok().and_then(|text| Checkpoint::decode(text).ok());
        if let Some(signed) = cosigned(message).or_else(text) {
            lock(&self.signed).push((signed, self.key.verifier().algorithm()));
        }
        self.key.sign(message)
    }
}

/// The checkpoint in what a key of ML-DSA-44 signs of it: between its label and the root there are the key's name, a time,
/// the origin, a zero and the size.
fn cosigned(message: &[u8]) -> Option<Checkpoint> {
    let (name_len, rest) = message.strip_prefix(b"subtree/v1\n\0")?.split_first()?;
    let (origin_len, rest) = rest.get(usize::from(*name_len) + 8..)?.split_first()?;
    let (origin, rest) = rest.split_at_checked(usize::from(*origin_len))?;
    let size = u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?);
    let root = Hash(rest.get(16..)?.try_into().ok()?);
    let origin = String::from_utf8(origin.to_vec()).ok()?;
    Some(Checkpoint { origin, size, root, extensions: Vec::new() })
}

/// A machine with a log, its keys and its backups.
struct Life {
    random: Random,
    disk: SimDisk,
    memory: Memory,
    store: Option<Store>,
    /// The log that is used now: every fork begins another.
    fork: u64,
    /// How many keys were made, for all logs.
    keys: u8,
    /// The seeds of the keys of this log, the first first.
    own: Vec<u8>,
    backups: Vec<BTreeMap<PathBuf, Vec<u8>>>,
    /// Each with the algorithm that signed it.
    signed: Arc<Mutex<Vec<(Checkpoint, Algorithm)>>>,
    /// The leaves of every tree that was signed, by origin.
    trees: Vec<(String, Vec<Hash>)>,
    told: Counts,
}

/// What happened, so that a test that shows nothing is found out.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    signed: usize,
    /// By a key of ML-DSA-44.
    signed_twice: usize,
    refused: usize,
    rotated: usize,
    restored: usize,
    crashed: usize,
    forked: usize,
}

impl Life {
    fn new(seed: u64, memory: Memory) -> Self {
        let mut life = Life {
            random: Random::new(seed),
            disk: SimDisk::new(seed),
            memory,
            store: None,
            fork: 0,
            keys: 1,
            own: vec![0],
            backups: Vec::new(),
            signed: Arc::default(),
            trees: Vec::new(),
            told: Counts::default(),
        };
        life.store = Some(Store::create(life.root(), life.options(true)).unwrap());
        life
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/store-{}", self.fork))
    }

    fn origin(&self) -> String {
        format!("acme.example/{}", self.fork)
    }

    fn options(&self, new: bool) -> Options {
        let options = Options::new(self.origin()).world(self.disk.world()).allocate_len(1);
        let options = options.seal_in_background(false);
        if new { options.log_key(self.key(self.own[0]).verifier().clone()) } else { options }
    }

    fn key(&self, number: u8) -> SigningKey {
        // No log begins with a key of ML-DSA-44.
        let is_second =
            Algorithm::MlDsa44.is_supported() && self.own.first() != Some(&number) && number % 4 == 3;
        let algorithm = if is_second { Algorithm::MlDsa44 } else { Algorithm::Ed25519 };
        SigningKey::of(algorithm, &self.origin(), [number; 32]).unwrap()
    }

    fn signer(&self, number: u8) -> FileSigner {
        let told = Told { key: self.key(number), signed: Arc::clone(&self.signed) };
        let path = Path::new(KEYS).join(format!("{number}.key"));
        let signer = FileSigner::over(&self.disk.world(), &path, told);
        match self.memory {
            Memory::Shared => {
                signer.remembering_at(&Path::new(KEYS).join(format!("log-{}.signed", self.fork)))
            }
            Memory::OfEachKey | Memory::Forgotten => signer,
        }
    }

    /// Some of the keys that may sign now, at random.
    fn at_hand(&mut self) -> Result<Vec<u8>> {
        let snapshot = self.store.as_ref().unwrap().snapshot()?;
        let keys = snapshot.log_keys()?;
        let may = |number: &u8| {
            keys.in_force(snapshot.tree_size()).any(|known| known.key == *self.key(*number).verifier())
        };
        let mut all: Vec<u8> = self.own.iter().copied().filter(may).collect();
        if all.len() > 1 && self.random.coin() {
            all.remove(self.random.below(all.len() as u64) as usize);
        }
        Ok(all)
    }

    fn act(&mut self) -> Result<()> {
        match self.random.below(12) {
            0..=3 => {
                let salt = self.random.next();
                let store = self.store.as_ref().unwrap();
                (0..=salt % 3).try_for_each(|n| {
                    store.append(format!(r#"{{"kind":"x","n":"{salt}-{n}"}}"#).as_bytes()).map(|_| ())
                })
            }
            4..=6 => {
                let signers: Vec<FileSigner> =
                    self.at_hand()?.into_iter().map(|number| self.signer(number)).collect();
                let Some(signer) = signers.into_iter().reduce(FileSigner::and) else { return Ok(()) };
                self.store.as_ref().unwrap().checkpoint(&signer).map(|_| ())
            }
            7 => {
                let Some(from) = self.at_hand()?.pop() else { return Ok(()) };
                let to = self.keys;
                // Kept before the log knows of it, as a key file is.
                self.keys += 1;
                self.own.push(to);
                let (from, to) = (self.signer(from), self.signer(to));
                self.store.as_ref().unwrap().rotate_key(from, to)?;
                self.told.rotated += 1;
                Ok(())
            }
            8 => {
                let hand = self.at_hand()?;
                let [old, .., new] = hand[..] else { return Ok(()) };
                let (old, by) = (self.key(old).verifier().clone(), self.signer(new));
                let store = self.store.as_ref().unwrap();
                match self.random.coin() {
                    true => store.retire_key(&old, &by).map(|_| ()),
                    false => {
                        let size = self.random.below(store.snapshot()?.tree_size() + 1);
                        store.revoke_key(&old, size, "stolen", &by).map(|_| ())
                    }
                }
            }
            9 => {
                let root = self.root();
                let files = self.disk.files().into_iter().filter(|(path, _)| path.starts_with(&root));
                self.backups.push(files.collect());
                Ok(())
            }
            10 => {
                self.restore();
                Ok(())
            }
            _ => {
                self.store = None;
                Ok(())
            }
        }
    }

    /// Puts an older copy of the store in the place of this one.
    fn restore(&mut self) {
        let root = self.root();
        let of_this_log =
            |backup: &&BTreeMap<PathBuf, Vec<u8>>| backup.keys().any(|path| path.starts_with(&root));
        let known: Vec<_> = self.backups.iter().filter(of_this_log).cloned().collect();
        if known.is_empty() {
            return;
        }
        self.store = None;
        for (path, _) in self.disk.files().into_iter().filter(|(path, _)| path.starts_with(&root)) {
            self.disk.take(&path).unwrap();
        }
        for (path, bytes) in &known[self.random.below(known.len() as u64) as usize] {
            self.disk.put(path, bytes).unwrap();
        }
        self.told.restored += 1;
    }

    /// What `recover --fork` does: another log, which names the last checkpoint of this one.
    fn go_on_in_a_fork(&mut self) {
        let old = Store::open(self.root(), self.options(false).read_only(true)).unwrap();
        let last = old.last_checkpoint().unwrap().map(|note| note.to_string()).unwrap_or_default();
        self.fork += 1;
        self.own = vec![self.keys];
        self.keys += 1;
        self.store = Some(Store::create(self.root(), self.options(true).forked_from(last)).unwrap());
        self.told.forked += 1;
    }

    fn crash(&mut self) {
        self.store = None;
        let cut = self.disk.now();
        let ways = cut.ways(6, self.random.next());
        let way = ways[self.random.below(ways.len() as u64) as usize];
        self.disk = if self.random.coin() { cut.kill() } else { cut.crash(way) };
        if self.memory == Memory::Forgotten {
            for (path, _) in self.disk.files() {
                if path.extension().is_some_and(|end| end == "signed") {
                    self.disk.take(&path).unwrap();
                }
            }
        }
        self.told.crashed += 1;
    }

    fn restart(&mut self) {
        self.crash();
        let store = Store::open(self.root(), self.options(false)).unwrap();
        if store.is_writable() {
            self.store = Some(store);
        } else {
            drop(store);
            self.go_on_in_a_fork();
        }
    }

    /// Holds what was signed against all that was signed before. `Err` says what no one log can have.
    fn judge(&mut self) -> std::result::Result<(), String> {
        let (origin, leaves) = (self.origin(), self.leaves());
        for (checkpoint, algorithm) in std::mem::take(&mut *lock(&self.signed)) {
            let size = checkpoint.size as usize;
            assert!(checkpoint.origin == origin && size <= leaves.len(), "what was signed is durable");
            let leaves = &leaves[..size];
            assert_eq!(root::<LogTree>(leaves), checkpoint.root, "what was signed is durable");
            for (_, other) in self.trees.iter().filter(|(of, _)| *of == origin) {
                let common = other.len().min(size);
                if other[..common] != leaves[..common] {
                    return Err(format!(
                        "{origin} has two histories: of {} and of {size} records",
                        other.len()
                    ));
                }
            }
            self.trees.push((origin.clone(), leaves.to_vec()));
            self.told.signed += 1;
            self.told.signed_twice += usize::from(algorithm == Algorithm::MlDsa44);
        }
        Ok(())
    }

    /// The log's leaves, as they are after a restart where the machine has none.
    fn leaves(&mut self) -> Vec<Hash> {
        if let Some(leaves) = self.store.as_ref().and_then(|store| leaves_of(store).ok()) {
            return leaves;
        }
        self.restart();
        leaves_of(self.store.as_ref().unwrap()).unwrap()
    }

    fn live(mut self) -> std::result::Result<Counts, String> {
        for _ in 0..50 {
            if self.random.below(4) == 0 {
                self.disk.cut_at(self.disk.changes() + self.random.below(12));
            }
            let done = self.act();
            // A cut that has not come by now does not come in the looking.
            self.disk.cut_at(u64::MAX);
            let refused = matches!(done, Err(Error::RolledBack { .. }));
            if !matches!(done, Ok(()) | Err(Error::Refused { .. } | Error::RolledBack { .. })) {
                self.store = None;
            }
            self.judge()?;
            self.told.refused += usize::from(refused);
            if refused && self.random.below(4) == 0 {
                self.restart();
                self.go_on_in_a_fork();
            }
        }
        Ok(self.told)
    }
}

fn leaves_of(store: &Store) -> Result<Vec<Hash>> {
    let records = store.snapshot()?.records_with_integrity(..);
    records.map(|record| Ok(record?.integrity.map_or(Hash::ZERO, |tied| tied.leaf))).collect()
}

#[test]
fn no_life_makes_a_logs_signers_sign_two_histories() {
    let mut all = Counts::default();
    for seed in 0..300 {
        let told = Life::new(seed, Memory::Shared).live().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        all.signed += told.signed;
        all.signed_twice += told.signed_twice;
        all.refused += told.refused;
        all.rotated += told.rotated;
        all.restored += told.restored;
        all.crashed += told.crashed;
        all.forked += told.forked;
    }
    let few = [all.signed / 5, all.refused, all.rotated, all.restored, all.crashed, all.forked];
    assert!(few.iter().all(|count| *count > 100), "lives in which little happens show little: {all:?}");
    assert_eq!(all.signed_twice > 100, Algorithm::MlDsa44.is_supported(), "{all:?}");
}

#[test]
fn a_memory_that_is_lost_or_not_shared_is_found_out_by_these_lives() {
    for memory in [Memory::Forgotten, Memory::OfEachKey] {
        assert!((0..300).any(|seed| Life::new(seed, memory).live().is_err()));
    }
}
