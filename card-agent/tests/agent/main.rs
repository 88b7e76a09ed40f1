//! The agent as the portal's page meets it: real sockets, a software card, no portal.
#![allow(clippy::unwrap_used)]

mod attacks;
mod browser_store;
mod card_commands;
mod card_service;
mod cards;
mod command_line;
mod consent;
mod counting;
mod desk;
mod documents;
mod door;
mod enrolment;
mod held_cards;
mod known_card;
mod native;
mod navigation;
mod opensc;
mod package;
mod pcsc;
mod pin_pad;
mod policy_forms;
mod renewing;
mod root_roll_over;
mod shared_pc;
mod token;
mod transcripts;
mod windows;
mod world;
