//! `indelible export`: an answer with its evidence, in one file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use indelible::bundle::{Candidates, Challenge};
use indelible::query::bundle::{self, ExportOptions, Question};
use indelible::trust::{Algorithm, Checkpoint, Note, VerifierKey};
use indelible::{CheckpointSigner, Store, limits};
use serde_json::json;

use super::query::{moment, parameter, present};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Colour, Out};
use crate::{anchors, input, keys, open};

/// Answer a question with all that it takes to check the answer without the store
///
/// The file is a plain ZIP: the question, the answer as JSON lines and as a page for people (report.html), and the
/// evidence: each record that may match, what the index says of all others, and the proofs that tie these to a signed
/// checkpoint. `indelible verify-bundle` checks it; README.txt in it says how. The same question, --now and checkpoint
/// give the same bytes.
///
/// The answer is that of the log as it was at the checkpoint. All records behind the last seal are in the file, for no
/// index covers them yet; --seal seals the segment first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible export 'control SOC2:CC8.1 during 2026-Q1' -o cc8.1.zip
  indelible export 'kind = deployment and environment = production
                    | unless preceded by (kind = approval.granted) within run' --seal -o none.zip
  indelible export 'run = $run' --param run=run_8bce4 --checkpoint may.checkpoint -o run.zip
  indelible export 'decision = DENY' --checkpoint may.checkpoint --challenge 'dice 4 2 6 6 1' --sample 300 -o denied.zip
  indelible export 'decision = DENY' --extends april.checkpoint -o grown.zip
  indelible verify-bundle none.zip --key acme.vkey")]
pub(crate) struct Args {
    /// The query; its words are joined by spaces
    #[arg(value_name = "QUERY", required = true, allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    /// The file to write; one that is there already must be the same
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// The checkpoint to answer under [default: the last that the store keeps]
    #[arg(long, value_name = "FILE", conflicts_with = "seal")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The key that signed the checkpoint: a verifier key, or a file that holds one [default: the log's own]
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Option<String>,
    /// Seal the active segment and sign a checkpoint first, so that the index covers all records
    #[arg(long)]
    pub(crate) seal: bool,
    #[command(flatten)]
    pub(crate) signer: keys::SignerArgs,
    /// Also the candidates that no indexed condition excludes, so that nothing is left for the operator to filter
    #[arg(long)]
    pub(crate) with_residual: bool,
    /// A seed that whoever doubts the index chose once he had the checkpoint: it draws records that the index must name
    #[arg(long, value_name = "SEED")]
    pub(crate) challenge: Option<String>,
    /// With --challenge: how many records are drawn. 300 catch an index that leaves out one record in 100 with 95 %
    #[arg(long, value_name = "N", default_value_t = 300, requires = "challenge",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::CHALLENGE_SAMPLE_MAX)))]
    pub(crate) sample: u32,
    /// A checkpoint that whoever checks has kept: the proof comes along that the log goes on from it
    #[arg(long, value_name = "FILE")]
    pub(crate) extends: Option<PathBuf>,
    /// The store's own records (kind store.*) too
    #[arg(long)]
    pub(crate) all: bool,
    /// A value for $NAME in the query; can be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// The present time, from which `since 24h` counts back: RFC 3339 or a date [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) now: Option<indelible::Timestamp>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Makes the bundle.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let question = Question {
        text: args.words.join(" "),
        parameters: args.parameters.iter().cloned().collect::<BTreeMap<_, _>>(),
        now: args.now.unwrap_or_else(present),
        all: args.all,
    };
    let (store, note, key) = under(store, args)?;
    let snapshot = store.snapshot()?;
    let options = ExportOptions {
        candidates: if args.with_residual { Candidates::All } else { Candidates::Matches },
        challenge: args.challenge.clone().map(|seed| Challenge { seed, sample: args.sample }),
        extends: args.extends.as_deref().map(input::note).transpose()?,
    };
    let (bytes, bundle) = bundle::export(&snapshot, &question, &options, &note, &key)?;
    write(&args.output, &bytes, args.force)?;
    let mut out = Out::stdout();
    if args.json {
        out.json(&json!({ "file": args.output, "len": bytes.len(), "verdict": bundle.verdict }))?;
    } else {
        let good = out.paint(Colour::Good, "written");
        let file = args.output.display().to_string();
        out.line(format_args!(
            "{good}: {}, {}",
            output::escape(file.as_bytes()),
            output::length(bytes.len() as u64)
        ))?;
        out.line(output::escape_lines(bundle.verdict.to_string().trim_end()))?;
    }
    out.finish()?;
    let later = snapshot.tree_size().saturating_sub(bundle.verdict.tree_size);
    if later > 0 {
        output::say(format_args!(
            "{} not looked at: `indelible checkpoint` signs {}",
            output::counted(
                later,
                "record came after the checkpoint and was",
                "records came after the checkpoint and were"
            ),
            if later == 1 { "it" } else { "them" },
        ));
    }
    Ok(Code::Clean)
}

/// The store, the checkpoint to answer under, and the key that should have signed it.
fn under(path: &Path, args: &Args) -> Outcome<(Store, Note, VerifierKey)> {
    if args.seal {
        let store = open::to_write(path)?;
        let signer = keys::signer(&store, &args.signer)?;
        store.seal()?;
        let note = store.checkpoint(&signer)?;
        anchors::copy(&note);
        let key = match &args.key {
            Some(key) => input::verifier_key(key)?,
            None => signer.verifier().clone(),
        };
        return Ok((store, note, key));
    }
    let store = open::to_read(path)?;
    let note = match &args.checkpoint {
        Some(path) => input::note(path)?,
        None => store.last_checkpoint()?.ok_or_else(|| {
            let reason =
                "this store has no checkpoint yet; sign one with `indelible checkpoint`, or use --seal";
            Failure::Usage(reason.to_owned())
        })?,
    };
    let (Checkpoint { origin, size, .. }, ours) = (Checkpoint::decode(note.text())?, store.origin());
    if origin != ours.as_str() {
        return Err(Failure::Usage(format!("this is a checkpoint of {origin}, and the store is {ours}")));
    }
    let key = match &args.key {
        Some(key) => input::verifier_key(key)?,
        None => signer_of(&store, &note, size)?,
    };
    Ok((store, note, key))
}

/// The latest of the log's keys that signed a checkpoint; where none did, the latest that should have.
fn signer_of(store: &Store, note: &Note, size: u64) -> Outcome<VerifierKey> {
    let log_keys = store.snapshot()?.log_keys()?;
    // What a bundle's texts name; one of ML-DSA-44 stands beside it on the checkpoint.
    let first = |key: &&VerifierKey| key.algorithm() == Algorithm::Ed25519;
    let in_force: Vec<&VerifierKey> = log_keys.in_force(size).map(|known| &known.key).filter(first).collect();
    let signed = in_force.iter().rfind(|key| note.verify(std::slice::from_ref(**key)).is_ok());
    signed.or(in_force.last()).map(|key| (*key).clone()).ok_or_else(|| {
        let reason =
            "the log names no key that can have signed this checkpoint; say with --key which one did";
        Failure::Usage(reason.to_owned())
    })
}

/// Writes a file that only its owner can read, whole or not at all. One that is there stays, unless it is the same or
/// `force` says otherwise.
pub(super) fn write(path: &Path, bytes: &[u8], force: bool) -> Outcome<()> {
    let shown = path.display();
    if !force && path.exists() {
        if std::fs::read(path).map_err(Failure::io(format!("read {shown}")))? == bytes {
            return Ok(());
        }
        let reason = format!("{shown} is there already and is another; choose a name, or say --force");
        return Err(Failure::Usage(reason));
    }
    let Some(name) = path.file_name() else {
        return Err(Failure::Usage(format!("{shown} is no name of a file")));
    };
    let mut unfinished = name.to_owned();
    unfinished.push(format!(".{}.unfinished", std::process::id()));
    let unfinished = path.with_file_name(unfinished);
    let written = place(&unfinished, path, bytes, force);
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::Usage(format!("{shown} has come to be meanwhile; choose a name, or say --force")))
        }
        written => written.map_err(Failure::io(format!("write {shown}"))),
    }
}

fn place(unfinished: &Path, path: &Path, bytes: &[u8], force: bool) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if force {
        std::fs::rename(unfinished, path)?;
    } else {
        // A second name, unlike a rename, takes no other file's place.
        std::fs::hard_link(unfinished, path)?;
        std::fs::remove_file(unfinished)?;
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
