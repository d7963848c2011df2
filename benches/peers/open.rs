//! Opening a store, recovering one, and what a roll of segments costs those who append meanwhile.

use std::fs;
use std::time::Instant;

use indelible_benches::Events;
use indelible_engine::{Options, Store, Sync};

use indelible_benches::Result;
use indelible_benches::harness::{Bench, Contender, Row, Table, Target, Unit, rounds};

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

fn table(name: &'static str, title: String, rows: Vec<Row>, bound: f64) -> Vec<Table> {
    vec![Table { name, title, unit: Unit::Ms, rows, targets: vec![Target { against: &[], bound }] }]
}

/// Opening after a clean stop, with many segments.
pub(crate) fn open(bench: &Bench) -> Result<Vec<Table>> {
    const SEGMENTS: usize = 1_000;
    let place = bench.place("open.indelible")?;
    let options = Options::new("bench.example/open").sync(Sync::Buffered).seal_in_background(false);
    let store = Store::create(&place, options)?;
    let mut events = Events::new(4);
    for _ in 1..SEGMENTS {
        store.append_batch(events.by_ref().take(3))?;
        store.seal()?;
    }
    store.append_batch(events.by_ref().take(3))?;
    store.close()?;
    let open_and = |path: &std::path::Path| -> Result<f64> {
        let start = Instant::now();
        let store = Store::open(path, Options::default())?;
        let sample = ms(start);
        assert!(!store.recovery().unclean);
        assert_eq!(store.snapshot()?.segments().count(), SEGMENTS);
        store.close()?;
        Ok(sample)
    };
    let rows = rounds(bench.size.of(9, 21, 51), vec![Contender::new("Indelible", |_| open_and(&place))])?;
    Ok(table("open", format!("Opening after a clean stop, {SEGMENTS} segments"), rows, 20.0))
}

/// Opening after a kill, with a full active segment.
pub(crate) fn recover(bench: &Bench) -> Result<Vec<Table>> {
    const LEN: usize = 62 << 20;
    let place = bench.place("recover.indelible")?;
    let store = Store::create(&place, Options::new("bench.example/recover"))?;
    let (mut events, mut len) = (Events::new(5), 0);
    while len < LEN {
        let batch: Vec<Vec<u8>> = events.by_ref().take(100).collect();
        len += batch.iter().map(|event| event.len() + 16).sum::<usize>();
        store.append_batch(batch)?;
    }
    let size = store.snapshot()?.tree_size();
    drop(store);
    let kept = fs::read_dir(place.join("log"))?.count();
    let run = |_| {
        // As if the machine had gone down: nothing is known of where the log stood.
        fs::remove_file(place.join("head"))?;
        let start = Instant::now();
        let store = Store::open(&place, Options::default())?;
        let sample = ms(start);
        assert!(store.recovery().unclean);
        assert!(store.snapshot()?.tree_size() >= size);
        drop(store);
        Ok(sample)
    };
    let rows = rounds(bench.size.of(5, 9, 21), vec![Contender::new("Indelible", run)])?;
    let title = format!("Recovering an active segment of {} MiB ({kept} files in its directory)", LEN >> 20);
    Ok(table("recover", title, rows, 200.0))
}

/// The longest that one append takes while segments roll.
pub(crate) fn roll(bench: &Bench) -> Result<Vec<Table>> {
    const ROLLS: usize = 3;
    let mut longest = Vec::new();
    let mut usual = Vec::new();
    for round in 0..bench.size.of(1, 2, 4) {
        let store = Store::create(bench.place("roll.indelible")?, Options::new("bench.example/roll"))?;
        let mut events = Events::new(6 + round);
        let mut batch: Vec<Vec<u8>> = Vec::new();
        let mut segments = 1;
        let mut longest_now = 0.0_f64;
        let mut batches = 0;
        while segments <= ROLLS {
            batch.clear();
            batch.extend(events.by_ref().take(64));
            let start = Instant::now();
            store.append_batch(&batch)?;
            let sample = ms(start);
            longest_now = longest_now.max(sample);
            usual.push(sample);
            batches += 1;
            if batches % 64 == 0 {
                let now = store.snapshot()?.segments().count();
                if now > segments {
                    segments = now;
                    longest.push(longest_now);
                    longest_now = 0.0;
                }
            }
        }
        store.close()?;
    }
    let rows = vec![
        Row { name: "Indelible, longest of all", samples: vec![longest.iter().copied().fold(0.0, f64::max)] },
        Row { name: "Indelible, longest of a segment", samples: longest },
        Row { name: "Indelible, all", samples: usual },
    ];
    Ok(table("roll", "Appends of 64 events while segments of 64 MiB roll".to_owned(), rows, 20.0))
}
