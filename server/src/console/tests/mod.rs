//! The pages through the router, with people who are signed in.

mod audit;
mod links;
mod notices;
mod organisations;
mod personal_data;
mod registration;
mod resets;
mod rules;
mod rules_people;
mod rules_writing;
mod servers;
mod service;
mod services;
mod simulator;
mod trial;
mod use_cases;
mod whois;

/// Sessions: cookies have 43 characters, and the login name is made of the first eight.
const OPERATOR: &str = "operatorAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OFFICER: &str = "officer-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const FACILITY: &str = "facilityAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const COLLEAGUE: &str = "colleaguAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const ELSEWHERE: &str = "elsewherAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
