//! The demonstration: the whole way through, set up from nothing on this machine, walked by a person
//! in a browser or by `--check` without one. Every step goes through the real doors of real
//! processes.

pub mod acme_client;
pub mod at_work;
pub mod browser;
pub mod cards;
pub mod cast;
pub mod check;
pub mod chromium;
pub mod cmp_client;
pub mod connection;
pub mod console;
pub mod crowd;
pub mod desk;
pub mod est_client;
pub mod login_page;
pub mod namespace;
pub mod process;
pub mod refusals;
pub mod report;
pub mod scep_client;
pub mod services;
pub mod stage;
pub mod walk;
