//! What is particular to healthcare in Japan: numbers, roles, the HPKI.

pub mod facility_code;
pub mod facility_identifier;
pub mod hc_role;
pub mod hpki;
mod luhn;
