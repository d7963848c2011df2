//! Whatever crashes, is restored and is started again, neither a signer nor a witness signs two histories.

use super::*;
use crate::disk::sim::{Random, SimDisk};
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::{Leaves, consistency_proof, root};
use crate::trust::{Checkpoint, ExtensionProof, SigningKey};
use crate::{CheckpointSigner, FileSigner};

const ORIGIN: &str = "acme.example/agents-prod";
const FORK_AT: usize = 7;
const SIZE_MAX: u64 = 24;

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, [seed; 32]).unwrap()
}

/// The leaves of one of two histories that part after [`FORK_AT`].
fn history(forked: bool, size: u64) -> Vec<Hash> {
    let leaf = |n: u64| LogTree::leaf(&[u8::from(forked && n >= FORK_AT as u64), n as u8]);
    (0..size).map(leaf).collect()
}

fn checkpoint(leaves: &[Hash]) -> Checkpoint {
    Checkpoint::new(&ORIGIN.parse().unwrap(), leaves.len() as u64, root::<LogTree>(leaves))
}

fn prove(leaves: &[Hash], old: u64) -> Result<Vec<Hash>> {
    let reader = Leaves::<LogTree>::new(leaves);
    let old = old.min(leaves.len() as u64);
    Ok(consistency_proof::<LogTree, _>(&reader, old, leaves.len() as u64).unwrap())
}

/// Asks a witness, first with what the log believes, then with what the witness answered.
fn ask_witness(disk: &SimDisk, leaves: &[Hash], believed: u64) -> Result<bool> {
    let logs = [key(ORIGIN, 1).verifier().clone()];
    let witness = Witness::open(&disk.world(), Path::new("/witness"), Box::new(key("w.example", 9)), logs)?;
    let note = checkpoint(leaves).sign(&key(ORIGIN, 1))?;
    let mut old_size = believed.min(leaves.len() as u64);
    for _ in 0..2 {
        let hashes = prove(leaves, old_size)?;
        let body = ExtensionProof { old_size, hashes, checkpoint: note.clone() }.to_string();
        match witness.add_checkpoint(body.as_bytes())? {
            Ok(line) => {
                witness.key().add_to(&mut note.clone(), &[line])?;
                return Ok(true);
            }
            Err(Refusal::Conflict { size }) if size <= leaves.len() as u64 => old_size = size,
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

fn ask_signer(disk: &SimDisk, leaves: &[Hash], _: u64) -> Result<bool> {
    let (world, path) = (disk.world(), Path::new("/keys/log.key"));
    let signer = match FileSigner::open(&world, path) {
        Err(Error::NotFound { .. }) => FileSigner::create(&world, path, ORIGIN)?,
        other => other?,
    };
    match signer.sign(&checkpoint(leaves), &|old| prove(leaves, old)) {
        Ok(note) => note.verify(&[signer.verifier().clone()]).map(|_| true),
        Err(Error::RolledBack { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// One random life: a log that is restored from backups and forked asks to be signed while machines crash. `Err` says
/// what was signed that no one log can have.
fn live(
    seed: u64,
    forgets: bool,
    ask: fn(&SimDisk, &[Hash], u64) -> Result<bool>,
) -> std::result::Result<usize, String> {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new(seed);
    let mut signed: Vec<(bool, u64)> = Vec::new();
    for _ in 0..60 {
        let (forked, size) = (random.coin(), random.below(SIZE_MAX));
        if random.below(3) == 0 {
            disk.cut_at(disk.changes() + random.below(8));
        }
        let answer = ask(&disk, &history(forked, size), random.below(SIZE_MAX));
        if matches!(answer, Ok(true)) {
            let fork = |(forked, size): &(bool, u64)| (*size > FORK_AT as u64).then_some(*forked);
            if signed
                .iter()
                .filter_map(fork)
                .any(|other| Some(other) != fork(&(forked, size)).or(Some(other)))
            {
                return Err(format!("seed {seed}: two histories"));
            }
            if signed.last().is_some_and(|(_, before)| *before > size) {
                return Err(format!("seed {seed}: went back to {size}"));
            }
            signed.push((forked, size));
        }
        if answer.is_err() || random.below(8) == 0 {
            let cut = disk.now();
            let ways = cut.ways(6, random.next());
            let way = ways[random.below(ways.len() as u64) as usize];
            disk = if random.coin() { cut.kill() } else { cut.crash(way) };
            if forgets {
                for (path, _) in disk.files() {
                    if path.extension().is_some_and(|end| end == "cosigned" || end == "signed") {
                        disk.take(&path).unwrap();
                    }
                }
            }
        }
    }
    Ok(signed.len())
}

#[test]
fn no_life_makes_a_witness_or_a_signer_sign_two_histories() {
    for ask in [ask_witness, ask_signer] {
        let signed: usize = (0..300).map(|seed| live(seed, false, ask).unwrap()).sum();
        assert!(signed > 600, "a life without signatures shows nothing: {signed}");
    }
}

#[test]
fn a_memory_that_is_lost_is_found_out_by_these_lives() {
    for ask in [ask_witness, ask_signer] {
        assert!((0..300).any(|seed| live(seed, true, ask).is_err()));
    }
}

#[test]
fn a_memory_belongs_to_one_key() {
    let disk = SimDisk::new(1);
    let open = |seed| Witness::open(&disk.world(), Path::new("/w"), Box::new(key("w.example", seed)), []);
    open(1).unwrap();
    open(1).unwrap();
    assert!(matches!(open(2), Err(Error::Locked { .. })));
}
