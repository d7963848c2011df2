//! `indelible completions`: what a shell needs to complete our commands.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{Code, Failure, Outcome};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible completions bash > ~/.local/share/bash-completion/completions/indelible
  indelible completions zsh > ~/.zfunc/_indelible
  indelible completions fish > ~/.config/fish/completions/indelible.fish")]
pub(crate) struct Args {
    /// The shell
    pub(crate) shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> Outcome {
    // Into memory first: the generator panics where its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "indelible", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(Failure::io("write to stdout"))?;
    Ok(Code::Clean)
}
