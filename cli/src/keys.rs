//! Where keys are: in the user's configuration folder, never in a store.
//!
//! `keys/<origin>.key` is the signing key, beside it what it signed last. The origin's slashes become
//! underscores. `<origin>.token` is the secret by which `token` rules of profiles hash values.

use std::env;
use std::path::{Path, PathBuf};

use indelible::disk::{Open, World};
use indelible::source::{MaskAction, Profile};
use indelible::trust::{SigningKey, VerifierKey};
use indelible::{Error, FileSigner, Masking, Store};
use zeroize::Zeroizing;

use crate::exit::{Failure, Outcome};
use crate::signer_command::CommandSigner;

/// Names the signing key file, where no option does.
pub(crate) const SIGNING_KEY_ENV: &str = "INDELIBLE_SIGNING_KEY";

/// Longest key file that is read, in bytes.
const KEY_LEN_MAX: u64 = 4 << 10;

/// Reads a signing key file.
pub(crate) fn read(path: &Path) -> Outcome<SigningKey> {
    let world = World::real()?;
    let bytes = world.disk.read(path, KEY_LEN_MAX).map_err(Error::io("read", path))?;
    let Some(bytes) = bytes.map(Zeroizing::new) else {
        return Err(Failure::Usage(format!(
            "no signing key at {}; name one with --signing-key FILE",
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
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SignerArgs {
    /// The signing key file [default: the one that init made, in your configuration folder]
    #[arg(long, value_name = "FILE", env = SIGNING_KEY_ENV, hide_env_values = true)]
    pub(crate) signing_key: Option<PathBuf>,
    /// Sign by a command, for keys in an HSM or a KMS: it gets the message on stdin and prints its Ed25519 signature by
    /// the log's key, 64 bytes or their base64
    #[arg(long, value_name = "COMMAND", env = "INDELIBLE_SIGNER_COMMAND", hide_env_values = true)]
    pub(crate) signer_command: Option<String>,
}

/// The signer of a store's log, where there is one: a machine that only appends has none.
pub(crate) fn signer_at_hand(store: &Store) -> Outcome<Option<FileSigner>> {
    let of_environment = |name| env::var_os(name).filter(|value| !value.is_empty());
    let args = SignerArgs {
        signing_key: of_environment(SIGNING_KEY_ENV).map(PathBuf::from),
        signer_command: of_environment("INDELIBLE_SIGNER_COMMAND").and_then(|text| text.into_string().ok()),
    };
    if args.signing_key.is_some() || args.signer_command.is_some() {
        return signer(store, &args).map(Some);
    }
    let Ok(path) = signing_key_path(store.origin().as_str()) else { return Ok(None) };
    match FileSigner::open(&World::real()?, &path) {
        Err(Error::NotFound { .. }) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// The signer of a store's log: the one that was named, or the key that `init` made.
pub(crate) fn signer(store: &Store, args: &SignerArgs) -> Outcome<FileSigner> {
    let path = match &args.signing_key {
        Some(path) => path.clone(),
        None => signing_key_path(store.origin().as_str())?,
    };
    if let Some(command) = &args.signer_command {
        let log_key = store.log_key().ok_or_else(|| {
            Failure::Usage("this log has no key of its own: a command cannot sign for it".to_owned())
        })?;
        let signer = CommandSigner { verifier: log_key.parse::<VerifierKey>()?, command: command.clone() };
        return Ok(FileSigner::over(&World::real()?, &path, signer));
    }
    match FileSigner::open(&World::real()?, &path) {
        Err(Error::NotFound { .. }) => Err(Failure::Usage(format!(
            "no signing key for {} at {}; name one with --signing-key FILE",
            store.origin(),
            path.display(),
        ))),
        other => Ok(other?),
    }
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
