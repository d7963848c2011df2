//! `indelible key rotate`, `revoke` and `list`: the keys that the log itself names.

use std::path::{Path, PathBuf};

use indelible::disk::World;
use indelible::format::keys::KeyRevocation;
use indelible::trust::{Algorithm, Checkpoint, LogKey, Signer, SigningKey, VerifierKey};
use indelible::{CheckpointSigner, FileSigner, Seq, Snapshot, Store};
use serde_json::json;
use zeroize::Zeroizing;

use crate::approvals::{self, Asking};
use crate::exit::{Failure, Outcome};
use crate::keys::{self, SignerArgs};
use crate::output::{self, Out, Table};
use crate::signer_command::CommandSigner;
use crate::{anchors, input, open};

/// Longest file with a public key that is read, in bytes.
const PUBLIC_LEN_MAX: u64 = 4 << 10;

/// To which key, and by whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Rotate {
    /// Have a key of ML-DSA-44 sign beside the log's Ed25519 key; where one does, hand over to another
    #[arg(long, conflicts_with_all = ["to_command", "finish"])]
    ml_dsa: bool,
    /// The new key's signing key file; made, where there is none
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Have the new key, in an HSM or a KMS, sign by this command
    #[arg(long, value_name = "COMMAND", requires = "to_key", conflicts_with = "to")]
    to_command: Option<String>,
    /// With --to-command: the new key, as a vkey or as a public key in PEM
    #[arg(long, value_name = "VKEY|FILE", requires = "to_command")]
    to_key: Option<String>,
    /// End the overlap: from now on only the latest key signs, of ML-DSA-44 too
    #[arg(long, conflicts_with_all = ["to", "to_command", "to_key"])]
    finish: bool,
    #[command(flatten)]
    signer: SignerArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Which key, from which size on, and by whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// The key: a vkey, a file that holds one, or its name and id as `key list` shows them
    #[arg(value_name = "VKEY", required_unless_present = "approved")]
    revoked: Option<String>,
    /// The greatest checkpoint that the key signed rightfully, by its number of records
    #[arg(long, value_name = "N", required_unless_present = "approved")]
    size: Option<u64>,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present = "approved")]
    reason: Option<String>,
    /// Carry out a revocation that operators have approved
    #[arg(long, value_name = "FILE", conflicts_with_all = ["revoked", "size", "reason", "key", "output"])]
    approved: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    signer: SignerArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Hands over to another key, or ends the overlap; and signs a checkpoint over it.
pub(crate) fn rotate(path: &Path, args: &Rotate, out: &mut Out) -> Outcome<()> {
    let store = open::to_write(path)?;
    let at_hand = keys::signers(&store, &args.signer)?;
    if at_hand.is_empty() {
        keys::signer(&store, &args.signer)?;
    }
    if args.finish {
        finish(&store, at_hand, args.json, out)?;
        return Ok(store.close()?);
    }
    let Some(from) = keys::joined(&store, latest_of_each(at_hand))? else { return Ok(()) };
    let New { signer, file, made } = new_key(args, from.verifier().name())?;
    let key = signer.verifier().clone();
    let same = |other: &&VerifierKey| other.algorithm() == key.algorithm();
    let old = from.verifiers().into_iter().find(same).unwrap_or_else(|| from.verifier()).clone();
    let rotated = store.rotate_key(from, signer);
    if rotated.is_err() && made {
        // Made a moment ago, and the log does not know it: nothing was ever signed with it.
        let _ = file.as_deref().map(std::fs::remove_file);
    }
    let (seq, both) = rotated?;
    let (new, beside) = (key.short(), old.short());
    if key.algorithm() == old.algorithm() {
        output::say(format_args!(
            "record {seq}: {new} signs from here on, and {beside} beside it until `indelible key rotate --finish`"
        ));
    } else {
        output::say(format_args!("record {seq}: {new} signs from here on, by ML-DSA-44, beside {beside}"));
    }
    if let Some(file) = &file {
        output::say(format_args!("signing key: {} (keep a copy; the store has none)", file.display()));
    }
    let size = sign(&store, both)?;
    store.close()?;
    if args.json {
        return out.json(&json!({
            "verifier_key": key.to_string(),
            "algorithm": key.algorithm().name(),
            "handed_over_by": old.to_string(),
            "record": seq,
            "signing_key_file": file.map(|file| file.display().to_string()),
            "checkpoint_size": size,
        }));
    }
    out.line(output::escape(key.to_string().as_bytes()))
}

/// The first of each algorithm: those who sign beside each other.
fn latest_of_each(signers: Vec<FileSigner>) -> Vec<FileSigner> {
    let mut latest: Vec<FileSigner> = Vec::new();
    for signer in signers {
        if latest.iter().all(|other| other.verifier().algorithm() != signer.verifier().algorithm()) {
            latest.push(signer);
        }
    }
    latest
}

/// Retires all keys but the latest of each algorithm.
fn finish(store: &Store, at_hand: Vec<FileSigner>, as_json: bool, out: &mut Out) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    let log_keys = snapshot.log_keys()?;
    let (mut latest, mut older): (Vec<&VerifierKey>, Vec<&VerifierKey>) = Default::default();
    for key in log_keys.in_force(snapshot.tree_size()).map(|known| &known.key).rev() {
        let is_behind = latest.iter().any(|other| other.algorithm() == key.algorithm());
        if is_behind { older.push(key) } else { latest.push(key) }
    }
    let first = latest.iter().find(|key| key.algorithm() == Algorithm::Ed25519);
    let (Some(latest), false) = (first.copied(), older.is_empty()) else {
        return Err(Failure::Usage(
            "no key of this log hands over to another: there is nothing to end".to_owned(),
        ));
    };
    let by = latest_of_each(at_hand);
    if by.iter().all(|signer| signer.verifier() != latest) {
        let key = latest.short();
        return Err(Failure::Usage(format!(
            "the latest key, {key}, must sign this, and is not here; name it with --signing-key"
        )));
    }
    let Some(by) = keys::joined(store, by)? else { return Ok(()) };
    let mut records: Vec<Seq> = Vec::new();
    for key in &older {
        records.push(store.retire_key(key, &by)?);
        output::say(format_args!("{} signs no more", key.short()));
    }
    let size = sign(store, by)?;
    if as_json {
        let retired: Vec<String> = older.iter().map(ToString::to_string).collect();
        return out.json(&json!({
            "verifier_key": latest.to_string(),
            "retired": retired,
            "records": records,
            "checkpoint_size": size,
        }));
    }
    out.line(output::escape(latest.to_string().as_bytes()))
}

/// A key that is to come, and where it is kept.
struct New {
    signer: FileSigner,
    file: Option<PathBuf>,
    made: bool,
}

fn new_key(args: &Rotate, name: &str) -> Outcome<New> {
    let world = World::real()?;
    if let (Some(command), Some(given)) = (&args.to_command, &args.to_key) {
        let verifier = public_key(given, name)?;
        let place = keys::later_key_path(&verifier)?;
        let (command, time_max) = (command.clone(), args.signer.time_max());
        let signer = FileSigner::over(&world, &place, CommandSigner { verifier, command, time_max });
        return Ok(New { signer, file: None, made: false });
    }
    if let Some(path) = args.to.as_ref().filter(|path| path.exists()) {
        let signer = FileSigner::open(&world, path)?;
        if args.ml_dsa && signer.verifier().algorithm() != Algorithm::MlDsa44 {
            return Err(Failure::Usage(format!("{} is no key of ML-DSA-44", path.display())));
        }
        return Ok(New { signer, file: Some(path.clone()), made: false });
    }
    let seed = Zeroizing::new(world.random::<32>()?);
    let algorithm = if args.ml_dsa { Algorithm::MlDsa44 } else { Algorithm::Ed25519 };
    let key = SigningKey::of(algorithm, name, *seed)?;
    let path = match &args.to {
        Some(path) => path.clone(),
        None => keys::later_key_path(key.verifier())?,
    };
    let signer = FileSigner::keep(&world, &path, key)?;
    Ok(New { signer, file: Some(path), made: true })
}

/// A public key in PEM, to which a name is given; or a vkey, which has one.
fn public_key(given: &str, name: &str) -> Outcome<VerifierKey> {
    if Path::new(given).exists() {
        let bytes = input::read_all(Path::new(given), PUBLIC_LEN_MAX)?;
        let text = String::from_utf8_lossy(&bytes);
        if text.trim_start().starts_with("-----BEGIN") {
            return Ok(VerifierKey::from_pem(name, &text)?);
        }
    }
    input::verifier_key(given)
}

/// Revokes a key, or asks operators to.
pub(crate) fn revoke(path: &Path, args: &Revoke, out: &mut Out) -> Outcome<()> {
    if let Some(file) = &args.approved {
        let asked = approvals::read(file)?;
        let store = open::to_write(path)?;
        let seq = store.revoke_key_approved(&asked)?;
        let KeyRevocation { key, size, .. } = &asked.matter;
        return tell_revoked(&store, seq, (key, *size), None, args.json, out)
            .and_then(|()| Ok(store.close()?));
    }
    let (given, size) = (args.revoked.as_deref().unwrap_or_default(), args.size.unwrap_or_default());
    let reason = args.reason.clone().unwrap_or_default();
    let store = open::to_write(path)?;
    let snapshot = store.snapshot()?;
    let key = known_key(&snapshot, given)?;
    let text = key.to_string();
    if !args.asking.key.is_empty() || args.asking.output.is_some() {
        let matter = KeyRevocation { key: text.clone(), reason, size };
        let asked = args.asking.ask(&snapshot, matter)?;
        if !args.asking.put_aside(&asked)? {
            let seq = store.revoke_key_approved(&asked)?;
            tell_revoked(&store, seq, (&text, size), None, args.json, out)?;
        }
        return Ok(store.close()?);
    }
    let mut others = keys::signers(&store, &args.signer)?;
    others.retain(|signer| *signer.verifier() != key);
    let by = keys::joined(&store, others)?.ok_or_else(|| {
        Failure::Usage(format!(
            "another key of the log that is in force must sign this, and none is here; hand over to one with `indelible \
             key rotate`, or ask operators with -o FILE: {} cannot revoke itself",
            key.short()
        ))
    })?;
    let seq = store.revoke_key(&key, size, &reason, &by)?;
    let signed = sign(&store, by)?;
    tell_revoked(&store, seq, (&text, size), Some(signed), args.json, out)?;
    Ok(store.close()?)
}

fn tell_revoked(
    store: &Store,
    seq: Seq,
    (key, size): (&str, u64),
    signed: Option<u64>,
    as_json: bool,
    out: &mut Out,
) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    if snapshot.log_keys()?.in_force(snapshot.tree_size()).next().is_none() {
        output::warn(
            "no key of this log is in force any more: nobody can sign it; go on in a new one with `indelible recover --fork`",
        );
    } else if signed.is_none() {
        output::say("sign a checkpoint over this: `indelible checkpoint`");
    }
    if as_json {
        return out.json(&json!({ "revoked": key, "size": size, "record": seq, "checkpoint_size": signed }));
    }
    let (key, size) = (output::escape(key.as_bytes()), output::counted(size, "record", "records"));
    out.line(format_args!("record {seq}: what {key} signed over more than {size} counts as forged"))
}

/// The key of the log that somebody means.
fn known_key(snapshot: &Snapshot, given: &str) -> Outcome<VerifierKey> {
    let log_keys = snapshot.log_keys()?;
    let named = log_keys.all().iter().find(|known| known.key.short() == given);
    match named {
        Some(known) => Ok(known.key.clone()),
        None if is_short(given) && !Path::new(given).exists() => Err(Failure::Usage(format!(
            "this log has no key {given}: `indelible key list` shows those that it has"
        ))),
        None => input::verifier_key(given),
    }
}

/// Whether this is the name and the id of a key, as `key list` shows them: a vkey has its public half behind them.
fn is_short(given: &str) -> bool {
    given.rsplit_once('+').is_some_and(|(name, id)| {
        !name.contains('+') && id.len() == 8 && id.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// Signs what was just written, and has the anchors get it; the size. An anchor that did not is told of, and gets the next.
fn sign(store: &Store, signer: FileSigner) -> Outcome<u64> {
    let note = store.checkpoint(&signer)?;
    anchors::copy(&note);
    Ok(Checkpoint::decode(note.text())?.size)
}

/// Lists the log's keys.
pub(crate) fn list(path: &Path, as_json: bool, out: &mut Out) -> Outcome<()> {
    let store = open::to_read(path)?;
    let snapshot = store.snapshot()?;
    let (log_keys, size) = (snapshot.log_keys()?, snapshot.tree_size());
    let mut table = Table::new(&["key", "by", "signs from", "to", "state"]);
    for known in log_keys.all() {
        let LogKey { key, since, revoked, .. } = known;
        if as_json {
            out.json(&json!({
                "verifier_key": key.to_string(),
                "name": key.name(),
                "key_id": format!("{:08x}", key.key_id()),
                "algorithm": key.algorithm().name(),
                "since_size": since,
                "last_size": known.last_size(),
                "in_force": known.is_in_force(size),
                "revoked": revoked.as_ref().map(|it| json!({
                    "record": it.seq, "size": it.size, "reason": it.reason, "by": it.by,
                })),
            }))?;
            continue;
        }
        let state = match (revoked, known.until) {
            (Some(it), _) => {
                format!("revoked by record {}, signed by {}: {}", it.seq, it.by.join(", "), it.reason)
            }
            (None, Some(seq)) => format!("retired by record {seq}"),
            (None, None) => "in force".to_owned(),
        };
        let last = known.last_size().map_or_else(|| "-".to_owned(), |last| last.to_string());
        // One of ML-DSA-44 is 1.7 kB long: `--json` has it whole.
        let shown = match key.algorithm() {
            Algorithm::Ed25519 => key.to_string(),
            Algorithm::MlDsa44 => key.short(),
        };
        table.row([shown, key.algorithm().name().to_owned(), since.to_string(), last, state]);
    }
    if !as_json {
        table.print(out)?;
    }
    Ok(())
}
