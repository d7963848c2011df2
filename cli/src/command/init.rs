//! `indelible init`: makes a store, and a signing key outside it.

use std::path::{Path, PathBuf};

use indelible::disk::World;
use indelible::{CheckpointSigner, FileSigner, Options, Store};
use serde_json::json;

use crate::exit::{Code, Failure, Outcome};
use crate::keys;
use crate::output::{self, Out};

/// Make a store, and a signing key outside it
///
/// The store gets its first record, `store.created`. The signing key goes to your configuration folder (mode
/// 0600), never into the store: keep a copy of it somewhere safe. The public verifier key is printed; give it
/// to whoever is to check the store's checkpoints.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible init evidence --origin acme.example/agents-prod
  indelible init --origin acme.example/agents-prod > acme.vkey
  indelible init --origin acme.example/test --no-key")]
pub(crate) struct Args {
    /// The directory to make [default: the store named by -C]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The log's name for good: a URL without scheme that you control
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: String,
    /// Use this signing key file instead of making one
    #[arg(long, value_name = "FILE", conflicts_with = "no_key")]
    pub(crate) signing_key: Option<PathBuf>,
    /// Make no key; checkpoints cannot be signed then
    #[arg(long)]
    pub(crate) no_key: bool,
    /// Allow a filesystem whose locks and syncs cannot be relied on
    #[arg(long)]
    pub(crate) force_network: bool,
    /// Print one JSON object instead of the verifier key
    #[arg(long)]
    pub(crate) json: bool,
}

/// Makes the store.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let path = args.dir.as_deref().unwrap_or(store);
    let origin: indelible::Origin = args.origin.parse()?;
    // Looked at before a key is made: a second init must leave nothing behind.
    refuse_store(path)?;
    let key = match (&args.signing_key, args.no_key) {
        (_, true) => None,
        (Some(file), _) => Some((file.clone(), FileSigner::open(&World::real()?, file)?)),
        (None, _) => {
            let file = keys::signing_key_path(origin.as_str())?;
            let signer = FileSigner::create(&World::real()?, &file, origin.as_str())?;
            Some((file, signer))
        }
    };
    let mut options = Options::new(origin.as_str()).force_network(args.force_network);
    if let Some((_, signer)) = &key {
        options = options.log_key(signer.verifier().clone());
    }
    let made = Store::create(path, options).and_then(|store| {
        let id = store.store_id();
        store.close().map(|()| id)
    });
    if made.is_err()
        && args.signing_key.is_none()
        && let Some((file, _)) = &key
    {
        // The key was made a moment ago, for a store that is not there: nothing was ever signed with it.
        let _ = std::fs::remove_file(file);
    }
    let store_id = made?;

    let vkey = key.as_ref().map(|(_, signer)| signer.verifier().to_string());
    let mut out = Out::stdout();
    if args.json {
        out.json(&json!({
            "store": path.display().to_string(),
            "store_id": store_id.to_string(),
            "origin": origin.as_str(),
            "verifier_key": vkey,
            "signing_key_file": key.as_ref().map(|(file, _)| file.display().to_string()),
        }))?;
    } else if let Some(vkey) = &vkey {
        out.line(output::escape(vkey.as_bytes()))?;
    }
    out.finish()?;
    output::say(format_args!("made the store {} of {origin}", path.display()));
    if let Some((file, _)) = &key {
        output::say(format_args!("signing key: {} (keep a copy; the store has none)", file.display()));
    }
    Ok(Code::Clean)
}

fn refuse_store(path: &Path) -> Outcome<()> {
    match Store::open(path, Options::default().read_only(true)) {
        Ok(store) => Err(Failure::Usage(format!(
            "{} is a store already, of {}; append to it, or choose another directory",
            path.display(),
            store.origin(),
        ))),
        // Where there is a store that cannot be read, making one would be worse: `create` refuses it.
        Err(_) => Ok(()),
    }
}
