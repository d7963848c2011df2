//! Tiles, C2SP tlog-tiles: where a tree's hashes stand when it is published as plain files, and reading it from them.

use std::cell::RefCell;
use std::collections::HashMap;

use super::{NodeReader, root};
use crate::hash::{Hash, LogTree};

/// How many hashes a full tile has.
pub const TILE_WIDTH: u64 = 256;
/// How many levels of the tree a tile spans.
const TILE_HEIGHT: u8 = 8;

/// A tile of a tree: some consecutive hashes of one level in eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Its level among tiles: its hashes are the roots of `256^level` leaves each.
    pub level: u8,
    /// Its place among those of its level.
    pub index: u64,
    /// How many hashes it has: 256, or fewer at the tree's right edge.
    pub width: u16,
}

impl Tile {
    /// The tile of this level and place in a tree of `size` leaves; none where it would have no hash.
    pub fn of_tree(level: u8, index: u64, size: u64) -> Option<Tile> {
        let count = size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT))?;
        let width = count.checked_sub(index.checked_mul(TILE_WIDTH)?)?.min(TILE_WIDTH);
        (width > 0).then_some(Tile { level, index, width: width as u16 })
    }

    /// The tiles of a level that a tree of `size` leaves has and one of `published` leaves had not.
    pub fn new_in(level: u8, published: u64, size: u64) -> impl Iterator<Item = Tile> {
        let whole = |size: u64| size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0);
        // The last tile of before is new where it got wider.
        let start = whole(published) / TILE_WIDTH;
        let end = if whole(size) == whole(published) { start } else { whole(size).div_ceil(TILE_WIDTH) };
        (start..end).filter_map(move |index| Tile::of_tree(level, index, size))
    }

    /// The place of its first hash in its level.
    pub fn first(&self) -> u64 {
        self.index * TILE_WIDTH
    }

    /// Whether it has room for more hashes.
    pub fn is_partial(&self) -> bool {
        u64::from(self.width) < TILE_WIDTH
    }

    /// Its path below the log's prefix: `tile/0/x001/x234/067`, and with `.p/W` behind it where it is partial.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, self.place())
    }

    /// The path of the bundle of the entries whose leaves this tile, of level 0, has.
    pub fn entries_path(&self) -> String {
        format!("tile/entries/{}", self.place())
    }

    fn place(&self) -> String {
        let mut place = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            place = format!("x{:03}/{place}", rest % 1000);
            rest /= 1000;
        }
        if self.is_partial() {
            place.push_str(&format!(".p/{}", self.width));
        }
        place
    }
}

/// Why a node could not be read from tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TileError<E> {
    /// The tile could not be fetched.
    Fetch(E),
    /// The tile has not as many bytes as its width calls for.
    Length {
        /// The tile's path.
        path: String,
        /// Its length in bytes.
        len: usize,
    },
    /// The tree is not as large.
    NoSuchNode,
}

/// A tree of a known size, read from its tiles, each fetched once by its path.
///
/// What is read is not authenticated: a proof made from it is, by the roots that it is checked against.
#[derive(Debug)]
pub struct TileNodes<F> {
    size: u64,
    fetch: F,
    tiles: RefCell<HashMap<Tile, Vec<Hash>>>,
}

impl<F, E> TileNodes<F>
where
    F: Fn(&str) -> Result<Vec<u8>, E>,
{
    /// The tree of `size` leaves whose tiles `fetch` gives by their paths.
    pub fn new(size: u64, fetch: F) -> Self {
        TileNodes { size, fetch, tiles: RefCell::default() }
    }

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, TileError<E>> {
        if let Some(hashes) = self.tiles.borrow().get(&tile) {
            return Ok(hashes.clone());
        }
        let bytes = (self.fetch)(&tile.path()).map_err(TileError::Fetch)?;
        if bytes.len() != usize::from(tile.width) * 32 {
            return Err(TileError::Length { path: tile.path(), len: bytes.len() });
        }
        let hashes: Vec<Hash> = bytes.as_chunks().0.iter().map(|hash| Hash(*hash)).collect();
        self.tiles.borrow_mut().insert(tile, hashes.clone());
        Ok(hashes)
    }
}

impl<F, E> NodeReader for TileNodes<F>
where
    F: Fn(&str) -> Result<Vec<u8>, E>,
{
    type Error = TileError<E>;

    fn node(&self, level: u8, index: u64) -> Result<Hash, TileError<E>> {
        let (tile_level, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << height;
        let tile = Tile::of_tree(tile_level, first / TILE_WIDTH, self.size).ok_or(TileError::NoSuchNode)?;
        let hashes = self.tile(tile)?;
        let start = (first - tile.first()) as usize;
        let below = hashes.get(start..start + (1 << height)).ok_or(TileError::NoSuchNode)?;
        Ok(root::<LogTree>(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::TreeHash;
    use crate::merkle::{Leaves, consistency_proof, inclusion_proof, root_at, verify_consistency};

    #[test]
    fn paths_are_those_of_the_specification() {
        let full = |index| Tile { level: 0, index, width: 256 };
        assert_eq!(full(1_234_067).path(), "tile/0/x001/x234/067");
        assert_eq!(full(7).path(), "tile/0/007");
        assert_eq!(full(1_000).path(), "tile/0/x001/000");
        assert_eq!(Tile { level: 2, index: 0, width: 1 }.path(), "tile/2/000.p/1");
        assert_eq!(full(273).entries_path(), "tile/entries/273");
    }

    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        let of = |level, size| Tile::new_in(level, 0, size).collect::<Vec<_>>();
        let widths = |level| (of(level, 70_000).len(), of(level, 70_000).last().map(|tile| tile.width));
        assert_eq!([widths(0), widths(1), widths(2)], [(274, Some(112)), (2, Some(17)), (1, Some(1))]);
        assert_eq!(of(3, 70_000), []);
        assert_eq!((of(0, 256).len(), of(1, 256)[0].width), (1, 1));
        assert_eq!(of(0, 0), []);
    }

    #[test]
    fn what_is_new_is_what_was_not_there_as_it_is() {
        for published in 0..=600 {
            for size in [published, published + 1, published + 300, 70_000] {
                for level in 0..3 {
                    let before: Vec<Tile> = Tile::new_in(level, 0, published).collect();
                    let expected: Vec<Tile> =
                        Tile::new_in(level, 0, size).filter(|tile| !before.contains(tile)).collect();
                    let new: Vec<Tile> = Tile::new_in(level, published, size).collect();
                    assert_eq!(new, expected, "{level} {published} {size}");
                }
            }
        }
    }

    #[test]
    fn roots_and_proofs_from_tiles_are_those_from_leaves() {
        let leaves: Vec<Hash> = (0_u32..1_000).map(|n| LogTree::leaf(&n.to_le_bytes())).collect();
        let all = Leaves::<LogTree>::new(&leaves);
        for size in [1_u64, 2, 255, 256, 257, 700, 1_000] {
            let fetch = |path: &str| {
                let tiles = (0..3).flat_map(|level| Tile::new_in(level, 0, size));
                let tile = tiles.into_iter().find(|tile| tile.path() == path).ok_or(())?;
                let nodes = (0..u64::from(tile.width)).map(|at| all.node(tile.level * 8, tile.first() + at));
                Ok::<_, ()>(nodes.flat_map(|node| node.unwrap().0).collect())
            };
            let tiles = TileNodes::new(size, fetch);
            let root = root_at::<LogTree, _>(&tiles, size).unwrap();
            assert_eq!(root, root_at::<LogTree, _>(&all, size).unwrap());
            for old in [1, size / 2, size].into_iter().filter(|old| *old > 0) {
                let proof = consistency_proof::<LogTree, _>(&tiles, old, size).unwrap();
                let old_root = root_at::<LogTree, _>(&all, old).unwrap();
                assert!(verify_consistency::<LogTree>(old, size, &old_root, &root, &proof));
                let index = old - 1;
                let proof = inclusion_proof::<LogTree, _>(&tiles, index, size);
                assert_eq!(proof.unwrap(), inclusion_proof::<LogTree, _>(&all, index, size).unwrap());
            }
            assert_eq!(tiles.node(0, size), Err(TileError::NoSuchNode));
        }
        let short = TileNodes::new(3, |_: &str| Ok::<_, ()>(vec![0; 64]));
        assert_eq!(short.node(0, 0), Err(TileError::Length { path: "tile/0/000.p/3".to_owned(), len: 64 }));
        let missing = TileNodes::new(3, |_: &str| Err(()));
        assert_eq!(missing.node(0, 0), Err(TileError::Fetch(())));
    }
}
