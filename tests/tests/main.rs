//! Every whole-program test, in one binary.

mod cli;
mod crash;
mod processes;
