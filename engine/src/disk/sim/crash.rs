//! Power loss: from what is durable and what was pending to the disk that the next boot finds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::SimDisk;
use super::state::{Change, Node, Nodes, Pending, State};
use super::world::Random;

/// Unit in which a disk writes.
const SECTOR_LEN: usize = 512;

/// What a power loss made of the pending changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Nothing of it is there.
    Nothing,
    /// All of it is there.
    Everything,
    /// The first so many changes are there.
    Prefix(u32),
    /// The first so many changes, and of the next, if it is a write, a first part; what follows in that sector is
    /// garbage.
    Torn(u32),
    /// Each sector of each file, each length and each name as it was at one moment or another.
    Sectors,
    /// All names and lengths, and no byte: what was not synced reads as it did before, or as zeros.
    SizeWithoutData,
    /// All names, and neither bytes nor lengths: a rename that overtook its data.
    NamesWithoutData,
    /// All bytes, and no name: lost directory entries.
    DataWithoutNames,
    /// All bytes, and some of the names.
    SomeNames,
    /// All of it, but each file's unsynced bytes are zeros from some point on.
    ZeroTail,
}

/// One disk out of those that a power loss can leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Persisted {
    /// Decides what the flavour leaves open.
    pub seed: u64,
    /// What kind of loss.
    pub flavour: Flavour,
}

impl fmt::Display for Persisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flavour {
            Flavour::Prefix(count) => write!(f, "Prefix:{count}:{}", self.seed),
            Flavour::Torn(count) => write!(f, "Torn:{count}:{}", self.seed),
            flavour => write!(f, "{flavour:?}:{}", self.seed),
        }
    }
}

impl FromStr for Persisted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} names no persisted state");
        let (name, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (count, seed) = rest.split_once(':').unwrap_or(("0", rest));
        let (count, seed) = (count.parse().map_err(|_| wrong())?, seed.parse().map_err(|_| wrong())?);
        let flavour = match name {
            "Prefix" => Flavour::Prefix(count),
            "Torn" => Flavour::Torn(count),
            _ => *Flavour::PLAIN.iter().find(|flavour| format!("{flavour:?}") == name).ok_or_else(wrong)?,
        };
        Ok(Persisted { seed, flavour })
    }
}

impl Flavour {
    /// Every flavour that has no count.
    pub const PLAIN: [Flavour; 8] = [
        Flavour::Nothing,
        Flavour::Everything,
        Flavour::Sectors,
        Flavour::SizeWithoutData,
        Flavour::NamesWithoutData,
        Flavour::DataWithoutNames,
        Flavour::SomeNames,
        Flavour::ZeroTail,
    ];

    /// Whether the seed makes a difference.
    pub fn is_seeded(self) -> bool {
        matches!(self, Flavour::Sectors | Flavour::SomeNames | Flavour::ZeroTail | Flavour::Torn(_))
    }
}

/// A machine as it was at one moment.
#[derive(Debug)]
pub struct Cut {
    /// Index of the changing call that was about to be made.
    pub index: u64,
    /// What [`SimDisk::mark`] had been told.
    pub mark: u64,
    /// The call, for people.
    pub call: String,
    state: State,
}

impl Cut {
    pub(super) fn new(index: u64, mark: u64, call: String, state: State) -> Self {
        Cut { index, mark, call, state }
    }

    /// Count of the changes that a power loss may undo.
    pub fn pending(&self) -> u32 {
        self.state.journal.len() as u32
    }

    /// The disk at the next boot after every process was killed and the power stayed on: nothing is lost, nothing
    /// became durable, the boot is the same.
    pub fn kill(&self) -> SimDisk {
        SimDisk::on(self.state.fork())
    }

    /// The disk as the next boot might find it after a power loss.
    pub fn crash(&self, persisted: Persisted) -> SimDisk {
        let nodes = reachable(image(&self.state, persisted));
        let mut state = State::boot(self.state.seed, self.state.boot + 1, nodes.clone(), nodes, Vec::new());
        state.ignored_syncs.clone_from(&self.state.ignored_syncs);
        state.place = self.state.place;
        SimDisk::on(state)
    }

    /// `count` different ways to crash here, the plain ones first; fewer where there are not as many.
    pub fn ways(&self, count: usize, seed: u64) -> Vec<Persisted> {
        let pending = self.pending();
        let plain = |flavour: Flavour| Persisted { seed: 0, flavour };
        if pending == 0 {
            return vec![plain(Flavour::Nothing)];
        }
        let mut ways = vec![plain(Flavour::Nothing), plain(Flavour::Everything)];
        ways.extend(Flavour::PLAIN[3..6].iter().copied().map(plain));
        // Prefixes from the latest back: early ones differ little from nothing.
        ways.extend((1..pending).rev().map(|length| plain(Flavour::Prefix(length))));
        ways.truncate(count.div_ceil(2).max(2));
        let mut random = Random::new(seed);
        while ways.len() < count {
            let seed = random.next();
            let flavour = match random.below(8) {
                0..=2 => Flavour::Sectors,
                3 | 4 => Flavour::Torn(random.below(u64::from(pending)) as u32),
                5 => Flavour::Torn(pending - 1),
                6 => Flavour::SomeNames,
                _ => Flavour::ZeroTail,
            };
            ways.push(Persisted { seed: seed >> 32, flavour });
        }
        ways
    }
}

/// The inodes that a power loss leaves.
fn image(state: &State, persisted: Persisted) -> Nodes {
    let mut random = Random::new(persisted.seed);
    let mut nodes = state.durable.clone();
    let journal = &state.journal;
    let names = |pending: &Pending| matches!(pending, Pending::Names(_));
    match persisted.flavour {
        Flavour::Nothing => {}
        Flavour::Everything => apply(&mut nodes, journal.iter()),
        Flavour::Prefix(count) => apply(&mut nodes, journal.iter().take(count as usize)),
        Flavour::Torn(count) => {
            apply(&mut nodes, journal.iter().take(count as usize));
            if let Some(Pending::File { node, change: Change::Write { offset, bytes } }) =
                journal.get(count as usize)
            {
                let torn = tear(*offset, bytes, &mut random);
                torn.apply_to(&mut nodes, *node);
            }
        }
        Flavour::Sectors => {
            for (node, changes) in by_file(journal) {
                let len_at = random.below(changes.len() as u64 + 1) as usize;
                mix(&mut nodes, node, &changes, len_at, |_| random.below(changes.len() as u64 + 1) as usize);
            }
            apply(&mut nodes, journal.iter().filter(|pending| names(pending) && random.coin()));
        }
        Flavour::SizeWithoutData => {
            for (node, changes) in by_file(journal) {
                mix(&mut nodes, node, &changes, changes.len(), |_| 0);
            }
            apply(&mut nodes, journal.iter().filter(|pending| names(pending)));
        }
        Flavour::NamesWithoutData => apply(&mut nodes, journal.iter().filter(|pending| names(pending))),
        Flavour::DataWithoutNames => apply(&mut nodes, journal.iter().filter(|pending| !names(pending))),
        Flavour::SomeNames => {
            apply(&mut nodes, journal.iter().filter(|pending| !names(pending) || random.coin()));
        }
        Flavour::ZeroTail => {
            for (node, changes) in by_file(journal) {
                let ends = changes.iter().filter_map(|change| match change {
                    Change::Write { offset, bytes } => {
                        Some((*offset as usize, *offset as usize + bytes.len()))
                    }
                    Change::SetLen { .. } => None,
                });
                let (start, end) =
                    ends.fold((usize::MAX, 0), |(start, end), (from, to)| (start.min(from), end.max(to)));
                let first = start.min(end) / SECTOR_LEN;
                let keep = first + random.below((end / SECTOR_LEN + 1 - first) as u64 + 1) as usize;
                let all = changes.len();
                mix(&mut nodes, node, &changes, all, |sector| if sector < keep { all } else { 0 });
            }
            apply(&mut nodes, journal.iter().filter(|pending| names(pending)));
        }
    }
    nodes
}

fn apply<'a>(nodes: &mut Nodes, changes: impl Iterator<Item = &'a Pending>) {
    for change in changes {
        change.apply(nodes);
    }
}

/// The pending changes of each file, in order.
fn by_file(journal: &[Pending]) -> BTreeMap<u64, Vec<&Change>> {
    let mut files: BTreeMap<u64, Vec<&Change>> = BTreeMap::new();
    for pending in journal {
        if let Pending::File { node, change } = pending {
            files.entry(*node).or_default().push(change);
        }
    }
    files
}

impl Change {
    fn apply_to(&self, nodes: &mut Nodes, node: u64) {
        if let Some(Node::File(bytes)) = nodes.get_mut(&node) {
            self.apply(Arc::make_mut(bytes));
        }
    }
}

/// A first part of a write; the rest of the sector in which it ends is garbage, as far as the write went.
fn tear(offset: u64, bytes: &[u8], random: &mut Random) -> Change {
    let kept = random.below(bytes.len() as u64 + 1) as usize;
    let sector_end = (offset as usize + kept).next_multiple_of(SECTOR_LEN) - offset as usize;
    let mut torn = bytes[..sector_end.min(bytes.len())].to_vec();
    let garbage = random.below(3);
    for byte in &mut torn[kept..] {
        *byte = match garbage {
            0 => 0,
            1 => 0xFF,
            _ => random.next() as u8,
        };
    }
    Change::Write { offset, bytes: torn.into() }
}

/// Puts a file together from its sectors at different moments: sector `s` as it was after the first `at(s)`
/// changes, the length as it was after the first `len_at`. What a later moment of a sector shows contains every
/// earlier change of it, as a page that is written back does.
fn mix(nodes: &mut Nodes, node: u64, changes: &[&Change], len_at: usize, mut at: impl FnMut(usize) -> usize) {
    let Some(Node::File(file)) = nodes.get_mut(&node) else { return };
    let bytes = Arc::make_mut(file);
    let (mut len, mut len_max) = (bytes.len(), bytes.len());
    for (index, change) in changes.iter().enumerate() {
        let after = match change {
            Change::Write { offset, bytes } => len_max.max(*offset as usize + bytes.len()),
            Change::SetLen { len } => *len as usize,
        };
        len_max = len_max.max(after);
        if index < len_at {
            len = match change {
                Change::Write { offset, bytes } => len.max(*offset as usize + bytes.len()),
                Change::SetLen { len } => *len as usize,
            };
        }
    }
    bytes.resize(len_max, 0);
    let mut moments: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, change) in changes.iter().enumerate() {
        let (start, end) = match change {
            Change::Write { offset, bytes } => (*offset as usize, *offset as usize + bytes.len()),
            Change::SetLen { len } => (*len as usize, len_max),
        };
        let mut from = start;
        while from < end {
            let sector = from / SECTOR_LEN;
            let to = ((sector + 1) * SECTOR_LEN).min(end);
            let moment = *moments.entry(sector).or_insert_with(|| at(sector));
            if index < moment {
                match change {
                    Change::Write { bytes: new, .. } => {
                        bytes[from..to].copy_from_slice(&new[from - start..to - start]);
                    }
                    Change::SetLen { .. } => bytes[from..to].fill(0),
                }
            }
            from = to;
        }
    }
    bytes.truncate(len);
}

/// Without the inodes that no name leads to.
fn reachable(nodes: Nodes) -> Nodes {
    let mut kept = Nodes::new();
    let mut open = vec![super::state::ROOT];
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(&id) else { continue };
        if let Node::Dir(names) = node {
            open.extend(names.values());
        }
        kept.insert(id, node.clone());
    }
    kept
}
