//! Proofs and bundles: how long they take to make and to check, and how long they are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use indelible_benches::Events;
use indelible_engine::bundle::{Candidates, EVIDENCE_MEMBERS, Scope, unpack};
use indelible_engine::hash::{Hash, LogTree};
use indelible_engine::merkle::{Leaves, multi_proof};
use indelible_engine::trust::{Checkpoint, Note, Signer, SigningKey};
use indelible_engine::{Options, Seq, Snapshot, Store, Sync, verify};
use indelible_query::bundle::{ExportOptions, Question, export, verify as verify_bundle};

use indelible_benches::Result;
use indelible_benches::harness::{Bench, Contender, Row, Table, Target, Unit, rounds};

const ORIGIN: &str = "bench.example/evidence";
/// Bytes that a bundle may take for each event beside the event, the shown index and the proof: a salt, a predecessor's leaf,
/// what else its entry says, and what the layout costs.
const EVENT_LEN: usize = 96;
/// Bytes that a bundle may take in all for each event of a run whose events lie within four times its own length.
const RUN_EVENT_LEN: f64 = 120.0;

/// A sealed store of `count` events of four runs that take turns, and a checkpoint over it.
struct Signed {
    store: Store,
    key: SigningKey,
    note: Note,
}

impl Signed {
    fn new(bench: &Bench, name: &str, count: usize) -> Result<Signed> {
        let options = Options::new(ORIGIN).sync(Sync::Buffered).segment_len(32 << 20);
        let store = Store::create(bench.place(name)?, options)?;
        let mut events = Events::new(11).enumerate().map(|(number, event)| in_turn(number, &event));
        for _ in 0..count / 1000 {
            store.append_batch(events.by_ref().take(1000).collect::<Result<Vec<_>>>()?)?;
        }
        store.seal()?;
        let key = SigningKey::from_seed(ORIGIN, [7; 32])?;
        let snapshot = store.snapshot()?;
        let note = Checkpoint::new(&ORIGIN.parse()?, snapshot.tree_size(), snapshot.root()).sign(&key)?;
        Ok(Signed { store, key, note })
    }

    fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.store.snapshot()?)
    }
}

/// The event, of one of four runs.
fn in_turn(number: usize, event: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(event)?;
    let (before, after) = text.split_once("\"run_id\":\"").ok_or("an event has a run")?;
    let (_, after) = after.split_once('"').ok_or("a run has an end")?;
    Ok(format!("{before}\"run_id\":\"run_{}\"{after}", number % 4).into_bytes())
}

/// An event is proven, and the proof checked, at places all over a hot log.
pub(crate) fn proof(bench: &Bench) -> Result<Vec<Table>> {
    let (round_count, count) = bench.size.of((500, 100_000), (2_000, 1_000_000), (5_000, 10_000_000));
    let signed = Signed::new(bench, "proof.indelible", count)?;
    let (snapshot, size) = (signed.snapshot()?, Checkpoint::decode(signed.note.text())?.size);
    // A step that has no factor in common with most sizes leads everywhere.
    let place = |round: usize| (round as u64 * 7_919_993) % size;
    let us = |start: Instant| start.elapsed().as_secs_f64() * 1e6;
    let make = rounds(
        round_count,
        vec![Contender::new("Indelible", |round| {
            let start = Instant::now();
            std::hint::black_box(snapshot.prove(place(round), &signed.note)?);
            Ok(us(start))
        })],
    )?;
    let check = rounds(
        round_count,
        vec![Contender::new("Indelible", |round| {
            let proven = snapshot.prove(place(round), &signed.note)?;
            let start = Instant::now();
            verify::verify_proof(&proven.proof, &proven.body, &proven.salt, signed.key.verifier())?;
            Ok(us(start))
        })],
    )?;
    let table = |name, title, rows, bound| Table {
        name,
        title,
        unit: Unit::Us,
        rows,
        targets: vec![Target { against: &[], bound }],
    };
    Ok(vec![
        table("prove", format!("Proving one of {size} records"), make, 100.0),
        table("verify-proof", "Checking the proof of one record".to_owned(), check, 50.0),
    ])
}

/// Answers with their evidence: of all events, of each fourth, and of few.
pub(crate) fn bundle(bench: &Bench) -> Result<Vec<Table>> {
    let (round_count, count) = bench.size.of((3, 20_000), (7, 100_000), (11, 300_000));
    let signed = Arc::new(Signed::new(bench, "bundle.indelible", count)?);
    let mut tables = Vec::new();
    for (name, text) in [
        ("bundle-dense", "exists(kind)"),
        ("bundle-run", "run = run_1"),
        ("bundle-sparse", "agent = agent-120"),
    ] {
        tables.extend(of_question(&signed, name, text, round_count)?);
    }
    Ok(tables)
}

fn of_question(signed: &Signed, name: &'static str, text: &str, round_count: usize) -> Result<Vec<Table>> {
    let (snapshot, key) = (signed.snapshot()?, signed.key.verifier());
    let now = snapshot.received_at();
    let question = Question { text: text.to_owned(), parameters: Default::default(), now, all: false };
    let whole = ExportOptions { candidates: Candidates::All, ..ExportOptions::default() };
    let (bytes, made) = export(&snapshot, &question, &whole, &signed.note, key)?;
    let (count, size) = (made.verdict.rows, made.verdict.tree_size);
    let scope = scope_of(&bytes)?;
    let ms = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    let rows = rounds(
        round_count,
        vec![
            Contender::new("Indelible, evidence", |_| {
                let start = Instant::now();
                std::hint::black_box(snapshot.export(&scope, &signed.note)?);
                Ok(ms(start))
            }),
            Contender::new("with answer and report, checked", |_| {
                let start = Instant::now();
                std::hint::black_box(export(&snapshot, &question, &whole, &signed.note, key)?);
                Ok(ms(start))
            }),
        ],
    )?;
    // What is held to a rate are answers of most that the log has; others pay for what they leave out.
    let is_dense = count * 2 > size;
    let held_to = |bound: f64| is_dense.then_some(Target { against: &[], bound }).into_iter().collect();
    // A hundred thousand events a second.
    let export_targets = held_to(count as f64 / 100.0);
    let export_table = Table {
        name,
        title: format!("Exporting {count} of {size} events: {text}"),
        unit: Unit::Ms,
        rows,
        targets: export_targets,
    };
    let rows = rounds(
        round_count,
        vec![Contender::new("Indelible", |_| {
            let start = Instant::now();
            std::hint::black_box(verify_bundle(&bytes, key)?);
            Ok(ms(start))
        })],
    )?;
    let verify_table = Table {
        name: "verify-bundle",
        title: format!("Checking the bundle of {count} events, question and answer included"),
        unit: Unit::Ms,
        rows,
        targets: held_to(count as f64 / 100_000.0 * 1500.0),
    };
    let mut lengths = lengths(&snapshot, &scope, &signed.note, key, count)?;
    if name == "bundle-run" {
        lengths.targets.push(Target { against: &[], bound: RUN_EVENT_LEN });
    }
    Ok(vec![export_table, verify_table, lengths])
}

/// What a bundle is about.
fn scope_of(bytes: &[u8]) -> Result<Scope> {
    let for_people = ["README.txt", "report.html", "query.json", "answer.jsonl"];
    let names: Vec<&str> = for_people.into_iter().chain(EVIDENCE_MEMBERS).collect();
    let members = unpack(bytes, &names)?;
    let place = names.iter().position(|name| *name == "scope.json");
    let member = place.and_then(|place| members.get(place)).ok_or("a bundle has a scope")?;
    Ok(Scope::decode(member)?)
}

/// What the evidence takes beside the events, against what no bundle of these records could do without.
fn lengths(
    snapshot: &Snapshot,
    scope: &Scope,
    note: &Note,
    key: &indelible_engine::trust::VerifierKey,
    count: u64,
) -> Result<Table> {
    let evidence = snapshot.export(scope, note)?;
    let lens = evidence.members().map(|member| member.len());
    let [.., index_len, _] = lens;
    let checked = evidence.check(key)?;
    let bodies: usize = checked.records().map(|record| record.body.len()).sum();
    let here: BTreeSet<Seq> = checked.records().map(|record| record.seq).collect();
    let leaves = vec![Hash::ZERO; usize::try_from(scope.seqs.end)?];
    let positions: Vec<u64> = here.iter().copied().collect();
    let minimal = multi_proof::<LogTree, _>(&Leaves::<LogTree>::new(&leaves), &positions, scope.seqs.end)
        .map_err(|_| "every leaf is here")?;
    let an_event = |len: f64| len / count.max(1) as f64;
    let own = an_event((lens.iter().sum::<usize>() - bodies) as f64);
    let bound = an_event((here.len() * EVENT_LEN + index_len) as f64 + 1.1 * 32.0 * minimal.len() as f64);
    Ok(Table {
        name: "bundle-bytes",
        title: format!("Evidence beside the {count} events, records of the store's own included"),
        unit: Unit::Bytes,
        rows: vec![
            Row { name: "Indelible", samples: vec![own] },
            Row { name: "1.1 x minimal multiproof, 96, index", samples: vec![bound] },
        ],
        targets: vec![Target { against: &[], bound }],
    })
}
