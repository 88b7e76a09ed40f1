//! What is particular to healthcare in Japan: numbers, roles, the HPKI, the JPKI.

pub mod facility_code;
pub mod facility_identifier;
pub mod hc_role;
pub mod hpki;
pub mod jpki;
mod luhn;
