//! `indelible verify-bundle`: checks an answer with its evidence without any store.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use indelible::bundle::Challenge;
use indelible::query::bundle::{self, Bundle, Given};
use indelible::trust::{Algorithm, ExtensionProof, Note, VerifierKey};
use indelible::{Error, limits};

use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::output::{self, Colour, Out};
use crate::witnessed::Sought;

/// Check a bundle that `indelible export` made; no store is needed
///
/// Every proof is checked, the question is read anew and run over the records in the bundle, and the answer is
/// compared with the one that it holds, as are the texts for people. The verdict says what that establishes and what
/// stayed unchecked. It is no better than the key: get that from somebody whom you trust to know it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible verify-bundle unapproved.zip --key acme.vkey
  indelible verify-bundle unapproved.zip --key acme.vkey --expect may.checkpoint --json
  indelible verify-bundle unapproved.zip --key acme.vkey --expect may.checkpoint --consistency grown.proof
  indelible verify-bundle unapproved.zip --key acme.vkey --challenge 'dice 4 2 6 6 1' --sample 300
  indelible verify-bundle unapproved.zip --key acme.vkey --key acme-ml-dsa.vkey
  indelible verify-bundle unapproved.zip --key acme.vkey --witness witness.vkey
  indelible verify-bundle unapproved.zip --key acme.vkey --audit audits/*.audit --auditor auditor.vkey
  indelible verify-bundle unapproved.zip --key acme.vkey --answer | jq .event_id")]
pub(crate) struct Args {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The log's verifier key, or a file that holds it. Where more are given, one of ML-DSA-44 for one, all must have signed;
    /// the first is the one that the bundle names
    #[arg(long, value_name = "VKEY", required = true)]
    pub(crate) key: Vec<String>,
    /// A checkpoint that you kept, or got from somebody else: the answer must be of it, or of a log that is shown to go
    /// on from it
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) expect: Option<PathBuf>,
    /// With --expect: the proof that the log only grew, from `indelible prove --consistency`, where the bundle was not made
    /// with --extends
    #[arg(long, value_name = "FILE", requires = "expect")]
    pub(crate) consistency: Option<PathBuf>,
    /// The seed that you chose once you had the checkpoint: the bundle must hold the records that it draws, each named by
    /// the index
    #[arg(long, value_name = "SEED")]
    pub(crate) challenge: Option<String>,
    /// With --challenge: how many records must be drawn at least
    #[arg(long, value_name = "N", default_value_t = 1, requires = "challenge")]
    pub(crate) sample: u32,
    /// A witness who must have cosigned the checkpoint, by a verifier key or a file that holds one; may be given more than
    /// once [default: those of `witness add` are shown, and none is missed]
    #[arg(long = "witness", value_name = "VKEY|FILE")]
    pub(crate) witnesses: Vec<String>,
    /// A C2SP tlog-policy file: as many of its witnesses as it asks for must have cosigned the checkpoint
    #[arg(long, value_name = "FILE", conflicts_with = "witnesses")]
    pub(crate) policy: Option<PathBuf>,
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
    let mut keys: Vec<VerifierKey> =
        args.key.iter().map(|given| input::verifier_key(given)).collect::<Outcome<_>>()?;
    let first = keys.iter().position(|key| key.algorithm() == Algorithm::Ed25519);
    let first = first.ok_or_else(|| {
        Failure::Usage("give the log's Ed25519 key too: it is the one that the bundle names".to_owned())
    })?;
    let key = keys.remove(first);
    let policy = args.policy.as_deref().map(input::policy).transpose()?;
    let sought = match &policy {
        Some(policy) => Sought::of_policy(policy),
        None => Sought::new(&args.witnesses)?,
    };
    let given = Given {
        audits: audits(args)?,
        kept: args.expect.as_deref().map(input::note).transpose()?,
        extension: args.consistency.as_deref().map(extension).transpose()?,
        challenge: args.challenge.clone().map(|seed| Challenge { seed, sample: args.sample }),
        keys,
        witnesses: sought.keys().to_vec(),
    };
    let bytes = read(&args.file)?;
    let verified = bundle::verify_given(&bytes, &key, &given);
    let bundle = verified.map_err(|error| Failure::from(error).of_evidence(&args.file))?;
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
    let is_enough = policy.is_none_or(|policy| policy.is_met(&bundle.checkpoint));
    if is_enough && !sought.is_missing(bundle.verdict.witnessed.len()) {
        return Ok(Code::Clean);
    }
    output::warn("the checkpoint is not cosigned by as many witnesses as were asked for");
    Ok(Code::NotAuthenticated)
}

/// The proof that a log only grew.
fn extension(path: &Path) -> Outcome<ExtensionProof> {
    let bytes = input::read_all(path, limits::PROOF_LEN_MAX as u64)?;
    ExtensionProof::decode(&bytes).map_err(|error| Failure::from(error).of_evidence(path))
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
