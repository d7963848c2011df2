//! The command line's grammar: global options and the list of commands. Each command's own options stand with
//! the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command;

/// Where the store is unless something else is said.
pub(crate) const STORE_DEFAULT: &str = "./evidence";

/// An evidence store for the audit trails of AI agents.
///
/// Append events as JSON, durably; read them back byte for byte; prove that nothing was altered.
#[derive(Debug, Parser)]
#[command(
    name = "indelible",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Start with `indelible demo`, or `indelible init evidence --origin acme.example/agents`.",
    after_long_help = LONG_HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The end of the long help: examples, the environment, and the exit codes.
const LONG_HELP: &str = "\
Examples:
  indelible demo                                          see it work, on real evidence
  indelible init evidence --origin acme.example/agents    make a store, and a key outside it
  indelible append events.jsonl                           append a file of events
  my-agent | indelible append                             append what a program writes, as it writes
  indelible log -n 20                                     the last events
  indelible verify --key acme.vkey                        check everything

Data goes to stdout and talk to stderr; --json makes data for machines.

Environment:
  INDELIBLE_STORE           the store's directory, where -C is not given
  INDELIBLE_SIGNING_KEY     the signing key file
  INDELIBLE_SIGNER_COMMAND  a command that signs: see `indelible help checkpoint`
  INDELIBLE_SIGNER_TIMEOUT  how long that command may take
  INDELIBLE_ARCHIVE         the archive to look in, for segments that were said to be in another
  INDELIBLE_CACHE_DIR       fetched segments; else indelible in XDG_CACHE_HOME or ~/.cache
  INDELIBLE_CONFIG_DIR      where keys are kept; else indelible in XDG_CONFIG_HOME or ~/.config
  NO_COLOR                  no colours

Exit codes:
    0  clean
    1  an empty answer, where --exit-status is given
    2  usage, or input that is refused
    3  I/O, permission, a lock, a broken pipe
    4  a version that this release does not know
   10  damaged: a checksum fails
   11  forged: a hash, root, signature or authority fails
   12  not authenticated, where a key was asked for
   13  rolled back: behind its own checkpoint, an expected one, an anchor, or the signer
   14  incomplete: something that should be there is not
   15  the time was over before all was looked at; what was is as it should be
   70  a bug in indelible
  130  stopped by Ctrl-C, 143 by SIGTERM; what was acknowledged is kept";

/// Options that every command knows.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The store's directory
    #[arg(
        short = 'C',
        long = "store",
        value_name = "DIR",
        env = "INDELIBLE_STORE",
        default_value = STORE_DEFAULT,
        hide_env_values = true,
        global = true
    )]
    pub(crate) store: PathBuf,
}

/// The commands, in the order in which the help lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(command::init::Args),
    Append(command::append::Args),
    Record(command::record::Args),
    Log(command::log::Args),
    Show(command::show::Args),
    Query(command::query::Args),
    Timeline(command::timeline::Args),
    Control(command::control::Args),
    Controls(command::controls::Args),
    Explain(command::explain::Args),
    Tail(command::tail::Args),
    Artifact(command::artifact::Args),
    Archive(command::archive::Args),
    Sources(command::sources::Args),
    Seal(command::seal::Args),
    Checkpoint(command::checkpoint::Args),
    Witness(command::witness::Args),
    Anchor(command::anchor::Args),
    Key(command::key::Args),
    Verify(command::verify::Args),
    Schedule(command::schedule::Args),
    Prove(command::prove::Args),
    VerifyProof(command::verify_proof::Args),
    Export(command::export::Args),
    AuditIndex(command::audit_index::Args),
    VerifyBundle(command::verify_bundle::Args),
    Publish(command::publish::Args),
    Monitor(command::monitor::Args),
    Retention(command::retention::Args),
    Redact(command::apply::RedactArgs),
    Hold(command::hold::Args),
    Operators(command::operators::Args),
    Stats(command::stats::Args),
    Doctor(command::doctor::Args),
    Backup(command::backup::Args),
    Recover(command::recover::Args),
    Demo(command::demo::Args),
    Completions(command::completions::Args),
    Man(command::man::Args),
}
