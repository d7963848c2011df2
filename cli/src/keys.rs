//! Where keys are: in the user's configuration folder, never in a store.
//!
//! `keys/<origin>.key` is a log's first signing key, `keys/<origin>-<id>.key` a later one, beside each what it signed last,
//! and in `keys/<origin>-<store id>.signed` what any of them did. The origin's slashes become underscores. `<origin>.token` is the secret by which `token` rules of profiles hash values.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indelible::disk::{Open, World};
use indelible::source::{MaskAction, Profile};
use indelible::trust::{Algorithm, LogKey, LogKeys, SigningKey, VerifierKey};
use indelible::{CheckpointSigner, Error, FileSigner, Masking, Store};
use zeroize::Zeroizing;

use crate::approvals;
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::signer_command::CommandSigner;

/// Names the signing key file, where no option does.
pub(crate) const SIGNING_KEY_ENV: &str = "INDELIBLE_SIGNING_KEY";

/// Longest key file that is read, in bytes.
const KEY_LEN_MAX: u64 = 4 << 10;

/// Reads a signing key file, which `option` names on the command line.
pub(crate) fn read(path: &Path, option: &str) -> Outcome<SigningKey> {
    let world = World::real()?;
    let bytes = world.disk.read(path, KEY_LEN_MAX).map_err(Error::io("read", path))?;
    let Some(bytes) = bytes.map(Zeroizing::new) else {
        return Err(Failure::Usage(format!(
            "no signing key at {}; name one with {option} FILE",
            path.display()
        )));
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::Usage(format!("{} is no signing key: it is not text", path.display())))?;
    Ok(text.trim_end().parse::<SigningKey>()?)
}

/// Makes a signing key file.
pub(crate) fn write(path: &Path, key: SigningKey) -> Outcome<()> {
    FileSigner::keep(&World::real()?, path, key)?;
    Ok(())
}

/// Who signs checkpoints.
#[derive(Debug, clap::Args)]
pub(crate) struct SignerArgs {
    /// The signing key file; more than one while a key hands over to another [default: those of the log's keys in your
    /// configuration folder]
    #[arg(long, value_name = "FILE", env = SIGNING_KEY_ENV, hide_env_values = true)]
    pub(crate) signing_key: Vec<PathBuf>,
    /// Sign by a command, for keys in an HSM or a KMS: it gets the message on stdin and prints its signature by the log's
    /// key, as bytes or in base64. Of more than one, the first has the log's latest key of Ed25519, and those of ML-DSA-44
    /// come last
    #[arg(long, value_name = "COMMAND", env = "INDELIBLE_SIGNER_COMMAND", hide_env_values = true)]
    pub(crate) signer_command: Vec<String>,
    /// How long a signer command may take; a person may have to confirm
    #[arg(long, value_name = "DURATION", default_value = SIGNER_TIMEOUT, env = SIGNER_TIMEOUT_ENV, hide_env_values = true,
          value_parser = approvals::duration)]
    pub(crate) signer_timeout: i64,
}

/// How long a signer command may take unless told otherwise, and where that is said for commands that have no option for it.
const SIGNER_TIMEOUT: &str = "5m";
const SIGNER_TIMEOUT_ENV: &str = "INDELIBLE_SIGNER_TIMEOUT";

impl SignerArgs {
    pub(crate) fn time_max(&self) -> Duration {
        Duration::from_nanos(self.signer_timeout.unsigned_abs())
    }

    /// What the environment says alone.
    pub(crate) fn of_environment() -> Outcome<SignerArgs> {
        let value = |name| env::var_os(name).filter(|value| !value.is_empty());
        let text = |name| value(name).and_then(|value| value.into_string().ok());
        let timeout = text(SIGNER_TIMEOUT_ENV).unwrap_or_else(|| SIGNER_TIMEOUT.to_owned());
        Ok(SignerArgs {
            signing_key: value(SIGNING_KEY_ENV).map(PathBuf::from).into_iter().collect(),
            signer_command: text("INDELIBLE_SIGNER_COMMAND").into_iter().collect(),
            signer_timeout: approvals::duration(&timeout)
                .map_err(|reason| Failure::Usage(format!("{SIGNER_TIMEOUT_ENV}: {reason}")))?,
        })
    }
}

/// The signer of a store's log, where there is one: a machine that only appends has none.
pub(crate) fn signer_at_hand(store: &Store) -> Outcome<Option<FileSigner>> {
    let args = SignerArgs::of_environment()?;
    if args.signing_key.is_empty() && args.signer_command.is_empty() && keys_dir().is_err() {
        return Ok(None);
    }
    joined(store, signers(store, &args)?)
}

/// The signer of a store's log, with all its keys that are at hand: those that were named, or those in the configuration
/// folder.
pub(crate) fn signer(store: &Store, args: &SignerArgs) -> Outcome<FileSigner> {
    let signer = joined(store, signers(store, args)?)?.ok_or_else(|| none_at_hand(store))?;
    let snapshot = store.snapshot()?;
    let (log_keys, ours) = (snapshot.log_keys()?, signer.verifiers());
    for known in log_keys.in_force(snapshot.tree_size()).map(|known| &known.key) {
        if known.algorithm() == Algorithm::MlDsa44 && !ours.contains(&known) {
            output::warn(format_args!(
                "the log's ML-DSA-44 key {} is not here, or this build lacks it: the checkpoint is without its signature",
                known.short()
            ));
        }
    }
    Ok(signer)
}

/// One signer with the keys of all, held to what was signed for this store on this machine by whichever key.
pub(crate) fn joined(store: &Store, signers: Vec<FileSigner>) -> Outcome<Option<FileSigner>> {
    let Some(signer) = signers.into_iter().reduce(FileSigner::and) else { return Ok(None) };
    let Ok(dir) = keys_dir() else { return Ok(Some(signer)) };
    // A key that is kept elsewhere works without a configuration folder.
    if !dir.is_dir() {
        return Ok(Some(signer));
    }
    let name = format!("{}-{}.signed", file_stem(store.origin().as_str()), store.store_id());
    Ok(Some(signer.remembering_at(&dir.join(name))))
}

/// The keys at hand that are in force, each with a signer of its own, the latest first and those of ML-DSA-44 last. A key that was named is among
/// them whether it is in force or not.
pub(crate) fn signers(store: &Store, args: &SignerArgs) -> Outcome<Vec<FileSigner>> {
    let (world, snapshot) = (World::real()?, store.snapshot()?);
    let log_keys = snapshot.log_keys()?;
    let mut in_force: Vec<&VerifierKey> =
        log_keys.in_force(snapshot.tree_size()).rev().map(|known| &known.key).collect();
    in_force.sort_by_key(|key| key.algorithm() != Algorithm::Ed25519);
    let mut signers: Vec<FileSigner> = Vec::new();
    if in_force.len() < args.signer_command.len() {
        return Err(Failure::Usage(match log_keys.all() {
            [] => "this log has no key of its own: a command cannot sign for it".to_owned(),
            _ => format!("{} of the log's keys in force: there are more commands", in_force.len()),
        }));
    }
    for (command, key) in args.signer_command.iter().zip(&in_force) {
        let (verifier, command) = ((*key).clone(), command.clone());
        let signer = CommandSigner { verifier, command, time_max: args.time_max() };
        signers.push(FileSigner::over(&world, &path_of(&log_keys, key)?, signer));
    }
    for path in &args.signing_key {
        match FileSigner::open(&world, path) {
            // With a command, the file's name says only where it is remembered what was signed.
            Err(Error::NotFound { .. }) if !signers.is_empty() => {
                signers = signers
                    .into_iter()
                    .map(|signer| signer.remembering_at(&path.with_extension("signed")))
                    .collect();
            }
            Err(Error::NotFound { .. }) => return Err(missing(store, path)),
            other => signers.push(other?),
        }
    }
    if args.signing_key.is_empty() {
        let is_given = |key: &VerifierKey| signers.iter().any(|signer| signer.verifier() == key);
        let mut found = Vec::new();
        for key in in_force.iter().copied().filter(|key| !is_given(key)) {
            // A key that this build cannot use is one that is not here.
            if key.algorithm().is_supported() {
                found.extend(at_hand(&world, &path_of(&log_keys, key)?)?.filter(|it| it.verifier() == key));
            }
        }
        if log_keys.all().is_empty() {
            found.extend(at_hand(&world, &signing_key_path(store.origin().as_str())?)?);
        }
        signers.extend(found);
    }
    signers.sort_by_key(|signer| signer.verifier().algorithm() != Algorithm::Ed25519);
    Ok(signers)
}

fn at_hand(world: &World, path: &Path) -> Outcome<Option<FileSigner>> {
    match FileSigner::open(world, path) {
        Err(Error::NotFound { .. }) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Where a key of a log is kept, unless it was put elsewhere: the first in the log's own file, each later one in a file
/// with its id.
fn path_of(log_keys: &LogKeys, key: &VerifierKey) -> Outcome<PathBuf> {
    let is_first = log_keys.all().first().is_some_and(|first| first.key == *key);
    if is_first { signing_key_path(key.name()) } else { later_key_path(key) }
}

/// The file of a key that another handed over to.
pub(crate) fn later_key_path(key: &VerifierKey) -> Outcome<PathBuf> {
    Ok(keys_dir()?.join(format!("{}-{:08x}.key", file_stem(key.name()), key.key_id())))
}

/// The file of the latest key of Ed25519 in force that is at hand; where there is none, where the log's first one would be.
pub(crate) fn latest_key_path(store: &Store) -> Outcome<PathBuf> {
    let snapshot = store.snapshot()?;
    let log_keys = snapshot.log_keys()?;
    let first = |known: &&LogKey| known.key.algorithm() == Algorithm::Ed25519;
    for known in log_keys.in_force(snapshot.tree_size()).filter(first).rev() {
        let path = path_of(&log_keys, &known.key)?;
        if path.exists() {
            return Ok(path);
        }
    }
    signing_key_path(store.origin().as_str())
}

fn none_at_hand(store: &Store) -> Failure {
    match signing_key_path(store.origin().as_str()) {
        Ok(path) => missing(store, &path),
        Err(failure) => failure,
    }
}

fn missing(store: &Store, path: &Path) -> Failure {
    Failure::Usage(format!(
        "no signing key for {} at {}; name one with --signing-key FILE",
        store.origin(),
        path.display(),
    ))
}

/// The file of the signing key of a log.
pub(crate) fn signing_key_path(origin: &str) -> Outcome<PathBuf> {
    Ok(keys_dir()?.join(format!("{}.key", file_stem(origin))))
}

/// What is masked in events that `profile` reads: by its own rules, and obvious secrets where that is asked for.
pub(crate) fn masking(store: &Store, profile: &Profile, secrets: bool) -> Outcome<Masking> {
    let has_tokens = profile.masks().iter().any(|rule| rule.action == MaskAction::Token);
    let token_key = if has_tokens { Some(token_key(store.origin().as_str())?) } else { None };
    Ok(Masking { token_key, secrets })
}

/// The secret for `token` rules of this log's profiles; made on first use.
fn token_key(origin: &str) -> Outcome<[u8; 32]> {
    let world = World::real()?;
    let dir = keys_dir()?;
    let path = dir.join(format!("{}.token", file_stem(origin)));
    let wrong = || Failure::Usage(format!("{} is no token key: it must have 32 bytes", path.display()));
    let read = || world.disk.read(&path, 32).map_err(Error::io("read", &path));
    if let Some(bytes) = read()? {
        return bytes.try_into().map_err(|_| wrong());
    }
    let key = world.random::<32>()?;
    world.disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
    match world.disk.open(&path, Open::CreateNew) {
        Ok(file) => {
            file.write_all_at(&key, 0).and_then(|()| file.sync()).map_err(Error::io("write", &path))?;
            world.disk.sync_dir(&dir).map_err(Error::io("sync directory", &dir))?;
            Ok(key)
        }
        // Another process made it meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            read()?.unwrap_or_default().try_into().map_err(|_| wrong())
        }
        Err(error) => Err(Error::io("make", &path)(error).into()),
    }
}

fn keys_dir() -> Outcome<PathBuf> {
    Ok(config_dir()?.join("keys"))
}

/// The user's configuration folder.
pub(crate) fn config_dir() -> Outcome<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("INDELIBLE_CONFIG_DIR")
        .or_else(|| set("XDG_CONFIG_HOME").map(|dir| dir.join("indelible")))
        .or_else(|| set("HOME").map(|dir| dir.join(".config/indelible")));
    config.ok_or_else(|| Failure::Usage("where are keys kept? set INDELIBLE_CONFIG_DIR, or HOME".to_owned()))
}

/// An origin as a file name: what is no letter, digit, dot or dash becomes an underscore, and it cannot begin
/// with a dot.
pub(crate) fn file_stem(origin: &str) -> String {
    let mut stem: String =
        origin.chars().map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect();
    if stem.starts_with('.') {
        stem.replace_range(..1, "_");
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::file_stem;

    #[test]
    fn an_origin_makes_a_file_name_that_stays_in_its_directory() {
        let table = [
            ("acme.example/agents-prod", "acme.example_agents-prod"),
            ("../../etc/passwd", "_._.._etc_passwd"),
            ("a/b\\c:d", "a_b_c_d"),
        ];
        for (origin, stem) in table {
            assert_eq!(file_stem(origin), stem);
            assert!(!stem.contains('/') && !stem.starts_with('.'));
        }
    }
}
