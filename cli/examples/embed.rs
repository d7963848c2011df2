//! A program that keeps evidence of what its agent does: the store is linked in, no command line is involved.
//!
//! Run it with `cargo run -p indelible --example embed -- DIR`; run it again, and it goes on where it stopped.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use indelible::disk::World;
use indelible::{FileSigner, Options, Store};

const ORIGIN: &str = "acme.example/embedded";

fn main() -> indelible::Result<()> {
    let dir = std::env::args_os().nth(1).unwrap_or_else(|| "embedded-evidence".into());
    let dir = std::path::PathBuf::from(dir);
    let world = World::real()?;

    // The key stays outside of the store: whoever can write the store cannot sign for it.
    let key = dir.join("signing.key");
    let signer = match FileSigner::open(&world, &key) {
        Err(indelible::Error::NotFound { .. }) => FileSigner::create(&world, &key, ORIGIN)?,
        other => other?,
    };
    let store = Store::open_or_create(dir.join("evidence"), Options::new(ORIGIN))?;

    // Durable when it returns. The receipt pins this event and all before it.
    let receipt =
        store.append(br#"{"run_id":"run_1","kind":"run.started","actor":{"type":"agent","id":"a-1"}}"#)?;
    println!("seq {} of {}, root {}", receipt.seq, receipt.origin, receipt.root());

    // Many at once cost one sync.
    let events = (1..=100).map(|step| format!(r#"{{"run_id":"run_1","kind":"tool.call","step":{step}}}"#));
    let receipts = store.append_batch(events)?;
    println!("{} more, up to seq {:?}", receipts.len(), receipts.last().map(|receipt| receipt.seq));

    // Readers never block, and see one state of the log however long they take.
    let snapshot = store.snapshot()?;
    let mut bytes = 0;
    for record in snapshot.records(receipt.seq..) {
        bytes += record?.body.len();
    }
    println!("{} records in all, {bytes} bytes of events since seq {}", snapshot.tree_size(), receipt.seq);

    store.seal()?;
    print!("{}", store.checkpoint(&signer)?);
    store.close()
}
