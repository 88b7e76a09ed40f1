//! Encodings: one structure a file. Everything here is bounded and fails instead of guessing.

pub mod block_cipher;
pub mod cades;
pub mod cms;
pub mod instant;
pub mod key_identifier;
pub mod name;
pub mod ocsp;
pub mod permanent_identifier;
pub mod pkcs12;
pub mod request;
pub mod serial;
pub mod signed_object;
pub mod tlv;
