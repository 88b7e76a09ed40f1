//! Pages for people who administer something.

pub mod terminals;
