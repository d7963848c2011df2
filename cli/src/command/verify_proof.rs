//! `indelible verify-proof`: checks a proof without any store.

use std::path::{Path, PathBuf};

use indelible::hash::{Hash, RecordSalt};
use indelible::trust::{Checkpoint, ExtensionProof, LogProof, VerifierKey};
use indelible::{Error, Fault, limits, verify};
use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::output::{self, Colour, Out};

/// Check a proof that `indelible prove` made; no store is needed
///
/// For an event, the files with the same name that end in .json and .salt are read with the .tlog-proof. For a proof
/// that a log only grew, --expect names the earlier checkpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible verify-proof record-42.tlog-proof --key acme.vkey
  indelible verify-proof grown.proof --key acme.vkey --expect march.checkpoint")]
pub(crate) struct Args {
    /// The proof
    #[arg(value_name = "FILE")]
    pub(crate) proof: PathBuf,
    /// The log's verifier key: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) key: String,
    /// The event [default: the proof's name with .json]
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// The salt of its hash [default: the proof's name with .salt]
    #[arg(long, value_name = "FILE")]
    pub(crate) salt: Option<PathBuf>,
    /// Of a consistency proof: the earlier checkpoint, which must be signed by the same key
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) expect: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was proven.
#[derive(Debug, Serialize)]
#[serde(tag = "proven", rename_all = "snake_case")]
enum Proven {
    /// That an event is in the log.
    Event {
        origin: String,
        seq: u64,
        received_at: String,
        body_len: usize,
        labels: Vec<String>,
        tree_size: u64,
        root: String,
        key: String,
    },
    /// That the log only grew.
    Extension { origin: String, old_size: u64, tree_size: u64, root: String, key: String },
}

/// Checks the proof, and says what it proves.
pub(crate) fn run(args: &Args) -> Outcome {
    let key = input::verifier_key(&args.key)?;
    let bytes = input::read_all(&args.proof, limits::PROOF_LEN_MAX as u64)?;
    let proven = match &args.expect {
        Some(old) => extension(&bytes, old, args, &key)?,
        None if bytes.starts_with(b"old ") => {
            return Err(Failure::Usage(
                "this proves that a log grew; name the earlier checkpoint with --expect".to_owned(),
            ));
        }
        None => event(&bytes, args, &key)?,
    };
    let mut out = Out::stdout();
    if args.json {
        out.json(&proven)?;
    } else {
        tell(&mut out, &proven)?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn event(bytes: &[u8], args: &Args, key: &VerifierKey) -> Outcome<Proven> {
    let proof = LogProof::decode(bytes).map_err(|error| Failure::from(error).of_evidence(&args.proof))?;
    let beside = |named: &Option<PathBuf>, extension| {
        named.clone().unwrap_or_else(|| args.proof.with_extension(extension))
    };
    let body = input::read_all(&beside(&args.body, "json"), limits::EVENT_LEN_MAX as u64)?;
    let salt = salt(&beside(&args.salt, "salt"))?;
    let verified = verify::verify_proof(&proof, &body, &salt, key);
    let entry = verified.map_err(|error| Failure::from(error).of_evidence(&args.proof))?;
    Ok(Proven::Event {
        origin: entry.checkpoint.origin,
        seq: entry.seq,
        received_at: entry.received_at.to_string(),
        body_len: body.len(),
        labels: entry.labels,
        tree_size: entry.checkpoint.size,
        root: entry.checkpoint.root.to_string(),
        key: key.to_string(),
    })
}

fn extension(bytes: &[u8], old: &Path, args: &Args, key: &VerifierKey) -> Outcome<Proven> {
    let misshapen = |error: Error| Failure::from(error).of_evidence(&args.proof);
    let proof = ExtensionProof::decode(bytes).map_err(misshapen)?;
    let old = Checkpoint::open(&input::note(old)?, key)?;
    let new = proof.verify(&old, key).map_err(misshapen)?;
    Ok(Proven::Extension {
        origin: new.origin,
        old_size: old.size,
        tree_size: new.size,
        root: new.root.to_string(),
        key: key.to_string(),
    })
}

fn salt(path: &Path) -> Outcome<RecordSalt> {
    let bytes = input::read_all(path, 1024)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end();
    let hash = Hash::from_hex(text).ok_or_else(|| {
        Fault::damaged(0, "salt", "64 lower-case hex digits", "something else").in_file(path)
    })?;
    Ok(RecordSalt(hash.0))
}

fn tell(out: &mut Out, proven: &Proven) -> Outcome<()> {
    let good = out.paint(Colour::Good, "proven");
    match proven {
        Proven::Event { origin, seq, received_at, body_len, labels, tree_size, key, .. } => {
            let body = output::length(*body_len as u64);
            out.line(format_args!("{good}: this event, {body}, is record {seq} of {origin}"))?;
            out.line(format_args!("received {received_at} by the store's own clock"))?;
            if !labels.is_empty() {
                out.line(output::escape_lines(&format!("labelled {}", labels.join(", "))))?;
            }
            out.line(format_args!("under the checkpoint of {tree_size} records signed by {key}"))
        }
        Proven::Extension { origin, old_size, tree_size, key, .. } => {
            out.line(format_args!(
                "{good}: {origin} with {tree_size} records continues itself with {old_size}"
            ))?;
            out.line(format_args!("both checkpoints are signed by {key}"))
        }
    }
}
