//! `indelible key`: the log's signing key, and how it goes to and comes from other programs. What the log says of its keys
//! is for `log_keys`.

use std::io::Write;
use std::path::{Path, PathBuf};

use indelible::disk::World;
use indelible::trust::{Signer, SignerMemory, SigningKey, VerifierKey};
use indelible::{Error, Origin, limits};
use serde_json::json;

use super::log_keys;
use crate::exit::{Code, Failure, Outcome};
use crate::new_file::{self, Readers};
use crate::output::{self, Out};
use crate::{input, keys, open};

/// Show, export, import, rotate and revoke the log's signing key
///
/// The key is never in the store: it is in your configuration folder, or where --signing-key or INDELIBLE_SIGNING_KEY
/// says. Export and import are PKCS#8 in PEM, as OpenSSL writes and reads it. Which keys sign, the log itself says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible key show
  indelible key export -o agents-prod.pem
  indelible key import agents-prod.pem --name acme.example/agents-prod
  indelible key rotate
  indelible key list")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with the key.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Print the public verifier key, and what was signed last
    #[command(after_help = "Examples:
  indelible key show > acme.vkey
  indelible key show --pem | openssl pkey -pubin -text
  indelible key show --json")]
    Show {
        /// The signing key file [default: the one of the store's log]
        #[arg(long, value_name = "FILE", env = keys::SIGNING_KEY_ENV, hide_env_values = true)]
        signing_key: Option<PathBuf>,
        /// Print the public key in PEM instead, without its name
        #[arg(long, conflicts_with = "json")]
        pem: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write the private key as PKCS#8 in PEM: keep it secret
    #[command(after_help = "Examples:
  indelible key export -o agents-prod.pem
  indelible key export -o - | openssl pkey -text -noout")]
    Export {
        /// The signing key file [default: the one of the store's log]
        #[arg(long, value_name = "FILE", env = keys::SIGNING_KEY_ENV, hide_env_values = true)]
        signing_key: Option<PathBuf>,
        /// The file to make (mode 0600), - for stdout
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Make a signing key file of a private key in PEM
    #[command(after_help = "Examples:
  openssl genpkey -algorithm ed25519 | indelible key import - --name acme.example/agents-prod
  indelible key import agents-prod.pem --name acme.example/agents-prod --signing-key ./agents-prod.key")]
    Import {
        /// The file with the private key, - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The key's name: the origin of the log that it signs
        #[arg(long, value_name = "NAME")]
        name: String,
        /// The signing key file to make [default: the one of that log, in your configuration folder]
        #[arg(long, value_name = "FILE")]
        signing_key: Option<PathBuf>,
    },
    /// Have another key sign the log's checkpoints, or end the overlap
    ///
    /// The old key signs for the new one in the log, so that whoever knows the old one is led to the new one by verify.
    /// From then on checkpoints bear the signatures of both, until --finish has the latest sign alone. A new key is made in
    /// your configuration folder, unless you name one. With --ml-dsa the new key is one of ML-DSA-44, which withstands quantum
    /// computers; it signs beside the Ed25519 key, and does not take its place.
    #[command(after_help = "Examples:
  indelible key rotate
  indelible key rotate --ml-dsa
  indelible key rotate --to ./agents-prod-2.key
  indelible key rotate --to-command 'kms-sign --key agents-prod-2' --to-key agents-prod-2.pem
  indelible key rotate --finish")]
    Rotate(log_keys::Rotate),
    /// Have what a key signed beyond a size count as forged
    ///
    /// For a key that fell into other hands. Another key of the log that is in force signs this, or as many operators as
    /// it takes to delete. What the key signed up to the size stays good.
    #[command(after_help = "Examples:
  indelible key revoke acme.example/agents-prod+9af1c2d3 --size 1200 --reason 'laptop stolen'
  indelible key revoke old.vkey --size 1200 --reason 'laptop stolen' --key alice.key --key bob.key
  indelible key revoke old.vkey --size 1200 --reason 'laptop stolen' -o revoke.json
  indelible key revoke --approved revoke.json")]
    Revoke(log_keys::Revoke),
    /// List the keys of the log: since when and until when each signs
    #[command(after_help = "Examples:\n  indelible key list\n  indelible key list --json")]
    List {
        /// Print one JSON object a key
        #[arg(long)]
        json: bool,
    },
}

/// Longest PEM file that is read, in bytes.
const PEM_LEN_MAX: u64 = 64 << 10;

/// Shows, exports or imports.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let mut out = Out::stdout();
    match &args.what {
        What::Show { signing_key, pem, json } => {
            show(&key_file(store, signing_key.as_deref())?, *pem, *json, &mut out)?
        }
        What::Export { signing_key, output } => {
            export(&key_file(store, signing_key.as_deref())?, output, &mut out)?
        }
        What::Import { file, name, signing_key } => {
            let verifier = import(file, name, signing_key.as_deref())?;
            out.line(output::escape(verifier.to_string().as_bytes()))?;
        }
        What::Rotate(args) => log_keys::rotate(store, args, &mut out)?,
        What::Revoke(args) => log_keys::revoke(store, args, &mut out)?,
        What::List { json } => log_keys::list(store, *json, &mut out)?,
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// The file that was named, or that of the store's log.
fn key_file(store: &Path, named: Option<&Path>) -> Outcome<PathBuf> {
    match named {
        Some(path) => Ok(path.to_path_buf()),
        None => keys::latest_key_path(&open::to_read(store)?),
    }
}

fn show(path: &Path, pem: bool, json: bool, out: &mut Out) -> Outcome<()> {
    let key = keys::read(path, "--signing-key")?;
    let verifier = key.verifier();
    if pem {
        return out.line(verifier.to_pem().trim_end());
    }
    let memory_path = path.with_extension("signed");
    let world = World::real()?;
    let memory = world
        .disk
        .read(&memory_path, limits::NOTE_LEN_MAX as u64)
        .map_err(Error::io("read", &memory_path))?
        .map(|bytes| SignerMemory::decode(&String::from_utf8_lossy(&bytes)))
        .transpose()?;
    if json {
        return out.json(&json!({
            "verifier_key": verifier.to_string(),
            "name": verifier.name(),
            "key_id": format!("{:08x}", verifier.key_id()),
            "algorithm": verifier.algorithm().name(),
            "signing_key_file": path.display().to_string(),
            "signed_size": memory.as_ref().map(|memory| memory.size),
            "signed_root": memory.as_ref().map(|memory| memory.root.to_string()),
        }));
    }
    out.line(output::escape(verifier.to_string().as_bytes()))?;
    let signed = match memory {
        Some(memory) => {
            format!("it signed the log last at {}", output::counted(memory.size, "record", "records"))
        }
        None => "it has signed nothing yet".to_owned(),
    };
    output::say(format_args!("{}: {signed}", path.display()));
    Ok(())
}

fn export(path: &Path, to: &Path, out: &mut Out) -> Outcome<()> {
    let pem = keys::read(path, "--signing-key")?.to_pem();
    if to.as_os_str() == "-" {
        return out.line(pem.trim_end());
    }
    let name = to.display();
    let mut file = new_file::create(to, Readers::Owner)?;
    file.write_all(pem.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Failure::io(format!("write {name}")))?;
    output::say(format_args!("wrote the private key to {name}: who has it can sign for the log"));
    Ok(())
}

fn import(file: &Path, name: &str, to: Option<&Path>) -> Outcome<VerifierKey> {
    let origin: Origin = name.parse()?;
    let bytes = zeroize::Zeroizing::new(input::read_all(file, PEM_LEN_MAX)?);
    let pem = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::Usage(format!("{} is not text: PEM is expected", file.display())))?;
    let key = SigningKey::from_pem(origin.as_str(), pem)?;
    let path = match to {
        Some(path) => path.to_path_buf(),
        None => keys::signing_key_path(origin.as_str())?,
    };
    let verifier = key.verifier().clone();
    keys::write(&path, key)?;
    output::say(format_args!("made the signing key file {}", path.display()));
    Ok(verifier)
}
