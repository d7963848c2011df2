//! Where keys are: in the user's configuration folder, never in a store.
//!
//! `keys/<origin>.key` is the signing key, beside it what it signed last. The origin's slashes become
//! underscores. `<origin>.token` is the secret by which `token` rules of profiles hash values.

use std::env;
use std::path::{Path, PathBuf};

use indelible::disk::{Open, World};
use indelible::source::{MaskAction, Profile};
use indelible::{Error, FileSigner, Masking, Store};

use crate::exit::{Failure, Outcome};

/// The signer of a store's log, where the key that `init` made is here: a machine that only appends has none.
pub(crate) fn signer_at_hand(store: &Store) -> Outcome<Option<FileSigner>> {
    let Ok(path) = signing_key_path(store.origin().as_str()) else { return Ok(None) };
    match FileSigner::open(&World::real()?, &path) {
        Err(Error::NotFound { .. }) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Opens the signer of a store's log: the key file that was named, or the one that `init` made.
pub(crate) fn signer(store: &Store, named: Option<&Path>) -> Outcome<FileSigner> {
    let path = match named {
        Some(path) => path.to_path_buf(),
        None => signing_key_path(store.origin().as_str())?,
    };
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
fn file_stem(origin: &str) -> String {
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
