//! What the ceremony and the authorities make, judged by programs that others wrote: OpenSSL,
//! GnuTLS and pkilint. One that is missing fails the test and names its package.
#![allow(clippy::unwrap_used, missing_docs)]

mod gnutls;
mod issued;
mod openssl;
mod pkilint;
mod roll_over;
mod world;
