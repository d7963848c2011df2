//! `indelible verify-bundle`: checks an answer with its evidence without any store.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use indelible::query::bundle::{self, Bundle};
use indelible::trust::{Checkpoint, Note, VerifierKey};
use indelible::{Error, limits};

use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::output::{self, Colour, Out};

/// Check a bundle that `indelible export` made; no store is needed
///
/// Every proof is checked, the question is read anew and run over the records in the bundle, and the answer is
/// compared with the one that it holds, as are the texts for people. The verdict says what that establishes and what
/// stayed unchecked. It is no better than the key: get that from somebody whom you trust to know it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible verify-bundle unapproved.zip --key acme.vkey
  indelible verify-bundle unapproved.zip --key acme.vkey --expect may.checkpoint --json
  indelible verify-bundle unapproved.zip --key acme.vkey --audit audits/*.audit --auditor auditor.vkey
  indelible verify-bundle unapproved.zip --key acme.vkey --answer | jq .event_id")]
pub(crate) struct Args {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The log's verifier key, or a file that holds it
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: String,
    /// The checkpoint that the answer must be of: one that you kept, or got from somebody else
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) expect: Option<PathBuf>,
    /// Notes of auditors who built the log's indexes anew: see `indelible help audit-index`
    #[arg(long = "audit", value_name = "NOTE", num_args = 1.., requires = "auditors")]
    pub(crate) audits: Vec<PathBuf>,
    /// The verifier key that signed such notes, or a file that holds it; may be given more than once
    #[arg(long = "auditor", value_name = "VKEY", requires = "audits")]
    pub(crate) auditors: Vec<String>,
    /// Print the verdict as one JSON object
    #[arg(long, conflicts_with = "answer")]
    pub(crate) json: bool,
    /// Print the answer that was checked, as JSON lines
    #[arg(long)]
    pub(crate) answer: bool,
}

/// Checks the bundle, and says what it establishes.
pub(crate) fn run(args: &Args) -> Outcome {
    let key = input::verifier_key(&args.key)?;
    let audits = audits(args)?;
    let bundle = bundle::verify_audited(&read(&args.file)?, &key, &audits)?;
    if let Some(path) = &args.expect {
        expect(&bundle, path, &key)?;
    }
    let mut out = Out::stdout();
    if args.json {
        out.json(&bundle.verdict)?;
    } else if args.answer {
        for line in bundle.answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            out.bytes(line)?;
        }
    } else {
        tell(&mut out, &bundle)?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// Says what a bundle was found to be.
pub(super) fn tell(out: &mut Out, bundle: &Bundle) -> Outcome<()> {
    out.line(out.paint(Colour::Good, "verified: the answer follows from the evidence"))?;
    out.line(output::escape_lines(bundle.verdict.to_string().trim_end()))
}

/// Each audit with the key that signed it.
fn audits(args: &Args) -> Outcome<Vec<(Note, VerifierKey)>> {
    let auditors: Vec<VerifierKey> =
        args.auditors.iter().map(|given| input::verifier_key(given)).collect::<Outcome<_>>()?;
    let signed = |path: &PathBuf| {
        let note = input::note(path)?;
        // Where no key has signed it, the error says so.
        let key = note.verify(&auditors).map(|keys| keys.first().copied().cloned())?;
        let key =
            key.ok_or_else(|| Failure::Usage(format!("{} is signed by no --auditor", path.display())))?;
        Ok((note, key))
    };
    args.audits.iter().map(signed).collect()
}

/// The file as it is: a bundle is never unpacked, whatever it says it is.
fn read(path: &Path) -> Outcome<Vec<u8>> {
    let what = || Failure::io(format!("read {}", path.display()));
    let file = File::open(path).map_err(what())?;
    let (len, limit) = (file.metadata().map_err(what())?.len(), limits::BUNDLE_LEN_MAX);
    if len > limit {
        return Err(Error::OverLimit { what: "bundle length", found: len, limit }.into());
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(what())?;
    Ok(bytes)
}

/// That the bundle is of the checkpoint that somebody else has.
fn expect(bundle: &Bundle, path: &Path, key: &VerifierKey) -> Outcome<()> {
    let expected = Checkpoint::open(&input::note(path)?, key)?;
    let verdict = &bundle.verdict;
    if expected.origin != verdict.origin {
        let reason = format!("the bundle is of {}, the checkpoint of {}", verdict.origin, expected.origin);
        return Err(Error::Forged { what: "checkpoint", reason }.into());
    }
    let (found, size) = (verdict.tree_size, expected.size);
    if found < size {
        let reason = format!("the bundle is of {found} records, and the checkpoint that you have of {size}");
        return Err(Error::RolledBack { reason }.into());
    }
    if found > size {
        let reason = format!(
            "the bundle is of {found} records and yours of {size}; ask for one made with --checkpoint and yours, or for \
             the proof that the log only grew (indelible prove --consistency)"
        );
        return Err(Error::Incomplete { what: "checkpoint", reason }.into());
    }
    if expected.root.to_string() != verdict.root {
        let reason = format!("two roots are signed for {size} records: the log has two histories");
        return Err(Error::Forged { what: "checkpoint", reason }.into());
    }
    Ok(())
}
