//! `indelible prove`: proofs for those who do not have the store.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use indelible::trust::{Checkpoint, Note};
use indelible::{Error, ProvenRecord, Seq, Snapshot, Store};
use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::open;
use crate::output::{self, Out};

/// Prove that an event is in the log, or that the log only grew
///
/// For an event three files are written: the proof (C2SP tlog-proof, with the log's entry in its extra line), the event
/// byte for byte, and the salt of its hash. Together they convince whoever trusts the log's key, without the store:
/// `indelible verify-proof` checks them, as can any tlog-proof verifier.
///
/// With --consistency the proof that one checkpoint continues another goes to stdout, in the form in which C2SP
/// witnesses take it.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true),
    after_help = "Examples:
  indelible prove 42                                  makes record-42.tlog-proof, .json and .salt
  indelible prove ev_0008 -o for-the-auditor
  indelible prove 42 --checkpoint march.checkpoint
  indelible prove --consistency march.checkpoint > grown.proof"
)]
pub(crate) struct Args {
    /// The event: its seq or its id
    #[arg(value_name = "SEQ|EVENT_ID", group = "which")]
    pub(crate) what: Option<String>,
    /// Prove that the log under the checkpoint NEW continues that under OLD; NEW is the store's last if left out
    #[arg(long, num_args = 1..=2, value_names = ["OLD", "NEW"], group = "which", conflicts_with_all = ["checkpoint", "output"])]
    pub(crate) consistency: Vec<PathBuf>,
    /// The checkpoint to prove it under [default: the last that the store keeps]
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Where the files go: this name with .tlog-proof, .json and .salt [default: record-SEQ]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) output: Option<PathBuf>,
    /// Print the names of what was written as one JSON object
    #[arg(long, conflicts_with = "consistency")]
    pub(crate) json: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    seq: Seq,
    proof: PathBuf,
    body: PathBuf,
    salt: PathBuf,
    tree_size: u64,
}

/// Makes the proof that was asked for.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let store = open::to_read(store)?;
    let snapshot = store.snapshot()?;
    let mut out = Out::stdout();
    if let Some(old) = args.consistency.first() {
        let old = Checkpoint::decode(input::note(old)?.text())?;
        // Of another log, or of a history that this one left, there is nothing to prove.
        snapshot.continues(&old)?;
        let new = checkpoint(&store, args.consistency.get(1).map(PathBuf::as_path))?;
        let proof = snapshot.prove_extension(old.size, &new)?;
        out.line(output::escape_lines(&proof.to_string()).trim_end())?;
    } else {
        let seq = seq(&snapshot, args.what.as_deref().unwrap_or_default())?;
        let note = checkpoint(&store, args.checkpoint.as_deref())?;
        let name = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("record-{seq}")));
        let written = write(&name, &snapshot.prove(seq, &note).map_err(of_deleted)?)?;
        if args.json {
            out.json(&written)?;
        } else {
            for path in [&written.proof, &written.body, &written.salt] {
                out.line(output::escape_lines(&path.display().to_string()))?;
            }
        }
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// What is left to prove of a deleted event.
fn of_deleted(error: Error) -> Failure {
    if let Error::Deleted { seq, .. } = &error {
        return Failure::Usage(format!(
            "{error}; its salt went with it, so nobody can prove any more what it said. That it was, when it came and how long \
             it was is proven still: `indelible show {seq} --integrity` has what its leaf is made of, and a bundle of \
             `indelible export` counts it by its plan"
        ));
    }
    error.into()
}

fn checkpoint(store: &Store, named: Option<&Path>) -> Outcome<Note> {
    match named {
        Some(path) => input::note(path),
        None => store.last_checkpoint()?.ok_or_else(|| {
            Failure::Usage(
                "this store has no checkpoint yet; sign one with `indelible checkpoint`".to_owned(),
            )
        }),
    }
}

/// The seq that is meant: digits are one, anything else is an event's id.
fn seq(snapshot: &Snapshot, what: &str) -> Outcome<Seq> {
    if let Ok(seq) = what.parse::<Seq>() {
        return Ok(seq);
    }
    match snapshot.find_event(what.as_bytes())?.as_slice() {
        [] => Err(Error::NotFound { what: "event", name: what.to_owned() }.into()),
        [seq] => Ok(*seq),
        several => {
            let seqs: Vec<String> = several.iter().map(Seq::to_string).collect();
            Err(Failure::Usage(format!(
                "{} records have this id: {}; name one by its seq",
                seqs.len(),
                seqs.join(", ")
            )))
        }
    }
}

fn write(name: &Path, proven: &ProvenRecord) -> Outcome<Written> {
    let beside = |extension: &str| {
        let mut file = name.as_os_str().to_owned();
        file.push(extension);
        PathBuf::from(file)
    };
    let written = Written {
        seq: proven.proof.index,
        proof: beside(".tlog-proof"),
        body: beside(".json"),
        salt: beside(".salt"),
        tree_size: Checkpoint::decode(proven.proof.checkpoint.text())?.size,
    };
    let salt = format!("{}\n", indelible::hash::Hash(proven.salt.0));
    create(&written.proof, proven.proof.to_string().as_bytes())?;
    create(&written.body, &proven.body)?;
    create(&written.salt, salt.as_bytes())?;
    Ok(written)
}

/// Writes a new file that only its owner can read. One that is there already must be the same.
fn create(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let shown = path.display();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(Failure::io(format!("write {shown}"))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if std::fs::read(path).map_err(Failure::io(format!("read {shown}")))? == bytes {
                return Ok(());
            }
            Err(Failure::Usage(format!("{shown} is there already and is another; choose a name with -o")))
        }
        Err(error) => Err(Failure::Io(format!("make {shown}"), error)),
    }
}
