//! Errors of every kind at every call, once and for good; and processes killed at every changing call while others
//! go on. What was acknowledged must be there all the same, in this boot and after a power loss.

use indelible_engine::disk::sim::{Failure, Flavour, Persisted, SimDisk, SyncLoss, What};

use super::check::{go_on, open_again, open_and_check, verify_clean};
use super::cuts::{caught, in_parallel, is_long};
use super::ledger::Ledger;
use super::workload::{Plan, machine, run};

const KINDS: [What; 6] = [
    What::Io(SyncLoss::Dropped),
    What::Io(SyncLoss::Ghost),
    What::IoDone,
    What::NoSpace,
    What::Interrupted,
    What::Short,
];

/// Checks a machine on which a workload has ended, however badly.
fn check_after(disk: &SimDisk, ledger: &Ledger, label: &str) -> Result<(), String> {
    disk.heal();
    let known = ledger.end();
    let cut = disk.now();
    for (seed, flavour) in [(0, Flavour::Nothing), (0, Flavour::Everything), (7, Flavour::Sectors)] {
        let left = Persisted { seed, flavour };
        let after = cut.crash(left);
        let seen =
            open_and_check(&after, &known).map_err(|error| format!("{label}, then {left}: {error}"))?;
        open_again(&after, &known, seen.as_ref())
            .map_err(|error| format!("{label}, then {left}: {error}"))?;
    }
    let seen = open_and_check(disk, &known).map_err(|error| format!("{label}, same boot: {error}"))?;
    verify_clean(disk, seen.as_ref()).map_err(|error| format!("{label}, same boot: {error}"))?;
    go_on(disk, seen.as_ref()).map_err(|error| format!("{label}, same boot: {error}"))
}

/// Runs a workload in which something goes wrong, and checks what it leaves.
fn go_wrong(plan: Plan, label: &str, wrong: impl Fn(&SimDisk)) -> Result<(), String> {
    caught(|| {
        let (disk, key) = machine(plan.seed);
        let mut ledger = Ledger::new(&disk);
        wrong(&disk);
        run(plan, &disk, &key, &mut ledger);
        check_after(&disk, &ledger, label)
    })
    .map_err(|error| if error.contains(label) { error } else { format!("{label}: {error}") })
}

#[test]
fn errors_at_every_call_lose_nothing_that_was_acknowledged() {
    let mut cases = Vec::new();
    for seed in 1..=2 {
        let plan = Plan { seed, processes: seed as usize, steps: 24, buffered: false };
        let (disk, key) = machine(seed);
        let first = disk.calls();
        run(plan, &disk, &key, &mut Ledger::new(&disk));
        for at in first..disk.calls() {
            for (nth, what) in KINDS.into_iter().enumerate() {
                for once in [true, false] {
                    // Every call fails in some ways in every run, and in every way in a long one.
                    if is_long() || (at + nth as u64 * 2 + u64::from(once)).is_multiple_of(4) {
                        cases.push((plan, Failure::new(at, what, once)));
                    }
                }
            }
        }
    }
    assert!(cases.len() > 2_000, "{} cases", cases.len());
    in_parallel(&cases, |(plan, failure)| {
        let Failure { at, what, once, .. } = failure;
        let label =
            format!("{plan:?}, call {at} fails: {what:?}, {}", if *once { "once" } else { "for good" });
        go_wrong(*plan, &label, |disk| disk.fail(*failure))
    });
}

#[test]
fn a_killed_process_harms_no_other() {
    let mut cases = Vec::new();
    for seed in 11..=12 {
        let plan = Plan { seed, processes: 2, steps: 40, buffered: false };
        let (disk, key) = machine(seed);
        let first = disk.changes();
        run(plan, &disk, &key, &mut Ledger::new(&disk));
        cases.extend((first..disk.changes()).map(|at| (plan, at)));
    }
    in_parallel(&cases, |(plan, at)| {
        go_wrong(*plan, &format!("{plan:?}, killed at change {at}"), |disk| disk.kill_whoever_at(*at))
    });
}
