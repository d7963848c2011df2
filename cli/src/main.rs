//! The `indelible` command: reads its arguments, runs one command, and turns its result into an exit code.
#![forbid(unsafe_code)]

mod args;
mod command;
mod exit;
mod feed;
mod input;
mod keys;
mod open;
mod output;
mod profiles;
mod progress;
mod quarantine;
mod show;
mod signal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Whatever panics, on whichever thread, the process ends with a failure and says that it is our bug.
    exit::report_panics();
    let outcome = std::panic::catch_unwind(|| match args::Cli::try_parse() {
        Ok(cli) => command::run(&cli),
        Err(error) => exit::of_usage(&error),
    });
    match outcome {
        Ok(Ok(code)) => code.into(),
        Ok(Err(failure)) => exit::tell(&failure).into(),
        Err(_panic) => exit::Code::Bug.into(),
    }
}
