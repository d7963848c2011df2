//! `indelible record`: one event from stdin. Made for hooks: one open, one commit, one line out.

use std::path::Path;

use indelible::source::Profile;
use indelible::{Outcome as Fate, limits};
use serde_json::json;

use crate::exit::{Code, Failure, Outcome};
use crate::output::Out;
use crate::{input, keys, open, profiles};

/// Record one event from stdin, durably, and print its receipt
///
/// All of stdin is one JSON object. Obvious secrets (cloud keys, tokens, private keys) are masked before the
/// record is made, and the record says so. Many processes may record at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo '{\"run_id\":\"run_8bce4\",\"kind\":\"tool.call\"}' | indelible record
  indelible record --source claude-code < hook.json > receipt.json")]
pub(crate) struct Args {
    /// The event's source: a shipped or registered profile's name, or a profile file
    #[arg(long, short, value_name = "NAME|FILE.toml")]
    pub(crate) source: Option<String>,
    /// What to do if the event's id is in the log already
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub(crate) on_duplicate: super::append::OnDuplicate,
    /// Do not look for secrets
    #[arg(long)]
    pub(crate) no_mask_secrets: bool,
    /// Print no receipt
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Records one event.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let event = input::read_all(Path::new("-"), limits::EVENT_LEN_DEFAULT as u64)?;
    let event = input::whole_event(&event)?.to_vec();
    let store = open::to_write(store)?;
    let source = match &args.source {
        Some(name) => store.source(&profiles::find(name, Some(&store.snapshot()?))?)?,
        None => store.source(Profile::evidence())?,
    };
    let masking = keys::masking(&store, source.profile(), !args.no_mask_secrets)?;
    let prepared = store.prepare(&source, event, &masking)?;
    let fate = store.commit(vec![prepared], args.on_duplicate.into())?.pop();
    let mut out = Out::stdout();
    match fate {
        _ if args.quiet => {}
        Some(Fate::Appended(receipt)) => out.json(&receipt)?,
        Some(Fate::Duplicate { seq }) => out.json(&json!({ "duplicate": true, "seq": seq }))?,
        None => return Err(Failure::Usage("the store gave no receipt".to_owned())),
    }
    out.finish()?;
    Ok(Code::Clean)
}
