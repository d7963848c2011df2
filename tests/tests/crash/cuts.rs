//! Power cut at every changing call, and at every changing call of the recovery after it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use indelible_engine::disk::sim::{Cut, Persisted, Random, SimDisk};

use super::check::{check_copy, go_on, open_again, open_and_check, verify_clean};
use super::ledger::{Known, Ledger};
use super::workload::{Plan, machine, run, run_backup, run_compact, run_threads};

/// One case: where the power went, what it left, and where it went again during recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    plan: Plan,
    cut: usize,
    /// Nothing: every process was killed, and the power stayed on.
    left: Option<Persisted>,
    again: Option<(usize, Persisted)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, processes, steps, buffered } = self.plan;
        write!(f, "{seed} {processes} {steps} {} {} ", u8::from(buffered), self.cut)?;
        match self.left {
            Some(left) => write!(f, "{left}")?,
            None => f.write_str("kill")?,
        }
        match self.again {
            Some((cut, left)) => write!(f, " {cut} {left}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [seed, processes, steps, buffered, cut, left, again @ ..] = &words[..] else {
            return Err(format!("{text:?} is no case"));
        };
        let number = |word: &str| word.parse::<usize>().map_err(|error| format!("{word}: {error}"));
        let plan = Plan {
            seed: number(seed)? as u64,
            processes: number(processes)?,
            steps: number(steps)?,
            buffered: *buffered == "1",
        };
        let left = if *left == "kill" { None } else { Some(left.parse()?) };
        let again = match again {
            [cut, left] => Some((number(cut)?, left.parse()?)),
            _ => None,
        };
        Ok(Case { plan, cut: number(cut)?, left, again })
    }
}

/// A workload that was run once, with the machine as it was before each changing call.
struct Recorded {
    plan: Plan,
    ledger: Ledger,
    cuts: Vec<Cut>,
}

fn record(plan: Plan, lie: Option<&str>) -> Recorded {
    let (disk, key) = machine(plan.seed);
    if let Some(part) = lie {
        disk.ignore_syncs_of(part);
    }
    let mut ledger = Ledger::new(&disk);
    disk.record();
    run(plan, &disk, &key, &mut ledger);
    Recorded { plan, ledger, cuts: disk.cuts() }
}

/// Runs `act`; a panic in it is an error.
pub(super) fn caught<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

impl Recorded {
    /// How many segments the workload began.
    fn segments(&self) -> u64 {
        let renamed = |cut: &&Cut| cut.call.starts_with("rename") && cut.call.ends_with(".log");
        self.cuts.iter().filter(renamed).count() as u64
    }
}

/// Opens, checks; if asked, opens again and goes on appending. The recovery's own changing calls, as cuts.
fn examine(disk: &SimDisk, known: &Known<'_>, thorough: bool) -> Result<Vec<Cut>, String> {
    caught(|| {
        disk.record();
        let seen = open_and_check(disk, known)?;
        let cuts = disk.cuts();
        verify_clean(disk, seen.as_ref())?;
        if thorough {
            open_again(disk, known, seen.as_ref())?;
            go_on(disk, seen.as_ref())?;
        }
        Ok(cuts)
    })
}

/// Does `work` for every item on all cores; what failed is told at the end, one line each.
pub(super) fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        let mut failures = failures.lock().expect("nothing panics in here");
                        failures.push(error);
                        if failures.len() >= FAILURES_MAX {
                            break;
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nothing panics in here");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// How many states to look at, and what was found.
struct Hunt {
    states: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// More failures than these help nobody.
const FAILURES_MAX: usize = 20;

impl Hunt {
    fn new() -> Self {
        Hunt { states: AtomicU64::new(0), failures: Mutex::new(Vec::new()) }
    }

    /// One state; the recovery's own cuts if all is well.
    fn look(&self, case: Case, call: &str, disk: &SimDisk, known: &Known<'_>, thorough: bool) -> Vec<Cut> {
        self.states.fetch_add(1, Ordering::Relaxed);
        examine(disk, known, thorough).unwrap_or_else(|error| {
            let line = format!("INDELIBLE_CRASH_REPLAY='{case}' ({call}): {error}");
            self.failures.lock().expect("no look panics").push(line);
            Vec::new()
        })
    }

    fn is_over(&self) -> bool {
        self.failures.lock().expect("no look panics").len() >= FAILURES_MAX
    }

    /// All cuts of a workload, `ways` ways each; of some of them the recovery is cut too.
    fn hunt(&self, recorded: &Recorded, ways: usize) {
        let next = AtomicUsize::new(0);
        let threads = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(cut) = recorded.cuts.get(index) else { break };
                        self.hunt_cut(recorded, index, cut, ways);
                        if self.is_over() {
                            break;
                        }
                    }
                });
            }
        });
    }

    fn hunt_cut(&self, recorded: &Recorded, index: usize, cut: &Cut, ways: usize) {
        let known = recorded.ledger.at(cut.mark);
        let case = Case { plan: recorded.plan, cut: index, left: None, again: None };
        self.look(case, &cut.call, &cut.kill(), &known, true);
        let seed = Random::new(recorded.plan.seed ^ (index as u64) << 32).next();
        for (nth, left) in cut.ways(ways, seed).into_iter().enumerate() {
            let case = Case { left: Some(left), ..case };
            let recovery = self.look(case, &cut.call, &cut.crash(left), &known, nth % 4 == 0);
            // Recoveries are much alike: of each cut, one, and not the same way to it each time.
            if !index.is_multiple_of(4) || nth != index / 4 % ways {
                continue;
            }
            for (again, cut) in recovery.iter().enumerate() {
                for left in cut.ways(4, seed ^ again as u64) {
                    let case = Case { again: Some((again, left)), ..case };
                    self.look(case, &cut.call, &cut.crash(left), &known, false);
                }
            }
        }
    }

    fn end(self) {
        let failures = self.failures.into_inner().expect("no look panics");
        assert!(
            failures.is_empty(),
            "{} of {} states failed:\n{}",
            failures.len(),
            self.states.into_inner(),
            failures.join("\n")
        );
    }
}

/// Whether more states than usual were asked for.
pub(super) fn is_long() -> bool {
    states_wanted() > STATES
}

/// How many states are looked at unless told otherwise.
const STATES: u64 = 50_000;

fn states_wanted() -> u64 {
    std::env::var("INDELIBLE_CRASH_STATES").ok().and_then(|count| count.parse().ok()).unwrap_or(STATES)
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    let hunt = Hunt::new();
    let wanted = states_wanted();
    let (mut seed, mut segments, mut signed) = (0, 0, 0);
    while hunt.states.load(Ordering::Relaxed) < wanted && !hunt.is_over() {
        seed += 1;
        let (processes, buffered) = (1 + (seed % 2) as usize, seed % 4 == 0);
        let recorded = record(Plan { seed, processes, steps: 40, buffered }, None);
        let known = recorded.ledger.end();
        assert!(known.acked.len() > 20 && recorded.cuts.len() > 100, "a workload that does too little");
        segments += recorded.segments();
        signed += u64::from(known.signed > 0);
        hunt.hunt(&recorded, 16);
    }
    let states = hunt.states.load(Ordering::Relaxed);
    println!("{states} states of {seed} workloads, {segments} segments, {signed} signed");
    assert!(hunt.is_over() || (segments > 2 * seed && signed > 0), "workloads that do too little");
    hunt.end();
}

/// The order of threads is not to be had again, so these cases cannot be replayed one by one.
fn hunt_threads(seal_in_background: bool) {
    let disk = SimDisk::new(77);
    disk.put(Path::new("/data/.keep"), b"").expect("a new machine takes files");
    let ledger = Mutex::new(Ledger::new(&disk));
    disk.record();
    run_threads(&disk, &ledger, 12, seal_in_background);
    let (cuts, ledger) = (disk.cuts(), ledger.into_inner().expect("no thread panicked"));
    assert_eq!(ledger.at(u64::MAX).acked.len(), 48);
    assert!(cuts.iter().any(|cut| cut.call.starts_with("rename") && cut.call.ends_with(".idx")), "no seal");
    in_parallel(&cuts, |cut| {
        let known = Known { threads: true, ..ledger.at(cut.mark) };
        for left in cut.ways(8, cut.index) {
            examine(&cut.crash(left), &known, false)
                .map_err(|error| format!("cut before {}, {left}: {error}", cut.call))?;
        }
        Ok(())
    });
}

#[test]
fn what_threads_appended_together_survives_too() {
    hunt_threads(false);
}

#[test]
fn a_segment_that_is_sealed_while_others_append_survives_too() {
    hunt_threads(true);
}

#[test]
fn a_backup_that_was_cut_off_is_no_store_and_a_finished_one_is_whole() {
    let (disk, key) = machine(9);
    let mut ledger = Ledger::new(&disk);
    run_backup(&disk, &key, &mut ledger);
    let (cuts, known) = (disk.cuts(), ledger.end());
    // The last cut is the machine as the backup left it.
    let steps: Vec<(bool, &Cut)> =
        cuts.iter().enumerate().map(|(at, cut)| (at + 1 == cuts.len(), cut)).collect();
    assert!(steps.len() > 20, "a backup that does too little");
    in_parallel(&steps, |&(finished, cut)| {
        let told = |error| format!("cut before {}: {error}", cut.call);
        for left in cut.ways(12, cut.index) {
            let disk = cut.crash(left);
            caught(|| check_copy(&disk, &known, finished))
                .map_err(|error| told(format!("{left}: {error}")))?;
            examine(&disk, &known, false).map_err(told)?;
        }
        caught(|| check_copy(&cut.kill(), &known, finished)).map_err(told).map(|_| ())
    });
}

#[test]
fn a_move_to_the_warm_tier_loses_nothing_wherever_it_is_cut_off() {
    let (disk, key) = machine(10);
    let mut ledger = Ledger::new(&disk);
    run_compact(&disk, &key, &mut ledger);
    let cuts = disk.cuts();
    assert!(cuts.iter().any(|cut| cut.call.to_string().contains("packs")), "packs are made");
    in_parallel(&cuts, |cut| {
        let (known, told) = (ledger.at(cut.mark), |error| format!("cut before {}: {error}", cut.call));
        for left in cut.ways(12, cut.index) {
            let disk = cut.crash(left);
            examine(&disk, &known, false).map_err(|error| told(format!("{left}: {error}")))?;
        }
        examine(&cut.kill(), &known, false).map_err(told).map(|_| ())
    });
}

/// A disk that answers the syncs of what `lie` names and does nothing must be found out.
fn is_found_out(lie: &str) {
    let hunt = Hunt::new();
    for seed in 1..=4 {
        hunt.hunt(&record(Plan { seed, processes: 1, steps: 40, buffered: false }, Some(lie)), 8);
    }
    let failures = hunt.failures.into_inner().expect("no look panics");
    assert!(!failures.is_empty(), "nobody noticed that {lie} was never synced");
}

#[test]
fn a_log_that_is_never_synced_is_found_out() {
    is_found_out(".log");
}

#[test]
fn a_log_directory_that_is_never_synced_is_found_out() {
    is_found_out("store/log");
}

#[test]
fn replay() {
    let Ok(text) = std::env::var("INDELIBLE_CRASH_REPLAY") else { return };
    let case: Case = text.parse().expect("a line that a failure printed");
    let recorded = record(case.plan, None);
    let cut = &recorded.cuts[case.cut];
    let known = recorded.ledger.at(cut.mark);
    println!("cut before: {}", cut.call);
    let disk = case.left.map_or_else(|| cut.kill(), |left| cut.crash(left));
    let list = |disk: &SimDisk| {
        for (path, bytes) in disk.files() {
            println!("  {} {}", bytes.len(), path.display());
        }
    };
    list(&disk);
    let recovery = examine(&disk, &known, case.again.is_none());
    if let Some((again, left)) = case.again {
        let recovery = recovery.expect("the first recovery succeeds");
        println!("recovery cut before: {}", recovery[again].call);
        let disk = recovery[again].crash(left);
        list(&disk);
        examine(&disk, &known, false).expect("the second recovery succeeds");
    } else {
        recovery.expect("recovery succeeds");
    }
}
