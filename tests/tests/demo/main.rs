//! The demo and the examples, as their users meet them: built programs, over HTTP, in a browser, on a terminal.

mod bad_input;
mod browser;
mod built;
mod chromium;
mod examples;
mod form;
mod help;
mod orders;
mod program;
mod readme;
mod real_nodes;
mod shop;
mod stock;
mod tickets;
mod timeline;
