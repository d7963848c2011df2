//! The `indelible` command: reads its arguments, runs one command, and turns its result into an exit code.
#![forbid(unsafe_code)]

mod anchors;
mod apart;
mod approvals;
mod archives;
mod args;
mod command;
mod cosign;
mod exit;
mod feed;
mod http;
mod input;
mod keys;
mod metrics;
mod new_file;
mod open;
mod output;
mod profiles;
mod progress;
mod published;
mod quarantine;
mod render;
mod rounds;
mod shell;
mod show;
mod signal;
mod signer_command;
mod signing;
mod verification;
mod web;
mod witnessed;
mod witnesses;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::guard(|| match args::Cli::try_parse() {
        Ok(cli) => command::run(&cli),
        Err(error) => exit::of_usage(&error),
    })
    .into()
}
