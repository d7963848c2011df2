//! The witnesses that a user knows: a trust policy file in the configuration folder, which asks for all of them.
//!
//! Nothing that it says is evidence: a cosignature counts by the key that verifies it. Whoever wants another quorum
//! writes a policy file and names it with `--policy`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use indelible::trust::{CosignerKey, Policy, PolicyWitness};

use crate::exit::{Failure, Outcome};
use crate::{input, keys, new_file, web};

/// The group of all, in the file.
const ALL: &str = "all-witnesses";

/// The witnesses that were added; none where no file is.
pub(crate) fn known() -> Outcome<Option<Policy>> {
    let path = path()?;
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Io(format!("read {}", path.display()), error)),
        Ok(_) => input::policy(&path).map(Some),
    }
}

/// Adds a witness.
pub(crate) fn add(name: &str, url: &str, key: CosignerKey) -> Outcome<()> {
    web::check_url(url, "a witness's")?;
    let mut witnesses = list()?;
    if witnesses.iter().any(|known| known.name == name.as_bytes()) {
        return Err(Failure::Usage(format!(
            "a witness is called {name} already; choose another name, or take that one off the list with `indelible witness \
             remove {name}`"
        )));
    }
    if let Some(known) = witnesses.iter().find(|known| known.key.public_key() == key.public_key()) {
        return Err(Failure::Usage(format!(
            "this is the key of the witness {} already, and one key counts once",
            known.shown()
        )));
    }
    witnesses.push(PolicyWitness { name: name.into(), key, url: Some(url.into()) });
    keep(&witnesses)
}

/// Takes a witness off the list.
pub(crate) fn remove(name: &str) -> Outcome<()> {
    let mut witnesses = list()?;
    let before = witnesses.len();
    witnesses.retain(|witness| witness.name != name.as_bytes());
    if witnesses.len() == before {
        return Err(Failure::Usage(format!("no witness is called {name:?}; see `indelible witness list`")));
    }
    keep(&witnesses)
}

/// The witnesses, in the order in which they were added.
pub(crate) fn list() -> Outcome<Vec<PolicyWitness>> {
    Ok(known()?.map_or_else(Vec::new, |policy| policy.witnesses().to_vec()))
}

fn keep(witnesses: &[PolicyWitness]) -> Outcome<()> {
    let mut text = b"# Written by `indelible witness`.\n".to_vec();
    let mut names = Vec::new();
    for PolicyWitness { name, key, url } in witnesses {
        let key = key.to_string();
        let items: [&[u8]; 4] = [b"witness", name, key.as_bytes(), url.as_deref().unwrap_or_default()];
        text.extend([&items.join(&b' ')[..], b"\n"].concat());
        names.extend([b" ", name.as_slice()].concat());
    }
    match witnesses {
        [] => text.extend(b"quorum none\n"),
        _ => {
            text.extend(format!("group {ALL} all").bytes());
            text.extend(names);
            text.extend(format!("\nquorum {ALL}\n").bytes());
        }
    }
    // What cannot be read back is not kept: a name with a space in it, or that of the group.
    Policy::decode(&text).map_err(|error| Failure::Usage(format!("not added: {error}")))?;
    let path = path()?;
    let written = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        new_file::replace(&path, &text)
    };
    written().map_err(Failure::io(format!("write {}", path.display())))
}

fn path() -> Outcome<PathBuf> {
    Ok(keys::config_dir()?.join("witnesses.policy"))
}
