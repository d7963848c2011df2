//! What a store is told of the world it runs in: its disk, its clock, its randomness, this boot and this process.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Disk, Open, RealDisk};
use crate::{Error, Result, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// The wall clock as it is, right or wrong.
    fn now(&self) -> Timestamp;
    /// Nanoseconds since the machine booted, sleep included: a clock that never steps and that all processes share.
    fn since_boot_ns(&self) -> u64;
}

/// Fills buffers with randomness.
pub trait Entropy: Send + Sync + Debug {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// What the system says when it has none.
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()>;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let ns = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        };
        Timestamp(ns)
    }

    fn since_boot_ns(&self) -> u64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, ns) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
        seconds.saturating_mul(1_000_000_000).saturating_add(ns)
    }
}

/// The system's random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        getrandom::fill(buffer).map_err(std::io::Error::other)
    }
}

/// The world that a store runs in. The real one is [`World::real`]; tests bring their own.
#[derive(Debug, Clone)]
pub struct World {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where salts and ids come from.
    pub entropy: Arc<dyn Entropy>,
    /// Which boot of the machine this is: what an earlier boot left unsynced may be gone.
    pub boot_id: [u8; 16],
    /// Tells which process this is: a store opened before a fork is refused after it.
    pub process_id: fn() -> u32,
}

impl World {
    /// The machine that this process runs on.
    ///
    /// # Errors
    /// [`Error::Io`] if the system does not tell its boot id.
    pub fn real() -> Result<Self> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let disk = Arc::new(RealDisk);
        let mut text = [0; 64];
        let len = disk
            .open(path, Open::Read)
            .and_then(|file| file.read_up_to(&mut text, 0))
            .map_err(Error::io("read", path))?;
        // A UUID: only its identity matters, so any 16 bytes that depend on all of it will do.
        let digest = blake3::hash(&text[..len]);
        let mut boot_id = [0; 16];
        boot_id.copy_from_slice(&digest.as_bytes()[..16]);
        Ok(World {
            disk,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            boot_id,
            process_id: std::process::id,
        })
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness.
    pub fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes).map_err(Error::io("read", "the system's randomness"))?;
        Ok(bytes)
    }
}
