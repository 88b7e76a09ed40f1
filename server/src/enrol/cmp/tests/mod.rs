//! The door for CMP, asked by a client of its own.
