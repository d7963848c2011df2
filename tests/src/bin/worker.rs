//! A process for the process tests: appends to a store, reads along, or sits on its lock.
//!
//! `append DIR NAME COUNT` prints a line `N SEQ LEAF` for each receipt. `read DIR COUNT` follows the log until it
//! has seen so many events. `fill DIR COUNT` makes a store of many small events, `verify DIR` checks one in full; both
//! print how much memory they had at most, in KiB. `hold DIR` takes the lock of a commit and keeps it until it is killed. `fork DIR` forks
//! with the store open, and prints what the child is told by it.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use indelible_engine::disk::{Disk, Lock, Open, RealDisk};
use indelible_engine::hash::Hash;
use indelible_engine::{Options, Receipt, Store, Sync, verify};

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["append", dir, name, count] => append(dir, name, count),
        ["read", dir, count] => read(dir, count),
        ["fill", dir, count] => fill(dir, count),
        ["verify", dir] => verify(dir),
        ["hold", dir] => hold(dir),
        ["fork", dir] => fork(dir),
        _ => Err("usage: worker append|read|fill|verify|hold|fork DIR ...".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{words:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn append(dir: &str, name: &str, count: &str) -> Done {
    let count: usize = count.parse()?;
    let store = Store::open(dir, Options::default().segment_len(400_000))?;
    let mut n = 0;
    while n < count {
        // Now one event, now several.
        let batch = if (n / 10).is_multiple_of(3) { 1 } else { 25 }.min(count - n);
        let events: Vec<String> = (n..n + batch).map(|n| event(name, n)).collect();
        let receipts = match &events[..] {
            [one] => vec![store.append(one.as_bytes())?],
            several => store.append_batch(several)?,
        };
        tell(n, &receipts)?;
        n += batch;
    }
    store.close()?;
    Ok(())
}

fn tell(first: usize, receipts: &[Receipt]) -> Done {
    let mut out = io::stdout().lock();
    for (n, receipt) in (first..).zip(receipts) {
        if !receipt.durable {
            return Err("a receipt that is not durable".into());
        }
        writeln!(out, "{n} {} {}", receipt.seq, receipt.leaf)?;
    }
    Ok(out.flush()?)
}

fn event(name: &str, n: usize) -> String {
    format!(r#"{{"event_id":"{name}-{n}","agent_id":"{name}","kind":"tool.call","n":{n}}}"#)
}

fn read(dir: &str, count: &str) -> Done {
    let count: usize = count.parse()?;
    let store = Store::open(dir, Options::default().read_only(true))?;
    let (mut next, mut leaf, mut seen) = (0, Hash::ZERO, 0);
    let mut of_each: HashMap<String, usize> = HashMap::new();
    while seen < count {
        let snapshot = store.snapshot()?;
        if snapshot.tree_size() < next {
            return Err(format!("the log went from {next} records to {}", snapshot.tree_size()).into());
        }
        for record in snapshot.records_with_integrity(next..) {
            let record = record?;
            let integrity = record.integrity.ok_or("no integrity")?;
            if record.seq != next || integrity.predecessor != leaf {
                return Err(format!("record {} after {next} records", record.seq).into());
            }
            (next, leaf) = (next + 1, integrity.leaf);
            if record.is_store_record() {
                continue;
            }
            seen += 1;
            let text = String::from_utf8(record.body)?;
            let name = text.split('"').nth(3).and_then(|id| id.split('-').next()).ok_or("no id")?.to_owned();
            let n = of_each.entry(name.clone()).or_default();
            if text != event(&name, *n) {
                return Err(format!("{text} where event {n} of {name} was due").into());
            }
            *n += 1;
        }
        if next != snapshot.tree_size() {
            return Err(format!("{next} records in a snapshot of {}", snapshot.tree_size()).into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn fill(dir: &str, count: &str) -> Done {
    let count: usize = count.parse()?;
    let options = Options::new("worker.example/filled").segment_len(2 << 20).sync(Sync::Buffered);
    let store = Store::create(dir, options)?;
    for from in (0..count).step_by(1000) {
        store.append_batch(
            (from..count.min(from + 1000)).map(|n| format!(r#"{{"run_id":"r{}","n":{n}}}"#, n / 50)),
        )?;
    }
    store.close()?;
    tell_memory()
}

fn verify(dir: &str) -> Done {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = verify::Options { threads: 2, ..verify::Options::default() };
    let report = verify::verify(&disk, Path::new(dir), &options)?;
    if !report.is_clean() {
        return Err(format!("{:?}", report.findings).into());
    }
    tell_memory()
}

/// The most that was resident of this process.
fn tell_memory() -> Done {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak of memory")?;
    Ok(writeln!(io::stdout(), "{}", peak.trim().trim_end_matches(" kB"))?)
}

fn hold(dir: &str) -> Done {
    let lock = RealDisk.open(&Path::new(dir).join("lock"), Open::Write)?;
    lock.lock(Lock::Exclusive)?;
    let mut out = io::stdout().lock();
    writeln!(out, "held")?;
    out.flush()?;
    // Until the end of a stdin that nobody ends.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The child of a process that has the store open appends, reads and closes; then the parent appends.
fn fork(dir: &str) -> Done {
    let store = Store::open(dir, Options::default())?;
    store.append(event("parent", 0).as_bytes())?;
    let mut out = io::stdout().lock();
    match fork::fork()? {
        fork::Fork::Child => {
            let appended = store.append(event("child", 0).as_bytes()).map(|_| ());
            let read = store.snapshot().map(|_| ());
            let closed = store.close();
            for done in [appended, read, closed] {
                match done {
                    Ok(()) => writeln!(out, "done")?,
                    Err(error) => writeln!(out, "{error}")?,
                }
            }
        }
        fork::Fork::Parent(child) => {
            fork::waitpid(child)?;
            store.append(event("parent", 1).as_bytes())?;
            store.close()?;
        }
    }
    Ok(out.flush()?)
}
