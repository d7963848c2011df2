//! `indelible verify`: checks a whole store, and says what it could not check.

use std::path::PathBuf;

/// Check the store, report every finding, and say what was not covered
///
/// Nothing is written. Each segment gets a verdict. Without a key only integrity is checked: that the store is
/// what its own hashes say, not who vouched for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible verify
  indelible verify --quick
  indelible verify --key acme.vkey --expect yesterday.checkpoint
  indelible verify --key 'acme.example/agents+9af1...+AaZ...' --json")]
pub(crate) struct Args {
    /// Headers, seals, chain and signatures only; bodies and indexes are not read
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// Everything, which is the default: each body, hash and index, rebuilt and compared
    #[arg(long)]
    pub(crate) full: bool,
    /// A checkpoint that the store must continue: a signed note's file
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) expect: Option<PathBuf>,
    /// The verifier key that must have signed: a vkey, or a file that holds one
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) key: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
