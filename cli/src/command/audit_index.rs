//! `indelible audit-index`: an auditor's word that the log's indexes are what its records give.

use std::io::Write;
use std::path::{Path, PathBuf};

use indelible::trust::{IndexAudit, Note, Signer};
use indelible::verify::Options;
use serde_json::json;

use crate::archives;
use crate::exit::{Code, Failure, Outcome};
use crate::new_file::{self, Readers};
use crate::output::{self, Out};
use crate::render::verification::print;
use crate::verification::{check, code};
use crate::{input, keys, open};

/// Verify the whole store as its auditor, and sign that its indexes are what its records give
///
/// A bundle is complete by the index to which the operator committed when each segment was sealed. This rebuilds every
/// index from the records, and signs what came out, by a key of your own and not of the log's: with these notes a bundle
/// is complete by your word too (verify-bundle --audit). Nothing is signed unless all of the store is as it should be.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible audit-index --key auditor.key --log-key acme.vkey -o audits
  indelible verify-bundle answer.zip --key acme.vkey --audit audits/*.audit --auditor auditor.vkey")]
pub(crate) struct Args {
    /// Your signing key file: as `indelible key import` makes one
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The log's verifier key, which must have signed its checkpoints: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) log_key: Option<String>,
    /// A checkpoint kept elsewhere, which the log must go on from
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// The directory to put the notes in, each named by its first seq
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Print one JSON object a note
    #[arg(long)]
    pub(crate) json: bool,
}

/// Verifies and signs.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let signer = keys::read(&args.key, "--key")?;
    let log_key = args.log_key.as_deref().map(input::verifier_key).transpose()?;
    let expect = args.expect.as_deref().map(input::note).transpose()?;
    if open::to_read(store)?.snapshot()?.log_keys()?.find(signer.verifier()).is_some() {
        return Err(Failure::Usage(
            "this is the log's own key: its operator cannot audit himself".to_owned(),
        ));
    }
    let retrieve = Some(archives::retrieve(None));
    let report = check(store, Options { key: log_key, expect, retrieve, ..Options::default() })?;
    let code = code(&report);
    let mut out = Out::stdout();
    if code != Code::Clean {
        print(&mut out, &report)?;
        out.finish()?;
        output::error(&"nothing was signed: the store is not as it should be");
        return Ok(code);
    }
    let audits = report.index_audits()?;
    if audits.is_empty() {
        output::say("nothing to sign: no segment is sealed yet");
    }
    std::fs::create_dir_all(&args.output).map_err(Failure::io(format!("make {}", args.output.display())))?;
    for audit in &audits {
        let first = audit.segments.first().map_or(0, |segment| segment.first_seq);
        let path = args.output.join(format!("{first:020}.audit"));
        keep(&path, &audit.sign(&signer)?)?;
        tell(&mut out, &path, audit, args.json)?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// Writes a note to a file that is not there yet.
fn keep(path: &Path, note: &Note) -> Outcome<()> {
    let mut file = new_file::create(path, Readers::Usual)?;
    file.write_all(note.to_string().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Failure::io(format!("write {}", path.display())))
}

fn tell(out: &mut Out, path: &Path, audit: &IndexAudit, json: bool) -> Outcome<()> {
    let file = path.display().to_string();
    let end = audit.segments.last().map_or(0, |segment| segment.end_seq);
    let segments = audit.segments.len() as u64;
    if json {
        return out
            .json(&json!({ "file": file, "origin": audit.origin, "segments": segments, "end_seq": end }));
    }
    let segments = output::counted(segments, "segment", "segments");
    out.line(format_args!("{}  {segments}, up to seq {end}", output::escape_text(&file, out.is_terminal())))
}
