//! `indelible checkpoint`: signs the tree's size and root.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use indelible::trust::Policy;

use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out};
use crate::signal::Stop;
use crate::{anchors, approvals, cosign, input, keys, open, show, witnesses};

/// Sign the log's size and root, and print the signed note
///
/// The note is a C2SP checkpoint: keep it, or hand it to someone else, and nobody can rewrite what it covers
/// without being found out. The signer remembers what it signed, outside the store, and refuses a log that
/// does not continue it. A copy goes to each anchor (`indelible help anchor`); exit code 3 where one did not get it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible checkpoint > today.checkpoint
  indelible checkpoint --watch --every 60
  indelible checkpoint --cosign --policy quorum.policy
  indelible checkpoint --signer-command 'kms-sign --key agents-prod'
  indelible verify --expect today.checkpoint --key acme.vkey")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) signer: keys::SignerArgs,
    /// Sign again whenever the log has grown, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch: how often to look, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "watch",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// Ask witnesses to cosign, and keep their cosignatures; exit code 12 where too few do
    #[arg(long)]
    pub(crate) cosign: bool,
    /// With --cosign: a C2SP tlog-policy file [default: all witnesses of `witness add`]
    #[arg(long, value_name = "FILE", requires = "cosign")]
    pub(crate) policy: Option<PathBuf>,
    /// With --cosign: how long to wait for a witness
    #[arg(long, value_name = "DURATION", default_value = "10s", requires = "cosign",
          value_parser = approvals::duration)]
    pub(crate) timeout: i64,
}

/// Signs.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let path = store;
    let store = open::to_write(path)?;
    let signer = keys::signer(&store, &args.signer)?;
    let policy = if args.cosign { Some(policy(args.policy.as_deref())?) } else { None };
    let timeout = Duration::from_nanos(args.timeout.unsigned_abs());
    let mut code = Code::Clean;
    let mut out = Out::stdout();
    let (wake, woken) = mpsc::channel();
    let stop = if args.watch {
        Some(Stop::listen(move || {
            let _ = wake.send(());
        })?)
    } else {
        None
    };
    let mut told = None;
    loop {
        // A log that has not grown needs no second signature; what another process signed is told all the same.
        let size = store.snapshot()?.tree_size();
        if told != Some(size) {
            let known = store.last_checkpoint()?;
            let mut note = match &known {
                Some(note) if args.watch && show::signed_size(&store)? == Some(size) => note.clone(),
                _ => store.checkpoint(&signer)?,
            };
            if let Some(policy) = &policy
                && !cosign::cosign(&store, &mut note, known.as_ref(), policy, timeout)?
            {
                output::warn("the checkpoint is signed, but too few witnesses have cosigned it");
                code = Code::NotAuthenticated;
            }
            if !anchors::copy(&note) && code == Code::Clean {
                code = Code::Environment;
            }
            told = Some(size);
            out.line(output::escape_lines(&note.to_string()).trim_end())?;
            if args.watch {
                // Notes on one stream are told apart by an empty line.
                out.line("")?;
            }
            out.flush()?;
        }
        let Some(stop) = &stop else { break };
        let _ = woken.recv_timeout(Duration::from_secs(args.every));
        if let Some(code) = stop.asked() {
            store.close()?;
            out.finish()?;
            return Ok(code);
        }
    }
    store.close()?;
    out.finish()?;
    Ok(code)
}

/// Whom to ask, and how many must cosign.
fn policy(named: Option<&Path>) -> Outcome<Policy> {
    let policy = match named {
        Some(path) => Some(input::policy(path)?),
        None => witnesses::known()?,
    };
    policy.filter(|policy| !policy.witnesses().is_empty()).ok_or_else(|| {
        Failure::Usage(
            "no witness is known; name one with `indelible witness add NAME URL VKEY`, or give --policy FILE"
                .to_owned(),
        )
    })
}
