//! Every whole-program test, in one binary.

mod archive;
mod checker;
mod cli;
mod crash;
mod golden;
mod processes;
mod questions;
mod seeds;
mod tamper;
mod tidy;
