//! The workload: a seeded walk through all that changes a store.

use std::path::Path;
use std::sync::Mutex;

use indelible_engine::disk::sim::{Random, SimDisk};
use indelible_engine::trust::{Checkpoint, VerifierKey};
use indelible_engine::{CheckpointSigner, FileSigner, Options, Receipt, Result, Store, Sync};

use super::ledger::{Acked, Ledger};

/// Where the store is.
pub(crate) const STORE: &str = "/data/store";
/// Where the signing key is: outside the store, as it should be.
const KEY: &str = "/keys/signer";
const ORIGIN: &str = "crash.example/store";

/// What makes a workload: everything else follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// How many processes have the store open at once.
    pub(crate) processes: usize,
    /// How many steps each run takes.
    pub(crate) steps: usize,
    /// Appends are durable with the next seal, checkpoint or close only.
    pub(crate) buffered: bool,
}

/// Segments of a few frames and little room ahead, so that everything happens within few calls.
fn small(options: Options, disk: &SimDisk) -> Options {
    options.world(disk.world()).segment_len(9_000).allocate_len(2_048).seal_in_background(false)
}

/// How a store is opened after a crash.
pub(crate) fn options(disk: &SimDisk) -> Options {
    small(Options::default(), disk)
}

/// One process with the store open, and what it was told that is not durable yet.
struct Open {
    store: Store,
    waiting: Vec<Acked>,
}

impl Open {
    fn new(store: Result<Store>) -> Option<Self> {
        store.ok().map(|store| Open { store, waiting: Vec::new() })
    }

    /// Notes a receipt: at once where it says durable, with the next sync otherwise.
    fn received(&mut self, event: usize, receipt: &Receipt, ledger: &mut Ledger) {
        let acked = acked(event, receipt);
        match receipt.durable {
            true => ledger.acked(acked),
            false => self.waiting.push(acked),
        }
    }

    /// Notes that all that was appended is durable.
    fn synced(&mut self, ledger: &mut Ledger) {
        self.waiting.drain(..).for_each(|acked| ledger.acked(acked));
    }
}

/// The machine before the workload: a signing key, durable, and no store.
pub(crate) fn machine(seed: u64) -> (SimDisk, VerifierKey) {
    let disk = SimDisk::new(seed);
    disk.put(Path::new("/data/.keep"), b"").expect("a new machine takes files");
    let signer =
        FileSigner::create(&disk.world(), Path::new(KEY), ORIGIN).expect("a new machine takes a key");
    disk.put(Path::new("/keys/.keep"), b"").expect("a new machine takes files");
    let key = signer.verifier().clone();
    (disk, key)
}

/// Runs the workload. What fails is left at that: the ledger alone says what was acknowledged.
pub(crate) fn run(plan: Plan, disk: &SimDisk, key: &VerifierKey, ledger: &mut Ledger) {
    let sync = if plan.buffered { Sync::Buffered } else { Sync::Always };
    let mut random = Random::new(plan.seed);
    let processes: Vec<SimDisk> = (0..plan.processes).map(|_| disk.process()).collect();
    let mut stores: Vec<Option<Open>> = processes.iter().map(|_| None).collect();
    let new = Options::new(ORIGIN).log_key(key.clone()).sync(sync);
    stores[0] = Open::new(Store::create(STORE, small(new, &processes[0])));
    for step in 0..plan.steps {
        let which = random.below(processes.len() as u64) as usize;
        let process = &processes[which];
        let Some(open) = &mut stores[which] else {
            stores[which] = Open::new(Store::open(STORE, options(process).sync(sync)));
            continue;
        };
        match random.below(20) {
            0..=7 => {
                let bytes = event(&mut random, step, 0);
                let number = ledger.tried(bytes.clone());
                if let Ok(receipt) = open.store.append(&bytes) {
                    open.received(number, &receipt, ledger);
                }
            }
            8..=12 => {
                let count = 1 + random.below(6) as usize;
                let batch: Vec<Vec<u8>> = (0..count).map(|n| event(&mut random, step, n)).collect();
                let numbers: Vec<usize> = batch.iter().map(|event| ledger.tried(event.clone())).collect();
                for (number, receipt) in numbers.iter().zip(open.store.append_batch(&batch).iter().flatten())
                {
                    open.received(*number, receipt, ledger);
                }
            }
            13 | 14 => {
                if let Ok(Some(_)) = open.store.seal() {
                    open.synced(ledger);
                }
            }
            15 | 16 => {
                let signed = FileSigner::open(&process.world(), Path::new(KEY))
                    .and_then(|signer| open.store.checkpoint(&signer))
                    .and_then(|note| Checkpoint::open(&note, key));
                if let Ok(checkpoint) = signed {
                    open.synced(ledger);
                    ledger.signed(checkpoint.size);
                }
            }
            17 | 18 => close(stores[which].take(), plan, ledger),
            // Dropped without a word, as a process that exits does.
            _ => stores[which] = None,
        }
    }
    for open in stores {
        close(open, plan, ledger);
    }
}

fn close(open: Option<Open>, plan: Plan, ledger: &mut Ledger) {
    let Some(Open { store, waiting }) = open else { return };
    // While another process has the store open, closing it here makes nothing durable.
    if store.close().is_ok() && plan.processes == 1 {
        waiting.into_iter().for_each(|acked| ledger.acked(acked));
    }
}

/// Has four threads append to one store at once, `count` events each; segments are sealed by a thread of their own
/// where that is asked for.
pub(crate) fn run_threads(disk: &SimDisk, ledger: &Mutex<Ledger>, count: usize, seal_in_background: bool) {
    let options = small(Options::new(ORIGIN), disk).seal_in_background(seal_in_background);
    let store = Store::create(STORE, options).expect("a new store");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for n in 0..count {
                    let bytes = event(&mut random, n, thread as usize);
                    let number = ledger.lock().expect("no thread panics").tried(bytes.clone());
                    let receipt = store.append(&bytes).expect("the disk is well");
                    ledger.lock().expect("no thread panics").acked(acked(number, &receipt));
                }
            });
        }
    });
    store.close().expect("the disk is well");
}

/// Where the backup goes.
pub(crate) const COPY: &str = "/data/copy";

/// Makes a store of a few segments and checkpoints, then records how it is backed up.
pub(crate) fn run_backup(disk: &SimDisk, key: &VerifierKey, ledger: &mut Ledger) {
    let new = small(Options::new(ORIGIN).log_key(key.clone()), disk);
    let store = Store::create(STORE, new).expect("a new store");
    let signer = FileSigner::open(&disk.world(), Path::new(KEY)).expect("the key is there");
    let mut random = Random::new(5);
    for step in 0..3 {
        for n in 0..4 {
            let bytes = event(&mut random, step, n);
            let number = ledger.tried(bytes.clone());
            ledger.acked(acked(number, &store.append(&bytes).expect("the disk is well")));
        }
        store.checkpoint(&signer).expect("the disk is well");
        if step < 2 {
            store.seal().expect("the disk is well");
        }
    }
    disk.record();
    store.backup(Path::new(COPY), &mut |_, _| true).expect("the disk is well");
}

/// Makes a store of three sealed segments and an active one, then records how the sealed ones are moved to the warm tier
/// while others append.
pub(crate) fn run_compact(disk: &SimDisk, key: &VerifierKey, ledger: &mut Ledger) {
    let new = small(Options::new(ORIGIN).log_key(key.clone()), disk);
    let store = Store::create(STORE, new).expect("a new store");
    let mut random = Random::new(6);
    let append = |step: usize, random: &mut Random, ledger: &mut Ledger| {
        let bytes = event(random, step, 0);
        let number = ledger.tried(bytes.clone());
        ledger.acked(acked(number, &store.append(&bytes).expect("the disk is well")));
    };
    for step in 0..15 {
        append(step, &mut random, ledger);
        if step % 4 == 3 {
            store.seal().expect("the disk is well");
        }
    }
    let sealed: Vec<_> = store.snapshot().expect("a snapshot").segments().filter(|s| s.sealed).collect();
    disk.record();
    for (step, segment) in (15..).zip(sealed) {
        store.compact(segment.id, &mut |_, _| true).expect("the disk is well").expect("it was hot");
        append(step, &mut random, ledger);
    }
    store.close().expect("the disk is well");
}

fn acked(event: usize, receipt: &Receipt) -> Acked {
    let Receipt { seq, leaf, tree_size, .. } = *receipt;
    Acked { event, seq, leaf, tree_size, root: receipt.root() }
}

/// An event that no other is equal to.
fn event(random: &mut Random, step: usize, n: usize) -> Vec<u8> {
    let padding = match random.below(6) {
        0 => 1_500,
        1 => 0,
        _ => 60 + random.below(300) as usize,
    };
    let (run, agent, fill) = (random.below(3), random.below(2), "x".repeat(padding));
    format!(
        r#"{{"event_id":"e-{step}-{n}","run_id":"run_{run}","agent_id":"agent-{agent}","kind":"tool.call","ts":"2026-04-01T09:30:{:02}Z","fill":"{fill}"}}"#,
        step % 60
    )
    .into_bytes()
}
