//! Files that gather operators' approvals, and the keys that operators approve with.
//!
//! Such a file is what the log will store: the matter, what is signed of it, and the signatures so far.

use std::io::Write;
use std::path::Path;

use indelible::disk::World;
use indelible::format::keys::KeyRevocation;
use indelible::format::retention::{Action, Approved, HoldRelease, Matter, OperatorSet, Plan, Statement};
use indelible::retention::State;
use indelible::trust::{Signer, SigningKey};
use indelible::{Snapshot, Timestamp, query};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::query::present;
use crate::exit::{Failure, Outcome};
use crate::input;
use crate::keys;
use crate::new_file::{self, Readers};
use crate::output::{self, Out};

/// Longest file of approvals that is read, in bytes.
const FILE_LEN_MAX: u64 = 64 << 20;

/// How long approvals are good for, and with which keys to give them at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Asking {
    /// An operator's key file, to approve at once; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<std::path::PathBuf>,
    /// How long approvals are good for, counted from now
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration)]
    pub(crate) expires: i64,
    /// Write the request to this file, for others to approve: `indelible retention approve FILE --key K`
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<std::path::PathBuf>,
}

/// A duration in nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    query::duration_ns(text)
        .filter(|ns| *ns > 0)
        .ok_or_else(|| format!("{text:?} is no duration; write 12h or 7d"))
}

impl Asking {
    /// A matter with the approvals of the keys that were given, as of now.
    pub(crate) fn ask<M: Matter>(&self, snapshot: &Snapshot, matter: M) -> Outcome<Approved<M>> {
        let now = present();
        let mut asked = snapshot.propose(matter, now, Timestamp(now.0.saturating_add(self.expires)));
        for file in &self.key {
            asked.approve(&keys::read(file, "--key")?)?;
        }
        Ok(asked)
    }

    /// Writes the request where it was asked for; whether it was.
    pub(crate) fn put_aside<M: Serialize>(&self, asked: &Approved<M>) -> Outcome<bool> {
        let Some(file) = &self.output else { return Ok(false) };
        write(file, asked)?;
        output::say(format_args!(
            "wrote {}; operators approve it with `indelible retention approve {} --key FILE`",
            file.display(),
            file.display()
        ));
        Ok(true)
    }
}

/// Any file that gathers approvals.
pub(crate) enum AnyApproved {
    Plan(Approved<Plan>),
    HoldRelease(Approved<HoldRelease>),
    OperatorSet(Approved<OperatorSet>),
    KeyRevocation(Approved<KeyRevocation>),
}

impl AnyApproved {
    /// Reads a file of whatever matter.
    pub(crate) fn read(path: &Path) -> Outcome<AnyApproved> {
        #[derive(serde::Deserialize)]
        struct Peek {
            statement: Statement,
        }
        let peek: Peek = read(path)?;
        Ok(match peek.statement.action {
            Action::Delete => AnyApproved::Plan(read(path)?),
            Action::ReleaseHold => AnyApproved::HoldRelease(read(path)?),
            Action::SetOperators => AnyApproved::OperatorSet(read(path)?),
            Action::RevokeKey => AnyApproved::KeyRevocation(read(path)?),
            Action::RotateKey | Action::RetireKey => {
                let reason = "this is signed by the log's own keys: see `indelible key rotate`";
                return Err(Failure::Usage(reason.to_owned()));
            }
        })
    }

    /// What is signed of it.
    pub(crate) fn statement(&self) -> &Statement {
        match self {
            AnyApproved::Plan(approved) => &approved.statement,
            AnyApproved::HoldRelease(approved) => &approved.statement,
            AnyApproved::OperatorSet(approved) => &approved.statement,
            AnyApproved::KeyRevocation(approved) => &approved.statement,
        }
    }

    /// Adds an approval, and writes the file anew; how many there are now.
    pub(crate) fn approve(&mut self, path: &Path, key: &SigningKey) -> Outcome<usize> {
        fn approve<M: Matter>(approved: &mut Approved<M>, path: &Path, key: &SigningKey) -> Outcome<usize> {
            approved.approve(key)?;
            write(path, approved)?;
            Ok(approved.approvals.len())
        }
        match self {
            AnyApproved::Plan(approved) => approve(approved, path, key),
            AnyApproved::HoldRelease(approved) => approve(approved, path, key),
            AnyApproved::OperatorSet(approved) => approve(approved, path, key),
            AnyApproved::KeyRevocation(approved) => approve(approved, path, key),
        }
    }
}

/// Reads a file of one matter.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Outcome<T> {
    let bytes = input::read_all(path, FILE_LEN_MAX)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::Usage(format!("{} is no file to be approved, or not for this: {error}", path.display()))
    })
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Outcome<()> {
    let failed = || format!("write {}", path.display());
    let mut text = serde_json::to_vec(value).map_err(|error| Failure::Io(failed(), error.into()))?;
    text.push(b'\n');
    new_file::replace(path, &text).map_err(Failure::io(failed()))
}

/// Makes an operator's key, in a file that nobody else can read.
pub(crate) fn make_key(path: &Path, name: &str) -> Outcome<SigningKey> {
    let key = SigningKey::from_seed(name, World::real()?.random()?)?;
    let mut file = new_file::create(path, Readers::Owner)?;
    let text = key.to_text();
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(Failure::io(format!("write {}", path.display())))?;
    Ok(key)
}

/// Says who the operators are, where approvals are spoken of.
pub(crate) fn say_operators(out: &mut Out, state: &State) -> Outcome<()> {
    let operators = &state.operators;
    let count = operators.keys.len() as u64;
    out.line(format_args!(
        "takes      {} of {}",
        output::counted(operators.required_to_delete() as u64, "approval", "approvals"),
        output::counted(count, "operator", "operators"),
    ))?;
    if operators.keys.len() < operators.required_to_delete() {
        output::warn(
            "there are not enough operators to approve it; name them with `indelible operators add`",
        );
    }
    Ok(())
}

/// The public half of a key.
pub(crate) fn vkey(key: &SigningKey) -> String {
    key.verifier().to_string()
}
