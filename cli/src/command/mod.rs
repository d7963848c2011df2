//! The commands, one file each. Each has its options (`Args`) and one function (`run`).

pub(crate) mod anchor;
pub(crate) mod append;
pub(crate) mod apply;
pub(crate) mod archive;
pub(crate) mod artifact;
pub(crate) mod audit_index;
pub(crate) mod backup;
pub(crate) mod checkpoint;
pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod control;
pub(crate) mod controls;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod hold;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod log;
pub(crate) mod log_keys;
pub(crate) mod man;
pub(crate) mod monitor;
pub(crate) mod operators;
pub(crate) mod prove;
pub(crate) mod publish;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod recover;
pub(crate) mod retention;
pub(crate) mod schedule;
pub(crate) mod seal;
pub(crate) mod show;
pub(crate) mod sources;
pub(crate) mod stats;
pub(crate) mod tail;
pub(crate) mod timeline;
pub(crate) mod verify;
pub(crate) mod verify_bundle;
pub(crate) mod verify_proof;
pub(crate) mod witness;

use crate::args::{Cli, Command};
use crate::exit::Outcome;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli) -> Outcome {
    let store = cli.place.store.as_path();
    match &cli.command {
        Command::Init(args) => init::run(store, args),
        Command::Append(args) => append::run(store, args),
        Command::Record(args) => record::run(store, args),
        Command::Log(args) => log::run(store, args),
        Command::Show(args) => show::run(store, args),
        Command::Query(args) => query::run(store, args),
        Command::Timeline(args) => timeline::run(store, args),
        Command::Control(args) => control::run(store, args),
        Command::Controls(args) => controls::run(store, args),
        Command::Explain(args) => explain::run(store, args),
        Command::Tail(args) => tail::run(store, args),
        Command::Archive(args) => archive::run(store, args),
        Command::Artifact(args) => artifact::run(store, args),
        Command::Sources(args) => sources::run(store, args),
        Command::Seal(args) => seal::run(store, args),
        Command::Checkpoint(args) => checkpoint::run(store, args),
        Command::Witness(args) => witness::run(args),
        Command::Anchor(args) => anchor::run(store, args),
        Command::Key(args) => key::run(store, args),
        Command::Verify(args) => verify::run(store, args),
        Command::Schedule(args) => schedule::run(store, args),
        Command::Prove(args) => prove::run(store, args),
        Command::VerifyProof(args) => verify_proof::run(args),
        Command::Export(args) => export::run(store, args),
        Command::AuditIndex(args) => audit_index::run(store, args),
        Command::VerifyBundle(args) => verify_bundle::run(args),
        Command::Publish(args) => publish::run(store, args),
        Command::Monitor(args) => monitor::run(args),
        Command::Retention(args) => retention::run(store, args),
        Command::Redact(args) => apply::redact(store, args),
        Command::Hold(args) => hold::run(store, args),
        Command::Operators(args) => operators::run(store, args),
        Command::Stats(args) => stats::run(store, args),
        Command::Doctor(args) => doctor::run(store, args),
        Command::Backup(args) => backup::run(store, args),
        Command::Recover(args) => recover::run(store, args),
        Command::Demo(args) => demo::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}
