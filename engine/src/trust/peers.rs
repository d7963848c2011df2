//! Round trips with independent implementations: what they write we read, what we write they read.

use signed_note::{Note as PeerNote, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint as PeerCheckpoint, HashReader, check_record, check_tree, prove_record, prove_tree,
};

use super::*;
use crate::Origin;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::{Leaves, consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion};

const ORIGIN: &str = "acme.example/agents-prod";

fn signer() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [3; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    let mut checkpoint = Checkpoint::new(&ORIGIN.parse::<Origin>().unwrap(), 12_345, LogTree::leaf(b"x"));
    checkpoint.extensions.push("an extension".to_owned());
    checkpoint
}

fn peer_verifiers() -> VerifierList {
    let key = StandardVerifier::new(&signer().verifier().to_string()).unwrap();
    VerifierList::new(vec![Box::new(key)])
}

#[test]
fn the_peer_verifies_our_note_and_writes_it_the_same() {
    let note = checkpoint().sign(&signer()).unwrap();
    let peer = PeerNote::from_bytes(note.to_string().as_bytes()).unwrap();
    let (verified, unknown) = peer.verify(&peer_verifiers()).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 0));
    assert_eq!(verified[0].id(), signer().verifier().key_id());
    assert_eq!(peer.to_bytes(), note.to_string().into_bytes());
}

#[test]
fn the_peer_signs_with_our_key_what_we_verify() {
    let text = checkpoint().encode().unwrap();
    let peer_signer = StandardSigner::new(&signer().to_text()).unwrap();
    let mut peer = PeerNote::new(text.as_bytes(), &[]).unwrap();
    peer.add_sigs(&[&peer_signer]).unwrap();
    let note = Note::decode(&peer.to_bytes()).unwrap();
    assert_eq!(Checkpoint::open(&note, signer().verifier()).unwrap(), checkpoint());
    assert_eq!(note, checkpoint().sign(&signer()).unwrap(), "Ed25519 signs deterministically");
}

#[test]
fn the_peer_reads_and_writes_our_checkpoint() {
    let text = checkpoint().encode().unwrap();
    let peer = PeerCheckpoint::from_bytes(text.as_bytes()).unwrap();
    assert_eq!((peer.origin(), peer.size(), peer.hash().0), (ORIGIN, 12_345, checkpoint().root.0));
    assert_eq!(peer.extension(), "an extension\n");
    assert_eq!(peer.to_bytes(), text.into_bytes());
}

/// The peer's window on a tree: the hashes in the order in which Go's `tlog` stores them.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

#[test]
fn the_peers_proofs_are_ours() {
    let (mut stored, mut leaves) = (Stored(vec![]), vec![]);
    let peer_hash = |hash: Hash| tlog_tiles::Hash(hash.0);
    let ours = |proof: &[tlog_tiles::Hash]| proof.iter().map(|hash| Hash(hash.0)).collect::<Vec<_>>();
    for size in 1..=40_u64 {
        let data = size.to_le_bytes();
        let new = tlog_tiles::stored_hashes(size - 1, &data, &stored).unwrap();
        stored.0.extend(new);
        leaves.push(LogTree::leaf(&data));
        let is = root::<LogTree>(&leaves);
        assert_eq!(tlog_tiles::tree_hash(size, &stored).unwrap().0, is.0);
        let reader = Leaves::<LogTree>::new(&leaves);
        for index in 0..size {
            let leaf = leaves[index as usize];
            let theirs = prove_record(size, index, &stored).unwrap();
            let proof = inclusion_proof::<LogTree, _>(&reader, index, size).unwrap();
            assert_eq!(ours(&theirs), proof, "{index} in {size}");
            assert!(verify_inclusion::<LogTree>(&leaf, index, size, &ours(&theirs), &is));
            check_record(&theirs, size, peer_hash(is), index, peer_hash(leaf)).unwrap();

            let old = index + 1;
            let was = root::<LogTree>(&leaves[..old as usize]);
            let theirs = prove_tree(size, old, &stored).unwrap();
            let proof = consistency_proof::<LogTree, _>(&reader, old, size).unwrap();
            assert_eq!(ours(&theirs), proof, "{old} to {size}");
            assert!(verify_consistency::<LogTree>(old, size, &was, &is, &ours(&theirs)));
            check_tree(&theirs, size, peer_hash(is), old, peer_hash(was)).unwrap();
        }
    }
}
