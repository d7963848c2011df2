//! Every whole-program test, in one binary.

mod crash;
mod processes;
mod cli;
mod crash;
