//! `indelible man`: the manual pages, made from the same texts as the help.

use std::path::PathBuf;

use clap::CommandFactory;

use crate::args::Cli;
use crate::exit::{Code, Failure, Outcome};
use crate::output;

/// Write the manual pages to a directory, or print the first to stdout
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible man ~/.local/share/man/man1
  indelible man | man -l -")]
pub(crate) struct Args {
    /// The directory; made if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Writes the pages.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(Failure::io(format!("make {}", dir.display())))?;
            clap_mangen::generate_to(Cli::command(), dir)
                .map_err(Failure::io(format!("write to {}", dir.display())))?;
            output::say(format_args!("wrote the manual pages to {}", dir.display()));
        }
        None => clap_mangen::Man::new(Cli::command())
            .render(&mut std::io::stdout())
            .map_err(Failure::io("write to stdout"))?,
    }
    Ok(Code::Clean)
}
