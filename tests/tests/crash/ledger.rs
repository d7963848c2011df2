//! What a workload tried and what it was told: the only thing that a crash may be judged by.

use indelible_engine::Seq;
use indelible_engine::disk::sim::SimDisk;
use indelible_engine::hash::Hash;

/// An event that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acked {
    /// Which of the tried events.
    pub(crate) event: usize,
    pub(crate) seq: Seq,
    pub(crate) leaf: Hash,
    pub(crate) tree_size: u64,
    pub(crate) root: Hash,
}

/// One thing that happened.
#[derive(Debug, Clone)]
enum Step {
    /// An event was given to the store.
    Tried(Vec<u8>),
    Acked(Acked),
    /// A checkpoint over this size was returned.
    Signed(u64),
}

/// Everything that happened, in order. Each step moves the machine's mark on, so that a cut knows how far the
/// workload had come.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    disk: SimDisk,
    steps: Vec<Step>,
    tried: usize,
}

/// What is known at one moment of a ledger.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    pub(crate) tried: Vec<&'a [u8]>,
    pub(crate) acked: Vec<&'a Acked>,
    /// Size of the largest checkpoint that was returned.
    pub(crate) signed: u64,
    /// Several threads appended at once: the order in which events were tried says nothing.
    pub(crate) threads: bool,
}

impl Ledger {
    pub(crate) fn new(disk: &SimDisk) -> Self {
        Ledger { disk: disk.clone(), steps: Vec::new(), tried: 0 }
    }

    fn push(&mut self, step: Step) {
        self.steps.push(step);
        self.disk.mark(self.steps.len() as u64);
    }

    /// Notes an event that is about to be appended; its number.
    pub(crate) fn tried(&mut self, event: Vec<u8>) -> usize {
        self.push(Step::Tried(event));
        self.tried += 1;
        self.tried - 1
    }

    pub(crate) fn acked(&mut self, acked: Acked) {
        self.push(Step::Acked(acked));
    }

    pub(crate) fn signed(&mut self, size: u64) {
        self.push(Step::Signed(size));
    }

    /// What was known when the machine's mark was `mark`.
    pub(crate) fn at(&self, mark: u64) -> Known<'_> {
        let mut known = Known::default();
        for step in self.steps.iter().take(mark as usize) {
            match step {
                Step::Tried(event) => known.tried.push(event),
                Step::Acked(acked) => known.acked.push(acked),
                Step::Signed(size) => known.signed = known.signed.max(*size),
            }
        }
        known
    }

    /// What is known at the end.
    pub(crate) fn end(&self) -> Known<'_> {
        self.at(u64::MAX)
    }
}
