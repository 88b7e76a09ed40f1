//! For tests of parsers that take hostile bytes.
//!
//! [`damaged`] turns valid objects into almost valid ones, [`pairs`] into long ones; [`measure`] tells how much memory a
//! parser asked for, which bounds what it holds and, between an input and one of twice its length,
//! shows whether work grows faster than the input. No clock is involved, so no machine is too slow.
//!
//! A test binary that measures makes [`Counting`] its allocator:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: sekisho_hostile::Counting = sekisho_hostile::Counting;
//! ```

mod counting;
mod damage;
mod growth;

pub use counting::{Cost, Counting, measure};
pub use damage::{Damage, damage, damaged, elements};
pub use growth::{grown, pairs, towers};
