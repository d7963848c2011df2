//! The simulated machine's clock and randomness: the same for the same seed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::SimDisk;
use crate::Timestamp;
use crate::disk::{Clock, Entropy, World};

/// A small deterministic generator (SplitMix64): for tests, never for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A number below `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A clock that goes on by a millisecond whenever it is read, and that can be set.
#[derive(Debug, Default)]
pub struct SimClock {
    wall_ns: AtomicI64,
    since_boot_ns: AtomicU64,
}

impl SimClock {
    const STEP_NS: u64 = 1_000_000;

    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        SimClock { wall_ns: AtomicI64::new(now.0), since_boot_ns: AtomicU64::new(0) }
    }

    /// The clock of a machine's boot: each shows an hour more than the one before.
    pub(super) fn at_boot(boot: u64) -> Self {
        SimClock::new(Timestamp(1_790_000_000_000_000_000 + boot as i64 * 3_600_000_000_000))
    }

    pub(super) fn copy(&self) -> Self {
        SimClock {
            wall_ns: AtomicI64::new(self.wall_ns.load(Ordering::SeqCst)),
            since_boot_ns: AtomicU64::new(self.since_boot_ns.load(Ordering::SeqCst)),
        }
    }

    /// Sets the wall clock, as an operator or NTP does.
    pub fn set(&self, now: Timestamp) {
        self.wall_ns.store(now.0, Ordering::SeqCst);
    }

    /// Lets time pass, on both clocks.
    pub fn advance_ns(&self, ns: u64) {
        self.wall_ns.fetch_add(ns as i64, Ordering::SeqCst);
        self.since_boot_ns.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.advance_ns(Self::STEP_NS);
        Timestamp(self.wall_ns.load(Ordering::SeqCst))
    }

    fn since_boot_ns(&self) -> u64 {
        self.since_boot_ns.load(Ordering::SeqCst)
    }
}

/// Seeded randomness.
#[derive(Debug)]
pub struct SimEntropy(AtomicU64);

impl SimEntropy {
    /// The randomness of a seed.
    pub fn new(seed: u64) -> Self {
        SimEntropy(AtomicU64::new(mixed(seed ^ 0x1DE1_1B1E)))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        for chunk in buffer.chunks_mut(8) {
            let value = mixed(self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst));
            chunk.copy_from_slice(&value.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl SimDisk {
    /// The world of this process on this boot: its disk, a clock that goes on from boot to boot, and randomness
    /// that no other process and no other boot of the machine has.
    pub fn world(&self) -> World {
        let (seed, boot, clock) = {
            let state = self.state();
            (state.seed, state.boot, Arc::clone(&state.clock))
        };
        let own = mixed(seed) ^ mixed(boot.wrapping_add(1) << 20) ^ u64::from(self.process);
        let mut boot_id = [0x51; 16];
        boot_id[..8].copy_from_slice(&boot.to_le_bytes());
        World {
            disk: Arc::new(self.clone()),
            clock,
            entropy: Arc::new(SimEntropy::new(own)),
            boot_id,
            process_id: std::process::id,
        }
    }
}
