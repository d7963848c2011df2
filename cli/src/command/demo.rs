//! `indelible demo`: the main job from end to end, on the sample evidence that ships with the program.

use std::path::PathBuf;

/// See it work: a store of real sample evidence, sealed, signed and verified
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  indelible demo\n  indelible demo my-demo")]
pub(crate) struct Args {
    /// The directory to make [default: a new one among the temporary files]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
