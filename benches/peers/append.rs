//! Durable appends, each on the disk before the next begins: by one thread, and by many at once.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use indelible_benches::Events;
use indelible_engine::{Options, Store};

use crate::floor::RawLog;
use crate::group::{Group, Sink};
use crate::stores::{Fjall, Redb, Sqlite};
use indelible_benches::Result;
use indelible_benches::harness::{Bench, Contender, Table, Target, Unit, rounds};

const ORIGIN: &str = "bench.example/peers";

/// The events of one round: all contenders get the same.
fn share(events: &[Vec<u8>], round: usize, count: usize) -> &[Vec<u8>] {
    let start = round * count % (events.len() - count + 1);
    &events[start..start + count]
}

fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}

fn each(events: &[Vec<u8>], mut append: impl FnMut(&[u8]) -> Result) -> Result<f64> {
    let start = Instant::now();
    events.iter().try_for_each(|event| append(event))?;
    Ok(rate(events.len(), start))
}

/// One thread.
pub(crate) fn one_by_one(bench: &Bench) -> Result<Vec<Table>> {
    let (round_count, count) = bench.size.of((9, 150), (21, 400), (51, 1000));
    let events = Events::list(1, (round_count + 1) * count);
    let events = |round| share(&events, round, count);
    let store = Store::create(bench.place("append.indelible")?, Options::new(ORIGIN))?;
    let mut growing = RawLog::growing(&bench.place("append.growing")?)?;
    let mut preallocated = RawLog::preallocated(&bench.place("append.preallocated")?)?;
    let mut ahead = RawLog::written_ahead(&bench.place("append.ahead")?)?;
    let mut sqlite = Sqlite::create(&bench.place("append.sqlite")?)?;
    let mut redb = Redb::create(&bench.place("append.redb")?)?;
    let mut fjall = Fjall::create(&bench.place("append.fjall")?)?;
    let rows = rounds(
        round_count,
        vec![
            Contender::new("Indelible", |round| {
                each(events(round), |event| Ok(store.append(event).map(|_| ())?))
            }),
            Contender::new(GROWING, |round| each(events(round), |event| growing.append(event))),
            Contender::new(PREALLOCATED, |round| each(events(round), |event| preallocated.append(event))),
            Contender::new(AHEAD, |round| each(events(round), |event| ahead.append(event))),
            Contender::new("SQLite (WAL, FULL)", |round| {
                each(events(round), |event| sqlite.append(&[event]))
            }),
            Contender::new("redb (bodies only)", |round| each(events(round), |event| redb.append(&[event]))),
            Contender::new("fjall", |round| each(events(round), |event| fjall.append(&[event]))),
        ],
    )?;
    let appended = events(0).len() as u64 * (round_count as u64 + 1);
    assert_eq!((redb.count()?, fjall.count()?), (appended, appended));
    store.close()?;
    Ok(vec![Table {
        name: "append",
        title: "One durable append at a time, one thread".to_owned(),
        unit: Unit::Rate,
        rows,
        targets: vec![Target { against: &[GROWING, PREALLOCATED], bound: 0.9 }],
    }])
}

const GROWING: &str = "floor: write + fdatasync, growing";
const PREALLOCATED: &str = "floor: the same, preallocated";
/// Of what Indelible does itself to be fast: no target is held against it.
const AHEAD: &str = "floor: preallocated, written ahead";
const GROUPED: &str = "floor: group commit of raw bytes";

/// Every thread appends its part of `events`, one by one, each durable.
fn together<'a>(
    thread_count: usize,
    events: &'a [Vec<u8>],
    append: impl Fn(&'a [u8]) -> Result + Sync,
) -> Result<f64> {
    let barrier = Barrier::new(thread_count + 1);
    let (append, barrier) = (&append, &barrier);
    thread::scope(|scope| {
        let threads: Vec<_> = events
            .chunks(events.len() / thread_count)
            .map(|own| {
                scope.spawn(move || {
                    barrier.wait();
                    own.iter().try_for_each(|event| append(event))
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| "a thread broke off")??;
        }
        Ok(rate(events.len(), start))
    })
}

fn grouped<S: Sink>(thread_count: usize, events: &[Vec<u8>], sink: &mut S) -> Result<f64> {
    let group = Group::new(sink);
    together(thread_count, events, |event| group.append(event))
}

/// Many threads.
pub(crate) fn threads(bench: &Bench, thread_count: usize) -> Result<Vec<Table>> {
    let (round_count, count) = bench.size.of((9, 2560), (21, 6400), (31, 12_800));
    let events = Events::list(2, (round_count + 1) * count);
    let events = |round| share(&events, round, count);
    let store = Store::create(bench.place("threads.indelible")?, Options::new(ORIGIN))?;
    let mut raw = RawLog::preallocated(&bench.place("threads.preallocated")?)?;
    let mut ahead = RawLog::written_ahead(&bench.place("threads.ahead")?)?;
    let mut sqlite = Sqlite::create(&bench.place("threads.sqlite")?)?;
    let mut fjall = Fjall::create(&bench.place("threads.fjall")?)?;
    let append = |event: &[u8]| Ok(store.append(event).map(|_| ())?);
    let rows = rounds(
        round_count,
        vec![
            Contender::new("Indelible", |round| together(thread_count, events(round), append)),
            Contender::new(GROUPED, |round| grouped(thread_count, events(round), &mut raw)),
            Contender::new(AHEAD, |round| grouped(thread_count, events(round), &mut ahead)),
            Contender::new("SQLite, grouped by hand", |round| {
                grouped(thread_count, events(round), &mut sqlite)
            }),
            Contender::new("fjall, grouped by hand", |round| {
                grouped(thread_count, events(round), &mut fjall)
            }),
        ],
    )?;
    store.close()?;
    Ok(vec![Table {
        name: if thread_count == 8 { "append-8" } else { "append-64" },
        title: format!("Durable appends by {thread_count} threads"),
        unit: Unit::Rate,
        rows,
        targets: vec![Target { against: &[GROUPED], bound: 0.8 }],
    }])
}
