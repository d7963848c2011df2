//! Merkle trees of RFC 6962's shape, their proofs and the checks of those.
//!
//! Pure: a tree is seen through a [`NodeReader`], the one small window on wherever its nodes are kept, and hashed
//! by a [`TreeHash`](crate::hash::TreeHash). Proofs are those of RFC 6962 section 2.1, the checks those of RFC
//! 9162 sections 2.1.3.2 and 2.1.4.2. This room knows no file, no record and no format.

mod frontier;
mod multi;
mod proof;
mod reader;
mod search;
#[cfg(test)]
mod tests;
mod tile;

pub use frontier::{Frontier, Subtrees, frontier_root, root};
pub use multi::{multi_proof, verify_multi};
pub use proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use reader::{Leaves, NoSuchNode, NodeReader, frontier_at, root_at};
pub use search::{SearchStep, Searched, search_proof, search_root, verify_search};
pub use tile::{TILE_WIDTH, Tile, TileError, TileNodes};
